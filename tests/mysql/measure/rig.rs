//! Plays the tap: a plain session whose statements are told to a watch as the tap would.

use std::sync::Arc;
use std::time::Instant;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder};
use rehearsal::observe::Observation;
use rehearsal::observe::mysql::Observer;
use rehearsal::observe::mysql::watch::{Answer, Outcome, Watch};
use rehearsal::run::{SqlError, Statement};
use rehearsal::server::{Access, DATABASE};

use rehearsal::sql::mysql::transaction::{Control, commits_implicitly, control};

use crate::lab::{Place, with_own_server};

/// Runs a test on a server that nobody else uses: some counters are the server's and not a session's.
pub(crate) fn alone(place: Place, test: impl AsyncFnOnce(&Opts)) {
    with_own_server(place, &[], async |lab| {
        let Access::Mysql(opts) = lab.server.access(DATABASE) else { panic!("not a server of this family") };
        test(&opts).await;
    });
}

/// A tool's session, watched.
pub(crate) struct Rig {
    pub(crate) observer: Arc<Observer>,
    conn: Conn,
    watch: Watch,
    in_transaction: bool,
    /// A session that nobody watches.
    pub(crate) aside: Conn,
}

impl Rig {
    /// Runs `setup` unwatched in an emptied database of this name, then begins to watch.
    pub(crate) async fn new(opts: &Opts, database: &str, setup: &[&str]) -> Self {
        let mut aside = Conn::new(opts.clone()).await.expect("a session");
        aside.query_drop(format!("DROP DATABASE IF EXISTS {database}")).await.expect("dropped");
        aside.query_drop(format!("CREATE DATABASE {database}")).await.expect("created");
        aside.query_drop(format!("USE {database}")).await.expect("used");
        for sql in setup {
            // A variable that only one of the two has.
            let done = aside.query_drop(*sql).await;
            assert!(done.is_ok() || sql.starts_with("SET SESSION"), "{sql}: {done:?}");
        }
        let observer = Observer::start(opts, Box::new(|_| {})).await.expect("an observer");
        observer.begin_migration().await.expect("begun");
        let opts = OptsBuilder::from_opts(opts.clone()).db_name(Some(database));
        let conn = Conn::new(opts).await.expect("a session");
        let mut watch = Watch::new(&observer);
        watch.connected(conn.id());
        Self { observer, conn, watch, in_transaction: false, aside }
    }

    /// Sends a unit.
    pub(crate) async fn run(&mut self, sql: &str) {
        self.watch.begins(sql, None).await;
        let began = Instant::now();
        self.watch.begun(began);
        let outcomes = send(&mut self.conn, sql).await;
        let ended = Instant::now();
        match control(sql) {
            Some(Control::Begin) => self.in_transaction = true,
            Some(Control::Commit { .. }) => self.in_transaction = false,
            _ if commits_implicitly(sql) => self.in_transaction = false,
            _ => {}
        }
        self.watch.ended(Answer { outcomes, in_transaction: self.in_transaction }, ended).await;
    }

    /// Sends a unit of one statement and gives what is recorded of it, with what the whole observation has.
    pub(crate) async fn statement(&mut self, sql: &str) -> Statement {
        self.run(sql).await;
        let mut statements = self.observe().await.statements;
        assert_eq!(self.observer.trouble(), None, "{sql}");
        statements.pop().unwrap_or_else(|| panic!("{sql} was not recorded"))
    }

    /// Ends the migration and begins another.
    pub(crate) async fn observe(&mut self) -> Observation {
        let observation = self.observer.end_migration().await.expect("ended");
        self.observer.begin_migration().await.expect("begun");
        observation
    }
}

async fn send(conn: &mut Conn, sql: &str) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    let mut result = match conn.query_iter(sql).await {
        Ok(result) => result,
        Err(error) => return vec![refused(error)],
    };
    loop {
        let (affected, info) = (result.affected_rows(), result.info().into_owned());
        let has_columns = !result.columns_ref().is_empty();
        match result.collect::<mysql_async::Row>().await {
            Ok(rows) if has_columns => outcomes.push(Outcome::Rows(rows.len() as u64)),
            Ok(_) => outcomes.push(Outcome::Done { affected, info }),
            Err(error) => {
                outcomes.push(refused(error));
                return outcomes;
            }
        }
        if result.is_empty() {
            return outcomes;
        }
    }
}

fn refused(error: mysql_async::Error) -> Outcome {
    match error {
        mysql_async::Error::Server(error) => Outcome::Error(SqlError {
            sqlstate: error.state,
            code: Some(u32::from(error.code)),
            message: error.message,
            ..SqlError::default()
        }),
        other => panic!("{other}"),
    }
}
