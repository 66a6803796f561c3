//! A sample of the rows that a table has, the same for the same data.

use tokio_postgres::Client;

use super::GrowError;
use super::name::quote;
use super::table::Table;
use super::tuples::{self, Tuples};

/// The most rows of a sample, and the most bytes that it may take.
const ROWS: u64 = 10_000;
const BYTES: u64 = 64 << 20;
/// Above so many rows, whole pages are sampled and not single rows: the table need not be read from end to end.
const BY_PAGES: u64 = 2_000_000;

/// Reads a sample of the table's columns that `columns` names, of rows to which none of the conditions apply.
///
/// Sampling repeats: `TABLESAMPLE … REPEATABLE` gives the same rows of an unchanged table, and they come in their order on disk.
pub(crate) async fn read(
    client: &Client,
    table: &Table,
    columns: &[usize],
    outside: &[String],
) -> Result<Tuples, GrowError> {
    if table.rows == 0 || columns.is_empty() {
        return Ok(Tuples::new(columns.len()));
    }
    let what = format!("rows of {}", table.relation.sql());
    let failed = GrowError::reading(&what);
    let size = client.query_one("SELECT pg_table_size($1::oid)", &[&table.relation.oid]).await.map_err(failed)?;
    let bytes = u64::try_from(size.get::<_, i64>(0)).unwrap_or(0);
    let wanted = wanted(table.rows, bytes);
    let list: Vec<String> = columns.iter().map(|at| quote(&table.columns[*at].name)).collect();
    let filter: Vec<String> = outside.iter().map(|condition| format!("({condition}) IS NOT TRUE")).collect();
    let filter = if filter.is_empty() { String::new() } else { format!(" WHERE {}", filter.join(" AND ")) };
    let query = format!(
        "SELECT {} FROM {}{}{filter} ORDER BY tableoid::regclass::text, ctid LIMIT {}",
        list.join(", "),
        table.read_sql(),
        tablesample(table.rows, wanted),
        2 * wanted,
    );
    tuples::read(client, &what, &query, columns.len()).await
}

/// How many rows fit in the sample.
fn wanted(rows: u64, bytes: u64) -> u64 {
    (BYTES / (bytes / rows.max(1)).max(1)).clamp(1, ROWS)
}

fn tablesample(rows: u64, wanted: u64) -> String {
    if rows <= wanted {
        return String::new();
    }
    let method = if rows > BY_PAGES { "SYSTEM" } else { "BERNOULLI" };
    format!(" TABLESAMPLE {method} ({}) REPEATABLE (1)", wanted as f64 * 100.0 / rows as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_bounded_in_rows_and_in_bytes() {
        assert_eq!(wanted(1_000_000, 100 << 20), ROWS);
        assert_eq!(wanted(1_000, 1_000 << 20), 64);
        assert_eq!(wanted(1, 1 << 40), 1);
        assert_eq!(tablesample(100, ROWS), "");
        assert_eq!(tablesample(1_000_000, ROWS), " TABLESAMPLE BERNOULLI (1) REPEATABLE (1)");
        assert_eq!(tablesample(10_000_000, ROWS), " TABLESAMPLE SYSTEM (0.1) REPEATABLE (1)");
    }
}
