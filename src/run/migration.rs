//! Facts about one migration: its statements, what each of them locked and rewrote, and whom that shut out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Millis, Shape, SqlError};
use crate::observe::probe::Stall;

/// One pending migration, as it was applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Migration {
    /// What the tool calls it: the version of a file (`0002`), or `command` for a whole command.
    pub id: String,
    /// What a person calls it (`0002_add_status.sql`).
    pub name: String,
    /// The file, relative to the scenario; left out for a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How it ended.
    pub status: MigrationStatus,
    /// Why it failed, when that is not told by one of its statements (a tool that ended with a failure of its own).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// From its first statement to the end of its last one, the tap's own hold-backs taken out.
    pub duration_ms: Option<Millis>,
    /// What reached the server, in order.
    pub statements: Vec<Statement>,
    /// For every table that was locked against somebody: for how long.
    pub blocking: Vec<Blocking>,
    /// Tables and columns that existed before it and do not exist after it.
    pub removed: Vec<Removed>,
    /// Indexes that were made invalid, or left so, by a statement that failed; left out where there are none (PostgreSQL).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub invalid_indexes: Vec<InvalidIndex>,
    /// What a migration that failed left behind, where the engine could not roll all of it back (MySQL, MariaDB).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half_applied: Option<HalfApplied>,
    /// How the tables that were there before and that it locked, wrote anew or read are built after it, which the safe way of a
    /// change depends on; left out where that was not read (PostgreSQL; not of a migration that failed).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shapes: Vec<Shape>,
    /// Why the server did not describe all of those tables, so that advice may lack the SQL that depends on it; left out where it
    /// did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undescribed: Option<String>,
}

/// An index that no query uses and every write pays for (PostgreSQL manual, `CREATE INDEX`, "Building Indexes Concurrently").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InvalidIndex {
    /// Schema-qualified name.
    pub index: String,
    /// Its table.
    pub table: String,
}

/// What a failed migration left behind, and what comes of starting it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HalfApplied {
    /// Statements (indexes into the migration's statements) whose effects stayed.
    pub kept: Vec<usize>,
    /// What the first statement of a second try failed with, and on which line; left out where none was made, or it
    /// failed nowhere earlier than the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerun: Option<Rerun>,
}

/// Where a second try of a migration fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rerun {
    /// The line on which the statement begins.
    pub line: u32,
    /// Its error.
    pub error: SqlError,
}

/// How a migration ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MigrationStatus {
    /// All of it was applied.
    Applied,
    /// A statement or the tool failed.
    Failed,
    /// It was never begun, since one before it failed or the rehearsal was stopped.
    NotRun,
}

/// One statement that reached the server, or several that were sent as one message and so were answered as one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Statement {
    /// The line of the migration's file on which it begins; left out when the file is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Which of the tool's connections sent it, counted from 1.
    pub connection: u32,
    /// The text as it was sent; without what begins a transaction, where a driver sent that together with the first statement
    /// in it.
    pub sql: String,
    /// Its kind, as the server names commands (`ALTER TABLE`); of several, joined by `; `.
    pub command: String,
    /// How it ended.
    pub status: StatementStatus,
    /// The server's error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<SqlError>,
    /// Whether it ran in a transaction that was open before it or that it left open.
    pub in_transaction: bool,
    /// Whether a migration tool sent it for itself: for the table in which it keeps its history, for a lock among its own
    /// kind, or to learn something from the catalog.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bookkeeping: bool,
    /// The tool's own version that it belongs to, as the tool's history has it (`b2`, `shop.0002_index`); left out where that is
    /// not known, and for versioned files, which are migrations of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// From the first byte forwarded to the server to its ready-for-query, on the tap's clock.
    pub duration_ms: Millis,
    /// Rows that the server said it touched, or for `DO` and `CALL` those that its counters say were changed; left out
    /// where there is no such count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Locks that it took, strongest first; `null` when it was over before they could be seen.
    pub locks: Option<Vec<Lock>>,
    /// Relations that were given new storage; `null` when the catalogs could not be read in time.
    pub rewrites: Option<Vec<Rewrite>>,
    /// Tables that were read from end to end; `null` when the counters could not be read.
    pub scans: Option<Vec<Scan>>,
    /// How an ALTER (or what is one to the server) was carried out (MySQL, MariaDB); left out for all else, and where it
    /// could not be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// How many of its row versions the table that was altered has used up (MySQL); left out where it used none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_versions: Option<RowVersions>,
    /// The session's `lock_wait_timeout` in seconds (MySQL, MariaDB): for so long the statement would wait for each of its
    /// metadata locks, with everybody else behind it; left out where it takes none that others would wait for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock_wait_timeout_s: Option<u64>,
    /// For how many milliseconds the statement would have waited for a lock at most, by the session's `lock_timeout`, or its
    /// `statement_timeout` or `transaction_timeout` if that is shorter; 0 is without a bound (PostgreSQL). Left out where it
    /// takes no lock that others would wait for, and where it was not observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock_timeout_ms: Option<u64>,
    /// Whether it committed a transaction that was open before it, without being a `COMMIT` (MySQL, MariaDB).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub implicit_commit: bool,
    /// Costs that do not depend on the machine.
    pub counters: Counters,
    /// Where several statements were sent as one message, what a second pass saw of each, in which they were sent one by one
    /// (PostgreSQL). Their figures, durations and holds too, are that pass's, with probes beside; a `line` is that of the
    /// message where its file is not known. Left out where there was no second pass, or the message was left whole in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Statement>,
}

/// How an ALTER was carried out (MySQL 9.7 manual, 17.12.1 "Online DDL Operations").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// Only the data dictionary was changed; the server would have accepted `ALGORITHM=INSTANT`.
    Instant,
    /// In place, and the table's rows stayed where they were: indexes were built, or only the data dictionary was changed.
    Inplace,
    /// In place, with all rows written anew.
    InplaceRebuild,
    /// All rows were copied to a new table by the server's upper layer.
    Copy,
}

/// Row versions of a table: each INSTANT `ADD` or `DROP COLUMN` takes one, and none is left at the limit. A rebuild frees
/// all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RowVersions {
    /// The table.
    pub table: String,
    /// How many it has used up after the statement (`INNODB_TABLES.TOTAL_ROW_VERSIONS`).
    pub used: u32,
    /// How many there are (255 in MySQL 9.7, 64 before 9.1).
    pub limit: u32,
}

/// How a statement ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StatementStatus {
    /// The server completed it.
    Ok,
    /// The server answered with an error.
    Error,
    /// The connection was gone before the server answered.
    Lost,
}

/// A relation lock that a statement took, or strengthened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Lock {
    /// Name of the relation that is locked: with its schema (PostgreSQL), or with its database if that is another one.
    pub relation: String,
    /// The table whose index or TOAST table it is; left out for a table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Whether it is a partition of another table (PostgreSQL); left out where not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partition: bool,
    /// The mode, as the server spells it (`AccessExclusiveLock`; of a metadata lock `SHARED_NO_WRITE`).
    pub mode: String,
    /// How long it was waited for; `null` when that was not observed.
    pub waited_ms: Option<Millis>,
    /// From the grant to the release, the tap's own hold-backs taken out; `null` when the release was not observed.
    pub held_ms: Option<Millis>,
    /// Whom it shuts out of the table. Empty for a relation that nobody else can see yet.
    pub blocks: Vec<Blocks>,
    /// Whether it was read from the server at a standstill, or caught by sampling.
    pub how: How,
}

/// Who is shut out by a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Blocks {
    /// `SELECT`.
    Reads,
    /// `INSERT`, `UPDATE`, `DELETE`, `MERGE`.
    Writes,
    /// Other schema changes, `VACUUM` and `ANALYZE`.
    Ddl,
}

/// How a figure was had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Read from the server while it stood still at the statement's end; outside a transaction, at its end in the second pass,
    /// which puts it into one.
    Exact,
    /// Seen by sampling while the statement ran.
    Sampled,
}

/// A relation that was given new storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rewrite {
    /// Schema-qualified name.
    pub relation: String,
    /// The table whose index or TOAST table it is; left out for a table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// What kind of relation.
    pub kind: RewriteKind,
    /// Size of the new storage; `null` when it could not be read without waiting.
    pub bytes: Option<u64>,
}

/// What kind of relation was rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RewriteKind {
    /// A table or a materialized view.
    Table,
    /// An index that existed before, by this name and on this table.
    Index,
    /// A TOAST table.
    Toast,
}

/// A table that was read from end to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scan {
    /// Schema-qualified name.
    pub relation: String,
    /// How many scans were begun.
    pub scans: u64,
    /// Rows read in all of them; `null` where parallel workers may have read some that are not counted.
    pub rows: Option<u64>,
    /// Bytes of the table's pages read, from cache or disk; `null` where that was not counted.
    pub bytes: Option<u64>,
}

/// Costs that repeat exactly for the same data, whatever the machine is doing. One that the engine does not have is left
/// out; one that was not observed is `null`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counters {
    /// Bytes of write-ahead log between this statement's end and the one before it (PostgreSQL): of its records, without those
    /// of background processes; where these could not be read again, all but the headers of the log's pages.
    #[serde(default, deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub wal_bytes: Figure,
    /// Those of them that are images of whole pages: the first change of a page after a checkpoint writes one (PostgreSQL).
    #[serde(default, deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub page_image_bytes: Figure,
    /// Bytes of temporary files (PostgreSQL); known of statements outside a transaction alone, since a backend reports them
    /// when its transaction ends.
    #[serde(default, deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub temp_bytes: Figure,
    /// Pages that were not in shared buffers (PostgreSQL).
    #[serde(default, deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub blocks_read: Figure,
    /// Pages that were (PostgreSQL).
    #[serde(default, deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub blocks_hit: Figure,
    /// Bytes of InnoDB's redo log (MySQL, MariaDB).
    #[serde(default, deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub redo_bytes: Figure,
    /// Bytes of the binary log (MySQL, MariaDB).
    #[serde(default, deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub binlog_bytes: Figure,
    /// Pages that InnoDB made (MySQL, MariaDB).
    #[serde(default, deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub pages_created: Figure,
}

/// A figure of [`Counters`]: `None` where the engine has none, `Some(None)` where it was not observed.
pub type Figure = Option<Option<u64>>;

/// Reads a key that is there, `null` or not. (Left to itself serde takes `null` for a key that is not there.)
fn said<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Figure, D::Error> {
    Option::deserialize(value).map(Some)
}

/// Whom one migration shut out of one table, and for how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Blocking {
    /// Schema-qualified name.
    pub table: String,
    /// Rows in it before the migrations; `null` when not known.
    pub rows: Option<u64>,
    /// Whether the table was made by the pending migrations, so that nobody uses it yet.
    pub new: bool,
    /// Readers (`SELECT`).
    pub reads: Blocked,
    /// Writers (`INSERT`, `UPDATE`, `DELETE`).
    pub writes: Blocked,
}

/// For how long somebody was shut out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Blocked {
    /// The longest stretch without a gap, computed from locks and holds: what one unlucky query waits.
    /// `null` when nobody saw the release of a lock. Statements whose own `locks` are `null` do not count here.
    pub held_ms: Option<Millis>,
    /// All stretches together.
    pub total_ms: Option<Millis>,
    /// The longest that a probe waited in the second pass, for the table or for one of its rows; `null` where there was no
    /// such pass, or the table was not probed. Below `overhead.noise_floor_ms` it means nothing.
    pub stalled_ms: Option<Millis>,
    /// The statement (index into the migration's statements) whose lock begins the longest stretch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<usize>,
}

/// A table or column that a migration took away.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Removed {
    /// Schema-qualified name of the table.
    pub table: String,
    /// The column; left out when the whole table is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Whether the values in it are gone with it; not where it goes on under another name, never held any (a view), or was made
    /// by a pending migration. `null` where that was not observed (MySQL, MariaDB).
    #[serde(default)]
    pub data_lost: Option<bool>,
}

impl Migration {
    /// Adds what probes felt on one table in the second pass. A table that nothing shut anybody out of is only put on record
    /// if something above the noise floor was felt there: rows that stayed locked.
    pub(crate) fn feel(&mut self, stall: &Stall, noise_floor: Millis) {
        let place = self.blocking.iter().position(|blocking| blocking.table == stall.table);
        let felt = stall.reads > noise_floor || stall.writes > noise_floor;
        let blocking = match place {
            Some(place) => &mut self.blocking[place],
            None if felt => {
                let nobody = Blocked {
                    held_ms: Some(Millis::default()),
                    total_ms: Some(Millis::default()),
                    ..Blocked::default()
                };
                let (table, reads, writes) = (stall.table.clone(), nobody.clone(), nobody);
                self.blocking.push(Blocking { table, rows: stall.rows, new: false, reads, writes });
                let last = self.blocking.len() - 1;
                &mut self.blocking[last]
            }
            None => return,
        };
        blocking.reads.stalled_ms = Some(stall.reads);
        blocking.writes.stalled_ms = Some(stall.writes);
    }
}
