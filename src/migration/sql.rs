//! The `sql` tool: sends the statements of versioned files, group by group, through the tap.

pub(super) mod mysql;
mod postgres;

use std::path::Path;

use super::plan::Plan;
use crate::server::Access;
use crate::server::session::message;

/// Why a file was not applied to its end. What the server answered to the statement is on record with the statement.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No connection through the tap.
    #[error("no connection to the scratch server: {0}")]
    Connect(Answer),
    /// A statement failed.
    #[error("line {line}: {source}")]
    Statement {
        /// Where it begins.
        line: u32,
        /// The server's answer, or that it was lost.
        source: Answer,
    },
    /// The end of a transaction failed.
    #[error("{command}: {source}")]
    Transaction {
        /// `BEGIN` or `COMMIT`.
        command: &'static str,
        /// The server's answer.
        source: Answer,
    },
}

/// What a client was told in place of a result.
#[derive(Debug, thiserror::Error)]
pub enum Answer {
    /// By PostgreSQL, or by its client.
    #[error("{}", message(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// By MySQL or MariaDB, or by their client.
    #[error("{}", mysql::message(.0))]
    Mysql(#[from] mysql_async::Error),
}

/// Applies one file on a connection of its own. `at_line` is told before each statement from which line it comes. Files that
/// a statement has the client read (`LOAD DATA LOCAL` of MySQL) are looked for in `folder`.
pub async fn apply(
    access: &Access,
    plan: &Plan,
    folder: &Path,
    at_line: impl Fn(Option<u32>),
) -> Result<(), SendError> {
    match access {
        Access::Postgres(config) => postgres::apply(config, plan, at_line).await,
        Access::Mysql(opts) => mysql::apply(opts, plan, folder, at_line).await,
    }
}
