//! What the scenario says of a column: values, a range, how many different ones. The server turns texts into values.

use std::collections::HashSet;
use std::error::Error;

use bytes::BytesMut;
use rand::rngs::ChaCha8Rng;
use tokio_postgres::Client;
use tokio_postgres::types::{FromSql, Type};

use super::error::{GrowError, Place};
use super::kind::Kind;
use super::maker::Maker;
use super::name::nearest;
use super::source::{Pool, Source};
use super::table::{Column, Table};
use super::tuples::Tuples;
use crate::scenario::{ColumnWish, TableWish};
use crate::snapshot::grow::text::Texts;
use crate::sql::postgres::quote::ident;

/// The most different values of one column that are kept in memory.
const MOST_DISTINCT: u64 = 10_000_000;

/// What the scenario says of columns and cannot be meant.
pub(crate) fn problems(table: &Table, wish: &TableWish, place: &Place) -> Vec<GrowError> {
    let problem = |(name, column_wish): (&String, &ColumnWish)| {
        let (place, column) = (place.clone(), ident(name));
        let Some(at) = table.position(name) else {
            let near = nearest(name, table.columns.iter().map(|column| ident(&column.name)));
            return Some(GrowError::NoSuchColumn { place, column, near });
        };
        let spread = column_wish.distribution.is_some() && column_wish.distinct.is_none();
        let why = if spread && !table.is_foreign(&table.columns[at].name) {
            Some("`distribution` needs `distinct` beside it, or `references`, or a foreign key".to_owned())
        } else {
            objection(&table.columns[at], column_wish)
        };
        why.map(|why| GrowError::Column { place, column, why })
    };
    wish.columns.iter().filter_map(problem).collect()
}

/// Why what the scenario says of a column cannot be meant, if it cannot.
pub(crate) fn objection(column: &Column, wish: &ColumnWish) -> Option<String> {
    let why = match wish {
        ColumnWish { values: Some(_), range: Some(_), .. } => "`values` and `range` exclude each other",
        ColumnWish { values: Some(_), distinct: Some(_), .. } => "`values` and `distinct` exclude each other",
        ColumnWish { pattern: Some(_), values: Some(_), .. } => "`pattern` and `values` exclude each other",
        ColumnWish { pattern: Some(_), range: Some(_), .. } => "`pattern` and `range` exclude each other",
        ColumnWish { references: Some(_), values: Some(_), .. } => "`references` and `values` exclude each other",
        ColumnWish { references: Some(_), range: Some(_), .. } => "`references` and `range` exclude each other",
        ColumnWish { references: Some(_), pattern: Some(_), .. } => "`references` and `pattern` exclude each other",
        ColumnWish { distinct: Some(0), .. } => "`distinct` must be at least 1",
        ColumnWish { distinct: Some(count), .. } if *count > MOST_DISTINCT => {
            return Some(format!("`distinct` may be {MOST_DISTINCT} at most"));
        }
        ColumnWish { range: Some(_), .. } if !Maker::can_range(&column.kind) => {
            return Some(format!("`range` has no meaning for {}; it needs numbers, dates or times", column.declared));
        }
        ColumnWish { null_fraction: Some(share), .. } if *share > 0.0 && column.not_null => {
            "`null_fraction` is given, but the column is NOT NULL"
        }
        ColumnWish { values: Some(values), .. } if values.iter().all(|(_, weight)| *weight <= 0.0) => {
            "`values` needs a value with a weight above 0"
        }
        ColumnWish { pattern: Some(pattern), .. } => {
            let Kind::Text { limit } = column.kind else {
                return Some(format!("`pattern` has no meaning for {}; it needs texts", column.declared));
            };
            let limit = limit.unwrap_or(usize::MAX);
            if pattern.longest() <= limit {
                return None;
            }
            return Some(format!(
                "texts of `pattern` may have {} letters, and {} takes {limit}",
                pattern.longest(),
                column.declared
            ));
        }
        _ => return None,
    };
    Some(why.to_owned())
}

/// The source that the scenario's words for a column ask for; `None` if it leaves the values open.
pub(crate) async fn source(
    client: &Client,
    column: &Column,
    wish: &ColumnWish,
    sampled: Option<(&Tuples, usize)>,
    place: &Place,
    rng: &mut ChaCha8Rng,
) -> Result<Option<Source>, GrowError> {
    if let Some(values) = &wish.values {
        let weights: Vec<f64> = values.iter().map(|(_, weight)| weight.max(0.0)).collect();
        return Ok(Some(Source::Pool(Pool::weighted(from_texts(client, column, values, place).await?, &weights))));
    }
    let ranged = match (&wish.range, &wish.pattern) {
        (Some((low, high)), _) => Some(range(client, column, low, high, place).await?),
        (None, Some(pattern)) => Maker::new(&column.kind).map(|mut maker| {
            maker.texts = Texts::Pattern(pattern.clone());
            maker
        }),
        (None, None) => None,
    };
    let Some(count) = wish.distinct else { return Ok(ranged.map(Source::Made)) };
    let sampled = if ranged.is_some() { None } else { sampled };
    let maker = ranged.or_else(|| Maker::new(&column.kind));
    let values = distinct(count, sampled, maker.as_ref(), rng).map_err(|found| GrowError::Column {
        place: place.clone(),
        column: ident(&column.name),
        why: format!("`distinct` is {count}, but only {found} different values of {} can be had", column.declared),
    })?;
    Ok(Some(Source::Pool(Pool::spread(values, wish.distribution))))
}

/// Values from their text form.
pub(crate) async fn from_texts(
    client: &Client,
    column: &Column,
    values: &[(String, f64)],
    place: &Place,
) -> Result<Tuples, GrowError> {
    let sql = format!("SELECT $1::text::{}", column.declared);
    let mut tuples = Tuples::new(1);
    for (value, _) in values {
        let row = client.query_one(&sql, &[value]).await.map_err(|source| refused(column, value, place, source))?;
        tuples.push(row.get::<_, Raw>(0).0.as_deref());
    }
    Ok(tuples)
}

/// What turns a text into a whole number, in the unit of the column's kind (see [`Maker`]).
pub(crate) fn unit(column: &Column, kind: &Kind, text: &str) -> String {
    let base = &column.base;
    match kind {
        Kind::Numeric { scale, .. } => format!("round({text}::numeric * 10::numeric ^ {scale})::int8"),
        Kind::Float4 | Kind::Float8 => format!("round({text}::float8 * 1000000)::int8"),
        Kind::Date => format!("({text}::date - date '2000-01-01')::int8"),
        Kind::Time => format!("(extract(epoch FROM {text}::time) * 1000000)::int8"),
        Kind::Timestamp => format!("(extract(epoch FROM {text}::{base}) * 1000000)::int8 - 946684800000000"),
        _ => format!("{text}::{base}::int8"),
    }
}

/// What 1 is in that unit.
pub(crate) fn scale(kind: &Kind) -> i128 {
    match kind {
        Kind::Numeric { scale, .. } => 10_i128.pow((*scale).min(30)),
        Kind::Float4 | Kind::Float8 => 1_000_000,
        _ => 1,
    }
}

/// The greatest number in that unit that a column of a kind holds for certain, as far from 0 in both directions.
pub(crate) fn limit(kind: &Kind) -> i128 {
    match kind {
        // 2000-01-01 is as many days after 4713 BC.
        Kind::Date => 2_451_545,
        Kind::Time => 86_400_000_000 - 1,
        Kind::Timestamp => 2_451_545 * 86_400_000_000,
        Kind::Float4 | Kind::Float8 => 1 << 53,
        kind => (i128::from(kind.greatest()) * scale(kind)).min(i128::from(i64::MAX)),
    }
}

async fn range(client: &Client, column: &Column, low: &str, high: &str, place: &Place) -> Result<Maker, GrowError> {
    let unit = unit(column, &column.kind, "$1::text");
    let mut bounds = [0_i64; 2];
    for (bound, text) in bounds.iter_mut().zip([low, high]) {
        let row = client.query_one(&format!("SELECT {unit}"), &[&text]).await;
        *bound = row.map_err(|source| refused(column, text, place, source))?.get(0);
    }
    let empty = || GrowError::Column {
        place: place.clone(),
        column: ident(&column.name),
        why: format!("the range from `{low}` to `{high}` is empty"),
    };
    if bounds[0] > bounds[1] {
        return Err(empty());
    }
    Maker::within(&column.kind, bounds[0], bounds[1]).ok_or_else(empty)
}

fn refused(column: &Column, value: &str, place: &Place, source: tokio_postgres::Error) -> GrowError {
    GrowError::Value {
        place: place.clone(),
        column: ident(&column.name),
        declared: column.declared.clone(),
        value: value.to_owned(),
        source,
    }
}

/// So many different values, those of existing rows first. The error is how many could be had.
fn distinct(
    count: u64,
    sampled: Option<(&Tuples, usize)>,
    maker: Option<&Maker>,
    rng: &mut ChaCha8Rng,
) -> Result<Tuples, usize> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let mut seen: HashSet<Vec<u8>> = HashSet::new();
    let mut values = Tuples::new(1);
    if let Some((tuples, column)) = sampled {
        for value in (0..tuples.len()).filter_map(|row| tuples.value(row, column)) {
            if values.len() < count && seen.insert(value.to_vec()) {
                values.push(Some(value));
            }
        }
    }
    // Values come at random, so the last of a small set takes a while; this many tries find nearly any.
    let mut tries = count.saturating_mul(20).saturating_add(1_000);
    while let Some(maker) = maker.filter(|_| values.len() < count && tries > 0) {
        tries -= 1;
        let mut field = BytesMut::new();
        maker.put(rng, &mut field);
        if seen.insert(field[4..].to_vec()) {
            values.push(Some(&field[4..]));
        }
    }
    if values.len() < count { Err(values.len()) } else { Ok(values) }
}

/// A value of any type in its binary form.
struct Raw(Option<Vec<u8>>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Some(raw.to_vec())))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn distinct_values_are_those_of_the_sample_and_then_made_ones() {
        let mut sample = Tuples::new(1);
        for value in [&b"a"[..], b"b", b"a"] {
            sample.push(Some(value));
        }
        let maker = Maker::new(&Kind::Text { limit: None });
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let values = distinct(5, Some((&sample, 0)), maker.as_ref(), &mut rng).expect("there are enough");
        assert_eq!([values.value(0, 0), values.value(1, 0)], [Some(&b"a"[..]), Some(&b"b"[..])]);
        assert_eq!((0..5).filter_map(|row| values.value(row, 0)).collect::<HashSet<_>>().len(), 5);
        let bools = Maker::new(&Kind::Bool);
        assert_eq!(distinct(3, None, bools.as_ref(), &mut rng).expect_err("there are two"), 2);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let column = |kind, not_null| Column {
            name: "c".into(),
            declared: "t".into(),
            base: "t".into(),
            kind,
            binary: true,
            not_null,
            has_default: false,
            partition_key: false,
            sequences: vec![],
        };
        let wish = ColumnWish::default;
        let values = |weight| Some(vec![("a".to_owned(), weight)]);
        let range = Some(("1".to_owned(), "2".to_owned()));
        let pattern = |text: &str| Some(crate::scenario::Pattern::parse(text).expect("it is one"));
        for (kind, wish, refused) in [
            (Kind::Int4, ColumnWish { range: range.clone(), distinct: Some(3), ..wish() }, false),
            (Kind::Int4, ColumnWish { range: range.clone(), values: values(1.0), ..wish() }, true),
            (Kind::Bool, ColumnWish { range, ..wish() }, true),
            (Kind::Bool, ColumnWish { pattern: pattern("x"), ..wish() }, true),
            (Kind::Text { limit: Some(3) }, ColumnWish { pattern: pattern("x{3}"), ..wish() }, false),
            (Kind::Text { limit: Some(3) }, ColumnWish { pattern: pattern("x{4}"), ..wish() }, true),
            (Kind::Int4, ColumnWish { values: values(0.0), ..wish() }, true),
            (Kind::Int4, ColumnWish { values: values(1.0), distinct: Some(1), ..wish() }, true),
            (Kind::Int4, ColumnWish { distinct: Some(0), ..wish() }, true),
            (Kind::Int4, ColumnWish { null_fraction: Some(0.5), ..wish() }, true),
        ] {
            assert_eq!(objection(&column(kind, true), &wish).is_some(), refused, "{wish:?}");
        }
    }
}
