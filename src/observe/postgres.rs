//! Observing PostgreSQL: sessions of our own beside the tool's, and what they see at statement boundaries.
//!
//! The [`Observer`] has two sessions: one asks at boundaries, one samples. For each connection through the tap there
//! is a [`watch::Watch`]. Between [`Observer::begin_migration`] and [`Observer::end_migration`] everything that any
//! connection does belongs to one migration.

pub mod ask;
mod catalog;
mod columns;
mod holds;
mod inside;
mod invalid;
pub mod lock_mode;
mod log;
pub(super) mod probe;
mod question;
mod sampler;
mod shape;
pub mod watch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;
use tokio_postgres::{Config, Statement as Prepared};

use super::{Listener, Observation};
use crate::run::{Millis, Overhead, Shape, Statement, StatementStatus};
use crate::server::session::Session;
use ask::{AskError, Outside, Row};
use catalog::Catalog;
use columns::Columns;
use holds::{Hold, Pause};
use log::{LogReader, Span, Written};

/// How long the tap may take to notice that a statement has ended, and a server that a backend crashed. Both do at once, unless the
/// machine is busy.
const NOTICED: Duration = Duration::from_secs(1);

/// Watches a scratch server while migrations run on it.
pub struct Observer {
    control: Session,
    sampling: Session,
    locks: Prepared,
    sample: Prepared,
    relations: Prepared,
    wal_end: Prepared,
    temp_bytes: Prepared,
    /// `SHOW server_version_num`.
    version: u32,
    /// `wal_segment_size` in bytes.
    segment: u64,
    /// Reads the log's records, once it was asked for; `None` where it cannot.
    log: OnceCell<Option<LogReader>>,
    config: Config,
    /// Whether utility commands may use parallel workers, whose reads are not counted with the backend's.
    parallel: bool,
    listener: Listener,
    record: Mutex<Record>,
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observer").field("version", &self.version).finish_non_exhaustive()
    }
}

/// What was observed of the migration that is running, and what is needed to go on.
#[derive(Default)]
struct Record {
    /// The database before all pending migrations.
    initial: Catalog,
    /// As other sessions saw it last.
    committed: Arc<Catalog>,
    /// Whether counters of `committed` are older than what was counted since.
    stale: bool,
    /// As they saw it when the statement that is running began.
    earlier: Arc<Catalog>,
    /// Columns of every table before this migration, and before all pending ones.
    columns: Columns,
    initial_columns: Option<Columns>,
    /// Where this migration begins.
    since: shape::Point,
    /// Indexes that were not valid before this migration.
    invalid: invalid::Invalid,
    statements: Vec<Statement>,
    /// Where in the log each of them has written, if that is known.
    logged: Vec<Option<Span>>,
    /// How many were sent and are not on record yet.
    running: u32,
    /// When the first statement began and the last ended.
    span: Option<(Instant, Instant)>,
    holds: Vec<Hold>,
    pauses: Vec<Pause>,
    /// The line of the file from which the next statement is sent.
    line: Option<u32>,
    connections: u32,
    /// The end of the write-ahead log when the last boundary had been observed.
    wal_end: u64,
    /// Bytes of temporary files that had been reported by then; `None` where some may not have been.
    temp_bytes: Option<u64>,
    samples: u64,
    held_back: Vec<Duration>,
    /// Whether a client left since the tap does not speak TLS.
    refused_encryption: bool,
    /// The first failure to observe, after which figures are not to be trusted.
    trouble: Option<String>,
}

const WAL_END: &str = "SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0')::text";
const TEMP_BYTES: &str = "SELECT pg_catalog.pg_stat_get_db_temp_bytes(d.oid)::text FROM pg_catalog.pg_database d \
                          WHERE d.datname = pg_catalog.current_database()";

/// Why observing cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// The observer's session failed.
    #[error("the observer could not ask the server: {}", crate::server::session::message(.0))]
    Sql(#[from] tokio_postgres::Error),
    /// A question was not answered.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The server is older than what this was checked on.
    #[error("PostgreSQL {0} is older than 14, the oldest version that can be observed")]
    TooOld(String),
}

impl Observer {
    /// Opens the observer's sessions and reads the database as it is before all migrations. `is_ours` if the server was started
    /// here, and another of its databases may be connected to.
    pub async fn start(config: &Config, is_ours: bool, listener: Listener) -> Result<Arc<Self>, ObserveError> {
        let control = Session::open(config).await?;
        let sampling = Session::open(config).await?;
        let version: String = control.client.query_one("SHOW server_version_num", &[]).await?.get(0);
        let version: u32 = version.parse().unwrap_or(0);
        if version < 140_000 {
            let shown: String = control.client.query_one("SHOW server_version", &[]).await?.get(0);
            return Err(ObserveError::TooOld(shown));
        }
        // Sizes are asked of relations that another connection of the tool may have locked: do not wait for it.
        // Nor may reading a large catalog count among temporary files.
        // Definitions that the server writes shall name everything in full.
        let settings = "SET lock_timeout = '200ms'; SET jit = off; SET work_mem = '64MB'; SET search_path = pg_catalog";
        control.client.batch_execute(settings).await?;
        if version >= 150_000 {
            control.client.batch_execute("SET stats_fetch_consistency = none").await?;
        }
        let settings = "SELECT current_setting('max_parallel_maintenance_workers'), \
                        (SELECT setting::int8 FROM pg_catalog.pg_settings WHERE name = 'wal_segment_size')";
        let settings = control.client.query_one(settings, &[]).await?;
        let workers: String = settings.get(0);
        let segment: i64 = settings.get(1);
        let observer = Self {
            locks: control.client.prepare(&sampler::query(true)).await?,
            relations: control.client.prepare(&Catalog::all()).await?,
            wal_end: control.client.prepare(WAL_END).await?,
            temp_bytes: control.client.prepare(TEMP_BYTES).await?,
            sample: sampling.client.prepare(&sampler::query(true)).await?,
            control,
            sampling,
            version,
            segment: u64::try_from(segment).unwrap_or(16 << 20),
            log: if is_ours { OnceCell::new() } else { OnceCell::new_with(Some(None)) },
            config: config.clone(),
            parallel: workers != "0",
            listener,
            record: Mutex::new(Record::default()),
        };
        let initial = observer.read_committed().await?;
        observer.record().initial = initial;
        Ok(Arc::new(observer))
    }

    /// From here on, everything belongs to the next migration.
    pub async fn begin_migration(&self) -> Result<(), ObserveError> {
        let columns = Columns::read(&mut Outside(&self.control.client)).await?;
        let invalid = invalid::read(&mut Outside(&self.control.client)).await?;
        let since = shape::Point::read(&mut Outside(&self.control.client)).await?;
        let committed = Arc::new(self.read_committed().await?);
        let wal_end = self.wal_end().await?;
        let temp_bytes = self.temp_bytes().await?;
        let mut record = self.record();
        record.initial_columns.get_or_insert_with(|| columns.clone());
        record.temp_bytes = temp_bytes;
        record.columns = columns;
        record.invalid = invalid;
        record.since = since;
        record.committed = committed;
        record.stale = false;
        record.wal_end = wal_end;
        record.statements.clear();
        record.logged.clear();
        record.holds.clear();
        record.pauses.clear();
        record.span = None;
        record.line = None;
        record.refused_encryption = false;
        Ok(())
    }

    /// A client wanted TLS, was told that there is none, and left.
    pub fn encryption_was_refused(&self) {
        self.record().refused_encryption = true;
    }

    /// Says from which line of a file the next statement comes; `None` for one that is in no file.
    pub fn next_line(&self, line: Option<u32>) {
        self.record().line = line;
    }

    /// Ends the migration and gives what was observed of it.
    pub async fn end_migration(&self) -> Result<Observation, ObserveError> {
        self.catch_up().await;
        let is_lost = self.record().statements.last().is_some_and(|last| last.status == StatementStatus::Lost);
        if is_lost {
            self.outlive().await?;
        }
        let columns = Columns::read(&mut Outside(&self.control.client)).await?;
        let invalid = invalid::read(&mut Outside(&self.control.client)).await?;
        let now = self.read_committed().await?;
        self.read_log().await;
        let (shapes, undescribed) = self.shapes(&now).await;
        let mut record = self.record();
        let initial = record.initial_columns.as_ref().unwrap_or(&record.columns);
        let removed = record.columns.removed(&columns, initial);
        let earlier = Arc::clone(&record.committed);
        let names = [&now, &*earlier, &record.initial];
        let blocking = holds::blocking(&record.holds, &record.pauses, &record.initial, &names);
        let duration = record.span.map(|(from, to)| {
            let paused: Duration = record
                .pauses
                .iter()
                .map(|pause| pause.to.min(to).saturating_duration_since(pause.from.max(from)))
                .sum();
            to.saturating_duration_since(from).saturating_sub(paused).into()
        });
        let invalid_indexes = invalid::left(&record.invalid, invalid);
        let refused_encryption = record.refused_encryption;
        let statements = std::mem::take(&mut record.statements);
        Ok(Observation {
            statements,
            duration,
            blocking,
            removed,
            refused_encryption,
            invalid_indexes,
            shapes,
            undescribed,
        })
    }

    /// How the tables that the statements touched are built now, and why some are left out; nothing where one of them is locked.
    /// Only advice rests on it.
    async fn shapes(&self, now: &Catalog) -> (Vec<Shape>, Option<String>) {
        let (touched, since, before) = {
            let record = self.record();
            let touched = shape::touched(&record.statements, now, &record.columns);
            (touched, record.since.clone(), record.columns.clone())
        };
        let shapes = shape::read(&mut Outside(&self.control.client), &touched, &since, &before).await;
        match shapes {
            Ok(shapes) => {
                let more = touched.len().checked_sub(shape::MOST).filter(|more| *more > 0);
                (
                    shapes,
                    more.map(|more| format!("{more} of the {} tables that it touched are left out", touched.len())),
                )
            }
            Err(error) => {
                tracing::debug!("tables were not described: {error}");
                (Vec::new(), Some(error.to_string()))
            }
        }
    }

    /// Reads again what the statements wrote to the log, where the server lets it be read.
    async fn read_log(&self) {
        let spans: Vec<Span> =
            self.record().logged.iter().map(|span| span.unwrap_or(Span { from: 0, to: 0 })).collect();
        if self.version < 150_000 || spans.is_empty() {
            return;
        }
        let Some(reader) = self.log.get_or_init(|| LogReader::open(&self.config)).await else { return };
        let Some(written) = reader.read(&spans).await else { return };
        let mut record = self.record();
        let Record { statements, logged, .. } = &mut *record;
        for ((statement, span), Written { bytes, images }) in statements.iter_mut().zip(logged).zip(written) {
            if span.is_some() {
                statement.counters.wal_bytes = Some(Some(bytes));
                statement.counters.page_image_bytes = Some(Some(images));
            }
        }
    }

    /// Waits until everything that was sent is on record: an error is told to the client before the server stands still, so
    /// that the migration can be over before its last statement was observed.
    async fn catch_up(&self) {
        let since = Instant::now();
        while self.record().running > 0 && since.elapsed() < NOTICED {
            tokio::time::sleep(NOTICED / 200).await;
        }
    }

    /// Makes sure that a connection was lost alone: where its backend crashed, the server ends all others, but only once it
    /// has noticed.
    async fn outlive(&self) -> Result<(), ObserveError> {
        let since = Instant::now();
        while since.elapsed() < NOTICED {
            self.control.client.simple_query("SELECT 1").await?;
            tokio::time::sleep(NOTICED / 20).await;
        }
        Ok(())
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
            sampler_ms: Some(sampler::SHORTEST.into()),
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

    /// Whether counters of a transaction can be told from those before it: reporting can be forced since 15.
    fn counts_transactions(&self) -> bool {
        self.version >= 150_000
    }

    async fn read_committed(&self) -> Result<Catalog, AskError> {
        Ok(Catalog::of(&self.control(&self.relations).await?))
    }

    /// Where the write-ahead log ends, in bytes since its beginning.
    async fn wal_end(&self) -> Result<u64, AskError> {
        let rows = self.control(&self.wal_end).await?;
        rows.first().and_then(|row| row.first()?.as_deref()?.parse().ok()).ok_or(AskError::Garbled)
    }

    /// Bytes of temporary files that backends have reported for this database.
    async fn temp_bytes(&self) -> Result<Option<u64>, AskError> {
        let rows = self.control(&self.temp_bytes).await?;
        Ok(rows.first().and_then(|row| row.first()?.as_deref()?.parse().ok()))
    }

    /// Sends a prepared question that has text in all of its columns. Those that are sent without waiting are answered in turn.
    async fn control(&self, question: &Prepared) -> Result<Vec<Row>, AskError> {
        let rows = self.control.client.query(question, &[]).await.map_err(|error| AskError::of(&error))?;
        Ok(rows.iter().map(|row| (0..row.len()).map(|column| row.get(column)).collect()).collect())
    }
}
