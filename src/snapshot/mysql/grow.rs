//! Growing tables of a restored schema to a wished number of rows, on MySQL and MariaDB.
//!
//! Rows that are there are sampled and followed as whole rows; a table without rows is filled by type. Unique keys and
//! foreign keys hold, AUTO_INCREMENT goes on behind the last number, and the same seed on the same data makes the same rows.
//!
//! Limits: a key made of foreign keys is checked against all parents' keys in memory (about 20 bytes for each); unique keys on
//! expressions and on generated columns are left to the server to refuse, and so are CHECK constraints that no made-up value
//! is seen to keep. Of geometries, points alone are made up. Rows come in the order of
//! the primary key where that counts on, which is the order that the server is fastest in.

mod ask;
mod checks;
mod error;
mod field;
mod indexes;
mod keys;
mod kind;
mod load;
mod maker;
mod name;
mod overrides;
mod plan;
mod promised;
mod references;
mod rows;
mod sample;
mod shaped;
mod shared;
mod source;
mod table;
mod trial;
mod triggers;
mod vary;
mod wished;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use sha2::{Digest, Sha256};

pub use error::{GrowError, Place};
pub(crate) use kind::{Kind, TypeRow};
pub(crate) use trial::trial;

use crate::profile::{Profile, TableProfile};
use crate::scenario::{ProfileWish, TableWish};
use crate::server::DATABASE;
use crate::snapshot::Listen;
use crate::snapshot::grow::order::{self, Node, Turn};
use crate::snapshot::grow::{Grown, wish_after};
use crate::sql::mysql::name::quote;
use name::{Relation, Unclear};
use plan::Plan;
use shaped::Pattern;
use table::Table;

/// Strict, so that no value is changed in silence, but open for what restored rows may have: zero dates, and 0 in an
/// AUTO_INCREMENT column.
const SQL_MODE: &str = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'";

/// A table that gets rows, and why.
struct Task<'a> {
    table: Table,
    wish: TableWish,
    profile: Option<&'a TableProfile>,
    place: Place,
    add: u64,
}

/// Brings each table to the rows that are wished for it, and says what a reader should know of it.
///
/// `opts` must be a superuser's, and name the database to grow; the server must run with `local_infile = ON`. Tables grow one
/// after another, parents first. A table that has more rows already is left alone, and a note says so. Every table of a profile
/// is wished for with its rows there, times the scale; a wish for it in the scenario goes before that.
pub async fn grow(
    opts: &Opts,
    wishes: &[TableWish],
    profile: Option<(&Profile, &ProfileWish)>,
    seed: u64,
    listen: Listen<'_>,
) -> Result<Grown, GrowError> {
    let mut conn = Conn::new(opts.clone()).await.map_err(GrowError::reading("from the server"))?;
    let database = opts.db_name().unwrap_or(DATABASE);
    let grown = grow_all(&mut conn, database, wishes, profile, seed, listen).await;
    // What the server says to a goodbye changes nothing of what was done.
    let _ = conn.disconnect().await;
    grown
}

async fn grow_all(
    conn: &mut Conn,
    database: &str,
    wishes: &[TableWish],
    profile: Option<(&Profile, &ProfileWish)>,
    seed: u64,
    listen: Listen<'_>,
) -> Result<Grown, GrowError> {
    let mariadb = prepare(conn).await?;
    let relations = name::relations(conn, database).await?;
    let mut grown = Grown::default();
    let mut tasks: Vec<Task<'_>> = Vec::new();
    for (wish, profile) in &with_profile(wishes, profile, &relations)? {
        let task = task(conn, wish, *profile, &relations, mariadb, &mut grown.notes).await?;
        let Some(task) = task else { continue };
        if tasks.iter().any(|other| other.table.relation == task.table.relation) {
            return Err(GrowError::Twice(task.place));
        }
        tasks.push(task);
    }
    note_ranges(&mut tasks);
    let turns = order_of(&tasks);
    for (nth, turn) in turns.iter().enumerate() {
        promised::give(conn, &mut tasks, &turns[nth..], seed).await?;
        let task = &tasks[turn.at];
        let mut plan = planned(conn, task, seed).await?;
        grown.notes.append(&mut plan.notes);
        load::load(conn, &task.table, &task.wish, &task.place, plan, listen).await?;
        grown.tables.push((task.table.relation.name.clone(), task.profile.is_some()));
    }
    promised::check(conn, &tasks, &turns).await?;
    Ok(grown)
}

/// Plans the rows of a table.
async fn planned(conn: &mut Conn, task: &Task<'_>, seed: u64) -> Result<Plan, GrowError> {
    let mut rng = generator(seed, &task.table);
    let pattern = task.profile.map(|profile| Pattern { profile, seed: rng.random() });
    plan::plan(conn, &task.table, &task.wish, &task.place, task.add, pattern.as_ref(), rng).await
}

/// The wishes of the scenario, each with what the profile knows of its table, and for every other table of the profile that had
/// rows one more.
fn with_profile<'a>(
    wishes: &[TableWish],
    profile: Option<(&'a Profile, &ProfileWish)>,
    relations: &[Relation],
) -> Result<Vec<(TableWish, Option<&'a TableProfile>)>, GrowError> {
    let mut all: Vec<(TableWish, Option<&TableProfile>)> = wishes.iter().map(|wish| (wish.clone(), None)).collect();
    let Some((profile, how)) = profile else { return Ok(all) };
    let number = |wish: &TableWish| find(wish, relations, &Place::from(wish)).map(|relation| relation.number);
    let own: Vec<u32> = wishes.iter().map(number).collect::<Result<_, _>>()?;
    for table in profile.tables.iter().filter(|table| table.rows.is_some_and(|rows| rows > 0)) {
        let wish = wish_after(how, table, quote(&table.name));
        let number = number(&wish)?;
        match own.iter().position(|own| *own == number) {
            Some(at) => all[at].1 = Some(table),
            None => all.push((wish, Some(table))),
        }
    }
    Ok(all)
}

/// Sets the session for reading and filling, and says whether this is MariaDB.
async fn prepare(conn: &mut Conn) -> Result<bool, GrowError> {
    let failed = GrowError::reading("what the server says to the settings of the session");
    let version = ask::one(conn, "the server's version", "SELECT VERSION()").await?.unwrap_or_default();
    let mariadb = version.contains("MariaDB");
    // UTC has no hours that a clock change leaves out, which TIMESTAMP columns would refuse.
    let settings =
        "SET @rehearsal_sql_mode = @@sql_mode, SESSION time_zone = '+00:00', foreign_key_checks = 0, sql_log_bin = 0";
    conn.query_drop("SET NAMES utf8mb4").await.map_err(&failed)?;
    conn.query_drop(settings).await.map_err(&failed)?;
    conn.query_drop(SQL_MODE).await.map_err(&failed)?;
    if !mariadb {
        // Catalogs as they are, not as they were a day ago; more memory for making indexes again.
        let settings = "SET SESSION information_schema_stats_expiry = 0, innodb_ddl_buffer_size = 134217728";
        conn.query_drop(settings).await.map_err(&failed)?;
    }
    Ok(mariadb)
}

/// What must be done for one wish; `None` if its table has its rows.
async fn task<'a>(
    conn: &mut Conn,
    wish: &TableWish,
    profile: Option<&'a TableProfile>,
    relations: &[Relation],
    mariadb: bool,
    notes: &mut Vec<String>,
) -> Result<Option<Task<'a>>, GrowError> {
    let place = Place::from(wish);
    let mut table = Table::read(conn, find(wish, relations, &place)?, relations, mariadb).await?;
    if table.rows >= wish.rows {
        if table.rows > wish.rows {
            notes.push(format!(
                "{} has {} rows already, more than the {} wished for; it was left alone",
                wish.name, table.rows, wish.rows
            ));
        }
        return Ok(None);
    }
    let add = wish.rows - table.rows;
    let wish = named_as_kept(wish, &table);
    wished::add_references(conn, &mut table, &wish, relations, &place).await?;
    let task = Task { table, wish, profile, place, add };
    if task.table.rows == 0 {
        check_partition_key(&task)?;
    }
    Ok(Some(task))
}

/// The wish with its columns named as the table has them, where case alone differs.
fn named_as_kept(wish: &TableWish, table: &Table) -> TableWish {
    let kept = |name: &String| table.position(name).map_or(name.clone(), |at| table.columns[at].name.clone());
    TableWish {
        columns: wish.columns.iter().map(|(name, column)| (kept(name), column.clone())).collect(),
        ..wish.clone()
    }
}

/// A table in ranges or lists without rows needs to be told what its partition key may be: no partition may fit a made-up one.
fn check_partition_key(task: &Task<'_>) -> Result<(), GrowError> {
    let said = |name: &String| task.wish.columns.get(name).is_some_and(|c| c.values.is_some() || c.range.is_some());
    match task.table.columns.iter().find(|column| column.partition_key && !said(&column.name)) {
        None => Ok(()),
        Some(column) => Err(GrowError::Column {
            place: task.place.clone(),
            column: column.name.clone(),
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
    match relation.kind.as_str() {
        "BASE TABLE" | "SYSTEM VERSIONED" => Ok(relation),
        kind => Err(GrowError::NotATable { place: place.clone(), kind: kind.to_lowercase() }),
    }
}

/// Notes with each foreign key among which keys of its parent the profile's were.
fn note_ranges(tasks: &mut [Task<'_>]) {
    let profiles: Vec<_> = tasks.iter().map(|task| (task.table.relation.number, task.profile)).collect();
    for key in tasks.iter_mut().flat_map(|task| &mut task.table.foreign) {
        let parent = profiles.iter().find(|(number, _)| *number == key.parent).and_then(|(_, profile)| *profile);
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
        oid: task.table.relation.number,
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
    hash.update(table.relation.shown());
    ChaCha8Rng::from_seed(hash.finalize().into())
}
