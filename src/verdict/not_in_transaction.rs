//! `not-in-transaction`: a failure in the middle of a migration's file would leave, or left, a part of it behind.

use super::keywords::Keywords;
use super::{Rule, ends_transaction};
use crate::run::{Finding, Migration, MigrationStatus, Run, Severity, Statement, StatementStatus};
use crate::scenario::Engine;

const CODE: &str = "not-in-transaction";

pub(super) const RULE: Rule = Rule {
    code: CODE,
    title: "a failure in the middle of a file would leave half of it (PostgreSQL)",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: tests::CASES,
};

const EXPLAIN: &str = "\
A migration's file was carried out in more than one transaction, or outside of any, and what its
first part did could not be done a second time. If a later statement fails, that part stays, the
tool takes the file for not applied, and the next try fails at its beginning. Parts that can be
done again (IF NOT EXISTS, OR REPLACE, UPDATE, DELETE, VALIDATE, SET NOT NULL) are silent, and so
are commands whose files are not known. With MySQL and MariaDB every schema change commits: what a
failure there leaves is told by half-applied.

How it is measured
  By the transaction status that the server gave after each statement, on each connection; which
  statements can be repeated, by their text.

Why it hurts in production
  CREATE INDEX CONCURRENTLY fails more often than other statements (a lock_timeout, a duplicate, a
  deadlock), and it must run outside a transaction. Beside it in a file, what would have been rolled
  back is not.

What to do instead
  One statement a file where it cannot be in a transaction; all others in files that are one:
      -- 0005_add_status.sql
      ALTER TABLE orders ADD COLUMN status text;
      -- 0006_index_status.sql
      -- rehearsal: no-transaction
      CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_status ON orders (status);
  Or write each so that it can be repeated. (IF NOT EXISTS also passes over an invalid index that a
  failure left: drop that first.)
";

/// Commands that change nothing that stays, or that do no harm a second time.
const HARMLESS: [&str; 24] = [
    "SELECT",
    "SHOW",
    "SET",
    "RESET",
    "BEGIN",
    "START TRANSACTION",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT",
    "RELEASE",
    "ANALYZE",
    "VACUUM",
    "LOCK TABLE",
    "EXPLAIN",
    "DISCARD",
    "NOTIFY",
    "LISTEN",
    "CHECKPOINT",
    "REINDEX",
    "CLUSTER",
    "REFRESH MATERIALIZED VIEW",
    "COMMENT",
    "GRANT",
    "REVOKE",
];

fn judge(run: &Run) -> Vec<Finding> {
    if run.engine() != Engine::Postgres {
        return Vec::new();
    }
    // What a command sends may be many migrations, each with a transaction of its own.
    run.migrations.iter().filter(|migration| migration.path.is_some()).filter_map(finding).collect()
}

/// One for a file: the first change that would be in the way of a second try, and the next transaction that could fail.
fn finding(migration: &Migration) -> Option<Finding> {
    let mut number = 0;
    let mut changes: Vec<(usize, u32)> = Vec::new();
    for (index, statement) in migration.statements.iter().enumerate() {
        if !statement.in_transaction || ends_transaction(statement) {
            number += 1;
        }
        if changes_something(statement) {
            changes.push((index, number));
        }
    }
    let committed = |(index, _): &&(usize, u32)| {
        let statement = &migration.statements[*index];
        statement.status == StatementStatus::Ok && !can_be_repeated(statement)
    };
    let (first, of_first) = *changes.iter().find(committed)?;
    let (later, _) = *changes.iter().find(|(index, number)| *index > first && *number != of_first)?;
    let named = |index: usize| {
        let statement = &migration.statements[index];
        match statement.line {
            Some(line) => format!("{} (line {line})", statement.command),
            None => statement.command.clone(),
        }
    };
    let failed = migration.status == MigrationStatus::Failed;
    let end = if failed { "and stays although the file failed" } else { "and would stay if that failed" };
    let message = format!(
        "{} is not one transaction: {} was committed before {} began, {end}",
        migration.name,
        named(first),
        named(later)
    );
    let finding = Finding::new(CODE, Severity::Warning, message)
        .in_migration(migration, Some(first))
        .evidence("committed_line", migration.statements[first].line)
        .evidence("later_line", migration.statements[later].line)
        .evidence("failed", failed);
    Some(finding.help(format!("put {} into a file of its own, or write both so that they can run twice", named(later))))
}

fn changes_something(statement: &Statement) -> bool {
    statement.command.split("; ").any(|command| {
        let is_harmless = |known: &str| command == known || command.starts_with(&format!("{known} "));
        !HARMLESS.into_iter().any(is_harmless) && !ends_transaction(statement)
    })
}

/// Whether a second try would do no harm, as far as the text tells.
fn can_be_repeated(statement: &Statement) -> bool {
    const WITHIN: [&str; 9] = [
        "IF NOT EXISTS",
        "IF EXISTS",
        "ON CONFLICT",
        "SET NOT NULL",
        "DROP NOT NULL",
        "SET DEFAULT",
        "DROP DEFAULT",
        "SET STATISTICS",
        "VALIDATE CONSTRAINT",
    ];
    let words = Keywords::of(&statement.sql);
    let first = ["CREATE OR REPLACE", "UPDATE", "DELETE", "TRUNCATE", "MERGE", "DO", "CALL"];
    WITHIN.iter().any(|phrase| words.has(phrase)) || words.change_type() || first.iter().any(|word| words.begins(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::testing::{Cases, MigrationFacts, StatementFacts, facts, migration, statement};

    pub(super) const CASES: Cases = Cases {
        shown: &[
            ("an index is built concurrently after a column is added", || with(vec![add(), commit(), concurrently()])),
            ("two statements are sent by themselves", || {
                with(vec![alone(add()), alone(statement(2, "CREATE TABLE t (n int)", 1))])
            }),
            ("the second one failed", || with(vec![add(), commit(), concurrently().fails("23505", "duplicate key")])),
        ],
        silent: &[
            ("all of it is one transaction", || with(vec![add(), statement(2, "CREATE INDEX ON orders (n)", 1)])),
            ("one statement is sent by itself", || {
                with(vec![alone(statement(1, "SET lock_timeout = '2s'", 1)), concurrently()])
            }),
            ("the first part can be done again", || {
                let again = statement(1, "ALTER TABLE orders ADD COLUMN IF NOT EXISTS n int", 1);
                with(vec![alone(again), concurrently()])
            }),
            ("it is a command, which may be many migrations", || {
                let both = vec![add(), commit(), concurrently()];
                let all = both.into_iter().fold(migration("command"), MigrationFacts::statement);
                facts().migration(all.with(|migration| migration.path = None)).run()
            }),
        ],
    };

    fn add() -> StatementFacts {
        statement(1, "ALTER TABLE orders ADD n int", 1)
    }

    fn commit() -> StatementFacts {
        statement(1, "COMMIT", 1)
    }

    fn alone(statement: StatementFacts) -> StatementFacts {
        statement.with(|statement| statement.in_transaction = false)
    }

    fn concurrently() -> StatementFacts {
        alone(statement(3, "CREATE INDEX CONCURRENTLY i ON orders (n)", 90))
    }

    fn with(statements: Vec<StatementFacts>) -> Run {
        facts().migration(statements.into_iter().fold(migration("0002"), MigrationFacts::statement)).run()
    }

    #[test]
    fn both_sides_of_the_break_are_named() {
        let found = judge(&with(vec![add(), commit(), concurrently()]));
        let [finding] = &found[..] else { panic!("one finding, not {found:?}") };
        assert_eq!(
            finding.message,
            "0002_change.sql is not one transaction: ALTER TABLE (line 1) was committed before CREATE INDEX (line 3) \
             began, and would stay if that failed"
        );
        let failed = with(vec![add(), commit(), concurrently().fails("23505", "duplicate key")]);
        assert!(judge(&failed)[0].message.ends_with("and stays although the file failed"));
    }
}
