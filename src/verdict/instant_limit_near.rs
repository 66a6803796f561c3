//! `instant-limit-near`: few of a table's row versions are left, and with the last one columns are no longer INSTANT.

use super::{Rule, table};
use crate::run::{Finding, Migration, RowVersions, Run, Severity};

const CODE: &str = "instant-limit-near";

/// One in so many of the limit is near it: 25 of 255, which is some months of a table that changes every week.
const NEAR: u32 = 10;

pub(super) const RULE: Rule = Rule {
    code: CODE,
    title: "few INSTANT changes of a table's columns are left (MySQL)",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: tests::CASES,
};

const EXPLAIN: &str = "\
Each INSTANT ADD or DROP COLUMN uses up one of a table's row versions. After this migration a
tenth of them or fewer are left (of 255 in MySQL 9.7; of 64 before 9.1). With none left the next
such ALTER does not fail: it silently rebuilds the table.

How it is measured
  By TOTAL_ROW_VERSIONS in information_schema.INNODB_TABLES, read before and after the statement.
  A dump does not carry it: a restored table begins at 0. So the figure says how many versions
  these migrations use, and is production's only if the snapshot is a copy of its files.

Why it hurts in production
  The same statement that took 20 ms the last hundred times takes hours, with a second copy of
  the table on the disk and replicas behind by as much, on the day when the limit is reached.

What to do instead
  Look at production before the deploy:
      SELECT NAME, TOTAL_ROW_VERSIONS FROM information_schema.INNODB_TABLES
        WHERE TOTAL_ROW_VERSIONS > 200;
  Rebuild the table when it suits you, which frees all of them (or have gh-ost,
  pt-online-schema-change or spirit copy it):
      OPTIMIZE TABLE orders;
  Have the server refuse rather than rebuild (error 4092), and put several columns in one ALTER,
  which uses one version:
      ALTER TABLE orders ADD COLUMN a INT, ADD COLUMN b INT, ALGORITHM=INSTANT;
";

fn judge(run: &Run) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for migration in &run.migrations {
        for (index, statement) in migration.statements.iter().enumerate() {
            let Some(versions) = statement.row_versions.as_ref().filter(|versions| is_near(run, versions)) else {
                continue;
            };
            // The last one of a table says it all.
            found.retain(|earlier| earlier.table.as_ref() != Some(&versions.table));
            found.push(finding(migration, index, versions));
        }
    }
    found
}

fn is_near(run: &Run, versions: &RowVersions) -> bool {
    left(versions) <= versions.limit / NEAR && table::before(run, &versions.table).in_use()
}

fn left(versions: &RowVersions) -> u32 {
    versions.limit.saturating_sub(versions.used)
}

fn finding(migration: &Migration, index: usize, versions: &RowVersions) -> Finding {
    let RowVersions { table, used, limit } = versions;
    let then = match left(versions) {
        0 => "none is left, and the next ADD or DROP COLUMN rebuilds the table".to_owned(),
        1 => "1 is left until ADD and DROP COLUMN rebuild the table".to_owned(),
        left => format!("{left} are left until ADD and DROP COLUMN rebuild the table"),
    };
    Finding::new(CODE, Severity::Warning, format!("{used} of {limit} row versions of {table} are used up: {then}"))
        .in_migration(migration, Some(index))
        .on_table(table)
        .evidence("used", used)
        .evidence("limit", limit)
        .evidence("left", left(versions))
        .help(format!(
            "OPTIMIZE TABLE {table} in a quiet hour frees all of them (or let gh-ost, pt-online-schema-change or spirit copy \
             it); ALGORITHM=INSTANT has the server refuse rather than rebuild"
        ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Algorithm;
    use crate::scenario::Engine;
    use crate::verdict::testing::{Cases, Facts, MigrationFacts, facts_on, migration, statement};

    pub(super) const CASES: Cases = Cases {
        shown: &[("25 are left", || using(&[230]).run()), ("the last one was taken", || using(&[255]).run())],
        silent: &[
            ("26 are left", || using(&[229]).run()),
            ("it is the first", || using(&[1]).run()),
            ("the table is empty", || {
                using(&[255]).with(|run| run.snapshot.as_mut().unwrap().tables[0].rows = Some(0)).run()
            }),
        ],
    };

    fn using(versions: &[u32]) -> Facts {
        let add = |used: &u32| {
            statement(3, "ALTER TABLE orders ADD k INT", 20).by(Algorithm::Instant).row_versions("orders", *used)
        };
        let statements = versions.iter().map(add);
        facts_on(Engine::Mysql)
            .table("orders", 5_000_000)
            .migration(statements.fold(migration("0002"), MigrationFacts::statement))
    }

    #[test]
    fn a_table_is_told_once_with_what_is_left_in_the_end() {
        let found = judge(&using(&[252, 253, 254]).run());
        let [finding] = &found[..] else { panic!("one finding, not {found:?}") };
        assert_eq!(
            finding.message,
            "254 of 255 row versions of orders are used up: 1 is left until ADD and DROP COLUMN rebuild the table"
        );
    }
}
