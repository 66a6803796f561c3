//! `invalid-index-left`: a statement that failed left an index behind that no query uses (PostgreSQL).

use super::Rule;
use super::mention::mentions;
use crate::run::{Finding, InvalidIndex, Migration, MigrationStatus, Run, Severity, StatementStatus};

const CODE: &str = "invalid-index-left";

pub(super) const RULE: Rule = Rule {
    code: CODE,
    title: "a failed CONCURRENTLY left an invalid index behind (PostgreSQL)",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: tests::CASES,
};

const EXPLAIN: &str = "\
CREATE INDEX CONCURRENTLY or REINDEX CONCURRENTLY failed, for a duplicate, a time limit or a
deadlock, and its unfinished index stayed. It is a warning where the migration failed, which
fails-on-data or migration-failed tells, and an error where it went on as if nothing had been.

How it is measured
  By the indexes of pg_index that are not valid after the migration, and were valid or not there
  before it. Those of partitioned tables, which wait for their parts, are not counted.

Why it hurts in production
  No query uses it, and every write may have to keep it up (REINDEX leaves one that is). A second
  try fails with \"already exists\"; with IF NOT EXISTS it passes, says that all is well, and the
  index is still not used. One that is to be unique enforces nothing, or already refuses new rows,
  by how far it came.

What to do instead
  Drop it before the next try, in the migration itself, so that each try begins anew:
      DROP INDEX CONCURRENTLY IF EXISTS orders_number;
      CREATE UNIQUE INDEX CONCURRENTLY orders_number ON orders (number);
  Look for others (those of REINDEX end in _ccnew or _ccold):
      SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid;
";

fn judge(run: &Run) -> Vec<Finding> {
    let left =
        run.migrations.iter().flat_map(|migration| migration.invalid_indexes.iter().map(move |i| (migration, i)));
    left.map(|(migration, index)| finding(migration, index)).collect()
}

fn finding(migration: &Migration, left: &InvalidIndex) -> Finding {
    let failed = || migration.statements.iter().enumerate().rev().filter(|(_, s)| s.status != StatementStatus::Ok);
    let naming = failed().find(|(_, statement)| mentions(&statement.sql, &left.index));
    let by = naming.or_else(|| failed().next());
    let InvalidIndex { index, table } = left;
    let severity = if migration.status == MigrationStatus::Applied { Severity::Error } else { Severity::Warning };
    let command = by.map_or("the migration", |(_, statement)| statement.command.as_str());
    let message =
        format!("{command} left {index} of {table} behind, invalid: no query uses it, and a second try finds it there");
    Finding::new(CODE, severity, message)
        .in_migration(migration, by.map(|(index, _)| index))
        .on_table(table)
        .evidence("index", index)
        .help(format!("DROP INDEX CONCURRENTLY IF EXISTS {index} before the next try, outside a transaction"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::testing::{Cases, MigrationFacts, facts, migration, statement};

    pub(super) const CASES: Cases = Cases {
        shown: &[
            ("a duplicate was found", || facts().migration(failed().with(leaves)).run()),
            ("the tool went on", || facts().migration(failed().with(leaves).ended(MigrationStatus::Applied)).run()),
        ],
        silent: &[("it was rolled back", || facts().migration(failed()).run())],
    };

    fn failed() -> MigrationFacts {
        let sql = "CREATE UNIQUE INDEX CONCURRENTLY orders_number ON orders (number)";
        migration("2").statement(statement(3, sql, 90).fails("23505", "duplicate key"))
    }

    fn leaves(migration: &mut Migration) {
        let (index, table) = ("public.orders_number".to_owned(), "public.orders".to_owned());
        migration.invalid_indexes.push(InvalidIndex { index, table });
    }

    #[test]
    fn it_is_worse_where_nothing_else_fails() {
        let found = |migration: MigrationFacts| judge(&facts().migration(migration).run()).remove(0);
        let told = found(failed().with(leaves));
        assert_eq!((told.severity, told.line), (Severity::Warning, Some(3)));
        assert!(
            told.message.starts_with("CREATE UNIQUE left public.orders_number of public.orders"),
            "{}",
            told.message
        );
        assert_eq!(found(failed().with(leaves).ended(MigrationStatus::Applied)).severity, Severity::Error);
    }
}
