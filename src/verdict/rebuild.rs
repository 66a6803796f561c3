//! `rebuild`: MySQL or MariaDB wrote a table in use anew, in place. What it shares with `copy-algorithm` is here too.

use super::{Rule, advice, limit, new_storage, rewritten, table};
use crate::run::{Algorithm, Bytes, Finding, Migration, Rewrite, Run, Severity, Statement};

const CODE: &str = "rebuild";

pub(super) const RULE: Rule = Rule {
    code: CODE,
    title: "a table was rebuilt in place (MySQL, MariaDB)",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: tests::CASES,
};

const EXPLAIN: &str = "\
An ALTER (or OPTIMIZE TABLE) was carried out in place, and yet every row was written anew, with
every index. Mostly readers and writers go on meanwhile. From limits.rewrite_rows rows on
(10,000 by default) it is a warning; below, a remark. (PostgreSQL: table-rewrite.)

How it is measured
  By the table's TABLE_ID in InnoDB's dictionary, which is another after the statement, while the
  stage \"copy to tmp table\" did not occur. The bytes are those of the new tablespace. If writers
  were shut out (the first FULLTEXT index, an AUTO_INCREMENT column), blocks-writes says so.

Why it hurts in production
  It takes as long as the table is large, and the disk holds the table twice. Changes made
  meanwhile are kept in a log of limited size (innodb_online_alter_log_max_size): when it is
  full, the work of hours is undone. At the end everybody waits for the exclusive lock. A replica
  does the same work only after the source has ended, and applies nothing else of it meanwhile.

What to do instead
  Ask for what you think you get, and it is refused instead of done otherwise:
      ALTER TABLE orders ADD COLUMN status VARCHAR(20), ALGORITHM=INSTANT;
  A column is no longer INSTANT once the table's row versions are used up (error 4092; 255 in
  MySQL 9.7), or if it has an index (drop that first). What must rebuild runs in a quiet hour
      SET SESSION lock_wait_timeout = 5;
      ALTER TABLE orders MODIFY note VARCHAR(200) NOT NULL, ALGORITHM=INPLACE, LOCK=NONE;
  or, where replicas must not fall behind, with gh-ost, pt-online-schema-change or spirit, which
  slow down by themselves.
";

/// How a table was written anew, for the words of the finding.
pub(super) struct Way {
    /// What the statement did to it.
    pub(super) verb: &'static str,
    /// How bad that is for a table of many rows. Fewer are one step less.
    pub(super) worst: fn(&Statement, &str) -> Severity,
    /// What else is to be said of it, after the figures.
    pub(super) note: fn(&Statement, &str) -> &'static str,
}

fn judge(run: &Run) -> Vec<Finding> {
    findings(run, CODE, |statement| match statement.algorithm {
        Some(Algorithm::InplaceRebuild) => {
            Some(Way { verb: "rebuilt", worst: |_, _| Severity::Warning, note: |_, _| "" })
        }
        _ => None,
    })
}

/// A finding for every table in use that a statement wrote anew in a way.
pub(super) fn findings(run: &Run, code: &str, way: impl Fn(&Statement) -> Option<Way>) -> Vec<Finding> {
    let mut found = Vec::new();
    for migration in &run.migrations {
        for (index, statement) in migration.statements.iter().enumerate() {
            let Some(way) = way(statement) else { continue };
            found.extend(rewritten(run, statement).map(|new| finding(run, code, &way, migration, index, new)));
        }
    }
    found
}

fn finding(run: &Run, code: &str, way: &Way, migration: &Migration, index: usize, rewrite: &Rewrite) -> Finding {
    let statement = &migration.statements[index];
    let table = &rewrite.relation;
    let rows = table::before(run, table).rows;
    let limit = limit::of_table(run, table).rewrite_rows;
    let worst = (way.worst)(statement, table);
    let severity = match worst {
        worst if rows.is_none_or(|rows| rows >= limit) => worst,
        Severity::Error => Severity::Warning,
        Severity::Warning | Severity::Info => Severity::Info,
    };
    let of_rows = table::of_rows(run, table, rows);
    let bytes = new_storage(statement, table);
    let size = bytes.map(|bytes| format!(", {} of new storage", Bytes(bytes))).unwrap_or_default();
    let (command, verb, took) = (&statement.command, way.verb, statement.duration_ms);
    let note = (way.note)(statement, table);
    Finding::new(code, severity, format!("{command} {verb} all of {table}{of_rows} in {took}{size}{note}"))
        .in_migration(migration, Some(index))
        .on_table(table)
        .evidence("rows", rows)
        .evidence("limit_rows", limit)
        .evidence("bytes", bytes)
        .evidence("algorithm", statement.algorithm)
        .evidence("duration_ms", statement.duration_ms)
        .evidence("redo_bytes", statement.counters.redo_bytes.flatten())
        .evidence("pages_created", statement.counters.pages_created.flatten())
        .advice(advice::instead(run, migration, index, table))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Engine;
    use crate::verdict::testing::{Cases, Facts, facts_on, migration, statement};

    pub(super) const CASES: Cases = Cases {
        shown: &[
            ("a column became NOT NULL", || rebuilding(Algorithm::InplaceRebuild, 5_000_000).run()),
            ("the table is small", || rebuilding(Algorithm::InplaceRebuild, 3).run()),
        ],
        silent: &[
            ("the table is empty", || rebuilding(Algorithm::InplaceRebuild, 0).run()),
            ("it was copied, which copy-algorithm tells", || rebuilding(Algorithm::Copy, 5_000_000).run()),
            ("only an index was built", || {
                let index = statement(1, "CREATE INDEX i ON orders (status)", 900).by(Algorithm::Inplace);
                facts_on(Engine::Mysql).table("orders", 9_000_000).migration(migration("1").statement(index)).run()
            }),
        ],
    };

    fn rebuilding(algorithm: Algorithm, rows: u64) -> Facts {
        let alter = statement(2, "ALTER TABLE orders MODIFY note INT NOT NULL", 2_310).by(algorithm);
        let migration = migration("0004").statement(alter.rewrite("orders", 251_658_240));
        facts_on(Engine::Mysql).table("orders", rows).migration(migration)
    }

    #[test]
    fn a_rebuild_is_never_an_error_and_told_once() {
        for (rows, severity) in [(9_999, Severity::Info), (10_000, Severity::Warning)] {
            let run = rebuilding(Algorithm::InplaceRebuild, rows).judged();
            let [finding] = &run.findings[..] else { panic!("one finding, not {:?}", run.findings) };
            assert_eq!((finding.code.as_str(), finding.severity), (CODE, severity), "{rows} rows");
        }
    }

    #[test]
    fn the_finding_has_its_figures() {
        let found = judge(&rebuilding(Algorithm::InplaceRebuild, 5_000_000).run());
        assert_eq!(
            found[0].message,
            "ALTER TABLE rebuilt all of orders (5,000,000 rows) in 2.31 s, 240 MB of new storage"
        );
        assert_eq!(found[0].evidence["algorithm"], "inplace-rebuild");
    }
}
