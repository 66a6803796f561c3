//! `prepared-statement-breaks`: a query works on a new connection and fails on one that prepared it before.

use super::{Rule, story};
use crate::run::{Change, Finding, QuerySet, Run, Session, Severity};

const CODE: &str = "prepared-statement-breaks";

pub(super) const RULE: Rule = Rule {
    code: CODE,
    title: "a statement that a pooled connection had prepared fails after a migration",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: tests::CASES,
};

const EXPLAIN: &str = "\
A query works on a connection that is opened after a migration, and fails on one that was open,
with the statement prepared, before it: as connection pools and drivers that prepare by
themselves have them.

How it is measured
  A second connection is opened and every query prepared on it before the first migration. The
  same prepared statement is then run at the same points as on new connections.

Why it hurts in production
  \"cached plan must not change result type\" (0A000) on every request that meets an old
  connection, until the last of them is closed. ADD COLUMN is enough for SELECT * and RETURNING
  *; a change of type, even varchar(20) to varchar(50), for any query that returns the column.
  In a transaction the error undoes the whole of it, so a driver cannot just prepare again. MySQL
  and MariaDB prepare again by themselves, so there it is rare: 1615 (\"needs to be re-prepared\"),
  or a driver that counted on the columns it was told of first.

What to do instead
  Name the columns, and a new one changes nothing for the statement:
      SELECT id, total FROM orders WHERE id = $1;      -- not SELECT *
      INSERT INTO orders (total) VALUES ($1) RETURNING id;
  Or have the pool open its connections anew right after the migration, or turn server-side
  prepared statements off in the driver (prepareThreshold=0 in pgjdbc, statement_cache_size=0 in
  asyncpg), or
      DEALLOCATE ALL;
";

const NAME_COLUMNS: &str = "name the columns instead of SELECT * or RETURNING *; or have the pool open its connections \
                            anew right after the migration";

/// Naming the columns does not help where one that is named has another type.
const REOPEN: &str =
    "a column that it returns has another type: reopen the pool's connections right after the migration";

fn judge(run: &Run) -> Vec<Finding> {
    let stories = [QuerySet::Old, QuerySet::New].into_iter().flat_map(|set| story::stories(run, set));
    stories.filter(|story| !story.failed_before()).filter_map(|story| finding(&story)).collect()
}

fn finding(story: &story::Story<'_>) -> Option<Finding> {
    let run = story.run();
    let works_fresh = |at: &str| story.at(at, Session::Fresh).filter(|fresh| !story::fails(fresh));
    let mut failing = story.later(Session::Pooled).filter(|result| story::fails(result));
    let (broken, fresh) = failing.find_map(|result| Some((result, works_fresh(&result.at)?)))?;
    let error = broken.error.as_ref();
    let why = error.map(|error| format!(": {} ({})", error.message, error.number())).unwrap_or_default();
    let set = if broken.set == QuerySet::Old { "old" } else { "new" };
    let message = format!(
        "{set} query `{}` fails {} where it was prepared before, and works on a new connection{why}",
        broken.name,
        story::point(run, broken)
    );
    let finding = Finding::new(CODE, Severity::Warning, message)
        .of_query(broken, story::migration_of(run, broken))
        .evidence("at", &broken.at)
        .on_error(error);
    let retyped = fresh.changes.iter().any(|change| matches!(change, Change::ColumnType { .. }));
    Some(finding.help(if retyped { REOPEN } else { NAME_COLUMNS }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::QuerySet::{New, Old};
    use crate::verdict::testing::Said::{self, Fails, Otherwise, Same};
    use crate::verdict::testing::{Cases, Facts, GONE, facts, migration};

    const PLAN: Said = Fails("0A000", "cached plan must not change result type");

    pub(super) const CASES: Cases = Cases {
        shown: &[("only the prepared one fails", || {
            one().query(Old, "list", &BOTH).pooled(Old, "list", &[("before", Same), ("after", PLAN)]).run()
        })],
        silent: &[
            ("both work", || one().query(Old, "list", &BOTH).pooled(Old, "list", &BOTH).run()),
            ("both fail, which old-query-breaks tells", || {
                let points = [("before", Same), ("after", GONE)];
                one().query(Old, "list", &points).pooled(Old, "list", &points).run()
            }),
            ("it could not even be prepared before", || {
                let fresh = [("before", GONE), ("after", Same)];
                one().query(New, "list", &fresh).pooled(New, "list", &[("before", GONE), ("after", GONE)]).run()
            }),
            ("there is nothing to compare it with", || one().pooled(Old, "list", &[("after", PLAN)]).run()),
        ],
    };

    const BOTH: [(&str, Said); 2] = [("before", Same), ("after", Same)];

    fn one() -> Facts {
        facts().migration(migration("1"))
    }

    #[test]
    fn naming_the_columns_is_no_help_where_one_has_another_type() {
        let help = |after: Said| {
            let fresh = [("before", Same), ("after", after)];
            let run = one().query(Old, "list", &fresh).pooled(Old, "list", &[("after", PLAN)]).run();
            judge(&run)[0].help.clone()
        };
        let (before, after) = ("integer".to_owned(), "bigint".to_owned());
        assert_eq!(help(Otherwise(vec![Change::ColumnType { name: "id".to_owned(), before, after }])), REOPEN);
        assert_eq!(help(Otherwise(vec![Change::ColumnAdded("note".to_owned())])), NAME_COLUMNS);
    }

    #[test]
    fn one_finding_a_query_and_only_a_warning() {
        let fresh = [("before", Same), ("after:1", Same), ("after", Same)];
        let pooled = [("before", Same), ("after:1", PLAN), ("after", PLAN)];
        let two = one().migration(migration("2"));
        let found = judge(&two.query(Old, "list", &fresh).pooled(Old, "list", &pooled).run());
        let [finding] = &found[..] else { panic!("one finding, not {found:?}") };
        assert_eq!(finding.severity, Severity::Warning);
        assert_eq!(finding.migration.as_deref(), Some("1"));
    }
}
