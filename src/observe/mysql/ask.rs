//! Questions to the server: several in one round trip, answered in text.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, Value};

/// A row as text; `None` for NULL. Bytes that are no UTF-8 are replaced.
pub(super) type Cells = Vec<Option<String>>;

/// Asks questions, separated by semicolons; gives the rows of each.
pub(super) async fn ask(conn: &mut Conn, sql: &str) -> Result<Vec<Vec<Cells>>, mysql_async::Error> {
    let mut answer = conn.query_iter(sql).await?;
    let mut sets = Vec::new();
    loop {
        let rows: Vec<Row> = answer.collect().await?;
        sets.push(rows.into_iter().map(|row| row.unwrap().into_iter().map(text).collect()).collect());
        if answer.is_empty() {
            return Ok(sets);
        }
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        other => Some(other.as_sql(true)),
    }
}

/// A cell's text; empty for NULL.
pub(super) fn cell(row: &Cells, index: usize) -> &str {
    row.get(index).and_then(Option::as_deref).unwrap_or_default()
}

/// A cell's number; `None` for NULL and what is none.
pub(super) fn number(row: &Cells, index: usize) -> Option<u64> {
    cell(row, index).parse().ok()
}
