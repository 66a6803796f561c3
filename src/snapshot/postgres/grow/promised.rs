//! Keys that tables will have, known before their rows are there: where tables refer to each other, all of them are empty, and
//! none can do without another.
//!
//! Such a table is planned as if it referred to nothing that is still to be grown. What makes the column that others refer to
//! makes the same numbers when the table has its turn, which is checked in the end.

use std::sync::Arc;

use bytes::BytesMut;
use tokio_postgres::Client;

use super::error::GrowError;
use super::kind::Kind;
use super::source::{Over, Source};
use super::table::Foreign;
use super::tuples::Tuples;
use super::{Task, load, planned};
use crate::scenario::TableWish;
use crate::snapshot::grow::order::Turn;

/// Gives the table whose turn it is, the first of those that are left, the keys that it was promised.
pub(crate) async fn give(client: &Client, tasks: &mut [Task<'_>], left: &[Turn], seed: u64) -> Result<(), GrowError> {
    let Some(turn) = left.first() else { return Ok(()) };
    for parent in &turn.promised {
        for at in 0..tasks[turn.at].table.foreign.len() {
            let key = &tasks[turn.at].table.foreign[at];
            if key.parent != tasks[*parent].table.relation.oid {
                continue;
            }
            let keys = keys(client, tasks, *parent, key, left, seed).await?.ok_or_else(|| circle(tasks, turn))?;
            tasks[turn.at].table.foreign[at].promised = Some(keys);
        }
    }
    Ok(())
}

/// Checks that every promise was kept.
pub(crate) async fn check(client: &Client, tasks: &[Task<'_>], turns: &[Turn]) -> Result<(), GrowError> {
    for turn in turns {
        let table = &tasks[turn.at].table;
        for key in table.foreign.iter().filter(|key| key.promised.is_some()) {
            if load::is_dangling(client, table, key).await? {
                return Err(circle(tasks, turn));
            }
        }
    }
    Ok(())
}

/// Promised keys, as a column of this kind has them.
pub(crate) fn tuples(kind: &Kind, promised: &[i64]) -> Tuples {
    let mut tuples = Tuples::new(1);
    let mut field = BytesMut::new();
    for number in promised {
        field.clear();
        kind.put_number(&mut field, *number);
        tuples.push_raw(&field);
    }
    tuples
}

/// The keys that the parent of a foreign key will have; `None` where that cannot be told.
async fn keys(
    client: &Client,
    tasks: &[Task<'_>],
    parent: usize,
    key: &Foreign,
    left: &[Turn],
    seed: u64,
) -> Result<Option<Arc<[i64]>>, GrowError> {
    let [referred] = key.parent_columns.as_slice() else { return Ok(None) };
    let task = &tasks[parent];
    let mut table = task.table.clone();
    let own = table.relation.oid;
    let is_there = |oid: u32| oid == own || left.iter().all(|turn| tasks[turn.at].table.relation.oid != oid);
    let (kept, dropped): (Vec<_>, Vec<_>) = table.foreign.into_iter().partition(|key| is_there(key.parent));
    table.foreign = kept;
    let mut wish: TableWish = task.wish.clone();
    wish.columns.retain(|name, _| !dropped.iter().any(|key| key.columns.contains(name)));
    let alone = Task { table, wish: &wish, place: task.place.clone(), add: task.add, profile: task.profile };
    let plan = planned(client, &alone, seed).await?;
    let column = plan.columns.iter().find(|column| column.name == *referred);
    Ok(column.and_then(|column| numbers(&column.source, plan.rows)))
}

/// The numbers that a source makes for so many rows, in order.
fn numbers(source: &Source, rows: u64) -> Option<Arc<[i64]>> {
    let mut numbers: Vec<i64> = match source {
        Source::Count { kind: Kind::Int2 | Kind::Int4 | Kind::Int8, start, step, over: Over::Rows } => {
            (0..i64::try_from(rows).ok()?).map(|nth| start + step * nth).collect()
        }
        Source::Shaped(shaped) => (0..rows).map(|row| shaped.number(row)).collect::<Option<_>>()?,
        _ => return None,
    };
    numbers.sort_unstable();
    Some(numbers.into())
}

fn circle(tasks: &[Task<'_>], turn: &Turn) -> GrowError {
    let tables = std::iter::once(&turn.at).chain(&turn.promised);
    GrowError::Cycle {
        place: tasks[turn.at].place.clone(),
        tables: tables.map(|at| tasks[*at].place.table.to_string()).collect(),
    }
}
