//! Growing tried with a few rows of each table: everything that cannot be made, told at once.
//!
//! Plans are made for all the rows that are wished for, so that a key without room is found; then up to [`TRIED`] of them are
//! loaded.

use std::collections::BTreeMap;

use tokio_postgres::{Client, Config};

use super::{
    GrowError, Task, Wished, generator, load, name, note_ranges, order_of, overrides, planned, promised, tasks_of,
    with_profile,
};
use crate::profile::Profile;
use crate::scenario::{ColumnWish, ProfileWish, TableWish};
use crate::snapshot::grow::TRIED;
use crate::snapshot::grow::combine::Combinations;

/// Tries to grow tables, and gives all that cannot be made. The database is good for nothing else afterwards.
///
/// # Errors
/// What is the server's failure and not the scenario's.
pub(crate) async fn trial(
    config: &Config,
    client: &mut Client,
    wishes: &[TableWish],
    profile: Option<(&Profile, &ProfileWish)>,
    seed: u64,
) -> Result<Vec<GrowError>, GrowError> {
    let relations = name::relations(client).await?;
    let mut problems = Vec::new();
    let all = match with_profile(wishes, profile, &relations) {
        Ok(all) => all,
        // A name is wrong: each is told of below.
        Err(_) => wishes.iter().map(|wish| Wished { wish: wish.clone(), profile: None }).collect(),
    };
    let mut tasks: Vec<Task<'_>> = Vec::new();
    for wished in &all {
        match tasks_of(client, wished, &relations, &mut Vec::new()).await {
            Err(error) => problems.push(of_the_scenario(error)?),
            Ok(found) => {
                for task in found {
                    if tasks.iter().any(|other| other.table.relation.oid == task.table.relation.oid) {
                        problems.push(GrowError::Twice(task.place));
                    } else {
                        tasks.push(task);
                    }
                }
            }
        }
    }
    note_ranges(&mut tasks);
    let turns = order_of(&tasks);
    let mut cut = BTreeMap::new();
    let mut failed = Vec::new();
    for (nth, turn) in turns.iter().enumerate() {
        let promised = promised::give(client, &mut tasks, &turns[nth..], seed).await;
        let task = &mut tasks[turn.at];
        for key in &mut task.table.foreign {
            key.cut = cut.get(&key.parent).copied().unwrap_or(1.0);
        }
        let (oid, name) = (task.table.relation.oid, task.table.relation.sql());
        let tried = match promised {
            Ok(()) => one(config, client, task, seed).await,
            Err(error) => Err(vec![error]),
        };
        match tried {
            Ok(grown_by) => _ = cut.insert(oid, grown_by),
            Err(found) => {
                failed.push(name);
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
    if matches!(error, GrowError::Read { .. } | GrowError::Garbled { .. }) { Err(error) } else { Ok(error) }
}

/// Tries one table, and gives how many times as many rows it shall have as it has now.
async fn one(config: &Config, client: &mut Client, task: &Task<'_>, seed: u64) -> Result<f64, Vec<GrowError>> {
    let (table, wish, place) = (&task.table, task.wish, &task.place);
    let mut problems = overrides::problems(table, wish, place);
    let mut rng = generator(seed, table);
    for column in &table.columns {
        let meant = |wish: &&ColumnWish| overrides::objection(column, wish).is_none();
        let Some(wish) = wish.columns.get(&column.name).filter(meant) else { continue };
        let wish = ColumnWish { distinct: None, ..wish.clone() };
        problems.extend(overrides::source(client, column, &wish, None, place, &mut rng).await.err());
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut plan = planned(client, task, seed).await.map_err(|error| vec![error])?;
    plan.rows = plan.rows.min(TRIED).min(plan.combinations.as_ref().map_or(TRIED, Combinations::free));
    let made = table.rows + plan.rows;
    load::load(config, client, table, wish, place, plan, &|_| ()).await.map_err(|error| vec![error])?;
    Ok((table.rows + task.add) as f64 / made.max(1) as f64)
}
