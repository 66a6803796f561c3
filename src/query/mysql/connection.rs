//! A connection to MySQL or MariaDB on which queries are run, and what is said when it is lost.

use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Error, Opts, OptsBuilder, Statement};
use tokio::time::{error::Elapsed, timeout};

use super::execute::{self, Failure};
use crate::query::Query;
use crate::query::connection::PATIENCE;
use crate::query::outcome::Outcome;
use crate::run::{Column, SqlError};

/// SQLSTATE "communication link failure": what a client reports that has no connection any more.
pub(super) const CONNECTION_FAILURE: &str = "08S01";

/// How long it may take to connect, and to say goodbye.
const GREETING: Duration = Duration::from_secs(5);

/// How long a statement may run before it is killed. The server's own limit is shorter, where it has one: MySQL's is only
/// for `SELECT`.
const LIMIT: Duration = Duration::from_secs(35);

/// Nothing hangs: a query that waits for a lock or runs on and on is an error. Each server takes what is meant for it.
/// Without the last one MySQL refuses temporary tables in an XA transaction (error 4091).
const SETTINGS: &str = "SET SESSION lock_wait_timeout = 10, innodb_lock_wait_timeout = 10 \
                        /*!80000 , max_execution_time = 30000 */ /*M!100101 , max_statement_time = 30 */ \
                        /*!80029 , xa_detach_on_prepare = OFF */";

/// Error 1399, `ER_XAER_RMFAIL`: the statement would have committed.
const WOULD_COMMIT: u16 = 1399;
/// Errors with which a server takes leave: it shuts down, a connection was killed (MariaDB), was idle for too long.
const FAREWELLS: [u16; 3] = [1053, 1927, 4031];

/// An open connection.
#[derive(Debug)]
pub(in crate::query) struct Connection {
    /// `None` once it has been cut.
    conn: Option<Conn>,
    opts: Opts,
    id: u32,
    /// Why it cannot be used any more.
    lost: Option<String>,
}

impl Connection {
    pub(in crate::query) async fn open(opts: &Opts) -> Result<Self, Error> {
        // The driver's own cache would close statements that the pool keeps.
        let opts: Opts = OptsBuilder::from_opts(opts.clone()).stmt_cache_size(0).into();
        let mut conn = connect(&opts).await?;
        conn.query_drop(SETTINGS).await?;
        Ok(Self { id: conn.id(), conn: Some(conn), opts, lost: None })
    }

    /// Why nothing can be run on it any more, if so.
    pub(in crate::query) fn lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }

    /// Runs a query on it that it does not know yet: the query is prepared anew, and forgotten.
    pub(in crate::query) async fn run(
        &mut self,
        query: &Query,
        reference: Option<&[Column]>,
    ) -> Result<Outcome, SqlError> {
        let statement = self.prepare(query).await?;
        let ran = self.execute(&statement, query, reference).await;
        if let Some(conn) = &mut self.conn {
            // The server has no answer to this; a connection that is lost shows with the next query.
            let _ = conn.close(statement).await;
        }
        ran
    }

    /// Prepares a query, outside of any transaction: no metadata lock stays.
    pub(super) async fn prepare(&mut self, query: &Query) -> Result<Statement, SqlError> {
        let Some(conn) = &mut self.conn else { return Err(self.cut()) };
        let prepared = timeout(PATIENCE, async { Ok(conn.prep(query.sql.as_str()).await?) }).await;
        self.settle(prepared)
    }

    /// Runs a query that was prepared on it.
    pub(super) async fn execute(
        &mut self,
        statement: &Statement,
        query: &Query,
        reference: Option<&[Column]>,
    ) -> Result<Outcome, SqlError> {
        let Some(conn) = &mut self.conn else { return Err(self.cut()) };
        let (opts, id) = (&self.opts, self.id);
        let ran = timeout(PATIENCE, async {
            let mut work = std::pin::pin!(execute::rolled_back(conn, statement, query, reference));
            if let Ok(ran) = timeout(LIMIT, &mut work).await {
                return ran;
            }
            kill(opts, "KILL QUERY", id).await;
            work.await.map_err(Failure::after_a_kill)
        })
        .await;
        if ran.is_err() {
            // Cut off in a statement, the server would go on with it, and hold its locks.
            kill(&self.opts, "KILL", self.id).await;
        }
        self.settle(ran)
    }

    /// Turns what came of some work on it into the record's terms. After work that never ended, it is cut: nobody knows
    /// in what state it is.
    fn settle<T>(&mut self, outcome: Result<Result<T, Failure>, Elapsed>) -> Result<T, SqlError> {
        let error = match outcome {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(Failure::Refused(error))) => return Err(error),
            Ok(Err(Failure::Driver(error))) => error,
            Err(_) => {
                self.lose(format!("the server did not answer for {} s", PATIENCE.as_secs()));
                return Err(self.cut());
            }
        };
        match error {
            Error::Server(server) if !FAREWELLS.contains(&server.code) => Err(SqlError {
                detail: (server.code == WOULD_COMMIT).then(|| {
                    "every query is run in a transaction that is rolled back, and this one would have ended it"
                        .to_owned()
                }),
                ..sql_error(&server)
            }),
            Error::Driver(mysql_async::DriverError::StmtParamsMismatch { required, supplied }) => Err(SqlError {
                sqlstate: "07001".to_owned(),
                message: format!("the server finds {required} parameters in it, and {supplied} are written as such"),
                ..SqlError::default()
            }),
            other => {
                self.lose(in_words(&other));
                Err(self.cut())
            }
        }
    }

    fn lose(&mut self, reason: String) {
        self.lost.get_or_insert(reason);
        self.conn = None;
    }

    fn cut(&self) -> SqlError {
        let reason = self.lost.as_deref().unwrap_or("it was given up");
        SqlError {
            sqlstate: CONNECTION_FAILURE.to_owned(),
            message: format!("the connection was lost: {reason}"),
            ..SqlError::default()
        }
    }

    /// Says goodbye. The server's session may be there for a moment longer; it has no transaction and no lock.
    pub(in crate::query) async fn close(self) {
        if let Some(conn) = self.conn {
            // A connection that fails while it is closed is closed.
            let _ = timeout(GREETING, conn.disconnect()).await;
        }
    }
}

async fn connect(opts: &Opts) -> Result<Conn, Error> {
    timeout(GREETING, Conn::new(opts.clone())).await.unwrap_or_else(|_| {
        let silence = std::io::Error::new(std::io::ErrorKind::TimedOut, "the server did not take the connection");
        Err(Error::Io(silence.into()))
    })
}

/// Ends a statement or a whole connection from another one. Where that fails, the server does not answer, which is told.
async fn kill(opts: &Opts, command: &str, id: u32) {
    if let Ok(mut conn) = connect(opts).await {
        let _ = timeout(GREETING, conn.query_drop(format!("{command} {id}"))).await;
        let _ = timeout(GREETING, conn.disconnect()).await;
    }
}

/// A server's error for the record.
pub(super) fn sql_error(server: &mysql_async::ServerError) -> SqlError {
    SqlError {
        sqlstate: server.state.clone(),
        code: Some(u32::from(server.code)),
        message: server.message.clone(),
        ..SqlError::default()
    }
}

/// An error of the driver without its name for the kind of error.
fn in_words(error: &Error) -> String {
    match error {
        Error::Server(server) => server.message.clone(),
        Error::Io(mysql_async::IoError::Io(io)) => io.to_string(),
        Error::Driver(driver) => driver.to_string(),
        other => other.to_string(),
    }
}
