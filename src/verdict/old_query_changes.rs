//! `old-query-changes`: a query of the running application works after the migrations and says something else.

use super::{Rule, story};
use crate::run::{Change, Count, Finding, QueryResult, QuerySet, Run, Session, Severity};

pub(super) const CODE: &str = "old-query-changes";

pub(super) const RULE: Rule = Rule {
    code: CODE,
    title: "a query of the running application says something else after a migration",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: tests::CASES,
};

const EXPLAIN: &str = "\
A query of the old set works before and after, and its result is another: other columns, other
types, another number of rows, other values. A column more, and nothing else, is only worth
knowing (info).

How it is measured
  Result columns, number of rows and a digest of the values of the columns that were there
  before, on new connections, compared with the result before the migrations. Queries that fail
  are old-query-breaks. A query that depends on the clock or on chance differs by itself: ORDER
  BY helps.

Why it hurts in production
  Nothing fails, so nothing warns: a driver that reads columns by position, or an int that
  becomes a bigint, a sum over fewer rows, an export with another value in it. With MySQL another
  collation is enough: a login that is looked up in other capitals is no longer found.

What to do instead
  If it is what the migration is for, nothing; say so in [expect] of a scenario. If not, name
  the columns:
      SELECT id, total FROM orders;                    -- not SELECT *
  and keep the old values where the old version looks for them until it is gone:
      ALTER TABLE orders ADD COLUMN total_cents bigint;    -- beside total, not instead of it
";

fn judge(run: &Run) -> Vec<Finding> {
    let stories = story::stories(run, QuerySet::Old);
    let lasting = stories.iter().filter(|story| !story.failed_before() && story.first_failure().is_none());
    lasting
        .filter_map(|story| {
            let changed = || story.later(Session::Fresh).filter(|result| !result.changes.is_empty());
            let result = changed().find(|result| !only_adds(result)).or_else(|| changed().next())?;
            let severity = if only_adds(result) { Severity::Info } else { Severity::Warning };
            let told: Vec<String> = result.changes.iter().map(words).collect();
            let message = format!(
                "old query `{}` says something else {}: {}",
                result.name,
                story::point(run, result),
                told.join(", ")
            );
            let finding = Finding::new(CODE, severity, message)
                .of_query(result, story::migration_of(run, result))
                .evidence("at", &result.at)
                .evidence("changes", &result.changes);
            Some(finding.help(help(severity)))
        })
        .collect()
}

fn only_adds(result: &QueryResult) -> bool {
    result.changes.iter().all(|change| matches!(change, Change::ColumnAdded(_)))
}

fn help(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "name the columns instead of SELECT * if anything reads them by position",
        _ => "if the old version relies on it, keep the old values beside the new ones until it is gone",
    }
}

fn words(change: &Change) -> String {
    match change {
        Change::ColumnAdded(name) => format!("column {name} more"),
        Change::ColumnRemoved(name) => format!("column {name} gone"),
        Change::ColumnType { name, before, after } => format!("column {name} was {before} and is {after}"),
        Change::ColumnOrder => "columns in another order".to_owned(),
        Change::Rows { before, after } => format!("{} rows, before {}", Count(*after), Count(*before)),
        Change::Content => "other values".to_owned(),
        Change::RowOrder => "rows in another order".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::QuerySet::{New, Old};
    use crate::verdict::testing::Said::{Otherwise, Same};
    use crate::verdict::testing::{Cases, Facts, GONE, facts, migration};

    pub(super) const CASES: Cases = Cases {
        shown: &[
            ("it returns other values", || one(&[("before", Same), ("after", Otherwise(vec![Change::Content]))]).run()),
            ("it has a column more", || one(&[("before", Same), ("after", Otherwise(added()))]).run()),
        ],
        silent: &[
            ("it says the same", || one(&[("before", Same), ("after", Same)]).run()),
            ("it breaks in the end, which is told", || {
                one(&[("before", Same), ("after:1", Otherwise(vec![Change::Content])), ("after", GONE)]).run()
            }),
            ("it is a query of the new application", || {
                facts().query(New, "list", &[("after", Otherwise(vec![Change::Content]))]).run()
            }),
        ],
    };

    fn added() -> Vec<Change> {
        vec![Change::ColumnAdded("status".to_owned())]
    }

    fn one(points: &[(&str, crate::verdict::testing::Said)]) -> Facts {
        facts().migration(migration("1")).migration(migration("2")).query(Old, "list", points)
    }

    #[test]
    fn a_column_more_is_worth_knowing_and_anything_else_a_warning() {
        for (changes, severity) in [
            (added(), Severity::Info),
            (vec![Change::ColumnAdded("status".to_owned()), Change::ColumnOrder], Severity::Warning),
            (vec![Change::Rows { before: 3, after: 2 }], Severity::Warning),
        ] {
            let found = judge(&one(&[("before", Same), ("after", Otherwise(changes.clone()))]).run());
            assert_eq!(found[0].severity, severity, "{changes:?}");
        }
    }

    #[test]
    fn of_several_points_the_first_that_is_a_warning_is_told() {
        let rows = vec![Change::Rows { before: 1_200, after: 7 }];
        let points = [("before", Same), ("after:1", Otherwise(added())), ("after", Otherwise(rows))];
        let found = judge(&one(&points).run());
        let [finding] = &found[..] else { panic!("one finding, not {found:?}") };
        assert_eq!(finding.message, "old query `list` says something else after 2_change.sql: 7 rows, before 1,200");
    }
}
