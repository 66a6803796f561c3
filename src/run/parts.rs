//! Statements that the first pass saw as one message, each by itself as the second pass saw them; and those outside a
//! transaction, which the second pass put into one of their own to read their locks.

use std::collections::BTreeSet;

use super::{How, Lock, Migration, SqlError, Statement, StatementStatus};
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
                    if outcome(unit) == outcome(end(&rest[at..])) {
                        read_locks(unit, &rest[at]);
                    } else {
                        notes.push(format!(
                            "{version}: {} ended otherwise in the second pass, in a transaction of its own, and is left as the \
                             first pass saw it",
                            unit.command
                        ));
                    }
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
            let blanks =
                parts.in_place.iter().zip(&texts).map(|(sent, text)| sent.chars().count() - text.chars().count());
            let all = seen.iter().cloned().zip(lines).zip(blanks);
            unit.parts = all.map(|((part, line), blanks)| of_unit(part, line, blanks, unit)).collect();
        }
        notes
    }
}

/// Where the second pass put this statement into a transaction, if it did.
fn alone(unit: &Statement, seen: &[Statement]) -> Option<usize> {
    let parts = message::alone(&unit.sql).filter(|_| !unit.in_transaction)?;
    let text = &parts.statements[0].text;
    seen.iter().position(|seen| seen.sql == *text && seen.in_transaction)
}

/// Of a statement and what was seen after it, what tells how it ended: constraints that are deferred fail it when its transaction
/// ends.
fn end(seen: &[Statement]) -> &Statement {
    let (statement, after) = (&seen[0], seen.get(1));
    after.filter(|after| after.sql == "COMMIT" && after.status != StatementStatus::Ok).unwrap_or(statement)
}

fn outcome(statement: &Statement) -> (StatementStatus, Option<&str>) {
    (statement.status, statement.error.as_ref().map(|error| error.sqlstate.as_str()))
}

/// What was sampled of a statement, or not seen at all, as the second pass read it. A lock outside a transaction is held for as
/// long as its statement takes.
fn read_locks(unit: &mut Statement, seen: &Statement) {
    let Some(locks) = seen.locks.as_ref().filter(|_| unit.status == StatementStatus::Ok) else { return };
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

/// A part, which begins on this line. It was sent behind so many blanks, so that the server counted as in the whole message.
fn of_unit(part: Statement, line: u32, blanks: usize, unit: &Statement) -> Statement {
    let in_part = |position: u32| position.checked_sub(u32::try_from(blanks).ok()?);
    let error = part.error.map(|error| SqlError { position: error.position.and_then(in_part), ..error });
    Statement {
        line: Some(line),
        error,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::postgres::lock_mode::LockMode::{AccessExclusive, RowExclusive};
    use crate::verdict::testing::{StatementFacts, facts, migration, statement};

    const ALTER: &str = "ALTER TABLE orders ADD n int";
    const INSERT: &str = "INSERT INTO items VALUES (1)";

    /// A migration that the first pass saw send this outside a transaction, taken apart by what the second pass saw.
    fn taken_apart(unit: StatementFacts, second: Vec<StatementFacts>) -> (Statement, Vec<String>) {
        let unit = unit.with(|unit| unit.in_transaction = false);
        let mut migration = facts().migration(migration("0002").statement(unit)).run().migrations.remove(0);
        let second: Vec<Statement> = second.into_iter().map(StatementFacts::fact).collect();
        let notes = migration.take_apart(&second);
        (migration.statements.remove(0), notes)
    }

    fn lock(statement: &Statement) -> (How, Option<u64>) {
        let lock = &statement.locks.as_ref().unwrap()[0];
        (lock.how, lock.held_ms.map(|held| u64::try_from(held.0.as_millis()).unwrap()))
    }

    #[test]
    fn locks_outside_a_transaction_are_the_second_pass_s_and_their_times_the_first_s() {
        let second =
            || vec![statement(1, ALTER, 90).locks("public.orders", AccessExclusive, 95), statement(1, "COMMIT", 1)];
        let (unseen, notes) = taken_apart(statement(1, ALTER, 7).unobserved(), second());
        assert_eq!((lock(&unseen), notes), ((How::Exact, Some(7)), Vec::new()));
        let sampled = statement(1, ALTER, 7).locks("public.orders", AccessExclusive, 5);
        let sampled = sampled.with(|unit| unit.locks.as_mut().unwrap()[0].how = How::Sampled);
        assert_eq!(lock(&taken_apart(sampled, second()).0), (How::Exact, Some(5)));
    }

    #[test]
    fn a_statement_that_ends_otherwise_in_the_second_pass_is_left_with_a_note() {
        let refused = |sql| statement(1, sql, 1).fails("23503", "violates foreign key constraint");
        let worked = || statement(1, INSERT, 1).locks("public.items", RowExclusive, 1);
        for second in [vec![refused(INSERT)], vec![worked(), refused("COMMIT")]] {
            let (unit, notes) = taken_apart(statement(1, INSERT, 1).unobserved(), second);
            assert_eq!(unit.locks, None);
            assert!(notes.len() == 1 && notes[0].contains("INSERT ended otherwise in the second pass"), "{notes:?}");
        }
        let (_, notes) = taken_apart(refused(INSERT), vec![worked(), refused("COMMIT")]);
        assert_eq!(notes, [""; 0], "it failed alike, at its end");
    }

    #[test]
    fn the_place_of_an_error_is_one_in_its_part() {
        let message = format!("{ALTER};\n-- ä\nALTER TABLE orders\n  ADD m nope");
        let failing = "ALTER TABLE orders\n  ADD m nope";
        let place = message.chars().count() - 3;
        let refused = |sql: &str| {
            statement(1, sql, 1).fails("42704", "no such type").with(|statement| {
                let error = statement.error.as_mut().unwrap();
                error.position = u32::try_from(place).ok();
            })
        };
        let (unit, notes) = taken_apart(refused(&message), vec![statement(1, ALTER, 1), refused(failing)]);
        assert_eq!(notes, [""; 0]);
        let error = unit.parts[1].error.as_ref().unwrap();
        let before = u32::try_from(failing.chars().count() - 3).unwrap();
        assert_eq!((error.position, error.line_in(failing), unit.parts[1].line), (Some(before), Some(2), Some(3)));
    }

    #[test]
    fn a_message_that_ends_otherwise_in_the_second_pass_is_left_whole_with_a_note() {
        let message = format!("{ALTER};\n{INSERT}");
        let sent = || statement(1, &message, 9).locks("public.orders", AccessExclusive, 9);
        let altered = || statement(1, ALTER, 5).locks("public.orders", AccessExclusive, 8);
        let (unit, notes) = taken_apart(sent(), vec![altered(), statement(2, INSERT, 1)]);
        assert_eq!((unit.parts.len(), notes), (2, Vec::new()));
        for (second, why) in [
            (vec![altered(), statement(2, INSERT, 1).fails("23505", "duplicate key")], "INSERT failed"),
            (vec![statement(1, ALTER, 5), statement(2, INSERT, 1)], "without AccessExclusiveLock on public.orders"),
            (vec![altered()], "is left so"),
        ] {
            let (unit, notes) = taken_apart(sent(), second);
            assert!(unit.parts.is_empty());
            assert!(notes.len() == 1 && notes[0].contains(why), "{notes:?}");
        }
    }
}
