//! The `sql` tool: sends the statements of versioned files, group by group, through the tap.

use bytes::Bytes;
use futures_util::SinkExt;

use super::plan::{Group, Plan};
use crate::server::Access;
use crate::server::session::{Session, message};
use crate::sql::Statement;

/// Why a file was not applied to its end. What the server answered to the statement is on record with the statement.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No connection through the tap.
    #[error("no connection to the scratch server: {}", message(.0))]
    Connect(tokio_postgres::Error),
    /// A statement failed.
    #[error("line {line}: {}", message(.source))]
    Statement {
        /// Where it begins.
        line: u32,
        /// The server's answer, or that it was lost.
        source: tokio_postgres::Error,
    },
    /// The end of a transaction failed.
    #[error("{command}: {}", message(.source))]
    Transaction {
        /// `BEGIN` or `COMMIT`.
        command: &'static str,
        /// The server's answer.
        source: tokio_postgres::Error,
    },
}

/// Applies one file on a connection of its own. `at_line` is told before each statement from which line it comes.
pub async fn apply(access: &Access, plan: &Plan, at_line: impl Fn(Option<u32>)) -> Result<(), SendError> {
    let Access::Postgres(config) = access else { unimplemented!("files of MySQL") };
    let session = Session::open(config).await.map_err(SendError::Connect)?;
    let control = async |command: &'static str| {
        at_line(None);
        session.client.batch_execute(command).await.map_err(|source| SendError::Transaction { command, source })
    };
    for Group { transaction, statements } in &plan.groups {
        if *transaction {
            control("BEGIN").await?;
        }
        for statement in statements {
            at_line(Some(statement.line));
            if let Err(source) = send(&session, statement).await {
                if *transaction && !session.client.is_closed() {
                    // Where the connection is gone, the server has rolled back; the statement's error is the one to tell.
                    let _ = control("ROLLBACK").await;
                }
                return Err(SendError::Statement { line: statement.line, source });
            }
        }
        if *transaction {
            control("COMMIT").await?;
        }
    }
    Ok(())
}

async fn send(session: &Session, statement: &Statement) -> Result<(), tokio_postgres::Error> {
    let Some(data) = &statement.copy_data else {
        return session.client.batch_execute(&statement.text).await;
    };
    let sink = session.client.copy_in(&statement.text).await?;
    futures_util::pin_mut!(sink);
    sink.send(Bytes::from(data.clone())).await?;
    sink.finish().await?;
    Ok(())
}
