//! `lock-held-past-statement`: slow work was done while a lock of an earlier statement of the transaction shut others out.

use super::advice::{self, Advice};
use super::under_lock::{self, Held};
use super::{Rule, ends_transaction, rewritten, table};
use crate::run::{Finding, Migration, Millis, Rows, Run, Severity, Statement, StatementStatus};
use crate::scenario::Engine;

const CODE: &str = "lock-held-past-statement";

pub(super) const RULE: Rule = Rule {
    code: CODE,
    title: "slow work was done under the lock of an earlier statement (PostgreSQL)",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: tests::CASES,
};

const EXPLAIN: &str = "\
A statement took a lock that shuts readers or writers out of a table in use, and a later one of
the same transaction read or changed limits.rewrite_rows rows or more (10,000 by default) while
it was held. The first one may take a millisecond: its lock stays until COMMIT. It stayed within
the limits here, and takes longer with more rows. Where it did not, blocks-reads or blocks-writes
tells it.

How it is measured
  By the lock's own time, from grant to release, which is longer than the later statement took, and
  by the rows that the server counted for that. Work that would have needed the same lock by itself
  is told by full-scan-under-lock, index-rebuild or table-rewrite.

Why it hurts in production
  A migration file is one transaction with most tools. ADD COLUMN and the UPDATE that fills it, ADD
  FOREIGN KEY NOT VALID and its VALIDATE: the second half was meant to let others work, and in the
  same transaction it does not. A deadlock with the application is more likely, too.

What to do instead
  Commit right after the statement that takes the lock. With most tools that means a file of its
  own:
      -- 0005_add_number.sql
      ALTER TABLE orders ADD COLUMN number text;
      -- 0006_fill_number.sql, in batches
      UPDATE orders SET number = id::text WHERE number IS NULL AND id BETWEEN 1 AND 10000;
  VALIDATE CONSTRAINT belongs into a transaction after the one that adds the constraint NOT VALID.
";

/// Work under a lock that an earlier statement took.
struct Work<'a> {
    lock: Held<'a>,
    /// The statement that did it.
    index: usize,
    did: &'static str,
    rows: u64,
}

fn judge(run: &Run) -> Vec<Finding> {
    if run.engine() != Engine::Postgres {
        return Vec::new();
    }
    run.migrations.iter().flat_map(|migration| of_migration(run, migration)).collect()
}

/// One for each statement whose lock was kept, with the slowest work under it.
fn of_migration(run: &Run, migration: &Migration) -> Vec<Finding> {
    let mut slowest: Vec<Work<'_>> = Vec::new();
    for (index, statement) in migration.statements.iter().enumerate() {
        let Some((did, rows)) = work(run, statement) else { continue };
        let held = under_lock::held(run, migration, index).into_iter();
        let earlier = held.filter(|lock| !under_lock::needs_itself(statement, index, lock));
        let size = |lock: &Held<'_>| table::before(run, &lock.lock.relation).rows.unwrap_or(u64::MAX);
        let Some(lock) = earlier.max_by_key(size) else { continue };
        let work = Work { lock, index, did, rows };
        let took = |work: &Work<'_>| migration.statements[work.index].duration_ms;
        match slowest.iter_mut().find(|known| known.lock.since == lock.since) {
            Some(known) if took(known) >= took(&work) => {}
            Some(known) => *known = work,
            None => slowest.push(work),
        }
    }
    slowest.retain(|work| !under_lock::is_told(run, migration, &work.lock, work.index));
    slowest.iter().map(|work| finding(run, migration, work)).collect()
}

/// What a statement did that takes longer on a larger table, and with how many rows, if those are many.
fn work(run: &Run, statement: &Statement) -> Option<(&'static str, u64)> {
    if statement.status != StatementStatus::Ok || ends_transaction(statement) || statement.command.contains("; ") {
        return None;
    }
    let before = |name: &str| table::before(run, name);
    let scans = statement.scans.iter().flatten().filter(|scan| scan.scans > 0 && before(&scan.relation).in_use());
    let read: u64 = scans.filter_map(|scan| before(&scan.relation).rows).sum();
    let written: u64 = rewritten(run, statement).filter_map(|new| before(&new.relation).rows).sum();
    let changed = statement.rows.filter(|_| statement.command != "SELECT").unwrap_or(0);
    let most = [("wrote anew", written), ("changed", changed), ("read", read)];
    most.into_iter().find(|(_, rows)| *rows >= run.limits.rewrite_rows)
}

fn finding(run: &Run, migration: &Migration, work: &Work<'_>) -> Finding {
    let (lock, since) = (work.lock.lock, work.lock.since);
    let (first, later) = (&migration.statements[since], &migration.statements[work.index]);
    let rows = table::before(run, &lock.relation).rows;
    let of_rows = table::of_rows(run, &lock.relation, rows);
    let line = later.line.map(|line| format!(" on line {line}")).unwrap_or_default();
    let (did, many) = (work.did, Rows(work.rows));
    let message = format!(
        "{} {} of {}{of_rows} wait until the transaction of {} ends, and {}{line} {did} {many} in {} meanwhile",
        lock.mode,
        if work.lock.whom() == "writes" { "makes writes" } else { "makes reads and writes" },
        lock.relation,
        first.command,
        later.command,
        later.duration_ms,
    );
    let own: Millis = first.duration_ms;
    let whole = under_lock::are_whole_transaction(migration, since, work.index);
    Finding::new(CODE, Severity::Warning, message)
        .in_migration(migration, Some(since))
        .on_table(&lock.relation)
        .evidence("lock", &lock.mode)
        .evidence("held_ms", lock.held_ms)
        .evidence("statement_ms", own)
        .evidence("later_ms", later.duration_ms)
        .evidence("later_rows", work.rows)
        .evidence("rows", rows)
        .advice(Advice {
            help: format!(
                "commit after {}, which took {own}: put {}{line} into a migration of its own that comes after this one",
                first.command, later.command
            ),
            steps: advice::apart(run, migration, since, work.index, whole),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::postgres::lock_mode::LockMode::{AccessExclusive, RowExclusive, ShareRowExclusive};
    use crate::verdict::testing::{Cases, Facts, MigrationFacts, StatementFacts, facts, migration, statement};

    pub(super) const CASES: Cases = Cases {
        shown: &[
            ("a column is filled in the transaction that adds it", || with(vec![add(300), update(100_000)]).run()),
            ("a foreign key is validated in the transaction that adds it", || {
                let key = statement(1, "ALTER TABLE orders ADD FOREIGN KEY (c) REFERENCES customers NOT VALID", 1);
                let validate = statement(2, "ALTER TABLE orders VALIDATE CONSTRAINT f", 90);
                let validate = validate.scan("public.orders", 100_000);
                with(vec![key.locks("public.orders", ShareRowExclusive, 95), validate]).run()
            }),
            ("an index of another table is built", || {
                let index = statement(2, "CREATE INDEX ON items (n)", 90).scan("public.items", 100_000);
                with(vec![add(95), index]).run()
            }),
        ],
        silent: &[
            ("few rows are changed", || with(vec![add(300), update(9_999)]).run()),
            ("it was committed in between", || with(vec![add(2), statement(2, "COMMIT", 1), update(100_000)]).run()),
            ("the lock lets readers and writers pass", || {
                let weak = statement(1, "UPDATE orders SET n = 1", 1).locks("public.orders", RowExclusive, 300);
                with(vec![weak, update(100_000)]).run()
            }),
            ("the release was not observed", || {
                with(vec![add(300).with(|s| s.locks.as_mut().unwrap()[0].held_ms = None), update(100_000)]).run()
            }),
            ("it took longer than the limit, which blocks-reads tells", || {
                with(vec![add(300), update(100_000)])
                    .with(|run| {
                        let blocked = migration("9").blocks("public.orders", 100_000, 900, 900, 0);
                        blocked.with(|m| run.migrations[0].blocking = std::mem::take(&mut m.blocking));
                    })
                    .run()
            }),
            ("the work needs the lock itself, which full-scan-under-lock tells", || {
                let check = statement(2, "ALTER TABLE orders ADD CHECK (n > 0)", 80).scan("public.orders", 100_000);
                with(vec![add(300), check]).run()
            }),
        ],
    };

    fn add(held: u64) -> StatementFacts {
        statement(1, "ALTER TABLE orders ADD n int", 1).locks("public.orders", AccessExclusive, held)
    }

    fn update(rows: u64) -> StatementFacts {
        statement(3, "UPDATE orders SET n = 1", 280).touched(rows)
    }

    fn with(statements: Vec<StatementFacts>) -> Facts {
        let migration = statements.into_iter().fold(migration("0002"), MigrationFacts::statement);
        facts().table("public.orders", 100_000).table("public.items", 300_000).migration(migration)
    }

    #[test]
    fn the_finding_stands_where_the_lock_is_taken_and_names_the_work() {
        let found = judge(&with(vec![add(400), update(50_000), update(100_000)]).run());
        let [finding] = &found[..] else { panic!("one finding, not {found:?}") };
        assert_eq!(finding.line, Some(1));
        assert_eq!(
            finding.message,
            "AccessExclusiveLock makes reads and writes of public.orders (100,000 rows) wait until the transaction of \
             ALTER TABLE ends, and UPDATE on line 3 changed 50,000 rows in 280 ms meanwhile"
        );
        assert_eq!(
            finding.help,
            "commit after ALTER TABLE, which took 1.0 ms: put UPDATE on line 3 into a migration of its own that comes \
             after this one"
        );
    }
}
