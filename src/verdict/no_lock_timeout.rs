//! `no-lock-timeout`: a strong lock on a table in use was asked for without a bound on the wait for it (PostgreSQL).

use super::{Rule, advice, limit, table};
use crate::run::{Blocks, Finding, Lock, Migration, Run, Severity, Statement};

const CODE: &str = "no-lock-timeout";

/// A wait that long is no bound: no pool of connections lives through a fraction of it.
const NO_BOUND_MS: u64 = 3_600_000;

pub(super) const RULE: Rule = Rule {
    code: CODE,
    title: "a strong lock would be waited for without a bound (PostgreSQL)",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: tests::CASES,
};

const EXPLAIN: &str = "\
A statement took a lock that shuts writers, or readers too, out of a table of
limits.rewrite_rows rows or more (10,000 by default), and the session had neither a lock_timeout
nor a statement_timeout shorter than an hour. It is told once for all migrations, of the largest
table. (MySQL, MariaDB: metadata-lock-unbounded.)

How it is measured
  By the session's own settings (lock_timeout, statement_timeout, transaction_timeout), asked right
  after the statement, and the locks that it took. The wait itself was not rehearsed: nothing else
  runs here.

Why it hurts in production
  One transaction that has touched the table and is still open (a report, a backup, an idle console)
  makes the statement wait, and every query of the table that comes after it waits behind it, though
  it would not conflict with that transaction. Seen on PostgreSQL 15: a SELECT behind an ALTER TABLE
  that waited for an idle transaction ended with that transaction, and not before.

What to do instead
  Bound the wait, and try again, in the migration itself or in the connection of the tool:
      SET lock_timeout = '2s';
      ALTER TABLE orders ADD COLUMN status text;
  For a role that does nothing but migrate: ALTER ROLE migrator SET lock_timeout = '2s';
  CREATE INDEX CONCURRENTLY and VALIDATE CONSTRAINT wait too, and nobody queues behind them; with a
  lock_timeout the first leaves an invalid index when it gives up.
";

/// A statement that would wait so, and the largest table it would wait for.
struct Waiting<'a> {
    migration: &'a Migration,
    index: usize,
    lock: &'a Lock,
    /// Of the table; `None` where not known, which counts as many.
    rows: Option<u64>,
}

fn judge(run: &Run) -> Vec<Finding> {
    let statements = run.migrations.iter().flat_map(|migration| {
        migration.statements.iter().enumerate().map(move |(index, statement)| (migration, index, statement))
    });
    let waiting: Vec<Waiting<'_>> = statements
        .filter_map(|(migration, index, statement)| {
            let (lock, rows) = waits_for(run, statement)?;
            Some(Waiting { migration, index, lock, rows })
        })
        .collect();
    // The first of those on the largest table.
    let worst = waiting.iter().rev().max_by_key(|waiting| waiting.rows.unwrap_or(u64::MAX));
    worst.map(|worst| finding(run, worst, waiting.len())).into_iter().collect()
}

fn waits_for<'a>(run: &Run, statement: &'a Statement) -> Option<(&'a Lock, Option<u64>)> {
    statement.lock_timeout_ms.filter(|bound| *bound == 0 || *bound >= NO_BOUND_MS)?;
    let strong = statement.locks.iter().flatten().filter(|lock| {
        let shuts_out = lock.blocks.contains(&Blocks::Reads) || lock.blocks.contains(&Blocks::Writes);
        lock.table.is_none() && shuts_out && table::before(run, &lock.relation).in_use()
    });
    let sized = strong.map(|lock| (lock, table::before(run, &lock.relation).rows));
    let many =
        sized.filter(|(lock, rows)| rows.is_none_or(|rows| rows >= limit::of_table(run, &lock.relation).rewrite_rows));
    // Of one table the strongest.
    many.max_by_key(|(lock, rows)| (rows.unwrap_or(u64::MAX), lock.blocks.contains(&Blocks::Reads)))
}

fn finding(run: &Run, worst: &Waiting<'_>, all: usize) -> Finding {
    let Waiting { migration, index, lock, rows } = worst;
    let statement = &migration.statements[*index];
    let table = &lock.relation;
    let of_rows = table::of_rows(run, table, *rows);
    let others = match all - 1 {
        0 => String::new(),
        1 => "; so would 1 other statement".to_owned(),
        others => format!("; so would {others} other statements"),
    };
    let message = format!(
        "{} would wait for its {} on {table}{of_rows} for as long as it takes, with every later query of the table behind \
         it{others}",
        statement.command, lock.mode
    );
    Finding::new(CODE, Severity::Warning, message)
        .in_migration(migration, Some(*index))
        .on_table(table)
        .evidence("lock_timeout_ms", statement.lock_timeout_ms)
        .evidence("lock", &lock.mode)
        .evidence("statements", all)
        .evidence("rows", rows)
        .advice(advice::without_waiting(run, migration, *index))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::postgres::lock_mode::LockMode::{AccessExclusive, Share, ShareUpdateExclusive};
    use crate::verdict::testing::{Cases, Facts, StatementFacts, facts, migration, statement};

    pub(super) const CASES: Cases = Cases {
        shown: &[
            ("there is no bound", || with(alter("public.orders", Some(0))).run()),
            ("the bound is an hour", || with(alter("public.orders", Some(3_600_000))).run()),
            ("only writers are shut out", || {
                let index = statement(1, "CREATE INDEX ON orders (n)", 9).locks("public.orders", Share, 9);
                with(index.with(|statement| statement.lock_timeout_ms = Some(0))).run()
            }),
        ],
        silent: &[
            ("the session waits for no longer than 2 s", || with(alter("public.orders", Some(2_000))).run()),
            ("the table is small", || with(alter("public.colours", Some(0))).run()),
            ("the table is empty", || with(alter("public.drafts", Some(0))).run()),
            ("the bound was not observed", || with(alter("public.orders", None)).run()),
            ("nobody queues behind it", || {
                let validate = statement(1, "ALTER TABLE orders VALIDATE CONSTRAINT c", 9);
                let weak = validate.locks("public.orders", ShareUpdateExclusive, 9);
                with(weak.with(|statement| statement.lock_timeout_ms = Some(0))).run()
            }),
        ],
    };

    fn alter(table: &str, bound: Option<u64>) -> StatementFacts {
        let alter = statement(1, "ALTER TABLE orders ADD n int", 1).locks(table, AccessExclusive, 2);
        alter.with(|statement| statement.lock_timeout_ms = bound)
    }

    fn with(statement: StatementFacts) -> Facts {
        let tables = facts().table("public.orders", 5_000_000).table("public.colours", 12).table("public.drafts", 0);
        tables.migration(migration("0002").statement(statement))
    }

    #[test]
    fn of_several_locks_of_a_table_the_strongest_is_told() {
        let rebuilds = alter("public.orders", Some(0)).locks("public.orders", Share, 2);
        let found = judge(&with(rebuilds).run());
        assert!(found[0].message.contains("would wait for its AccessExclusiveLock on public.orders"), "{found:?}");
    }

    #[test]
    fn it_is_told_once_of_the_largest_table() {
        let more = migration("0003").statement(alter("public.orders", Some(0)));
        let found = judge(&with(alter("public.orders", Some(0))).migration(more).run());
        let [finding] = &found[..] else { panic!("one finding, not {found:?}") };
        assert_eq!((finding.severity, finding.migration.as_deref()), (Severity::Warning, Some("0002")));
        assert_eq!(
            finding.message,
            "ALTER TABLE would wait for its AccessExclusiveLock on public.orders (5,000,000 rows) for as long as it takes, \
             with every later query of the table behind it; so would 1 other statement"
        );
        assert!(finding.help.contains("SET lock_timeout = '2s'"), "{}", finding.help);
    }
}
