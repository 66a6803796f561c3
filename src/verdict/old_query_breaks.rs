//! `old-query-breaks`: a query of the running application fails once a migration is there.

use super::cause::Cause;
use super::{Rule, story};
use crate::run::{Finding, QuerySet, Run, Session, Severity};

const CODE: &str = "old-query-breaks";

pub(super) const RULE: Rule = Rule {
    code: CODE,
    title: "a query of the running application fails after a migration",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: tests::CASES,
};

const EXPLAIN: &str = "\
A query of the old set works before the migrations and fails after one of them, on a new
connection. One finding for each query, at the first migration that breaks it.

How it is measured
  Every query of the old set runs before the migrations, between each two of them and after the
  last, on the migrated server, in a transaction that is undone. The server's error is kept word
  for word.

Why it hurts in production
  The old version of the application runs while the migrations run, and in a rolling deploy for
  some time after them. A rollback of the application would meet the same errors, and have no
  way back.

What to do instead
  Expand first, contract last, with a deploy between them:
      -- 1. expand: add what is new; everything that is there stays
      ALTER TABLE orders ADD COLUMN state text;
      -- 2. deploy the version that writes both and reads the new one, and backfill in batches
      -- 3. contract: once no old version is left running
      ALTER TABLE orders DROP COLUMN status;
  A table that gets another name leaves a view of the old name behind, which takes writes as
  well:
      BEGIN; ALTER TABLE orders RENAME TO purchases;
      CREATE VIEW orders AS SELECT * FROM purchases; COMMIT;   -- one transaction in PostgreSQL only
  A new NOT NULL column needs a default for as long as something inserts without it:
      ALTER TABLE orders ADD COLUMN status text NOT NULL DEFAULT 'new';
";

fn judge(run: &Run) -> Vec<Finding> {
    let stories = story::stories(run, QuerySet::Old);
    stories
        .iter()
        .filter_map(|story| {
            let failure = story.first_failure()?;
            let error = failure.error.as_ref();
            let why = error.map(|error| format!(": {} ({})", error.message, error.number())).unwrap_or_default();
            let works_after = story.after(Session::Fresh).map(|last| !story::fails(last));
            let again = if works_after == Some(true) { "; it works again after the last one" } else { "" };
            let message = format!("old query `{}` fails {}{why}{again}", failure.name, story::point(run, failure));
            let finding = Finding::new(CODE, Severity::Error, message)
                .of_query(failure, story::migration_of(run, failure))
                .evidence("at", &failure.at)
                .on_error(error)
                .evidence("works_after", works_after);
            Some(finding.help(help(error.map_or(Cause::Other, Cause::of))))
        })
        .collect()
}

fn help(cause: Cause) -> &'static str {
    match cause {
        Cause::NoColumn => "keep the column until no old version runs; drop it in a later migration, after the deploy",
        Cause::NoTable => "keep the table, or leave a view of the old name behind, until no old version runs",
        Cause::NoRoutine => "keep the function or type until no old version runs",
        Cause::Null | Cause::NoDefault => {
            "give the column a DEFAULT until every running version writes it, and add NOT NULL afterwards"
        }
        Cause::ForeignKey | Cause::Duplicate | Cause::Check | Cause::Exclusion => {
            "add the constraint once every running version keeps it: new rows are checked from the first moment on"
        }
        Cause::NoUniqueIndex => "keep the unique index that ON CONFLICT names until no old version runs",
        Cause::Privilege => "grant the application's role what it needs on what is new",
        _ => "split the change: expand, deploy the new version, and contract once no old version runs",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::QuerySet::{New, Old};
    use crate::verdict::testing::Said::{Fails, Otherwise, Same};
    use crate::verdict::testing::{Cases, Facts, GONE, facts, migration};

    pub(super) const CASES: Cases = Cases {
        shown: &[
            ("it fails after the last migration", || {
                two().query(Old, "list", &[("before", Same), ("after:1", Same), ("after", GONE)]).run()
            }),
            ("it fails between two migrations only", || {
                two().query(Old, "list", &[("before", Same), ("after:1", GONE), ("after", Same)]).run()
            }),
        ],
        silent: &[
            ("it works all the time", || two().query(Old, "list", &[("before", Same), ("after", Same)]).run()),
            ("it failed before", || two().query(Old, "list", &[("before", GONE), ("after", GONE)]).run()),
            ("it only says something else", || {
                two().query(Old, "list", &[("before", Same), ("after", Otherwise(Vec::new()))]).run()
            }),
            ("it is a query of the new application", || {
                two().query(New, "list", &[("before", Same), ("after", GONE)]).run()
            }),
            ("only its prepared statement fails", || {
                two()
                    .query(Old, "list", &[("before", Same), ("after", Same)])
                    .pooled(Old, "list", &[("after", GONE)])
                    .run()
            }),
        ],
    };

    fn two() -> Facts {
        facts().migration(migration("1")).migration(migration("2"))
    }

    #[test]
    fn one_finding_a_query_at_the_first_migration_that_breaks_it() {
        let points =
            [("before", Same), ("after:1", Fails("42P01", "relation \"orders\" does not exist")), ("after", GONE)];
        let found = judge(&two().query(Old, "list", &points).run());
        let [finding] = &found[..] else { panic!("one finding, not {found:?}") };
        assert_eq!(
            finding.message,
            "old query `list` fails after 1_change.sql: relation \"orders\" does not exist (42P01)"
        );
        assert_eq!(finding.migration.as_deref(), Some("1"));
        assert_eq!(finding.file.as_deref(), Some("queries/old.sql"));
        assert!(finding.help.contains("view of the old name"));
    }

    #[test]
    fn a_query_that_works_again_is_said_to() {
        let found = judge(&two().query(Old, "list", &[("before", Same), ("after:1", GONE), ("after", Same)]).run());
        assert!(found[0].message.ends_with("it works again after the last one"), "{}", found[0].message);
        assert_eq!(found[0].evidence["works_after"], true);
    }
}
