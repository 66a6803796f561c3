//! Growing tables of a restored schema to a wished number of rows.
//!
//! Rows that are there are sampled and followed as whole rows; a table without rows is filled by type. Unique keys and
//! foreign keys hold, sequences go on behind the last number, and the same seed on the same data makes the same rows.
//!
//! Limits: a key made of foreign keys is checked against all parents' keys in memory (about 20 bytes for each); exclusion
//! constraints are left to the server to refuse, and so are CHECK constraints that no made-up value is seen to keep.

mod checks;
mod error;
mod freeze;
mod indexes;
mod keys;
mod kind;
mod load;
mod maker;
mod name;
mod overrides;
mod plan;
mod promised;
mod rare;
mod references;
mod rows;
mod sample;
mod shaped;
mod shared;
mod source;
mod table;
mod trial;
mod tuples;
mod vary;
mod wished;

use rand::RngExt;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use sha2::{Digest, Sha256};
use shaped::Pattern;
use tokio_postgres::{Client, Config};

pub(crate) use error::server_says;
pub use error::{GrowError, Place};
pub(crate) use name::quote;
pub(crate) use trial::trial;

use crate::profile::{Profile, TableProfile};
use crate::scenario::{ProfileWish, TableWish};
use crate::snapshot::Listen;
use crate::snapshot::grow::order::{self, Node, Turn};
use crate::snapshot::grow::{Grown, wish_after};
use crate::sql::postgres::quote::ident;
use name::{Relation, Unclear};
use plan::Plan;
use table::Table;

/// A table that gets rows, and why.
struct Task<'a> {
    table: Table,
    wish: &'a TableWish,
    place: Place,
    add: u64,
    profile: Option<&'a TableProfile>,
}

/// A wish for a table, and after what it is made.
struct Wished<'a> {
    wish: TableWish,
    profile: Option<&'a TableProfile>,
}

/// Brings each table to the rows that are wished for it, and says what a reader should know of it.
///
/// `client` must be a superuser's, of the database to grow, and `config` lead there: indexes are built over connections of
/// their own. Tables grow one after another, parents first; one that the server refuses rows for is as it was before. A
/// table that has more rows already is left alone, and a note says so. The rows that are wished for a table that others
/// inherit from are shared out among it and them as the existing ones are. Every table of a profile is wished for with its
/// rows there, times the scale; a wish for it in the scenario goes before that.
pub async fn grow(
    config: &Config,
    client: &mut Client,
    wishes: &[TableWish],
    profile: Option<(&Profile, &ProfileWish)>,
    seed: u64,
    listen: Listen<'_>,
) -> Result<Grown, GrowError> {
    let relations = name::relations(client).await?;
    let mut grown = Grown::default();
    let mut tasks: Vec<Task<'_>> = Vec::new();
    let all = with_profile(wishes, profile, &relations)?;
    for wished in &all {
        for task in tasks_of(client, wished, &relations, &mut grown.notes).await? {
            if tasks.iter().any(|other| other.table.relation.oid == task.table.relation.oid) {
                return Err(GrowError::Twice(task.place));
            }
            tasks.push(task);
        }
    }
    note_ranges(&mut tasks);
    let turns = order_of(&tasks);
    for (nth, turn) in turns.iter().enumerate() {
        promised::give(client, &mut tasks, &turns[nth..], seed).await?;
        let task = &tasks[turn.at];
        let mut plan = planned(client, task, seed).await?;
        grown.notes.append(&mut plan.notes);
        load::load(config, client, &task.table, task.wish, &task.place, plan, listen).await?;
        grown.tables.push((task.table.relation.sql(), task.profile.is_some()));
    }
    promised::check(client, &tasks, &turns).await?;
    Ok(grown)
}

/// Plans the rows of a table.
async fn planned(client: &Client, task: &Task<'_>, seed: u64) -> Result<Plan, GrowError> {
    let mut rng = generator(seed, &task.table);
    let pattern = task.profile.map(|profile| Pattern { profile, rows: profile.rows.unwrap_or(0), seed: rng.random() });
    plan::plan(client, &task.table, task.wish, &task.place, task.add, pattern.as_ref(), rng).await
}

/// The wishes of the scenario, and for every other table of a profile that had rows one more.
fn with_profile<'a>(
    wishes: &[TableWish],
    profile: Option<(&'a Profile, &ProfileWish)>,
    relations: &[Relation],
) -> Result<Vec<Wished<'a>>, GrowError> {
    let mut all: Vec<Wished<'a>> = wishes.iter().map(|wish| Wished { wish: wish.clone(), profile: None }).collect();
    let Some((profile, how)) = profile else { return Ok(all) };
    let oid = |wish: &TableWish| find(wish, relations, &Place::from(wish)).map(|relation| relation.oid);
    let own: Vec<u32> = wishes.iter().map(oid).collect::<Result<_, _>>()?;
    for table in profile.tables.iter().filter(|table| table.rows.is_some_and(|rows| rows > 0)) {
        let wish = wish_after(how, table, table.name.clone());
        let oid = oid(&wish)?;
        match own.iter().position(|own| *own == oid) {
            Some(at) => all[at].profile = Some(table),
            None => all.push(Wished { wish, profile: Some(table) }),
        }
    }
    Ok(all)
}

/// What must be done for one wish: usually one table, several where others inherit from it, none if it has its rows.
async fn tasks_of<'a>(
    client: &Client,
    wished: &'a Wished<'a>,
    relations: &[Relation],
    notes: &mut Vec<String>,
) -> Result<Vec<Task<'a>>, GrowError> {
    let wish = &wished.wish;
    let place = Place::from(wish);
    let relation = find(wish, relations, &place)?;
    let mut tables = vec![Table::read(client, relation).await?];
    if relation.kind == 'r' {
        for heir in heirs(client, relation).await? {
            if let Some(relation) = relations.iter().find(|relation| relation.oid == heir) {
                tables.push(Table::read(client, relation).await?);
            }
        }
    }
    for table in &mut tables {
        wished::add_references(client, table, wish, relations, &place).await?;
    }
    let counts: Vec<u64> = tables.iter().map(|table| table.rows).collect();
    let total: u64 = counts.iter().sum();
    if total >= wish.rows {
        if total > wish.rows {
            notes.push(format!(
                "{} has {total} rows already, more than the {} wished for; it was left alone",
                wish.name, wish.rows
            ));
        }
        return Ok(Vec::new());
    }
    if tables.len() > 1 {
        notes.push(format!(
            "the new rows of {} were shared out among it and the tables that inherit from it",
            wish.name
        ));
    }
    let shares = shares(&counts, wish.rows - total);
    let task = |(table, add)| Task { table, wish, place: place.clone(), add, profile: wished.profile };
    let tasks: Vec<Task<'_>> = tables.into_iter().zip(shares).filter(|(_, add)| *add > 0).map(task).collect();
    if let Some(empty) = tasks.iter().find(|task| task.table.relation.kind == 'p' && task.table.rows == 0) {
        check_partition_key(empty)?;
    }
    Ok(tasks)
}

/// A partitioned table without rows needs to be told what its partition key may be: no partition may fit a made-up one.
fn check_partition_key(task: &Task<'_>) -> Result<(), GrowError> {
    let said = |name: &String| task.wish.columns.get(name).is_some_and(|c| c.values.is_some() || c.range.is_some());
    match task.table.columns.iter().find(|column| column.partition_key && !said(&column.name)) {
        None => Ok(()),
        Some(column) => Err(GrowError::Column {
            place: task.place.clone(),
            column: ident(&column.name),
            why: "it decides on the partition and there are no rows to follow; give `range` or `values`".into(),
        }),
    }
}

fn find<'a>(wish: &TableWish, relations: &'a [Relation], place: &Place) -> Result<&'a Relation, GrowError> {
    let relation = name::resolve(&wish.name, relations).map_err(|unclear| match unclear {
        Unclear::Malformed => GrowError::Malformed(place.clone()),
        Unclear::Missing(near) => GrowError::NoSuchTable { place: place.clone(), near },
        Unclear::Ambiguous(found) => GrowError::Ambiguous { place: place.clone(), found },
    })?;
    let kind = match relation.kind {
        'v' => "view",
        'm' => "materialized view",
        'f' => "foreign table",
        _ => return Ok(relation),
    };
    Err(GrowError::NotATable { place: place.clone(), kind })
}

/// The tables that inherit from one, directly or not, in order of name.
async fn heirs(client: &Client, relation: &Relation) -> Result<Vec<u32>, GrowError> {
    let sql = "WITH RECURSIVE heirs(oid) AS (
                   SELECT inhrelid FROM pg_inherits WHERE inhparent = $1
                 UNION
                   SELECT i.inhrelid FROM pg_inherits i JOIN heirs h ON i.inhparent = h.oid)
               SELECT h.oid FROM heirs h JOIN pg_class c ON c.oid = h.oid WHERE c.relkind = 'r' ORDER BY h.oid::regclass::text";
    let rows = client.query(sql, &[&relation.oid]).await;
    let rows = rows.map_err(GrowError::reading("which tables inherit"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Shares rows out in proportion to the rows that are there; all go to the first where there are none.
fn shares(counts: &[u64], add: u64) -> Vec<u64> {
    let total: u64 = counts.iter().sum();
    let share =
        |count: &u64| u64::try_from(u128::from(*count) * u128::from(add) / u128::from(total.max(1))).unwrap_or(add);
    let mut shares: Vec<u64> = counts.iter().map(share).collect();
    let rest = add - shares.iter().sum::<u64>();
    let greatest = (0..counts.len()).rev().max_by_key(|at| counts[*at]).unwrap_or(0);
    shares[greatest] += rest;
    shares
}

/// Notes with each foreign key among which keys of its parent the profile's were.
fn note_ranges(tasks: &mut [Task<'_>]) {
    let profiles: Vec<_> = tasks.iter().map(|task| (task.table.relation.oid, task.profile)).collect();
    for key in tasks.iter_mut().flat_map(|task| &mut task.table.foreign) {
        let parent = profiles.iter().find(|(oid, _)| *oid == key.parent).and_then(|(_, profile)| *profile);
        if let (Some(parent), [column]) = (parent, key.parent_columns.as_slice()) {
            key.there = parent.range_of(column);
        }
    }
}

fn order_of(tasks: &[Task<'_>]) -> Vec<Turn> {
    let nullable = |table: &Table, names: &[String]| {
        names.iter().any(|name| table.position(name).is_some_and(|at| !table.columns[at].not_null))
    };
    let node = |task: &Task<'_>| Node {
        oid: task.table.relation.oid,
        has_rows: task.table.rows > 0,
        parents: task.table.foreign.iter().map(|key| (key.parent, nullable(&task.table, &key.columns))).collect(),
    };
    order::order(&tasks.iter().map(node).collect::<Vec<_>>())
}

/// A generator of its own for each table, so that one wish more or less does not change the rows of another, and for each
/// number of rows, so that a table that was grown before does not get the same random values again.
fn generator(seed: u64, table: &Table) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(seed.to_be_bytes());
    hash.update(table.rows.to_be_bytes());
    hash.update(table.relation.sql());
    ChaCha8Rng::from_seed(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_shared_out_as_they_are_and_none_is_lost() {
        for (counts, add, expected) in [
            (vec![0, 10, 30], 40, vec![0, 10, 30]),
            (vec![1, 1, 1], 10, vec![4, 3, 3]),
            (vec![0, 0], 7, vec![7, 0]),
            (vec![5], 1, vec![1]),
        ] {
            assert_eq!(shares(&counts, add), expected, "{counts:?} + {add}");
        }
    }
}
