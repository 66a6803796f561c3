//! `copy-algorithm`: MySQL or MariaDB copied a table in use, row by row, to carry out an ALTER.

use super::{Rule, rebuild};
use crate::run::{Algorithm, Blocks, Finding, Lock, Millis, Run, Severity, Statement};

const CODE: &str = "copy-algorithm";

pub(super) const RULE: Rule = Rule {
    code: CODE,
    title: "an ALTER copied the whole table (MySQL, MariaDB)",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: tests::CASES,
};

const EXPLAIN: &str = "\
An ALTER was carried out with ALGORITHM=COPY on a table that held rows: the server made a new
table and copied every row to it. Writers are shut out for as long as that takes, and readers
too while the tables are swapped. From limits.rewrite_rows rows on (10,000 by default) it is an
error; below, a warning, since the time grows with the table and production may be larger.
MariaDB 11.2 and later can let writers go on during the copy (ALTER ONLINE); where they did, it
is a warning. (PostgreSQL: table-rewrite.)

How it is measured
  By what the server did, never by the statement's text: the stage \"copy to tmp table\" of the
  statement's own session, and the table's new TABLE_ID in InnoDB's dictionary. The bytes are
  those of the new tablespace. How long it shut whom out is told by blocks-writes and
  blocks-reads.

Why it hurts in production
  Every write to the table waits until the copy is done, the disk holds the table twice, all of
  it goes through the redo log, and each replica does the whole work again, after the source,
  while everything else waits there. With a foreign key on the table MySQL 9.7 is four to five
  times as slow (innodb_native_foreign_keys=OFF, its default).

What to do instead
  Have the server refuse what it can only do by copying (errors 1845 and 1846 say why, before
  any work is done):
      ALTER TABLE orders ADD COLUMN status VARCHAR(20), ALGORITHM=INSTANT;
      ALTER TABLE orders ADD INDEX (status), ALGORITHM=INPLACE, LOCK=NONE;
  One ALTER with several clauses is carried out as the worst of them needs: write one for each.
  A VARCHAR grows in place while its bytes stay below 256 (63 characters of utf8mb4), or above.
  A foreign key is added without a copy, and without its check, after
      SET SESSION foreign_key_checks = 0;
  A new column beside the old one is INSTANT; fill it in batches, then swap the names. Or have
  gh-ost, pt-online-schema-change or spirit copy the table beside the traffic:
      gh-ost --table=orders --alter='MODIFY id BIGINT NOT NULL AUTO_INCREMENT' --execute
";

fn judge(run: &Run) -> Vec<Finding> {
    rebuild::findings(run, CODE, |statement| match statement.algorithm {
        Some(Algorithm::Copy) => Some(rebuild::Way { verb: "copied", worst, note }),
        _ => None,
    })
}

fn worst(statement: &Statement, table: &str) -> Severity {
    if writers_went_on(statement, table) { Severity::Warning } else { Severity::Error }
}

fn note(statement: &Statement, table: &str) -> &'static str {
    if writers_went_on(statement, table) { "; writers went on meanwhile" } else { "" }
}

/// Whether the locks were seen, and those that shut writers out were held for less than half of the time: an online copy
/// takes them only at its beginning and its end. A hold that is not known could be the longest.
fn writers_went_on(statement: &Statement, table: &str) -> bool {
    let shuts_out = |lock: &&Lock| lock.relation == table && lock.blocks.contains(&Blocks::Writes);
    let held =
        |locks: &Vec<Lock>| locks.iter().filter(shuts_out).map(|lock| lock.held_ms).collect::<Option<Vec<Millis>>>();
    let held = statement.locks.as_ref().and_then(held);
    held.is_some_and(|held| {
        held.into_iter().fold(Millis::default(), |sum, one| sum + one).0 * 2 < statement.duration_ms.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Engine;
    use crate::verdict::testing::{Cases, Facts, facts_on, migration, statement};

    pub(super) const CASES: Cases = Cases {
        shown: &[
            ("an INT became a BIGINT", || copying(2_210, 5_000_000).run()),
            ("the table is small", || copying(2_210, 3).run()),
            ("writers went on", || copying(12, 5_000_000).run()),
        ],
        silent: &[
            ("the table is empty", || copying(2_210, 0).run()),
            ("it was rebuilt in place, which rebuild tells", || with(Some(Algorithm::InplaceRebuild))),
            ("nothing was written anew", || with(Some(Algorithm::Instant))),
            ("how it was done is not known, which table-rewrite tells", || with(None)),
        ],
    };

    /// Writers were shut out for so many milliseconds of 2,310 until the tables were swapped.
    fn copying(shut_out: u64, rows: u64) -> Facts {
        let alter = statement(2, "ALTER TABLE orders MODIFY id BIGINT NOT NULL", 2_310).by(Algorithm::Copy);
        let alter = alter.metadata_lock("orders", "EXCLUSIVE", 90).metadata_lock("orders", "SHARED_NO_WRITE", shut_out);
        let migration = migration("0004").statement(alter.rewrite("orders", 251_658_240));
        facts_on(Engine::Mysql).table("orders", rows).migration(migration)
    }

    fn with(algorithm: Option<Algorithm>) -> Run {
        let change = |run: &mut Run| run.migrations[0].statements[0].algorithm = algorithm;
        copying(2_210, 5_000_000).with(change).run()
    }

    #[test]
    fn the_rows_and_the_writers_decide_how_bad_it_is() {
        for (shut_out, rows, severity) in
            [(2_210, 10_000, Severity::Error), (2_210, 9_999, Severity::Warning), (12, 10_000, Severity::Warning)]
        {
            let found = judge(&copying(shut_out, rows).run());
            assert_eq!(found[0].severity, severity, "{shut_out} ms, {rows} rows");
            assert_eq!(found[0].message.ends_with("; writers went on meanwhile"), shut_out == 12);
        }
    }

    fn alter(run: &mut Run) -> &mut Statement {
        &mut run.migrations[0].statements[0]
    }

    #[test]
    fn unseen_locks_are_no_excuse() {
        let unseen = copying(12, 10_000).with(|run| alter(run).locks = None);
        let unended = copying(12, 10_000).with(|run| alter(run).locks.as_mut().unwrap()[1].held_ms = None);
        for facts in [unseen, unended] {
            assert_eq!(judge(&facts.run())[0].severity, Severity::Error);
        }
    }

    #[test]
    fn one_fact_is_told_by_one_finding() {
        let run = copying(2_210, 5_000_000).judged();
        let codes: Vec<&str> = run.findings.iter().map(|finding| finding.code.as_str()).collect();
        assert_eq!(codes, [CODE]);
        assert_eq!(
            run.findings[0].message,
            "ALTER TABLE copied all of orders (5,000,000 rows) in 2.31 s, 240 MB of new storage"
        );
    }
}
