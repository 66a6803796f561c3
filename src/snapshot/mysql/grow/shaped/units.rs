//! Numbers, dates and times of a profile as whole numbers in the unit of their kind, and back.

use jiff::civil::{Date, DateTime};

use super::super::kind::Kind;
use super::super::maker::Maker;
use crate::profile::ColumnProfile;
use crate::snapshot::grow::numbers::Numbers;
use crate::snapshot::grow::tuples::Tuples;

/// The values of a profile, if it has any that are numbers.
pub(super) fn numbers(kind: &Kind, profile: &ColumnProfile) -> Option<Numbers> {
    let all = |texts: &Option<Vec<String>>| -> Option<Vec<i64>> {
        texts.iter().flatten().map(|text| number(kind, text)).collect()
    };
    Numbers::new(all(&profile.values).unwrap_or_default(), all(&profile.bounds).unwrap_or_default())
}

/// A list of keys as numbers; `None` if they are none.
pub(super) fn keys(kind: &Kind, keys: &Tuples) -> Option<Vec<i64>> {
    let of = |at: usize| number(kind, std::str::from_utf8(keys.value(at, 0)?).ok()?);
    (0..keys.len()).map(of).collect()
}

/// Bounds for numbers of which nothing is known, with room for so many different ones.
pub(super) fn usual_bounds(kind: &Kind, distinct: u64) -> Vec<i64> {
    let narrow = |number: i128| i64::try_from(number / kind.unit()).unwrap_or(i64::MAX);
    let (low, high) = Maker::new(kind).map_or((1, 1_000_000), |maker| maker.bounds());
    let room = i128::from(distinct) * kind.unit();
    vec![narrow(low), narrow(high.max(low.saturating_add(room)).min(kind.greatest()))]
}

/// Writes a number in the unit of a kind.
pub(super) fn write(kind: &Kind, number: i64, out: &mut Vec<u8>) {
    kind.write_number(out, i128::from(number) * kind.unit());
}

/// A number in the unit of a kind: days, and neighbouring moments of as many digits as the kind has.
fn number(kind: &Kind, text: &str) -> Option<i64> {
    let unit = i64::try_from(kind.unit()).ok()?;
    let in_units = |micros: i128| i64::try_from(micros / i128::from(unit)).ok();
    match kind {
        Kind::Int { .. } | Kind::Bool | Kind::Year => text.parse().ok(),
        Kind::Decimal { scale, .. } => scaled(text, *scale),
        #[expect(clippy::cast_possible_truncation, reason = "it saturates")]
        Kind::Float { .. } => text.parse::<f64>().ok().map(|number| (number * 1e6).round() as i64),
        Kind::Date => Some(i64::from(Date::constant(1970, 1, 1).until(text.parse::<Date>().ok()?).ok()?.get_days())),
        Kind::Moment { .. } => {
            let moment: DateTime = text.parse().ok()?;
            in_units(moment.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0)).as_micros())
        }
        Kind::Time { .. } => {
            let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
            let mut parts = text.splitn(3, ':');
            let (hours, minutes) = (parts.next()?.parse::<i128>().ok()?, parts.next()?.parse::<i128>().ok()?);
            let micros = i128::from(scaled(parts.next()?, 6)?);
            in_units(sign * ((hours * 60 + minutes) * 60_000_000 + micros))
        }
        _ => None,
    }
}

/// `1.5` with a scale of 2 is 150.
fn scaled(text: &str, scale: u32) -> Option<i64> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let width = usize::try_from(scale).ok()?;
    let digits: String = rest.chars().chain(std::iter::repeat('0')).take(width).collect();
    format!("{whole}{digits}").parse::<i64>().ok().map(|number| sign * number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_histogram_shows_is_written_back_as_it_was() {
        for (kind, text, written) in [
            (Kind::Int { least: 0, greatest: 99 }, "42", "42"),
            (Kind::Decimal { whole: 8, scale: 2, unsigned: false }, "-402.9", "-402.90"),
            (Kind::Date, "2024-02-29", "2024-02-29"),
            (Kind::Moment { digits: 3, timestamp: false }, "2024-01-01 00:01:00.250000", "2024-01-01T00:01:00.25"),
            (Kind::Time { digits: 0 }, "-01:00:05.000000", "-01:00:05.000000"),
            (Kind::Float { unsigned: false }, "0.128304", "0.128304"),
        ] {
            let mut out = Vec::new();
            write(&kind, number(&kind, text).expect(text), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), written, "{kind:?}");
        }
        assert_eq!(number(&Kind::Date, "0000-00-00"), None);
    }
}
