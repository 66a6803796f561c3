//! The types that values can be made for, and how their binary form is written.
//!
//! The binary forms are those of the `*_send` functions of PostgreSQL, stable since 7.4 (`numeric`: groups of four decimal
//! digits; dates and times: days and microseconds since 2000-01-01; `jsonb`: a version byte and text).

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::Type;

/// A type, seen as what a value of it is made of. Domains count as the type they stand on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    /// With digits before and after the point.
    Numeric {
        whole: u32,
        scale: u32,
    },
    /// Text of any length, or of at most so many letters.
    Text {
        limit: Option<usize>,
    },
    Bool,
    Date,
    Time,
    /// With and without time zone: the same eight bytes.
    Timestamp,
    Interval,
    Uuid,
    Json,
    Jsonb,
    Bytea,
    Inet,
    Enum(Vec<String>),
    /// One-dimensional; the element's type by its number.
    Array(u32, Box<Kind>),
    /// Anything else: kept and resampled where there are rows, but never made up.
    Other,
}

/// What `pg_type` says of a type.
#[derive(Debug, Clone, Default)]
pub(crate) struct TypeRow {
    pub(crate) oid: u32,
    pub(crate) name: String,
    pub(crate) typmod: i32,
    pub(crate) labels: Vec<String>,
    pub(crate) element: u32,
    pub(crate) element_name: String,
    pub(crate) element_labels: Vec<String>,
}

impl Kind {
    /// The kind of a type.
    pub(crate) fn of(row: &TypeRow) -> Self {
        if row.element != 0 {
            let element = TypeRow {
                oid: row.element,
                name: row.element_name.clone(),
                typmod: row.typmod,
                labels: row.element_labels.clone(),
                ..TypeRow::default()
            };
            return match Self::of(&element) {
                Self::Other => Self::Other,
                kind => Self::Array(row.element, Box::new(kind)),
            };
        }
        if !row.labels.is_empty() {
            return Self::Enum(row.labels.clone());
        }
        // A type modifier holds four bytes of header for lengths, and precision and scale for numeric.
        let length = usize::try_from(row.typmod - 4).ok();
        match Type::from_oid(row.oid) {
            Some(Type::INT2) => Self::Int2,
            Some(Type::INT4) => Self::Int4,
            Some(Type::INT8) => Self::Int8,
            Some(Type::FLOAT4) => Self::Float4,
            Some(Type::FLOAT8) => Self::Float8,
            Some(Type::NUMERIC) => numeric(row.typmod),
            Some(Type::TEXT) => Self::Text { limit: None },
            Some(Type::VARCHAR | Type::BPCHAR) => Self::Text { limit: length },
            Some(Type::NAME) => Self::Text { limit: Some(63) },
            Some(Type::BOOL) => Self::Bool,
            Some(Type::DATE) => Self::Date,
            Some(Type::TIME) => Self::Time,
            Some(Type::TIMESTAMP | Type::TIMESTAMPTZ) => Self::Timestamp,
            Some(Type::INTERVAL) => Self::Interval,
            Some(Type::UUID) => Self::Uuid,
            Some(Type::JSON) => Self::Json,
            Some(Type::JSONB) => Self::Jsonb,
            Some(Type::BYTEA) => Self::Bytea,
            Some(Type::INET) => Self::Inet,
            None if row.name == "citext" => Self::Text { limit: None },
            _ => Self::Other,
        }
    }

    /// The greatest number that a column of this kind holds, in the unit in which a counter counts.
    pub(crate) fn greatest(&self) -> i64 {
        match self {
            Self::Int2 => i64::from(i16::MAX),
            Self::Int4 => i64::from(i32::MAX),
            // The last day that the server knows is 5874897-12-31.
            Self::Date => 2_145_031_948,
            // From here on an eight-byte float cannot tell neighbours apart.
            Self::Float8 => 1 << 53,
            Self::Numeric { whole, .. } => 10_i64.checked_pow(*whole).map_or(i64::MAX, |limit| limit - 1),
            // 294276-12-31.
            Self::Timestamp => 9_223_371_331_200_000_000 - 1,
            _ => i64::MAX,
        }
    }

    /// Writes a number as a field of this kind; what a number cannot stand for is written as `bigint`.
    pub(crate) fn put_number(&self, out: &mut BytesMut, number: i64) {
        match self {
            Self::Int2 => {
                out.put_i32(2);
                out.put_i16(i16::try_from(number).unwrap_or(i16::MAX));
            }
            Self::Int4 | Self::Date => {
                out.put_i32(4);
                out.put_i32(i32::try_from(number).unwrap_or(i32::MAX));
            }
            Self::Float4 => {
                out.put_i32(4);
                #[allow(clippy::cast_possible_truncation, reason = "a float of four bytes is what the column holds")]
                out.put_f32(number as f32);
            }
            Self::Float8 => {
                out.put_i32(8);
                out.put_f64(number as f64);
            }
            Self::Numeric { .. } => put_numeric(out, i128::from(number), 0),
            _ => {
                out.put_i32(8);
                out.put_i64(number);
            }
        }
    }
}

fn numeric(typmod: i32) -> Kind {
    match u32::try_from(typmod - 4) {
        Ok(packed) => {
            let (precision, scale) = (packed >> 16, packed & 0x7ff);
            // From PostgreSQL 15 a scale may be negative or above the precision; such columns hold no plain numbers.
            if scale > precision { Kind::Other } else { Kind::Numeric { whole: precision - scale, scale } }
        }
        Err(_) => Kind::Numeric { whole: 18, scale: 2 },
    }
}

/// Writes `scaled / 10^scale` as a `numeric` field.
pub(crate) fn put_numeric(out: &mut BytesMut, scaled: i128, scale: u32) {
    // Groups of four digits are counted from the point, so digits after it are filled up to whole groups.
    let fill = (4 - scale % 4) % 4;
    let mut rest = scaled.unsigned_abs() * 10_u128.pow(fill);
    let mut groups = [0_u16; 12];
    let mut count = 0;
    while rest > 0 {
        groups[count] = u16::try_from(rest % 10_000).unwrap_or(0);
        rest /= 10_000;
        count += 1;
    }
    let after_point = usize::try_from(scale.div_ceil(4)).unwrap_or(0);
    let weight = i16::try_from(count).unwrap_or(0) - 1 - i16::try_from(after_point).unwrap_or(0);
    let digits = i16::try_from(count).unwrap_or(0);
    out.put_i32(8 + 2 * i32::from(digits));
    out.put_i16(digits);
    out.put_i16(if count == 0 { 0 } else { weight });
    out.put_u16(if scaled < 0 { 0x4000 } else { 0 });
    out.put_u16(u16::try_from(scale).unwrap_or(0));
    for group in groups[..count].iter().rev() {
        out.put_u16(*group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numeric_is_written_in_groups_of_four_digits() {
        // As `numeric_send` of PostgreSQL 15 gives them: digits, weight, sign, scale, groups.
        for (scaled, scale, expected) in [
            (0, 0, vec![0, 0, 0, 0]),
            (1, 0, vec![1, 0, 0, 0, 1]),
            (12_345, 0, vec![2, 1, 0, 0, 1, 2345]),
            (-499, 2, vec![2, 0, 0x4000, 2, 4, 9900]),
            (1, 2, vec![1, 0xffff, 0, 2, 100]),
            (1_234_567, 5, vec![3, 0, 0, 5, 12, 3456, 7000]),
        ] {
            let mut out = BytesMut::new();
            put_numeric(&mut out, scaled, scale);
            let words: Vec<u16> = out[4..].chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            assert_eq!(words, expected, "{scaled} / 10^{scale}");
            assert_eq!(out[..4], i32::try_from(2 * expected.len()).expect("small").to_be_bytes());
        }
    }

    #[test]
    fn a_type_is_known_by_its_number_and_modifier() {
        let kind = |oid, typmod| Kind::of(&TypeRow { oid, typmod, ..TypeRow::default() });
        assert_eq!(kind(1043, 14), Kind::Text { limit: Some(10) });
        assert_eq!(kind(1043, -1), Kind::Text { limit: None });
        assert_eq!(kind(1700, ((10 << 16) | 2) + 4), Kind::Numeric { whole: 8, scale: 2 });
        assert_eq!(kind(1114, -1), Kind::Timestamp);
        assert_eq!(kind(3614, -1), Kind::Other);
        let texts = TypeRow { oid: 1009, element: 25, typmod: -1, ..TypeRow::default() };
        assert_eq!(Kind::of(&texts), Kind::Array(25, Box::new(Kind::Text { limit: None })));
    }

    #[test]
    fn a_kind_knows_how_far_it_counts() {
        assert_eq!(Kind::Int2.greatest(), 32_767);
        assert_eq!(Kind::Numeric { whole: 3, scale: 2 }.greatest(), 999);
        assert_eq!(Kind::Numeric { whole: 30, scale: 0 }.greatest(), i64::MAX);
    }
}
