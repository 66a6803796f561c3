//! The record of one rehearsal: facts only, as they are written to `run.json`.
//!
//! Nothing here judges and nothing here prints: findings and the verdict are added by [`crate::verdict`], words by
//! [`crate::report`]. A key that does not apply is left out; a key that applies but was not observed is `null`.

/// Building the record from events.
pub mod builder;
pub mod finding;
pub mod migration;
pub mod millis;
mod parts;
pub mod quantity;
pub mod query;
pub mod shape;
pub mod sql_error;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use finding::{Class, Conduct, Deploy, Finding, Severity, Status, Step, Verdict, Waived};
pub use migration::{
    Algorithm, Blocked, Blocking, Blocks, Counters, Figure, HalfApplied, How, InvalidIndex, Lock, Migration,
    MigrationStatus, Removed, Rerun, Rewrite, RewriteKind, RowVersions, Scan, Statement, StatementStatus,
};
pub use millis::Millis;
pub use quantity::{Bytes, Count, Rows, TableRows};
pub use query::{Change, Column, QueryResult, QuerySet, QueryStatus, Session};
pub use shape::{Constraint, Dependents, Index, Partition, Shape, ShapeColumn};
pub use sql_error::{Place, SqlError};

use crate::scenario::{Engine, Limits, Waiver};

/// The version of the record's form. It grows when a reader of the old form would misread the new one.
pub const SCHEMA_VERSION: u32 = 1;

/// One rehearsal, from the scenario to the verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// Always [`SCHEMA_VERSION`] in a record that this version writes.
    pub schema_version: u32,
    /// The version of `rehearsal` that measured.
    pub rehearsal_version: String,
    /// When the rehearsal began, RFC 3339 in UTC.
    pub started_at: String,
    /// How long the whole rehearsal took, set-up included.
    pub duration_ms: Millis,
    /// Whether every stage was gone through.
    pub completion: Completion,
    /// The scenario that was rehearsed.
    pub scenario: ScenarioFacts,
    /// The scratch server; left out when none could be started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerFacts>,
    /// The data that the migrations met; left out when it could not be prepared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotFacts>,
    /// The pending migrations in the order in which they were applied.
    pub migrations: Vec<Migration>,
    /// Every run of every query of the old and the new set.
    pub queries: Vec<QueryResult>,
    /// What was judged, most severe first.
    pub findings: Vec<Finding>,
    /// The answer; left out when the run is too incomplete to give one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// The limits that the findings were judged by.
    pub limits: Limits,
    /// Findings that the scenario waives; left out where it waives none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waivers: Vec<Waiver>,
    /// What measuring itself cost.
    pub overhead: Overhead,
    /// Things that a reader of the figures should know (how a provider was chosen, what a dump lacked).
    pub notes: Vec<String>,
}

/// Whether the rehearsal went to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Completion {
    /// Every stage was gone through (a migration that failed is a result, not an interruption).
    Complete,
    /// It was stopped by the user.
    Interrupted,
    /// A stage failed; the text says which and why.
    Failed(String),
}

/// Which scenario was rehearsed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioFacts {
    /// The scenario's title.
    pub title: String,
    /// Its file, as it was named on the command line.
    pub path: String,
    /// SHA-256 of the file's bytes, in hexadecimal.
    pub digest: String,
}

/// The scratch server that was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerFacts {
    /// The engine.
    pub engine: Engine,
    /// The server's own full version number (`SHOW server_version`, `SELECT VERSION()`).
    pub version: String,
    /// How the server was had: `local` or `container`.
    pub provider: String,
    /// Where it came from: the directory of the binaries, or the image.
    pub origin: String,
    /// Settings that bear on the figures, as the server reports them.
    pub settings: BTreeMap<String, String>,
    /// Processors that the machine running `rehearsal` has.
    pub cpus: usize,
}

/// The data that the migrations met.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotFacts {
    /// `restored`, `grown`, `restored and grown`, `made after a profile`, `restored and made after a profile`, or `empty`.
    pub origin: String,
    /// Whether a prepared snapshot was reused.
    pub cache: Cache,
    /// By which means the data folder was cloned from the prepared snapshot; left out where the server that is measured is
    /// the one that was filled. Durations on clones of different means are not to be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloning: Option<Cloning>,
    /// How long it took until the data was there: cloned, or filled, kept and cloned.
    pub duration_ms: Millis,
    /// Every ordinary table, largest first.
    pub tables: Vec<TableFacts>,
}

/// Whether a prepared snapshot was reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cache {
    /// A prepared one was there.
    Hit,
    /// It was prepared anew and kept.
    Miss,
    /// Nothing is kept.
    Off,
}

/// By which means a data folder was cloned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cloning {
    /// The file system shares blocks until they are written (XFS, btrfs, APFS). Nothing of it is in the page cache.
    Reflink,
    /// The same, in a file system of our own in a file.
    ReflinkVolume,
    /// Files were copied, which leaves them in the page cache.
    Copy,
}

/// One table of the snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TableFacts {
    /// Schema-qualified name, as [`crate::observe`] names relations.
    pub name: String,
    /// Rows, as the planner's statistics have them right after `ANALYZE` (`pg_class.reltuples`), or counted (MySQL,
    /// MariaDB: the statistics of InnoDB are estimates); `null` if not known.
    pub rows: Option<u64>,
    /// Whether the rows are an estimate: of a table of more pages than `ANALYZE` reads it counts those of a sample (PostgreSQL).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rows_estimated: bool,
    /// Bytes of the table with its indexes and TOAST (`pg_total_relation_size`), or of its tablespace's files.
    pub bytes: u64,
    /// Where its rows come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<RowSource>,
    /// How close a table that was made after a profile comes to it; left out for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub likeness: Option<Likeness>,
}

impl TableFacts {
    /// Its rows, as a sentence has them; `None` where they are not known.
    pub fn rows_in_words(&self) -> Option<String> {
        self.rows.map(|rows| TableRows { rows, estimated: self.rows_estimated }.to_string())
    }
}

/// Where the rows of a table come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RowSource {
    /// All of them were restored from a dump.
    Real,
    /// Some of them were made from those that were restored, or from the types of the columns.
    Grown,
    /// They were made after a profile.
    Made,
}

/// How close a table that was made after a profile comes to it, for as many rows. Each difference is in per cent of the profile's
/// figure; `null` where that is not known, or too small to compare (sizes below 20 pages, fewer than 20 different values).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Likeness {
    /// Rows of the table in the profile.
    pub profile_rows: u64,
    /// Of the size of the table itself.
    pub pages_percent: Option<i32>,
    /// Of the size of the index that is farthest off.
    pub index_percent: Option<i32>,
    /// That index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// Of the number of different values of the column that is farthest off.
    pub distinct_percent: Option<i32>,
    /// That column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distinct_column: Option<String>,
}

/// What measuring itself cost, so that a reader can tell the instrument from the thing measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Overhead {
    /// Mean time that the tap held a reply back to read locks and catalogs, per statement. Taken out of every hold.
    pub per_statement_ms: Option<Millis>,
    /// Total of those times.
    pub held_back_ms: Option<Millis>,
    /// The shortest interval between two samples of a running statement.
    pub sampler_ms: Option<Millis>,
    /// The longest that a probe of the second pass waited with no migration running, and 10 ms at least: what is felt below
    /// it means nothing. Left out where there was no second pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise_floor_ms: Option<Millis>,
    /// Samples taken.
    pub samples: u64,
    /// In words.
    pub note: String,
}

impl Run {
    /// The engine that was measured; PostgreSQL where no server was started, and so nothing measured.
    pub(crate) fn engine(&self) -> Engine {
        self.server.as_ref().map_or(Engine::Postgres, |server| server.engine)
    }

    /// Reads a record that was saved before.
    ///
    /// # Errors
    /// When the text is no record, or one of a later form.
    pub fn from_json(text: &str) -> Result<Self, ReadError> {
        #[derive(Deserialize)]
        struct Version {
            schema_version: u32,
        }
        let version: Version = serde_json::from_str(text)?;
        if version.schema_version > SCHEMA_VERSION {
            return Err(ReadError::Newer(version.schema_version));
        }
        Ok(serde_json::from_str(text)?)
    }

    /// The record as it is written to a file: indented, with a newline at the end.
    ///
    /// # Panics
    /// Never: the record holds nothing that JSON cannot say.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a record is plain data");
        text.push('\n');
        text
    }
}

/// Why a saved record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not JSON, or not a record.
    #[error("this is not a run record: {0}")]
    Json(#[from] serde_json::Error),
    /// Written by a later version.
    #[error(
        "this run record has schema_version {0}, and this version of rehearsal reads up to {SCHEMA_VERSION}: use a newer rehearsal"
    )]
    Newer(u32),
}
