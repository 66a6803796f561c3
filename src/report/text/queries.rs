//! How many queries of both versions work before and after, and which do not.
//!
//! Where a migration failed or the run was stopped, "after" is after the last migration that was applied: in that state
//! production would be left.

use super::super::style::Style;
use crate::run::{QueryResult, QuerySet, Run, Session};
use crate::verdict::story::{self, Story};

/// More names than this are counted and not shown.
const MOST_NAMES: usize = 5;

/// A line for each set that was run.
pub(super) fn section(run: &Run, style: Style) -> String {
    let sets = [(QuerySet::Old, "Old queries"), (QuerySet::New, "New queries")];
    sets.into_iter().map(|(set, name)| style.wrap(0, &set_line(run, set, name))).collect()
}

fn set_line(run: &Run, set: QuerySet, name: &str) -> String {
    let stories = story::stories(run, set);
    if stories.is_empty() {
        return String::new();
    }
    let before = tally("before", &at(&stories, |story| story.before(Session::Fresh)));
    let Some((point, when)) = last(run, set) else { return format!("{name}: {before}, not run after") };
    let after = at(&stories, |story| story.at(point, Session::Fresh));
    let mut told = tally(&when, &after);
    let prepared = at(&stories, |story| story.at(point, Session::Pooled));
    if !prepared.is_empty() {
        let (works, all) = (working(&prepared), prepared.len());
        told = format!("{told} ({works} of {all} on connections that were open before)");
    }
    // Half-way, new queries need not work yet.
    let failing = if set == QuerySet::New && point != "after" { String::new() } else { failing(&when, &after) };
    format!("{name}: {before}, {told}{failing}")
}

/// The last point that was reached, and its words: `after`, or `after 0002_add_status`, with others still to come.
fn last(run: &Run, set: QuerySet) -> Option<(&str, String)> {
    let point = story::last_point(run, set).filter(|point| *point != "before")?;
    let half_way = run.queries.iter().find(|result| result.at == point && point != "after");
    let migration = half_way.and_then(|result| story::migration_of(run, result));
    Some((point, migration.map_or_else(|| "after".to_owned(), |migration| format!("after {}", migration.name))))
}

fn at<'a>(stories: &[Story<'a>], point: impl Fn(&Story<'a>) -> Option<&'a QueryResult>) -> Vec<&'a QueryResult> {
    stories.iter().filter_map(point).collect()
}

/// `5 of 6 work after`, or that nothing was run then.
fn tally(when: &str, results: &[&QueryResult]) -> String {
    if results.is_empty() {
        return format!("not run {when}");
    }
    format!("{} of {} work {when}", working(results), results.len())
}

fn working(results: &[&QueryResult]) -> usize {
    results.iter().filter(|result| !story::fails(result)).count()
}

fn failing(when: &str, after: &[&QueryResult]) -> String {
    let failing: Vec<_> = after.iter().filter(|result| story::fails(result)).collect();
    if failing.is_empty() {
        return String::new();
    }
    let names =
        failing.iter().take(MOST_NAMES).map(|result| format!("`{}` ({}:{})", result.name, result.file, result.line));
    let names: Vec<String> = names.collect();
    let more = failing.len().saturating_sub(MOST_NAMES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("; failing {when}: {}{more}", names.join(", "))
}
