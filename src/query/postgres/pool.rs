//! A connection as an application's pool has them: opened before the first migration, its statements prepared and used
//! before it, and never prepared anew.
//!
//! Between two points it is idle and in no transaction, so it blocks nothing (`CREATE INDEX CONCURRENTLY` waits for old
//! snapshots). One earlier execution is enough: whether a kept plan still returns what was promised (0A000) is checked
//! whenever it was invalidated, for custom and generic plans alike.

use tokio::time::timeout;
use tokio_postgres::{Config, Error};

use super::connection::{CONNECTION_FAILURE, Connection};
use super::execute;
use crate::query::Query;
use crate::query::connection::{PATIENCE, lost_pool};
use crate::query::outcome::Outcome;
use crate::run::{Column, SqlError};

/// The pooled connection.
#[derive(Debug)]
pub(in crate::query) struct Pool {
    connection: Connection,
}

impl Pool {
    pub(in crate::query) async fn open(config: &Config) -> Result<Self, Error> {
        Ok(Self { connection: Connection::open(config).await? })
    }

    /// Prepares the query of this number and runs it once.
    pub(in crate::query) async fn prepare(
        &mut self,
        number: usize,
        query: &Query,
        columns: &[Column],
    ) -> Result<(), SqlError> {
        let prepared = timeout(PATIENCE, execute::prepare(&self.connection.client, query, &name(number))).await;
        self.connection.settle(prepared).await?;
        self.run(number, query, columns).await.map(drop)
    }

    /// Runs the query that was prepared under this number. `columns` are those that it returned before.
    pub(in crate::query) async fn run(
        &mut self,
        number: usize,
        query: &Query,
        columns: &[Column],
    ) -> Result<Outcome, SqlError> {
        if let Some(reason) = self.connection.lost().await {
            return Err(lost_pool(CONNECTION_FAILURE, reason));
        }
        let ran = timeout(PATIENCE, execute::again(&self.connection.client, query, &name(number), columns)).await;
        self.connection.settle(ran).await
    }

    /// Has the backend report what it counted.
    pub(in crate::query) async fn report_counts(&self) {
        self.connection.report_counts().await;
    }

    pub(in crate::query) async fn close(self) {
        self.connection.close().await;
    }
}

fn name(number: usize) -> String {
    format!("rehearsal_pooled_{number}")
}
