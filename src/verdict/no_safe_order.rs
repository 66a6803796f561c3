//! `no-safe-order`: whichever is deployed first, migrations or application, something stops working.

use super::{Rule, deploy, story};
use crate::run::{Finding, QueryResult, Run, Severity};

const CODE: &str = "no-safe-order";

pub(super) const RULE: Rule = Rule {
    code: CODE,
    title: "neither migrations nor application can be deployed first",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: tests::CASES,
};

const EXPLAIN: &str = "\
At least one query of the old version fails once the migrations are there, and at least one of
the new version fails while they are not. So there is no moment at which both versions work.

How it is measured
  Both query sets run before the migrations, between each two of them and after the last. New
  queries that fail even after the last one are new-query-fails and are not counted here.

Why it hurts in production
  Migrate first, and the running version fails until the last instance of it is replaced. Deploy
  first, and the new version fails until the migrations are done. And there is no way back
  without data loss.

What to do instead
  Split the change into phases, each of which leaves the version before it working:
      -- 1. expand
      ALTER TABLE orders ADD COLUMN state text;
      -- 2. deploy the version that writes both columns; backfill in batches
      UPDATE orders SET state = status WHERE id BETWEEN 1 AND 10000;
      -- 3. deploy the version that reads and writes the new one only
      -- 4. contract
      ALTER TABLE orders DROP COLUMN status;
  A rename is such a change too. For a table, a view of the old name makes it one step:
      BEGIN; ALTER TABLE orders RENAME TO purchases;
      CREATE VIEW orders AS SELECT * FROM purchases; COMMIT;   -- one transaction in PostgreSQL only
";

fn judge(run: &Run) -> Vec<Finding> {
    deploy::order(run).and_then(|order| finding(run, &order)).into_iter().collect()
}

fn finding(run: &Run, order: &deploy::Order<'_>) -> Option<Finding> {
    let (old, new) = (order.old_fails.first()?, order.new_waits.first()?);
    let message = format!(
        "old query `{}` fails {}, and new query `{}` fails without the migrations",
        old.name,
        story::point(run, old),
        new.name
    );
    let help = format!(
        "split it: (1) expand: a migration that adds what the new query `{}` needs and keeps what the old \
         query `{}` uses, (2) deploy the new version, (3) contract: drop the rest in a later migration",
        new.name, old.name
    );
    let mut finding = Finding::new(CODE, Severity::Error, message)
        .evidence("old_fails", names(&order.old_fails))
        .evidence("new_waits", names(&order.new_waits))
        .help(help);
    finding.migration = story::migration_of(run, old).map(|migration| migration.id.clone());
    Some(finding)
}

fn names<'a>(results: &[&'a QueryResult]) -> Vec<&'a str> {
    results.iter().map(|result| result.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::QuerySet::{New, Old};
    use crate::verdict::testing::Said::{self, Same};
    use crate::verdict::testing::{Cases, GONE, facts, migration};

    pub(super) const CASES: Cases = Cases {
        shown: &[("a column was renamed under both versions", || sets([Same, GONE], [GONE, Same]))],
        silent: &[
            ("the old version works after", || sets([Same, Same], [GONE, Same])),
            ("the new version works before", || sets([Same, GONE], [Same, Same])),
            ("the new query never works, which new-query-fails tells", || sets([Same, GONE], [GONE, GONE])),
            ("nothing was run", || facts().migration(migration("1")).run()),
        ],
    };

    fn sets(old: [Said; 2], new: [Said; 2]) -> Run {
        let points = |[before, after]: [Said; 2]| [("before", before), ("after", after)];
        let facts = facts().migration(migration("1"));
        facts.query(Old, "list", &points(old)).query(New, "list by state", &points(new)).run()
    }

    #[test]
    fn the_way_out_names_the_queries() {
        let found = judge(&sets([Same, GONE], [GONE, Same]));
        let [finding] = &found[..] else { panic!("one finding, not {found:?}") };
        assert_eq!(
            finding.message,
            "old query `list` fails after 1_change.sql, and new query `list by state` fails without the migrations"
        );
        assert!(
            finding.help.contains("what the new query `list by state` needs and keeps what the old query `list` uses")
        );
    }
}
