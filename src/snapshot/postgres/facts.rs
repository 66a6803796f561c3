//! What the prepared snapshot holds, and bringing it to rest before anything is measured.

use tokio_postgres::Client;

use crate::run::TableFacts;

/// Every ordinary table that is not the server's own, largest first; of a partitioned table its partitions.
///
/// Rows are the planner's (`pg_class.reltuples`). `ANALYZE` reads at most 300 pages for each unit of the statistics target
/// (`std_typanalyze`, analyze.c): it has counted the rows of a table that has no more, and estimated those of a larger one.
pub async fn table_facts(client: &Client) -> Result<Vec<TableFacts>, tokio_postgres::Error> {
    let sql = "SELECT format('%I.%I', n.nspname, c.relname), c.reltuples::float8, pg_total_relation_size(c.oid),
                      c.relpages > 300 * greatest(current_setting('default_statistics_target')::int, 1)
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE c.relkind = 'r' AND c.relpersistence <> 't'
                 AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
               ORDER BY 3 DESC, 1";
    let fact = |row: &tokio_postgres::Row| TableFacts {
        name: row.get(0),
        rows: known_rows(row.get(1)),
        rows_estimated: row.get(3),
        bytes: u64::try_from(row.get::<_, i64>(2)).unwrap_or(0),
        source: None,
        likeness: None,
    };
    Ok(client.query(sql, &[]).await?.iter().map(fact).collect())
}

/// Before the first `ANALYZE` the server says -1 (0 before version 14, which is then taken at its word).
fn known_rows(tuples: f64) -> Option<u64> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and far below 2^53")]
    (tuples >= 0.0).then_some(tuples as u64)
}

/// Brings the database to rest: no rows to clean up, no statistics to gather, no pages to write that a measured statement
/// would otherwise pay for.
pub async fn settle(client: &Client) -> Result<(), tokio_postgres::Error> {
    // A row cannot be marked as visible to all while the commit of its transaction, or of one numbered close to it, is not
    // flushed (PostgreSQL's `SetHintBits`, `TransactionIdGetCommitLSN`): the first measured statement would do it instead.
    // So VACUUM commits synchronously, after a commit that flushes all before it.
    client.batch_execute("SET synchronous_commit = on").await?;
    client.batch_execute("SELECT pg_logical_emit_message(true, 'rehearsal', '')").await?;
    // Each alone: VACUUM does not run in the transaction of a message with several statements.
    client.batch_execute("VACUUM (ANALYZE)").await?;
    client.batch_execute("CHECKPOINT").await?;
    client.batch_execute("RESET synchronous_commit").await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_was_never_analysed_has_no_known_rows() {
        assert_eq!(known_rows(-1.0), None);
        assert_eq!(known_rows(0.0), Some(0));
        assert_eq!(known_rows(1e6), Some(1_000_000));
    }
}
