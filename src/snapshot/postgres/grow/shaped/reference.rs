//! Foreign keys of a table that is made after a profile.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::BytesMut;

use super::super::error::GrowError;
use super::super::kind::Kind;
use super::super::maker::Maker;
use super::super::plan::Draft;
use super::super::references;
use super::super::source::Source;
use super::super::table::Foreign;
use super::super::tuples::Tuples;
use super::units;
use super::{Pattern, Rare, Shaped, distinct, likely, positions, profile_of, seed_of, shape};
use crate::snapshot::grow::scale::Scale;

/// Settles a foreign key: its rows refer to as many parents as in the profile, as unevenly, in the same order.
pub(super) async fn settle(
    draft: &mut Draft<'_>,
    key: &Foreign,
    columns: &[usize],
    pattern: &Pattern<'_>,
) -> Result<(), GrowError> {
    // Of a key of several columns, that with the most different values says most.
    let known = columns.iter().filter_map(|at| profile_of(pattern, &draft.table.columns[*at]).map(|p| (*at, p)));
    let most = known.max_by_key(|(_, profile)| distinct(profile, draft.rows));
    let Some((at, profile)) = most else { return Ok(()) };
    let column = &draft.table.columns[at];
    let own = own_key(draft, key);
    let keys = if key.parent == draft.table.relation.oid {
        Tuples::new(columns.len())
    } else {
        references::parent_keys(draft, key, columns).await?
    };
    let count = if own.is_some() { draft.rows } else { keys.len() as u64 };
    if count == 0 {
        return Ok(());
    }
    let kind = units::kind_of(&column.kind, profile);
    let numbers = if Maker::can_range(&kind) {
        units::numbers(draft.client, column, &kind, profile, draft.place).await?
    } else {
        None
    };
    let seed = seed_of(pattern, &column.name);
    let part = columns.iter().position(|of| *of == at);
    let whole = |row: usize| whole(&kind, keys.value(row, part?)?);
    let listed: Option<Vec<i64>> = (0..keys.len()).map(whole).collect();
    let listed = listed.filter(|_| own.is_none());
    let places = |listed: &Option<Vec<i64>>| numbers.as_ref()?.places_in(listed.as_ref()?, key.there);
    let pointed = places(&listed);
    let profile = &likely(profile, pointed.as_ref().map(|pointed| pointed.bounds.as_slice()), pattern);
    let positions = match &pointed {
        Some(pointed) if pointed.commons.len() == profile.frequencies.len() => {
            pointed.commons.iter().map(|at| *at as f64 / count as f64).collect()
        }
        _ => positions(profile, numbers.as_ref(), seed),
    };
    let nullable = columns.iter().any(|at| !draft.table.columns[*at].not_null);
    let nulls = if nullable { profile.null_fraction } else { 0.0 };
    let shape = Arc::new(shape(profile, nulls, &positions, draft.rows, seed));
    // Where nearly every parent had children, every parent has some.
    let distinct = distinct(profile, draft.rows).saturating_sub(profile.frequencies.len() as u64).clamp(1, count);
    let commons: Vec<u64> = {
        let mut taken = BTreeSet::new();
        let free = |position: &f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below the count")]
            let mut nth_key = ((position * count as f64) as u64).min(count - 1);
            // Common ones that stand close together are parents of their own nevertheless.
            while (taken.len() as u64) < count && !taken.insert(nth_key) {
                nth_key = (nth_key + 1) % count;
            }
            nth_key
        };
        positions.iter().map(free).collect()
    };
    // The others are none of them, if there are any.
    let (others, pointed) = if own.is_none() && (commons.len() as u64) < count {
        let (others, rows) = keys.without(&commons);
        (others, places(&listed.as_ref().map(|listed| rows.iter().map(|row| listed[*row]).collect())))
    } else {
        (keys.clone(), pointed)
    };
    let others = Arc::new(others);
    for (part, at) in columns.iter().enumerate() {
        let mut values = Tuples::new(1);
        for nth_key in &commons {
            if let Some(own) = &own {
                let mut field = BytesMut::new();
                own.put_pick(own.shape.of_rank(*nth_key), &mut field);
                values.push_raw(&field);
            } else {
                values.push_raw(keys.raw(usize::try_from(*nth_key).unwrap_or(0), part));
            }
        }
        let rare = match (&own, &pointed) {
            (Some(own), _) => Rare::Own(Arc::clone(own)),
            (None, Some(pointed)) => {
                let scale = Scale::new(&pointed.bounds, distinct, shape.rare_filled(), false, seed);
                Rare::Pointed(Arc::clone(&others), part, scale)
            }
            (None, None) => Rare::Listed(Arc::clone(&others), part),
        };
        let distinct = shape.behind_nulls(distinct);
        let shaped = Shaped { shape: Arc::clone(&shape), commons: values, distinct, rare, rows: draft.rows };
        draft.sources[*at] = Some(Source::Shaped(Arc::new(shaped)));
    }
    Ok(())
}

/// For a key that refers to its own table: what makes the column that it refers to, if each row has another one.
fn own_key(draft: &Draft<'_>, key: &Foreign) -> Option<Arc<Shaped>> {
    let [parent] = key.parent_columns.as_slice() else { return None };
    if key.parent != draft.table.relation.oid {
        return None;
    }
    match &draft.sources[draft.table.position(parent)?] {
        Some(Source::Shaped(shaped)) if shaped.shape.rare() == draft.rows => Some(Arc::clone(shaped)),
        _ => None,
    }
}

/// A whole number from its binary form.
fn whole(kind: &Kind, bytes: &[u8]) -> Option<i64> {
    match kind {
        Kind::Int2 => bytes.try_into().ok().map(|bytes| i64::from(i16::from_be_bytes(bytes))),
        Kind::Int4 => bytes.try_into().ok().map(|bytes| i64::from(i32::from_be_bytes(bytes))),
        Kind::Int8 => bytes.try_into().ok().map(i64::from_be_bytes),
        _ => None,
    }
}
