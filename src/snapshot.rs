//! The data that a rehearsal starts from: restored from dumps, grown, or both.
//!
//! [`prepare`] does it all: [`restore`] the dumps, [`grow`] the tables, bring the database to rest and say what it holds
//! ([`facts`]). Fast settings of the server while it is filled are the caller's.

pub mod facts;
pub mod grow;
pub mod restore;

use tokio_postgres::{Config, NoTls};

use crate::run::TableFacts;
use crate::scenario::SnapshotWish;
use crate::server::Server;
use grow::{GrowError, server_says};
use restore::RestoreError;

/// How far the preparation is. Sent often; a listener that draws decides how often it draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// A dump is being restored.
    Bytes {
        /// The file, as the scenario names it.
        file: &'a std::path::Path,
        /// Bytes of it that were read.
        done: u64,
        /// Its size in bytes.
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

/// Who is told how far the preparation is.
pub type Listen<'a> = &'a (dyn Fn(Progress<'_>) + Send + Sync);

/// A database that is ready to be rehearsed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// `restored`, `grown`, `restored and grown`, or `empty`, as in [`crate::run::SnapshotFacts::origin`].
    pub origin: &'static str,
    /// What a reader of the figures should know.
    pub notes: Vec<String>,
    /// Every ordinary table, largest first.
    pub tables: Vec<TableFacts>,
}

/// Why the data could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A dump could not be restored.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// A table could not be grown.
    #[error(transparent)]
    Grow(#[from] GrowError),
    /// The server did not do what preparing takes.
    #[error("cannot prepare the snapshot: {}", server_says(.0))]
    Server(#[from] tokio_postgres::Error),
}

impl SnapshotError {
    /// Whether it is the scenario (or a file that it names) that has to be changed, and not the machine.
    pub fn is_the_scenarios(&self) -> bool {
        match self {
            Self::Restore(error) => matches!(
                error,
                RestoreError::Read { .. }
                    | RestoreError::Unsupported { .. }
                    | RestoreError::Meta { .. }
                    | RestoreError::ServerFile { .. }
                    | RestoreError::SeveralDatabases { .. }
                    | RestoreError::NewerDump { .. }
            ),
            Self::Grow(error) => !matches!(error, GrowError::Read { .. } | GrowError::Garbled { .. }),
            Self::Server(_) => false,
        }
    }
}

/// Prepares an empty database as a scenario wishes.
///
/// `config` must be a superuser's, and name the database. Dropping the future stops the preparation; the database is then
/// good for nothing but to be dropped.
pub async fn prepare(
    config: &Config,
    wish: &SnapshotWish,
    server: &Server,
    listen: Listen<'_>,
) -> Result<Prepared, SnapshotError> {
    let mut notes = restore::restore(config, &wish.restore, server, listen).await?;
    let (mut client, connection) = config.connect(NoTls).await?;
    let connection = tokio::spawn(connection);
    if !wish.tables.is_empty() {
        notes.extend(grow::grow(&mut client, &wish.tables, wish.seed, listen).await?);
    }
    facts::settle(&client).await?;
    let tables = facts::table_facts(&client).await?;
    drop(client);
    // The connection ends once its client is gone; what it says then was already told to the client.
    let _ = connection.await;
    Ok(Prepared { origin: origin(wish), notes, tables })
}

fn origin(wish: &SnapshotWish) -> &'static str {
    match (wish.restore.is_empty(), wish.tables.is_empty()) {
        (true, true) => "empty",
        (false, true) => "restored",
        (true, false) => "grown",
        (false, false) => "restored and grown",
    }
}
