//! Questions to the server, and what its text protocol answers.
//!
//! In the text protocol every value is the text that the server would show, or the bytes of a binary one; the session's
//! character set is utf8mb4, so texts of all character sets come as UTF-8. LOAD DATA takes the same form back.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, Value};

use super::error::GrowError;
use crate::snapshot::grow::tuples::Tuples;

/// The rows that a query gives.
pub(crate) async fn rows(conn: &mut Conn, what: &str, sql: &str) -> Result<Vec<Row>, GrowError> {
    conn.query(sql).await.map_err(GrowError::reading(what))
}

/// The one value that a query gives; `None` is NULL, or no row.
pub(crate) async fn one(conn: &mut Conn, what: &str, sql: &str) -> Result<Option<String>, GrowError> {
    Ok(rows(conn, what, sql).await?.first().and_then(|row| text(row, 0)))
}

/// A whole number that a query gives, digits after the point left out.
pub(crate) async fn number(conn: &mut Conn, what: &str, sql: &str) -> Result<Option<i128>, GrowError> {
    Ok(one(conn, what, sql).await?.and_then(|text| whole(&text)))
}

/// The number before the point of a text.
pub(crate) fn whole(text: &str) -> Option<i128> {
    text.split('.').next()?.parse().ok()
}

/// A field as bytes; `None` is NULL.
pub(crate) fn bytes(row: &Row, at: usize) -> Option<&[u8]> {
    match row.as_ref(at) {
        Some(Value::Bytes(bytes)) => Some(bytes),
        _ => None,
    }
}

/// A field as text; `None` is NULL.
pub(crate) fn text(row: &Row, at: usize) -> Option<String> {
    bytes(row, at).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// All rows, however many bytes they are.
pub(crate) const ALL: (u64, usize) = (u64::MAX, usize::MAX);

/// Reads what a query of `width` columns gives, until it has so many rows or so many bytes.
pub(crate) async fn tuples(
    conn: &mut Conn,
    what: &str,
    sql: &str,
    width: usize,
    (most_rows, most_bytes): (u64, usize),
) -> Result<Tuples, GrowError> {
    let failed = GrowError::reading(what);
    let mut tuples = Tuples::new(width);
    let (mut read, mut size) = (0, 0);
    let mut result = conn.query_iter(sql).await.map_err(&failed)?;
    while let Some(row) = result.next().await.map_err(&failed)? {
        // What comes after the last one that is wanted is read and dropped: the connection is needed again.
        if read < most_rows && size < most_bytes {
            for at in 0..width {
                let field = bytes(&row, at);
                size += field.map_or(0, <[u8]>::len);
                tuples.push(field);
            }
            read += 1;
        }
    }
    Ok(tuples)
}

/// A text as a literal of SQL. The session's `sql_mode` has backslashes as escapes.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
