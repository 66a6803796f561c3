//! Putting the statements of a unit on record, with the locks that they took and let go.

use std::sync::Arc;
use std::time::Instant;

use super::super::super::catalog::Catalog;
use super::super::super::locks::Key;
use super::super::super::record::Hold;
use super::super::super::statement::{Held, shuts_out};
use super::super::{Running, Watch};
use super::piece::{Piece, waited};
use super::{Boundary, Found};
use crate::run::{Counters, How, Statement, StatementStatus};
use crate::sql::mysql::command::name_of;
use crate::sql::mysql::transaction::commits_implicitly;

impl Watch {
    /// Records statements and opens and closes holds.
    #[expect(clippy::too_many_arguments, reason = "each is a fact about the unit")]
    pub(super) fn put(
        &mut self,
        pieces: Vec<Piece<'_>>,
        found: Vec<Found>,
        boundary: &Boundary,
        running: &Running,
        was_open: bool,
        before: &Catalog,
        spent: &Counters,
    ) {
        let observer = Arc::clone(&self.observer);
        let mut record = observer.record();
        if record.migration != self.migration {
            self.migration = record.migration;
            self.open.clear();
        }
        let asked = boundary.settings.get("lock_wait_timeout").and_then(|seconds| seconds.parse().ok());
        let timeout: Option<u64> = asked.or(self.lock_wait_timeout);
        let count = pieces.len();
        for (number, (piece, found)) in pieces.into_iter().zip(found).enumerate() {
            let is_last = number + 1 == count;
            let index = record.statements.len();
            let mut locks = Vec::new();
            let mut is_known = found.held.is_some();
            let mut held = found.held.unwrap_or_default();
            held.sort_by(|a, b| b.key.1.cmp(&a.key.1).then(a.from.cmp(&b.from)).then(a.key.0.cmp(&b.key.0)));
            for lock in &held {
                let facts = lock.facts(&observer.home, before.contains(&lock.key.0), false);
                record.holds.push(self.hold(index, locks.len(), lock, facts.blocks.clone(), Some(lock.to)));
                locks.push(facts);
            }
            if is_last {
                // What it holds on to: a transaction's locks, and those of LOCK TABLES.
                let known: Vec<Key> = self.open.iter().map(|hold| record.holds[*hold].key.clone()).collect();
                for key in boundary.locks.iter().filter(|key| !known.contains(key) && before.contains(&key.0)) {
                    let lock = Held {
                        key: key.clone(),
                        from: piece.began,
                        to: piece.ended,
                        waited: piece.event.map(waited),
                        how: How::Exact,
                    };
                    let facts = lock.facts(&observer.home, true, true);
                    self.open.push(record.holds.len());
                    let open = self.hold(index, locks.len(), &lock, facts.blocks.clone(), None);
                    record.holds.push(open);
                    locks.push(facts);
                }
                is_known |= self.in_transaction || was_open || !boundary.locks.is_empty();
            }
            let in_transaction = was_open || self.in_transaction;
            let rows = piece.rows(found.algorithm);
            let lock_wait_timeout_s = timeout.filter(|_| locks.iter().any(shuts_out));
            let error = piece.error();
            record.statements.push(Statement {
                line: running.line.filter(|_| number == 0),
                connection: self.connection,
                command: name_of(piece.sql),
                sql: piece.sql.to_owned(),
                status: if error.is_some() { StatementStatus::Error } else { StatementStatus::Ok },
                error,
                in_transaction,
                bookkeeping: false,
                version: running.pending.version.clone(),
                duration_ms: piece.ended.saturating_duration_since(piece.began).into(),
                rows,
                locks: is_known.then_some(locks),
                rewrites: found.rewrites,
                scans: found.scans,
                algorithm: found.algorithm,
                row_versions: found.row_versions,
                lock_wait_timeout_s,
                lock_timeout_ms: None,
                implicit_commit: number == 0 && was_open && commits_implicitly(piece.sql),
                parts: Vec::new(),
                // Counted once for a unit: of several statements, each one's share is not known.
                counters: if count == 1 { spent.clone() } else { not_observed(spent) },
            });
            if is_last {
                let gone = |hold: &usize| !boundary.locks.contains(&record.holds[*hold].key);
                let (gone, kept): (Vec<usize>, Vec<usize>) = self.open.iter().copied().partition(gone);
                record.release(&gone, piece.ended);
                self.open = kept;
            }
        }
    }

    fn hold(
        &self,
        statement: usize,
        lock: usize,
        held: &Held,
        blocks: Vec<crate::run::Blocks>,
        released: Option<Instant>,
    ) -> Hold {
        let (key, connection) = (held.key.clone(), self.connection);
        Hold { statement, lock, key, blocks, connection, granted: held.from, released }
    }
}

fn not_observed(counters: &Counters) -> Counters {
    Counters {
        redo_bytes: counters.redo_bytes.map(|_| None),
        binlog_bytes: counters.binlog_bytes.map(|_| None),
        pages_created: counters.pages_created.map(|_| None),
        ..Counters::default()
    }
}
