//! `implicit-commit`: a statement committed the transaction that was open before it, without being a COMMIT.

use super::{Rule, ends_transaction};
use crate::run::{Finding, Migration, Rows, Run, Severity, Statement, StatementStatus};

const CODE: &str = "implicit-commit";

pub(super) const RULE: Rule = Rule {
    code: CODE,
    title: "a schema change committed an open transaction (MySQL, MariaDB)",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: tests::CASES,
};

const EXPLAIN: &str = "\
A statement such as ALTER TABLE ran while a transaction was open, and the server committed that
transaction before it did anything else, also if the statement then failed. What comes after it
runs outside of any transaction. It is a warning where rows had been changed in the transaction,
and a remark where it held nothing to lose.

How it is measured
  By the status flags of the server's answers (SERVER_STATUS_IN_TRANS): a transaction was open
  before the statement, and none after it. PostgreSQL rolls schema changes back and never does
  this.

Why it hurts in production
  The migration looks like all or nothing and is not. A ROLLBACK, or a tool that wraps each file
  in a transaction, takes nothing back: half of the data is changed, and a second try changes it
  again.

What to do instead
  Keep schema and data in files of their own, one schema change a file, and write data changes so
  that they can run twice:
      -- 0005_add_status.sql
      ALTER TABLE orders ADD COLUMN status VARCHAR(20), ALGORITHM=INSTANT;
      -- 0006_fill_status.sql
      UPDATE orders SET status = 'new' WHERE status IS NULL AND id BETWEEN 1 AND 10000;
";

fn judge(run: &Run) -> Vec<Finding> {
    run.migrations.iter().filter_map(finding).collect()
}

/// One for a migration: the first that committed changed rows, or else the first.
fn finding(migration: &Migration) -> Option<Finding> {
    let commits = || migration.statements.iter().enumerate().filter(|(_, statement)| statement.implicit_commit);
    let changing = commits().find(|(index, _)| !changes_before(migration, *index).is_empty());
    let (index, statement) = changing.or_else(|| commits().next())?;
    let changes = changes_before(migration, index);
    let rows: u64 = changes.iter().filter_map(|change| change.rows).sum();
    let (severity, lost) = match changes.first() {
        None => (Severity::Info, String::new()),
        Some(first) => {
            let line = first.line.map(|line| format!(" on line {line}")).unwrap_or_default();
            let rows = if rows > 0 { format!(" ({})", Rows(rows)) } else { String::new() };
            (Severity::Warning, format!(", with the {}{line}{rows}, which no ROLLBACK takes back", first.command))
        }
    };
    let message = format!("{} committed the transaction that was open before it{lost}", statement.command);
    let finding = Finding::new(CODE, severity, message)
        .in_migration(migration, Some(index))
        .evidence("statements", commits().count())
        .evidence("changed_rows", rows);
    Some(finding.help(
        "keep schema changes and data changes in files of their own, and write data changes so that they can run twice",
    ))
}

/// What changed rows in the transaction that a statement committed.
fn changes_before(migration: &Migration, index: usize) -> Vec<&Statement> {
    const CHANGES: [&str; 5] = ["INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD"];
    let connection = migration.statements[index].connection;
    let earlier = migration.statements[..index].iter().rev().filter(|earlier| earlier.connection == connection);
    let open =
        earlier.take_while(|earlier| earlier.in_transaction && !earlier.implicit_commit && !ends_transaction(earlier));
    let changing = |statement: &&Statement| {
        let kind = statement.command.split(' ').next().unwrap_or_default();
        CHANGES.contains(&kind) && statement.status == StatementStatus::Ok && statement.rows != Some(0)
    };
    let mut changes: Vec<&Statement> = open.filter(changing).collect();
    changes.reverse();
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Algorithm;
    use crate::scenario::Engine;
    use crate::verdict::testing::{Cases, Facts, MigrationFacts, StatementFacts, facts_on, migration, statement};

    pub(super) const CASES: Cases = Cases {
        shown: &[
            ("an ALTER followed an UPDATE in a transaction", || with(vec![begin(), update(3), alter()]).run()),
            ("the transaction was empty", || with(vec![begin(), alter()]).run()),
        ],
        silent: &[
            ("it was committed before", || {
                with(vec![begin(), update(3), statement(3, "COMMIT", 1), autocommit()]).run()
            }),
            ("there was no transaction", || with(vec![autocommit()]).run()),
        ],
    };

    fn begin() -> StatementFacts {
        statement(1, "BEGIN", 0)
    }

    fn update(rows: u64) -> StatementFacts {
        statement(2, "UPDATE orders SET status = 'x'", 9).touched(rows)
    }

    fn autocommit() -> StatementFacts {
        statement(4, "ALTER TABLE orders ADD k INT", 20).by(Algorithm::Instant)
    }

    fn alter() -> StatementFacts {
        autocommit().with(|statement| statement.implicit_commit = true)
    }

    fn with(statements: Vec<StatementFacts>) -> Facts {
        let migration = statements.into_iter().fold(migration("0002"), MigrationFacts::statement);
        facts_on(Engine::Mysql).table("orders", 5_000_000).migration(migration)
    }

    #[test]
    fn it_is_a_warning_only_where_there_was_something_to_take_back() {
        for (before, severity) in [
            (vec![begin(), update(1_200)], Severity::Warning),
            (vec![begin(), update(0)], Severity::Info),
            (vec![begin()], Severity::Info),
            (vec![update(1_200), statement(3, "COMMIT", 1), begin()], Severity::Info),
        ] {
            let found = judge(&with(before.into_iter().chain([alter()]).collect()).run());
            assert_eq!(found[0].severity, severity, "{}", found[0].message);
        }
    }

    #[test]
    fn of_several_the_one_that_committed_changes_is_told() {
        let found = judge(&with(vec![begin(), alter(), begin(), update(1_200), alter()]).run());
        let [finding] = &found[..] else { panic!("one finding, not {found:?}") };
        assert_eq!(
            finding.message,
            "ALTER TABLE committed the transaction that was open before it, with the UPDATE on line 2 (1,200 rows), which \
             no ROLLBACK takes back"
        );
        assert_eq!(finding.evidence["statements"], 2);
    }
}
