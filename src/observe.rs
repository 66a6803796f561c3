//! What one statement did: locks, blocking, rewrites, counters.
//!
//! One observer for each family of engines, with the same file names where they do the same. [`Observer`] is either.

mod holds;
pub mod mysql;
pub mod postgres;
pub mod probe;

use std::sync::Arc;
use std::time::Duration;

use crate::run::{Blocking, InvalidIndex, Millis, Overhead, Removed, Shape, Statement};
use crate::server::Access;

/// What the observer tells while a migration runs, for whoever shows progress.
#[derive(Debug, Clone)]
pub enum Activity {
    /// A statement was forwarded to the server.
    Begun {
        /// Its text.
        sql: String,
    },
    /// The server has answered it.
    Ended {
        /// How long it took.
        duration: Duration,
    },
}

/// Who listens to [`Activity`].
pub type Listener = Box<dyn Fn(Activity) + Send + Sync>;

/// What was observed of one migration.
#[derive(Debug, Default)]
pub struct Observation {
    /// Its statements.
    pub statements: Vec<Statement>,
    /// From the first statement's begin to the last one's end, without the tap's pauses.
    pub duration: Option<Millis>,
    /// Whom it shut out.
    pub blocking: Vec<Blocking>,
    /// What it took away.
    pub removed: Vec<Removed>,
    /// Whether a client left since it was told that there is no TLS (PostgreSQL).
    pub refused_encryption: bool,
    /// Indexes that it left invalid.
    pub invalid_indexes: Vec<InvalidIndex>,
    /// How the tables that it touched are built after it (PostgreSQL).
    pub shapes: Vec<Shape>,
    /// Why the server did not describe all of them, if so.
    pub undescribed: Option<String>,
}

/// Why observing cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// On PostgreSQL.
    #[error(transparent)]
    Postgres(#[from] postgres::ObserveError),
    /// On MySQL or MariaDB.
    #[error(transparent)]
    Mysql(#[from] mysql::ObserveError),
}

/// Watches a scratch server while migrations run on it.
#[derive(Debug, Clone)]
pub enum Observer {
    /// PostgreSQL.
    Postgres(Arc<postgres::Observer>),
    /// MySQL or MariaDB.
    Mysql(Arc<mysql::Observer>),
}

impl Observer {
    /// Opens the observer's sessions and reads the database as it is before all migrations. `is_ours` if the server was started
    /// here, and another of its databases may be connected to.
    pub async fn start(access: &Access, is_ours: bool, listener: Listener) -> Result<Self, ObserveError> {
        Ok(match access {
            Access::Postgres(config) => Self::Postgres(postgres::Observer::start(config, is_ours, listener).await?),
            Access::Mysql(opts) => Self::Mysql(mysql::Observer::start(opts, listener).await?),
        })
    }

    /// From here on, everything belongs to the next migration.
    pub async fn begin_migration(&self) -> Result<(), ObserveError> {
        match self {
            Self::Postgres(observer) => observer.begin_migration().await?,
            Self::Mysql(observer) => observer.begin_migration().await?,
        }
        Ok(())
    }

    /// Says from which line of a file the next statement comes; `None` for one that is in no file.
    pub fn next_line(&self, line: Option<u32>) {
        match self {
            Self::Postgres(observer) => observer.next_line(line),
            Self::Mysql(observer) => observer.next_line(line),
        }
    }

    /// Ends the migration and gives what was observed of it.
    pub async fn end_migration(&self) -> Result<Observation, ObserveError> {
        Ok(match self {
            Self::Postgres(observer) => observer.end_migration().await?,
            Self::Mysql(observer) => observer.end_migration().await?,
        })
    }

    /// What was observed so far of a migration that cannot be ended, since the server is gone.
    pub fn abandon(&self) -> Vec<Statement> {
        match self {
            Self::Postgres(observer) => observer.abandon(),
            Self::Mysql(observer) => observer.abandon(),
        }
    }

    /// What observing cost.
    pub fn overhead(&self) -> Overhead {
        match self {
            Self::Postgres(observer) => observer.overhead(),
            Self::Mysql(observer) => observer.overhead(),
        }
    }

    /// The first failure to observe, after which the figures are not to be trusted.
    pub fn trouble(&self) -> Option<String> {
        match self {
            Self::Postgres(observer) => observer.trouble(),
            Self::Mysql(observer) => observer.trouble(),
        }
    }
}
