//! Runs both sets at each point of a rehearsal: before, between and after the migrations.

use std::fmt;

use super::Query;
use super::baseline::{Baseline, Steady};
use super::connection::{ConnectError, Connection};
use super::outcome::Outcome;
use super::pool::Pool;
use crate::run::{Millis, QueryResult, QuerySet, QueryStatus, Session, SqlError};
use crate::server::Access;

/// The point before the first migration, as the record names it.
const BEFORE: &str = "before";

/// The queries of both versions of the application.
#[derive(Debug, Default)]
pub struct Sets {
    /// Of the version that runs today. They must work before the migrations.
    pub old: Vec<Query>,
    /// Of the version to be deployed.
    pub new: Vec<Query>,
}

/// Both query sets under way, with what they said before the migrations and a connection that has been open since.
///
/// Between its calls it holds no transaction and no lock. A call that is dropped half-way leaves the pooled connection in
/// an unknown state: drop the whole then.
#[derive(Debug)]
pub struct Rehearsal {
    access: Access,
    old: Vec<(Query, Baseline)>,
    /// Those that fail before the migrations have nothing to be compared with.
    new: Vec<(Query, Option<Baseline>)>,
    pool: Pool,
}

/// Why query sets cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The environment: no connection.
    #[error("cannot open a connection to run the query sets at the point `{at}`")]
    Connect {
        /// The point, as the record names it.
        at: String,
        /// What the driver says.
        source: ConnectError,
    },
    /// The old set does not fit the snapshot.
    #[error("{}", old_fails(.0))]
    OldFailsBefore(Vec<FailedQuery>),
}

/// A query that fails where it must work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedQuery {
    /// Its name.
    pub name: String,
    /// Its file, relative to the scenario.
    pub file: String,
    /// Its line in it.
    pub line: u32,
    /// What the server says.
    pub error: SqlError,
}

impl fmt::Display for FailedQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, file, line, error } = self;
        write!(f, "{file}:{line}: `{name}`: {} (SQLSTATE {}", error.message, error.sqlstate)?;
        if let Some(code) = error.code {
            write!(f, ", error {code}")?;
        }
        f.write_str(")")?;
        error.detail.as_ref().map_or(Ok(()), |detail| write!(f, ": {detail}"))
    }
}

fn old_fails(failed: &[FailedQuery]) -> String {
    let lines: Vec<String> = failed.iter().map(|query| format!("\n{query}")).collect();
    format!(
        "the old application's queries must work before the first migration; correct the query, its example values or \
         the snapshot:{}",
        lines.concat()
    )
}

impl Rehearsal {
    /// Runs both sets before the first migration, each query twice (on two connections), and prepares the old ones on the
    /// pooled connection. The results are those of the first run, on a fresh connection.
    ///
    /// # Errors
    /// With every old query that fails, or when there is no connection.
    pub async fn before(access: &Access, sets: Sets) -> Result<(Self, Vec<QueryResult>), QueryError> {
        let mut runs = (Fresh::open(access, BEFORE).await?, Fresh::open(access, BEFORE).await?);
        let mut pool = Pool::open(access).await.map_err(|source| connect(BEFORE, source))?;
        let (mut results, mut failed) = (Vec::new(), Vec::new());
        let (mut old, mut new) = (Vec::new(), Vec::new());
        for (number, query) in sets.old.into_iter().enumerate() {
            match old_before(&mut runs, &mut pool, number, &query).await? {
                Ok((outcome, baseline)) => {
                    results.push(record(&query, BEFORE, Session::Fresh, None, Ok(outcome)));
                    old.push((query, baseline));
                }
                Err(error) => failed.push(FailedQuery { name: query.name, file: query.file, line: query.line, error }),
            }
        }
        if !failed.is_empty() {
            return Err(QueryError::OldFailsBefore(failed));
        }
        for query in sets.new {
            let (ran, baseline) = match twice(&mut runs, &query).await? {
                Ok((outcome, baseline)) => (Ok(outcome), Some(baseline)),
                Err(error) => (Err(error), None),
            };
            results.push(record(&query, BEFORE, Session::Fresh, None, ran));
            new.push((query, baseline));
        }
        runs.0.close().await;
        runs.1.close().await;
        pool.report_counts().await;
        Ok((Self { access: access.clone(), old, new, pool }, results))
    }

    /// Runs both sets now: the old one on a fresh connection and on the pooled one, the new one on a fresh connection.
    /// `point` is how the record names it (`after:ID`, `after`). A query that fails is a result.
    ///
    /// # Errors
    /// When no connection can be opened.
    pub async fn at(&mut self, point: &str) -> Result<Vec<QueryResult>, QueryError> {
        let mut fresh = Fresh::open(&self.access, point).await?;
        let mut results = Vec::new();
        for (number, (query, baseline)) in self.old.iter().enumerate() {
            let ran = fresh.run(query, Some(baseline)).await?;
            results.push(record(query, point, Session::Fresh, Some(baseline), ran));
            let ran = self.pool.run(number, query, baseline.columns()).await;
            results.push(record(query, point, Session::Pooled, Some(baseline), ran));
        }
        for (query, baseline) in &self.new {
            let ran = fresh.run(query, baseline.as_ref()).await?;
            results.push(record(query, point, Session::Fresh, baseline.as_ref(), ran));
        }
        fresh.close().await;
        self.pool.report_counts().await;
        Ok(results)
    }

    /// What a reader should know of comparisons that are not made, a line for each query.
    pub fn notes(&self) -> Vec<String> {
        let old = self.old.iter().map(|(query, baseline)| (query, baseline));
        let new = self.new.iter().filter_map(|(query, baseline)| Some((query, baseline.as_ref()?)));
        old.chain(new).filter_map(|(query, baseline)| note(query, baseline.steady())).collect()
    }

    /// Closes the pooled connection.
    pub async fn close(self) {
        self.pool.close().await;
    }
}

/// A connection opened for one point. It is opened anew if a query takes it down.
struct Fresh<'a> {
    access: &'a Access,
    at: &'a str,
    connection: Connection,
}

impl<'a> Fresh<'a> {
    async fn open(access: &'a Access, at: &'a str) -> Result<Self, QueryError> {
        let connection = Connection::open(access).await.map_err(|source| connect(at, source))?;
        Ok(Self { access, at, connection })
    }

    async fn run(&mut self, query: &Query, baseline: Option<&Baseline>) -> Result<Ran<Outcome>, QueryError> {
        if self.connection.is_lost().await {
            *self = Self::open(self.access, self.at).await?;
        }
        Ok(self.connection.run(query, baseline.map(Baseline::columns)).await)
    }

    async fn close(self) {
        self.connection.close().await;
    }
}

/// What came of a query: the server's error is a result like any other.
type Ran<T> = Result<T, SqlError>;

/// Two runs that share nothing, so that what depends on the moment or the connection shows.
async fn twice(runs: &mut (Fresh<'_>, Fresh<'_>), query: &Query) -> Result<Ran<(Outcome, Baseline)>, QueryError> {
    let first = match runs.0.run(query, None).await? {
        Ok(first) => first,
        Err(error) => return Ok(Err(error)),
    };
    let second = runs.1.run(query, None).await?;
    Ok(second.map(|second| {
        let baseline = Baseline::of(&first, &second, query.any_rows);
        (first, baseline)
    }))
}

async fn old_before(
    runs: &mut (Fresh<'_>, Fresh<'_>),
    pool: &mut Pool,
    number: usize,
    query: &Query,
) -> Result<Ran<(Outcome, Baseline)>, QueryError> {
    Ok(match twice(runs, query).await? {
        Ok((outcome, baseline)) => pool.prepare(number, query, baseline.columns()).await.map(|()| (outcome, baseline)),
        failed => failed,
    })
}

fn connect(at: &str, source: ConnectError) -> QueryError {
    QueryError::Connect { at: at.to_owned(), source }
}

fn record(query: &Query, at: &str, session: Session, baseline: Option<&Baseline>, ran: Ran<Outcome>) -> QueryResult {
    let changes = match (&ran, baseline) {
        (Ok(outcome), Some(baseline)) => baseline.changes(outcome),
        _ => Vec::new(),
    };
    let status = match &ran {
        Err(_) => QueryStatus::Error,
        Ok(_) if changes.is_empty() => QueryStatus::Ok,
        Ok(_) => QueryStatus::Changed,
    };
    let (outcome, error) = match ran {
        Ok(outcome) => (Some(outcome), None),
        Err(error) => (None, Some(error)),
    };
    QueryResult {
        set: query.set,
        name: query.name.clone(),
        file: query.file.clone(),
        line: query.line,
        at: at.to_owned(),
        session,
        status,
        error,
        changes,
        rows: outcome.as_ref().map(|outcome| outcome.digest.rows),
        duration_ms: outcome.as_ref().map(|outcome| Millis(outcome.duration)),
        columns: outcome.map(|outcome| outcome.columns),
    }
}

fn note(query: &Query, steady: Steady) -> Option<String> {
    let why = match steady {
        Steady::Content => return None,
        Steady::Rows if query.any_rows => {
            "it has LIMIT and no ORDER BY, so the server may pick other rows: only columns and the number of rows are compared"
        }
        Steady::Rows => "its values differ from run to run: only columns and the number of rows are compared",
        Steady::Columns => "its number of rows differs from run to run: only columns are compared",
    };
    let set = match query.set {
        QuerySet::Old => "old",
        QuerySet::New => "new",
    };
    Some(format!("{}:{}: {set} query `{}`: {why}", query.file, query.line, query.name))
}
