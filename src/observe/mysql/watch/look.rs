//! Looking at what a unit did, while its session stands still: its events, locks, counters and what changed.

mod piece;
mod put;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mysql_async::Conn;

use super::super::algorithm::{self, Clone as EmptyClone, Trace};
use super::super::ask::{ask, cell};
use super::super::catalog::{self, Catalog, TableName};
use super::super::counters::{self, Totals};
use super::super::events::{self, Event};
use super::super::lock_mode::LockMode;
use super::super::locks::{self, Key, Log};
use super::super::statement::{self, Change, Clock, Held};
use super::super::{Family, windows};
use super::{Answer, Running, Watch, makes_tables};
use crate::run::{Algorithm, Rewrite, RewriteKind, RowVersions, Scan};
use crate::sql::mysql::name;
use crate::sql::mysql::tables::Kin;
use piece::{Piece, match_up};

/// For how long the server is given to close the events of what it has answered. It takes it some microseconds.
const PATIENCE: Duration = Duration::from_millis(500);

/// What is read of a session at a boundary.
struct Boundary {
    events: Vec<Event>,
    locks: Vec<Key>,
    totals: Totals,
    settings: BTreeMap<String, String>,
}

/// What was found out about a change of tables.
#[derive(Default)]
struct Found {
    algorithm: Option<Algorithm>,
    held: Option<Vec<Held>>,
    rewrites: Option<Vec<Rewrite>>,
    scans: Option<Vec<Scan>>,
    row_versions: Option<RowVersions>,
}

impl Watch {
    /// Puts the statements of a unit on record.
    pub(super) async fn look(
        &mut self,
        running: &Running,
        answer: &Answer,
        log: &Log,
        was_open: bool,
        ended: Instant,
    ) -> Result<(), mysql_async::Error> {
        let observer = Arc::clone(&self.observer);
        let mut control = observer.control.lock().await;
        let boundary = self.boundary(&mut control, answer).await?;
        let before = Arc::clone(&observer.record().committed);
        let pieces = match_up(running, answer, &boundary.events, ended);
        let changes = pieces.iter().any(|piece| {
            piece.tables.is_some()
                || makes_tables(piece.sql)
                || piece.event.is_some_and(|event| !event.stages.is_empty())
        });
        let mut after = Arc::clone(&before);
        if changes {
            after = Arc::new(Catalog::read(&mut control, observer.family, false).await?);
            observer.record().committed = Arc::clone(&after);
        }
        let mut found = Vec::new();
        for piece in &pieces {
            // Where several statements changed one table, what each of them left behind cannot be told apart.
            let alone = pieces.len() == 1
                || piece.targets.iter().all(|target| pieces.iter().filter(|p| p.targets.contains(target)).count() == 1);
            found.push(self.change(&mut control, piece, running, log, (&before, &after), alone).await?);
        }
        let spent = boundary.totals.since(observer.record().totals);
        self.put(pieces, found, &boundary, running, was_open, &before, &spent);
        // Reading catalogs, and trying on a clone, is not the next statement's.
        let totals = if changes { observer.totals(&mut control).await? } else { boundary.totals };
        observer.record().totals = totals;
        Ok(())
    }

    async fn boundary(&mut self, control: &mut Conn, answer: &Answer) -> Result<Boundary, mysql_async::Error> {
        let observer = &self.observer;
        let thread = self.thread.unwrap_or(0);
        let many = answer.outcomes.len() > 4;
        let settings = match observer.family {
            Family::Mysql => format!(
                "SELECT VARIABLE_NAME, VARIABLE_VALUE FROM performance_schema.variables_by_thread \
                 WHERE THREAD_ID = {thread} AND VARIABLE_NAME IN ('lock_wait_timeout', 'sql_mode')"
            ),
            Family::Mariadb => "SELECT NULL, NULL".to_owned(),
        };
        let questions = format!(
            "{}; {}; {settings}; {}",
            events::questions(thread, self.event, many),
            locks::question(observer.family, thread, self.id),
            counters::questions(observer.family, observer.binlog),
        );
        let began = Instant::now();
        loop {
            let sets = ask(control, &questions).await?;
            let [current, statements, stages, locks, settings, status, logs @ ..] = sets.as_slice() else {
                return Err(mysql_async::Error::Other("the server answered fewer questions than it was asked".into()));
            };
            let events = events::read(current, statements, stages);
            if events.is_none() && began.elapsed() < PATIENCE {
                tokio::time::sleep(Duration::from_micros(200)).await;
                continue;
            }
            let events = events.unwrap_or_default();
            if let Some(last) = events.last() {
                self.event = last.id;
            }
            return Ok(Boundary {
                events,
                locks: locks::read(locks),
                totals: Totals::read(status, logs.first().map(Vec::as_slice)),
                settings: settings.iter().map(|row| (cell(row, 0).to_owned(), cell(row, 1).to_owned())).collect(),
            });
        }
    }

    async fn change(
        &self,
        control: &mut Conn,
        piece: &Piece<'_>,
        running: &Running,
        log: &Log,
        (before, after): (&Catalog, &Catalog),
        alone: bool,
    ) -> Result<Found, mysql_async::Error> {
        let Some(event) = piece.event else { return Ok(Found::default()) };
        let clock = Clock { began: piece.began, origin: event.from, ended: piece.ended };
        let targets: Vec<TableName> = piece.targets.iter().filter(|table| before.contains(table)).cloned().collect();
        let mut change =
            Change { family: self.observer.family, event, clock, targets: &targets, algorithm: None, before, after };
        let failed = piece.failed();
        let nothing = Found { rewrites: Some(Vec::new()), scans: piece.scans(), ..Found::default() };
        let Some(tables) = piece.tables else {
            let held =
                if self.in_transaction { None } else { statement::sampled(log, before, piece.began, piece.ended) };
            return Ok(Found { held, ..nothing });
        };
        if tables.kin == Kin::Whole {
            let held = if failed { Vec::new() } else { change.whole(log) };
            return Ok(Found { held: Some(held), ..nothing });
        }
        let Some(target) = targets.first() else { return Ok(Found { held: Some(Vec::new()), ..nothing }) };
        let (old, new) =
            (before.tables.get(target), after_name(before, after, target).and_then(|t| after.tables.get(&t)));
        let traced = if failed || !alone { (None, None) } else { (old, new) };
        let definition = running.pending.definitions.get(target).filter(|_| alone && !failed);
        let mut clone = definition.map(|definition| EmptyClone {
            conn: control,
            definition,
            table: &target.1,
            sql: piece.sql,
            tables,
        });
        change.algorithm = match algorithm::trace(event, traced.0, traced.1) {
            Some(Trace::Told(algorithm)) => Some(algorithm),
            Some(Trace::DictionaryOnly) => match &mut clone {
                Some(clone) => clone
                    .takes("ALGORITHM=INSTANT")
                    .await?
                    .map(|takes| if takes { Algorithm::Instant } else { Algorithm::Inplace }),
                None => None,
            },
            None => None,
        };
        let shared = self.shuts_writers_out(&change, target, log, clone.as_mut()).await?;
        let mut windows = change.windows(shared);
        if windows.is_empty() && !failed {
            windows.push(windows::whole(event));
        }
        let held = change.altered(&windows, is_alone(&change, target, log), log);
        let mut found = Found { algorithm: change.algorithm, held: Some(held), ..nothing };
        if !alone {
            return Ok(Found { rewrites: None, scans: None, ..found });
        }
        if let (Some(old), Some(new), false) = (old, new, failed) {
            let relation = name::relation(&self.observer.home, &target.0, &target.1);
            let mut rewrites = Vec::new();
            if matches!(change.algorithm, Some(Algorithm::Copy | Algorithm::InplaceRebuild)) {
                let bytes = catalog::size(control, self.observer.family, new).await;
                rewrites.push(Rewrite { relation: relation.clone(), table: None, kind: RewriteKind::Table, bytes });
            } else {
                rewrites.extend(old.built_anew(new).map(|index| Rewrite {
                    relation: index.to_owned(),
                    table: Some(relation.clone()),
                    kind: RewriteKind::Index,
                    bytes: None,
                }));
            }
            if !rewrites.is_empty() || old.has_new_index(new) {
                let rows = piece.affected().filter(|_| change.algorithm == Some(Algorithm::Copy));
                found.scans = Some(vec![Scan { relation: relation.clone(), scans: 1, rows, bytes: None }]);
            }
            found.rewrites = Some(rewrites);
            let used = new.row_versions.filter(|used| *used > old.row_versions.unwrap_or(0));
            if let (Some(used), Some(limit)) = (used, self.observer.row_versions()) {
                found.row_versions = Some(RowVersions { table: relation, used, limit });
            }
        }
        Ok(found)
    }

    /// Whether writers were shut out while a statement was at work in place: as samples saw it, or as the server says of an
    /// empty clone.
    async fn shuts_writers_out(
        &self,
        change: &Change<'_>,
        target: &TableName,
        log: &Log,
        clone: Option<&mut EmptyClone<'_>>,
    ) -> Result<bool, mysql_async::Error> {
        let Some(build) = windows::build(change.event) else { return Ok(false) };
        let (from, to) = change.clock.surely(build, change.event);
        let (begin, end) = (change.clock.at(change.event.from), change.clock.at(change.event.to));
        if log.between(begin, end).any(|(table, mode)| table == target && *mode == LockMode::SharedNoWrite) {
            return Ok(true);
        }
        let worked = matches!(change.algorithm, Some(Algorithm::Inplace | Algorithm::InplaceRebuild));
        if !worked || log.samples.iter().any(|sample| sample.is_within(from, to)) {
            return Ok(false);
        }
        match clone {
            Some(clone) => Ok(clone.takes("ALGORITHM=INPLACE, LOCK=NONE").await? == Some(false)),
            None => Ok(false),
        }
    }
}

/// Whether an ALTER had its table to itself while it was at work (`LOCK=EXCLUSIVE`), as samples saw it.
fn is_alone(change: &Change<'_>, target: &TableName, log: &Log) -> bool {
    let Some(at_work) = windows::at_work(change.event) else { return false };
    let (from, to) = change.clock.surely(at_work, change.event);
    log.throughout(&(target.clone(), LockMode::Exclusive), from, to)
}

/// What a table is called after a statement that may have renamed it: it is known by its parts.
fn after_name(before: &Catalog, after: &Catalog, table: &TableName) -> Option<TableName> {
    if after.contains(table) {
        return Some(table.clone());
    }
    let ids = &before.tables.get(table)?.parts;
    let same =
        |(_, other): &(&TableName, &catalog::Table)| other.parts.values().any(|id| ids.values().any(|old| old == id));
    after.tables.iter().find(same).map(|(name, _)| name.clone())
}
