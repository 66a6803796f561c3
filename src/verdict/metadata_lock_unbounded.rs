//! `metadata-lock-unbounded`: a schema change would wait for its lock without an end, with everybody else behind it.

use std::cmp::Reverse;
use std::time::Duration;

use super::{Rule, advice, limit, table};
use crate::run::{Blocks, Finding, Lock, Migration, Millis, Run, Severity, Statement};

const CODE: &str = "metadata-lock-unbounded";

/// A wait that long is no bound: no pool of connections lives through a fraction of it.
const NO_BOUND_S: u64 = 3_600;

pub(super) const RULE: Rule = Rule {
    code: CODE,
    title: "a schema change would wait for its lock without a bound (MySQL, MariaDB)",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: tests::CASES,
};

const EXPLAIN: &str = "\
A schema change needs the exclusive metadata lock of a table in use, if only for a moment, and
the session's lock_wait_timeout is an hour or more (the default is a year in MySQL, a day in
MariaDB). It is told once for all migrations, of the largest table: a warning from
limits.rewrite_rows rows on (10,000 by default), a remark below.

How it is measured
  By the session's own lock_wait_timeout when the statement ran, and the locks that it took. The
  wait itself was not rehearsed: nothing else runs here.

Why it hurts in production
  One transaction that has read the table and is still open (a report, a backup, an idle console)
  makes the ALTER wait, and every query on the table that comes after it waits behind it. INSTANT
  is no protection. Seen on MySQL 9.7: a SELECT left open for 3 s in front of an INSTANT ADD COLUMN
  stopped all readers and writers for as long.

What to do instead
  Bound the wait and retry, in the migration itself or in the connection that the tool is given:
      SET SESSION lock_wait_timeout = 5;
      ALTER TABLE orders ADD COLUMN status VARCHAR(20), ALGORITHM=INSTANT;
  The bound holds for each lock: an ALTER that copies waits again at its end, and may lose all
  its work there (error 1205). For long ones look for open transactions first
      SELECT trx_mysql_thread_id, trx_started FROM information_schema.INNODB_TRX ORDER BY 2;
  or use gh-ost, pt-online-schema-change or spirit, which retry the swap by themselves.
";

/// A statement that would wait so, and the largest table it would wait for.
struct Waiting<'a> {
    migration: &'a Migration,
    index: usize,
    table: &'a str,
    /// Of the table; `None` where not known, which counts as many.
    rows: Option<u64>,
    timeout_s: u64,
}

fn judge(run: &Run) -> Vec<Finding> {
    let statements = run.migrations.iter().flat_map(|migration| {
        migration.statements.iter().enumerate().map(move |(index, statement)| (migration, index, statement))
    });
    let waiting = statements.filter_map(|(migration, index, statement)| waiting(run, migration, index, statement));
    let waiting: Vec<Waiting<'_>> = waiting.collect();
    let worst = waiting.iter().min_by_key(|waiting| Reverse(waiting.rows.unwrap_or(u64::MAX)));
    worst.map(|worst| finding(run, worst, waiting.len())).into_iter().collect()
}

fn waiting<'a>(run: &'a Run, migration: &'a Migration, index: usize, statement: &'a Statement) -> Option<Waiting<'a>> {
    let timeout_s = statement.lock_wait_timeout_s.filter(|seconds| *seconds >= NO_BOUND_S)?;
    let exclusive = |lock: &&Lock| lock.blocks.contains(&Blocks::Reads) && table::before(run, &lock.relation).in_use();
    let tables = statement.locks.iter().flatten().filter(exclusive).map(|lock| lock.relation.as_str());
    let rows = |table: &str| table::before(run, table).rows;
    let table = tables.min_by_key(|table| Reverse(rows(table).unwrap_or(u64::MAX)))?;
    Some(Waiting { migration, index, table, rows: rows(table), timeout_s })
}

fn finding(run: &Run, worst: &Waiting<'_>, all: usize) -> Finding {
    let Waiting { migration, index, table, rows, timeout_s } = worst;
    let limit = limit::of_table(run, table).rewrite_rows;
    let severity = if rows.is_none_or(|rows| rows >= limit) { Severity::Warning } else { Severity::Info };
    let command = &migration.statements[*index].command;
    let of_rows = table::of_rows(run, table, *rows);
    let others = match all - 1 {
        0 => String::new(),
        1 => "; so would 1 other statement".to_owned(),
        others => format!("; so would {others} other statements"),
    };
    let message = format!(
        "{command} would wait for its lock on {table}{of_rows} for up to {}, with every later query of the table behind \
         it{others}",
        span(*timeout_s)
    );
    Finding::new(CODE, severity, message)
        .in_migration(migration, Some(*index))
        .on_table(table)
        .evidence("lock_wait_timeout_s", timeout_s)
        .evidence("statements", all)
        .evidence("rows", rows)
        .advice(advice::bounded(run, migration, *index))
}

/// A long time as people say it: `365 days`, `1 day`, or as any other figure.
fn span(seconds: u64) -> String {
    match seconds / 86_400 {
        0 => Millis(Duration::from_secs(seconds)).to_string(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Algorithm;
    use crate::scenario::Engine;
    use crate::verdict::testing::{Cases, Facts, StatementFacts, facts_on, migration, statement};

    pub(super) const CASES: Cases = Cases {
        shown: &[
            ("the server's default holds", || with(alter("orders", 31_536_000)).run()),
            ("the table is small", || with(alter("colours", 31_536_000)).run()),
        ],
        silent: &[
            ("the session waits for no longer than 5 s", || with(alter("orders", 5)).run()),
            ("the table is empty", || with(alter("drafts", 31_536_000)).run()),
            ("the statement shuts no reader out", || {
                let update = statement(1, "UPDATE orders SET n = 1", 9).metadata_lock("orders", "SHARED_WRITE", 9);
                with(update.with(|statement| statement.lock_wait_timeout_s = Some(31_536_000))).run()
            }),
            ("the timeout was not observed", || {
                with(alter("orders", 0).with(|statement| statement.lock_wait_timeout_s = None)).run()
            }),
        ],
    };

    fn alter(table: &str, timeout_s: u64) -> StatementFacts {
        let alter = statement(1, "ALTER TABLE orders ADD k INT", 20).by(Algorithm::Instant);
        let locked = alter.metadata_lock(table, "EXCLUSIVE", 15);
        locked.with(|statement| statement.lock_wait_timeout_s = Some(timeout_s))
    }

    fn with(statement: StatementFacts) -> Facts {
        let tables = facts_on(Engine::Mysql).table("orders", 5_000_000).table("colours", 12).table("drafts", 0);
        tables.migration(migration("0002").statement(statement))
    }

    #[test]
    fn it_is_told_once_of_the_largest_table() {
        let more = migration("0003").statement(alter("colours", 86_400)).statement(alter("colours", 86_400));
        let found = judge(&with(alter("orders", 31_536_000)).migration(more).run());
        let [finding] = &found[..] else { panic!("one finding, not {found:?}") };
        assert_eq!(finding.severity, Severity::Warning);
        assert_eq!(
            finding.message,
            "ALTER TABLE would wait for its lock on orders (5,000,000 rows) for up to 365 days, with every later query of \
             the table behind it; so would 2 other statements"
        );
    }

    #[test]
    fn a_small_table_is_no_more_than_a_remark() {
        assert_eq!(judge(&with(alter("colours", 86_400)).run())[0].severity, Severity::Info);
    }
}
