//! `[limits]`: what is still all right.

use crate::run::Millis;
use crate::scenario::table::Table;
use crate::scenario::{Limits, TableLimits};

pub(super) fn read(limits: &mut Table<'_>) -> Limits {
    let default = Limits::default();
    let every = of_a_table(limits);
    Limits {
        reads_blocked_ms: every.reads_blocked_ms.unwrap_or(default.reads_blocked_ms),
        writes_blocked_ms: every.writes_blocked_ms.unwrap_or(default.writes_blocked_ms),
        rewrite_rows: every.rewrite_rows.unwrap_or(default.rewrite_rows),
        duration_ms: duration(limits, "duration").unwrap_or(default.duration_ms),
        tables: limits.named("table", of_a_table),
    }
}

/// The limits that can be said of one table, and of all of them.
fn of_a_table(limits: &mut Table<'_>) -> TableLimits {
    TableLimits {
        reads_blocked_ms: duration(limits, "reads_blocked"),
        writes_blocked_ms: duration(limits, "writes_blocked"),
        rewrite_rows: limits.take("rewrite_rows").and_then(|value| value.whole()),
    }
}

fn duration(limits: &mut Table<'_>, key: &'static str) -> Option<Millis> {
    limits.take(key).and_then(|value| value.duration()).map(Millis)
}
