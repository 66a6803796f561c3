//! Observing MySQL and MariaDB: sessions of our own beside the tool's, and what they see at statement boundaries.
//!
//! The [`Observer`] has two sessions: one asks at boundaries, one samples. They have an account of their own, which
//! `performance_schema` keeps no history of: the histories are for the tool's sessions. For each connection through the
//! tap there is a [`watch::Watch`]. What has to be set at the server to observe is set when it starts, for as long as the
//! server runs; nothing that needs another start.

mod algorithm;
mod ask;
mod catalog;
mod counters;
mod events;
pub mod lock_mode;
mod locks;
pub(super) mod probe;
mod record;
mod statement;
pub mod watch;
mod windows;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder};

use super::{Listener, Observation};
use crate::run::{Millis, Overhead, Statement};
use ask::{ask, cell, number};
use catalog::Catalog;
use record::Record;

/// The account of the observer's sessions.
pub(crate) const ACCOUNT: &str = "rehearsal_observer";

/// Which of the two it is, where they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// MySQL.
    Mysql,
    /// MariaDB.
    Mariadb,
}

/// Watches a scratch server while migrations run on it.
pub struct Observer {
    control: tokio::sync::Mutex<Conn>,
    sampling: Arc<tokio::sync::Mutex<Conn>>,
    family: Family,
    version: (u16, u16, u16),
    /// Whether there is a binary log.
    binlog: bool,
    /// The server's `lock_wait_timeout`, which sessions begin with, in seconds.
    lock_wait_timeout: Option<u64>,
    listener: Listener,
    /// The database that is rehearsed on, whose tables have plain names on record.
    home: String,
    record: Mutex<Record>,
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let family = (&self.family, &self.version);
        f.debug_struct("Observer").field("family", &family).finish_non_exhaustive()
    }
}

/// Why observing cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// The observer's session failed.
    #[error("the observer could not ask the server: {0}")]
    Sql(#[from] mysql_async::Error),
    /// The server keeps no account of what its sessions do.
    #[error("the server runs without performance_schema; start it with performance_schema=ON to observe it")]
    NoPerformanceSchema,
}

impl Observer {
    /// Opens the observer's sessions and reads the database as it is before all migrations.
    pub async fn start(opts: &Opts, listener: Listener) -> Result<Arc<Self>, ObserveError> {
        let mut root = Conn::new(opts.clone()).await?;
        let asked = "SELECT @@version, @@performance_schema, @@log_bin, @@global.lock_wait_timeout";
        let facts = ask(&mut root, asked).await?.into_iter().flatten().next().unwrap_or_default();
        let family = if cell(&facts, 0).contains("MariaDB") { Family::Mariadb } else { Family::Mysql };
        if cell(&facts, 1) != "1" {
            return Err(ObserveError::NoPerformanceSchema);
        }
        prepare(&mut root, family, opts.pass()).await?;
        let version = root.server_version();
        root.disconnect().await?;
        let home = opts.db_name().unwrap_or_default().to_owned();
        let mut control = session(opts, family).await?;
        let sampling = session(opts, family).await?;
        let initial = Catalog::read(&mut control, family, true).await?;
        Ok(Arc::new(Self {
            control: tokio::sync::Mutex::new(control),
            sampling: Arc::new(tokio::sync::Mutex::new(sampling)),
            family,
            version,
            binlog: cell(&facts, 2) == "1",
            lock_wait_timeout: number(&facts, 3),
            listener,
            home: home.clone(),
            record: Mutex::new(Record::new(home.clone(), initial)),
        }))
    }

    /// From here on, everything belongs to the next migration.
    pub async fn begin_migration(&self) -> Result<(), ObserveError> {
        let mut control = self.control.lock().await;
        let columns = catalog::columns(&mut control, &self.home).await?;
        let committed = Catalog::read(&mut control, self.family, false).await?;
        // Only of this migration's statements, so that looking through them stays quick.
        let emptied = "TRUNCATE performance_schema.events_statements_history_long; \
                       TRUNCATE performance_schema.events_stages_history_long";
        ask(&mut control, emptied).await?;
        let totals = self.totals(&mut control).await?;
        self.record().begin(columns, Arc::new(committed), totals);
        Ok(())
    }

    /// Says from which line of a file the next statement comes; `None` for one that is in no file.
    pub fn next_line(&self, line: Option<u32>) {
        self.record().line = line;
    }

    /// Ends the migration and gives what was observed of it.
    pub async fn end_migration(&self) -> Result<Observation, ObserveError> {
        let columns = catalog::columns(&mut *self.control.lock().await, &self.home).await?;
        Ok(self.record().end(&columns))
    }

    /// What was observed so far of a migration that cannot be ended, since the server is gone.
    pub fn abandon(&self) -> Vec<Statement> {
        std::mem::take(&mut self.record().statements)
    }

    /// What observing cost.
    pub fn overhead(&self) -> Overhead {
        let record = self.record();
        let total: Duration = record.held_back.iter().sum();
        let count = u32::try_from(record.held_back.len()).unwrap_or(u32::MAX);
        Overhead {
            per_statement_ms: (count > 0).then(|| Millis(total / count.max(1))),
            held_back_ms: Some(total.into()),
            sampler_ms: Some(locks::SHORTEST.into()),
            noise_floor_ms: None,
            samples: record.samples,
            note: "this time is taken out of holds and durations".to_owned(),
        }
    }

    /// The first failure to observe, after which the figures are not to be trusted.
    pub fn trouble(&self) -> Option<String> {
        self.record().trouble.clone()
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn totals(&self, control: &mut Conn) -> Result<counters::Totals, mysql_async::Error> {
        let sets = ask(control, &counters::questions(self.family, self.binlog)).await?;
        let status = sets.first().map_or(&[][..], Vec::as_slice);
        Ok(counters::Totals::read(status, sets.get(1).map(Vec::as_slice)))
    }

    /// How many row versions a table has: 255 in MySQL since 9.1, 64 before (release notes of 9.1.0); MariaDB has none.
    fn row_versions(&self) -> Option<u32> {
        match self.family {
            Family::Mysql => Some(if (self.version.0, self.version.1) >= (9, 1) { 255 } else { 64 }),
            Family::Mariadb => None,
        }
    }
}

/// Makes the account and switches on what is read, without a trace in the binary log.
async fn prepare(root: &mut Conn, family: Family, password: Option<&str>) -> Result<(), mysql_async::Error> {
    root.query_drop("SET SESSION sql_log_bin = 0").await?;
    root.exec_drop("INSERT IGNORE INTO performance_schema.setup_actors VALUES ('%', ?, '%', 'NO', 'NO')", (ACCOUNT,))
        .await?;
    // From anywhere and from here: where there is an account without a name, it would stand in for the first.
    for host in ["%", "localhost"] {
        let account = format!("'{ACCOUNT}'@'{host}'");
        root.query_drop(format!("DROP USER IF EXISTS {account}")).await?;
        let secret = password.unwrap_or_default().replace('\\', r"\\").replace('\'', r"\'");
        root.query_drop(format!("CREATE USER {account} IDENTIFIED BY '{secret}'")).await?;
        root.query_drop(format!("GRANT ALL ON *.* TO {account}")).await?;
    }
    let stages: Vec<String> = events::STAGES.iter().map(|(name, _)| format!("'{name}'")).collect();
    root.query_drop(
        "UPDATE performance_schema.setup_instruments SET ENABLED = 'NO', TIMED = 'NO' WHERE NAME LIKE 'stage/%'",
    )
    .await?;
    root.query_drop(format!(
        "UPDATE performance_schema.setup_instruments SET ENABLED = 'YES', TIMED = 'YES' \
         WHERE LOWER(NAME) IN ({}) OR NAME LIKE 'statement/%' OR NAME = 'wait/lock/metadata/sql/mdl'",
        stages.join(", ")
    ))
    .await?;
    root.query_drop(
        "UPDATE performance_schema.setup_consumers SET ENABLED = 'YES' WHERE NAME IN ('global_instrumentation', \
         'thread_instrumentation', 'events_statements_current', 'events_statements_history', \
         'events_statements_history_long', 'events_stages_current', 'events_stages_history_long')",
    )
    .await?;
    if family == Family::Mariadb {
        let known = "SELECT COUNT(*) FROM information_schema.PLUGINS WHERE PLUGIN_NAME = 'METADATA_LOCK_INFO'";
        if root.query_first::<u64, _>(known).await? == Some(0) {
            root.query_drop("INSTALL SONAME 'metadata_lock_info'").await?;
        }
    }
    Ok(())
}

/// A session of the observer's. It waits for nobody's locks, and leaves nothing in the binary log.
async fn session(opts: &Opts, family: Family) -> Result<Conn, mysql_async::Error> {
    let opts = OptsBuilder::from_opts(opts.clone()).user(Some(ACCOUNT)).db_name(None::<String>);
    let mut conn = Conn::new(opts).await?;
    let settings = "SET SESSION sql_log_bin = 0, lock_wait_timeout = 1, foreign_key_checks = 0";
    conn.query_drop(settings).await?;
    if family == Family::Mysql {
        // Sizes and rows as they are and not as they were (MySQL since 8.0.3; MariaDB keeps none).
        conn.query_drop("SET SESSION information_schema_stats_expiry = 0").await?;
    }
    Ok(conn)
}
