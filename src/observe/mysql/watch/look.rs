//! Looking at what a unit did, while its session stands still: its events, locks, counters and what changed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mysql_async::Conn;

use super::super::algorithm::{self, Clone as EmptyClone, Trace};
use super::super::ask::{ask, cell};
use super::super::catalog::{self, Catalog, TableName};
use super::super::counters::{self, Totals};
use super::super::events::{self, Event, Step};
use super::super::lock_mode::LockMode;
use super::super::locks::{self, Key, Log};
use super::super::record::Hold;
use super::super::statement::{self, Change, Clock, Held, shuts_out, span};
use super::super::{Family, windows};
use super::{Answer, Outcome, Running, Watch, makes_tables, resolve};
use crate::run::{
    Algorithm, Counters, How, Rewrite, RewriteKind, RowVersions, Scan, SqlError, Statement, StatementStatus,
};
use crate::sql::mysql::command::name_of;
use crate::sql::mysql::name;
use crate::sql::mysql::tables::{Kin, Tables};
use crate::sql::mysql::transaction::commits_implicitly;

/// For how long the server is given to close the events of what it has answered. It takes it some microseconds.
const PATIENCE: Duration = Duration::from_millis(500);
/// A sample's time is known to half of its round trip.
const MARGIN: Duration = Duration::from_millis(2);

/// What is read of a session at a boundary.
struct Boundary {
    events: Vec<Event>,
    locks: Vec<Key>,
    totals: Totals,
    settings: BTreeMap<String, String>,
}

/// One statement of a unit, and what is known of it.
struct Piece<'a> {
    sql: &'a str,
    tables: Option<&'a Tables>,
    event: Option<&'a Event>,
    outcome: Option<&'a Outcome>,
    targets: Vec<TableName>,
    began: Instant,
    ended: Instant,
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
        let Some((from, to)) = windows::build(change.event) else { return Ok(false) };
        let (from, to) = (change.clock.at(from), change.clock.at(to));
        let (begin, end) = (change.clock.at(change.event.from), change.clock.at(change.event.to));
        if log.between(begin, end).any(|(table, mode)| table == target && *mode == LockMode::SharedNoWrite) {
            return Ok(true);
        }
        let worked = matches!(change.algorithm, Some(Algorithm::Inplace | Algorithm::InplaceRebuild));
        if !worked || log.at.iter().any(|at| *at > from + MARGIN && *at + MARGIN < to) {
            return Ok(false);
        }
        match clone {
            Some(clone) => Ok(clone.takes("ALGORITHM=INPLACE, LOCK=NONE").await? == Some(false)),
            None => Ok(false),
        }
    }

    /// Records statements and opens and closes holds.
    #[expect(clippy::too_many_arguments, reason = "each is a fact about the unit")]
    fn put(
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

/// Matches the statements of a unit with the server's events.
fn match_up<'a>(running: &'a Running, answer: &'a Answer, events: &'a [Event], ended: Instant) -> Vec<Piece<'a>> {
    let known = &running.pending.pieces;
    // The unit's are the last: one before them may have been the end of something that is told by no unit.
    let strange = if answer.outcomes.len() <= known.len() { events.len().saturating_sub(known.len()) } else { 0 };
    let events = &events[strange..];
    let origin = events.first().map_or(0, |event| event.from);
    let clock = Clock { began: running.began, origin, ended };
    let count = events.len().max(1);
    (0..count)
        .map(|index| {
            let event = events.get(index);
            let is_last = index + 1 == count;
            let (sql, tables) = match (known.get(index), event) {
                _ if count == 1 && known.len() != 1 => (running.sql.as_str(), None),
                (Some((sql, tables)), _) if known.len() >= count => (sql.as_str(), tables.as_ref()),
                (_, Some(event)) => (event.sql.as_str(), None),
                _ => (running.sql.as_str(), None),
            };
            let aligned = answer.outcomes.len() == count;
            let outcome = if aligned { answer.outcomes.get(index) } else { answer.outcomes.last().filter(|_| is_last) };
            let targets = tables.map(|tables| resolve(tables, running.pending.database.as_deref()));
            Piece {
                sql,
                tables,
                event,
                outcome,
                targets: targets.unwrap_or_default(),
                began: if index == 0 { running.began } else { event.map_or(running.began, |e| clock.at(e.from)) },
                ended: if is_last { ended } else { event.map_or(ended, |event| clock.at(event.to)) },
            }
        })
        .collect()
}

impl Piece<'_> {
    fn failed(&self) -> bool {
        self.error().is_some()
    }

    /// The error that the client was told, or that the server has on record.
    fn error(&self) -> Option<SqlError> {
        match self.outcome {
            Some(Outcome::Error(error)) => Some(error.clone()),
            Some(_) => None,
            None => self.event?.error.clone(),
        }
    }

    /// Rows that it touched, as the client was told, or as the server has on record.
    fn affected(&self) -> Option<u64> {
        match self.outcome {
            Some(Outcome::Done { affected, .. }) => Some(*affected),
            Some(_) => None,
            None => self.event?.rows_affected,
        }
    }

    /// Rows that were read, changed or copied; `None` for what has no such count.
    fn rows(&self, algorithm: Option<Algorithm>) -> Option<u64> {
        let counts = ["INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD DATA", "CREATE TABLE AS"];
        let command = name_of(self.sql);
        if let Some(Outcome::Rows(rows)) = self.outcome {
            return (command == "SELECT" || counts.contains(&command.as_str())).then_some(*rows);
        }
        let affected = self.affected().filter(|_| !self.failed())?;
        let counted = counts.contains(&command.as_str()) || algorithm == Some(Algorithm::Copy);
        (counted || command == "CALL" && affected > 0).then_some(affected)
    }

    /// What was read from end to end, of a statement that changes no definitions: nothing, if every table was read by an
    /// index; else not known, since the server does not say which table it was.
    fn scans(&self) -> Option<Vec<Scan>> {
        let event = self.event?;
        (self.tables.is_some() || !event.without_index || event.rows_examined == 0).then(Vec::new)
    }
}

/// Whether an ALTER had its table to itself while it was at work (`LOCK=EXCLUSIVE`), as samples saw it.
fn is_alone(change: &Change<'_>, target: &TableName, log: &Log) -> bool {
    let Some((from, to)) = windows::at_work(change.event) else { return false };
    let (from, to) = (change.clock.at(from) + MARGIN, change.clock.at(to).checked_sub(MARGIN));
    to.is_some_and(|to| from < to && log.throughout(&(target.clone(), LockMode::Exclusive), from, to))
}

fn waited(event: &Event) -> Duration {
    event.stages.iter().filter(|stage| stage.step == Step::Wait).map(|stage| span(stage.to - stage.from)).sum()
}

fn not_observed(counters: &Counters) -> Counters {
    Counters {
        redo_bytes: counters.redo_bytes.map(|_| None),
        binlog_bytes: counters.binlog_bytes.map(|_| None),
        pages_created: counters.pages_created.map(|_| None),
        ..Counters::default()
    }
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
