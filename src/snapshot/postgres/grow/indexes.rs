//! Indexes stand still while rows are loaded, and are built afterwards, several at a time.
//!
//! None is dropped: each is marked as not ready for inserts in `pg_index`, as a `CREATE INDEX CONCURRENTLY` that did not
//! end leaves one, and `REINDEX INDEX` fills it and marks it valid (PostgreSQL manual, 52.26 "pg_index", `indisready`, and
//! `REINDEX`). So names, constraints, foreign keys to them, replica identity, clustering and comments stay as they were.
//! Only a superuser may do that; for anybody else the indexes are kept up row by row, which is slower and no less right.

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio_postgres::{Config, NoTls, Transaction};

use super::table::Table;
use crate::snapshot::grow::blocks::cores;

/// Memory that all the builds of one table share, in MB.
const MEMORY: usize = 768;

/// Stops the indexes of a table, of its partitions if it has such, and names those that [`build`] is to fill.
pub(crate) async fn stop(transaction: &Transaction<'_>, table: &Table) -> Result<Vec<String>, tokio_postgres::Error> {
    let sql = "UPDATE pg_index i SET indisready = false, indisvalid = false
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE c.oid = i.indexrelid AND c.relkind = 'i' AND i.indisvalid AND i.indisready AND i.indislive
                 AND (i.indrelid = $1 OR i.indrelid IN (SELECT relid FROM pg_partition_tree($1) WHERE isleaf))
               RETURNING format('%I.%I', n.nspname, c.relname)";
    if transaction.query_one("SELECT current_setting('is_superuser')", &[]).await?.get::<_, &str>(0) != "on" {
        return Ok(Vec::new());
    }
    let rows = transaction.query(sql, &[&table.relation.oid]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Fills indexes that were stopped, each over a connection of its own, as many at a time as there are cores.
///
/// # Errors
/// What the server says: of a unique index, say, that two rows have the same key.
pub(crate) async fn build(config: &Config, indexes: &[String]) -> Result<(), tokio_postgres::Error> {
    let cores = cores();
    let at_once = cores.min(indexes.len()).max(1);
    let settings = format!(
        "SET maintenance_work_mem = '{}MB'; SET max_parallel_maintenance_workers = {}",
        MEMORY / at_once,
        cores / at_once - 1
    );
    let builds = indexes.iter().map(|index| build_one(config, &settings, index));
    stream::iter(builds).buffer_unordered(at_once).try_collect().await
}

async fn build_one(config: &Config, settings: &str, index: &str) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    let connection = tokio::spawn(connection);
    client.batch_execute(settings).await?;
    client.batch_execute(&format!("REINDEX INDEX {index}")).await?;
    drop(client);
    // The connection ends once its client is gone; what it says then was already told to the client.
    let _ = connection.await;
    Ok(())
}
