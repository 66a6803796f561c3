//! Sends the rows of a plan to the server, so that a table has all of them or none.
//!
//! Triggers and foreign key checks are off for the load (`session_replication_role = replica`, which a superuser may set);
//! foreign keys hold because of how rows are made. CHECK constraints the server still enforces, and unique keys as well:
//! where the load is at least as large as the table, when their indexes are built after it. An empty table is loaded frozen.

use std::pin::pin;

use bytes::Bytes;
use futures_util::SinkExt;
use tokio::sync::mpsc;
use tokio_postgres::{Client, Config, Transaction};

use super::error::{GrowError, Place};
use super::name::quote;
use super::plan::Plan;
use super::table::{Foreign, Table};
use super::{freeze, indexes, rows};
use crate::scenario::TableWish;
use crate::snapshot::grow::blocks::cores;
use crate::snapshot::{Listen, Progress};

/// So many chunks may wait for the socket.
const AHEAD: usize = 8;

/// Loads the rows of a plan. `config` is for more connections like the client's.
pub(crate) async fn load(
    config: &Config,
    client: &mut Client,
    table: &Table,
    wish: &TableWish,
    place: &Place,
    plan: Plan,
    listen: Listen<'_>,
) -> Result<(), GrowError> {
    let failed = GrowError::reading(&format!("what the server says to loading {}", table.relation.sql()));
    let frozen = freeze::can_truncate(client, table).await.map_err(&failed)?;
    let transaction = client.transaction().await.map_err(&failed)?;
    transaction.batch_execute("SET LOCAL session_replication_role = replica").await.map_err(&failed)?;
    if frozen {
        // First: it would build the indexes of the empty table, and so start them again.
        let sql = format!("TRUNCATE ONLY {} CASCADE", table.relation.sql());
        transaction.batch_execute(&sql).await.map_err(&failed)?;
    }
    let stopped =
        if plan.rows >= table.rows { indexes::stop(&transaction, table).await.map_err(&failed)? } else { Vec::new() };
    copy(&transaction, table, plan, frozen, listen).await.map_err(|source| {
        let checked = source.as_db_error().and_then(tokio_postgres::error::DbError::constraint);
        let check = table.checks.iter().find(|check| Some(check.name.as_str()) == checked);
        GrowError::refused(place, source, check.map_or(&[], |check| check.columns.as_slice()))
    })?;
    let loader = loader(&transaction).await.map_err(&failed)?;
    transaction.commit().await.map_err(&failed)?;
    let mut kept = indexes::build(config, &stopped).await.map_err(|source| GrowError::refused(place, source, &[]));
    if kept.is_ok() {
        kept = check_given_references(client, table, wish, place).await;
    }
    if kept.is_err() {
        undo(client, table, loader, &stopped).await.map_err(&failed)?;
        return kept;
    }
    set_sequences(client, table).await.map_err(&failed)
}

/// The number of a transaction, as the system column `xmin` of the rows that it loads has it (PostgreSQL manual, 5.5
/// "System Columns"); frozen rows have it as well.
async fn loader(transaction: &Transaction<'_>) -> Result<i64, tokio_postgres::Error> {
    // `xmin` is the number without its epoch.
    Ok(transaction.query_one("SELECT txid_current() % 4294967296", &[]).await?.get(0))
}

/// Takes the rows of a load back that turned out to break a key, and fills the indexes that were stopped for it.
async fn undo(
    client: &mut Client,
    table: &Table,
    loader: i64,
    stopped: &[String],
) -> Result<(), tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute("SET LOCAL session_replication_role = replica").await?;
    let only = if table.relation.kind == 'r' { "ONLY " } else { "" };
    let sql = format!("DELETE FROM {only}{} WHERE xmin::text = '{loader}'", table.relation.sql());
    transaction.batch_execute(&sql).await?;
    for index in stopped {
        transaction.batch_execute(&format!("REINDEX INDEX {index}")).await?;
    }
    transaction.commit().await
}

async fn copy(
    transaction: &Transaction<'_>,
    table: &Table,
    plan: Plan,
    frozen: bool,
    listen: Listen<'_>,
) -> Result<(), tokio_postgres::Error> {
    let total = plan.rows;
    let columns: Vec<String> = plan.columns.iter().map(|column| quote(&column.name)).collect();
    // A table whose columns are all left to their defaults is given rows without fields.
    let list = if columns.is_empty() { String::new() } else { format!(" ({})", columns.join(", ")) };
    let freeze = if frozen { ", FREEZE" } else { "" };
    let sql = format!("COPY {}{list} FROM STDIN (FORMAT binary{freeze})", table.relation.sql());
    let mut sink = pin!(transaction.copy_in::<_, Bytes>(&sql).await?);
    let (sender, mut receiver) = mpsc::channel(AHEAD);
    let maker = tokio::task::spawn_blocking(move || {
        rows::make(plan, cores(), |chunk, made| sender.blocking_send((chunk, made)).is_ok());
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

/// Sets each sequence behind the greatest number that its column has.
async fn set_sequences(client: &Client, table: &Table) -> Result<(), tokio_postgres::Error> {
    for column in &table.columns {
        for sequence in &column.sequences {
            let sql = format!(
                "SELECT setval('{}', greatest) FROM (SELECT max({})::int8 FROM {}) AS t(greatest), {sequence} AS s
                 WHERE greatest >= s.last_value",
                sequence.replace('\'', "''"),
                quote(&column.name),
                table.read_sql(),
            );
            client.batch_execute(&sql).await?;
        }
    }
    Ok(())
}

/// Checks the foreign keys of columns that the scenario itself gives values for: no trigger did.
async fn check_given_references(
    client: &Client,
    table: &Table,
    wish: &TableWish,
    place: &Place,
) -> Result<(), GrowError> {
    for key in &table.foreign {
        let given = |name: &String| wish.columns.get(name).is_some_and(|c| c.values.is_some() || c.range.is_some());
        if key.columns.iter().any(given) && is_dangling(client, table, key).await? {
            return Err(GrowError::Dangling {
                place: place.clone(),
                key: key.name.clone(),
                parent: key.parent_sql.trim_start_matches("ONLY ").to_owned(),
            });
        }
    }
    Ok(())
}

/// Whether a row of a table refers to one that is not there.
pub(crate) async fn is_dangling(client: &Client, table: &Table, key: &Foreign) -> Result<bool, GrowError> {
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
    Ok(client.query_one(&sql, &[]).await.map_err(failed)?.get(0))
}
