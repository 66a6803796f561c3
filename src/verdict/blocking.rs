//! What `blocks-reads` and `blocks-writes` share: the windows that are over the limit, and how they are told.

use std::cmp::Reverse;

use super::advice::{self, Advice};
use super::{limit, table, under_lock};
use crate::run::{Blocking, Blocks, Finding, Lock, Migration, Millis, RewriteKind, Run, Severity, Statement};

/// A stretch of time for which one migration shut somebody out of a table, longer than the limit.
pub(super) struct Window<'a> {
    pub(super) migration: &'a Migration,
    pub(super) blocking: &'a Blocking,
    /// Its longest stretch without a gap.
    pub(super) held: Millis,
    /// All stretches together.
    pub(super) total: Option<Millis>,
    pub(super) limit: Millis,
    /// The statement whose lock begins it.
    pub(super) statement: Option<usize>,
}

/// Every table that was in use, with the migration that locked it.
pub(super) fn seen(run: &Run) -> impl Iterator<Item = (&Migration, &Blocking)> {
    let all = run.migrations.iter().flat_map(|migration| migration.blocking.iter().map(move |seen| (migration, seen)));
    all.filter(|(_, blocking)| table::before(run, &blocking.table).in_use())
}

/// The window in which readers were shut out of this table for too long.
pub(super) fn reads<'a>(run: &Run, migration: &'a Migration, blocking: &'a Blocking) -> Option<Window<'a>> {
    let limit = limit::of_table(run, &blocking.table).reads_blocked;
    let held = blocking.reads.held_ms.filter(|held| *held > limit)?;
    let (total, statement) = (blocking.reads.total_ms, blocking.reads.statement);
    Some(Window { migration, blocking, held, total, limit, statement })
}

/// The window in which writers were shut out of this table for too long.
///
/// Whoever shuts readers out shuts writers out too. So where readers waited too long, a window of writers counts only
/// if it comes on top: writers were shut out for longer than the limit in addition to the readers' time, and a lock
/// that lets readers pass was itself held for longer than the limit. That lock is then the window.
pub(super) fn writes<'a>(run: &Run, migration: &'a Migration, blocking: &'a Blocking) -> Option<Window<'a>> {
    let limit = limit::of_table(run, &blocking.table).writes_blocked;
    let held = blocking.writes.held_ms.filter(|held| *held > limit)?;
    let (total, statement) = (blocking.writes.total_ms, blocking.writes.statement);
    let whole = Window { migration, blocking, held, total, limit, statement };
    let Some(reads) = reads(run, migration, blocking) else { return Some(whole) };
    let on_top = total.unwrap_or(held).0.saturating_sub(reads.total.unwrap_or(reads.held).0);
    let (index, held) = writers_only(migration, &blocking.table).filter(|(_, held)| *held > limit)?;
    (on_top > limit.0).then_some(Window { held, statement: Some(index), ..whole })
}

/// The lock on a table that was held longest of those that shut out writers and let readers pass.
fn writers_only(migration: &Migration, table: &str) -> Option<(usize, Millis)> {
    let statements = migration.statements.iter().enumerate();
    let locks = statements.flat_map(|(index, statement)| locks_on(statement, table).map(move |lock| (index, lock)));
    locks
        .filter(|(_, lock)| lock.blocks.contains(&Blocks::Writes) && !lock.blocks.contains(&Blocks::Reads))
        .filter_map(|(index, lock)| Some((index, lock.held_ms?)))
        .max_by_key(|(_, held)| *held)
}

fn locks_on<'a>(statement: &'a Statement, table: &str) -> impl Iterator<Item = &'a Lock> {
    let locks = statement.locks.iter().flatten();
    locks.filter(move |lock| lock.table.as_deref().unwrap_or(&lock.relation) == table)
}

/// Writes a window down. `whom` begins the sentence (`Reads and writes`).
pub(super) fn finding(run: &Run, code: &str, whom: &str, who: Blocks, window: &Window<'_>) -> Finding {
    let Window { migration, blocking, held, limit, .. } = window;
    let statement = window.statement.and_then(|index| migration.statements.get(index));
    let locks = statement.into_iter().flat_map(|statement| locks_on(statement, &blocking.table));
    let lock = locks.filter(|lock| lock.blocks.contains(&who)).min_by_key(|lock| Reverse(lock.held_ms));
    let rows = table::of_rows(run, &blocking.table, blocking.rows);
    let by = match (statement, lock) {
        (Some(statement), Some(lock)) => format!(", by the {} of {}", lock.mode, statement.command),
        (Some(statement), None) => format!(", by {}", statement.command),
        (None, _) => String::new(),
    };
    let felt = stalled(window, who);
    let waited = felt.map(|felt| format!("; a probe waited {felt}")).unwrap_or_default();
    let message = format!("{whom} {}{rows} were shut out for {held} (limit {limit}){by}{waited}", blocking.table);
    let mut finding = Finding::new(code, Severity::Error, message)
        .in_migration(migration, window.statement)
        .on_table(&blocking.table)
        .evidence("held_ms", held)
        .evidence("total_ms", window.total)
        .evidence("stalled_ms", felt)
        .evidence("limit_ms", limit)
        .evidence("rows", blocking.rows);
    if let Some(lock) = lock {
        finding = finding.evidence("lock", &lock.mode).evidence("how", lock.how);
    }
    finding.advice(help(run, window, statement))
}

/// What a probe of the second pass waited, if there was one.
fn stalled(window: &Window<'_>, who: Blocks) -> Option<Millis> {
    if who == Blocks::Reads { window.blocking.reads.stalled_ms } else { window.blocking.writes.stalled_ms }
}

/// Advice on the statement that took the lock; or, where it was quick and a later one kept the transaction open, on that.
fn help(run: &Run, window: &Window<'_>, statement: Option<&Statement>) -> Advice {
    let Some((index, statement)) = window.statement.zip(statement) else {
        return Advice::words(advice::bound_the_wait(run.engine()));
    };
    match slowest_later(window, statement).filter(|(_, later)| later.duration_ms > statement.duration_ms) {
        Some((place, later)) if statement.duration_ms <= window.limit => {
            let line = later.line.map(|line| format!(" on line {line}")).unwrap_or_default();
            let words = format!(
                "{} took {}, but its lock stayed until the transaction ended, and {}{line} took {}: commit in between",
                statement.command, statement.duration_ms, later.command, later.duration_ms
            );
            let whole = under_lock::are_whole_transaction(window.migration, index, place);
            Advice { help: words, steps: advice::apart(run, window.migration, index, place, whole) }
        }
        _ => match rewritten_instead(statement, &window.blocking.table) {
            Some(other) => Advice::words(format!(
                "locked with {other}, which is rewritten (mostly for a foreign key): what helps there helps here"
            )),
            None => advice::instead(run, window.migration, index, &window.blocking.table),
        },
    }
}

/// The table that a statement rewrote, if it rewrote any and not this one.
fn rewritten_instead<'a>(statement: &'a Statement, table: &str) -> Option<&'a str> {
    let tables = || statement.rewrites.iter().flatten().filter(|rewrite| rewrite.kind == RewriteKind::Table);
    if tables().any(|rewrite| rewrite.relation == table) {
        return None;
    }
    tables().next().map(|rewrite| rewrite.relation.as_str())
}

/// The slowest of the statements that came after the one that took the lock, in the same transaction.
fn slowest_later<'a>(window: &Window<'a>, first: &Statement) -> Option<(usize, &'a Statement)> {
    let index = window.statement.filter(|_| first.in_transaction)?;
    let later = window.migration.statements.iter().enumerate().skip(index + 1);
    later
        .filter(|(_, later)| later.connection == first.connection)
        .take_while(|(_, later)| later.in_transaction && !ends_transaction(later))
        .max_by_key(|(_, later)| later.duration_ms)
}

/// Whether a statement ends the transaction that it runs in.
pub(crate) fn ends_transaction(statement: &Statement) -> bool {
    matches!(statement.command.as_str(), "COMMIT" | "ROLLBACK" | "END" | "ABORT" | "PREPARE TRANSACTION")
}
