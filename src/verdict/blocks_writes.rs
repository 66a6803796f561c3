//! `blocks-writes`: writers of a table in use were shut out for longer than the limit while readers were not.

use super::{Rule, advice, blocking, limit, table};
use crate::run::{Blocking, Blocks, Finding, Migration, Run, Severity};

const CODE: &str = "blocks-writes";

pub(super) const RULE: Rule = Rule {
    code: CODE,
    title: "writers of a table were shut out for longer than the limit",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: tests::CASES,
};

const EXPLAIN: &str = "\
A migration held a lock that lets SELECT pass and no INSERT, UPDATE or DELETE (SHARE, SHARE ROW
EXCLUSIVE or EXCLUSIVE of PostgreSQL; SHARED_NO_WRITE or SHARED_READ_ONLY of MySQL and MariaDB)
on a table that is in use, for longer than limits.writes_blocked (500 ms by default;
[limits.table.NAME] sets it for one table).

How it is measured
  As blocks-reads: from the grant of the lock to the end of the transaction, without the time
  for which rehearsal held the server back. A lock that shuts readers out as well is told by
  blocks-reads alone (\"reads and writes\"); this finding stands beside it only if writers were
  shut out for more than their limit on top of that, by a lock that let readers pass. Waits for
  single rows that another transaction changed are no table locks. They are felt only in
  the second pass, by probes that lock rows at five places of the primary key's range.

Why it hurts in production
  Pages still load, and every order, login or payment hangs: health checks that only read stay
  green. A foreign key locks the table that it points to as well, which the migration may never
  name.

What to do instead
  PostgreSQL: build indexes beside the traffic, outside a transaction; drop an invalid index left
  by a failure:
      CREATE INDEX CONCURRENTLY orders_status ON orders (status);
      REINDEX INDEX CONCURRENTLY orders_status;
  Add a foreign key without its check, and check it later, which lets writers go on:
      SET lock_timeout = '2s';
      ALTER TABLE orders ADD CONSTRAINT c FOREIGN KEY (customer_id) REFERENCES customers NOT VALID;
      ALTER TABLE orders VALIDATE CONSTRAINT c;        -- in a transaction of its own
  Add a unique constraint from an index that is there already:
      CREATE UNIQUE INDEX CONCURRENTLY u ON orders (number);
      ALTER TABLE orders ADD CONSTRAINT u UNIQUE USING INDEX u;
  MySQL and MariaDB: have what shuts writers out refused, and leave it to gh-ost,
  pt-online-schema-change or spirit:
      ALTER TABLE orders ADD INDEX (status), ALGORITHM=INPLACE, LOCK=NONE;
  Give every migration a lock_timeout and retry it: the wait for the lock blocks others too.
";

fn judge(run: &Run) -> Vec<Finding> {
    let windows = blocking::seen(run).filter_map(|(migration, seen)| blocking::writes(run, migration, seen));
    let of_table = windows.map(|window| blocking::finding(run, CODE, "Writes of", Blocks::Writes, &window));
    let of_rows = blocking::seen(run).filter_map(|(migration, seen)| rows_locked(run, migration, seen));
    of_table.chain(of_rows).collect()
}

/// Rows that stayed locked: a probe of the second pass waited for longer than the limit, and no lock on the table explains
/// it.
fn rows_locked(run: &Run, migration: &Migration, seen: &Blocking) -> Option<Finding> {
    let limit = limit::of_table(run, &seen.table).writes_blocked;
    let felt = seen.writes.stalled_ms.filter(|felt| *felt > limit && Some(*felt) > run.overhead.noise_floor_ms)?;
    if seen.writes.held_ms.is_none_or(|held| held > limit) {
        return None;
    }
    // The statement that changed most rows under a lock on the table.
    let changed = migration.statements.iter().enumerate().filter(|(_, statement)| {
        let mut locks = statement.locks.iter().flatten();
        statement.rows.is_some() && locks.any(|lock| lock.relation == seen.table)
    });
    let statement = changed.max_by_key(|(_, statement)| statement.rows);
    let known = table::before(run, &seen.table).rows;
    let rows = table::of_rows(run, &seen.table, known);
    let by = statement.map(|(_, statement)| format!(" by {}", statement.command)).unwrap_or_default();
    let message = format!(
        "A writer of rows of {}{rows} waited {felt} (limit {limit}): rows that were changed{by} stay locked until the \
         transaction ends",
        seen.table
    );
    let finding = Finding::new(CODE, Severity::Error, message)
        .in_migration(migration, statement.map(|(index, _)| index))
        .on_table(&seen.table)
        .evidence("stalled_ms", felt)
        .evidence("limit_ms", limit)
        .evidence("noise_floor_ms", run.overhead.noise_floor_ms)
        .evidence("rows", known);
    Some(finding.advice(advice::in_batches(run, migration, statement.map(|(index, _)| index), &seen.table)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::postgres::lock_mode::LockMode::{AccessExclusive, RowExclusive, Share};
    use crate::run::Algorithm;
    use crate::scenario::Engine;
    use crate::verdict::testing::{Cases, MigrationFacts, facts, facts_on, migration, ms, statement};

    pub(super) const CASES: Cases = Cases {
        shown: &[
            ("CREATE INDEX shut writers out for 3 s", || facts().migration(create_index(3_000)).run()),
            ("writers waited for CREATE INDEX, then everybody for VACUUM FULL", || {
                facts().migration(index_then_rewrite(3_000, 4_000)).run()
            }),
            ("rows stayed locked, as a probe felt", || facts().migration(backfill(2_000)).with(probed).run()),
            ("readers are under their limit and writers are not", || {
                facts()
                    .migration(index_then_rewrite(0, 4_000))
                    .with(|run| run.limits.reads_blocked_ms = ms(9_000))
                    .run()
            }),
        ],
        silent: &[
            ("a probe waited for less than the limit", || facts().migration(backfill(80)).with(probed).run()),
            ("writers were shut out for less than the limit", || facts().migration(create_index(80)).run()),
            ("the same lock shut readers out, which blocks-reads tells", || {
                facts().migration(index_then_rewrite(0, 4_000)).run()
            }),
            ("the writers' own window is short beside the readers'", || {
                facts().migration(index_then_rewrite(100, 4_000)).run()
            }),
            ("the table has no rows", || {
                facts().migration(create_index(3_000).with(|m| m.blocking[0].rows = Some(0))).run()
            }),
        ],
    };

    fn create_index(held: u64) -> MigrationFacts {
        let create = statement(7, "CREATE INDEX ON orders (status)", held).locks("public.orders", Share, held);
        migration("0003").statement(create).blocks("public.orders", 5_000_000, 0, held, 0)
    }

    fn backfill(stalled: u64) -> MigrationFacts {
        let update =
            statement(3, "UPDATE orders SET status = 'new'", 2_000).locks("public.orders", RowExclusive, 2_000);
        let update = update.touched(5_000_000);
        let felt = move |m: &mut Migration| m.blocking[0].writes.stalled_ms = Some(ms(stalled));
        migration("0003").statement(update).blocks("public.orders", 5_000_000, 0, 0, 0).with(felt)
    }

    fn probed(run: &mut Run) {
        run.overhead.noise_floor_ms = Some(ms(12));
    }

    #[test]
    fn rows_that_stay_locked_are_told_with_who_changed_them() {
        let found = judge(&facts().migration(backfill(2_000)).with(probed).run());
        let [finding] = &found[..] else { panic!("one finding, not {found:?}") };
        assert_eq!(
            finding.message,
            "A writer of rows of public.orders (5,000,000 rows) waited 2.00 s (limit 500 ms): rows that were changed by \
             UPDATE stay locked until the transaction ends"
        );
        assert_eq!(finding.line, Some(3));
    }

    /// Two transactions of one migration, so that the stretches do not touch.
    fn index_then_rewrite(index: u64, rewrite: u64) -> MigrationFacts {
        let create = statement(1, "CREATE INDEX ON orders (status)", index).locks("public.orders", Share, index);
        let vacuum = statement(2, "VACUUM FULL orders", rewrite).locks("public.orders", AccessExclusive, rewrite);
        let both = migration("0003").statement(create).statement(vacuum);
        both.blocks("public.orders", 5_000_000, rewrite, rewrite, 1)
            .with(|m| m.blocking[0].writes.total_ms = Some(ms(index + rewrite)))
    }

    /// Everybody waits while MySQL swaps the tables of a copy, and writers before that as well.
    #[test]
    fn of_several_locks_of_a_statement_the_one_that_was_held_longest_is_named() {
        let copy = statement(2, "ALTER TABLE orders MODIFY n BIGINT", 2_560).by(Algorithm::Copy);
        let copy = copy.metadata_lock("orders", "EXCLUSIVE", 100).metadata_lock("orders", "SHARED_NO_WRITE", 2_450);
        let migration = migration("0003").statement(copy).blocks("orders", 5_000_000, 100, 2_550, 0);
        let run = facts_on(Engine::Mysql).migration(migration).run();
        let found = judge(&run);
        let [finding] = &found[..] else { panic!("one finding, not {found:?}") };
        assert_eq!(
            finding.message,
            "Writes of orders (5,000,000 rows) were shut out for 2.55 s (limit 500 ms), by the SHARED_NO_WRITE of ALTER TABLE"
        );
        assert!(finding.help.contains("gh-ost"), "{}", finding.help);
    }

    #[test]
    fn beside_blocks_reads_it_is_about_the_lock_that_let_readers_pass() {
        let found = judge(&facts().migration(index_then_rewrite(3_000, 4_000)).run());
        let [finding] = &found[..] else { panic!("one finding, not {found:?}") };
        assert_eq!(finding.line, Some(1));
        assert_eq!(
            finding.message,
            "Writes of public.orders (5,000,000 rows) were shut out for 3.00 s (limit 500 ms), by the ShareLock of \
             CREATE INDEX"
        );
        assert!(finding.help.starts_with("CREATE INDEX CONCURRENTLY"), "{}", finding.help);
    }
}
