//! What one query said from before the first migration to after the last one.

use crate::run::{Migration, MigrationStatus, QueryResult, QuerySet, QueryStatus, Run, Session};

/// One query of one set, on both kinds of connection.
pub(crate) struct Story<'a> {
    run: &'a Run,
    /// In the order of the points at which it ran.
    results: Vec<&'a QueryResult>,
}

/// The story of every query of a set, in the order of the record.
pub(crate) fn stories(run: &Run, set: QuerySet) -> Vec<Story<'_>> {
    let mut stories: Vec<Story<'_>> = Vec::new();
    for result in run.queries.iter().filter(|result| result.set == set) {
        match stories.iter_mut().find(|story| story.is_of(result)) {
            Some(story) => story.results.push(result),
            None => stories.push(Story { run, results: vec![result] }),
        }
    }
    for story in &mut stories {
        story.results.sort_by_key(|result| position(run, &result.at));
    }
    stories
}

/// Where a point stands: 0 before the migrations, then one for each of them.
fn position(run: &Run, at: &str) -> usize {
    let last = run.migrations.len().max(1);
    match at.strip_prefix("after:") {
        Some(id) => run.migrations.iter().position(|migration| migration.id == id).map_or(last, |index| index + 1),
        None if at == "before" => 0,
        None => last,
    }
}

/// The last point at which a set was run on fresh connections; `None` when it never was.
pub(crate) fn last_point(run: &Run, set: QuerySet) -> Option<&str> {
    let fresh = run.queries.iter().filter(|result| result.set == set && result.session == Session::Fresh);
    fresh.max_by_key(|result| position(run, &result.at)).map(|result| result.at.as_str())
}

/// The migration that a result comes right after; `None` before the first one.
pub(crate) fn migration_of<'a>(run: &'a Run, result: &QueryResult) -> Option<&'a Migration> {
    let position = position(run, &result.at).checked_sub(1)?;
    let gone_through = run.migrations.iter().take(position + 1);
    gone_through.rev().find(|migration| migration.status != MigrationStatus::NotRun)
}

/// The point of a result in words: `after 0002_add_status.sql`.
pub(super) fn point(run: &Run, result: &QueryResult) -> String {
    migration_of(run, result)
        .map_or_else(|| "before the migrations".to_owned(), |migration| format!("after {}", migration.name))
}

impl<'a> Story<'a> {
    fn is_of(&self, result: &QueryResult) -> bool {
        self.query().name == result.name && self.query().file == result.file && self.query().line == result.line
    }

    /// Any of its results, for its name and place.
    pub(crate) fn query(&self) -> &'a QueryResult {
        self.results[0]
    }

    fn on(&self, session: Session) -> impl Iterator<Item = &'a QueryResult> + '_ {
        self.results.iter().copied().filter(move |result| result.session == session)
    }

    /// What it said before the migrations.
    pub(crate) fn before(&self, session: Session) -> Option<&'a QueryResult> {
        self.at("before", session)
    }

    /// Whether it failed before the migrations already, so that they are not to blame.
    pub(crate) fn failed_before(&self) -> bool {
        self.results.iter().any(|result| result.at == "before" && fails(result))
    }

    /// What it said once a migration was there, in order.
    pub(super) fn later(&self, session: Session) -> impl Iterator<Item = &'a QueryResult> + '_ {
        self.on(session).filter(|result| result.at != "before")
    }

    /// What it said between two migrations, in order.
    pub(super) fn between(&self) -> impl Iterator<Item = &'a QueryResult> + '_ {
        self.later(Session::Fresh).filter(|result| result.at != "after")
    }

    /// What it said after the last migration.
    pub(super) fn after(&self, session: Session) -> Option<&'a QueryResult> {
        self.at("after", session)
    }

    /// What it said at a point.
    pub(crate) fn at(&self, point: &str, session: Session) -> Option<&'a QueryResult> {
        self.on(session).find(|result| result.at == point)
    }

    /// The first point at which it fails on a fresh connection although it worked before the migrations.
    pub(super) fn first_failure(&self) -> Option<&'a QueryResult> {
        if self.failed_before() { None } else { self.later(Session::Fresh).find(|result| fails(result)) }
    }

    /// The run that it belongs to.
    pub(super) fn run(&self) -> &'a Run {
        self.run
    }
}

/// Whether a query did not work.
pub(crate) fn fails(result: &QueryResult) -> bool {
    result.status == QueryStatus::Error
}

#[cfg(test)]
mod tests {
    use super::super::testing::{GONE, Said, facts, migration};
    use super::*;

    #[test]
    fn points_are_in_the_order_of_the_migrations_and_not_of_the_record() {
        let points = [("after", Said::Same), ("after:0010", GONE), ("after:0009", GONE), ("before", Said::Same)];
        let run = facts()
            .migration(migration("0009"))
            .migration(migration("0010"))
            .migration(migration("0011"))
            .query(QuerySet::Old, "list", &points)
            .run();
        let stories = stories(&run, QuerySet::Old);
        let first = stories[0].first_failure().expect("it fails twice");
        assert_eq!(first.at, "after:0009");
        assert_eq!(point(&run, first), "after 0009_change.sql");
    }

    #[test]
    fn after_the_last_one_means_the_last_one_that_was_begun() {
        let run = facts()
            .migration(migration("1"))
            .migration(migration("2").ended(MigrationStatus::NotRun))
            .query(QuerySet::Old, "list", &[("before", Said::Same), ("after", GONE)])
            .run();
        let stories = stories(&run, QuerySet::Old);
        let after = stories[0].after(Session::Fresh).expect("it ran");
        assert_eq!(migration_of(&run, after).map(|migration| migration.id.as_str()), Some("1"));
    }
}
