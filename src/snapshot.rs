//! The data that a rehearsal starts from: restored from dumps, grown, or both.
//!
//! [`prepare`] does it all: restores the dumps, grows the tables, brings the database to rest and says what it holds. Fast
//! settings of the server while it is filled are the caller's, and so is keeping the result ([`store`]).

mod dump;
pub mod grow;
mod likeness;
pub mod mysql;
pub mod postgres;
pub mod store;

use serde::{Deserialize, Serialize};

use crate::profile::{Profile, ProfileError};
use crate::run::TableFacts;
use crate::scenario::{Engine, ProfileWish, SnapshotWish};
use crate::server::{Access, Server};
pub use dump::DumpError;
use mysql::MysqlError;
use postgres::PostgresError;

/// How far the preparation is. Sent often; a listener that draws decides how often it draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// A dump is being read.
    Bytes {
        /// What for.
        work: Work,
        /// The file, as the scenario names it.
        file: &'a std::path::Path,
        /// Bytes of it that were read, as it is stored.
        done: u64,
        /// Its size in bytes, where that is known beforehand.
        total: Option<u64>,
    },
    /// The rows of a dump were read; its indexes and constraints are being made.
    Indexes {
        /// The file, as the scenario names it.
        file: &'a std::path::Path,
        /// So many are made.
        done: u64,
        /// Of so many.
        total: u64,
    },
    /// A table is growing.
    Rows {
        /// The table.
        table: &'a str,
        /// New rows that were made.
        done: u64,
        /// New rows in all.
        total: u64,
    },
}

/// What a dump is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Its check sum.
    Check,
    /// A copy of it, unpacked, for programs that need a file.
    Copy,
    /// The machine that the server is on.
    Send,
    /// Restoring it.
    Restore,
}

impl std::fmt::Display for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Check => "checking",
            Self::Copy => "reading",
            Self::Send => "sending",
            Self::Restore => "restoring",
        })
    }
}

/// Who is told how far the preparation is.
pub type Listen<'a> = &'a (dyn Fn(Progress<'_>) + Send + Sync);

/// A database that is ready to be rehearsed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// `restored`, `grown`, `restored and grown`, `made after a profile`, …, as in [`crate::run::SnapshotFacts::origin`].
    pub origin: String,
    /// What a reader of the figures should know.
    pub notes: Vec<String>,
    /// Every ordinary table, largest first.
    pub tables: Vec<TableFacts>,
}

/// Why the data could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// On PostgreSQL.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// On MySQL or MariaDB.
    #[error(transparent)]
    Mysql(#[from] MysqlError),
    /// A profile that cannot be used.
    #[error("{}:{line}, {}: {source}", file.display(), path.display())]
    Profile {
        /// The scenario.
        file: std::path::PathBuf,
        /// The line that names it.
        line: u32,
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: ProfileError,
    },
    /// A profile of another engine.
    #[error(
        "{}:{line}: the profile is of {of}, and the scenario is for {engine}: it makes tables of {of} alone",
        file.display()
    )]
    OtherEngine {
        /// The scenario.
        file: std::path::PathBuf,
        /// The line that names it.
        line: u32,
        /// The engine of the profile.
        of: Engine,
        /// The engine of the scenario.
        engine: Engine,
    },
}

impl SnapshotError {
    /// Whether it is the scenario (or a file that it names) that has to be changed, and not the machine.
    pub fn is_the_scenarios(&self) -> bool {
        match self {
            Self::Postgres(error) => error.is_the_scenarios(),
            Self::Mysql(error) => error.is_the_scenarios(),
            Self::Profile { .. } | Self::OtherEngine { .. } => true,
        }
    }
}

/// Reads the profile that a scenario names, if it does: what can be known to be wrong before there is a server.
pub fn profile(engine: Engine, wish: &SnapshotWish) -> Result<Option<(Profile, ProfileWish)>, SnapshotError> {
    let Some(how) = &wish.profile else { return Ok(None) };
    let ProfileWish { path, file, line, .. } = how.clone();
    let profile =
        Profile::read(&path).map_err(|source| SnapshotError::Profile { file: file.clone(), line, path, source })?;
    if profile.engine != engine {
        return Err(SnapshotError::OtherEngine { file, line, of: profile.engine, engine });
    }
    Ok(Some((profile, how.clone())))
}

/// Prepares an empty database as a scenario wishes.
///
/// `access` must be a superuser's, and name the database. Dropping the future stops the preparation; the database is then
/// good for nothing but to be dropped.
pub async fn prepare(
    access: &Access,
    wish: &SnapshotWish,
    server: &Server,
    listen: Listen<'_>,
) -> Result<Prepared, SnapshotError> {
    match access {
        Access::Postgres(config) => postgres::prepare(config, wish, server, listen).await,
        Access::Mysql(opts) => mysql::prepare(opts, wish, server, listen).await,
    }
}

/// Tries to grow the tables of a scenario, with a few rows of each, in a database that has everything else that is wished
/// for. Gives all that cannot be made, each with its place in the scenario. The database is then good for nothing but to be
/// dropped.
pub async fn trial(access: &Access, wish: &SnapshotWish) -> Result<Vec<String>, SnapshotError> {
    match access {
        Access::Postgres(config) => postgres::trial(config, wish).await,
        Access::Mysql(opts) => mysql::trial(opts, wish).await,
    }
}

fn origin(wish: &SnapshotWish) -> String {
    let restored = !wish.restore.is_empty() || !wish.after.is_empty();
    let origin = match (restored, wish.profile.is_some(), !wish.tables.is_empty()) {
        (false, true, _) => "made after a profile",
        (true, true, _) => "restored and made after a profile",
        (false, false, false) => "empty",
        (true, false, false) => "restored",
        (false, false, true) => "grown",
        (true, false, true) => "restored and grown",
    };
    origin.to_owned()
}
