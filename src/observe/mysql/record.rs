//! What was observed of the migration that is running, and what is needed to go on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::Observation;
use super::super::holds::{self, Pause};
use super::catalog::{self, Catalog, Columns, TableName};
use super::counters::Totals;
use super::locks::Key;
use crate::run::{Blocking, Millis, Statement};
use crate::sql::mysql::name;

/// A hold of a metadata lock.
pub(super) type Hold = holds::Hold<Key>;

/// What was observed of the migration that is running, and what is needed to go on.
#[derive(Default)]
pub(super) struct Record {
    /// The database that is rehearsed on, whose tables have plain names on record.
    pub(super) home: String,
    /// The database before all pending migrations.
    pub(super) initial: Arc<Catalog>,
    /// As it was when the last statement had ended.
    pub(super) committed: Arc<Catalog>,
    /// Columns of every table before this migration.
    columns: Columns,
    pub(super) statements: Vec<Statement>,
    /// When the first statement began and the last ended.
    span: Option<(Instant, Instant)>,
    pub(super) holds: Vec<Hold>,
    pub(super) pauses: Vec<Pause>,
    /// The line of the file from which the next statement is sent.
    pub(super) line: Option<u32>,
    pub(super) connections: u32,
    /// Which migration it is, counted from 1.
    pub(super) migration: u32,
    /// As they were when the last boundary had been observed.
    pub(super) totals: Totals,
    pub(super) samples: u64,
    pub(super) held_back: Vec<Duration>,
    /// The first failure to observe, after which figures are not to be trusted.
    pub(super) trouble: Option<String>,
}

impl Record {
    /// Before all migrations.
    pub(super) fn new(home: String, initial: Catalog) -> Self {
        Self { home, initial: Arc::new(initial), ..Self::default() }
    }

    /// Begins another migration.
    pub(super) fn begin(&mut self, columns: Columns, committed: Arc<Catalog>, totals: Totals) {
        self.migration += 1;
        self.columns = columns;
        self.committed = committed;
        self.totals = totals;
        self.statements.clear();
        self.holds.clear();
        self.pauses.clear();
        self.span = None;
        self.line = None;
    }

    /// What was observed of it.
    pub(super) fn end(&mut self, columns: &Columns) -> Observation {
        let removed = catalog::removed(&self.columns, columns);
        let duration = self.span.map(|(from, to)| {
            let paused: Duration =
                self.pauses.iter().map(|pause| pause.to.min(to).saturating_duration_since(pause.from.max(from))).sum();
            to.saturating_duration_since(from).saturating_sub(paused).into()
        });
        let blocking = self.blocking();
        let statements = std::mem::take(&mut self.statements);
        Observation { statements, duration, blocking, removed, ..Observation::default() }
    }

    /// Adds a time in which statements ran.
    pub(super) fn ran(&mut self, from: Instant, to: Instant) {
        self.span = Some((self.span.map_or(from, |(first, _)| first.min(from)), to));
    }

    /// Closes holds.
    pub(super) fn release(&mut self, holds: &[usize], at: Instant) {
        for index in holds {
            // A hold of a migration before this one is closed with it.
            let Some(hold) = self.holds.get_mut(*index) else { continue };
            hold.released = Some(at);
            let span = holds::held(hold, &self.pauses);
            let (statement, lock) = (hold.statement, hold.lock);
            if let Some(lock) = self.statements.get_mut(statement).and_then(|s| s.locks.as_mut()?.get_mut(lock)) {
                lock.held_ms = span.map(Millis);
            }
        }
    }

    fn blocking(&self) -> Vec<Blocking> {
        let mut tables: Vec<&TableName> = self.holds.iter().map(|hold| &hold.key.0).collect();
        tables.sort_unstable();
        tables.dedup();
        let mut blocking: Vec<Blocking> = tables
            .into_iter()
            .filter_map(|table| {
                let of_table: Vec<&Hold> = self.holds.iter().filter(|hold| hold.key.0 == *table).collect();
                let (reads, writes) = holds::shut_out(&of_table, &self.pauses)?;
                let before = self.initial.tables.get(table);
                Some(Blocking {
                    table: name::relation(&self.home, &table.0, &table.1),
                    rows: before.and_then(|table| table.rows),
                    new: before.is_none(),
                    reads,
                    writes,
                })
            })
            .collect();
        blocking.sort_by(|a, b| a.table.cmp(&b.table));
        blocking
    }
}
