//! The verdict: pass or fail, the class, the order, and why, with what was not observed said as such.

use super::{class, deploy, limit, old_query_changes, table};
use crate::run::{Completion, Finding, Migration, MigrationStatus, Run, Severity, Status, Verdict};

/// Answers, unless the run cannot carry an answer: one that was cut short may fail for what it saw, and never passes.
pub(super) fn answer(run: &Run, findings: &[Finding]) -> Option<Verdict> {
    let fails = findings.iter().any(|finding| finding.severity == Severity::Error && finding.waived.is_none());
    let measured = run.migrations.iter().any(|migration| migration.status != MigrationStatus::NotRun);
    if run.completion != Completion::Complete && !(measured && fails) {
        return None;
    }
    let (class, mut reasons) = class::class(run, findings);
    let order = deploy::order(run);
    reasons.extend(order.as_ref().map(deploy::Order::reason));
    reasons.extend(other_answers(findings));
    if run.migrations.is_empty() {
        reasons.push("no migration is pending".to_owned());
    }
    reasons.extend(run.migrations.iter().flat_map(|migration| unobserved(run, migration)));
    let status = if fails { Status::Fail } else { Status::Pass };
    Some(Verdict { status, class, deploy: order.map(|order| order.deploy()), reasons })
}

/// That old queries say something else, which no class and no order tells.
fn other_answers(findings: &[Finding]) -> Option<String> {
    let warned =
        findings.iter().filter(|found| found.code == old_query_changes::CODE && found.severity > Severity::Info);
    let names: Vec<String> = warned.filter_map(|found| Some(format!("`{}`", found.query.as_ref()?))).collect();
    match &names[..] {
        [] => None,
        [name] => Some(format!("old query {name} says something else")),
        names => Some(format!("old queries {} say something else", names.join(", "))),
    }
}

/// What could have been over a limit and was not seen, a sentence each.
fn unobserved(run: &Run, migration: &Migration) -> Vec<String> {
    let shortest = run.limits.reads_blocked_ms.min(run.limits.writes_blocked_ms);
    let long = migration.statements.iter().filter(|statement| statement.duration_ms > shortest);
    let unseen = long.filter(|statement| statement.locks.is_none());
    let mut reasons: Vec<String> = unseen
        .map(|statement| {
            let line = statement.line.map(|line| format!(":{line}")).unwrap_or_default();
            format!(
                "not observed: the locks of {} ({}{line}), which took {}; whom it shut out is not known",
                statement.command, migration.name, statement.duration_ms
            )
        })
        .collect();
    for blocking in migration.blocking.iter().filter(|seen| table::before(run, &seen.table).in_use()) {
        let limit = limit::of_table(run, &blocking.table);
        let longer = |than| migration.duration_ms.is_none_or(|took| took > than);
        for (who, blocked, limit) in
            [("reads", &blocking.reads, limit.reads_blocked), ("writes", &blocking.writes, limit.writes_blocked)]
        {
            if blocked.held_ms.is_none() && longer(limit) {
                reasons.push(format!(
                    "not observed: for how long {} shut out {who} of {}",
                    migration.name, blocking.table
                ));
            }
        }
    }
    reasons
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::run::{Change, Class, QuerySet};
    use crate::verdict::judge;
    use crate::verdict::testing::Said::{Otherwise, Same};
    use crate::verdict::testing::{Facts, facts, migration, statement};

    fn verdict(facts: Facts) -> Option<Verdict> {
        judge(&facts.run()).1
    }

    fn failing() -> Facts {
        let refused = statement(1, "SELECT 1 / 0", 1).fails("22012", "division by zero");
        facts().migration(migration("1").statement(refused))
    }

    #[test]
    fn only_errors_fail() {
        let small = statement(1, "VACUUM FULL t", 2).rewrite("public.t", 9);
        let warned = facts().table("public.t", 3).migration(migration("1").statement(small));
        let warned = verdict(warned).expect("complete");
        assert_eq!((warned.status, warned.class), (Status::Pass, Some(Class::Slow)));
        assert_eq!(verdict(failing()).expect("complete").status, Status::Fail);
    }

    #[test]
    fn a_run_that_was_cut_short_may_fail_and_never_passes() {
        for completion in [Completion::Interrupted, Completion::Failed("disk full".to_owned())] {
            let short = |facts: Facts| verdict(facts.with(|run| run.completion = completion.clone()));
            assert_eq!(short(facts()), None);
            assert_eq!(short(facts().migration(migration("1"))), None);
            assert_eq!(short(failing()).map(|verdict| verdict.status), Some(Status::Fail));
        }
    }

    #[test]
    fn nothing_to_do_is_a_pass_that_says_so() {
        let verdict = verdict(facts()).expect("complete");
        assert_eq!((verdict.status, verdict.class, verdict.deploy), (Status::Pass, Some(Class::Additive), None));
        assert_eq!(verdict.reasons, ["no migration is pending"]);
    }

    #[test]
    fn old_queries_that_say_something_else_are_named() {
        let points = |changes| [("before", Same), ("after", Otherwise(vec![changes]))];
        let added = points(Change::ColumnAdded("note".to_owned()));
        let reasons = |names: &[&str]| {
            let run = facts().migration(migration("1")).query(QuerySet::Old, "first", &added);
            let other = |run: Facts, name: &&str| run.query(QuerySet::Old, name, &points(Change::Content));
            verdict(names.iter().fold(run, other)).expect("complete").reasons
        };
        assert_eq!(reasons(&[]), [""; 0]);
        assert_eq!(reasons(&["list"]), ["old query `list` says something else"]);
        assert_eq!(reasons(&["list", "count"]), ["old queries `list`, `count` say something else"]);
    }

    #[test]
    fn what_was_not_observed_is_said_and_not_taken_for_zero() {
        let unseen = |millis| statement(4, "REINDEX TABLE orders", millis).unobserved();
        let run = |millis| facts().table("public.orders", 5).migration(migration("1").statement(unseen(millis)));
        assert_eq!(
            verdict(run(501)).expect("complete").reasons,
            ["not observed: the locks of REINDEX (1_change.sql:4), which took 501 ms; whom it shut out is not known"]
        );
        assert_eq!(verdict(run(500)).expect("complete").reasons, [""; 0]);
    }

    #[test]
    fn a_hold_that_was_not_observed_is_said_where_it_could_matter() {
        let held = |millis| {
            let hold = migration("1").took(millis).blocks("public.orders", 5, 0, 0, 0);
            verdict(facts().migration(hold.with(|m| m.blocking[0].writes.held_ms = None))).expect("complete").reasons
        };
        assert_eq!(held(501), ["not observed: for how long 1_change.sql shut out writes of public.orders"]);
        assert_eq!(held(500), [""; 0]);
    }
}
