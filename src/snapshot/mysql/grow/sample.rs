//! A sample of the rows that a table has, the same for the same data.

use mysql_async::Conn;

use super::ask;
use super::error::GrowError;
use super::table::Table;
use crate::snapshot::grow::tuples::Tuples;
use crate::sql::mysql::name::quote;

/// The most rows of a sample, and the most bytes that it may take: what comes after those is left out.
const ROWS: u64 = 10_000;
const BYTES: usize = 64 << 20;

/// Reads a sample of the table's columns.
///
/// Sampling repeats: `RAND(1)` gives the same numbers in each query, once for each row, and the rows come in the order in
/// which the table is kept.
pub(crate) async fn read(conn: &mut Conn, table: &Table) -> Result<Tuples, GrowError> {
    if table.rows == 0 || table.columns.is_empty() {
        return Ok(Tuples::new(table.columns.len()));
    }
    let list: Vec<String> = table.columns.iter().map(|column| quote(&column.name)).collect();
    let has_primary = table.uniques.first().is_some_and(|key| key.name == "PRIMARY");
    let order = if has_primary { " FORCE INDEX (PRIMARY)" } else { "" };
    let sql = format!("SELECT {} FROM {}{order}{}", list.join(", "), table.relation.sql(), chance(table.rows));
    let what = format!("rows of {}", table.relation.shown());
    ask::tuples(conn, &what, &sql, list.len(), (2 * ROWS, BYTES)).await
}

fn chance(rows: u64) -> String {
    if rows <= ROWS { String::new() } else { format!(" WHERE RAND(1) < {:e}", ROWS as f64 / rows as f64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_table_is_sampled_and_a_small_one_is_read_whole() {
        assert_eq!(chance(ROWS), "");
        assert_eq!(chance(1_000_000), " WHERE RAND(1) < 1e-2");
    }
}
