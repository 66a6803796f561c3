//! `fails-on-data`: a migration failed because of the rows that it met.

use super::cause::Cause;
use super::{Rule, advice, failure};
use crate::run::{Finding, Migration, Run, Severity, SqlError};
use crate::scenario::Engine;

const CODE: &str = "fails-on-data";

pub(super) const RULE: Rule = Rule {
    code: CODE,
    title: "the migration failed because of the rows it met",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: tests::CASES,
};

const EXPLAIN: &str = "\
A statement of a pending migration was refused by the server because of the data: a value that
does not fit or cannot be converted, NOT NULL, unique, foreign key, check (PostgreSQL: SQLSTATE
class 22 or 23; MySQL and MariaDB: 1062, 1138, 1265, 1406, 1452, 3819 and their kin). It would
work on an empty database, which is why no test found it.

How it is measured
  The migration ran against the snapshot, and the server's own error is kept word for word.
  Whether production fails as well depends on how well the snapshot stands for it: rows that
  were made up to grow a table can break rules that real rows keep, and the other way round.

Why it hurts in production
  The deploy stops half-way. What the transaction did is undone after all its work, with its
  locks held until then; what ran outside of one stays, such as an invalid index of CREATE INDEX
  CONCURRENTLY. With MySQL and MariaDB every schema change before it stays: see half-applied.

What to do instead
  Find the rows first, and mend them in a migration before this one:
      SELECT number, count(*) FROM orders GROUP BY number HAVING count(*) > 1;  -- unique
      SELECT o.id FROM orders o LEFT JOIN customers c ON c.id = o.customer_id
        WHERE o.customer_id IS NOT NULL AND c.id IS NULL;  -- foreign key
      UPDATE orders SET status = 'unknown' WHERE status IS NULL AND id BETWEEN 1 AND 10000;
  Then, with PostgreSQL, add the rule for new rows only, mend, and check the old rows last:
      ALTER TABLE orders ADD CONSTRAINT c CHECK (total >= 0) NOT VALID;
      ALTER TABLE orders VALIDATE CONSTRAINT c;
  If the snapshot is to blame, describe the column in [snapshot.table.columns], or restore a
  dump.
";

fn judge(run: &Run) -> Vec<Finding> {
    let on_data = failure::failures(run).filter(failure::Failure::is_on_data);
    on_data
        .filter_map(|failure| {
            let ((index, statement), error) = (failure.statement?, failure.error()?);
            let message = format!(
                "{} failed after {} on the data: {}{}",
                statement.command,
                statement.duration_ms,
                failure::told(error),
                failure.said()
            );
            let finding = Finding::new(CODE, Severity::Error, message)
                .in_migration(failure.migration, Some(index))
                .at_error_of(statement)
                .on_error(Some(error))
                .evidence("detail", &error.detail)
                .evidence("duration_ms", statement.duration_ms);
            Some(finding.help(help(run, failure.migration, index, error)))
        })
        .collect()
}

fn help(run: &Run, migration: &Migration, index: usize, error: &SqlError) -> String {
    let cause = Cause::of(error);
    let search = advice::offenders(run, migration, index, error);
    let find = search.map(|search| format!("`{search}` finds the rows: mend them in a migration before this one"));
    let then = match (run.engine(), cause) {
        (Engine::Postgres, Cause::Null) => {
            "then ADD CHECK (… IS NOT NULL) NOT VALID, VALIDATE CONSTRAINT in the next transaction, and SET NOT NULL"
        }
        (Engine::Postgres, Cause::ForeignKey) => "then ADD FOREIGN KEY … NOT VALID, and VALIDATE CONSTRAINT",
        (Engine::Postgres, Cause::Check) => {
            "or ADD CHECK … NOT VALID now, and VALIDATE CONSTRAINT once they are mended"
        }
        (Engine::Postgres, Cause::Duplicate) if !migration.invalid_indexes.is_empty() => {
            "and drop the invalid index that CREATE INDEX CONCURRENTLY left behind"
        }
        (Engine::Mysql | Engine::Mariadb, Cause::Duplicate) => {
            "letters that differ may be equal to the column's collation"
        }
        _ => "",
    };
    let find = find.unwrap_or_else(|| in_words(cause).to_owned());
    if then.is_empty() { find } else { format!("{find}; {then}") }
}

/// How to find the rows, where the very query is not known.
fn in_words(cause: Cause) -> &'static str {
    match cause {
        Cause::Null => "backfill the NULLs in batches in a migration before this one",
        Cause::ForeignKey => {
            "find the rows that point nowhere (LEFT JOIN … WHERE … IS NULL) and mend them in a migration before this one"
        }
        Cause::Duplicate => {
            "find the duplicates (GROUP BY … HAVING count(*) > 1) and mend them in a migration before this one"
        }
        Cause::Check => "find the rows that the check refuses and mend them in a migration before this one",
        _ => "find the rows that this value comes from and mend them in a migration before this one",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::MigrationStatus;
    use crate::verdict::testing::{Cases, facts, facts_on, migration, statement};

    pub(super) const CASES: Cases = Cases {
        shown: &[
            ("a column has NULLs", || failing("23502")),
            ("a value does not fit", || failing("22001")),
            ("MySQL found a duplicate", || refused(1062, "23000")),
            ("MySQL has no SQLSTATE of its own for it", || refused(3819, "HY000")),
            ("the tool ended with a failure of its own after that", || {
                let refused = statement(1, "CREATE UNIQUE INDEX ON orders (n)", 80).fails("23505", "duplicate key");
                let rollback = statement(2, "ROLLBACK", 1);
                let failed = migration("0002").statement(refused).statement(rollback).failed_with("exit status 1");
                facts().migration(failed).run()
            }),
            ("the tool gave up its lock after that", || {
                let refused = statement(1, "CREATE UNIQUE INDEX ON orders (n)", 80).fails("23505", "duplicate key");
                let unlock = statement(2, "UPDATE knex_migrations_lock SET is_locked = 0", 1).own();
                facts().migration(migration("0002").statement(refused).statement(unlock).failed_with("status 1")).run()
            }),
        ],
        silent: &[
            ("the statement is wrong, whatever the rows", || failing("42703")),
            ("a column's name is ambiguous, which has the SQLSTATE of a duplicate", || refused(1052, "23000")),
            ("it was a deadlock", || failing("40P01")),
            ("it waited too long for a lock", || failing("55P03")),
            ("it was cancelled", || failing("57014")),
            ("the tool got over that failure", || {
                let refused = statement(1, "INSERT INTO orders VALUES (1)", 1).fails("23505", "duplicate key");
                let next = statement(2, "SELECT 1", 1);
                facts()
                    .migration(migration("0002").statement(refused).statement(next).ended(MigrationStatus::Applied))
                    .run()
            }),
        ],
    };

    fn refused(code: u32, sqlstate: &'static str) -> Run {
        let refused = statement(5, "ALTER TABLE orders ADD UNIQUE (status)", 310).refused(code, sqlstate, "no");
        facts_on(Engine::Mysql).migration(migration("0002").statement(refused)).run()
    }

    #[test]
    fn an_error_of_mysql_is_told_by_its_number() {
        let found = judge(&refused(1062, "23000"));
        assert_eq!(found[0].message, "ALTER TABLE failed after 310 ms on the data: no (1062)");
        assert_eq!((&found[0].evidence["code"], &found[0].evidence["sqlstate"]), (&1062.into(), &"23000".into()));
        assert!(!found[0].help.contains("CONCURRENTLY"), "{}", found[0].help);
    }

    fn failing(sqlstate: &str) -> Run {
        let refused = statement(5, "ALTER TABLE orders ALTER status SET NOT NULL", 310);
        facts().migration(migration("0002").statement(refused.fails(sqlstate, "no"))).run()
    }

    #[test]
    fn what_follows_a_failure_is_not_its_cause() {
        let refused = statement(5, "ALTER TABLE orders ADD CHECK (n > 0)", 310).fails("23514", "is violated");
        let after = statement(6, "SELECT 1", 0).fails("25P02", "current transaction is aborted");
        let found = judge(&facts().migration(migration("0002").statement(refused).statement(after)).run());
        assert_eq!(found[0].message, "ALTER TABLE failed after 310 ms on the data: is violated (23514)");
        assert_eq!(found[0].line, Some(5));
    }
}
