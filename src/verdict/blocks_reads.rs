//! `blocks-reads`: readers of a table in use were shut out for longer than the limit.

use super::{Rule, blocking};
use crate::run::{Blocks, Finding, Run};

const CODE: &str = "blocks-reads";

pub(super) const RULE: Rule = Rule {
    code: CODE,
    title: "readers of a table were shut out for longer than the limit",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: tests::CASES,
};

const EXPLAIN: &str = "\
A migration held a lock that no SELECT gets past (ACCESS EXCLUSIVE of PostgreSQL, the metadata
lock EXCLUSIVE of MySQL and MariaDB) on a table that is in use, for longer than
limits.reads_blocked (500 ms by default; [limits.table.NAME] sets it for one table).

How it is measured
  PostgreSQL: from the moment at which the lock was granted to the end of COMMIT or ROLLBACK,
  read from pg_locks while the server stood still at the end of each statement. MySQL and
  MariaDB: by the stages of the statement, whose locks are known, to the statement's own end. The
  time for which rehearsal held the server back to look is taken out. The figure is the longest
  stretch without a gap, so it is what one unlucky query waits. Tables that the migrations made,
  and tables without rows, count for nobody. Such a lock shuts writers out too: the same window
  is told once, here, as \"reads and writes\". blocks-writes stands beside it only if writers
  were shut out for more than their limit on top of that, by a lock that let readers pass.

Why it hurts in production
  Every query on the table waits, then every connection of the pool waits, then the application
  is down. It is worse than the figure: while the migration itself waits for a long SELECT to
  end, all later queries already queue behind it. Rehearsals have no such SELECT, so this part
  comes on top.

What to do instead
  Bound the wait, and retry (MySQL, MariaDB: SET SESSION lock_wait_timeout = 5):
      SET lock_timeout = '2s';
      ALTER TABLE orders ADD COLUMN status text;
  Keep the transaction short: commit right after the statement that takes the lock, and never
  change data in the same transaction:
      BEGIN; ALTER TABLE orders ADD COLUMN status text; COMMIT;
      UPDATE orders SET status = 'new' WHERE id BETWEEN 1 AND 10000;   -- batch after batch
  Avoid work under the lock. SET NOT NULL after a validated CHECK reads no row:
      ALTER TABLE orders ADD CONSTRAINT n CHECK (status IS NOT NULL) NOT VALID;
      ALTER TABLE orders VALIDATE CONSTRAINT n;        -- readers and writers go on
      ALTER TABLE orders ALTER COLUMN status SET NOT NULL;
      ALTER TABLE orders DROP CONSTRAINT n;
  A change of type: see table-rewrite, or copy-algorithm. VACUUM FULL and CLUSTER: use pg_repack
  or pg_squeeze. MySQL swaps the tables of a copy under this lock, and ends each ALTER with it:
  ask for ALGORITHM=INSTANT, or have gh-ost, pt-online-schema-change or spirit do the work.
";

fn judge(run: &Run) -> Vec<Finding> {
    let windows = blocking::seen(run).filter_map(|(migration, seen)| blocking::reads(run, migration, seen));
    windows
        .map(|window| {
            let writes_too = window.blocking.writes.held_ms.is_some_and(|writes| writes >= window.held);
            let whom = if writes_too { "Reads and writes of" } else { "Reads of" };
            blocking::finding(run, CODE, whom, Blocks::Reads, &window)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::postgres::lock_mode::LockMode::AccessExclusive;
    use crate::run::Millis;
    use crate::scenario::TableLimits;
    use crate::verdict::testing::{Cases, Facts, MigrationFacts, facts, migration, ms, statement};

    pub(super) const CASES: Cases = Cases {
        shown: &[
            ("an ALTER TYPE shut readers out for 2 s", || facts().migration(alter_type(2_000)).run()),
            ("the limit of the table is lower than the general one", || {
                facts().migration(alter_type(100)).with(|run| run.limits = strict()).run()
            }),
        ],
        silent: &[
            ("the lock was held for no longer than the limit", || facts().migration(alter_type(500)).run()),
            ("the table was made by the migrations", || {
                facts().migration(alter_type(2_000).with(|m| m.blocking[0].new = true)).run()
            }),
            ("the table has no rows", || {
                facts().migration(alter_type(2_000).with(|m| m.blocking[0].rows = Some(0))).run()
            }),
            ("the hold was not observed", || {
                facts().migration(alter_type(2_000).with(|m| m.blocking[0].reads.held_ms = None)).run()
            }),
        ],
    };

    fn strict() -> crate::scenario::Limits {
        let own = TableLimits { reads_blocked_ms: Some(ms(50)), ..TableLimits::default() };
        crate::scenario::Limits { tables: [("Orders".to_owned(), own)].into(), ..Default::default() }
    }

    fn alter_type(held: u64) -> MigrationFacts {
        let sql = "ALTER TABLE orders ALTER COLUMN id TYPE bigint";
        let alter = statement(3, sql, held).locks("public.orders", AccessExclusive, held);
        migration("0002").statement(alter).blocks("public.orders", 5_000_000, held, held, 0)
    }

    fn judged(facts: Facts) -> Vec<Finding> {
        judge(&facts.run())
    }

    #[test]
    fn the_finding_names_the_place_the_figure_and_its_origin() {
        let found = judged(facts().migration(alter_type(2_000)));
        let [finding] = &found[..] else { panic!("one finding, not {found:?}") };
        assert_eq!(
            finding.message,
            "Reads and writes of public.orders (5,000,000 rows) were shut out for 2.00 s (limit 500 ms), by the \
             AccessExclusiveLock of ALTER TABLE"
        );
        assert_eq!((finding.file.as_deref(), finding.line), (Some("migrations/0002_change.sql"), Some(3)));
        assert_eq!(finding.evidence["held_ms"], 2_000.0);
        assert_eq!(finding.evidence["how"], "exact");
        assert!(finding.help.contains("backfill in batches"), "{}", finding.help);
    }

    #[test]
    fn a_quick_statement_in_a_slow_transaction_is_told_to_commit_early() {
        let add = statement(1, "ALTER TABLE orders ADD note text", 1).locks("public.orders", AccessExclusive, 4_000);
        let update = statement(2, "UPDATE orders SET note = ''", 3_990).touched(5_000_000);
        let commit = statement(3, "COMMIT", 9_000);
        let slow = migration("0002").statement(add).statement(update).statement(commit);
        let found = judged(facts().migration(slow.blocks("public.orders", 5_000_000, 4_000, 4_000, 0)));
        assert_eq!(
            found[0].help,
            "ALTER TABLE took 1.0 ms, but its lock stayed until the transaction ended, and UPDATE on line 2 took 3.99 \
             s: commit in between"
        );
    }

    #[test]
    fn a_window_without_a_known_statement_is_still_found() {
        let unknown = alter_type(2_000).with(|m| m.blocking[0].reads.statement = None);
        let found = judged(facts().migration(unknown));
        assert_eq!(found[0].evidence["held_ms"], Millis(std::time::Duration::from_secs(2)).as_f64());
        assert_eq!(found[0].line, None);
    }
}
