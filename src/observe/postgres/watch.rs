//! One connection of the tool: what each of its statements did, read at the boundaries that the tap marks.
//!
//! | transaction status after the statement | what is read |
//! | --- | --- |
//! | `T`, a transaction is open | its locks exactly (from outside); names, storage and counters of what it has not committed (asked in the same backend, through the tap) |
//! | `E`, it has failed | nothing can be asked; its locks are gone already (seen on 15 to 18), so samples tell what the failing statement had locked |
//! | `I`, none is open | the database as everybody sees it; locks by samples |

mod look;

use std::sync::Arc;
use std::time::Instant;

use super::ask::Ask;
use super::catalog::Oid;
use super::holds::{self, Hold, Key, Pause};
use super::inside::Touched;
use super::lock_mode::LockMode;
use super::log::Span;
use super::sampler::{Log, Sampler, Seen};
use super::{Observer, Record};
use crate::observe::Activity;
use crate::run::{Counters, How, Lock, Millis, SqlError, Statement, StatementStatus};
use crate::sql::postgres::command::name_of;
use look::{Found, sampled, takes_snapshot};

/// The byte that a ready-for-query carries (PostgreSQL manual, 54.7).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TransactionStatus {
    /// No transaction is open.
    #[default]
    Idle,
    /// One is open.
    Open,
    /// One is open and has failed.
    Failed,
}

impl TransactionStatus {
    /// From `I`, `T` or `E`.
    pub fn from_byte(byte: u8) -> Self {
        match byte {
            b'T' => Self::Open,
            b'E' => Self::Failed,
            _ => Self::Idle,
        }
    }
}

/// What the server said to one unit.
#[derive(Debug, Default)]
pub struct Answer {
    /// The tags of the commands that were completed.
    pub tags: Vec<String>,
    /// The error that ended it.
    pub error: Option<SqlError>,
}

/// Watches one connection.
#[derive(Debug)]
pub struct Watch {
    observer: Arc<Observer>,
    connection: u32,
    backend: i32,
    status: TransactionStatus,
    running: Option<Running>,
    /// Indexes of the holds that are open.
    open: Vec<usize>,
    /// What the open transaction has touched.
    touched: Touched,
    /// Whether the open transaction has taken a snapshot.
    has_snapshot: bool,
    /// Whether the open transaction has had a failure, so that not all that it touched is known.
    has_failed: bool,
}

/// The statement that the server is working on.
#[derive(Debug)]
struct Running {
    sql: String,
    /// Whether what begins its transaction was sent together with it.
    begins: bool,
    /// The version of a migration tool that it writes down by parameters, which the text does not tell.
    version: Option<String>,
    began: Instant,
    line: Option<u32>,
    sampler: Sampler,
}

impl Watch {
    /// Watches a new connection.
    pub fn new(observer: &Arc<Observer>) -> Self {
        let connection = {
            let mut record = observer.record();
            record.connections += 1;
            record.connections
        };
        Self {
            observer: Arc::clone(observer),
            connection,
            backend: 0,
            status: TransactionStatus::Idle,
            running: None,
            open: Vec::new(),
            touched: Touched::default(),
            has_snapshot: false,
            has_failed: false,
        }
    }

    /// The server told the process id of the backend that serves this connection.
    pub fn backend(&mut self, pid: u32) {
        self.backend = i32::try_from(pid).unwrap_or_default();
    }

    /// Statements are being forwarded; the server will answer them as one. `version` is what their parameters write into the
    /// history of a migration tool.
    pub fn begun(&mut self, sql: &[String], version: Option<String>, began: Instant) {
        // As JDBC's driver does it: what the statement did is known, what BEGIN alone took is not.
        let begins = sql.len() > 1 && begins_transaction(&name_of(&sql[0]));
        let sql = sql[usize::from(begins)..].join(";\n");
        let line = {
            let mut record = self.observer.record();
            record.earlier = Arc::clone(&record.committed);
            record.running += u32::from(self.running.is_none());
            record.line.take()
        };
        (self.observer.listener)(Activity::Begun { sql: sql.clone() });
        let sampler =
            Sampler::start(Arc::clone(&self.observer.sampling.client), self.observer.sample.clone(), self.backend);
        self.running = Some(Running { sql, begins, version, began, line, sampler });
    }

    /// The server answered something that executes nothing.
    pub fn passed(&mut self, status: TransactionStatus) {
        self.status = status;
    }

    /// The server answered, at `ended`, and stands still until this returns.
    pub async fn ended(
        &mut self,
        mut answer: Answer,
        status: TransactionStatus,
        ended: Instant,
        backend: &mut (impl Ask + Send),
    ) {
        let Some(running) = self.running.take() else { return };
        if running.begins && answer.tags.first().is_some_and(|tag| begins_transaction(tag)) {
            answer.tags.remove(0);
        }
        let before = std::mem::replace(&mut self.status, status);
        let duration = ended.saturating_duration_since(running.began);
        (self.observer.listener)(Activity::Ended { duration });
        let log = running.sampler.stop();
        self.has_snapshot |= takes_snapshot(&answer);
        self.has_failed |= status == TransactionStatus::Failed;
        let found = match status {
            TransactionStatus::Open => self.look_inside(&answer, &running.sql, backend).await,
            TransactionStatus::Failed => {
                self.touched.ask_later(log.locks.keys().map(|(oid, _)| *oid));
                Ok(Found { locks: sampled(&log), ..Found::default() })
            }
            TransactionStatus::Idle => {
                let in_transaction = before != TransactionStatus::Idle;
                self.look_outside(&log, &answer, &running.sql, duration, in_transaction, backend).await
            }
        };
        let found = found.unwrap_or_else(|error| {
            self.observer.record().trouble.get_or_insert(error.to_string());
            Found { locks: sampled(&log), ..Found::default() }
        });
        let wal_end = match found.wal_after {
            Some(wal_end) => Some(wal_end),
            None => self.observer.wal_end().await.ok(),
        };
        self.record(Ended { running, answer, before, at: ended, log: &log, found });
        let mut record = self.observer.record();
        record.running = record.running.saturating_sub(1);
        // What asking wrote to the log is nobody's: the next statement's begins here.
        if let Some(wal_end) = wal_end {
            record.wal_end = wal_end;
        }
        let now = Instant::now();
        record.pauses.push(Pause { connection: self.connection, from: ended, to: now });
        record.held_back.push(now.saturating_duration_since(ended));
    }

    /// The connection is closed. `lost` says that the server owed it an answer.
    pub fn closed(&mut self, lost: bool) {
        let now = Instant::now();
        let open = std::mem::take(&mut self.open);
        let was_running = self.running.is_some();
        match self.running.take() {
            Some(running) if lost => {
                let log = running.sampler.stop();
                let found = Found { locks: sampled(&log), ..Found::default() };
                self.status = TransactionStatus::Failed;
                let before = TransactionStatus::Idle;
                let answer = Answer::default();
                self.record(Ended { running, answer, before, at: now, log: &log, found });
                let mut record = self.observer.record();
                if let Some(statement) = record.statements.last_mut() {
                    statement.status = StatementStatus::Lost;
                }
            }
            // A transaction that its client leaves open is rolled back.
            _ => self.observer.record().release(&open, |_| now),
        }
        if was_running {
            let mut record = self.observer.record();
            record.running = record.running.saturating_sub(1);
        }
    }

    /// Puts a statement on record, opens the holds that it began and closes those that it ended.
    fn record(&mut self, ended: Ended) {
        let Ended { running, answer, before, at: ended, log, found } = ended;
        let observer = Arc::clone(&self.observer);
        let mut record = observer.record();
        let logged = found.wal_end.map(|end| Span { from: record.wal_end, to: end.max(record.wal_end) });
        let index = record.statements.len();
        let known: Vec<(Oid, LockMode)> =
            self.open.iter().map(|hold| (record.holds[*hold].key.relation, record.holds[*hold].key.mode)).collect();
        let mut fresh: Vec<(Oid, LockMode, How)> = found.locks.clone().unwrap_or_default();
        fresh.retain(|(oid, mode, _)| !known.contains(&(*oid, *mode)));
        fresh.sort_by_key(|(oid, mode, _)| (std::cmp::Reverse(*mode), *oid));
        // What CONCURRENTLY drops or swaps is dead to planners before it is locked so strongly.
        let concurrently = running.sql.to_ascii_uppercase().contains("CONCURRENTLY");
        let mut locks = Vec::new();
        for (oid, mode, how) in fresh {
            let seen = log.locks.get(&(oid, mode)).cloned().unwrap_or_default();
            let Some((lock, hold)) =
                self.hold(&record, index, locks.len(), (oid, mode, how), &seen, &running, concurrently)
            else {
                continue;
            };
            locks.push(lock);
            self.open.push(record.holds.len());
            record.holds.push(hold);
        }
        let still_held: Option<Vec<(Oid, LockMode)>> = (self.status == TransactionStatus::Open)
            .then(|| found.locks.iter().flatten().map(|(oid, mode, _)| (*oid, *mode)).collect());
        // What a block of code or a procedure changed is counted by no tag.
        let code = answer.tags.iter().all(|tag| tag == "DO" || tag == "CALL");
        let changed = found.reads.as_ref().map(|reads| reads.rows_changed).filter(|rows| code && *rows > 0);
        let blocks = found.reads.as_ref().and_then(|reads| reads.blocks);
        record.statements.push(Statement {
            line: running.line,
            connection: self.connection,
            command: command(&answer, &running.sql),
            sql: running.sql,
            status: if answer.error.is_some() { StatementStatus::Error } else { StatementStatus::Ok },
            error: answer.error,
            in_transaction: before != TransactionStatus::Idle || self.status != TransactionStatus::Idle,
            bookkeeping: false,
            version: running.version,
            duration_ms: ended.saturating_duration_since(running.began).into(),
            rows: rows(&answer.tags).or(changed),
            locks: found.locks.map(|_| locks),
            rewrites: found.rewrites,
            scans: found.reads.as_ref().map(|reads| reads.scans.clone()),
            algorithm: None,
            row_versions: None,
            lock_wait_timeout_s: None,
            lock_timeout_ms: found.lock_timeout,
            implicit_commit: false,
            parts: Vec::new(),
            counters: Counters {
                wal_bytes: Some(logged.map(|span| span.bytes(observer.segment))),
                page_image_bytes: Some(None),
                temp_bytes: Some(found.temp_bytes),
                blocks_read: Some(blocks.map(|blocks| blocks.read)),
                blocks_hit: Some(blocks.map(|blocks| blocks.hit)),
                ..Counters::default()
            },
        });
        record.logged.push(logged);
        record.samples += log.samples;
        record.span = Some((record.span.map_or(running.began, |(from, _)| from.min(running.began)), ended));
        // Everything that is no longer held was let go, at the latest when the server answered.
        let (kept, gone): (Vec<usize>, Vec<usize>) = self.open.iter().partition(|hold| {
            let hold = &record.holds[**hold];
            still_held.as_ref().is_some_and(|held| held.contains(&(hold.key.relation, hold.key.mode)))
        });
        record.release(&gone, |hold| log.released((hold.key.relation, hold.key.mode)).unwrap_or(ended));
        self.open = kept;
    }

    /// The record and the hold of a lock; `None` for a relation that came and went within the statement.
    #[expect(clippy::too_many_arguments, reason = "each is a fact about this one lock")]
    fn hold(
        &self,
        record: &Record,
        statement: usize,
        lock: usize,
        (oid, mode, how): (Oid, LockMode, How),
        seen: &Seen,
        running: &Running,
        concurrently: bool,
    ) -> Option<(Lock, Hold)> {
        let catalog = [&self.touched.now, &*record.committed, &record.initial]
            .into_iter()
            .find(|catalog| catalog.contains(oid))?;
        let relation = catalog.get(oid)?;
        let table = catalog.table_of(oid)?;
        let is_part = table != oid;
        // What this transaction made is nobody else's business yet.
        let visible = record.earlier.contains(oid) && !(is_part && concurrently);
        let blocks = if visible { mode.blocks() } else { Vec::new() };
        let granted = (running.began + seen.waited).max(seen.absent_before.unwrap_or(running.began));
        let facts = Lock {
            relation: relation.name.clone(),
            table: catalog.get(table).filter(|_| is_part).map(|table| table.name.clone()),
            partition: relation.partition,
            mode: mode.to_string(),
            waited_ms: Some(Millis(seen.waited)),
            held_ms: None,
            blocks: blocks.clone(),
            how,
        };
        let hold = Hold {
            statement,
            lock,
            key: Key { relation: oid, table, mode },
            blocks,
            connection: self.connection,
            granted,
            released: None,
        };
        Some((facts, hold))
    }
}

/// A statement at its end, with everything that is known of it.
struct Ended<'a> {
    running: Running,
    answer: Answer,
    before: TransactionStatus,
    at: Instant,
    log: &'a Log,
    found: Found,
}

impl Record {
    /// Closes holds, each at the time that `at` gives.
    fn release(&mut self, holds: &[usize], at: impl Fn(&Hold) -> Instant) {
        for index in holds {
            let hold = &mut self.holds[*index];
            hold.released = Some(at(hold));
            let span = holds::held(hold, &self.pauses);
            let (statement, lock) = (hold.statement, hold.lock);
            if let Some(lock) = self.statements.get_mut(statement).and_then(|s| s.locks.as_mut()?.get_mut(lock)) {
                lock.held_ms = span.map(Millis);
            }
        }
    }
}

fn begins_transaction(command: &str) -> bool {
    matches!(command, "BEGIN" | "START TRANSACTION")
}

/// The kind of a unit: the tags of what was completed, or what the text begins with if nothing was.
fn command(answer: &Answer, sql: &str) -> String {
    let mut commands: Vec<String> = answer.tags.iter().map(|tag| without_counts(tag)).collect();
    if answer.error.is_some() || commands.is_empty() {
        commands.push(name_of(sql));
    }
    commands.join("; ")
}

/// `INSERT 0 5` is an `INSERT`.
fn without_counts(tag: &str) -> String {
    tag.trim_end_matches(|c: char| c.is_ascii_digit() || c == ' ').to_owned()
}

/// Rows that the tags count, together; `None` where no tag has a count.
fn rows(tags: &[String]) -> Option<u64> {
    let counts: Vec<u64> = tags.iter().filter_map(|tag| tag.rsplit(' ').next()?.parse().ok()).collect();
    (!counts.is_empty()).then(|| counts.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_a_command_and_a_count() {
        assert_eq!(without_counts("INSERT 0 5"), "INSERT");
        assert_eq!(without_counts("ALTER TABLE"), "ALTER TABLE");
        assert_eq!(rows(&["INSERT 0 5".to_owned(), "UPDATE 3".to_owned(), "BEGIN".to_owned()]), Some(8));
        assert_eq!(rows(&["BEGIN".to_owned()]), None);
    }

    #[test]
    fn a_unit_that_fails_is_named_by_what_was_done_and_its_text() {
        let error = SqlError { sqlstate: "42601".to_owned(), ..SqlError::default() };
        let failed = Answer { tags: Vec::new(), error: Some(error) };
        assert_eq!(command(&failed, "alter  table t"), "ALTER TABLE");
        let two = Answer { tags: vec!["BEGIN".to_owned(), "INSERT 0 1".to_owned()], error: None };
        assert_eq!(command(&two, "begin; insert into t values (1)"), "BEGIN; INSERT");
    }
}
