//! `[snapshot]`: the data to begin with.

use std::collections::BTreeMap;
use std::path::PathBuf;

use toml::de::DeValue;

use crate::scenario::table::Table;
use crate::scenario::value::Value;
use crate::scenario::{
    ColumnWish, DEFAULT_SEED, Distribution, Dump, DumpSource, Pattern, ProfileWish, SnapshotWish, TableWish,
};

pub(super) fn read(snapshot: &mut Table<'_>) -> SnapshotWish {
    let restore = snapshot.take("restore").map(|value| one_or_many(&value)).unwrap_or_default();
    let after = snapshot.take("after").map(|value| value.string_or_list()).unwrap_or_default();
    let mut first = BTreeMap::new();
    SnapshotWish {
        restore: restore.iter().filter_map(dump).collect(),
        after: after.iter().filter_map(script).collect(),
        seed: snapshot.take("seed").and_then(|value| value.whole()).unwrap_or(DEFAULT_SEED),
        tables: snapshot.tables("table", |table| grown(table, &mut first)),
        profile: snapshot.optional("profile", profile),
    }
}

fn one_or_many<'a>(value: &Value<'a>) -> Vec<Value<'a>> {
    match value.inner {
        DeValue::Array(_) => value.items(),
        _ => vec![value.clone()],
    }
}

/// A path, `{ path = "…", sha256 = "…" }` or `{ command = "…" }`.
fn dump(value: &Value<'_>) -> Option<Dump> {
    match value.inner {
        DeValue::String(_) => value.existing_path().map(Dump::from),
        DeValue::Table(_) => Table::inline(value, of_table),
        _ => value.wrong_type(
            "a path, or a table",
            "write \"staging.dump\", `{ path = \"staging.dump\", sha256 = \"…\" }` or `{ command = \"…\" }`",
        ),
    }
}

fn of_table(table: &mut Table<'_>) -> Option<Dump> {
    let (path, command) = (table.take("path"), table.take("command"));
    let sha256 = table.take("sha256");
    let sum = sha256.as_ref().and_then(|value| {
        let sum = value.string()?;
        let is_sum = sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_sum { Some(sum.to_owned()) } else { value.refuse("is no SHA-256", "write the 64 digits of `sha256sum`") }
    });
    let from = match (path, command) {
        (Some(path), None) => DumpSource::File(path.existing_path()?),
        (None, Some(command)) => {
            let folder = table.document().folder().to_owned();
            DumpSource::Command { command: command.string()?.to_owned(), folder }
        }
        (Some(_), Some(command)) => return command.refuse("is beside a `path`", "remove one of the two"),
        (None, None) => {
            table.missing("path", "path = \"staging.dump\"");
            return None;
        }
    };
    match (&from, &sha256) {
        (DumpSource::File(path), Some(value)) if path.is_dir() => {
            value.refuse("is of a folder, which has no SHA-256", "remove it")
        }
        _ => Some(Dump { from, sha256: sum }),
    }
}

/// A file of SQL.
fn script(value: &Value<'_>) -> Option<PathBuf> {
    let path = value.existing_path()?;
    if path.is_dir() {
        value.refuse("must be a file of SQL, and this is a folder", "name the files in it")
    } else {
        Some(path)
    }
}

fn profile(table: &mut Table<'_>) -> ProfileWish {
    let path = table.require("path", "path = \"shop.profile\"");
    ProfileWish {
        path: path.and_then(|value| value.existing_path()).unwrap_or_default(),
        scale: table.take("scale").and_then(|value| scale(&value)).unwrap_or(1.0),
        // Not the text's to know: filled in once it is read.
        file: PathBuf::new(),
        line: table.document().line(table.span()),
    }
}

fn scale(value: &Value<'_>) -> Option<f64> {
    let scale = value.number()?;
    if scale > 0.0 && scale.is_finite() {
        return Some(scale);
    }
    value.refuse("must be greater than 0", "write `0.1` for a tenth of the rows")
}

/// A table to grow. `first` has the lines of those before it, by name.
fn grown(table: &mut Table<'_>, first: &mut BTreeMap<String, u32>) -> TableWish {
    let name = table.require("name", "name = \"orders\"");
    let line = table.document().line(name.as_ref().map_or(table.span(), |name| &name.span));
    let text = name.as_ref().and_then(Value::string).unwrap_or_default().to_owned();
    if let Some(name) = name.filter(|_| !text.is_empty())
        && let Some(before) = first.get(&text)
    {
        let help = format!("say all about it under one `[[snapshot.table]]`: the first is in line {before}");
        name.problem(&format!("has `{text}` a second time"), help);
    }
    first.entry(text.clone()).or_insert(line);
    TableWish {
        name: text,
        rows: table.require("rows", "rows = 5_000_000").and_then(|value| value.whole()).unwrap_or_default(),
        columns: table.named("columns", column),
        // Not the text's to know: filled in once it is read.
        file: PathBuf::new(),
        line,
    }
}

fn column(column: &mut Table<'_>) -> ColumnWish {
    let values = column.take("values");
    ColumnWish {
        null_fraction: column.take("null_fraction").and_then(|value| fraction(&value)),
        distinct: column.take("distinct").and_then(|value| at_least_one(without(values.as_ref(), &value)?)),
        range: column.take("range").and_then(|value| range(without(values.as_ref(), &value)?)),
        pattern: column.take("pattern").and_then(|value| pattern(without(values.as_ref(), &value)?)),
        references: column.take("references").and_then(|value| references(without(values.as_ref(), &value)?)),
        distribution: column.take("distribution").and_then(|value| {
            let words = [("even", Distribution::Even), ("zipf", Distribution::Zipf)];
            without(values.as_ref(), &value)?.word(&words, &[])
        }),
        values: values.and_then(|value| weighted(&value)),
    }
}

fn weighted(value: &Value<'_>) -> Option<Vec<(String, f64)>> {
    // Each is read before any is given up, so that all that are wrong are told of.
    let read: Vec<Option<(String, f64)>> = match value.inner {
        DeValue::Array(_) => value.items().iter().map(|item| Some((item.scalar()?, 1.0))).collect(),
        DeValue::Table(_) => {
            let entries = value.entries();
            entries.iter().map(|(text, weight)| Some(((*text).to_owned(), self::weight(weight)?))).collect()
        }
        _ => {
            let help = "write `{ new = 1, paid = 8 }` or `[\"new\", \"paid\"]`";
            return value.wrong_type("a table of weights or a list", help);
        }
    };
    let list: Vec<(String, f64)> = read.into_iter().collect::<Option<_>>()?;
    if list.iter().all(|(_, weight)| *weight == 0.0) {
        return value.refuse("has no value that could be taken", "give one value a weight above 0 at least");
    }
    Some(list)
}

fn weight(value: &Value<'_>) -> Option<f64> {
    let weight = value.number()?;
    if weight < 0.0 { value.refuse("must not be negative", "write a weight of 0 or more") } else { Some(weight) }
}

fn fraction(value: &Value<'_>) -> Option<f64> {
    let share = value.number()?;
    if (0.0..=1.0).contains(&share) {
        return Some(share);
    }
    value.refuse("must be a share between 0 and 1", "write `0.25` for a quarter")
}

fn at_least_one(value: &Value<'_>) -> Option<u64> {
    let whole = value.whole()?;
    if whole == 0 {
        value.refuse("must be 1 or more", "`null_fraction = 1` leaves a column empty")
    } else {
        Some(whole)
    }
}

/// The value, if the column does not list its `values`: the list says how many there are, and between what.
fn without<'v, 'a>(values: Option<&Value<'a>>, value: &'v Value<'a>) -> Option<&'v Value<'a>> {
    match values {
        Some(_) => value.refuse("has no meaning beside `values`", "remove one of the two"),
        None => Some(value),
    }
}

fn range(value: &Value<'_>) -> Option<(String, String)> {
    let DeValue::Array(_) = value.inner else {
        return value.wrong_type("a list of the lowest and the highest value", "write `[1, 1000]`");
    };
    let [low, high] = &value.items()[..] else {
        return value.refuse("must have two values", "write the lowest and the highest one: `[1, 1000]`");
    };
    let ends = (low.scalar(), high.scalar());
    if is_number(low) != is_number(high) {
        return value.refuse("must have two values of one kind", "write two numbers, two dates or two strings");
    }
    if is_number(low) && low.number()? > high.number()? {
        return value.refuse("must have the lowest value first", format!("write `[{}, {}]`", ends.1?, ends.0?));
    }
    Some((ends.0?, ends.1?))
}

fn pattern(value: &Value<'_>) -> Option<Pattern> {
    let parsed = Pattern::parse(value.string()?);
    parsed.map_err(|why| value.problem(&format!("is no regular expression: {why}"), "write `\"S[0-9]{4}\"`")).ok()
}

fn references(value: &Value<'_>) -> Option<String> {
    let text = value.string()?;
    if text.contains('.') {
        Some(text.to_owned())
    } else {
        value.refuse("must name a table and its column", "write `\"customers.id\"`")
    }
}

fn is_number(value: &Value<'_>) -> bool {
    matches!(value.inner, DeValue::Integer(_) | DeValue::Float(_))
}
