//! Numbers, dates and times of a profile as whole numbers in the unit of their kind, and back.

use bytes::{BufMut, BytesMut};
use tokio_postgres::Client;

use super::super::error::{GrowError, Place};
use super::super::kind::{Kind, put_numeric};
use super::super::maker::Maker;
use super::super::overrides;
use super::super::table::Column;
use crate::profile::ColumnProfile;
use crate::snapshot::grow::numbers::Numbers;
use crate::sql::postgres::quote::ident;

/// The kind of a column; a `numeric` without digits in its declaration has as many after the point as its values have.
pub(super) fn kind_of(kind: &Kind, profile: &ColumnProfile) -> Kind {
    let Kind::Numeric { whole, scale } = kind else { return kind.clone() };
    if profile.declared != "numeric" {
        return Kind::Numeric { whole: *whole, scale: *scale };
    }
    let texts = profile.values.iter().chain(&profile.bounds).flatten();
    let digits = texts.map(|text| text.split_once('.').map_or(0, |(_, digits)| digits.len())).max();
    let scale = digits.and_then(|digits| u32::try_from(digits).ok()).map_or(*scale, |digits| digits.min(9));
    Kind::Numeric { whole: 18 - scale, scale }
}

/// The values of a profile as numbers, if it has any.
pub(super) async fn numbers(
    client: &Client,
    column: &Column,
    kind: &Kind,
    profile: &ColumnProfile,
    place: &Place,
) -> Result<Option<Numbers>, GrowError> {
    let finite = |text: &&String| !matches!(text.to_lowercase().trim_start_matches('-'), "nan" | "infinity");
    let unit = overrides::unit(column, kind, "v");
    let sql = format!("SELECT ARRAY(SELECT {unit} FROM unnest($1::text[]) WITH ORDINALITY AS u(v, at) ORDER BY at)");
    let mut read = [Vec::new(), Vec::new()];
    for (list, texts) in read.iter_mut().zip([&profile.values, &profile.bounds]) {
        let texts: Vec<&String> = texts.iter().flatten().filter(finite).collect();
        if !texts.is_empty() {
            let row = client.query_one(&sql, &[&texts]).await.map_err(|source| GrowError::Value {
                place: place.clone(),
                column: ident(&column.name),
                declared: column.declared.clone(),
                value: texts.iter().take(3).map(|text| text.as_str()).collect::<Vec<_>>().join(", "),
                source,
            })?;
            *list = row.get::<_, Vec<i64>>(0);
        }
    }
    let [commons, bounds] = read;
    let numbers = Numbers::new(commons, bounds).map(|numbers| {
        let all = numbers.commons.len() == profile.frequencies.len();
        Numbers { commons: if all { numbers.commons } else { Vec::new() }, ..numbers }
    });
    Ok(numbers)
}

/// Bounds for numbers of which nothing is known, with room for so many different ones.
pub(super) fn usual_bounds(kind: &Kind, distinct: u64) -> Vec<i64> {
    let (low, high) = Maker::new(kind).map_or((1, 1_000_000), |maker| maker.bounds());
    vec![low, high.max(low.saturating_add_unsigned(distinct)).min(kind.greatest())]
}

/// Writes a number in the unit of a kind as a field.
pub(super) fn put(kind: &Kind, number: i64, out: &mut BytesMut) {
    match kind {
        Kind::Numeric { scale, .. } => put_numeric(out, i128::from(number), *scale),
        Kind::Float4 => {
            out.put_i32(4);
            #[allow(clippy::cast_possible_truncation, reason = "a float of four bytes is what the column holds")]
            out.put_f32((number as f64 / 1e6) as f32);
        }
        Kind::Float8 => {
            out.put_i32(8);
            out.put_f64(number as f64 / 1e6);
        }
        kind => kind.put_number(out, number),
    }
}
