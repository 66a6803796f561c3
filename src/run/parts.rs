//! Statements that the first pass saw as one message, each by itself as the second pass saw them; and those outside a
//! transaction, which the second pass put into one of their own to read their locks.

use std::collections::BTreeSet;

use super::{How, Lock, Migration, Statement, StatementStatus};
use crate::sql::postgres::message;

impl Migration {
    /// Puts under each message of several statements what a second pass saw of each. Gives a note where that is not what the
    /// first pass saw, and the message is left as it was.
    pub fn take_apart(&mut self, second: &[Statement]) -> Vec<String> {
        let mut notes = Vec::new();
        let mut rest = second;
        let version = &self.name;
        for unit in &mut self.statements {
            let Some(parts) = message::parts(&unit.sql) else {
                if let Some(at) = alone(unit, rest) {
                    read_locks(unit, &rest[at]);
                    rest = &rest[at + 1..];
                }
                continue;
            };
            let texts: Vec<&str> = parts.statements.iter().map(|part| part.text.as_str()).collect();
            let Some((at, count)) = place(rest, &texts) else {
                notes.push(format!("{version}: {} was sent as one message, and is left so", unit.command));
                continue;
            };
            let (seen, after) = rest[at..].split_at(count);
            rest = after;
            if let Some(difference) = difference(unit, seen) {
                notes.push(format!(
                    "{version}: {}, sent as one message, ended otherwise in the second pass, statement by statement ({difference}), \
                     and is left as the first pass saw it",
                    unit.command
                ));
                continue;
            }
            let lines = parts.statements.iter().map(|part| unit.line.map_or(part.line, |first| first + part.line - 1));
            unit.parts = seen.iter().cloned().zip(lines).map(|(part, line)| of_unit(part, line, unit)).collect();
        }
        notes
    }
}

/// Where the second pass put this statement into a transaction, if it did, and it ended as in the first, outside of one.
fn alone(unit: &Statement, seen: &[Statement]) -> Option<usize> {
    let parts = message::alone(&unit.sql).filter(|_| !unit.in_transaction && unit.status == StatementStatus::Ok)?;
    let text = &parts.statements[0].text;
    seen.iter().position(|seen| seen.sql == *text && seen.in_transaction && seen.status == StatementStatus::Ok)
}

/// What was sampled of a statement, or not seen at all, as the second pass read it. A lock outside a transaction is held for as
/// long as its statement takes.
fn read_locks(unit: &mut Statement, seen: &Statement) {
    let Some(locks) = &seen.locks else { return };
    let missed = unit.locks.iter().flatten().any(|lock| !locks.iter().any(|read| read.relation == lock.relation));
    if locks.iter().all(|lock| lock.how == How::Exact) && !missed {
        let sampled = std::mem::take(&mut unit.locks).unwrap_or_default();
        let read = locks.iter().cloned().map(|read| {
            let known = sampled.iter().find(|lock| lock.relation == read.relation && lock.mode == read.mode);
            let held_ms = known.and_then(|lock| lock.held_ms).unwrap_or(unit.duration_ms);
            Lock { held_ms: Some(held_ms), waited_ms: known.and_then(|lock| lock.waited_ms), ..read }
        });
        unit.locks = Some(read.collect());
    }
    unit.lock_timeout_ms = unit.lock_timeout_ms.or(seen.lock_timeout_ms);
}

fn of_unit(part: Statement, line: u32, unit: &Statement) -> Statement {
    Statement {
        line: Some(line),
        connection: unit.connection,
        version: unit.version.clone(),
        bookkeeping: part.bookkeeping || unit.bookkeeping,
        ..part
    }
}

/// Where these statements are, and how many: all of them, or those up to one that failed.
fn place(seen: &[Statement], texts: &[&str]) -> Option<(usize, usize)> {
    (0..seen.len()).find_map(|at| {
        let same = seen[at..].iter().zip(texts).take_while(|(part, text)| part.sql == **text).count();
        let failed = seen[at..at + same].iter().position(|part| part.status != StatementStatus::Ok);
        let count = failed.map_or(same, |failed| failed + 1);
        (count == texts.len() || failed.is_some()).then_some((at, count))
    })
}

/// What the parts did otherwise than the whole. What was gone again at the end of the whole was not seen of it.
fn difference(unit: &Statement, parts: &[Statement]) -> Option<String> {
    let state = |statement: &Statement| statement.error.as_ref().map(|error| error.sqlstate.clone());
    let failed = parts.iter().find(|part| part.status != StatementStatus::Ok);
    match (unit.status, failed) {
        (StatementStatus::Ok, None) => {}
        (StatementStatus::Ok, Some(part)) => return Some(format!("{} failed", part.command)),
        (_, None) => return Some("it had failed".to_owned()),
        // What a message that failed had done is gone.
        (status, Some(part)) if part.status == status && state(part) == state(unit) => return None,
        (_, Some(part)) => return Some(format!("{} failed otherwise", part.command)),
    }
    let locks = |statement: &Statement| -> BTreeSet<(String, String)> {
        statement.locks.iter().flatten().map(|lock| (lock.relation.clone(), lock.mode.clone())).collect()
    };
    let storage = |statement: &Statement| -> BTreeSet<String> {
        statement.rewrites.iter().flatten().map(|rewrite| rewrite.relation.clone()).collect()
    };
    let seen: BTreeSet<_> = parts.iter().flat_map(locks).collect();
    if let Some((relation, mode)) = locks(unit).into_iter().find(|lock| !seen.contains(lock)) {
        return Some(format!("without {mode} on {relation}"));
    }
    let seen: BTreeSet<_> = parts.iter().flat_map(storage).collect();
    storage(unit).into_iter().find(|relation| !seen.contains(relation)).map(|of| format!("{of} was not rewritten"))
}
