//! Values of types that tables seldom have, made as texts which the server itself reads: ranges, geometry, bits, `tsvector` and the
//! like (PostgreSQL 18 manual, chapter 8 "Data Types"), arrays of them, and composite types.

use tokio_postgres::Client;

use super::error::{GrowError, Place};
use super::overrides::from_texts;
use super::table::Column;
use super::tuples::Tuples;
use crate::snapshot::grow::shuffle::mix;
use crate::snapshot::grow::text::WORDS;

/// So many different values are made.
const COUNT: u64 = 100;

/// Values for a column; `None` if its type is not known here. `width` is how many bytes they shall have where they can be longer
/// or shorter, if that is known.
pub(crate) async fn values(
    client: &Client,
    column: &Column,
    width: Option<f64>,
    place: &Place,
) -> Result<Option<Tuples>, GrowError> {
    let texts: Option<Vec<String>> = match width {
        Some(width) if column.base == "tsvector" => Some((0..COUNT).map(|nth| tsvector(nth, width)).collect()),
        _ => (0..COUNT).map(|nth| text(&column.base, nth)).collect(),
    };
    let texts = match texts {
        Some(texts) => texts,
        None => match composites(client, column).await? {
            Some(texts) => texts,
            None => return Ok(None),
        },
    };
    let weighted: Vec<(String, f64)> = texts.into_iter().map(|text| (text, 1.0)).collect();
    from_texts(client, column, &weighted, place).await.map(Some)
}

/// Rows of a composite type, or arrays of one, with NULL for what cannot be made.
async fn composites(client: &Client, column: &Column) -> Result<Option<Vec<String>>, GrowError> {
    let sql =
        "SELECT format_type(a.atttypid, a.atttypmod) FROM pg_type t JOIN pg_attribute a ON a.attrelid = t.typrelid
               WHERE t.oid = $1::text::regtype AND t.typtype = 'c' AND a.attnum > 0 AND NOT a.attisdropped
               ORDER BY a.attnum";
    let failed = GrowError::reading(&format!("what type {} is made of", column.base));
    let element = column.base.strip_suffix("[]");
    let parts: Vec<String> = client
        .query(sql, &[&element.unwrap_or(&column.base)])
        .await
        .map_err(failed)?
        .iter()
        .map(|row| row.get(0))
        .collect();
    if parts.is_empty() {
        return Ok(None);
    }
    let row = |nth| {
        let fields = parts.iter().enumerate().map(|(at, part)| text(part, nth + 7 * at as u64).unwrap_or_default());
        let quoted = fields.map(|field| if field.is_empty() { field } else { quote(&field) });
        let row = format!("({})", quoted.collect::<Vec<_>>().join(","));
        if element.is_some() { format!("{{{}}}", quote(&row)) } else { row }
    };
    Ok(Some((0..COUNT).map(row).collect()))
}

/// A field of an array or a row.
fn quote(field: &str) -> String {
    format!("\"{}\"", field.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The `nth` value of a type; `None` if it is not known here.
fn text(declared: &str, nth: u64) -> Option<String> {
    if let Some(element) = declared.strip_suffix("[]") {
        let elements: Option<Vec<String>> = (nth..=nth + nth % 3).map(|nth| text(element, nth)).collect();
        return Some(format!("{{{}}}", elements?.iter().map(|text| quote(text)).collect::<Vec<_>>().join(",")));
    }
    let random = mix(1, nth);
    let byte = |at: u32| random.to_be_bytes()[at as usize % 8];
    let word = |at: u64| WORDS[usize::try_from(mix(at, nth) % WORDS.len() as u64).unwrap_or(0)];
    let (year, month, day) = (2023 + nth % 3, 1 + nth / 3 % 12, 1 + nth % 14);
    let (hour, minute) = (byte(0) % 24, byte(1) % 60);
    let (x, y) = (f64::from(byte(2)) / 2.0, f64::from(byte(3)) / 2.0);
    let range = |low: String, high: String| format!("[{low},{high})");
    let (name, length) = match declared.split_once('(') {
        Some((name, rest)) => (format!("{name}{}", rest.split_once(')').map_or("", |(_, after)| after)), rest),
        None => (declared.to_owned(), ""),
    };
    let digits: String = length.chars().take_while(char::is_ascii_digit).collect();
    let length: Option<usize> = digits.parse().ok();
    Some(match name.as_str() {
        "smallint" | "integer" | "bigint" | "oid" => nth.to_string(),
        "numeric" | "real" | "double precision" => format!("{}", nth % 9),
        "boolean" => nth.is_multiple_of(2).to_string(),
        "text" | "character varying" | "character" => word(1).chars().take(length.unwrap_or(9)).collect(),
        "\"char\"" => char::from(b'a' + byte(0) % 26).to_string(),
        "date" => format!("{year}-{month}-{day}"),
        "time without time zone" => format!("{hour}:{minute}:00"),
        "time with time zone" => format!("{hour}:{minute}:00+00"),
        "timestamp without time zone" => format!("{year}-{month}-{day} {hour}:{minute}:00"),
        "timestamp with time zone" => format!("{year}-{month}-{day} {hour}:{minute}:00+00"),
        "interval" => format!("{hour} hours"),
        "uuid" => format!("{:016x}4{:015x}", mix(2, nth), mix(3, nth) >> 4),
        "json" | "jsonb" => format!("{{\"name\": \"{}\"}}", word(1)),
        "tsvector" => format!("'{}':1 '{}':2 '{}':3 '{}':4", word(1), word(2), word(3), word(4)),
        "tsquery" => format!("'{}' & '{}'", word(1), word(2)),
        "int4range" | "int8range" | "numrange" => range(nth.to_string(), (nth + 1 + random % 50).to_string()),
        "daterange" => range(format!("{year}-{month}-{day}"), format!("{year}-{month}-{}", day + 1 + random % 14)),
        "tsrange" | "tstzrange" => range(
            format!("{year}-{month}-{day} {hour}:{minute}:00+00"),
            format!("{year}-{month}-{} {hour}:{minute}:00+00", day + 1 + random % 14),
        ),
        "int4multirange" | "int8multirange" | "nummultirange" | "datemultirange" | "tsmultirange"
        | "tstzmultirange" => {
            format!("{{{}}}", text(&name.replace("multirange", "range"), nth)?)
        }
        "bit" => bits(random, length.unwrap_or(1)),
        "bit varying" => bits(random, length.unwrap_or(16).min(16)),
        "money" => format!("{}.{:02}", byte(0), byte(1) % 100),
        "inet" => format!("10.{}.{}.{}", byte(0), byte(1), byte(2)),
        "cidr" => format!("10.{}.{}.0/24", byte(0), byte(1)),
        "macaddr" => format!("08:00:2b:{:02x}:{:02x}:{:02x}", byte(0), byte(1), byte(2)),
        "macaddr8" => format!("08:00:2b:ff:fe:{:02x}:{:02x}:{:02x}", byte(0), byte(1), byte(2)),
        "point" => format!("({x},{y})"),
        "lseg" | "path" => format!("[({x},{y}),({},{})]", y + 1.0, x + 2.0),
        "box" => format!("({x},{y}),({},{})", x + 1.0, y + 2.0),
        "polygon" => format!("(({x},{y}),({},{y}),({x},{}))", x + 1.0, y + 2.0),
        "circle" => format!("<({x},{y}),{}>", 1 + nth % 9),
        "line" => format!("{{1,{},{y}}}", x + 1.0),
        "pg_lsn" => format!("{:X}/{:X}", byte(0), random >> 40),
        "jsonpath" => format!("$.{}", word(1)),
        "hstore" => format!("{}=>{}", word(1), word(2)),
        "ltree" => format!("{}.{}.{}", word(1), word(2), word(3)),
        _ => return None,
    })
}

/// One of about so many bytes: a head of 8, and for each word 4, its letters, and 4 for where it stands (`ts_type.h`).
fn tsvector(nth: u64, width: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few words")]
    let words = ((width - 8.0) / 16.0).round().max(1.0) as u64;
    let word = |at: u64| format!("'{}{at}':{}", WORDS[usize::try_from(mix(at, nth) % 32).unwrap_or(0)], at + 1);
    (0..words).map(word).collect::<Vec<_>>().join(" ")
}

fn bits(random: u64, count: usize) -> String {
    (0..count).map(|at| if random >> (at % 64) & 1 == 1 { '1' } else { '0' }).collect()
}
