//! What the prepared snapshot holds, and bringing it to rest before anything is measured.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};

use crate::run::TableFacts;
use crate::sql::mysql::name::{quote, relation};

/// Every table of a database that is no view, largest first; a partitioned one is one table.
///
/// Rows are counted: the statistics of InnoDB are an estimate from a few pages, which is wrong by half where rows differ in
/// size (MySQL 9.7 manual, 17.8.10), and limits and extrapolations stand on this figure. Bytes are the data and the indexes,
/// as the statistics have them right after `ANALYZE TABLE`.
pub async fn table_facts(connection: &mut Conn, database: &str) -> Result<Vec<TableFacts>, Error> {
    let mut facts = Vec::new();
    for (table, bytes) in tables(connection, database).await? {
        let sql = format!("SELECT COUNT(*) FROM {}.{}", quote(database), quote(&table));
        let rows: Option<u64> = connection.query_first(sql).await?;
        facts.push(TableFacts {
            name: relation(database, database, &table),
            rows,
            bytes,
            source: None,
            rows_estimated: false,
            likeness: None,
        });
    }
    facts.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
    Ok(facts)
}

/// The tables of a database with their bytes. (A sequence of MariaDB is a table with one row, and no table to its users.)
async fn tables(connection: &mut Conn, database: &str) -> Result<Vec<(String, u64)>, Error> {
    let sql = "SELECT CAST(TABLE_NAME AS CHAR), CAST(COALESCE(DATA_LENGTH, 0) + COALESCE(INDEX_LENGTH, 0) AS UNSIGNED)
        FROM information_schema.TABLES
        WHERE TABLE_SCHEMA = ? AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')";
    connection.exec(sql, (database,)).await
}

/// Brings a database to rest: no statistics to gather that a measured statement would otherwise pay for. Changed pages are
/// written at the end of filling, when the server is set to do it fast.
pub async fn settle(connection: &mut Conn, database: &str) -> Result<(), Error> {
    // MySQL keeps sizes for a day before it looks again. MariaDB has no such variable, and always looks: the comment is code
    // for MySQL alone.
    connection.query_drop("/*!80000 SET SESSION information_schema_stats_expiry = 0 */").await.or_else(is_empty)?;
    for (table, _) in tables(connection, database).await? {
        let sql = format!("ANALYZE NO_WRITE_TO_BINLOG TABLE {}.{}", quote(database), quote(&table));
        connection.query_drop(sql).await?;
    }
    Ok(())
}

/// ER_EMPTY_QUERY
fn is_empty(error: Error) -> Result<(), Error> {
    match error {
        Error::Server(error) if error.code == 1065 => Ok(()),
        error => Err(error),
    }
}
