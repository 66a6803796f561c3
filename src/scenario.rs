//! The file a user writes: what to rehearse.
//!
//! A TOML file is parsed with its spans, each table is read by the code that asks for its keys, every problem is
//! reported at once, and what comes out is a [`Scenario`], which has no invalid state: files it names exist, durations
//! are durations, and what this version cannot do was refused by name.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::run::{Class, Deploy, Millis, Status};

pub(crate) mod codes;
mod discover;
mod document;
pub mod duration;
mod error;
mod pattern;
mod read;
mod report;
mod suggest;
mod table;
#[cfg(test)]
mod tests;
mod value;

pub use discover::discover;
pub use error::ScenarioError;
pub use pattern::Pattern;
pub use report::Report;

/// The seed of everything that is made up, when the scenario does not say.
pub const DEFAULT_SEED: u64 = 1;

/// A validated scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// The file, as it was named on the command line.
    pub path: PathBuf,
    /// The folder that the paths in it are relative to.
    pub folder: PathBuf,
    /// SHA-256 of the file's bytes, in hexadecimal.
    pub digest: String,
    /// What it is about, in a line.
    pub title: String,
    /// Which engine.
    pub engine: Engine,
    /// What server is wished for.
    pub server: ServerWish,
    /// The data to begin with.
    pub snapshot: SnapshotWish,
    /// The migrations to apply.
    pub migrations: MigrationsWish,
    /// The queries of the old and the new application.
    pub queries: QueryFiles,
    /// What is still all right.
    pub limits: Limits,
    /// Findings that are known and agreed to.
    pub waivers: Vec<Waiver>,
    /// What must come out, for a scenario that teaches or tests.
    pub expect: Option<Expect>,
}

/// A database engine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// PostgreSQL.
    #[default]
    Postgres,
    /// MySQL.
    Mysql,
    /// MariaDB.
    Mariadb,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Postgres => "PostgreSQL",
            Self::Mysql => "MySQL",
            Self::Mariadb => "MariaDB",
        })
    }
}

/// What server is wished for (`[server]`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerWish {
    /// The engine, which the scenario says beside this table.
    pub engine: Engine,
    /// A major version (`17`); the newest that the provider has when not said.
    pub version: Option<String>,
    /// How it is to be had.
    pub provider: ProviderWish,
    /// An image for the container provider, instead of the engine's official one (`postgres:VERSION`).
    pub image: Option<String>,
    /// Settings of the measured server.
    pub settings: BTreeMap<String, String>,
    /// The server that somebody else started, for [`ProviderWish::External`].
    pub external: Option<ExternalWish>,
    /// How a server is got from a program and given back to it, for [`ProviderWish::Command`].
    pub command: Option<CommandWish>,
}

/// A scratch server that somebody else started (`[server.external]`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalWish {
    /// Where it is.
    pub url: UrlWish,
    /// The database that the URL names holds the data already, and is migrated as it is.
    pub in_place: bool,
    /// Others may be connected to the server.
    pub shared: bool,
}

/// Where a URL comes from. One with a password is never in a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UrlWish {
    /// A variable of the environment (`env:NAME`).
    Variable(String),
    /// The scenario itself; it has no password.
    Written(String),
}

/// A server that a program makes and takes back (`[server.command]`): a thin clone, a cloud branch, a restored snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandWish {
    /// Handed to `sh -c`; prints the URL, and whatever `down` needs.
    pub up: String,
    /// Handed to `sh -c`, with all that `up` printed.
    pub down: String,
    /// How long each of the two may take.
    pub timeout: Duration,
    /// Where both run: the scenario's folder.
    pub folder: PathBuf,
    /// See [`ExternalWish::in_place`].
    pub in_place: bool,
    /// See [`ExternalWish::shared`].
    pub shared: bool,
}

/// How the server is to be had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum ProviderWish {
    /// A container if Docker answers and has (or can pull) the image, else local binaries.
    #[default]
    Auto,
    /// A container.
    Container,
    /// Server binaries of this machine.
    Local,
    /// A server that somebody else started (`[server.external]`).
    #[value(skip)]
    External,
    /// A server that a program makes (`[server.command]`).
    #[value(skip)]
    Command,
}

/// The data to begin with (`[snapshot]`).
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotWish {
    /// Dumps to restore, in this order.
    pub restore: Vec<Dump>,
    /// Scripts of SQL to run once they are restored, before any table grows.
    pub after: Vec<PathBuf>,
    /// After what tables are made (`[snapshot.profile]`).
    pub profile: Option<ProfileWish>,
    /// Tables to grow once they are restored.
    pub tables: Vec<TableWish>,
    /// The seed of everything that is made up.
    pub seed: u64,
}

impl SnapshotWish {
    /// Whether there is no data to make.
    pub fn is_empty(&self) -> bool {
        self.restore.is_empty() && self.after.is_empty() && self.profile.is_none() && self.tables.is_empty()
    }
}

impl Default for SnapshotWish {
    fn default() -> Self {
        Self { restore: Vec::new(), after: Vec::new(), profile: None, tables: Vec::new(), seed: DEFAULT_SEED }
    }
}

/// A dump to restore (`restore` in `[snapshot]`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dump {
    /// Where it is.
    pub from: DumpSource,
    /// Its SHA-256 in hexadecimal, as it is stored; of a folder there is none.
    pub sha256: Option<String>,
}

/// Where a dump is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DumpSource {
    /// A file, or a folder.
    File(PathBuf),
    /// What a program writes to its standard output.
    Command {
        /// Handed to `sh -c`.
        command: String,
        /// Where it runs.
        folder: PathBuf,
    },
}

impl From<PathBuf> for Dump {
    fn from(path: PathBuf) -> Self {
        Self { from: DumpSource::File(path), sha256: None }
    }
}

/// A profile, after which tables are made (`[snapshot.profile]`).
#[derive(Debug, Clone, PartialEq)]
pub struct ProfileWish {
    /// The file that `rehearsal profile` wrote.
    pub path: PathBuf,
    /// How many rows are made for one in the profile.
    pub scale: f64,
    /// Where it is said: the scenario, as [`Scenario::path`] has it.
    pub file: PathBuf,
    /// The line of it.
    pub line: u32,
}

/// A table to grow (`[[snapshot.table]]`).
#[derive(Debug, Clone, PartialEq)]
pub struct TableWish {
    /// Its name, as the user wrote it: `orders`, `shop.orders`, or with the engine's quotes `"Order Lines"`.
    pub name: String,
    /// How many rows it shall have.
    pub rows: u64,
    /// How its columns are to be filled, by column name.
    pub columns: BTreeMap<String, ColumnWish>,
    /// Where it is said, for errors found only with the schema at hand: the scenario, as [`Scenario::path`] has it.
    pub file: PathBuf,
    /// The line of it.
    pub line: u32,
}

/// How a column is to be filled. What is not said is taken from the rows that are there, or else from the type.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ColumnWish {
    /// Values in their text form, each with its weight.
    pub values: Option<Vec<(String, f64)>>,
    /// Share of NULLs, 0 to 1.
    pub null_fraction: Option<f64>,
    /// How many different values there are.
    pub distinct: Option<u64>,
    /// Lowest and highest value, in their text form.
    pub range: Option<(String, String)>,
    /// What its texts look like.
    pub pattern: Option<Pattern>,
    /// The column whose values it has (`customers.id`), as the user wrote it, where the schema has no foreign key.
    pub references: Option<String>,
    /// How often its different values, or the rows that it refers to, come.
    pub distribution: Option<Distribution>,
}

/// How often different values come (`distribution`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distribution {
    /// All about equally often.
    Even,
    /// The second half as often as the first, the third a third as often (Zipf's law).
    Zipf,
}

/// The migrations to apply (`[migrations]`).
#[derive(Debug, Clone, PartialEq)]
pub struct MigrationsWish {
    /// The last version that the snapshot already has.
    pub applied_through: Option<String>,
    /// With what they are applied.
    pub tool: Tool,
    /// How long a whole migration may take before it is stopped.
    pub timeout: Duration,
}

/// With what migrations are applied (`[migrations.tool.…]`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tool {
    /// Versioned SQL files in a folder, sent by `rehearsal` itself.
    Sql {
        /// The folder (or a single file).
        path: PathBuf,
        /// What one transaction holds.
        transaction: TransactionMode,
    },
    /// Any program.
    Command {
        /// Handed to `sh -c`.
        command: String,
        /// Where it runs.
        folder: PathBuf,
        /// Variables it is given besides `DATABASE_URL` and `PG*` or `MYSQL_*`.
        env: BTreeMap<String, String>,
    },
}

/// What one transaction holds when SQL files are applied. Without meaning for MySQL and MariaDB, where each change of the
/// schema commits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransactionMode {
    /// A file. Statements that cannot run in a transaction are sent alone, between two transactions. (PostgreSQL, where it
    /// is the default.)
    #[default]
    File,
    /// A statement: each has `BEGIN` and `COMMIT` of its own.
    Statement,
    /// Nothing: statements are sent in autocommit. (The default on MySQL and MariaDB.)
    None,
}

/// The files with the queries of both applications (`[queries]`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueryFiles {
    /// Of the version that runs today. Folders were opened into their `.sql` files, in order of name.
    pub old: Vec<PathBuf>,
    /// Of the version to be deployed.
    pub new: Vec<PathBuf>,
}

/// What is still all right (`[limits]`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Limits {
    /// Longest time for which readers of a table may be shut out. Default 500 ms.
    pub reads_blocked_ms: Millis,
    /// Longest time for which writers of a table may be shut out. Default 500 ms.
    pub writes_blocked_ms: Millis,
    /// Longest time that one migration may take. Default 10 min.
    pub duration_ms: Millis,
    /// From how many rows on a rewrite of a table is an error and not a warning. Default 10,000.
    pub rewrite_rows: u64,
    /// Other limits for single tables, by name as the user wrote it.
    pub tables: BTreeMap<String, TableLimits>,
}

/// Limits of one table; what is not said is as for every table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TableLimits {
    /// See [`Limits::reads_blocked_ms`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reads_blocked_ms: Option<Millis>,
    /// See [`Limits::writes_blocked_ms`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub writes_blocked_ms: Option<Millis>,
    /// See [`Limits::rewrite_rows`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rewrite_rows: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            reads_blocked_ms: Millis(Duration::from_millis(500)),
            writes_blocked_ms: Millis(Duration::from_millis(500)),
            duration_ms: Millis(Duration::from_secs(600)),
            rewrite_rows: 10_000,
            tables: BTreeMap::new(),
        }
    }
}

/// A finding that is known and agreed to (`[[waive]]`): it stays, and does not make the verdict fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Waiver {
    /// The code of the finding.
    pub finding: String,
    /// The table that it is about, as the user wrote it; left out where any is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Why.
    pub reason: String,
    /// The last day on which it holds (`2027-01-31`, in UTC).
    pub until: String,
    /// Where it is said: the scenario, as it was named on the command line.
    pub file: String,
    /// The line of it.
    pub line: u32,
}

/// What must come out (`[expect]`); what is not said may be anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expect {
    /// The verdict's status.
    pub verdict: Option<Status>,
    /// The verdict's class.
    pub class: Option<Class>,
    /// The deploy order.
    pub deploy: Option<Deploy>,
    /// Codes of the findings of severity warning and error: these and no others.
    pub findings: Option<Vec<String>>,
}
