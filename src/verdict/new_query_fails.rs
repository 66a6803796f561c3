//! `new-query-fails`: a query of the version to be deployed does not work on the migrated schema.

use super::{Rule, story};
use crate::run::{Finding, QuerySet, Run, Session, Severity};

const CODE: &str = "new-query-fails";

pub(super) const RULE: Rule = Rule {
    code: CODE,
    title: "a query of the new application fails after the migrations",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: tests::CASES,
};

const EXPLAIN: &str = "\
A query of the new set fails once all pending migrations are there, on a new connection.
Whatever the order of deploy, the new version does not work.

How it is measured
  Every query of the new set runs after the last migration, on the migrated server, in a
  transaction that is undone. The server's error is kept word for word. That it fails before is
  no finding: that is what most migrations are for, and decides the order of deploy.

Why it hurts in production
  The deploy goes through, and the first request that needs this query fails.

What to do instead
  Add the missing migration to the change, or mend the query:
      ALTER TABLE orders ADD COLUMN status text;
  If the parameter values in the query file do not fit the snapshot's rows, mend those. A
  permission that is missing (42501) belongs into the migration too:
      GRANT SELECT, INSERT, UPDATE ON orders_archive TO app;
";

fn judge(run: &Run) -> Vec<Finding> {
    let stories = story::stories(run, QuerySet::New);
    let after = stories.iter().filter_map(|story| story.after(Session::Fresh));
    after
        .filter(|result| story::fails(result))
        .map(|result| {
            let error = result.error.as_ref();
            let why = error.map(|error| format!(": {} ({})", error.message, error.number())).unwrap_or_default();
            let message = format!("new query `{}` fails after the migrations{why}", result.name);
            Finding::new(CODE, Severity::Error, message)
                .of_query(result, story::migration_of(run, result))
                .evidence("at", &result.at)
                .on_error(error)
                .help("add what it needs to the migrations, or mend the query: the new version cannot be deployed so")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::QuerySet::{New, Old};
    use crate::verdict::testing::Said::Same;
    use crate::verdict::testing::{Cases, Facts, GONE, facts, migration};

    pub(super) const CASES: Cases = Cases {
        shown: &[("it fails before and after", || {
            one().query(New, "list", &[("before", GONE), ("after", GONE)]).run()
        })],
        silent: &[
            ("it fails before and between only", || {
                one().query(New, "list", &[("before", GONE), ("after:1", GONE), ("after", Same)]).run()
            }),
            ("it is a query of the old application", || {
                one().query(Old, "list", &[("before", Same), ("after", GONE)]).run()
            }),
            ("a migration failed, so that it was never run after the last", || {
                one().query(New, "list", &[("before", GONE)]).run()
            }),
        ],
    };

    fn one() -> Facts {
        facts().migration(migration("1")).migration(migration("2"))
    }

    #[test]
    fn the_error_of_the_server_is_in_the_sentence() {
        let found = judge(&one().query(New, "list", &[("after", GONE)]).run());
        assert_eq!(
            found[0].message,
            "new query `list` fails after the migrations: column \"status\" does not exist (42703)"
        );
    }
}
