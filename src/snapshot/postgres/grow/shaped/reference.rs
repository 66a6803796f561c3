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
use crate::snapshot::grow::numbers::Numbers;
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
    let pointed = match (&own, &numbers) {
        (None, Some(numbers)) => pointed(&kind, &keys, columns.iter().position(|of| *of == at), numbers),
        _ => None,
    };
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
    let keys = Arc::new(keys);
    for (part, at) in columns.iter().enumerate() {
        let (mut commons, mut taken) = (Tuples::new(1), BTreeSet::new());
        for position in &positions {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below the count")]
            let mut nth_key = ((position * count as f64) as u64).min(count - 1);
            // Common ones that stand close together are parents of their own nevertheless.
            while (taken.len() as u64) < count && !taken.insert(nth_key) {
                nth_key = (nth_key + 1) % count;
            }
            if let Some(own) = &own {
                let mut field = BytesMut::new();
                own.put_pick(own.shape.of_rank(nth_key), &mut field);
                commons.push_raw(&field);
            } else {
                commons.push_raw(keys.raw(usize::try_from(nth_key).unwrap_or(0), part));
            }
        }
        let rare = match (&own, &pointed) {
            (Some(own), _) => Rare::Own(Arc::clone(own)),
            (None, Some(pointed)) => {
                let scale = Scale::new(&pointed.bounds, distinct, shape.rare_filled(), false, seed);
                Rare::Pointed(Arc::clone(&keys), part, scale)
            }
            (None, None) => Rare::Listed(Arc::clone(&keys), part),
        };
        let distinct = shape.behind_nulls(distinct);
        let shaped = Shaped { shape: Arc::clone(&shape), commons, distinct, rare, rows: draft.rows };
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

/// Numbers of a profile as places in the list of a parent's keys, which is in their order; `None` if they are no whole numbers.
fn pointed(kind: &Kind, keys: &Tuples, part: Option<usize>, numbers: &Numbers) -> Option<Numbers> {
    let values: Vec<i64> = (0..keys.len()).map(|at| whole(kind, keys.value(at, part?)?)).collect::<Option<_>>()?;
    numbers.places_in(&values)
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
