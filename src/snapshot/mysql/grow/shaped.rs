//! Columns that are made after a profile: as many NULLs, the same skew and widths, and references that hold.
//!
//! A value is a function of the seed and the row's number. Limits: how values lie along the rows is not in MySQL's statistics, so
//! they lie at random; unique keys are kept as for tables without a profile.

use std::sync::Arc;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::error::GrowError;
use super::keys::Keeping;
use super::kind::Kind;
use super::maker::{Maker, write_uuid};
use super::plan::Draft;
use super::references;
use super::source::Source;
use super::table::{Column, Foreign};
use crate::profile::{ColumnProfile, TableProfile};
use crate::snapshot::grow::numbers::Numbers;
use crate::snapshot::grow::phrase::{self, Phrases};
use crate::snapshot::grow::scale::Scale;
use crate::snapshot::grow::shape::{Common, Pick, Shape, nth};
use crate::snapshot::grow::shuffle::mix;
use crate::snapshot::grow::tuples::Tuples;

mod units;

/// After what a table is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pattern<'a> {
    pub(crate) profile: &'a TableProfile,
    pub(crate) seed: u64,
}

/// A column of a table that is made after a profile.
#[derive(Debug)]
pub(crate) struct Shaped {
    shape: Shape,
    /// The most common values.
    commons: Vec<Vec<u8>>,
    /// How many different other values there are.
    distinct: u64,
    rare: Rare,
}

/// Where values come from that are not among the most common.
#[derive(Debug)]
enum Rare {
    Numbers(Kind, Scale),
    Text(Kind, Phrases),
    /// Some of a list.
    Listed(Arc<Tuples>),
    /// Those of a list that a scale points at.
    Pointed(Arc<Tuples>, Scale),
    Uuid(u64),
    /// Whatever can be made of a kind, the same for the same number.
    Made(Maker, u64),
}

impl Shaped {
    /// Writes the value of a row; `false` is NULL.
    pub(crate) fn write(&self, row: u64, out: &mut Vec<u8>) -> bool {
        let rank = match self.shape.pick(row) {
            Pick::Null => return false,
            Pick::Common(common) => {
                out.extend_from_slice(&self.commons[common]);
                return true;
            }
            Pick::Rare(rank) => rank,
        };
        let number = nth(rank, self.shape.rare(), self.distinct);
        match &self.rare {
            Rare::Numbers(kind, scale) => units::write(kind, scale.number(rank, self.shape.rare()), out),
            Rare::Text(kind, phrases) => write_text(kind, out, |text| phrases.put(number, text)),
            Rare::Listed(list) => return write_listed(list, nth(number, self.distinct, list.len() as u64), out),
            Rare::Pointed(list, scale) => {
                let at = scale.number(rank, self.shape.rare());
                return write_listed(list, u64::try_from(at).unwrap_or(0), out);
            }
            Rare::Uuid(seed) => write_uuid(&mut ChaCha8Rng::seed_from_u64(mix(*seed, number)), out),
            Rare::Made(maker, seed) => maker.write(&mut ChaCha8Rng::seed_from_u64(mix(*seed, number)), out),
        }
        true
    }
}

fn write_listed(list: &Tuples, at: u64, out: &mut Vec<u8>) -> bool {
    let at = usize::try_from(at).unwrap_or(0).min(list.len().saturating_sub(1));
    let value = list.value(at, 0);
    out.extend_from_slice(value.unwrap_or_default());
    value.is_some()
}

fn write_text(kind: &Kind, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    if *kind == Kind::Json {
        out.extend_from_slice(b"{\"v\": \"");
        write(out);
        out.extend_from_slice(b"\"}");
    } else {
        write(out);
    }
}

/// Bytes that a JSON value takes beside its text, as it is stored (json_binary.h).
fn ornament(kind: &Kind) -> f64 {
    if *kind == Kind::Json { 14.0 } else { 0.0 }
}

/// Settles every column that the profile knows and nothing else has a say in. A note names those that could not be made after it.
pub(crate) async fn settle(draft: &mut Draft<'_>, keeping: &Keeping, pattern: &Pattern<'_>) -> Result<(), GrowError> {
    let kept = kept_columns(draft, keeping);
    let open = |draft: &Draft<'_>, at: usize| {
        draft.sources[at].is_none() && draft.wish_of(at).is_none() && !kept.contains(&at)
    };
    for at in 0..draft.table.columns.len() {
        if open(draft, at) && !draft.table.is_foreign(&draft.table.columns[at].name) {
            draft.sources[at] = plain(draft, at, pattern).map(|shaped| Source::Shaped(Arc::new(shaped)));
        }
    }
    for key in draft.table.foreign.clone() {
        if let [at] = references::positions(draft, &key).as_slice()
            && open(draft, *at)
            && references::sharing(draft.table, &key).all(|other| other.parent == draft.table.relation.number)
        {
            reference(draft, &key, *at, pattern).await?;
        }
    }
    let left: Vec<String> = (0..draft.table.columns.len())
        .filter(|at| open(draft, *at))
        .map(|at| &draft.table.columns[at])
        .map(|column| format!("{} ({})", column.name, column.declared.split(' ').next().unwrap_or_default()))
        .collect();
    if !left.is_empty() {
        let table = draft.table.relation.shown();
        draft.notes.push(format!("{table}: made by type, not after the profile: {}", left.join(", ")));
    }
    Ok(())
}

/// Columns that a unique key decides on.
fn kept_columns(draft: &Draft<'_>, keeping: &Keeping) -> Vec<usize> {
    let mut kept: Vec<usize> = keeping.varied.iter().map(|(at, _)| *at).collect();
    if let Some(combined) = &keeping.combined {
        let foreign = combined.foreign.iter().flat_map(|at| references::positions(draft, &draft.table.foreign[*at]));
        kept.extend(foreign.chain(combined.finite.iter().copied()).chain(combined.counter));
    }
    kept
}

fn profile_of<'a>(pattern: &Pattern<'a>, column: &Column) -> Option<&'a ColumnProfile> {
    pattern.profile.columns.iter().find(|profile| profile.name == column.name)
}

fn seed_of(pattern: &Pattern<'_>, name: &str) -> u64 {
    name.bytes().fold(mix(pattern.seed, 17), |seed, byte| mix(seed, u64::from(byte)))
}

fn shape(profile: &ColumnProfile, nulls: f64, positions: &[f64], rows: u64, seed: u64) -> Shape {
    let commons = profile.frequencies.iter().zip(positions);
    let commons: Vec<Common> =
        commons.map(|(frequency, position)| Common { frequency: *frequency, position: *position }).collect();
    let few = !commons.is_empty() && profile.distinct <= commons.len() as f64;
    Shape::new(rows, nulls, 0.0, &commons, few, seed)
}

/// How many different values there are beside the most common ones.
fn others(profile: &ColumnProfile, rows: u64, shape: &Shape) -> u64 {
    profile.distinct_of(rows).saturating_sub(profile.frequencies.len() as u64).clamp(1, shape.rare_filled().max(1))
}

fn scale(profile: &ColumnProfile, bounds: &[i64], distinct: u64, ranks: u64, seed: u64) -> Scale {
    if profile.part_distinct.len() + 1 == bounds.len() {
        Scale::counted(bounds, &profile.part_distinct, ranks, seed)
    } else {
        Scale::new(bounds, distinct, ranks, false, seed)
    }
}

fn plain(draft: &Draft<'_>, at: usize, pattern: &Pattern<'_>) -> Option<Shaped> {
    let column = &draft.table.columns[at];
    let profile = profile_of(pattern, column)?;
    let kind = &column.kind;
    let seed = seed_of(pattern, &column.name);
    let numbers = units::numbers(kind, profile);
    let nulls = if column.not_null { 0.0 } else { profile.null_fraction };
    let positions = positions(profile, numbers.as_ref(), seed);
    let shape = shape(profile, nulls, &positions, draft.rows, seed);
    let distinct = others(profile, draft.rows, &shape);
    let commons = commons(kind, profile, numbers.as_ref(), &positions, seed)?;
    let values = shape.behind_nulls(distinct);
    let rare = if Maker::can_range(kind) {
        let bounds = numbers.map_or_else(|| units::usual_bounds(kind, distinct), |numbers| numbers.bounds);
        Rare::Numbers(kind.clone(), scale(profile, &bounds, distinct, shape.rare_filled(), seed))
    } else {
        match kind {
            Kind::Text { limit } => Rare::Text(kind.clone(), phrases(profile, values, kind, Some(*limit), seed)),
            Kind::Bytes { limit, fixed } => {
                let width = if *fixed { *limit as f64 } else { profile.width };
                Rare::Text(kind.clone(), Phrases::new(values, &profile.widths, width, Some(*limit), seed))
            }
            Kind::Json => Rare::Text(kind.clone(), phrases(profile, values, kind, None, seed)),
            Kind::Enum(labels) => {
                let mut list = Tuples::new(1);
                for label in labels {
                    list.push(Some(label.as_bytes()));
                }
                Rare::Listed(Arc::new(list))
            }
            Kind::Uuid => Rare::Uuid(seed),
            kind => Rare::Made(Maker::new(kind)?, seed),
        }
    };
    Some(Shaped { shape, commons, distinct: values, rare })
}

fn phrases(profile: &ColumnProfile, distinct: u64, kind: &Kind, limit: Option<usize>, seed: u64) -> Phrases {
    let filled = (1.0 - profile.null_fraction).max(f64::MIN_POSITIVE);
    let rare = (filled - profile.frequencies.iter().sum::<f64>()).max(0.0) / filled;
    let of_common: f64 =
        profile.frequencies.iter().zip(&profile.value_widths).map(|(share, width)| share * f64::from(*width)).sum();
    let width = if rare > 0.02 { (profile.width - of_common / filled) / rare } else { profile.width };
    Phrases::new(distinct, &profile.widths, (width - ornament(kind)).max(0.0), limit, seed)
}

/// The most common values, or others in their place where they are not known; `None` if none can be made.
fn commons(
    kind: &Kind,
    profile: &ColumnProfile,
    numbers: Option<&Numbers>,
    positions: &[f64],
    seed: u64,
) -> Option<Vec<Vec<u8>>> {
    if let Some(values) = &profile.values {
        return Some(values.iter().map(|value| value.clone().into_bytes()).collect());
    }
    let made = |(common, position): (usize, &f64)| -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let chance = || ChaCha8Rng::seed_from_u64(mix(seed, common as u64));
        match kind {
            Kind::Text { .. } | Kind::Json | Kind::Bytes { .. } => {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few bytes")]
                let ornament = ornament(kind) as usize;
                let width = profile.value_widths.get(common).map_or(8, |width| *width as usize);
                write_text(kind, &mut out, |text| text.extend(phrase::common(common, width.saturating_sub(ornament))));
            }
            Kind::Enum(labels) => out.extend_from_slice(labels.get(common % labels.len().max(1))?.as_bytes()),
            kind if Maker::can_range(kind) => {
                let usual = units::usual_bounds(kind, 1_000);
                let bounds = numbers.map_or(&usual, |numbers| &numbers.bounds);
                let (low, high) = (bounds[0], bounds[bounds.len() - 1]);
                #[expect(clippy::cast_possible_truncation, reason = "within the bounds")]
                let number = low.saturating_add((position * (high as f64 - low as f64)) as i64);
                units::write(kind, number, &mut out);
            }
            kind => Maker::new(kind)?.write(&mut chance(), &mut out),
        }
        Some(out)
    };
    positions.iter().enumerate().map(made).collect()
}

/// Where the most common values stand among the others.
fn positions(profile: &ColumnProfile, numbers: Option<&Numbers>, seed: u64) -> Vec<f64> {
    let anywhere = |common: usize| (mix(seed, common as u64) >> 11) as f64 / (1_u64 << 53) as f64;
    (0..profile.frequencies.len())
        .map(|common| match numbers {
            Some(numbers) if common < numbers.commons.len() => numbers.position(numbers.commons[common]),
            _ => anywhere(common),
        })
        .collect()
}

/// Settles a foreign key of one column: its rows refer to as many parents as in the profile, as unevenly.
async fn reference(draft: &mut Draft<'_>, key: &Foreign, at: usize, pattern: &Pattern<'_>) -> Result<(), GrowError> {
    let column = &draft.table.columns[at];
    let Some(profile) = profile_of(pattern, column) else { return Ok(()) };
    if key.parent == draft.table.relation.number {
        return Ok(());
    }
    let (kind, not_null, seed) = (column.kind.clone(), column.not_null, seed_of(pattern, &column.name));
    let keys = references::parent_keys(draft, key).await?;
    let Some(last) = keys.len().checked_sub(1) else { return Ok(()) };
    let (numbers, listed) = (units::numbers(&kind, profile), units::keys(&kind, &keys));
    let places = |listed: &Option<Vec<i64>>| numbers.as_ref()?.places_in(listed.as_ref()?, key.there);
    let pointed = places(&listed);
    let positions: Vec<f64> = match &pointed {
        Some(pointed) if pointed.commons.len() == profile.frequencies.len() => {
            pointed.commons.iter().map(|at| *at as f64 / keys.len() as f64).collect()
        }
        _ => positions(profile, None, seed),
    };
    let nulls = if not_null { 0.0 } else { profile.null_fraction };
    let shape = shape(profile, nulls, &positions, draft.rows, seed);
    let distinct = others(profile, draft.rows, &shape).min(keys.len() as u64);
    let mut taken = std::collections::BTreeSet::new();
    let (mut commons, mut common_keys) = (Vec::new(), Vec::new());
    for position in &positions {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below the count")]
        let mut nth_key = ((position * keys.len() as f64) as usize).min(last);
        // Common ones that stand close together are parents of their own nevertheless.
        while taken.len() <= last && !taken.insert(nth_key) {
            nth_key = (nth_key + 1) % keys.len();
        }
        commons.push(keys.value(nth_key, 0).unwrap_or_default().to_vec());
        common_keys.push(nth_key as u64);
    }
    // The others are none of them, if there are any.
    let (keys, pointed) = if common_keys.len() <= last {
        let (others, rows) = keys.without(&common_keys);
        (others, places(&listed.map(|listed| rows.iter().map(|row| listed[*row]).collect())))
    } else {
        (keys, pointed)
    };
    let keys = Arc::new(keys);
    let rare = match pointed {
        Some(pointed) => Rare::Pointed(keys, scale(profile, &pointed.bounds, distinct, shape.rare_filled(), seed)),
        None => Rare::Listed(keys),
    };
    draft.sources[at] =
        Some(Source::Shaped(Arc::new(Shaped { distinct: shape.behind_nulls(distinct), shape, commons, rare })));
    Ok(())
}
