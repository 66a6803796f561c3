//! Sends the rows of a plan to the server by LOAD DATA LOCAL, in statements of bounded size, each its own transaction.
//!
//! Foreign key checks are off; foreign keys hold because of how rows are made. Unique keys and CHECK constraints the server
//! still enforces: LOCAL turns their errors into warnings, so every statement's warnings and rows are looked at (MySQL 9.7
//! manual, 15.2.9 "Duplicate-Key and Error Handling"). INSERT triggers do not fire, and secondary indexes are made
//! afterwards where that is faster: both are taken away before and put back after. A load that fails leaves the database good for nothing.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use tokio::sync::{Mutex, mpsc};

use super::ask;
use super::error::{GrowError, Place};
use super::plan::{Filled, Plan};
use super::table::{Foreign, Table};
use super::{field, indexes, rows, triggers};
use crate::scenario::TableWish;
use crate::snapshot::grow::blocks::cores;
use crate::snapshot::{Listen, Progress};
use crate::sql::mysql::name::quote;

/// So many chunks may wait for the socket.
const AHEAD: usize = 32;
/// About so many bytes go into one transaction, so that its undo log stays small: to write the end of each costs time.
const STATEMENT: usize = 128 << 20;

/// How often the listener is told of rows that are on their way.
const TICK: Duration = Duration::from_millis(100);

/// Chunks of rows, each with how many it has.
type Chunks = mpsc::Receiver<(Bytes, u64)>;

/// Loads the rows of a plan.
pub(crate) async fn load(
    conn: &mut Conn,
    table: &Table,
    wish: &TableWish,
    place: &Place,
    plan: Plan,
    listen: Listen<'_>,
) -> Result<(), GrowError> {
    // Without checks the server may not see duplicates in secondary keys; the primary key is always checked.
    let unchecked = table.uniques.iter().all(|key| key.name == "PRIMARY");
    let failed = GrowError::reading(&format!("what the server says to loading {}", table.relation.shown()));
    conn.query_drop(format!("SET SESSION unique_checks = {}", i32::from(!unchecked))).await.map_err(&failed)?;
    let indexes = if plan.rows >= table.rows { indexes::drop(conn, table).await? } else { Vec::new() };
    let triggers = triggers::drop(conn, table).await?;
    send(conn, table, place, plan, listen).await?;
    indexes::create(conn, table, &indexes).await?;
    triggers::create(conn, table, &triggers).await?;
    check_given_references(conn, table, wish, place).await
}

async fn send(conn: &mut Conn, table: &Table, place: &Place, plan: Plan, listen: Listen<'_>) -> Result<(), GrowError> {
    let total = plan.rows;
    let sql = statement(table, &plan.columns);
    let (sender, receiver) = mpsc::channel(AHEAD);
    let maker = tokio::task::spawn_blocking(move || {
        rows::make(plan, cores(), |chunk, count| sender.blocking_send((chunk, count)).is_ok());
    });
    let receiver = Arc::new(Mutex::new(receiver));
    let mut done = 0;
    let mut tick = tokio::time::interval(TICK);
    loop {
        let Some(first) = receiver.lock().await.recv().await else { break };
        let sent = Arc::new(AtomicU64::new(0));
        let (chunks, count) = (Arc::clone(&receiver), Arc::clone(&sent));
        conn.set_infile_handler(async move { Ok(one_statement(chunks, first, count)) });
        let loaded = {
            let mut loading = pin!(conn.query_drop(&sql));
            loop {
                tokio::select! {
                    loaded = &mut loading => break loaded,
                    _ = tick.tick() => {
                        let done = done + sent.load(Ordering::Relaxed);
                        listen(Progress::Rows { table: &table.relation.name, done, total });
                    }
                }
            }
        };
        loaded.map_err(|source| GrowError::Load { place: place.clone(), source })?;
        let sent = sent.load(Ordering::Relaxed);
        check_loaded(conn, table, place, sent).await?;
        done += sent;
        listen(Progress::Rows { table: &table.relation.name, done, total });
    }
    if let Err(panic) = maker.await {
        // Rows that were not all made must not look as if they were.
        if let Ok(panic) = panic.try_into_panic() {
            std::panic::resume_unwind(panic);
        }
    }
    Ok(())
}

/// The data of one statement: chunks as they come, until there are enough bytes. `sent` gets the number of rows.
fn one_statement(
    receiver: Arc<Mutex<Chunks>>,
    first: (Bytes, u64),
    sent: Arc<AtomicU64>,
) -> BoxStream<'static, std::io::Result<Bytes>> {
    let next = move |(first, bytes): (Option<(Bytes, u64)>, usize)| {
        let (receiver, sent) = (Arc::clone(&receiver), Arc::clone(&sent));
        async move {
            let (chunk, count) = match first {
                Some(first) => first,
                None if bytes >= STATEMENT => return None,
                None => receiver.lock().await.recv().await?,
            };
            sent.fetch_add(count, Ordering::Relaxed);
            let bytes = bytes + chunk.len();
            Some((Ok(chunk), (None, bytes)))
        }
    };
    stream::unfold((Some(first), 0), next).boxed()
}

fn statement(table: &Table, columns: &[Filled]) -> String {
    let mut list = Vec::new();
    let mut set = Vec::new();
    for (nth, column) in columns.iter().enumerate() {
        let name = quote(&column.name);
        if column.via_text {
            list.push(format!("@rehearsal_{nth}"));
            set.push(format!("{name} = CONVERT(@rehearsal_{nth} USING utf8mb4)"));
        } else {
            list.push(name);
        }
    }
    // A table whose columns are all left to their defaults is given rows of one field that goes nowhere.
    if list.is_empty() {
        list.push("@rehearsal_nothing".into());
    }
    let set = if set.is_empty() { String::new() } else { format!(" SET {}", set.join(", ")) };
    let (table, list) = (table.relation.sql(), list.join(", "));
    format!("LOAD DATA LOCAL INFILE 'rows' INTO TABLE {table} {} ({list}){set}", field::FORMAT)
}

/// Whether the server took every row as it was sent.
async fn check_loaded(conn: &mut Conn, table: &Table, place: &Place, sent: u64) -> Result<(), GrowError> {
    let loaded = conn.affected_rows();
    if loaded == sent && conn.get_warnings() == 0 {
        return Ok(());
    }
    for row in ask::rows(conn, "the warnings of a load", "SHOW WARNINGS").await? {
        let field = |at| ask::text(&row, at).unwrap_or_default();
        // A note says of a value that it was rounded, as the application's own would be.
        if field(0) == "Note" {
            continue;
        }
        let said = field(2);
        let names = |check: &&super::table::Check| {
            said.contains(&format!("'{}'", check.name)) || said.contains(&format!("`{}`", check.name))
        };
        let checked = table.checks.iter().find(names).map_or(&[][..], |check| check.columns.as_slice());
        return Err(GrowError::refused(place, field(1).parse().unwrap_or(0), said.clone(), checked));
    }
    if loaded == sent {
        return Ok(());
    }
    Err(GrowError::refused(place, 0, format!("it took {loaded} of {sent} and does not say why"), &[]))
}

/// Checks the foreign keys of columns that the scenario itself gives values for: the server did not.
async fn check_given_references(
    conn: &mut Conn,
    table: &Table,
    wish: &TableWish,
    place: &Place,
) -> Result<(), GrowError> {
    for key in &table.foreign {
        let given = |name: &String| wish.columns.get(name).is_some_and(|c| c.values.is_some() || c.range.is_some());
        if key.columns.iter().any(given) && is_dangling(conn, table, key).await? {
            return Err(GrowError::Dangling {
                place: place.clone(),
                key: key.name.clone(),
                parent: key.parent_shown.clone(),
            });
        }
    }
    Ok(())
}

/// Whether a row of a table refers to one that is not there.
pub(crate) async fn is_dangling(conn: &mut Conn, table: &Table, key: &Foreign) -> Result<bool, GrowError> {
    let pairs = key.columns.iter().zip(&key.parent_columns);
    let equal: Vec<String> = pairs.map(|(own, parent)| format!("p.{} = c.{}", quote(parent), quote(own))).collect();
    let whole: Vec<String> = key.columns.iter().map(|own| format!("c.{} IS NOT NULL", quote(own))).collect();
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM {} AS c WHERE {} AND NOT EXISTS (SELECT 1 FROM {} AS p WHERE {}))",
        table.relation.sql(),
        whole.join(" AND "),
        key.parent_sql,
        equal.join(" AND "),
    );
    Ok(ask::number(conn, &format!("whether {} holds", key.name), &sql).await? != Some(0))
}
