//! `slow-foreign-key-check`: a DELETE or UPDATE read a table that points here from end to end, over and over (PostgreSQL).

use super::mention::mentions;
use super::{Rule, advice, limit, table};
use crate::run::{Count, Finding, Migration, Run, Scan, Severity, Statement};
use crate::scenario::Engine;

const CODE: &str = "slow-foreign-key-check";

/// A table of fewer rows is read from end to end even where there is an index, since that is quicker.
const SMALL: u64 = 1_000;

/// What a check locks its rows with, or the action of `ON DELETE CASCADE`.
const OF_A_CHECK: [&str; 2] = ["RowShareLock", "RowExclusiveLock"];

pub(super) const RULE: Rule = Rule {
    code: CODE,
    title: "a DELETE or UPDATE searched a table without an index for each row (PostgreSQL)",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: tests::CASES,
};

const EXPLAIN: &str = "\
A DELETE, or an UPDATE of a key, made the server look for rows that still point to each row that
went, in a table whose foreign key has no index. So it read all of that table for each of them:
limits.rewrite_rows rows in all or more (10,000 by default).

How it is measured
  By the scans that the server counted on tables that the statement does not name, and the locks
  that such a look-up takes there (FOR KEY SHARE). Tables of fewer than 1,000 rows do not count:
  they are read from end to end with an index, too. A trigger of your own that does the same looks
  the same.

Why it hurts in production
  The time is the product: rows that go, times rows of the other table. What takes a second with ten
  thousand rows takes hours with millions, with the rows that are to go locked all the while. So
  does every DELETE of the application.

What to do instead
  Index the column that points here, first:
      CREATE INDEX CONCURRENTLY order_items_order_id ON order_items (order_id);
  Which foreign keys have no index (of those with one column):
      SELECT conrelid::regclass, conname FROM pg_constraint c WHERE contype = 'f' AND NOT EXISTS
        (SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1]);
";

fn judge(run: &Run) -> Vec<Finding> {
    if run.engine() != Engine::Postgres {
        return Vec::new();
    }
    let mut found = Vec::new();
    for migration in &run.migrations {
        for (index, statement) in migration.statements.iter().enumerate() {
            let searched = searched(run, statement);
            found.extend(searched.map(|(scan, read)| finding(run, migration, index, scan, read)));
        }
    }
    found
}

/// The tables that were read over and over, and how many rows of them in all.
fn searched<'a>(run: &Run, statement: &'a Statement) -> impl Iterator<Item = (&'a Scan, u64)> {
    let changes = ["DELETE", "UPDATE", "MERGE", "DO", "CALL"].contains(&statement.command.as_str());
    let scans = statement.scans.iter().flatten().filter(move |scan| changes && scan.scans > 1);
    let limit = |scan: &Scan| limit::of_table(run, &scan.relation).rewrite_rows;
    let many = scans.filter_map(|scan| Some((scan, scan.rows?)));
    let many: Vec<(&Scan, u64)> = many
        .filter(|(scan, read)| {
            let rows = table::before(run, &scan.relation).rows;
            let mut locks = statement.locks.iter().flatten();
            let checks = locks.any(|lock| lock.relation == scan.relation && OF_A_CHECK.contains(&lock.mode.as_str()));
            *read >= limit(scan)
                && rows.is_some_and(|rows| rows >= SMALL)
                && checks
                && !mentions(&statement.sql, &scan.relation)
        })
        .collect();
    many.into_iter()
}

fn finding(run: &Run, migration: &Migration, index: usize, scan: &Scan, read: u64) -> Finding {
    let statement = &migration.statements[index];
    let child = &scan.relation;
    let rows = table::before(run, child).rows;
    let of_rows = table::of_rows(run, child, rows);
    let message = format!(
        "{} read all of {child}{of_rows} {} times in {}, to see whether a row there still points to one that changed",
        statement.command,
        Count(scan.scans),
        statement.duration_ms
    );
    Finding::new(CODE, Severity::Warning, message)
        .in_migration(migration, Some(index))
        .on_table(child)
        .evidence("scans", scan.scans)
        .evidence("rows_read", read)
        .evidence("rows", rows)
        .evidence("duration_ms", statement.duration_ms)
        .advice(advice::with_index_on(run, migration, index, child))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::postgres::lock_mode::LockMode::{AccessShare, RowShare};
    use crate::verdict::testing::{Cases, StatementFacts, facts, migration, statement};

    pub(super) const CASES: Cases = Cases {
        shown: &[("a foreign key has no index", || with(delete("DELETE FROM orders WHERE id < 50", 49, RowShare)))],
        silent: &[
            ("a row was looked for once, as a query may", || with(delete("DELETE FROM orders", 1, RowShare))),
            ("the statement itself names the table", || {
                with(delete("DELETE FROM orders WHERE id IN (SELECT order_id FROM items)", 49, RowShare))
            }),
            ("something else was read", || with(delete("DELETE FROM orders", 49, AccessShare))),
            ("the other table is small", || {
                let few = delete("DELETE FROM orders", 49, RowShare);
                facts().table("public.items", 900).migration(migration("2").statement(few)).run()
            }),
            ("the scans were not counted", || {
                with(delete("DELETE FROM orders", 49, RowShare).with(|delete| delete.scans = None))
            }),
        ],
    };

    fn delete(sql: &str, scans: u64, mode: crate::observe::postgres::lock_mode::LockMode) -> StatementFacts {
        let delete = statement(3, sql, 900).touched(scans).locks("public.items", mode, 900).scan("public.items", 0);
        delete.with(|delete| {
            let scan = &mut delete.scans.as_mut().unwrap()[0];
            (scan.scans, scan.rows) = (scans, Some(scans * 20_000));
        })
    }

    fn with(statement: StatementFacts) -> Run {
        facts().table("public.items", 20_000).migration(migration("2").statement(statement)).run()
    }

    #[test]
    fn the_finding_says_how_often() {
        let found = judge(&with(delete("DELETE FROM orders WHERE id < 50", 1_049, RowShare)));
        assert_eq!(
            found[0].message,
            "DELETE read all of public.items (20,000 rows) 1,049 times in 900 ms, to see whether a row there still points \
             to one that changed"
        );
    }
}
