//! `slow-migration`: one migration took longer than the limit.

use super::Rule;
use crate::run::{Finding, Run, Severity};

const CODE: &str = "slow-migration";

pub(super) const RULE: Rule = Rule {
    code: CODE,
    title: "a migration took longer than the limit",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: tests::CASES,
};

const EXPLAIN: &str = "\
One migration took longer than limits.duration (10 minutes by default), whether it shut anybody
out or not.

How it is measured
  From its first statement to the end of its last one, without the time for which rehearsal held
  the server back. Waits of the migration tool between two statements are part of it. The figure
  belongs to this machine and this amount of data; what repeats exactly is the log (WAL, redo and
  binary log) and the pages in the record.

Why it hurts in production
  A deploy that waits for it waits that long, pipelines and their time-outs give up half-way,
  and an open transaction keeps VACUUM from removing dead rows of every table for as long as it
  lasts (MySQL keeps old row versions as long). A MySQL replica applies the same statement after
  the source has ended it, and is behind by as much.

What to do instead
  Take long work on data out of the migration and run it in batches beside the application, each
  in a transaction of its own, from a job that can be stopped and resumed:
      UPDATE orders SET status = 'new' WHERE id > 20000 AND id <= 30000 AND status IS NULL;
  Build indexes in a step of their own (CREATE INDEX CONCURRENTLY; ALGORITHM=INPLACE, LOCK=NONE).
  For a big table, give the session that builds them more memory:
      SET maintenance_work_mem = '1GB';                -- PostgreSQL
      SET SESSION innodb_ddl_buffer_size = 1073741824; -- MySQL
";

fn judge(run: &Run) -> Vec<Finding> {
    let limit = run.limits.duration_ms;
    let timed = run.migrations.iter().filter_map(|migration| Some((migration, migration.duration_ms?)));
    timed
        .filter(|(_, took)| *took > limit)
        .map(|(migration, took)| {
            let slowest = migration.statements.iter().enumerate().max_by_key(|(_, statement)| statement.duration_ms);
            let mostly = slowest.map(|(_, s)| format!(", {} of it in {}", s.duration_ms, s.command));
            let message = format!("{} took {took} (limit {limit}){}", migration.name, mostly.unwrap_or_default());
            Finding::new(CODE, Severity::Error, message)
                .in_migration(migration, slowest.map(|(index, _)| index))
                .evidence("duration_ms", took)
                .evidence("limit_ms", limit)
                .help("take work on data out of the migration and run it in batches beside the application")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::testing::{Cases, facts, migration, statement};

    pub(super) const CASES: Cases = Cases {
        shown: &[("it took a millisecond more than the limit", || taking(600_001))],
        silent: &[
            ("it took no longer than the limit", || taking(600_000)),
            ("its time is not known", || facts().migration(migration("0002").with(|m| m.duration_ms = None)).run()),
        ],
    };

    fn taking(millis: u64) -> Run {
        let update = statement(1, "UPDATE orders SET status = 'new'", millis - 1_000);
        facts().migration(migration("0002").took(1_000).statement(update)).run()
    }

    #[test]
    fn the_slowest_statement_is_named() {
        let found = judge(&taking(720_000));
        assert_eq!(found[0].message, "0002_change.sql took 12 min 0 s (limit 10 min 0 s), 11 min 59 s of it in UPDATE");
    }
}
