//! A connection as an application's pool has them: opened before the first migration, its statements prepared and used
//! before it, and never prepared anew by the client.
//!
//! The server prepares a statement anew when a table of it was changed, and keeps quiet about it: what comes back may have
//! other columns than those that were promised (MySQL 9.7 manual, 10.10.3). Only where it cannot does it fail (1615, or
//! what preparing it says now). So columns are read from every execution. Between two points the connection is idle and
//! in no transaction, so that it holds no metadata lock.

use std::collections::BTreeMap;

use mysql_async::{Error, Opts, Statement};

use super::connection::{CONNECTION_FAILURE, Connection};
use crate::query::Query;
use crate::query::connection::lost_pool;
use crate::query::outcome::Outcome;
use crate::run::{Column, SqlError};

/// The pooled connection.
#[derive(Debug)]
pub(in crate::query) struct Pool {
    connection: Connection,
    statements: BTreeMap<usize, Statement>,
}

impl Pool {
    pub(in crate::query) async fn open(opts: &Opts) -> Result<Self, Error> {
        Ok(Self { connection: Connection::open(opts).await?, statements: BTreeMap::new() })
    }

    /// Prepares the query of this number and runs it once.
    pub(in crate::query) async fn prepare(
        &mut self,
        number: usize,
        query: &Query,
        columns: &[Column],
    ) -> Result<(), SqlError> {
        let statement = self.connection.prepare(query).await?;
        self.statements.insert(number, statement);
        self.run(number, query, columns).await.map(drop)
    }

    /// Runs the query that was prepared under this number. `columns` are those that it returned before.
    pub(in crate::query) async fn run(
        &mut self,
        number: usize,
        query: &Query,
        columns: &[Column],
    ) -> Result<Outcome, SqlError> {
        let statement = self.statements.get(&number).filter(|_| self.connection.lost().is_none());
        let ran = match statement {
            Some(statement) => self.connection.execute(&statement.clone(), query, Some(columns)).await,
            None => Err(SqlError::default()),
        };
        match self.connection.lost() {
            Some(reason) => Err(lost_pool(CONNECTION_FAILURE, reason)),
            None => ran,
        }
    }

    pub(in crate::query) async fn close(self) {
        self.connection.close().await;
    }
}
