//! Sends the rows of a plan to the server: one transaction for each table, so that it has all of them or none.
//!
//! Triggers and foreign key checks are off for the load (`session_replication_role = replica`, which a superuser may set);
//! foreign keys hold because of how rows are made. Unique keys and CHECK constraints the server still enforces.
//! Plain indexes are dropped and made again where the load is at least as large as the table, which is about twice as fast.

use std::pin::pin;

use bytes::Bytes;
use futures_util::SinkExt;
use tokio::sync::mpsc;
use tokio_postgres::{Client, Transaction};

use super::error::{GrowError, Place};
use super::name::quote;
use super::plan::Plan;
use super::rows;
use super::table::Table;
use crate::scenario::TableWish;
use crate::snapshot::{Listen, Progress};

/// So many chunks may wait for the socket.
const AHEAD: usize = 8;

/// Loads the rows of a plan.
pub(crate) async fn load(
    client: &mut Client,
    table: &Table,
    wish: &TableWish,
    place: &Place,
    plan: Plan,
    listen: Listen<'_>,
) -> Result<(), GrowError> {
    let failed = GrowError::reading(&format!("what the server says to loading {}", table.relation.sql()));
    let transaction = client.transaction().await.map_err(&failed)?;
    transaction.batch_execute("SET LOCAL session_replication_role = replica").await.map_err(&failed)?;
    let indexes = if table.relation.kind == 'r' && plan.rows >= table.rows {
        drop_indexes(&transaction, table).await.map_err(&failed)?
    } else {
        Vec::new()
    };
    copy(&transaction, table, plan, listen).await.map_err(|source| {
        let checked = source.as_db_error().and_then(tokio_postgres::error::DbError::constraint);
        let check = table.checks.iter().find(|check| Some(check.name.as_str()) == checked);
        GrowError::refused(place, source, check.map_or(&[], |check| check.columns.as_slice()))
    })?;
    for index in &indexes {
        transaction.batch_execute(index).await.map_err(&failed)?;
    }
    set_sequences(&transaction, table).await.map_err(&failed)?;
    check_given_references(&transaction, table, wish, place).await?;
    transaction.commit().await.map_err(&failed)
}

async fn copy(
    transaction: &Transaction<'_>,
    table: &Table,
    plan: Plan,
    listen: Listen<'_>,
) -> Result<(), tokio_postgres::Error> {
    let total = plan.rows;
    let columns: Vec<String> = plan.columns.iter().map(|column| quote(&column.name)).collect();
    // A table whose columns are all left to their defaults is given rows without fields.
    let list = if columns.is_empty() { String::new() } else { format!(" ({})", columns.join(", ")) };
    let sql = format!("COPY {}{list} FROM STDIN (FORMAT binary)", table.relation.sql());
    let mut sink = pin!(transaction.copy_in::<_, Bytes>(&sql).await?);
    let (sender, mut receiver) = mpsc::channel(AHEAD);
    let maker = tokio::task::spawn_blocking(move || {
        rows::make(plan, |chunk, made| sender.blocking_send((chunk, made)).is_ok());
    });
    while let Some((chunk, made)) = receiver.recv().await {
        sink.send(chunk).await?;
        listen(Progress::Rows { table: &table.relation.name, done: made, total });
    }
    if let Err(panic) = maker.await {
        // Rows that were not all made must not look as if they were.
        if let Ok(panic) = panic.try_into_panic() {
            std::panic::resume_unwind(panic);
        }
    }
    sink.finish().await.map(|_| ())
}

/// Drops the indexes that nothing depends on, and gives the statements that make them again.
async fn drop_indexes(transaction: &Transaction<'_>, table: &Table) -> Result<Vec<String>, tokio_postgres::Error> {
    let plain = "SELECT format('%I.%I', n.nspname, c.relname), pg_get_indexdef(c.oid),
                        'COMMENT ON INDEX ' || format('%I.%I', n.nspname, c.relname) || ' IS '
                            || quote_literal(obj_description(c.oid, 'pg_class'))
                 FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE i.indrelid = $1 AND i.indisvalid AND c.reltablespace = 0 AND NOT c.relispartition
                   AND NOT (i.indisunique OR i.indisexclusion OR i.indisreplident OR i.indisclustered)
                   AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid)
                   AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attstattarget >= 0)
                 ORDER BY c.oid";
    let mut again = Vec::new();
    for row in transaction.query(plain, &[&table.relation.oid]).await? {
        transaction.batch_execute(&format!("DROP INDEX {}", row.get::<_, String>(0))).await?;
        again.push(row.get(1));
        again.extend(row.get::<_, Option<String>>(2));
    }
    Ok(again)
}

/// Sets each sequence behind the greatest number that its column has.
async fn set_sequences(transaction: &Transaction<'_>, table: &Table) -> Result<(), tokio_postgres::Error> {
    for column in &table.columns {
        for sequence in &column.sequences {
            let sql = format!(
                "SELECT setval('{}', greatest) FROM (SELECT max({})::int8 FROM {}) AS t(greatest), {sequence} AS s
                 WHERE greatest >= s.last_value",
                sequence.replace('\'', "''"),
                quote(&column.name),
                table.read_sql(),
            );
            transaction.batch_execute(&sql).await?;
        }
    }
    Ok(())
}

/// Checks the foreign keys of columns that the scenario itself gives values for: no trigger did.
async fn check_given_references(
    transaction: &Transaction<'_>,
    table: &Table,
    wish: &TableWish,
    place: &Place,
) -> Result<(), GrowError> {
    for key in &table.foreign {
        let given = |name: &String| wish.columns.get(name).is_some_and(|c| c.values.is_some() || c.range.is_some());
        if !key.columns.iter().any(given) {
            continue;
        }
        let pairs = key.columns.iter().zip(&key.parent_columns);
        let equal: Vec<String> = pairs.map(|(own, parent)| format!("p.{} = c.{}", quote(parent), quote(own))).collect();
        let whole: Vec<String> = key.columns.iter().map(|own| format!("c.{} IS NOT NULL", quote(own))).collect();
        let sql = format!(
            "SELECT EXISTS (SELECT FROM {} AS c WHERE {} AND NOT EXISTS (SELECT FROM {} AS p WHERE {}))",
            table.read_sql(),
            whole.join(" AND "),
            key.parent_sql,
            equal.join(" AND "),
        );
        let failed = GrowError::reading(&format!("whether {} holds", key.name));
        if transaction.query_one(&sql, &[]).await.map_err(failed)?.get(0) {
            return Err(GrowError::Dangling {
                place: place.clone(),
                key: key.name.clone(),
                parent: key.parent_sql.trim_start_matches("ONLY ").to_owned(),
            });
        }
    }
    Ok(())
}
