//! The data of a MySQL or MariaDB server.

pub mod grow;

use mysql_async::Opts;

use super::{Listen, Prepared, SnapshotError};
use crate::scenario::SnapshotWish;
use crate::server::Server;

/// Why the data of a MySQL or MariaDB server could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum MysqlError {
    /// A table could not be grown.
    #[error(transparent)]
    Grow(#[from] grow::GrowError),
    /// The server did not do what preparing takes.
    #[error("cannot prepare the snapshot: {0}")]
    Server(#[from] mysql_async::Error),
}

impl MysqlError {
    /// Whether it is the scenario (or a file that it names) that has to be changed, and not the machine.
    pub fn is_the_scenarios(&self) -> bool {
        match self {
            Self::Grow(error) => error.is_the_scenarios(),
            Self::Server(_) => false,
        }
    }
}

/// Prepares an empty database as a scenario wishes.
#[expect(clippy::unused_async, reason = "it will ask the server")]
pub(super) async fn prepare(
    _opts: &Opts,
    _wish: &SnapshotWish,
    _server: &Server,
    _listen: Listen<'_>,
) -> Result<Prepared, SnapshotError> {
    unimplemented!("snapshots of MySQL")
}
