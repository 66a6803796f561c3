//! Which statements of a command a migration tool sent for itself, and to which of its versions the others belong.
//!
//! A tool writes a version down right after it has applied it, mostly in the same transaction; golang-migrate and Prisma write
//! it down before. What comes after the last one is of no version that is known: it may have failed.

use crate::run::{Statement, StatementStatus};
use crate::scenario::Engine;
use crate::sql::history::{Entry, entry, is_question, is_registry};
use crate::sql::{mysql, postgres};

/// What is longer is data, and no tool's own.
const LONGEST: usize = 10_000;

/// Marks the statements of a command.
pub fn mark(statements: &mut [Statement], engine: Engine) {
    let mut registries = Vec::new();
    let mut entries: Vec<Option<Entry>> = Vec::with_capacity(statements.len());
    for statement in statements.iter_mut() {
        if statement.sql.len() > LONGEST {
            entries.push(None);
            continue;
        }
        let pieces = match engine {
            Engine::Postgres => postgres::pieces(&statement.sql),
            Engine::Mysql | Engine::Mariadb => mysql::pieces(&statement.sql),
        };
        if is_registry(&pieces) {
            registries.push(statement.connection);
        }
        let found = entry(&pieces, &[]);
        statement.bookkeeping = found.is_some() || is_question(&pieces) || registries.contains(&statement.connection);
        // What was bound to its parameters is known already.
        let found = found.map(|found| Entry { version: statement.version.take().or(found.version), ..found });
        entries.push(found.filter(|found| found.version.is_some() && statement.status == StatementStatus::Ok));
    }
    mark_frames(statements);
    let mut begins = 0;
    for (at, found) in entries.iter().enumerate() {
        let Some(Entry { version: Some(version), ahead }) = found else { continue };
        let until = if *ahead { next(&entries, at, version) } else { at + 1 };
        let from = if *ahead { at } else { begins };
        for statement in &mut statements[from..until] {
            if !statement.bookkeeping {
                statement.version.get_or_insert_with(|| version.clone());
            }
        }
        statements[at].version = Some(version.clone());
        // Several versions may be in one transaction, whose end is the last one's.
        let end = end_of_transaction(statements, at);
        begins = until.max(if end <= next(&entries, at, version) { end } else { at + 1 });
        for statement in &mut statements[until.min(begins)..begins] {
            statement.version.get_or_insert_with(|| version.clone());
        }
    }
}

/// Marks what begins and ends a transaction in which a tool does nothing but for itself.
fn mark_frames(statements: &mut [Statement]) {
    let mut connections: Vec<u32> = statements.iter().map(|statement| statement.connection).collect();
    connections.sort_unstable();
    connections.dedup();
    for connection in connections {
        let of_it = statements.iter().enumerate().filter(|(_, statement)| statement.connection == connection);
        let all: Vec<usize> = of_it.map(|(at, _)| at).collect();
        let outside = |at: &usize| !statements[*at].in_transaction;
        let transactions: Vec<&[usize]> = all
            .split_inclusive(|at| outside(at) || ends(&statements[*at]))
            .filter(|transaction| !transaction.iter().any(outside))
            .collect();
        let is_own =
            |at: &usize| statements[*at].bookkeeping || frames(&statements[*at]) || statements[*at].command == "SET";
        let own: Vec<usize> = transactions.into_iter().filter(|of| of.iter().all(is_own)).flatten().copied().collect();
        for at in own {
            statements[at].bookkeeping = true;
        }
    }
}

fn frames(statement: &Statement) -> bool {
    matches!(statement.command.as_str(), "BEGIN" | "START TRANSACTION") || ends(statement)
}

fn ends(statement: &Statement) -> bool {
    matches!(statement.command.as_str(), "COMMIT" | "ROLLBACK") && !statement.sql.to_ascii_uppercase().contains(" TO ")
}

/// Where another version is written down.
fn next(entries: &[Option<Entry>], at: usize, version: &str) -> usize {
    let other = |found: &Option<Entry>| found.as_ref().is_some_and(|found| found.version.as_deref() != Some(version));
    entries[at..].iter().position(other).map_or(entries.len(), |after| at + after)
}

/// Behind the end of the transaction that a statement is in.
fn end_of_transaction(statements: &[Statement], at: usize) -> usize {
    let within = |later: &&Statement| later.in_transaction && later.connection == statements[at].connection;
    if !statements[at].in_transaction {
        return at + 1;
    }
    let rest = statements[at + 1..].iter().take_while(within);
    let length = rest.clone().position(ends).map_or(rest.count(), |position| position + 1);
    at + 1 + length
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::testing::statement;

    /// Each statement as its version, in brackets if it is the tool's own.
    fn marked(sent: &[&str]) -> Vec<String> {
        let mut statements: Vec<Statement> = sent.iter().map(|sql| statement(1, sql, 1).fact()).collect();
        let mut open = false;
        for statement in &mut statements {
            open |= statement.command == "BEGIN";
            statement.in_transaction = open;
            open &= statement.command != "COMMIT";
        }
        mark(&mut statements, Engine::Postgres);
        let shown = |statement: &Statement| {
            let version = statement.version.as_deref().unwrap_or("-");
            if statement.bookkeeping { format!("[{version}]") } else { version.to_owned() }
        };
        statements.iter().map(shown).collect()
    }

    #[test]
    fn what_comes_before_an_entry_belongs_to_its_version() {
        let sent = [
            "SELECT pg_catalog.version()",
            "CREATE TABLE alembic_version (version_num varchar)",
            "BEGIN",
            "ALTER TABLE orders ADD a int",
            "INSERT INTO alembic_version (version_num) VALUES ('a1')",
            "COMMIT",
            "CREATE INDEX CONCURRENTLY i ON orders (a)",
            "BEGIN",
            "UPDATE alembic_version SET version_num='b2'",
            "COMMIT",
            "ALTER TABLE orders ADD b int",
        ];
        assert_eq!(marked(&sent), ["[-]", "[-]", "a1", "a1", "[a1]", "a1", "b2", "[-]", "[b2]", "[b2]", "-"]);
    }

    #[test]
    fn what_comes_after_an_entry_that_is_made_ahead_belongs_to_its_version() {
        let sent = [
            "CREATE TABLE IF NOT EXISTS schema_migrations (version bigint, dirty boolean)",
            "INSERT INTO schema_migrations (version, dirty) VALUES (1, true)",
            "ALTER TABLE orders ADD a int",
            "TRUNCATE schema_migrations",
            "INSERT INTO schema_migrations (version, dirty) VALUES (1, false)",
            "INSERT INTO schema_migrations (version, dirty) VALUES (2, true)",
            "ALTER TABLE orders ADD b int",
        ];
        assert_eq!(marked(&sent), ["[-]", "[1]", "1", "[-]", "[1]", "[2]", "2"]);
    }

    #[test]
    fn a_transaction_of_nothing_else_is_the_tools_own_from_end_to_end() {
        let sent = [
            "BEGIN",
            "UPDATE knex_migrations_lock SET is_locked = 1",
            "COMMIT",
            "BEGIN",
            "SELECT 1",
            "UPDATE orders SET a = 1",
            "COMMIT",
            "INSERT INTO knex_migrations (name) VALUES ('a.js')",
            "BEGIN",
            "COMMIT",
        ];
        assert_eq!(marked(&sent), ["[-]", "[-]", "[-]", "a.js", "[-]", "a.js", "a.js", "[a.js]", "[-]", "[-]"]);
    }

    #[test]
    fn versions_that_share_a_transaction_are_told_apart() {
        let sent = [
            "BEGIN",
            "ALTER TABLE orders ADD a int",
            "INSERT INTO schema_migrations VALUES ('1')",
            "ALTER TABLE orders ADD b int",
            "INSERT INTO schema_migrations VALUES ('2')",
            "COMMIT",
        ];
        assert_eq!(marked(&sent), ["1", "1", "[1]", "2", "[2]", "2"]);
    }

    #[test]
    fn what_sqlx_writes_down_before_it_succeeds_comes_first() {
        let sent = [
            "INSERT INTO _sqlx_migrations (version, success) VALUES (1, FALSE)",
            "ALTER TABLE orders ADD a int",
            "UPDATE _sqlx_migrations SET success = TRUE WHERE version = 1",
        ];
        assert_eq!(marked(&sent), ["[1]", "1", "[-]"]);
    }

    #[test]
    fn a_command_without_a_history_has_no_versions() {
        assert_eq!(marked(&["ALTER TABLE orders ADD a int", "SELECT 1"]), ["-", "[-]"]);
    }
}
