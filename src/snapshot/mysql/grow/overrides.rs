//! What the scenario says of a column: values, a range, how many different ones. The server turns texts into values.

use std::collections::HashSet;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use rand::rngs::ChaCha8Rng;

use super::ask;
use super::error::{GrowError, Place};
use super::kind::Kind;
use super::maker::Maker;
use super::source::Source;
use super::table::{Column, Table};
use crate::scenario::{ColumnWish, TableWish};
use crate::snapshot::grow::draw::Pool;
use crate::snapshot::grow::near::nearest;
use crate::snapshot::grow::text::Texts;
use crate::snapshot::grow::tuples::Tuples;
use crate::sql::mysql::name::quote;

/// The most different values of one column that are kept in memory.
const MOST_DISTINCT: u64 = 10_000_000;

/// What the scenario says of columns and cannot be meant.
pub(crate) fn problems(table: &Table, wish: &TableWish, place: &Place) -> Vec<GrowError> {
    let problem = |(name, column_wish): (&String, &ColumnWish)| {
        let (place, column) = (place.clone(), name.clone());
        let Some(at) = table.position(name) else {
            let near = nearest(name, table.columns.iter().map(|column| column.name.clone()));
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
    conn: &mut Conn,
    column: &Column,
    wish: &ColumnWish,
    sampled: Option<(&Tuples, usize)>,
    place: &Place,
    rng: &mut ChaCha8Rng,
) -> Result<Option<Source>, GrowError> {
    if let Some(values) = &wish.values {
        let weights: Vec<f64> = values.iter().map(|(_, weight)| weight.max(0.0)).collect();
        return Ok(Some(Source::Pool(Pool::weighted(from_texts(conn, column, values, place).await?, &weights))));
    }
    let ranged = match (&wish.range, &wish.pattern) {
        (Some((low, high)), _) => Some(range(conn, column, low, high, place).await?),
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
        column: column.name.clone(),
        why: format!("`distinct` is {count}, but only {found} different values of {} can be had", column.declared),
    })?;
    Ok(Some(Source::Pool(Pool::spread(values, wish.distribution))))
}

/// Values from their text form, as the column would give them back.
pub(crate) async fn from_texts(
    conn: &mut Conn,
    column: &Column,
    values: &[(String, f64)],
    place: &Place,
) -> Result<Tuples, GrowError> {
    let mut tuples = Tuples::new(1);
    for (value, _) in values {
        tuples.push(as_kept(conn, column, value, "c", place).await?.as_deref());
    }
    Ok(tuples)
}

/// What makes a number of a value `c`, in the unit of [`Maker::within`], as SQL has it.
pub(crate) fn unit(kind: &Kind) -> String {
    match kind {
        Kind::Decimal { .. } | Kind::Float { .. } => format!("CAST(ROUND(c * {}) AS DECIMAL(65, 0))", kind.one()),
        Kind::Date => "DATEDIFF(c, '1970-01-01')".to_owned(),
        Kind::Time { .. } => "TIME_TO_SEC(c) * 1000000 + IF(c < 0, -1, 1) * MICROSECOND(c)".to_owned(),
        Kind::Moment { .. } => "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', c)".to_owned(),
        _ => "c + 0".to_owned(),
    }
}

async fn range(conn: &mut Conn, column: &Column, low: &str, high: &str, place: &Place) -> Result<Maker, GrowError> {
    let unit = unit(&column.kind);
    let mut bounds = [0_i128; 2];
    for (bound, text) in bounds.iter_mut().zip([low, high]) {
        let number = as_kept(conn, column, text, &unit, place).await?;
        let number = number.and_then(|number| ask::whole(&String::from_utf8_lossy(&number)));
        *bound = number.ok_or_else(|| GrowError::Column {
            place: place.clone(),
            column: column.name.clone(),
            why: format!("a range cannot begin or end with `{text}`"),
        })?;
    }
    let empty = || GrowError::Column {
        place: place.clone(),
        column: column.name.clone(),
        why: format!("the range from `{low}` to `{high}` is empty"),
    };
    if bounds[0] > bounds[1] {
        return Err(empty());
    }
    Maker::within(&column.kind, bounds[0], bounds[1]).ok_or_else(empty)
}

/// What a column of this type makes of a text: it is put into a temporary table, under the server's own `sql_mode`.
pub(crate) async fn as_kept(
    conn: &mut Conn,
    column: &Column,
    value: &str,
    expression: &str,
    place: &Place,
) -> Result<Option<Vec<u8>>, GrowError> {
    let failed = GrowError::reading("what a column makes of a value");
    let literal = ask::literal(value);
    let value_sql = match (&column.kind, value) {
        (Kind::Bool, "true") => "1".to_owned(),
        (Kind::Bool, "false") => "0".to_owned(),
        // A text would be taken for the bits of its letters.
        (Kind::Bit { .. }, _) if value.parse::<u64>().is_ok() => value.to_owned(),
        (Kind::Point { srid }, _) => format!("ST_GeomFromText({literal}, {srid})"),
        _ => literal,
    };
    let table = quote("rehearsal: a value");
    let create = format!("CREATE TEMPORARY TABLE {table} (c {} NULL)", column.declared);
    conn.query_drop(create).await.map_err(&failed)?;
    conn.query_drop("SET SESSION sql_mode = @rehearsal_sql_mode").await.map_err(&failed)?;
    let kept = conn.query_drop(format!("INSERT INTO {table} VALUES ({value_sql})")).await;
    conn.query_drop(super::SQL_MODE).await.map_err(&failed)?;
    let read: Result<Option<mysql_async::Row>, _> = conn.query_first(format!("SELECT {expression} FROM {table}")).await;
    conn.query_drop(format!("DROP TEMPORARY TABLE {table}")).await.map_err(&failed)?;
    kept.map_err(|source| refused(column, value, place, source))?;
    Ok(read.map_err(&failed)?.and_then(|row| ask::bytes(&row, 0).map(<[u8]>::to_vec)))
}

fn refused(column: &Column, value: &str, place: &Place, source: mysql_async::Error) -> GrowError {
    GrowError::Value {
        place: place.clone(),
        column: column.name.clone(),
        declared: column.declared.clone(),
        value: value.to_owned(),
        source: Box::new(source),
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
        let mut value = Vec::new();
        maker.write(rng, &mut value);
        if seen.insert(value.clone()) {
            values.push(Some(&value));
        }
    }
    if values.len() < count { Err(values.len()) } else { Ok(values) }
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
        let maker = Maker::new(&Kind::Text { limit: 40 });
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let values = distinct(5, Some((&sample, 0)), maker.as_ref(), &mut rng).expect("there are enough");
        assert_eq!([values.value(0, 0), values.value(1, 0)], [Some(&b"a"[..]), Some(&b"b"[..])]);
        assert_eq!((0..5).filter_map(|row| values.value(row, 0)).collect::<HashSet<_>>().len(), 5);
        let bools = Maker::new(&Kind::Bool);
        assert_eq!(distinct(3, None, bools.as_ref(), &mut rng).expect_err("there are two"), 2);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let int = || Kind::Int { least: 0, greatest: 9 };
        let column = |kind, not_null| Column {
            name: "c".into(),
            declared: "t".into(),
            kind,
            not_null,
            has_default: false,
            auto_increment: false,
            partition_key: false,
            via_text: false,
        };
        let wish = ColumnWish::default;
        let values = |weight| Some(vec![("a".to_owned(), weight)]);
        let range = Some(("1".to_owned(), "2".to_owned()));
        let pattern = |text: &str| Some(crate::scenario::Pattern::parse(text).expect("it is one"));
        for (kind, wish, refused) in [
            (int(), ColumnWish { range: range.clone(), distinct: Some(3), ..wish() }, false),
            (int(), ColumnWish { range: range.clone(), values: values(1.0), ..wish() }, true),
            (Kind::Json, ColumnWish { range, ..wish() }, true),
            (Kind::Json, ColumnWish { pattern: pattern("x"), ..wish() }, true),
            (Kind::Text { limit: 3 }, ColumnWish { pattern: pattern("x{3}"), ..wish() }, false),
            (Kind::Text { limit: 3 }, ColumnWish { pattern: pattern("x{4}"), ..wish() }, true),
            (int(), ColumnWish { values: values(0.0), ..wish() }, true),
            (int(), ColumnWish { values: values(1.0), distinct: Some(1), ..wish() }, true),
            (int(), ColumnWish { distinct: Some(0), ..wish() }, true),
            (int(), ColumnWish { null_fraction: Some(0.5), ..wish() }, true),
        ] {
            assert_eq!(objection(&column(kind, true), &wish).is_some(), refused, "{wish:?}");
        }
    }
}
