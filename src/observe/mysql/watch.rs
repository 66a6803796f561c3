//! Watches one connection: the tap tells where units begin and end, and the server's session stands still at their ends.
//!
//! A unit is one command of the client: a text query (of one or several statements), the execution of a prepared
//! statement, or anything else that the server answers. A unit of several statements is recorded as several: the server
//! has an event for each.

mod look;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Observer;
use super::ask::{ask, number};
use super::catalog::{self, TableName};
use super::locks::{self, Sampler};
use crate::observe::Activity;
use crate::observe::holds::Pause;
use crate::run::{Counters, SqlError, Statement, StatementStatus};
use crate::sql::mysql::command::name_of;
use crate::sql::mysql::tables::{Kin, Tables, tables_of};

/// What the server said to one statement of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// An OK packet.
    Done {
        /// Rows that it says were touched.
        affected: u64,
        /// Its human-readable text (`Records: 5  Duplicates: 0  Warnings: 0`).
        info: String,
    },
    /// A result set with so many rows.
    Rows(u64),
    /// An error, after which nothing more of the unit is run.
    Error(SqlError),
}

/// What the server said to one unit.
#[derive(Debug, Default)]
pub struct Answer {
    /// One for each statement that was answered.
    pub outcomes: Vec<Outcome>,
    /// Whether a transaction is open now (`SERVER_STATUS_IN_TRANS` of the last packet).
    pub in_transaction: bool,
}

/// Watches one connection.
#[derive(Debug)]
pub struct Watch {
    observer: Arc<Observer>,
    connection: u32,
    /// The server's id of the connection, and of its thread in `performance_schema`.
    id: u32,
    thread: Option<u64>,
    in_transaction: bool,
    /// The last event that was read.
    event: u64,
    /// What `SET lock_wait_timeout` was given, where the server cannot be asked (MariaDB).
    lock_wait_timeout: Option<u64>,
    pending: Pending,
    /// How long the unit was held back before it was forwarded.
    prepared: Duration,
    running: Option<Running>,
    /// Indexes of the holds that are open, and the migration that they are of.
    open: Vec<usize>,
    migration: u32,
}

/// What was read before a unit.
#[derive(Debug, Default)]
struct Pending {
    /// The version of a migration tool that the unit writes down by parameters, which its text does not tell.
    version: Option<String>,
    /// The session's current database, where it matters.
    database: Option<String>,
    /// Its statements, and the tables that they are about.
    pieces: Vec<(String, Option<Tables>)>,
    /// Definitions of tables that are altered.
    definitions: BTreeMap<TableName, String>,
}

/// The unit that the server is working on.
#[derive(Debug)]
struct Running {
    sql: String,
    began: Instant,
    line: Option<u32>,
    sampler: Option<Sampler>,
    pending: Pending,
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
            id: 0,
            thread: None,
            in_transaction: false,
            event: 0,
            lock_wait_timeout: observer.lock_wait_timeout,
            pending: Pending::default(),
            prepared: Duration::ZERO,
            running: None,
            open: Vec::new(),
            migration: 0,
        }
    }

    /// The server told the connection id, in its greeting.
    pub fn connected(&mut self, connection_id: u32) {
        self.id = connection_id;
    }

    /// A unit with this text is about to be forwarded; the client waits until this returns. What has to be read before a
    /// statement (the definition of the table that it alters) is read here, outside the clock. `version` is what its parameters
    /// write into the history of a migration tool.
    pub async fn begins(&mut self, sql: &str, version: Option<String>) {
        let from = Instant::now();
        self.pending = Pending { version, pieces: pieces(sql), ..Pending::default() };
        if let Err(error) = self.read_before().await {
            self.observer.record().trouble.get_or_insert(error.to_string());
        }
        self.prepared = from.elapsed();
        let pause = Pause { connection: self.connection, from, to: from + self.prepared };
        self.observer.record().pauses.push(pause);
    }

    async fn read_before(&mut self) -> Result<(), mysql_async::Error> {
        let observer = Arc::clone(&self.observer);
        if self.thread.is_none() {
            // What it did before its first unit (logging in) is told by none.
            let asked = format!(
                "SELECT t.THREAD_ID, MAX(e.EVENT_ID) FROM performance_schema.threads t \
                 LEFT JOIN performance_schema.events_statements_current e ON e.THREAD_ID = t.THREAD_ID \
                 WHERE t.PROCESSLIST_ID = {} GROUP BY t.THREAD_ID",
                self.id
            );
            let sets = ask(&mut *observer.control.lock().await, &asked).await?;
            if let Some(row) = sets.first().and_then(|rows| rows.first()) {
                self.thread = number(row, 0);
                self.event = number(row, 1).unwrap_or(0);
            }
        }
        self.pending.pieces.iter().for_each(|(sql, _)| {
            if let Some(seconds) = lock_wait_timeout(sql) {
                self.lock_wait_timeout = Some(seconds);
            }
        });
        let named: Vec<&Tables> = self.pending.pieces.iter().filter_map(|(_, tables)| tables.as_ref()).collect();
        if named.is_empty() {
            return Ok(());
        }
        let without_database = named.iter().any(|tables| tables.named.iter().any(|table| table.database.is_none()));
        let mut control = observer.control.lock().await;
        if let (true, Some(thread)) = (without_database, self.thread) {
            self.pending.database = catalog::database(&mut control, thread).await?;
        }
        for (_, tables) in &self.pending.pieces {
            let Some(tables) = tables.as_ref().filter(|tables| tables.kin == Kin::Alter) else { continue };
            for table in resolve(tables, self.pending.database.as_deref()) {
                if let Some(definition) = catalog::definition(&mut control, &table).await {
                    self.pending.definitions.entry(table).or_insert(definition);
                }
            }
        }
        Ok(())
    }

    /// Its first byte was forwarded.
    pub fn begun(&mut self, began: Instant) {
        let pending = std::mem::take(&mut self.pending);
        let sql = pending.pieces.iter().map(|(sql, _)| sql.as_str()).collect::<Vec<_>>().join(";\n");
        let line = self.observer.record().line.take();
        (self.observer.listener)(Activity::Begun { sql: sql.clone() });
        let sampler = self.thread.map(|thread| {
            let question = locks::question(self.observer.family, thread, self.id);
            Sampler::start(Arc::clone(&self.observer.sampling), question)
        });
        self.running = Some(Running { sql, began, line, sampler, pending });
    }

    /// The server answered, completely, with the last byte arriving at `ended`; the client sees nothing of the last packet
    /// until this returns.
    pub async fn ended(&mut self, answer: Answer, ended: Instant) {
        let Some(running) = self.running.take() else { return };
        let was_open = std::mem::replace(&mut self.in_transaction, answer.in_transaction);
        let duration = ended.saturating_duration_since(running.began);
        (self.observer.listener)(Activity::Ended { duration });
        let log = running.sampler.as_ref().map(Sampler::stop).unwrap_or_default();
        if let Err(error) = self.look(&running, &answer, &log, was_open, ended).await {
            let mut record = self.observer.record();
            record.trouble.get_or_insert(error.to_string());
            record.statements.push(self.unobserved(&running, &answer, ended));
        }
        {
            let mut record = self.observer.record();
            record.samples += log.samples.len() as u64;
            record.ran(running.began, ended);
        }
        self.held_back(ended);
    }

    /// The connection is closed; `lost` where an answer was outstanding.
    pub fn closed(&mut self, lost: bool) {
        let now = Instant::now();
        let open = std::mem::take(&mut self.open);
        let running = self.running.take();
        let observer = Arc::clone(&self.observer);
        let mut record = observer.record();
        match running {
            Some(running) if lost => {
                let log = running.sampler.as_ref().map(Sampler::stop).unwrap_or_default();
                record.samples += log.samples.len() as u64;
                let statement = self.unobserved(&running, &Answer::default(), now);
                record.statements.push(Statement { status: StatementStatus::Lost, ..statement });
                record.ran(running.began, now);
            }
            // A transaction that its client leaves open is rolled back.
            _ if record.migration == self.migration => record.release(&open, now),
            _ => {}
        }
    }

    /// A statement of which nothing but the answer is known.
    fn unobserved(&self, running: &Running, answer: &Answer, ended: Instant) -> Statement {
        let error = answer.outcomes.iter().find_map(|outcome| match outcome {
            Outcome::Error(error) => Some(error.clone()),
            _ => None,
        });
        Statement {
            line: running.line,
            connection: self.connection,
            command: name_of(&running.sql),
            sql: running.sql.clone(),
            status: if error.is_some() { StatementStatus::Error } else { StatementStatus::Ok },
            error,
            in_transaction: self.in_transaction,
            bookkeeping: false,
            version: running.pending.version.clone(),
            duration_ms: ended.saturating_duration_since(running.began).into(),
            rows: None,
            locks: None,
            rewrites: None,
            scans: None,
            algorithm: None,
            row_versions: None,
            lock_wait_timeout_s: None,
            lock_timeout_ms: None,
            implicit_commit: false,
            parts: Vec::new(),
            counters: Counters {
                redo_bytes: Some(None),
                binlog_bytes: self.observer.binlog.then_some(None),
                pages_created: Some(None),
                ..Counters::default()
            },
        }
    }

    fn held_back(&self, from: Instant) {
        let mut record = self.observer.record();
        let now = Instant::now();
        record.pauses.push(Pause { connection: self.connection, from, to: now });
        record.held_back.push(self.prepared + now.saturating_duration_since(from));
    }
}

/// The statements of a unit. What cannot be taken apart is one.
fn pieces(sql: &str) -> Vec<(String, Option<Tables>)> {
    let whole = || vec![(sql.to_owned(), tables_of(sql))];
    if !sql.trim_end().trim_end_matches(';').contains(';') {
        return whole();
    }
    match crate::sql::mysql::script(sql, crate::sql::mysql::modes::Modes::default()) {
        Ok(script) if script.statements.len() > 1 => {
            script.statements.into_iter().map(|one| (one.text.clone(), tables_of(&one.text))).collect()
        }
        _ => whole(),
    }
}

/// Whether a statement may change tables that it does not name where they are looked for.
fn makes_tables(sql: &str) -> bool {
    let command = name_of(sql);
    command == "CALL" || command.starts_with("EXECUTE") || command.starts_with("CREATE TABLE")
}

/// The tables that are named, each in its database.
fn resolve(tables: &Tables, database: Option<&str>) -> Vec<TableName> {
    let named = tables.named.iter();
    named.filter_map(|table| Some((table.database.as_deref().or(database)?.to_owned(), table.name.clone()))).collect()
}

/// What a statement sets the session's `lock_wait_timeout` to.
fn lock_wait_timeout(sql: &str) -> Option<u64> {
    let lower = sql.to_ascii_lowercase();
    let at =
        lower.find("lock_wait_timeout").filter(|at| name_of(sql).starts_with("SET") && !lower[..*at].ends_with('_'))?;
    let value = lower[at + "lock_wait_timeout".len()..].trim_start().trim_start_matches(':').strip_prefix('=')?;
    value.trim_start().split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sessions_lock_wait_timeout_is_followed() {
        for (sql, seconds) in [
            ("SET lock_wait_timeout = 5", Some(5)),
            ("SET SESSION lock_wait_timeout=7, sql_log_bin = 0", Some(7)),
            ("SET @@lock_wait_timeout := 9", Some(9)),
            ("SET innodb_lock_wait_timeout = 5", None),
            ("SELECT @@lock_wait_timeout = 5", None),
        ] {
            assert_eq!(lock_wait_timeout(sql), seconds, "{sql}");
        }
    }

    #[test]
    fn a_packet_is_taken_apart() {
        assert_eq!(pieces("SELECT 1; ALTER TABLE t FORCE;").len(), 2);
        assert_eq!(pieces("SELECT ';'").len(), 1);
        assert_eq!(pieces("ALTER TABLE t FORCE;").len(), 1);
    }
}
