//! A connection that is driven by a task of its own, and what is said when it is lost.

use std::error::Error as _;
use std::time::Duration;

use tokio::time::{error::Elapsed, timeout};
use tokio_postgres::{Client, Config, Error, NoTls};
use tokio_util::task::AbortOnDropHandle;

use super::execute;
use crate::query::Query;
use crate::query::connection::PATIENCE;
use crate::query::outcome::Outcome;
use crate::run::{Column, SqlError};

/// SQLSTATE `connection_failure`: what a client reports that has no connection any more.
pub(super) const CONNECTION_FAILURE: &str = "08006";
/// SQLSTATE `protocol_violation`: what a client reports that cannot make sense of an answer.
const PROTOCOL_VIOLATION: &str = "08P01";

/// An open connection. Dropped, it is cut; [`Self::close`] says goodbye and waits until it is done.
#[derive(Debug)]
pub(in crate::query) struct Connection {
    /// Through which it is used.
    pub(super) client: Client,
    task: Option<AbortOnDropHandle<Result<(), Error>>>,
    /// Why it cannot be used any more.
    lost: Option<String>,
}

impl Connection {
    pub(in crate::query) async fn open(config: &Config) -> Result<Self, Error> {
        let (client, connection) = config.connect(NoTls).await?;
        Ok(Self { client, task: Some(AbortOnDropHandle::new(tokio::spawn(connection))), lost: None })
    }

    /// Why nothing can be run on it any more, if so.
    pub(in crate::query) async fn lost(&mut self) -> Option<&str> {
        if self.lost.is_none() && self.client.is_closed() {
            self.lost = Some(self.last_words().await);
        }
        self.lost.as_deref()
    }

    /// Runs a query on it that it does not know yet.
    pub(in crate::query) async fn run(
        &mut self,
        query: &Query,
        reference: Option<&[Column]>,
    ) -> Result<Outcome, SqlError> {
        let ran = timeout(PATIENCE, execute::fresh(&self.client, query, reference)).await;
        self.settle(ran).await
    }

    async fn last_words(&mut self) -> String {
        let Some(task) = self.task.take() else { return "it was given up".to_owned() };
        match timeout(Duration::from_secs(1), task).await {
            Ok(Ok(Err(error))) => in_words(&error),
            _ => "the server closed it".to_owned(),
        }
    }

    /// Turns what came of some work on it into the record's terms. After work that never ended, it is cut: nobody knows
    /// in what state it is.
    pub(in crate::query) async fn settle<T>(
        &mut self,
        outcome: Result<Result<T, Error>, Elapsed>,
    ) -> Result<T, SqlError> {
        let error = match outcome {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => error,
            Err(_) => {
                self.task = None;
                let reason = format!("the server did not answer for {} s", PATIENCE.as_secs());
                self.lost = Some(reason.clone());
                return Err(sql_error(CONNECTION_FAILURE, reason));
            }
        };
        if let Some(db) = error.as_db_error() {
            return Err(SqlError {
                sqlstate: db.code().code().to_owned(),
                message: db.message().to_owned(),
                detail: db.detail().map(str::to_owned),
                ..SqlError::default()
            });
        }
        Err(match self.lost().await {
            Some(reason) => sql_error(CONNECTION_FAILURE, format!("the connection was lost: {reason}")),
            None => sql_error(PROTOCOL_VIOLATION, in_words(&error)),
        })
    }

    /// Has its backend report what it counted (scans, rows) now and not up to a second later, when it would be taken for
    /// what a migration did. There is no such function before PostgreSQL 15, on which such counters are not compared.
    pub(in crate::query) async fn report_counts(&self) {
        let report = self.client.batch_execute("SELECT pg_catalog.pg_stat_force_next_flush()");
        let _ = timeout(Duration::from_secs(1), report).await;
    }

    /// Ends it and waits until the server knows, so that its backend is not in the way of what comes next.
    pub(in crate::query) async fn close(self) {
        self.report_counts().await;
        let Self { client, task, .. } = self;
        drop(client);
        if let Some(task) = task {
            // A connection that fails while it is closed is closed.
            let _ = timeout(Duration::from_secs(1), task).await;
        }
    }
}

fn sql_error(sqlstate: &str, message: String) -> SqlError {
    SqlError { sqlstate: sqlstate.to_owned(), message, ..SqlError::default() }
}

/// An error of the driver with its cause, which its own text leaves out.
fn in_words(error: &Error) -> String {
    if let Some(db) = error.as_db_error() {
        return db.message().to_owned();
    }
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
