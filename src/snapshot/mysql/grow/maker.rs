//! Values made up by type: for tables that have no rows to sample from, and for columns with a range.
//!
//! They are plausible, not real: short phrases, small numbers, moments of the years 2023 to 2025. Whatever must have a
//! meaning (a status, a country) is for the scenario to say with `values`. Texts are ASCII, which every character set has.

use std::io::Write as _;

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::kind::{DAY, Kind};
use crate::snapshot::grow::text::Texts;

/// Days from 1970-01-01 to 2023-01-01, and the days of three years.
pub(crate) const FIRST_DAY: i128 = 19_358;
pub(crate) const DAYS: i128 = 1_096;

/// Makes values of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Maker {
    kind: Kind,
    /// Lowest and highest, both included, in the unit of [`Kind::write_number`].
    pub(crate) bounds: (i128, i128),
    /// What texts are.
    pub(crate) texts: Texts,
}

impl Maker {
    /// One with the usual bounds; `None` for a kind that nothing can be made up for.
    pub(crate) fn new(kind: &Kind) -> Option<Self> {
        let bounds = match kind {
            Kind::Other => return None,
            Kind::Int { greatest, .. } => (1, (*greatest).min(if *greatest < 40_000 { 1_000 } else { 1_000_000 })),
            Kind::Bool => (0, 1),
            Kind::Bit { bits } => (0, (1_i128 << bits) - 1),
            Kind::Decimal { whole, scale, .. } => {
                (0, 10_i128.checked_pow(scale + (*whole).min(5)).map_or(i128::MAX, |limit| limit - 1))
            }
            Kind::Date => (FIRST_DAY, FIRST_DAY + DAYS - 1),
            Kind::Time { .. } => (0, DAY - 1),
            Kind::Moment { .. } => (FIRST_DAY * DAY, (FIRST_DAY + DAYS) * DAY - 1),
            Kind::Year => (2_023, 2_025),
            Kind::Float { .. } => (0, 1_000_000_000),
            _ => (0, 0),
        };
        Some(Self { kind: kind.clone(), bounds, texts: Texts::default() })
    }

    /// One with bounds of its own; `None` for a kind that has no order a range could mean.
    pub(crate) fn within(kind: &Kind, low: i128, high: i128) -> Option<Self> {
        Self::can_range(kind).then(|| Self { kind: kind.clone(), bounds: (low, high), texts: Texts::default() })
    }

    /// Lowest and highest, both included.
    pub(crate) fn bounds(&self) -> (i128, i128) {
        self.bounds
    }

    /// Whether a range means something for a kind.
    pub(crate) fn can_range(kind: &Kind) -> bool {
        matches!(
            kind,
            Kind::Int { .. }
                | Kind::Bool
                | Kind::Bit { .. }
                | Kind::Decimal { .. }
                | Kind::Float { .. }
                | Kind::Date
                | Kind::Time { .. }
                | Kind::Moment { .. }
                | Kind::Year
        )
    }

    /// Writes a value.
    pub(crate) fn write(&self, rng: &mut ChaCha8Rng, out: &mut Vec<u8>) {
        let (low, high) = self.bounds;
        match &self.kind {
            Kind::Text { limit } => self.texts.write(rng, *limit, out),
            Kind::Json => {
                out.extend_from_slice(b"{\"name\": \"");
                Texts::Words.write(rng, usize::MAX, out);
                let _ = write!(out, "\", \"count\": {}}}", rng.random_range(0..1_000));
            }
            Kind::Bytes { limit, fixed } => {
                let length = if *fixed { *limit } else { 16.min(*limit) };
                out.extend((0..length).map(|_| rng.random::<u8>()));
            }
            Kind::Enum(labels) => out.extend_from_slice(labels[rng.random_range(0..labels.len())].as_bytes()),
            Kind::Set(labels) => {
                let chosen: Vec<&str> = labels.iter().filter(|_| rng.random()).map(String::as_str).collect();
                out.extend_from_slice(chosen.join(",").as_bytes());
            }
            Kind::Point { srid } => write_point(rng, *srid, out),
            Kind::Uuid => write_uuid(rng, out),
            Kind::Inet { v6 } => {
                let prefix = if *v6 { "::ffff:" } else { "" };
                let [a, b, c]: [u8; 3] = rng.random();
                let _ = write!(out, "{prefix}10.{a}.{b}.{c}");
            }
            // Whole units of what the column keeps, milliseconds at the finest, unless the range is narrower.
            kind @ (Kind::Moment { .. } | Kind::Time { .. }) => {
                let moment = rng.random_range(low..=high);
                kind.write_number(out, (moment - moment.rem_euclid(kind.unit().max(1_000))).max(low));
            }
            kind => kind.write_number(out, rng.random_range(low..=high)),
        }
    }
}

/// Writes a random UUID (version 4).
pub(crate) fn write_uuid(rng: &mut ChaCha8Rng, out: &mut Vec<u8>) {
    let version = (rng.random::<u128>() & !(0xf << 76)) | (4 << 76);
    let all = format!("{:032x}", (version & !(3 << 62)) | (2 << 62));
    let _ = write!(out, "{}-{}-{}-{}-{}", &all[..8], &all[8..12], &all[12..16], &all[16..20], &all[20..]);
}

/// As the server keeps it: the reference system, then well-known binary of little-endian order (MySQL 9.7 manual, 13.4.3).
/// Within what every reference system takes for degrees.
fn write_point(rng: &mut ChaCha8Rng, srid: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&srid.to_le_bytes());
    out.push(1);
    out.extend_from_slice(&1_u32.to_le_bytes());
    for _ in 0..2 {
        out.extend_from_slice(&(f64::from(rng.random_range(-80_000_000..=80_000_000)) / 1e6).to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_range_is_kept_to_at_both_ends() {
        let kind = Kind::Int { least: -128, greatest: 127 };
        let maker = Maker::within(&kind, -1, 1).expect("has an order");
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..100 {
            let mut out = Vec::new();
            maker.write(&mut rng, &mut out);
            seen.insert(String::from_utf8(out).expect("digits"));
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["-1", "0", "1"]);
        assert_eq!(Maker::within(&Kind::Json, 0, 1), None);
        assert_eq!(Maker::new(&Kind::Other), None);
    }

    #[test]
    fn text_keeps_to_the_columns_limit_and_a_uuid_looks_like_one() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut out = Vec::new();
        Maker::new(&Kind::Text { limit: 4 }).expect("can be made").write(&mut rng, &mut out);
        assert!((1..=4).contains(&out.len()));
        out.clear();
        write_uuid(&mut rng, &mut out);
        assert_eq!((out.len(), out[14]), (36, b'4'));
    }
}
