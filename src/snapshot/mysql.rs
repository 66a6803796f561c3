//! The data of a MySQL or MariaDB server: [`restore`] the dumps, [`grow`] the tables, bring the database to rest and
//! say what it holds ([`facts`]).

pub mod facts;
pub mod grow;
pub mod restore;

use mysql_async::{Conn, Opts};

use super::{Listen, Prepared, SnapshotError, origin};
use crate::scenario::{Dump, SnapshotWish};
use crate::server::{DATABASE, Server};
use grow::GrowError;
use restore::RestoreError;

/// Why the data of a MySQL or MariaDB server could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum MysqlError {
    /// A dump could not be restored.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// A table could not be grown.
    #[error(transparent)]
    Grow(#[from] GrowError),
    /// The server did not do what preparing takes.
    #[error("cannot prepare the snapshot: {0}")]
    Server(#[from] mysql_async::Error),
}

impl MysqlError {
    /// Whether it is the scenario (or a file that it names) that has to be changed, and not the machine.
    pub fn is_the_scenarios(&self) -> bool {
        match self {
            Self::Restore(error) => error.is_the_scenarios(),
            Self::Grow(error) => error.is_the_scenarios(),
            Self::Server(_) => false,
        }
    }
}

/// Prepares an empty database as a scenario wishes.
///
/// `opts` must be a superuser's, and name the database. Dropping the future stops the preparation; the database is then good
/// for nothing but to be dropped.
pub(super) async fn prepare(
    opts: &Opts,
    wish: &SnapshotWish,
    _server: &Server,
    listen: Listen<'_>,
) -> Result<Prepared, SnapshotError> {
    Ok(filled(opts, wish, listen).await?)
}

/// Tries to grow the tables of a scenario in a database that has everything else, and gives what cannot be made, each as it
/// is told. See [`prepare`].
pub(super) async fn trial(opts: &Opts, wish: &SnapshotWish) -> Result<Vec<String>, SnapshotError> {
    let problems = grow::trial(opts, &wish.tables, wish.seed).await.map_err(MysqlError::from)?;
    Ok(problems.iter().map(ToString::to_string).collect())
}

async fn filled(opts: &Opts, wish: &SnapshotWish, listen: Listen<'_>) -> Result<Prepared, MysqlError> {
    let dumps: Vec<Dump> = wish.restore.iter().cloned().chain(wish.after.iter().cloned().map(Dump::from)).collect();
    let mut notes = restore::restore(opts, &dumps, listen).await?;
    if !wish.tables.is_empty() {
        notes.extend(grow::grow(opts, &wish.tables, wish.seed, listen).await?);
    }
    let mut connection = Conn::new(opts.clone()).await?;
    let database = opts.db_name().unwrap_or(DATABASE);
    facts::settle(&mut connection, database).await?;
    let tables = facts::table_facts(&mut connection, database).await?;
    connection.disconnect().await?;
    Ok(Prepared { origin: origin(wish), notes, tables })
}
