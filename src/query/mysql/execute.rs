//! Runs one prepared query in a transaction that is rolled back.
//!
//! It is an XA transaction. In one, the server refuses every statement that would commit, implicitly or not, also within
//! a procedure (1399, MySQL 9.7 manual, 15.3.8.3 "XA Transaction States"; seen on MySQL 9.7.4 and MariaDB 10.11). Queries are
//! sent as drivers do that prepare on the server: `COM_STMT_PREPARE`, values beside the statement, rows in binary form.
//!
//! Tables of an engine without transactions (MyISAM, MEMORY, Aria, CSV) cannot be rolled back: a statement that may write
//! and names one is not run. One that writes to such a table through a view, a trigger or a procedure is only noticed at
//! the rollback (warning 1196); that is an error then, and the change stays.

use std::time::Instant;

use mysql_async::consts::ColumnType;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Error, Params, Statement};

use super::column::{column, text};
use super::connection::sql_error;
use super::lexer::Lexer;
use super::refusal::may_write;
use crate::query::digest::Digester;
use crate::query::lexer::{Kind, Token};
use crate::query::outcome::Outcome;
use crate::query::{Query, Value};
use crate::run::{Column, SqlError};

/// Error 1196, `ER_WARNING_NOT_COMPLETE_ROLLBACK`.
const NOT_ROLLED_BACK: u32 = 1196;

/// Why a query did not run to its end.
#[derive(Debug)]
pub(super) enum Failure {
    /// What the server or the driver says.
    Driver(Error),
    /// It was not run, or not undone.
    Refused(SqlError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Driver(error)
    }
}

impl Failure {
    /// The failure of a statement that was killed because it ran for too long.
    pub(super) fn after_a_kill(self) -> Self {
        match self {
            Self::Driver(Error::Server(server)) => {
                Self::Refused(SqlError { detail: Some("it ran for too long".to_owned()), ..sql_error(&server) })
            }
            other => other,
        }
    }
}

/// Runs a query in a transaction of its own. `reference` are the columns by which its rows are digested; its own when
/// `None`. The error of the query is told before that of the rollback, which fails too where the connection is gone.
pub(super) async fn rolled_back(
    conn: &mut Conn,
    statement: &Statement,
    query: &Query,
    reference: Option<&[Column]>,
) -> Result<Outcome, Failure> {
    refuse_lasting_changes(conn, query).await?;
    // Names of XA transactions are the server's, not the connection's.
    let xid = format!("'rehearsal {}'", conn.id());
    conn.query_drop(format!("XA START {xid}")).await?;
    let ran = stream(conn, statement, query, reference).await;
    let ended = roll_back(conn, &xid).await;
    ran.map_err(Failure::from).and_then(|outcome| ended.map(|()| outcome))
}

async fn roll_back(conn: &mut Conn, xid: &str) -> Result<(), Failure> {
    match conn.query_drop(format!("XA END {xid}")).await {
        // After a deadlock it can only be rolled back, and this says so.
        Ok(()) | Err(Error::Server(_)) => {}
        Err(other) => return Err(other.into()),
    }
    conn.query_drop(format!("XA ROLLBACK {xid}")).await?;
    if conn.get_warnings() == 0 {
        return Ok(());
    }
    let warnings: Vec<(String, u32, String)> = conn.query("SHOW WARNINGS").await?;
    match warnings.into_iter().find(|warning| warning.1 == NOT_ROLLED_BACK) {
        None => Ok(()),
        Some((_, code, message)) => Err(Failure::Refused(SqlError {
            sqlstate: "HY000".to_owned(),
            code: Some(code),
            message,
            detail: Some("the data is no longer what it was: leave this query out of the set".to_owned()),
            ..SqlError::default()
        })),
    }
}

/// Sends a query and digests its rows as they come; none is kept. The time includes reading them, as it does for an
/// application. Of a procedure, the first result counts.
async fn stream(
    conn: &mut Conn,
    statement: &Statement,
    query: &Query,
    reference: Option<&[Column]>,
) -> Result<Outcome, Error> {
    let params = if query.params.is_empty() {
        Params::Empty
    } else {
        Params::Positional(query.params.iter().map(bound).collect())
    };
    let began = Instant::now();
    let mut result = conn.exec_iter(statement, params).await?;
    // Told with each execution: after a migration they may be others than when it was prepared, without any error.
    let told = result.columns().unwrap_or_default();
    let columns: Vec<Column> = told.iter().map(column).collect();
    let is_date: Vec<bool> = told.iter().map(|column| column.column_type() == ColumnType::MYSQL_TYPE_DATE).collect();
    let wanted = names(reference.unwrap_or(&columns));
    let mut digester = Digester::new(&names(&columns), &wanted).ordered_by(&query.order, &wanted);
    if !columns.is_empty() {
        while let Some(row) = result.next().await? {
            digester.row(|at| row.as_ref(at).and_then(|value| text(value, is_date[at])));
        }
    }
    result.drop_result().await?;
    let touched = if columns.is_empty() { conn.affected_rows() } else { 0 };
    Ok(Outcome { columns, digest: digester.finish(touched), duration: began.elapsed() })
}

fn names(columns: &[Column]) -> Vec<&str> {
    columns.iter().map(|column| column.name.as_str()).collect()
}

/// A value as a driver sends it: a whole number as one, anything else as text, which the server converts.
fn bound(value: &Value) -> mysql_async::Value {
    let Some(text) = value.text() else { return mysql_async::Value::NULL };
    if let Value::Plain(plain) = value {
        // Only what reads back the same: `007` is a text.
        if let Some(number) = plain.parse::<i64>().ok().filter(|number| number.to_string() == *plain) {
            return mysql_async::Value::Int(number);
        }
        if let Some(number) = plain.parse::<u64>().ok().filter(|number| number.to_string() == *plain) {
            return mysql_async::Value::UInt(number);
        }
    }
    mysql_async::Value::Bytes(text.as_bytes().to_vec())
}

/// Refuses a query that may write and names a table that knows no transactions.
async fn refuse_lasting_changes(conn: &mut Conn, query: &Query) -> Result<(), Failure> {
    let tokens: Vec<Token<'_>> = Lexer::new(&query.sql).collect();
    let of = |kind| tokens.iter().filter(move |token| token.kind == kind).map(|token| token.text);
    let words: Vec<String> = of(Kind::Word).map(str::to_ascii_uppercase).collect();
    if !may_write(&words) {
        return Ok(());
    }
    let quoted = of(Kind::Quoted).map(|text| text[1..text.len() - 1].replace("``", "`"));
    let names: Vec<String> = of(Kind::Word).map(str::to_owned).chain(quoted).collect();
    let marks = vec!["?"; names.len()].join(", ");
    let sql = format!(
        "SELECT t.TABLE_NAME, t.ENGINE FROM information_schema.TABLES t JOIN information_schema.ENGINES e \
         ON e.ENGINE = t.ENGINE WHERE e.TRANSACTIONS <> 'YES' AND t.TABLE_TYPE = 'BASE TABLE' \
         AND t.TABLE_SCHEMA NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema') \
         AND t.TABLE_NAME IN ({marks}) LIMIT 1"
    );
    let statement = conn.prep(sql).await?;
    let lasting: Option<(String, String)> = conn.exec_first(&statement, names).await?;
    conn.close(statement).await?;
    match lasting {
        None => Ok(()),
        Some((table, engine)) => Err(Failure::Refused(SqlError {
            sqlstate: "HY000".to_owned(),
            code: None,
            message: format!("it was not run: it may write to {table}, whose engine {engine} cannot roll back"),
            detail: Some("leave this query out of the set".to_owned()),
            ..SqlError::default()
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_numbers_without_quotes_are_sent_as_numbers() {
        let plain = |text: &str| Value::Plain(text.to_owned());
        for (value, expected) in [
            (plain("42"), mysql_async::Value::Int(42)),
            (plain("-1"), mysql_async::Value::Int(-1)),
            (plain("18446744073709551615"), mysql_async::Value::UInt(u64::MAX)),
            (plain("007"), "007".into()),
            (plain("1.50"), "1.50".into()),
            (Value::Quoted("42".to_owned()), "42".into()),
            (Value::Null, mysql_async::Value::NULL),
        ] {
            assert_eq!(bound(&value), expected, "{value:?}");
        }
    }
}
