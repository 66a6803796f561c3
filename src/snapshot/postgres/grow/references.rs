//! How new rows keep a table's foreign keys: as the sampled row has them, or drawn anew from the parent's keys.
//!
//! Sampled references are kept, with their skew, as long as they reach a fair part of the parents. Where the parent has
//! far more rows than the sample refers to (because it was grown as well), they are drawn evenly from all of its keys.
//! Limit: foreign keys that share a column (a tenant, say) are not drawn anew where there are rows, since all of them must fit one
//! another; new rows keep to the parents that the existing rows have.

use std::collections::HashSet;

use super::error::GrowError;
use super::keys::{Combined, Keeping};
use super::kind::Kind;
use super::name::quote;
use super::plan::Draft;
use super::promised;
use super::shared;
use super::source::{Draw, Over, Source, Weights};
use super::table::{Foreign, Table};
use super::tuples::{self, Tuples};
use crate::scenario::ColumnWish;
use crate::snapshot::grow::combine::{Combinations, hash};
use crate::sql::postgres::quote::ident;

/// A parent with more keys than this times those in the sample has its references drawn anew.
const REACH: u64 = 2;

/// Settles the columns of foreign keys, and of a unique key that is made of them.
pub(crate) async fn settle(draft: &mut Draft<'_>, keeping: &Keeping) -> Result<(), GrowError> {
    if let Some(combined) = &keeping.combined {
        combine(draft, combined).await?;
    }
    let combined = keeping.combined.iter().flat_map(|combined| &combined.foreign);
    let mut held: Vec<usize> = combined.copied().collect();
    for at in in_order(&draft.table.foreign) {
        let key = draft.table.foreign[at].clone();
        let columns = positions(draft, &key);
        let settled = columns.iter().filter(|column| draft.sources[**column].is_some()).count();
        if is_given(draft, &columns) || held.contains(&at) {
            continue;
        }
        // After a profile: its values are keys of the parent.
        if columns.iter().all(|column| matches!(draft.sources[*column], Some(Source::Shaped(_)))) {
            held.push(at);
            continue;
        }
        if columns.iter().all(|column| draft.sample_at[*column].is_some()) {
            if settled == 0 && should_redraw(draft, &key, &columns).await? {
                redraw(draft, &key, &columns).await?;
                held.push(at);
            }
        } else {
            fill_empty(draft, &key, &columns, keeping).await?;
            held.push(at);
        }
    }
    draft.held = held;
    Ok(())
}

/// The places of foreign keys in the order in which they are settled: of those that share columns, one of more columns first, since
/// its parent's keys mostly hold for the other as well.
fn in_order(keys: &[Foreign]) -> Vec<usize> {
    let mut left: Vec<usize> = (0..keys.len()).collect();
    let mut order = Vec::new();
    while !left.is_empty() {
        let waits = |at: usize| {
            let (own, shares) =
                (&keys[at].columns, |other: &Foreign| other.columns.iter().any(|c| keys[at].columns.contains(c)));
            left.iter().any(|other| keys[*other].columns.len() > own.len() && shares(&keys[*other]))
        };
        let next = left.iter().position(|at| !waits(*at)).unwrap_or(0);
        order.push(left.remove(next));
    }
    order
}

/// Checks that each foreign key's columns come from one place: one row of the sample, or one key of a parent.
pub(crate) fn check(draft: &Draft<'_>) -> Result<(), GrowError> {
    for (at, key) in draft.table.foreign.iter().enumerate() {
        let origin = |at: &usize| match draft.sources[*at] {
            Some(Source::Drawn { draw, .. }) => Some(draw),
            _ => None,
        };
        if is_own(draft, key) || draft.held.contains(&at) {
            continue;
        }
        let columns = positions(draft, key);
        let is_null = columns.iter().any(|at| matches!(draft.sources[*at], Some(Source::Null)));
        if !is_null && columns.iter().any(|at| origin(at) != origin(&columns[0])) {
            return Err(tangled(draft, key));
        }
    }
    Ok(())
}

/// Whether the scenario itself says what is in one of the columns.
fn is_given(draft: &Draft<'_>, columns: &[usize]) -> bool {
    let given = |at: &usize| draft.wish_of(*at).is_some_and(|wish| wish.values.is_some() || wish.range.is_some());
    columns.iter().any(given)
}

/// The other foreign keys that have columns of this one.
pub(crate) fn sharing<'a>(table: &'a Table, key: &Foreign) -> impl Iterator<Item = &'a Foreign> {
    let has = |other: &&Foreign| other.columns.iter().any(|column| key.columns.contains(column));
    table.foreign.iter().filter(|other| other.name != key.name).filter(has)
}

pub(crate) fn positions(draft: &Draft<'_>, key: &Foreign) -> Vec<usize> {
    key.columns.iter().filter_map(|name| draft.table.position(name)).collect()
}

pub(crate) fn tangled(draft: &Draft<'_>, key: &Foreign) -> GrowError {
    GrowError::Key {
        place: draft.place.clone(),
        key: key.name.clone(),
        why: format!(
            "({}) shares a column with another key, and no keys of both parents fit each other; put a few rows into \
             the restored dump, whose references are then followed",
            key.columns.join(", ")
        ),
    }
}

/// Whether the scenario says what the references shall be like.
fn is_redrawn(wish: &ColumnWish) -> bool {
    wish.distinct.is_some() || wish.references.is_some() || wish.distribution.is_some()
}

/// Whether the references of the sample reach too few of the parent's rows.
async fn should_redraw(draft: &Draft<'_>, key: &Foreign, columns: &[usize]) -> Result<bool, GrowError> {
    if columns.iter().any(|at| draft.wish_of(*at).is_some_and(is_redrawn)) {
        return Ok(true);
    }
    if key.parent == draft.table.relation.oid || sharing(draft.table, key).next().is_some() {
        return Ok(false);
    }
    let sample = &draft.world.sample;
    let places: Vec<usize> = columns.iter().filter_map(|at| draft.sample_at[*at]).collect();
    let reached: HashSet<u64> = (0..sample.len())
        .filter(|row| places.iter().all(|place| sample.value(*row, *place).is_some()))
        .map(|row| hash(places.iter().map(|place| sample.raw(row, *place))))
        .collect();
    let what = format!("the number of rows of {}", key.parent_sql);
    let count = draft.client.query_one(&format!("SELECT count(*) FROM {}", key.parent_sql), &[]).await;
    let count: i64 = count.map_err(GrowError::reading(&what))?.get(0);
    Ok(!reached.is_empty() && u64::try_from(count).unwrap_or(0) > REACH * reached.len() as u64)
}

async fn redraw(draft: &mut Draft<'_>, key: &Foreign, columns: &[usize]) -> Result<(), GrowError> {
    let null_given = columns.iter().any(|at| draft.wish_of(*at).is_some_and(|wish| wish.null_fraction.is_some()));
    let null_with = if null_given { None } else { columns.first().and_then(|at| draft.sample_at[*at]) };
    let keys = parent_keys(draft, key, columns).await?;
    draw(draft, keys, columns, null_with);
    Ok(())
}

/// Settles a foreign key of a table without rows.
async fn fill_empty(
    draft: &mut Draft<'_>,
    key: &Foreign,
    columns: &[usize],
    keeping: &Keeping,
) -> Result<(), GrowError> {
    let nullable = columns.iter().find(|at| !draft.table.columns[**at].not_null && draft.sources[**at].is_none());
    if key.parent == draft.table.relation.oid {
        // Settled by [`settle_own`], so that nothing else settles it before.
        for (own, _) in apart(draft, key) {
            draft.sources[own].get_or_insert(Source::Null);
        }
        return Ok(());
    }
    if columns.iter().any(|at| draft.sources[*at].is_some()) {
        if shared::settle(draft, key, columns, keeping).await? {
            return Ok(());
        }
        // A single NULL in it frees a row from a foreign key (MATCH SIMPLE, the default).
        let nullable = *nullable.ok_or_else(|| tangled(draft, key))?;
        leave_null(draft, key, nullable, "shares a column with another key");
        return Ok(());
    }
    let keys = parent_keys(draft, key, columns).await?;
    match nullable {
        _ if keys.len() > 0 => draw(draft, keys, columns, None),
        Some(nullable) => leave_null(draft, key, *nullable, "refers to a table without rows"),
        None => return Err(parent_empty(draft, key)),
    }
    Ok(())
}

/// Whether a key of a table without rows refers to the table itself.
fn is_own(draft: &Draft<'_>, key: &Foreign) -> bool {
    key.parent == draft.table.relation.oid && draft.world.sample.len() == 0
}

/// The columns in which a row of a key to the table itself differs from the row that it refers to, each with the one
/// it refers to.
fn apart(draft: &Draft<'_>, key: &Foreign) -> Vec<(usize, usize)> {
    let parents = key.parent_columns.iter().filter_map(|name| draft.table.position(name));
    positions(draft, key).into_iter().zip(parents).filter(|(own, parent)| own != parent).collect()
}

/// Settles the keys of a table without rows to the table itself, once it is known how its numbers count.
pub(crate) fn settle_own(draft: &mut Draft<'_>) -> Result<(), GrowError> {
    for at in 0..draft.table.foreign.len() {
        let key = draft.table.foreign[at].clone();
        let columns = positions(draft, &key);
        if !is_own(draft, &key) || is_given(draft, &columns) {
            continue;
        }
        let left_open = |at: &&usize| matches!(draft.sources[**at], None | Some(Source::Null));
        let nullable = columns.iter().filter(left_open).find(|at| !draft.table.columns[**at].not_null).copied();
        let counted = match apart(draft, &key)[..] {
            [(own, parent)] => match draft.sources[parent] {
                Some(Source::Count { start, step, over, .. }) => Some((own, start, step, over)),
                _ => None,
            },
            _ => None,
        };
        let kind = |at: usize| draft.table.columns[at].kind.clone();
        match (counted, nullable) {
            // A number of an earlier lap has been there with all that the row's other columns can be.
            (Some((own, start, step, over)), _) if columns.len() == 1 || over == Over::Laps => {
                let first_is_null = nullable.is_some();
                draft.sources[own] = Some(Source::Earlier { kind: kind(own), start, step, over, first_is_null });
            }
            (_, Some(nullable)) => leave_null(draft, &key, nullable, "refers to the table itself, which has no rows"),
            // Of an earlier row the other columns are not known: each row refers to itself.
            (Some((own, start, step, over)), None) => {
                draft.sources[own] = Some(Source::Count { kind: kind(own), start, step, over });
            }
            (None, None) => {
                let why = "it refers to the table itself, which has no row to begin with; put a first row into the \
                           restored dump";
                return Err(GrowError::Key { place: draft.place.clone(), key: key.name, why: why.into() });
            }
        }
    }
    Ok(())
}

/// Leaves a column of a key NULL in all rows, and notes it.
fn leave_null(draft: &mut Draft<'_>, key: &Foreign, at: usize, why: &str) {
    draft.sources[at] = Some(Source::Null);
    draft.notes.push(format!(
        "{} of {} is NULL in all new rows: foreign key {} {why}",
        ident(&draft.table.columns[at].name),
        draft.place.table,
        key.name
    ));
}

fn parent_empty(draft: &Draft<'_>, key: &Foreign) -> GrowError {
    GrowError::ParentEmpty {
        place: draft.place.clone(),
        key: key.name.clone(),
        parent: key.parent_sql.trim_start_matches("ONLY ").to_owned(),
    }
}

fn draw(draft: &mut Draft<'_>, keys: Tuples, columns: &[usize], null_with: Option<usize>) {
    let distinct = columns.iter().filter_map(|at| draft.wish_of(*at).and_then(|wish| wish.distinct)).min();
    let used = keys.len().min(distinct.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX)));
    let draw = draft.world.draws.len();
    let distribution = columns.iter().find_map(|at| draft.wish_of(*at)?.distribution);
    let weights = Weights::of(distribution, used);
    draft.world.draws.push(Draw { keys, used, null_with, weights, within: None });
    for (part, at) in columns.iter().enumerate() {
        draft.sources[*at] = Some(Source::Drawn { draw, part });
    }
}

/// A parent's keys, in the types of the columns that refer to them.
pub(crate) async fn parent_keys(draft: &Draft<'_>, key: &Foreign, columns: &[usize]) -> Result<Tuples, GrowError> {
    if let (Some(promised), [column]) = (&key.promised, columns) {
        return Ok(promised::tuples(&draft.table.columns[*column].kind, promised));
    }
    let names: Vec<String> = key.parent_columns.iter().map(|name| quote(name)).collect();
    let cast = names.iter().zip(columns).map(|(name, at)| format!("{name}::{}", draft.table.columns[*at].declared));
    let whole = names.iter().map(|name| format!("{name} IS NOT NULL"));
    let query = format!(
        "SELECT {} FROM {} WHERE {} ORDER BY {}",
        cast.collect::<Vec<_>>().join(", "),
        key.parent_sql,
        whole.collect::<Vec<_>>().join(" AND "),
        names.join(", "),
    );
    tuples::read(draft.client, &format!("the keys of {}", key.parent_sql), &query, columns.len()).await
}

/// Settles a unique key whose columns are combined.
async fn combine(draft: &mut Draft<'_>, combined: &Combined) -> Result<(), GrowError> {
    let first = draft.world.draws.len();
    let mut columns = Vec::new();
    for at in &combined.foreign {
        let key = draft.table.foreign[*at].clone();
        let places = positions(draft, &key);
        let keys = parent_keys(draft, &key, &places).await?;
        if keys.len() == 0 {
            return Err(parent_empty(draft, &key));
        }
        draw(draft, keys, &places, None);
        columns.extend(places);
    }
    for at in &combined.finite {
        let values = finite_values(draft, *at).await?;
        draw(draft, values, &[*at], None);
        columns.push(*at);
    }
    let draws = (first..draft.world.draws.len()).collect();
    // Rows that a counter goes past cannot be met again.
    let taken = if combined.counter.is_some() { HashSet::new() } else { taken(draft, &columns).await? };
    let combinations = Combinations::new(draws, &draft.world.draws, taken, &mut draft.rng);
    let cut: f64 = combined.foreign.iter().map(|at| draft.table.foreign[*at].cut).product();
    let room = combinations.free() as f64 * cut;
    if combined.counter.is_none() && room < draft.rows as f64 {
        return Err(GrowError::Key {
            place: draft.place.clone(),
            key: combined.key.clone(),
            why: format!(
                "it has room for {room:.0} more rows, every combination of its values counted, and {} more are wished; grow the \
                 tables it refers to, or wish for fewer",
                draft.rows
            ),
        });
    }
    if let Some(at) = columns.iter().find(|at| draft.wish_of(**at).is_some_and(|wish| wish.distribution.is_some())) {
        let why = format!(
            "unique key {} takes each combination once, whatever `distribution` says; leave it out",
            combined.key
        );
        return Err(draft.column_error(*at, why));
    }
    draft.combinations = Some(combinations);
    Ok(())
}

/// The combinations that existing rows have.
async fn taken(draft: &Draft<'_>, columns: &[usize]) -> Result<HashSet<u64>, GrowError> {
    let names: Vec<String> = columns.iter().map(|at| quote(&draft.table.columns[*at].name)).collect();
    let query = format!("SELECT {} FROM {}", names.join(", "), draft.table.read_sql());
    let rows = tuples::read(draft.client, "the rows' unique keys", &query, columns.len()).await?;
    let raw = |row: usize| (0..columns.len()).map(|column| rows.raw(row, column)).collect::<Vec<_>>();
    Ok((0..rows.len()).map(|row| hash(raw(row).into_iter())).collect())
}

/// All values of a column that has only a few.
async fn finite_values(draft: &Draft<'_>, at: usize) -> Result<Tuples, GrowError> {
    let column = &draft.table.columns[at];
    if let Some(values) = draft.wish_of(at).and_then(|wish| wish.values.as_ref()) {
        return super::overrides::from_texts(draft.client, column, values, draft.place).await;
    }
    let mut tuples = Tuples::new(1);
    match &column.kind {
        Kind::Enum(labels) => labels.iter().for_each(|label| tuples.push(Some(label.as_bytes()))),
        _ => [0_u8, 1].iter().for_each(|value| tuples.push(Some(&[*value]))),
    }
    Ok(tuples)
}
