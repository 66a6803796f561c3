//! What was observed, as the lines that a fixture has: without times, sizes and numbers that a server makes up.

use std::collections::BTreeMap;

use rehearsal::observe::postgres::lock_mode::LockMode;
use rehearsal::run::{Blocked, Blocking, How, Lock, RewriteKind, Statement, StatementStatus};

/// The facts of a statement, each in its line.
pub(crate) fn lines(statement: &Statement) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(error) = &statement.error {
        lines.push(format!("error: {}", error.sqlstate));
    }
    if statement.status == StatementStatus::Lost {
        lines.push("lost".to_owned());
    }
    lines.extend(locks(statement));
    let rewrites = statement.rewrites.iter().flatten().map(|rewrite| match rewrite.kind {
        RewriteKind::Table => short(&rewrite.relation),
        RewriteKind::Index => format!("index {}", part(&rewrite.relation, rewrite.table.as_deref())),
        RewriteKind::Toast => part(&rewrite.relation, rewrite.table.as_deref()),
    });
    lines.extend(list("rewrites", rewrites.collect()));
    let scans = statement.scans.iter().flatten().map(|scan| format!("{} x{}", short(&scan.relation), scan.scans));
    lines.extend(list("scans", scans.collect()));
    lines
}

/// The strongest lock on each relation.
fn locks(statement: &Statement) -> Option<String> {
    let mut strongest: BTreeMap<String, (LockMode, How)> = BTreeMap::new();
    for lock in statement.locks.as_ref()? {
        let mode = LockMode::parse(&lock.mode).expect("a mode of a table lock");
        let entry = strongest.entry(part(&lock.relation, lock.table.as_deref())).or_insert((mode, lock.how));
        entry.0 = entry.0.max(mode);
    }
    let sampled = strongest.values().any(|(_, how)| *how == How::Sampled);
    let mut named: Vec<(LockMode, String)> =
        strongest.into_iter().map(|(relation, (mode, _))| (mode, relation)).collect();
    named.sort_by(|(a, x), (b, y)| b.cmp(a).then(x.cmp(y)));
    let locks = named.iter().map(|(mode, relation)| format!("{relation} {}", letters(*mode))).collect();
    list(if sampled { "sampled" } else { "locks" }, locks)
}

/// Whom a migration shut out of what.
pub(crate) fn blocking(blocking: &[Blocking]) -> Vec<String> {
    let shut_out = |blocked: &Blocked| blocked.held_ms.is_none_or(|held| held.as_f64() > 0.0);
    blocking
        .iter()
        .map(|table| {
            let who = match (shut_out(&table.reads), shut_out(&table.writes)) {
                (true, true) => "reads and writes",
                (true, false) => "reads",
                (false, true) => "writes",
                (false, false) => "nobody",
            };
            format!("{who} of {}{}", if table.new { "new " } else { "" }, short(&table.table))
        })
        .collect()
}

/// The locks of a statement as pairs, to compare with those that another session read.
pub(crate) fn pairs(locks: &[Lock]) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> =
        locks.iter().map(|lock| (lock.relation.clone(), lock.mode.clone())).collect();
    pairs.sort();
    pairs
}

fn list(what: &str, mut items: Vec<String>) -> Option<String> {
    if what != "locks" && what != "sampled" {
        items.sort();
    }
    (!items.is_empty()).then(|| format!("{what}: {}", items.join(", ")))
}

/// `public.t` is `t`.
fn short(name: &str) -> String {
    match name.strip_prefix("pg_temp_").and_then(|rest| rest.split_once('.')) {
        // The number is that of the session.
        Some((_, mine)) => format!("pg_temp.{mine}"),
        None => name.strip_prefix("public.").unwrap_or(name).to_owned(),
    }
}

/// The name of a part of a table; a TOAST table has a number in it, and is named by its table.
fn part(name: &str, table: Option<&str>) -> String {
    let table = table.map(short).unwrap_or_default();
    match name.strip_prefix("pg_toast.") {
        Some(toast) if toast.ends_with("_index") => format!("toast-index({table})"),
        Some(_) => format!("toast({table})"),
        None => short(name),
    }
}

/// The initials of a mode: `AX` is `AccessExclusiveLock`.
fn letters(mode: LockMode) -> &'static str {
    match mode {
        LockMode::AccessShare => "AS",
        LockMode::RowShare => "RS",
        LockMode::RowExclusive => "RX",
        LockMode::ShareUpdateExclusive => "SUX",
        LockMode::Share => "S",
        LockMode::ShareRowExclusive => "SRX",
        LockMode::Exclusive => "X",
        LockMode::AccessExclusive => "AX",
    }
}
