//! Growing tried with a few rows of each table: everything that cannot be made, told at once.
//!
//! Plans are made for all the rows that are wished for, so that a key without room is found; then up to [`TRIED`] of them are
//! loaded.

use std::collections::BTreeMap;

use mysql_async::{Conn, Opts};

use super::{
    GrowError, Task, generator, load, name, note_ranges, order_of, overrides, planned, prepare, promised, task,
    with_profile,
};
use crate::profile::Profile;
use crate::scenario::{ColumnWish, ProfileWish, TableWish};
use crate::server::DATABASE;
use crate::snapshot::grow::TRIED;
use crate::snapshot::grow::combine::Combinations;

/// Tries to grow tables, and gives all that cannot be made. The database is good for nothing else afterwards.
///
/// # Errors
/// What is the server's failure and not the scenario's.
pub(crate) async fn trial(
    opts: &Opts,
    wishes: &[TableWish],
    profile: Option<(&Profile, &ProfileWish)>,
    seed: u64,
) -> Result<Vec<GrowError>, GrowError> {
    let mut conn = Conn::new(opts.clone()).await.map_err(GrowError::reading("from the server"))?;
    let tried = try_all(&mut conn, opts.db_name().unwrap_or(DATABASE), wishes, profile, seed).await;
    // What the server says to a goodbye changes nothing of what was found.
    let _ = conn.disconnect().await;
    tried
}

async fn try_all(
    conn: &mut Conn,
    database: &str,
    wishes: &[TableWish],
    profile: Option<(&Profile, &ProfileWish)>,
    seed: u64,
) -> Result<Vec<GrowError>, GrowError> {
    let mariadb = prepare(conn).await?;
    let relations = name::relations(conn, database).await?;
    let mut problems = Vec::new();
    let mut tasks: Vec<Task<'_>> = Vec::new();
    let all = match with_profile(wishes, profile, &relations) {
        Ok(all) => all,
        // A table that is not there is told of below, with all others.
        Err(_) => wishes.iter().map(|wish| (wish.clone(), None)).collect(),
    };
    for (wish, profile) in &all {
        match task(conn, wish, *profile, &relations, mariadb, &mut Vec::new()).await {
            Err(error) => problems.push(of_the_scenario(error)?),
            Ok(None) => {}
            Ok(Some(task)) if tasks.iter().any(|other| other.table.relation == task.table.relation) => {
                problems.push(GrowError::Twice(task.place));
            }
            Ok(Some(task)) => tasks.push(task),
        }
    }
    note_ranges(&mut tasks);
    let turns = order_of(&tasks);
    let mut cut = BTreeMap::new();
    let mut failed = Vec::new();
    for (nth, turn) in turns.iter().enumerate() {
        let promised = promised::give(conn, &mut tasks, &turns[nth..], seed).await;
        let task = &mut tasks[turn.at];
        for key in &mut task.table.foreign {
            key.cut = cut.get(&key.parent).copied().unwrap_or(1.0);
        }
        let tried = match promised {
            Ok(()) => one(conn, task, seed).await,
            Err(error) => Err(vec![error]),
        };
        match tried {
            Ok(grown_by) => _ = cut.insert(task.table.relation.number, grown_by),
            Err(found) => {
                failed.push(task.table.relation.shown());
                for error in found {
                    // That a table is empty which could not be grown is no problem of its own.
                    if !matches!(&error, GrowError::ParentEmpty { parent, .. } if failed.contains(parent)) {
                        problems.push(of_the_scenario(error)?);
                    }
                }
            }
        }
    }
    Ok(problems)
}

fn of_the_scenario(error: GrowError) -> Result<GrowError, GrowError> {
    if error.is_the_scenarios() { Ok(error) } else { Err(error) }
}

/// Tries one table, and gives how many times as many rows it shall have as it has now.
async fn one(conn: &mut Conn, task: &Task<'_>, seed: u64) -> Result<f64, Vec<GrowError>> {
    let Task { table, wish, place, add, .. } = task;
    let mut problems = overrides::problems(table, wish, place);
    let mut rng = generator(seed, table);
    for column in &table.columns {
        let meant = |wish: &&ColumnWish| overrides::objection(column, wish).is_none();
        let Some(wish) = wish.columns.get(&column.name).filter(meant) else { continue };
        let wish = ColumnWish { distinct: None, ..wish.clone() };
        problems.extend(overrides::source(conn, column, &wish, None, place, &mut rng).await.err());
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut plan = planned(conn, task, seed).await.map_err(|error| vec![error])?;
    plan.rows = plan.rows.min(TRIED).min(plan.combinations.as_ref().map_or(TRIED, Combinations::free));
    let made = table.rows + plan.rows;
    load::load(conn, table, wish, place, plan, &|_| ()).await.map_err(|error| vec![error])?;
    Ok((table.rows + add) as f64 / made.max(1) as f64)
}
