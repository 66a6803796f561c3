//! A connection to either engine.

use std::time::Duration;

use super::outcome::Outcome;
use super::{Query, mysql, postgres};
use crate::run::{Column, SqlError};
use crate::server::Access;

/// The longest that one query may take with all that is done around it. The server's own limits are shorter; this one
/// is for a server that does not answer at all.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// Why no connection can be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// What PostgreSQL's driver says.
    #[error(transparent)]
    Postgres(#[from] tokio_postgres::Error),
    /// What the driver of MySQL and MariaDB says.
    #[error(transparent)]
    Mysql(#[from] mysql_async::Error),
}

/// An open connection on which nothing is prepared.
#[derive(Debug)]
pub(super) enum Connection {
    Postgres(postgres::connection::Connection),
    Mysql(mysql::connection::Connection),
}

impl Connection {
    pub(super) async fn open(access: &Access) -> Result<Self, ConnectError> {
        Ok(match access {
            Access::Postgres(config) => Self::Postgres(postgres::connection::Connection::open(config).await?),
            Access::Mysql(opts) => Self::Mysql(mysql::connection::Connection::open(opts).await?),
        })
    }

    /// Whether nothing can be run on it any more.
    pub(super) async fn is_lost(&mut self) -> bool {
        match self {
            Self::Postgres(connection) => connection.lost().await.is_some(),
            Self::Mysql(connection) => connection.lost().is_some(),
        }
    }

    /// Runs a query. `reference` are the columns by which its rows are digested; its own when `None`.
    pub(super) async fn run(&mut self, query: &Query, reference: Option<&[Column]>) -> Result<Outcome, SqlError> {
        match self {
            Self::Postgres(connection) => connection.run(query, reference).await,
            Self::Mysql(connection) => connection.run(query, reference).await,
        }
    }

    /// Ends it in good order.
    pub(super) async fn close(self) {
        match self {
            Self::Postgres(connection) => connection.close().await,
            Self::Mysql(connection) => connection.close().await,
        }
    }
}

/// The error of a pooled connection that is gone, with the engine's SQLSTATE for that.
pub(super) fn lost_pool(sqlstate: &str, reason: &str) -> SqlError {
    let message = format!("the connection that was open since before the first migration was lost: {reason}");
    SqlError { sqlstate: sqlstate.to_owned(), message, ..SqlError::default() }
}
