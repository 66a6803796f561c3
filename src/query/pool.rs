//! The connection of a pool, for either engine: opened before the first migration, its statements prepared before it.

use super::connection::ConnectError;
use super::outcome::Outcome;
use super::{Query, mysql, postgres};
use crate::run::{Column, SqlError};
use crate::server::Access;

/// The pooled connection.
#[derive(Debug)]
pub(super) enum Pool {
    Postgres(postgres::pool::Pool),
    Mysql(mysql::pool::Pool),
}

impl Pool {
    pub(super) async fn open(access: &Access) -> Result<Self, ConnectError> {
        Ok(match access {
            Access::Postgres(config) => Self::Postgres(postgres::pool::Pool::open(config).await?),
            Access::Mysql(opts) => Self::Mysql(mysql::pool::Pool::open(opts).await?),
        })
    }

    /// Prepares the query of this number and runs it once.
    pub(super) async fn prepare(&mut self, number: usize, query: &Query, columns: &[Column]) -> Result<(), SqlError> {
        match self {
            Self::Postgres(pool) => pool.prepare(number, query, columns).await,
            Self::Mysql(pool) => pool.prepare(number, query, columns).await,
        }
    }

    /// Runs the query that was prepared under this number. `columns` are those that it returned before.
    pub(super) async fn run(&mut self, number: usize, query: &Query, columns: &[Column]) -> Result<Outcome, SqlError> {
        match self {
            Self::Postgres(pool) => pool.run(number, query, columns).await,
            Self::Mysql(pool) => pool.run(number, query, columns).await,
        }
    }

    /// Has a server that counts late (PostgreSQL) report what it counted.
    pub(super) async fn report_counts(&self) {
        if let Self::Postgres(pool) = self {
            pool.report_counts().await;
        }
    }

    pub(super) async fn close(self) {
        match self {
            Self::Postgres(pool) => pool.close().await,
            Self::Mysql(pool) => pool.close().await,
        }
    }
}
