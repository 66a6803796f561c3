//! `[[waive]]`: findings that are known and agreed to, each with its reason and its end.

use crate::scenario::Waiver;
use crate::scenario::codes::code;
use crate::scenario::table::Table;
use crate::scenario::value::Value;

/// Reads one. The file is filled in by [`crate::scenario::Scenario::load`].
pub(super) fn read(waive: &mut Table<'_>) -> Waiver {
    let line = waive.document().line(waive.span());
    let finding = waive.require("finding", "finding = \"table-rewrite\"");
    let reason = waive.require("reason", "reason = \"maintenance window agreed\"");
    let until = waive.require("until", "until = \"2027-01-31\"");
    Waiver {
        finding: finding.and_then(|value| code(&value)).unwrap_or_default(),
        table: waive.take("table").and_then(|value| said(&value)),
        reason: reason.and_then(|value| said(&value)).unwrap_or_default(),
        until: until.and_then(|value| date(&value)).unwrap_or_default(),
        file: String::new(),
        line,
    }
}

/// A text that says something.
fn said(value: &Value<'_>) -> Option<String> {
    let text = value.string()?.trim();
    if text.is_empty() || text.contains('\n') {
        return value.refuse("must say something, in one line", "a waiver is read by those who come after");
    }
    Some(text.to_owned())
}

fn date(value: &Value<'_>) -> Option<String> {
    let text = value.string()?;
    match text.parse::<jiff::civil::Date>() {
        Ok(date) => Some(date.to_string()),
        Err(_) => value.refuse(
            &format!("is no date: `{text}`"),
            "write the last day on which it holds, as year, month and day: \"2027-01-31\"",
        ),
    }
}
