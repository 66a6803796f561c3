//! The data of a PostgreSQL server: [`restore`] the dumps, [`grow`] the tables, bring the database to rest and say what
//! it holds ([`facts`]).

pub mod facts;
pub mod grow;
pub mod restore;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, NoTls};

use super::{Listen, Prepared, SnapshotError, origin};
use crate::scenario::{Dump, SnapshotWish};
use crate::server::Server;
use grow::{GrowError, server_says};
use restore::RestoreError;

/// Why the data of a PostgreSQL server could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
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

impl PostgresError {
    /// Whether it is the scenario (or a file that it names) that has to be changed, and not the machine.
    pub fn is_the_scenarios(&self) -> bool {
        match self {
            Self::Restore(error) => error.is_the_scenarios(),
            Self::Grow(error) => {
                !matches!(error, GrowError::Read { .. } | GrowError::Garbled { .. }) && !self.is_disk_full()
            }
            Self::Server(_) => false,
        }
    }

    /// Whether the server's disk is full.
    fn is_disk_full(&self) -> bool {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(self);
        std::iter::from_fn(|| {
            let error = cause?;
            cause = error.source();
            Some(error)
        })
        .filter_map(|error| error.downcast_ref::<tokio_postgres::Error>())
        .any(|error| error.code() == Some(&SqlState::DISK_FULL))
    }
}

/// Prepares an empty database as a scenario wishes.
///
/// `config` must be a superuser's, and name the database. Dropping the future stops the preparation; the database is then
/// good for nothing but to be dropped.
pub(super) async fn prepare(
    config: &Config,
    wish: &SnapshotWish,
    server: &Server,
    listen: Listen<'_>,
) -> Result<Prepared, SnapshotError> {
    Ok(filled(config, wish, server, listen).await?)
}

async fn filled(
    config: &Config,
    wish: &SnapshotWish,
    server: &Server,
    listen: Listen<'_>,
) -> Result<Prepared, PostgresError> {
    let mut notes = restore::restore(config, &wish.restore, server, listen).await?;
    let after: Vec<Dump> = wish.after.iter().cloned().map(Dump::from).collect();
    notes.extend(restore::restore(config, &after, server, listen).await?);
    let (mut client, connection) = config.connect(NoTls).await?;
    let connection = tokio::spawn(connection);
    if !wish.tables.is_empty() {
        notes.extend(grow::grow(config, &mut client, &wish.tables, wish.seed, listen).await?);
    }
    facts::settle(&client).await?;
    let tables = facts::table_facts(&client).await?;
    drop(client);
    // The connection ends once its client is gone; what it says then was already told to the client.
    let _ = connection.await;
    Ok(Prepared { origin: origin(wish), notes, tables })
}
