//! The data of a MySQL or MariaDB server: [`restore`] the dumps, bring the database to rest and say what it holds
//! ([`facts`]).

pub mod facts;
pub mod restore;

use mysql_async::{Conn, Opts};

use super::{Listen, Prepared, SnapshotError, origin};
use crate::scenario::SnapshotWish;
use crate::server::{DATABASE, Server};
use restore::RestoreError;

/// Why the data of a MySQL or MariaDB server could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum MysqlError {
    /// A dump could not be restored.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// A table was to grow.
    #[error("tables of MySQL and MariaDB cannot be grown yet: take [[snapshot.table]] out")]
    CannotGrow,
    /// The server did not do what preparing takes.
    #[error("cannot prepare the snapshot: {0}")]
    Server(#[from] mysql_async::Error),
}

impl MysqlError {
    /// Whether it is the scenario (or a file that it names) that has to be changed, and not the machine.
    pub fn is_the_scenarios(&self) -> bool {
        match self {
            Self::Restore(error) => error.is_the_scenarios(),
            Self::CannotGrow => true,
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

async fn filled(opts: &Opts, wish: &SnapshotWish, listen: Listen<'_>) -> Result<Prepared, MysqlError> {
    let notes = restore::restore(opts, &wish.restore, listen).await?;
    if !wish.tables.is_empty() {
        return Err(MysqlError::CannotGrow);
    }
    let mut connection = Conn::new(opts.clone()).await?;
    let database = opts.db_name().unwrap_or(DATABASE);
    facts::settle(&mut connection, database).await?;
    let tables = facts::table_facts(&mut connection, database).await?;
    connection.disconnect().await?;
    Ok(Prepared { origin: origin(wish), notes, tables })
}
