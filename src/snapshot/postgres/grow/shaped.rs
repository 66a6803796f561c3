//! Columns that are made after a profile: as many NULLs, the same skew, widths and order on disk, and references that hold.
//!
//! A value is a function of the seed and the row's number. Limits: a unique key of several columns is kept as for tables without
//! a profile, and a TOAST table is taken to hold the values of one column, compressed as the made ones are.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use tokio_postgres::Client;

use super::error::GrowError;
use super::keys::{Keeping, Vary};
use super::kind::Kind;
use super::maker::{Maker, framed, put_uuid};
use super::plan::Draft;
use super::source::Source;
use super::table::Column;
use super::tuples::{NULL, Tuples, put_field};
use super::{overrides, references};
use crate::profile::{ColumnProfile, TableProfile};
use crate::snapshot::grow::estimate::Estimator;
use crate::snapshot::grow::numbers::Numbers;
use crate::snapshot::grow::phrase::{self, Phrases};
use crate::snapshot::grow::scale::Scale;
use crate::snapshot::grow::shape::{Common, Pick, Shape, nth};
use crate::snapshot::grow::shuffle::mix;
use crate::sql::postgres::quote::ident;

mod reference;
mod toast;
mod units;

/// After what a table is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pattern<'a> {
    pub(crate) profile: &'a TableProfile,
    /// How many rows the table has there.
    pub(crate) rows: u64,
    pub(crate) seed: u64,
}

/// A column of a table that is made after a profile.
#[derive(Debug)]
pub(crate) struct Shaped {
    shape: Arc<Shape>,
    /// The most common values.
    commons: Tuples,
    /// How many different other values there are.
    distinct: u64,
    rare: Rare,
    rows: u64,
}

/// Where values come from that are not among the most common.
#[derive(Debug)]
enum Rare {
    Numbers(Kind, Scale),
    Text(Kind, Phrases),
    /// Some of a list.
    Listed(Arc<Tuples>, usize),
    /// Those of a list that a scale points at.
    Pointed(Arc<Tuples>, usize, Scale),
    /// Keys of the table itself.
    Own(Arc<Shaped>),
    Uuid(u64),
    /// Whatever can be made of a kind, the same for the same number.
    Made(Maker, u64),
}

impl Shaped {
    /// Writes the field of a row, with its length before it.
    pub(crate) fn put(&self, row: u64, out: &mut BytesMut) {
        self.put_pick(self.shape.pick(row), out);
    }

    /// The whole number that a row has, if it has one and no other row the same.
    pub(crate) fn number(&self, row: u64) -> Option<i64> {
        match (&self.rare, self.shape.pick(row)) {
            (Rare::Numbers(Kind::Int2 | Kind::Int4 | Kind::Int8, scale), Pick::Rare(rank)) => {
                Some(scale.number(rank, self.shape.rare()))
            }
            _ => None,
        }
    }

    fn put_pick(&self, pick: Pick, out: &mut BytesMut) {
        let rank = match pick {
            Pick::Null => return out.put_slice(&NULL),
            Pick::Common(common) => return out.put_slice(self.commons.raw(common, 0)),
            Pick::Rare(rank) => rank,
        };
        let number = nth(rank, self.shape.rare(), self.distinct);
        match &self.rare {
            Rare::Numbers(kind, scale) => units::put(kind, scale.number(rank, self.shape.rare()), out),
            Rare::Text(kind, phrases) => put_text(kind, out, |text| phrases.put(number, text)),
            Rare::Listed(list, part) => {
                let at = nth(number, self.distinct, list.len() as u64);
                out.put_slice(list.raw(usize::try_from(at).unwrap_or(0), *part));
            }
            Rare::Pointed(list, part, scale) => {
                let at = usize::try_from(scale.number(rank, self.shape.rare())).unwrap_or(0);
                out.put_slice(list.raw(at.min(list.len() - 1), *part));
            }
            Rare::Own(key) => key.put_pick(key.shape.of_rank(nth(number, self.distinct, self.rows)), out),
            Rare::Uuid(seed) => {
                // The high half grows with the number, so that the order is kept.
                let high = nth(number, self.distinct, u64::MAX);
                out.put_i32(16);
                out.put_u64(high & !0xf000 | 0x4000);
                out.put_u64(mix(*seed, number) >> 2 | 1 << 63);
            }
            Rare::Made(maker, seed) => maker.put(&mut ChaCha8Rng::seed_from_u64(mix(*seed, number)), out),
        }
    }
}

/// Writes text as a field of a kind that text can be put into.
fn put_text(kind: &Kind, out: &mut BytesMut, write: impl FnOnce(&mut Vec<u8>)) {
    let mut text = Vec::new();
    write(&mut text);
    framed(out, |out| match kind {
        Kind::Json | Kind::Jsonb => {
            if *kind == Kind::Jsonb {
                out.put_u8(1);
            }
            out.put_slice(b"{\"v\":\"");
            out.put_slice(&text);
            out.put_slice(b"\"}");
        }
        _ => out.put_slice(&text),
    });
}

/// Bytes that a value of a kind takes beside its text, as it is stored (`JsonbContainer` and `JEntry`, jsonb.h).
fn ornament(kind: &Kind) -> f64 {
    match kind {
        Kind::Json => 8.0,
        Kind::Jsonb => 13.0,
        _ => 0.0,
    }
}

/// Settles every column that the profile knows and nothing else has a say in. A note names those that could
/// not be made after it.
pub(crate) async fn settle(draft: &mut Draft<'_>, keeping: &Keeping, pattern: &Pattern<'_>) -> Result<(), GrowError> {
    let combined = combined_columns(draft, keeping);
    let open = |draft: &Draft<'_>, at: usize| {
        draft.sources[at].is_none() && draft.wish_of(at).is_none() && !combined.contains(&at)
    };
    for at in 0..draft.table.columns.len() {
        if open(draft, at) && !draft.table.is_foreign(&draft.table.columns[at].name) {
            let unique = keeping.varied.iter().find(|(column, _)| *column == at).map(|(_, how)| *how);
            if let Some(shaped) = plain(draft, at, unique, pattern).await? {
                draft.sources[at] = Some(Source::Shaped(Arc::new(shaped)));
            }
        }
    }
    for key in draft.table.foreign.clone() {
        let columns = references::positions(draft, &key);
        if columns.iter().all(|at| open(draft, *at))
            && references::sharing(draft.table, &key).all(|other| other.parent == draft.table.relation.oid)
        {
            reference::settle(draft, &key, &columns, pattern).await?;
        }
    }
    let left: Vec<String> = (0..draft.table.columns.len())
        .filter(|at| draft.sources[*at].is_none() && draft.wish_of(*at).is_none())
        .map(|at| &draft.table.columns[at])
        .filter(|column| profile_of(pattern, column).is_some_and(|profile| profile.null_fraction < 1.0))
        .map(|column| format!("{} ({})", ident(&column.name), column.declared))
        .collect();
    if !left.is_empty() {
        let table = draft.table.relation.shown();
        draft.notes.push(format!("{table}: made by type, not after the profile: {}", left.join(", ")));
    }
    Ok(())
}

fn combined_columns(draft: &Draft<'_>, keeping: &Keeping) -> Vec<usize> {
    let Some(combined) = &keeping.combined else { return Vec::new() };
    let foreign = combined.foreign.iter().flat_map(|at| references::positions(draft, &draft.table.foreign[*at]));
    foreign.chain(combined.finite.iter().copied()).chain(combined.counter).collect()
}

fn profile_of<'a>(pattern: &Pattern<'a>, column: &Column) -> Option<&'a ColumnProfile> {
    pattern.profile.columns.iter().find(|profile| profile.name == column.name)
}

fn seed_of(pattern: &Pattern<'_>, name: &str) -> u64 {
    name.bytes().fold(mix(pattern.seed, 17), |seed, byte| mix(seed, u64::from(byte)))
}

/// How many different values a column shall have: a count stays as it is, a share of the rows follows their number.
fn distinct(profile: &ColumnProfile, rows: u64) -> u64 {
    profile.distinct_of(rows).max(1)
}

fn shape(profile: &ColumnProfile, nulls: f64, positions: &[f64], rows: u64, seed: u64) -> Shape {
    let commons = profile.frequencies.iter().zip(positions);
    let commons: Vec<Common> =
        commons.map(|(frequency, position)| Common { frequency: *frequency, position: *position }).collect();
    // `ANALYZE` keeps all values as common ones where they are few (analyze.c, `compute_scalar_stats`).
    let few = !commons.is_empty() && profile.distinct >= 0.0 && profile.distinct <= commons.len() as f64;
    Shape::new(rows, nulls, profile.correlation.unwrap_or(0.0), &commons, few, seed)
}

async fn plain(
    draft: &Draft<'_>,
    at: usize,
    unique: Option<Vary>,
    pattern: &Pattern<'_>,
) -> Result<Option<Shaped>, GrowError> {
    let column = &draft.table.columns[at];
    let Some(profile) = profile_of(pattern, column) else { return Ok(None) };
    let seed = seed_of(pattern, &column.name);
    let kind = units::kind_of(&column.kind, profile);
    let is_number = Maker::can_range(&kind);
    let is_text = matches!(kind, Kind::Text { .. } | Kind::Json | Kind::Jsonb | Kind::Bytea);
    let finite = finite_values(draft, column, profile).await?;
    if !is_number && !is_text && finite.is_none() && Maker::new(&kind).is_none() && profile.values.is_none() {
        return Ok(None);
    }
    let nulls = if column.not_null { 0.0 } else { profile.null_fraction };
    let numbers =
        if is_number { units::numbers(draft.client, column, &kind, profile, draft.place).await? } else { None };
    let profile = &if unique.is_some() {
        without_commons(profile)
    } else {
        likely(profile, numbers.as_ref().map(|numbers| numbers.bounds.as_slice()), pattern)
    };
    let positions = positions(profile, numbers.as_ref(), seed);
    let shape = shape(profile, nulls, &positions, draft.rows, seed);
    let count = shape.rare();
    let all = if unique.is_some() { draft.rows } else { distinct(profile, draft.rows) };
    let filled = if unique.is_some() { count } else { shape.rare_filled() };
    let distinct = all.saturating_sub(profile.frequencies.len() as u64).clamp(1, filled.max(1));
    let values = if unique.is_some() { distinct } else { shape.behind_nulls(distinct) };
    let (mut commons, mut rare) = (Tuples::new(1), None);
    if let Some(values) = finite {
        let list = Arc::new(values);
        for nth in 0..profile.frequencies.len() {
            commons.push_raw(list.raw(nth % list.len(), 0));
        }
        rare = Some(Rare::Listed(list, 0));
    } else if let Some(values) = &profile.values {
        let weighted: Vec<(String, f64)> = values.iter().map(|value| (value.clone(), 1.0)).collect();
        commons = overrides::from_texts(draft.client, column, &weighted, draft.place).await?;
    } else {
        for (nth, width) in profile.frequencies.iter().enumerate().map(|(nth, _)| (nth, profile.value_widths.get(nth)))
        {
            commons.push_raw(&made_common(&kind, nth, width.copied(), numbers.as_ref(), positions[nth], seed));
        }
    }
    let rare = match rare {
        Some(rare) => rare,
        None if is_number => {
            let bounds = numbers.map_or_else(|| units::usual_bounds(&kind, distinct), |numbers| numbers.bounds);
            Rare::Numbers(kind, Scale::new(&bounds, distinct, filled, unique.is_some(), seed))
        }
        None if is_text => Rare::Text(kind.clone(), toast::phrases(draft, at, &kind, profile, pattern, values, seed)),
        None if kind == Kind::Uuid => Rare::Uuid(seed),
        None => match Maker::new(&kind) {
            Some(maker) => Rare::Made(maker, seed),
            None => Rare::Listed(Arc::new(commons.clone()), 0),
        },
    };
    Ok(Some(Shaped { shape: Arc::new(shape), commons, distinct: values, rare, rows: draft.rows }))
}

/// A column as it likely is, from what a sample said of it: where the spread of its numbers is known, and with it by how much a
/// sample misses the number of different ones.
fn likely(profile: &ColumnProfile, bounds: Option<&[i64]>, pattern: &Pattern<'_>) -> ColumnProfile {
    let mut likely = profile.clone();
    let (Some(bounds), Some(sampled)) = (bounds, pattern.profile.sampled) else { return likely };
    let (rows, filled) = (pattern.rows as f64, 1.0 - profile.null_fraction);
    let commons = profile.frequencies.len() as f64;
    let estimator = Estimator { filled: rows * filled, sampled: sampled as f64 * filled, commons };
    let reckoned = profile.distinct_of(pattern.rows) as f64 - commons;
    let rare = rows * (filled - profile.frequencies.iter().sum::<f64>());
    if estimator.is_exact() || reckoned < 1.0 || rare < 1.0 {
        return likely;
    }
    let distinct = commons + Scale::likely(bounds, reckoned, rare, &estimator);
    likely.distinct = if profile.distinct < 0.0 { (-distinct / rows).max(-1.0) } else { distinct };
    likely
}

/// A unique column has no most common values, whatever a sample says.
fn without_commons(profile: &ColumnProfile) -> ColumnProfile {
    ColumnProfile { frequencies: Vec::new(), values: None, value_widths: Vec::new(), distinct: -1.0, ..profile.clone() }
}

/// The values that a column can have at all, where they are few and not in the profile: those of an enumerated type, of a boolean,
/// or the texts in a CHECK constraint.
async fn finite_values(
    draft: &Draft<'_>,
    column: &Column,
    profile: &ColumnProfile,
) -> Result<Option<Tuples>, GrowError> {
    if profile.values.is_some() && profile.widths.is_empty() && profile.value_widths.is_empty() {
        return Ok(None);
    }
    let mut values = Tuples::new(1);
    match &column.kind {
        Kind::Enum(labels) => labels.iter().for_each(|label| values.push(Some(label.as_bytes()))),
        Kind::Bool => [0_u8, 1].iter().for_each(|value| values.push(Some(&[*value]))),
        Kind::Text { .. } if draft.table.is_checked(&column.name) => {
            for literal in literals(draft.client, draft, column).await? {
                values.push(Some(literal.as_bytes()));
            }
        }
        _ => {}
    }
    Ok((values.len() > 0).then_some(values))
}

/// The texts that the CHECK constraints of a column list (`status IN ('new', 'paid')`), where they list any.
async fn literals(client: &Client, draft: &Draft<'_>, column: &Column) -> Result<Vec<String>, GrowError> {
    let sql = "SELECT m[1] FROM pg_constraint c
               JOIN pg_attribute a ON a.attrelid = c.conrelid AND c.conkey = ARRAY[a.attnum],
               LATERAL regexp_matches(pg_get_constraintdef(c.oid), '''((?:[^'']|'''')*)''::', 'g') AS m
               WHERE c.conrelid = $1 AND c.contype = 'c' AND a.attname = $2
                 AND pg_get_constraintdef(c.oid) ~ '= ANY|=' AND pg_get_constraintdef(c.oid) !~ '~|LIKE'";
    let failed = GrowError::reading(&format!("the CHECK constraints of {}", ident(&column.name)));
    let rows = client.query(sql, &[&draft.table.relation.oid, &column.name]).await.map_err(failed)?;
    Ok(rows.iter().map(|row| row.get::<_, String>(0).replace("''", "'")).collect())
}

/// Where the most common values stand among the others.
fn positions(profile: &ColumnProfile, numbers: Option<&Numbers>, seed: u64) -> Vec<f64> {
    let anywhere = |nth: usize| (mix(seed, nth as u64) >> 11) as f64 / (1_u64 << 53) as f64;
    (0..profile.frequencies.len())
        .map(|nth| match (numbers, &profile.values, &profile.bounds) {
            (Some(numbers), ..) if nth < numbers.commons.len() => numbers.position(numbers.commons[nth]),
            (None, Some(values), Some(bounds)) if nth < values.len() && !bounds.is_empty() => {
                bounds.partition_point(|bound| *bound < values[nth]) as f64 / bounds.len() as f64
            }
            _ => anywhere(nth),
        })
        .collect()
}

/// A value in the place of a common one that is not known.
fn made_common(
    kind: &Kind,
    nth: usize,
    width: Option<u32>,
    numbers: Option<&Numbers>,
    position: f64,
    seed: u64,
) -> BytesMut {
    let mut out = BytesMut::new();
    match kind {
        Kind::Text { .. } | Kind::Json | Kind::Jsonb | Kind::Bytea => {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few bytes")]
            let ornament = ornament(kind).min(8.0) as usize;
            let width = (width.unwrap_or(8) as usize).saturating_sub(ornament);
            put_text(kind, &mut out, |text| text.extend(phrase::common(nth, width)));
        }
        Kind::Uuid => put_uuid(&mut ChaCha8Rng::seed_from_u64(mix(seed, nth as u64)), &mut out),
        kind if Maker::can_range(kind) => {
            let usual;
            let bounds = if let Some(numbers) = numbers {
                &numbers.bounds
            } else {
                usual = units::usual_bounds(kind, 1_000);
                &usual
            };
            let (low, high) = (bounds[0], bounds[bounds.len() - 1]);
            #[expect(clippy::cast_possible_truncation, reason = "within the bounds")]
            let number = low.saturating_add((position * (high as f64 - low as f64)) as i64);
            units::put(kind, number, &mut out);
        }
        kind => match Maker::new(kind) {
            Some(maker) => maker.put(&mut ChaCha8Rng::seed_from_u64(mix(seed, nth as u64)), &mut out),
            None => put_field(&mut out, None),
        },
    }
    out
}
