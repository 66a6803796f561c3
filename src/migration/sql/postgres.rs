//! Sending to PostgreSQL: by simple queries, as psql does, and COPY data with its statement.

use bytes::Bytes;
use futures_util::SinkExt;
use tokio_postgres::Config;

use super::SendError;
use crate::migration::plan::{Group, Plan};
use crate::server::session::Session;
use crate::sql::Statement;

/// Applies one file on a connection of its own, as [`super::apply`] does.
pub(super) async fn apply(config: &Config, plan: &Plan, at_line: impl Fn(Option<u32>)) -> Result<(), SendError> {
    let session = Session::open(config).await.map_err(|error| SendError::Connect(error.into()))?;
    let control = async |command: &'static str| {
        at_line(None);
        session
            .client
            .batch_execute(command)
            .await
            .map_err(|source| SendError::Transaction { command, source: source.into() })
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
                return Err(SendError::Statement { line: statement.line, source: source.into() });
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
