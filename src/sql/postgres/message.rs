//! Messages of several statements, taken apart where that changes nothing but when they are answered.
//!
//! Source: PostgreSQL 18 manual, 54.2.2.1 "Multiple Statements in a Simple Query": they run in one implicit transaction, unless
//! they control it themselves.

use super::script;
use super::transaction::{Control, cannot_run_in_transaction, control};
use crate::sql::Statement;

/// Longer messages are left whole: each statement is sent behind as much blank as stands before it.
const LONGEST: usize = 1 << 20;

/// A message of several statements, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// The statements, at least two.
    pub statements: Vec<Statement>,
    /// Each of them with blanks for all that is before it, so that the server counts positions as in the whole message.
    pub in_place: Vec<String>,
    /// Whether the first is a `BEGIN` and the last a `COMMIT`.
    pub framed: bool,
}

/// Takes a message apart. `None` for one that is to be left whole: of a single statement; with data of a `COPY`; with a
/// statement that refuses a transaction, or several transactions, or part of one; or of which it is not sure where its
/// statements end.
pub fn parts(sql: &str) -> Option<Parts> {
    let statements = movable(sql).filter(|statements| statements.len() > 1)?;
    let controls: Vec<(usize, Control)> =
        statements.iter().enumerate().filter_map(|(at, statement)| Some((at, control(statement)?))).collect();
    let last = statements.len() - 1;
    let framed = match controls[..] {
        [] => false,
        [(0, Control::Begin), (at, Control::Commit { chain: false })] if at == last => true,
        _ => return None,
    };
    let in_place = in_place(sql, &statements)?;
    Some(Parts { statements, in_place, framed })
}

/// A message of one statement that can be put into a transaction of its own, where it does what it does outside of one: it
/// changes the schema or rows, is not one of those that refuse a transaction, and not code that may end one.
pub fn alone(sql: &str) -> Option<Parts> {
    const OF_ROWS: [&str; 5] = ["DELETE", "INSERT", "MERGE", "TRUNCATE TABLE", "UPDATE"];
    const OF_SCHEMA: [&str; 4] = ["ALTER ", "CREATE ", "DROP ", "REFRESH "];
    let statements = movable(sql).filter(|statements| statements.len() == 1)?;
    let command = statements[0].command.as_str();
    let changes = OF_ROWS.contains(&command)
        || OF_SCHEMA.iter().any(|word| command.starts_with(word))
        || command == "COMMENT"
        || (command == "DO" && !may_commit(&statements[0].text));
    let in_place = changes.then(|| in_place(sql, &statements))??;
    Some(Parts { statements, in_place, framed: false })
}

/// Whether a block of code may end its transaction, which it may not do in one that was begun for it: by the words that do so in
/// each language (`plpy.commit()`), or by a procedure. A function cannot.
fn may_commit(code: &str) -> bool {
    let code = code.to_ascii_lowercase();
    ["commit", "rollback", "call"].iter().any(|word| code.contains(word))
}

/// The statements of a message, if each can be sent by itself and within a transaction.
fn movable(sql: &str) -> Option<Vec<Statement>> {
    if sql.len() > LONGEST || sql.to_ascii_lowercase().contains("standard_conforming_strings") {
        return None;
    }
    let script = script(sql, true).ok()?;
    let is_odd = |statement: &Statement| statement.copy_data.is_some() || cannot_run_in_transaction(statement);
    (script.metas.is_empty() && !script.statements.iter().any(is_odd)).then_some(script.statements)
}

fn in_place(sql: &str, statements: &[Statement]) -> Option<Vec<String>> {
    let lines: Vec<usize> = std::iter::once(0)
        .chain(sql.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1))
        .collect();
    let mut end = 0;
    let mut all = Vec::with_capacity(statements.len());
    for Statement { text, line, .. } in statements {
        let from = end.max(*lines.get(usize::try_from(*line).ok()?.checked_sub(1)?)?);
        let at = from + sql.get(from..)?.find(text.as_str())?;
        end = at + text.len();
        // Positions are counted in characters.
        let mut padded: String = sql[..at].chars().map(|c| if c == '\n' { c } else { ' ' }).collect();
        padded.push_str(text);
        all.push(padded);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str) -> Option<Vec<String>> {
        Some(parts(sql)?.statements.into_iter().map(|statement| statement.text).collect())
    }

    #[test]
    fn statements_are_sent_from_where_they_stand() {
        let apart = parts("-- é; a\nSELECT 'é;';\n/* no */ SELECT 2; ;\n").expect("two statements");
        assert_eq!(apart.in_place, ["       \nSELECT 'é;'", "       \n            \n         SELECT 2"]);
        assert_eq!(apart.statements.iter().map(|statement| statement.line).collect::<Vec<_>>(), [2, 3]);
        assert!(!apart.framed);
    }

    #[test]
    fn a_transaction_of_its_own_is_taken_apart_only_if_it_is_all_of_the_message() {
        assert!(parts("BEGIN; SELECT 1; COMMIT").expect("three statements").framed);
        for odd in [
            "SELECT 1; BEGIN; SELECT 2; COMMIT",
            "BEGIN; SELECT 1",
            "BEGIN; SELECT 1; ROLLBACK",
            "SELECT 1; COMMIT",
            "BEGIN; SAVEPOINT a; SELECT 1; COMMIT",
            "BEGIN; COMMIT AND CHAIN",
        ] {
            assert_eq!(texts(odd), None, "{odd}");
        }
    }

    #[test]
    fn one_that_changes_something_can_stand_in_a_transaction() {
        for sql in [
            "ALTER TABLE t ADD a int",
            "\n-- é\nUPDATE t SET a = 1;",
            "CREATE INDEX ON t (a)",
            "TRUNCATE t",
            "DO 'BEGIN DROP TABLE t; END'",
        ] {
            assert!(alone(sql).is_some(), "{sql}");
        }
        for sql in [
            "",
            "SELECT 1",
            "SET a = 1",
            "BEGIN",
            "COMMIT",
            "CALL p()",
            "DO 'BEGIN COMMIT; END'",
            "DO 'BEGIN CALL p(); END'",
            "LOCK TABLE t",
            "ANALYZE t",
            "CREATE INDEX CONCURRENTLY ON t (a)",
            "VACUUM t",
            "REINDEX TABLE t",
            "DROP DATABASE d",
            "COPY t FROM STDIN",
            "UPDATE t SET a = 1; UPDATE t SET a = 2",
        ] {
            assert_eq!(alone(sql), None, "{sql}");
        }
    }

    #[test]
    fn what_is_doubtful_or_one_is_left_whole() {
        for whole in [
            "",
            "SELECT 1;;",
            "SELECT 1; SELECT 'open",
            "SELECT 1; VACUUM t",
            "COPY t FROM STDIN; SELECT 1",
            "SET standard_conforming_strings = off; SELECT 1",
            "SELECT 1; \\echo\nSELECT 2",
        ] {
            assert_eq!(texts(whole), None, "{whole}");
        }
        let atomic = "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END; SELECT 3";
        assert_eq!(texts(atomic).map(|parts| parts.len()), Some(2));
    }
}
