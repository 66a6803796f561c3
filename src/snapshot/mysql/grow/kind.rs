//! The types that values can be made for, and how a number becomes a value of one.
//!
//! Ranges are those of the MySQL 9.7 manual, chapter 13 "Data Types"; MariaDB's are the same.

use std::io::Write as _;

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime};

/// Microseconds of a day.
pub(crate) const DAY: i128 = 86_400_000_000;
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// A type, seen as what a value of it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Whole numbers, from the lowest to the greatest.
    Int {
        least: i128,
        greatest: i128,
    },
    /// `tinyint(1)`, which is what BOOL stands for.
    Bool,
    /// With digits before and after the point.
    Decimal {
        whole: u32,
        scale: u32,
        unsigned: bool,
    },
    Float {
        unsigned: bool,
    },
    /// So many bits.
    Bit {
        bits: u32,
    },
    /// Text of at most so many letters.
    Text {
        limit: usize,
    },
    /// At most so many bytes, or exactly so many.
    Bytes {
        limit: usize,
        fixed: bool,
    },
    Enum(Vec<String>),
    Set(Vec<String>),
    Date,
    /// With so many digits of a second's fraction.
    Time {
        digits: u32,
    },
    /// DATETIME, or TIMESTAMP with its narrower range.
    Moment {
        digits: u32,
        timestamp: bool,
    },
    Year,
    Json,
    /// A point, which a column of any geometry takes, with the number of its reference system.
    Point {
        srid: u32,
    },
    /// MariaDB's UUID.
    Uuid,
    /// MariaDB's INET4, or INET6.
    Inet {
        v6: bool,
    },
    /// Anything else: kept and resampled where there are rows, but never made up.
    Other,
}

/// What the catalog says of a column's type.
#[derive(Debug, Clone, Default)]
pub(crate) struct TypeRow {
    /// `int`, `varchar`.
    pub(crate) name: String,
    /// `int(10) unsigned`, `varchar(20)`.
    pub(crate) declared: String,
    pub(crate) letters: Option<u64>,
    pub(crate) precision: u32,
    pub(crate) scale: u32,
    pub(crate) digits: u32,
    pub(crate) srid: u32,
}

impl Kind {
    /// The kind of a type.
    pub(crate) fn of(row: &TypeRow) -> Self {
        let unsigned = row.declared.contains("unsigned");
        let limit = usize::try_from(row.letters.unwrap_or(0)).unwrap_or(usize::MAX);
        let digits = row.digits;
        match row.name.as_str() {
            "tinyint" if row.declared == "tinyint(1)" => Self::Bool,
            "tinyint" => int(8, unsigned),
            "smallint" => int(16, unsigned),
            "mediumint" => int(24, unsigned),
            "int" => int(32, unsigned),
            "bigint" => int(64, unsigned),
            "decimal" => Self::Decimal { whole: row.precision.saturating_sub(row.scale), scale: row.scale, unsigned },
            "float" | "double" => Self::Float { unsigned },
            "bit" => Self::Bit { bits: row.precision },
            "char" | "varchar" => Self::Text { limit },
            // Their limit is in bytes, of which a letter may take four.
            "tinytext" | "text" | "mediumtext" | "longtext" => Self::Text { limit: limit / 4 },
            "binary" => Self::Bytes { limit, fixed: true },
            "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => Self::Bytes { limit, fixed: false },
            "enum" => Self::Enum(labels(&row.declared)),
            "set" => Self::Set(labels(&row.declared)),
            "date" => Self::Date,
            "time" => Self::Time { digits },
            "datetime" => Self::Moment { digits, timestamp: false },
            "timestamp" => Self::Moment { digits, timestamp: true },
            "year" => Self::Year,
            "json" => Self::Json,
            "point" | "geometry" => Self::Point { srid: row.srid },
            "uuid" => Self::Uuid,
            "inet4" => Self::Inet { v6: false },
            "inet6" => Self::Inet { v6: true },
            _ => Self::Other,
        }
    }

    /// The greatest number that a column of this kind holds, in the unit in which a counter counts: days of dates,
    /// microseconds of moments, both since 1970-01-01.
    pub(crate) fn greatest(&self) -> i128 {
        match self {
            Self::Int { greatest, .. } => *greatest,
            Self::Bool => 127,
            Self::Bit { bits } => (1_i128 << bits) - 1,
            // From here on a float of four bytes cannot tell neighbours apart.
            Self::Float { .. } => 1 << 24,
            Self::Decimal { whole, .. } => 10_i128.checked_pow(*whole).map_or(i128::MAX, |limit| limit - 1),
            // 9999-12-31.
            Self::Date => 2_932_896,
            Self::Moment { timestamp: false, .. } => 2_932_897 * DAY - 1,
            // 2038-01-19 03:14:07.
            Self::Moment { timestamp: true, .. } => i128::from(i32::MAX) * 1_000_000,
            Self::Year => 2_155,
            _ => i128::MAX,
        }
    }

    /// The least and the greatest number that a column of this kind holds, in the unit of [`Kind::write_number`].
    pub(crate) fn limits(&self) -> (i128, i128) {
        // 1000-01-01.
        const FIRST: i128 = -354_285;
        let greatest = self.greatest();
        match self {
            Self::Int { least, greatest } => (*least, *greatest),
            Self::Bool => (-128, 127),
            Self::Decimal { whole, scale, unsigned } => {
                let most = 10_i128.checked_pow(whole + scale).map_or(i128::MAX / 4, |limit| limit - 1);
                (if *unsigned { 0 } else { -most }, most)
            }
            Self::Float { unsigned } => (if *unsigned { 0 } else { -greatest * 1_000_000 }, greatest * 1_000_000),
            Self::Date => (FIRST, greatest),
            // 838:59:59 and as much below.
            Self::Time { .. } => (-3_020_399_000_000, 3_020_399_000_000),
            Self::Moment { timestamp: true, .. } => (1_000_000, greatest),
            Self::Moment { .. } => (FIRST * DAY, greatest),
            Self::Year => (1_901, greatest),
            _ => (0, greatest),
        }
    }

    /// Whether its values are bytes and not text.
    pub(crate) fn is_binary(&self) -> bool {
        matches!(self, Self::Bit { .. } | Self::Bytes { .. } | Self::Point { .. })
    }

    /// What 1 is in the unit of [`Kind::write_number`].
    pub(crate) fn one(&self) -> i128 {
        match self {
            Self::Decimal { scale, .. } => 10_i128.pow((*scale).min(30)),
            Self::Float { .. } => 1_000_000,
            _ => 1,
        }
    }

    /// The microseconds between two neighbouring moments or times.
    pub(crate) fn unit(&self) -> i128 {
        match self {
            Self::Time { digits } | Self::Moment { digits, .. } => 10_i128.pow(6 - (*digits).min(6)),
            _ => 1,
        }
    }

    /// Writes a number as a value of this kind: decimals scaled by `10^scale`, millionths of a float, days, microseconds.
    pub(crate) fn write_number(&self, out: &mut Vec<u8>, number: i128) {
        let narrow = i64::try_from(number).unwrap_or(if number < 0 { i64::MIN } else { i64::MAX });
        let written = match self {
            Self::Decimal { scale, .. } => write_scaled(out, number, *scale),
            Self::Float { .. } => write!(out, "{}", narrow as f64 / 1e6),
            Self::Bit { bits } => {
                let bytes = number.to_be_bytes();
                let width = usize::try_from(bits.div_ceil(8)).unwrap_or(8);
                out.extend_from_slice(&bytes[bytes.len() - width..]);
                Ok(())
            }
            Self::Date => write!(out, "{}", date(narrow)),
            Self::Time { .. } => {
                let (seconds, micros) = (narrow.unsigned_abs() / 1_000_000, narrow.unsigned_abs() % 1_000_000);
                let sign = if narrow < 0 { "-" } else { "" };
                let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
                write!(out, "{sign}{hours:02}:{minutes:02}:{seconds:02}.{micros:06}")
            }
            Self::Moment { .. } => write!(out, "{}", moment(narrow)),
            _ => match i64::try_from(number) {
                Ok(number) => write!(out, "{number}"),
                Err(_) => write!(out, "{number}"),
            },
        };
        // Writing to memory cannot fail.
        let _ = written;
    }
}

fn int(bits: u32, unsigned: bool) -> Kind {
    if unsigned {
        Kind::Int { least: 0, greatest: (1 << bits) - 1 }
    } else {
        Kind::Int { least: -(1 << (bits - 1)), greatest: (1 << (bits - 1)) - 1 }
    }
}

fn date(days: i64) -> Date {
    moment(days.saturating_mul(86_400_000_000)).date()
}

/// As long after 1970-01-01; the nearest moment that can be told where that is beyond the year 9999.
fn moment(micros: i64) -> DateTime {
    EPOCH.saturating_add(SignedDuration::from_micros(micros))
}

fn write_scaled(out: &mut Vec<u8>, scaled: i128, scale: u32) -> std::io::Result<()> {
    let sign = if scaled < 0 { "-" } else { "" };
    let one = 10_u128.pow(scale.min(38));
    let (whole, rest) = (scaled.unsigned_abs() / one, scaled.unsigned_abs() % one);
    let width = usize::try_from(scale).unwrap_or(0);
    if scale == 0 { write!(out, "{sign}{whole}") } else { write!(out, "{sign}{whole}.{rest:0width$}") }
}

/// The labels of `enum('a','it''s')`. The server shows no other escape in them.
fn labels(declared: &str) -> Vec<String> {
    let inner = declared.split_once('(').map_or("", |(_, list)| list.trim_end_matches(')'));
    let mut labels = Vec::new();
    let mut letters = inner.chars().peekable();
    while letters.any(|letter| letter == '\'') {
        let mut label = String::new();
        while let Some(letter) = letters.next() {
            if letter == '\'' && letters.next_if_eq(&'\'').is_none() {
                break;
            }
            label.push(letter);
        }
        labels.push(label);
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str, declared: &str) -> Kind {
        let row = TypeRow { name: name.into(), declared: declared.into(), letters: Some(40), ..TypeRow::default() };
        Kind::of(&TypeRow { precision: 10, scale: 2, digits: 3, ..row })
    }

    #[test]
    fn a_type_is_known_by_its_name_and_how_it_was_declared() {
        for (name, declared, expected) in [
            ("tinyint", "tinyint(1)", Kind::Bool),
            ("tinyint", "tinyint unsigned", Kind::Int { least: 0, greatest: 255 }),
            ("mediumint", "mediumint(9)", Kind::Int { least: -8_388_608, greatest: 8_388_607 }),
            ("bigint", "bigint(20) unsigned", Kind::Int { least: 0, greatest: u64::MAX.into() }),
            ("decimal", "decimal(10,2) unsigned", Kind::Decimal { whole: 8, scale: 2, unsigned: true }),
            ("varchar", "varchar(40)", Kind::Text { limit: 40 }),
            ("tinytext", "tinytext", Kind::Text { limit: 10 }),
            ("timestamp", "timestamp(3)", Kind::Moment { digits: 3, timestamp: true }),
            ("enum", "enum('a,b','it''s','(x)','')", Kind::Enum(["a,b", "it's", "(x)", ""].map(str::to_owned).into())),
            ("multipoint", "multipoint", Kind::Other),
        ] {
            assert_eq!(kind(name, declared), expected, "{declared}");
        }
    }

    #[test]
    fn a_number_is_written_as_the_server_reads_it() {
        let decimal = |scale| Kind::Decimal { whole: 5, scale, unsigned: false };
        let moment = Kind::Moment { digits: 6, timestamp: false };
        for (kind, number, expected) in [
            (int(64, true), i128::from(u64::MAX), &b"18446744073709551615"[..]),
            (decimal(2), -105, b"-1.05"),
            (decimal(0), 7, b"7"),
            (Kind::Float { unsigned: false }, 1_500_000, b"1.5"),
            (Kind::Bit { bits: 10 }, 513, &[2, 1]),
            (Kind::Date, 19_782, b"2024-02-29"),
            (Kind::Time { digits: 6 }, -3_600_000_001, b"-01:00:00.000001"),
            (moment.clone(), 1_000_001, b"1970-01-01T00:00:01.000001"),
            (moment, -1_000_000, b"1969-12-31T23:59:59"),
        ] {
            let mut out = Vec::new();
            kind.write_number(&mut out, number);
            assert_eq!(out, expected, "{kind:?} {number}");
        }
    }

    #[test]
    fn the_greatest_of_a_kind_is_written_as_the_manual_has_it() {
        for (kind, expected) in [
            (Kind::Date, "9999-12-31"),
            (Kind::Moment { digits: 6, timestamp: false }, "9999-12-31T23:59:59.999999"),
            (Kind::Moment { digits: 0, timestamp: true }, "2038-01-19T03:14:07"),
        ] {
            let mut out = Vec::new();
            kind.write_number(&mut out, kind.greatest());
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }
}
