//! Sessions of the self-test's own on either engine, with the tap and without.

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::{ObserveError, ProbeError, ServerError};
use crate::observe::Observer;
use crate::server::session::{Session, message};
use crate::server::{Access, DATABASE, Server};
use crate::tap::{Messages, Tap};

/// Why there is no answer to how exact the instrument is.
#[derive(Debug, thiserror::Error)]
pub enum SelfTestError {
    /// The server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The observer.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// The probes.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The tap.
    #[error("the tap could not listen on a port of this machine: {0}")]
    Tap(std::io::Error),
    /// A session of the self-test's own, on PostgreSQL.
    #[error("a session of the self-test failed: {}", message(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// A session of the self-test's own, on MySQL or MariaDB.
    #[error("a session of the self-test failed: {0}")]
    Mysql(#[from] mysql_async::Error),
    /// A session that waits was cut off.
    #[error("a session of the self-test did not come to its end: {0}")]
    Cut(#[from] tokio::task::JoinError),
}

/// A session.
#[derive(Debug)]
pub(super) enum Client {
    Postgres(Session),
    Mysql(Conn),
}

impl Client {
    pub(super) async fn open(access: &Access) -> Result<Self, SelfTestError> {
        Ok(match access {
            Access::Postgres(config) => Self::Postgres(Session::open(config).await?),
            Access::Mysql(opts) => Self::Mysql(Conn::new(opts.clone()).await?),
        })
    }

    /// Sends one statement and waits for its answer.
    pub(super) async fn run(&mut self, sql: &str) -> Result<(), SelfTestError> {
        match self {
            Self::Postgres(session) => session.client.batch_execute(sql).await?,
            Self::Mysql(connection) => connection.query_drop(sql).await?,
        }
        Ok(())
    }

    /// Sends these, one after the other.
    pub(super) async fn run_all(&mut self, statements: &[&str]) -> Result<(), SelfTestError> {
        for sql in statements {
            self.run(sql).await?;
        }
        Ok(())
    }
}

/// An observer and a tap before a server, as a rehearsal has them.
pub(super) struct Tapped {
    pub(super) observer: Observer,
    /// Through the tap.
    pub(super) through: Access,
    /// Past it.
    pub(super) direct: Access,
    _tap: Tap,
}

impl Tapped {
    pub(super) async fn start(server: &Server, access: &Access) -> Result<Self, SelfTestError> {
        let observer = Observer::start(access, server.is_ours(), Box::new(|_| {})).await?;
        let tap = Tap::start(server.endpoint(), access.clone(), observer.clone(), Messages::Whole)
            .await
            .map_err(SelfTestError::Tap)?;
        let through = Access::through_tap(server.engine(), tap.address(), server.login(), DATABASE);
        Ok(Self { observer, through, direct: access.clone(), _tap: tap })
    }
}
