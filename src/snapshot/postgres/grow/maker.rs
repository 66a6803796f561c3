//! Values made up by type: for tables that have no rows to sample from, and for columns with a range.
//!
//! They are plausible, not real: short phrases, small numbers, moments of the years 2023 to 2025. Whatever must have a
//! meaning (a status, a country) is for the scenario to say with `values`.

use bytes::{BufMut, BytesMut};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::kind::{Kind, put_numeric};
use crate::snapshot::grow::text::Texts;

/// Days from 2000-01-01 to 2023-01-01, and the days of three years.
const FIRST_DAY: i64 = 8_401;
const DAYS: i64 = 1_096;
const DAY_MICROS: i64 = 86_400_000_000;

/// Makes values of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Maker {
    kind: Kind,
    /// Lowest and highest, both included, in the kind's own unit: numbers scaled by `10^scale`, millionths of a float,
    /// days, microseconds.
    bounds: (i64, i64),
    /// What texts are.
    pub(crate) texts: Texts,
}

impl Maker {
    /// One with the usual bounds; `None` for a kind that nothing can be made up for.
    pub(crate) fn new(kind: &Kind) -> Option<Self> {
        let bounds = match kind {
            Kind::Other => return None,
            Kind::Array(_, element) => Self::new(element)?.bounds,
            Kind::Int2 => (1, 1_000),
            Kind::Numeric { whole, scale } => {
                (0, 10_i64.checked_pow(scale + (*whole).min(5)).map_or(i64::MAX, |limit| limit - 1))
            }
            Kind::Date => (FIRST_DAY, FIRST_DAY + DAYS - 1),
            Kind::Time => (0, DAY_MICROS - 1),
            Kind::Timestamp => (FIRST_DAY * DAY_MICROS, (FIRST_DAY + DAYS) * DAY_MICROS - 1),
            Kind::Interval => (0, 30 * DAY_MICROS),
            Kind::Float4 | Kind::Float8 => (0, 1_000_000_000),
            _ => (1, 1_000_000),
        };
        Some(Self { kind: kind.clone(), bounds, texts: Texts::default() })
    }

    /// One with bounds of its own; `None` for a kind that has no order a range could mean.
    pub(crate) fn within(kind: &Kind, low: i64, high: i64) -> Option<Self> {
        Self::can_range(kind).then(|| Self { kind: kind.clone(), bounds: (low, high), texts: Texts::default() })
    }

    /// Whether a range means something for a kind.
    pub(crate) fn can_range(kind: &Kind) -> bool {
        matches!(
            kind,
            Kind::Int2
                | Kind::Int4
                | Kind::Int8
                | Kind::Float4
                | Kind::Float8
                | Kind::Numeric { .. }
                | Kind::Date
                | Kind::Time
                | Kind::Timestamp
        )
    }

    /// Its lowest and highest value, in the kind's own unit.
    pub(crate) fn bounds(&self) -> (i64, i64) {
        self.bounds
    }

    /// Writes a value with its length before it.
    pub(crate) fn put(&self, rng: &mut ChaCha8Rng, out: &mut BytesMut) {
        if let Kind::Text { limit } = self.kind {
            return framed(out, |out| self.texts.write(rng, limit.unwrap_or(usize::MAX), out));
        }
        put(&self.kind, self.bounds, rng, out);
    }
}

fn put(kind: &Kind, (low, high): (i64, i64), rng: &mut ChaCha8Rng, out: &mut BytesMut) {
    match kind {
        Kind::Int2 | Kind::Int4 | Kind::Int8 | Kind::Date | Kind::Time => {
            kind.put_number(out, rng.random_range(low..=high));
        }
        // Whole milliseconds, as applications store them, unless the range is narrower.
        Kind::Timestamp => {
            let moment = rng.random_range(low..=high);
            kind.put_number(out, (moment - moment.rem_euclid(1_000)).max(low));
        }
        Kind::Float4 => {
            out.put_i32(4);
            #[allow(clippy::cast_possible_truncation, reason = "a float of four bytes is what the column holds")]
            out.put_f32(between(rng, low, high) as f32);
        }
        Kind::Float8 => {
            out.put_i32(8);
            out.put_f64(between(rng, low, high));
        }
        Kind::Numeric { scale, .. } => put_numeric(out, i128::from(rng.random_range(low..=high)), *scale),
        Kind::Interval => {
            out.put_i32(16);
            out.put_i64(rng.random_range(low..=high));
            out.put_i64(0);
        }
        Kind::Uuid => put_uuid(rng, out),
        Kind::Bytea => {
            out.put_i32(16);
            out.put_u128(rng.random());
        }
        Kind::Bool => {
            out.put_i32(1);
            out.put_u8(rng.random_range(0..=1));
        }
        Kind::Enum(labels) => framed(out, |out| out.put_slice(labels[rng.random_range(0..labels.len())].as_bytes())),
        Kind::Text { limit } => framed(out, |out| Texts::Words.write(rng, limit.unwrap_or(usize::MAX), out)),
        Kind::Json => framed(out, |out| put_document(rng, out)),
        Kind::Jsonb => framed(out, |out| {
            out.put_u8(1);
            put_document(rng, out);
        }),
        // Family 2 is IPv4; a mask of 32 bits, not a cidr, four bytes of address in 10.0.0.0/8.
        Kind::Inet => {
            out.put_i32(8);
            out.put_slice(&[2, 32, 0, 4, 10, rng.random(), rng.random(), rng.random()]);
        }
        Kind::Array(oid, element) => framed(out, |out| {
            let length = rng.random_range(0..=3);
            out.put_i32(i32::from(length > 0));
            out.put_i32(0);
            out.put_u32(*oid);
            if length > 0 {
                out.put_i32(length);
                out.put_i32(1);
            }
            for _ in 0..length {
                put(element, (low, high), rng, out);
            }
        }),
        Kind::Other => out.put_i32(-1),
    }
}

/// Writes what the closure writes, with its length before it.
pub(crate) fn framed(out: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
    let at = out.len();
    out.put_i32(0);
    write(out);
    let length = i32::try_from(out.len() - at - 4).unwrap_or(0);
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

/// Writes a random UUID (version 4).
pub(crate) fn put_uuid(rng: &mut ChaCha8Rng, out: &mut BytesMut) {
    let version = (rng.random::<u128>() & !(0xf << 76)) | (4 << 76);
    out.put_i32(16);
    out.put_u128((version & !(3 << 62)) | (2 << 62));
}

fn between(rng: &mut ChaCha8Rng, low: i64, high: i64) -> f64 {
    let share: f64 = rng.random();
    (low as f64 + share * (high as f64 - low as f64)) / 1e6
}

fn put_document(rng: &mut ChaCha8Rng, out: &mut BytesMut) {
    out.put_slice(b"{\"name\": \"");
    Texts::Words.write(rng, usize::MAX, out);
    out.put_slice(format!("\", \"count\": {}}}", rng.random_range(0..1_000)).as_bytes());
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn made(kind: &Kind) -> BytesMut {
        let mut out = BytesMut::new();
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        Maker::new(kind).expect("can be made").put(&mut rng, &mut out);
        out
    }

    #[test]
    fn every_field_says_its_own_length() {
        for kind in [
            Kind::Int2,
            Kind::Int4,
            Kind::Int8,
            Kind::Float4,
            Kind::Float8,
            Kind::Numeric { whole: 3, scale: 2 },
            Kind::Text { limit: Some(4) },
            Kind::Bool,
            Kind::Date,
            Kind::Time,
            Kind::Timestamp,
            Kind::Interval,
            Kind::Uuid,
            Kind::Json,
            Kind::Jsonb,
            Kind::Bytea,
            Kind::Inet,
            Kind::Enum(vec!["a".into()]),
            Kind::Array(23, Box::new(Kind::Int4)),
        ] {
            let field = made(&kind);
            let length = i32::from_be_bytes(*field.first_chunk().expect("a length"));
            assert_eq!(usize::try_from(length).expect("not NULL"), field.len() - 4, "{kind:?}");
        }
        assert_eq!(Maker::new(&Kind::Other), None);
    }

    #[test]
    fn text_keeps_to_the_columns_limit() {
        assert!(made(&Kind::Text { limit: Some(4) }).len() <= 8);
    }

    #[test]
    fn a_range_is_kept_to_at_both_ends() {
        let maker = Maker::within(&Kind::Int2, -1, 1).expect("has an order");
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..100 {
            let mut out = BytesMut::new();
            maker.put(&mut rng, &mut out);
            seen.insert(i16::from_be_bytes([out[4], out[5]]));
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [-1, 0, 1]);
        assert_eq!(Maker::within(&Kind::Bool, 0, 1), None);
    }
}
