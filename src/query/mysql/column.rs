//! Columns and values of a result as MySQL's protocol tells them.
//!
//! A type is what a driver is told of it: its name, length, precision, sign. The members of an ENUM or a SET, the
//! collation, and whether nulls are allowed are not told (or not reliably); what they change shows in the content.

use std::borrow::Cow;

use mysql_async::Value;
use mysql_async::consts::{ColumnFlags, ColumnType};
use mysql_common::collations::CollationId;

use crate::run::Column;

/// The collation of what is no text.
const BINARY: u16 = 63;
/// Decimals of a float or a double that has no fixed number of them (`NOT_FIXED_DEC` in the server's sources).
const ANY_DECIMALS: u8 = 31;

/// A column for the record.
pub(super) fn column(column: &mysql_async::Column) -> Column {
    Column { name: column.name_str().into_owned(), type_name: type_name(column) }
}

/// The type as one would write it in a `CREATE TABLE`.
fn type_name(column: &mysql_async::Column) -> String {
    let flags = column.flags();
    let is_text = column.character_set() != BINARY;
    let decimals = column.decimals();
    let length = column.column_length();
    let characters = length / bytes_per_character(column.character_set());
    let name = match column.column_type() {
        // Flags come first: an ENUM's type is told as that of a string.
        _ if flags.contains(ColumnFlags::ENUM_FLAG) => "enum".to_owned(),
        _ if flags.contains(ColumnFlags::SET_FLAG) => "set".to_owned(),
        // The only width that still means something: clients take it for a Boolean.
        ColumnType::MYSQL_TYPE_TINY if length == 1 => "tinyint(1)".to_owned(),
        ColumnType::MYSQL_TYPE_TINY => "tinyint".to_owned(),
        ColumnType::MYSQL_TYPE_SHORT => "smallint".to_owned(),
        ColumnType::MYSQL_TYPE_INT24 => "mediumint".to_owned(),
        ColumnType::MYSQL_TYPE_LONG => "int".to_owned(),
        ColumnType::MYSQL_TYPE_LONGLONG => "bigint".to_owned(),
        ColumnType::MYSQL_TYPE_FLOAT => floating("float", length, decimals),
        ColumnType::MYSQL_TYPE_DOUBLE => floating("double", length, decimals),
        ColumnType::MYSQL_TYPE_DECIMAL | ColumnType::MYSQL_TYPE_NEWDECIMAL => {
            // The length counts the point and the sign, where there can be one.
            let point = u32::from(decimals > 0);
            let sign = u32::from(!flags.contains(ColumnFlags::UNSIGNED_FLAG));
            format!("decimal({},{decimals})", length.saturating_sub(point + sign))
        }
        ColumnType::MYSQL_TYPE_NULL => "null".to_owned(),
        ColumnType::MYSQL_TYPE_DATE | ColumnType::MYSQL_TYPE_NEWDATE => "date".to_owned(),
        ColumnType::MYSQL_TYPE_YEAR => "year".to_owned(),
        ColumnType::MYSQL_TYPE_TIME | ColumnType::MYSQL_TYPE_TIME2 => fractional("time", decimals),
        ColumnType::MYSQL_TYPE_DATETIME | ColumnType::MYSQL_TYPE_DATETIME2 => fractional("datetime", decimals),
        ColumnType::MYSQL_TYPE_TIMESTAMP | ColumnType::MYSQL_TYPE_TIMESTAMP2 => fractional("timestamp", decimals),
        ColumnType::MYSQL_TYPE_BIT => format!("bit({length})"),
        ColumnType::MYSQL_TYPE_JSON => "json".to_owned(),
        ColumnType::MYSQL_TYPE_VECTOR => "vector".to_owned(),
        ColumnType::MYSQL_TYPE_GEOMETRY => "geometry".to_owned(),
        ColumnType::MYSQL_TYPE_ENUM => "enum".to_owned(),
        ColumnType::MYSQL_TYPE_SET => "set".to_owned(),
        ColumnType::MYSQL_TYPE_STRING if is_text => format!("char({characters})"),
        ColumnType::MYSQL_TYPE_STRING => format!("binary({length})"),
        ColumnType::MYSQL_TYPE_VARCHAR | ColumnType::MYSQL_TYPE_VAR_STRING if is_text => {
            format!("varchar({characters})")
        }
        ColumnType::MYSQL_TYPE_VARCHAR | ColumnType::MYSQL_TYPE_VAR_STRING => format!("varbinary({length})"),
        ColumnType::MYSQL_TYPE_TINY_BLOB
        | ColumnType::MYSQL_TYPE_BLOB
        | ColumnType::MYSQL_TYPE_MEDIUM_BLOB
        | ColumnType::MYSQL_TYPE_LONG_BLOB => large(if is_text { characters } else { length }, is_text),
        other => format!("{other:?}").trim_start_matches("MYSQL_TYPE_").to_ascii_lowercase(),
    };
    // A YEAR is told to be unsigned and filled with zeros too, and is never written so.
    let is_number = column.column_type().is_numeric_type() && column.column_type() != ColumnType::MYSQL_TYPE_YEAR;
    let sign = match (flags.contains(ColumnFlags::UNSIGNED_FLAG), flags.contains(ColumnFlags::ZEROFILL_FLAG)) {
        (_, true) if is_number => " unsigned zerofill",
        (true, false) if is_number => " unsigned",
        _ => "",
    };
    format!("{name}{sign}")
}

fn floating(name: &str, length: u32, decimals: u8) -> String {
    if decimals >= ANY_DECIMALS { name.to_owned() } else { format!("{name}({length},{decimals})") }
}

fn fractional(name: &str, decimals: u8) -> String {
    if decimals == 0 || decimals >= ANY_DECIMALS { name.to_owned() } else { format!("{name}({decimals})") }
}

/// A TEXT or a BLOB by the most that it holds. All four share one type in the protocol; a TEXT's length may be told in
/// bytes or in characters of the most bytes, so that the classes overlap in neither reading.
fn large(length: u32, is_text: bool) -> String {
    let size = match length {
        0..=255 => "tiny",
        256..=65_535 => "",
        65_536..=16_777_215 => "medium",
        _ => "long",
    };
    format!("{size}{}", if is_text { "text" } else { "blob" })
}

/// The most bytes that a character takes in a collation; 1 where it is not known.
fn bytes_per_character(collation: u16) -> u32 {
    let known: mysql_common::collations::Collation<'_> = CollationId::from(collation).into();
    u32::from(known.max_len()).max(1)
}

/// A value as text, so that the same value of two types is the same; `None` is the SQL null.
pub(super) fn text(value: &Value, is_date: bool) -> Option<Cow<'_, [u8]>> {
    let text = match value {
        Value::NULL => return None,
        Value::Bytes(bytes) => return Some(Cow::Borrowed(bytes)),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::Date(year, month, day, hour, minute, second, micros) => {
            let date = format!("{year:04}-{month:02}-{day:02}");
            if is_date { date } else { format!("{date} {hour:02}:{minute:02}:{second:02}{}", fraction(*micros)) }
        }
        Value::Time(is_negative, days, hours, minutes, seconds, micros) => {
            let sign = if *is_negative { "-" } else { "" };
            let hours = u64::from(*days) * 24 + u64::from(*hours);
            format!("{sign}{hours:02}:{minutes:02}:{seconds:02}{}", fraction(*micros))
        }
    };
    Some(Cow::Owned(text.into_bytes()))
}

/// Without trailing zeros: `10:00:00` and `10:00:00.000` are the same time.
fn fraction(micros: u32) -> String {
    if micros == 0 { String::new() } else { format!(".{micros:06}").trim_end_matches('0').to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_written_as_in_a_create_table() {
        use ColumnType as T;
        const UTF8MB4: u16 = 45;
        let none = ColumnFlags::empty();
        for (kind, flags, length, decimals, collation, expected) in [
            (T::MYSQL_TYPE_LONG, ColumnFlags::UNSIGNED_FLAG, 10, 0, BINARY, "int unsigned"),
            (T::MYSQL_TYPE_TINY, none, 1, 0, BINARY, "tinyint(1)"),
            (T::MYSQL_TYPE_NEWDECIMAL, none, 12, 2, BINARY, "decimal(10,2)"),
            (T::MYSQL_TYPE_NEWDECIMAL, ColumnFlags::UNSIGNED_FLAG, 11, 2, BINARY, "decimal(10,2) unsigned"),
            (T::MYSQL_TYPE_VAR_STRING, none, 80, 0, UTF8MB4, "varchar(20)"),
            (T::MYSQL_TYPE_VAR_STRING, none, 80, 0, BINARY, "varbinary(80)"),
            (T::MYSQL_TYPE_STRING, ColumnFlags::ENUM_FLAG, 16, 0, UTF8MB4, "enum"),
            (T::MYSQL_TYPE_DATETIME, ColumnFlags::BINARY_FLAG, 26, 6, BINARY, "datetime(6)"),
            (T::MYSQL_TYPE_BLOB, none, 262_140, 0, UTF8MB4, "text"),
            (T::MYSQL_TYPE_BLOB, none, 65_535, 0, BINARY, "blob"),
            (T::MYSQL_TYPE_DOUBLE, none, 22, 31, BINARY, "double"),
        ] {
            let column = mysql_async::Column::new(kind)
                .with_flags(flags)
                .with_column_length(length)
                .with_decimals(decimals)
                .with_character_set(collation);
            assert_eq!(type_name(&column), expected);
        }
    }

    #[test]
    fn the_same_moment_is_the_same_text() {
        let date = Value::Date(2026, 11, 2, 0, 0, 0, 0);
        assert_eq!(text(&date, true).as_deref(), Some(&b"2026-11-02"[..]));
        assert_eq!(text(&date, false).as_deref(), Some(&b"2026-11-02 00:00:00"[..]));
        assert_eq!(text(&Value::Time(true, 2, 3, 4, 5, 120_000), false).as_deref(), Some(&b"-51:04:05.12"[..]));
    }
}
