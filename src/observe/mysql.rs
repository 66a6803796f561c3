//! Observing MySQL and MariaDB.

pub(super) mod probe;
pub mod watch;

use std::sync::Arc;

use mysql_async::Opts;

use super::{Listener, Observation};
use crate::run::{Overhead, Statement};

/// Watches a scratch server while migrations run on it.
pub struct Observer {
    _listener: Listener,
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}

/// Why observing cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// The observer's session failed.
    #[error("the observer could not ask the server: {0}")]
    Sql(#[from] mysql_async::Error),
}

#[expect(clippy::unused_async, clippy::missing_panics_doc, reason = "they will ask the server")]
impl Observer {
    /// Opens the observer's sessions and reads the database as it is before all migrations.
    pub async fn start(_opts: &Opts, listener: Listener) -> Result<Arc<Self>, ObserveError> {
        Ok(Arc::new(Self { _listener: listener }))
    }

    /// From here on, everything belongs to the next migration.
    pub async fn begin_migration(&self) -> Result<(), ObserveError> {
        unimplemented!("observing MySQL")
    }

    /// Says from which line of a file the next statement comes; `None` for one that is in no file.
    pub fn next_line(&self, _line: Option<u32>) {}

    /// Ends the migration and gives what was observed of it.
    pub async fn end_migration(&self) -> Result<Observation, ObserveError> {
        unimplemented!("observing MySQL")
    }

    /// What was observed so far of a migration that cannot be ended, since the server is gone.
    pub fn abandon(&self) -> Vec<Statement> {
        Vec::new()
    }

    /// What observing cost.
    pub fn overhead(&self) -> Overhead {
        Overhead::default()
    }

    /// The first failure to observe, after which the figures are not to be trusted.
    pub fn trouble(&self) -> Option<String> {
        None
    }
}
