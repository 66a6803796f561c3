//! Runs one query in a transaction that is rolled back.
//!
//! Statements that the server lets SQL prepare (`SELECT`, `VALUES`, `TABLE`, `WITH`, `INSERT`, `UPDATE`, `DELETE`, `MERGE`)
//! go through `PREPARE` and `EXECUTE`, which keep a plan and its result type as a driver's prepared statement does and
//! return values as text. Any other (`CALL`, `REFRESH`, …) is sent with its values written into it.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use tokio_postgres::{Client, Error, SimpleQueryMessage};

use super::lexer::Lexer;
use crate::query::Query;
use crate::query::digest::{Digest, Digester};
use crate::query::lexer::{Kind, Token};
use crate::query::outcome::Outcome;
use crate::run::Column;

/// Nothing hangs: a query that waits for a lock or runs on and on is an error. The last setting makes sure that a
/// quoted value is read as it is quoted here.
const BEGIN: &str = "BEGIN; SET LOCAL statement_timeout = '30s'; SET LOCAL lock_timeout = '10s'; \
                     SET LOCAL standard_conforming_strings = on";

/// The name of a statement that is prepared for one run.
const PASSING: &str = "rehearsal_query";

/// Runs a query on a connection that does not know it yet. `reference` are the columns by which its rows are digested;
/// its own when `None`.
pub(in crate::query) async fn fresh(
    client: &Client,
    query: &Query,
    reference: Option<&[Column]>,
) -> Result<Outcome, Error> {
    let columns = rolled_back(client, describe(client, query)).await?;
    prepare(client, query, PASSING).await?;
    let ran = rolled_back(client, stream(client, query, PASSING, reference.unwrap_or(&columns))).await;
    let forgotten = forget(client, query, PASSING).await;
    let (digest, duration) = ran.and_then(|ran| forgotten.map(|()| ran))?;
    Ok(Outcome { columns, digest, duration })
}

/// Prepares a query under a name, for good: what is prepared outlives the transaction.
pub(in crate::query) async fn prepare(client: &Client, query: &Query, name: &str) -> Result<(), Error> {
    if !is_preparable(query) {
        return Ok(());
    }
    let sql = format!("PREPARE {name} AS {}", query.sql);
    rolled_back(client, client.batch_execute(&sql)).await
}

async fn forget(client: &Client, query: &Query, name: &str) -> Result<(), Error> {
    if is_preparable(query) { client.batch_execute(&format!("DEALLOCATE {name}")).await } else { Ok(()) }
}

/// Runs a query that was prepared under a name before (or, where it cannot be, sends it once more). A prepared statement
/// returns the columns that it was prepared with, or the server refuses to run it (0A000).
pub(in crate::query) async fn again(
    client: &Client,
    query: &Query,
    name: &str,
    columns: &[Column],
) -> Result<Outcome, Error> {
    let (digest, duration) = rolled_back(client, stream(client, query, name, columns)).await?;
    Ok(Outcome { columns: columns.to_vec(), digest, duration })
}

/// Does some work in a transaction of its own. The error of the work is told before that of the rollback, which fails too
/// where the work took the connection down.
async fn rolled_back<T>(client: &Client, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    client.batch_execute(BEGIN).await?;
    let worked = work.await;
    let ended = client.batch_execute("ROLLBACK").await;
    worked.and_then(|value| ended.map(|()| value))
}

/// The columns that the server says the query will return, with the names it gives their types.
async fn describe(client: &Client, query: &Query) -> Result<Vec<Column>, Error> {
    let sql = if is_preparable(query) { query.sql.clone() } else { inlined(query) };
    let statement = client.prepare(&sql).await?;
    if statement.columns().is_empty() {
        return Ok(Vec::new());
    }
    let types = statement
        .columns()
        .iter()
        .map(|column| format!("pg_catalog.format_type({}, {})", column.type_().oid(), column.type_modifier()))
        .collect::<Vec<_>>()
        .join(", ");
    let answer = client.simple_query(&format!("SELECT {types}")).await?;
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    // `???` is what `format_type` itself answers for a type that it does not know.
    let type_name = |at| row.and_then(|row| row.get(at)).unwrap_or("???").to_owned();
    let columns = statement.columns().iter().enumerate();
    Ok(columns.map(|(at, column)| Column { name: column.name().to_owned(), type_name: type_name(at) }).collect())
}

/// Sends a statement and digests its rows as they come; none is kept. The time includes reading them, as it does for an
/// application.
async fn stream(client: &Client, query: &Query, name: &str, reference: &[Column]) -> Result<(Digest, Duration), Error> {
    let sql = call(query, name);
    let reference: Vec<&str> = reference.iter().map(|column| column.name.as_str()).collect();
    let mut digester = Digester::new(&[], &reference);
    let mut touched = 0;
    let began = Instant::now();
    let mut messages = pin!(client.simple_query_raw(&sql).await?);
    while let Some(message) = messages.try_next().await? {
        match message {
            SimpleQueryMessage::RowDescription(columns) => {
                let names: Vec<&str> = columns.iter().map(tokio_postgres::SimpleColumn::name).collect();
                digester = Digester::new(&names, &reference).ordered_by(&query.order, &reference);
            }
            SimpleQueryMessage::Row(row) => digester.row(|at| row.get(at)),
            SimpleQueryMessage::CommandComplete(rows) => touched = rows,
            _ => {}
        }
    }
    let duration = began.elapsed();
    Ok((digester.finish(touched), duration))
}

fn is_preparable(query: &Query) -> bool {
    let first = Lexer::new(&query.sql).find(Token::is_significant).map_or("", |token| token.text).to_ascii_uppercase();
    matches!(first.as_str(), "SELECT" | "VALUES" | "TABLE" | "WITH" | "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "(")
}

/// The text that runs a query: `EXECUTE` with its values, or itself with them written in.
fn call(query: &Query, name: &str) -> String {
    if !is_preparable(query) {
        return inlined(query);
    }
    let values: Vec<String> = query.params.iter().map(|value| literal(value.text())).collect();
    if values.is_empty() { format!("EXECUTE {name}") } else { format!("EXECUTE {name}({})", values.join(", ")) }
}

fn inlined(query: &Query) -> String {
    let mut sql = String::new();
    for token in Lexer::new(&query.sql) {
        let value = (token.kind == Kind::Numbered)
            .then(|| token.text[1..].parse::<usize>().ok())
            .flatten()
            .and_then(|number| query.params.get(number.checked_sub(1)?));
        match value {
            Some(value) => sql.push_str(&literal(value.text())),
            None => sql.push_str(token.text),
        }
    }
    sql
}

fn literal(value: Option<&str>) -> String {
    value.map_or_else(|| "NULL".to_owned(), |text| format!("'{}'", text.replace('\'', "''")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Value;
    use crate::run::QuerySet;

    fn query(sql: &str, params: &[Option<&str>]) -> Query {
        Query {
            set: QuerySet::Old,
            name: "q".into(),
            file: "q.sql".into(),
            line: 1,
            sql: sql.into(),
            params: params
                .iter()
                .map(|value| value.map_or(Value::Null, |text| Value::Quoted(text.to_owned())))
                .collect(),
            any_rows: false,
            order: Vec::new(),
        }
    }

    #[test]
    fn values_are_quoted_so_that_they_stay_values() {
        let query = query("SELECT $1, $2, $3", &[Some("it's"), None, Some(r"\'); DROP TABLE t; --")]);
        assert_eq!(call(&query, "p"), r"EXECUTE p('it''s', NULL, '\''); DROP TABLE t; --')");
    }

    #[test]
    fn what_cannot_be_prepared_is_sent_with_its_values() {
        let query = query("CALL f($2, '$1', $1::int) -- $1", &[Some("7"), Some("a'b")]);
        assert_eq!(call(&query, "p"), "CALL f('a''b', '$1', '7'::int) -- $1");
    }

    #[test]
    fn only_what_sql_can_prepare_is_prepared() {
        for (sql, expected) in [
            ("/* hint */ select 1", true),
            ("(SELECT 1) UNION SELECT 2", true),
            ("WITH a AS (SELECT 1) TABLE a", true),
            ("REFRESH MATERIALIZED VIEW v", false),
            ("EXPLAIN SELECT 1", false),
        ] {
            assert_eq!(is_preparable(&query(sql, &[])), expected, "{sql}");
        }
    }
}
