//! In what order to deploy, from what the queries of both versions said before, between and after the migrations.
//!
//! | old once a migration is there | new while one is missing | order |
//! | --- | --- | --- |
//! | works | works | any |
//! | works | fails | migrate first |
//! | fails | works | deploy first, and migrate once no old version is left running |
//! | fails | fails | none: expand, then contract |
//!
//! New queries must work after the last migration, or the change is broken whatever the order.

use super::story::{self, Story};
use crate::run::{Deploy, MigrationStatus, QueryResult, QuerySet, Run, Session};

/// What both sets say about the order.
pub(super) struct Order<'a> {
    /// How many old queries worked before.
    old: usize,
    /// Those of them that fail at some point later, there.
    pub(super) old_fails: Vec<&'a QueryResult>,
    /// How many new queries there are.
    new: usize,
    /// Those that fail while a migration is missing and work after the last one, where they fail first.
    pub(super) new_waits: Vec<&'a QueryResult>,
    /// Those that fail after the last one.
    new_fails: Vec<&'a QueryResult>,
}

/// Reads both sets. `None` when one is missing or was not run to the end, or a migration did not get to its.
pub(super) fn order(run: &Run) -> Option<Order<'_>> {
    let old: Vec<Story<'_>> =
        story::stories(run, QuerySet::Old).into_iter().filter(|story| !story.failed_before()).collect();
    let new = story::stories(run, QuerySet::New);
    let applied = run.migrations.iter().all(|migration| migration.status == MigrationStatus::Applied);
    let told = |story: &Story<'_>| story.before(Session::Fresh).is_some() && story.after(Session::Fresh).is_some();
    if old.is_empty() || new.is_empty() || !applied || !old.iter().chain(&new).all(told) {
        return None;
    }
    let (broken, working): (Vec<_>, Vec<_>) =
        new.iter().partition(|story| story.after(Session::Fresh).is_some_and(story::fails));
    Some(Order {
        old: old.len(),
        old_fails: old.iter().filter_map(Story::first_failure).collect(),
        new: new.len(),
        new_waits: working.iter().filter_map(|story| waits(story)).collect(),
        new_fails: broken.iter().filter_map(|story| story.after(Session::Fresh)).collect(),
    })
}

/// Where a query fails first while a migration is missing.
fn waits<'a>(story: &Story<'a>) -> Option<&'a QueryResult> {
    story.before(Session::Fresh).into_iter().chain(story.between()).find(|result| story::fails(result))
}

impl Order<'_> {
    /// The order.
    pub(super) fn deploy(&self) -> Deploy {
        match (self.old_fails.is_empty(), self.new_waits.is_empty()) {
            _ if !self.new_fails.is_empty() => Deploy::Broken,
            (true, true) => Deploy::AnyOrder,
            (true, false) => Deploy::MigrateFirst,
            (false, true) => Deploy::DeployFirst,
            (false, false) => Deploy::ExpandContract,
        }
    }

    /// Why, in a sentence.
    pub(super) fn reason(&self) -> String {
        let (broken, new) = (self.new_fails.len(), self.new);
        if broken > 0 {
            return format!("after the migrations {} of {new} new queries work", new - broken);
        }
        let (old, old_works) = (self.old, self.old - self.old_fails.len());
        let new_works = new - self.new_waits.len();
        format!(
            "with the migrations {old_works} of {old} old queries work, without them {new_works} of {new} new queries"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::QuerySet::{New, Old};
    use crate::verdict::testing::Said::{self, Same};
    use crate::verdict::testing::{Facts, GONE, facts, migration};

    fn deploy(facts: Facts) -> Option<Deploy> {
        order(&facts.run()).map(|order| order.deploy())
    }

    fn two() -> Facts {
        facts().migration(migration("1")).migration(migration("2"))
    }

    fn both(old: [Said; 3], new: [Said; 3]) -> Facts {
        let points = |said: [Said; 3]| {
            let [before, between, after] = said;
            [("before", before), ("after:1", between), ("after", after)]
        };
        two().query(Old, "list", &points(old)).query(New, "list", &points(new))
    }

    #[test]
    fn the_order_follows_from_who_works_when() {
        for (old, new, order) in [
            ([Same, Same, Same], [Same, Same, Same], Deploy::AnyOrder),
            ([Same, Same, Same], [GONE, GONE, Same], Deploy::MigrateFirst),
            ([Same, Same, GONE], [Same, Same, Same], Deploy::DeployFirst),
            ([Same, Same, GONE], [GONE, GONE, Same], Deploy::ExpandContract),
            // Between two migrations both versions may be running.
            ([Same, GONE, Same], [Same, Same, Same], Deploy::DeployFirst),
            ([Same, Same, Same], [Same, GONE, Same], Deploy::MigrateFirst),
            ([Same, Same, Same], [Same, Same, GONE], Deploy::Broken),
            ([Same, Same, GONE], [GONE, GONE, GONE], Deploy::Broken),
        ] {
            assert_eq!(deploy(both(old.clone(), new.clone())), Some(order), "old {old:?}, new {new:?}");
        }
    }

    #[test]
    fn an_old_query_that_failed_before_says_nothing_about_the_order() {
        let facts = both([Same, Same, Same], [Same, Same, Same]);
        let broken = facts.query(Old, "other", &[("before", GONE), ("after", GONE)]);
        assert_eq!(deploy(broken), Some(Deploy::AnyOrder));
    }

    #[test]
    fn there_is_no_order_without_both_sets_run_to_the_end() {
        let whole = [("before", Same), ("after", Same)];
        assert_eq!(deploy(two()), None);
        assert_eq!(deploy(two().query(Old, "list", &whole)), None);
        assert_eq!(deploy(two().query(New, "list", &whole)), None);
        assert_eq!(deploy(two().query(Old, "list", &whole).query(New, "list", &whole[..1])), None);
        let failed = facts().migration(migration("1").failed_with("no"));
        assert_eq!(deploy(failed.query(Old, "list", &whole).query(New, "list", &whole)), None);
    }
}
