//! Judges the facts of a run: which findings they amount to, what class of change it is, in what order to deploy.
//!
//! Everything here is pure: the same [`Run`] gives the same answer with no server, no clock and no file. A finding is
//! one file with its [`Rule`] and one line in `RULES`; the cases that show it and keep it silent are part of the rule.

mod advice;
mod answer;
mod blocking;
mod blocks_reads;
mod blocks_unnamed_table;
mod blocks_writes;
mod by_part;
mod cause;
mod class;
mod copy_algorithm;
mod deploy;
mod draft;
mod drops_data;
mod expectation;
mod fails_on_data;
mod failure;
mod full_scan_under_lock;
mod half_applied;
mod implicit_commit;
mod index_rebuild;
mod instant_limit_near;
mod invalid_index_left;
mod keywords;
mod limit;
mod lock_held_past_statement;
mod mention;
mod metadata_lock_unbounded;
mod migration_failed;
mod new_query_fails;
mod no_lock_timeout;
mod no_safe_order;
mod not_in_transaction;
mod old_query_breaks;
mod old_query_changes;
mod parent_table_locked;
mod prepared_statement_breaks;
mod rebuild;
mod server_version;
mod slow_foreign_key_check;
mod slow_migration;
pub(crate) mod story;
pub(crate) mod table;
mod table_rewrite;
#[cfg(test)]
pub(crate) mod testing;
mod under_lock;
mod waiver;
mod waiver_expired;
mod waiver_unused;

use std::cmp::Reverse;

pub(crate) use blocking::ends_transaction;
pub use expectation::expectation;
pub(crate) use failure::{is_culprit, is_greeting};
use table_rewrite::only_truncates;
pub(crate) use table_rewrite::{new_storage, rewritten};

use crate::run::{Finding, Run, Verdict};

/// One kind of finding.
#[derive(Debug)]
pub struct Rule {
    /// The word by which reports, scenarios and `rehearsal explain` call it.
    pub code: &'static str,
    /// What it says, in half a line.
    pub title: &'static str,
    /// What it means, how it is measured, why it hurts, what to do instead. Plain text with indented SQL.
    pub explain: &'static str,
    judge: fn(&Run) -> Vec<Finding>,
    #[cfg(test)]
    cases: testing::Cases,
}

static RULES: [Rule; 30] = [
    fails_on_data::RULE,
    migration_failed::RULE,
    server_version::RULE,
    half_applied::RULE,
    invalid_index_left::RULE,
    blocks_reads::RULE,
    blocks_writes::RULE,
    table_rewrite::RULE,
    copy_algorithm::RULE,
    rebuild::RULE,
    index_rebuild::RULE,
    full_scan_under_lock::RULE,
    lock_held_past_statement::RULE,
    slow_foreign_key_check::RULE,
    blocks_unnamed_table::RULE,
    parent_table_locked::RULE,
    no_lock_timeout::RULE,
    metadata_lock_unbounded::RULE,
    instant_limit_near::RULE,
    implicit_commit::RULE,
    not_in_transaction::RULE,
    drops_data::RULE,
    slow_migration::RULE,
    no_safe_order::RULE,
    old_query_breaks::RULE,
    new_query_fails::RULE,
    prepared_statement_breaks::RULE,
    old_query_changes::RULE,
    waiver_expired::RULE,
    waiver_unused::RULE,
];

/// Every kind of finding that this version knows.
pub fn rules() -> &'static [Rule] {
    &RULES
}

/// The kind of finding with this code.
pub fn explain(code: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.code == code)
}

/// Judges what a run found, by the limits in it.
///
/// Findings come most severe first, waived ones last, then in the order of the migrations. The verdict is `None` where the run cannot
/// carry one: it did not go to its end and what it did see is no reason to fail.
pub fn judge(run: &Run) -> (Vec<Finding>, Option<Verdict>) {
    let told = run;
    let judged = by_part::by_part(told);
    let run = &*judged;
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| (rule.judge)(run)).collect();
    by_part::mark(run, told, &mut findings);
    waiver::apply(run, &mut findings);
    findings.sort_by_key(|finding| place(run, finding));
    let verdict = answer::answer(run, &findings);
    (findings, verdict)
}

/// Where a finding stands in the list. Lines of query files do not compare with lines of migrations, so findings about
/// queries come after those about statements, in the order of their rules.
fn place(run: &Run, finding: &Finding) -> impl Ord + use<> {
    let migration = run.migrations.iter().position(|migration| Some(&migration.id) == finding.migration.as_ref());
    let about_query = finding.query.is_some();
    let line = finding.line.filter(|_| !about_query).unwrap_or(u32::MAX);
    (finding.waived.is_some(), Reverse(finding.severity), migration.unwrap_or(usize::MAX), about_query, line)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use pretty_assertions::assert_eq;

    use super::testing::{facts, migration, statement};
    use super::*;
    use crate::run::Severity;

    fn codes(run: &Run) -> BTreeSet<String> {
        judge(run).0.into_iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn every_rule_is_shown_by_a_case_and_kept_silent_by_another() {
        for rule in rules() {
            assert!(!rule.cases.shown.is_empty(), "{} has no case that shows it", rule.code);
            assert!(!rule.cases.silent.is_empty(), "{} has no case that must stay silent", rule.code);
            for (claim, run) in rule.cases.shown {
                assert!(codes(&run()).contains(rule.code), "{} is not found although {claim}", rule.code);
            }
            for (claim, run) in rule.cases.silent {
                assert!(!codes(&run()).contains(rule.code), "{} is found although {claim}", rule.code);
            }
        }
    }

    #[test]
    fn every_finding_names_its_rule_its_evidence_and_a_way_out() {
        for (claim, run) in rules().iter().flat_map(|rule| rule.cases.shown) {
            for finding in judge(&run()).0 {
                assert!(explain(&finding.code).is_some(), "{} is in no table", finding.code);
                assert!(!finding.evidence.is_empty(), "{} has no evidence when {claim}", finding.code);
                assert!(!finding.help.is_empty(), "{} has no help when {claim}", finding.code);
                assert!(finding.message.len() > 20, "{} says {:?}", finding.code, finding.message);
            }
        }
    }

    #[test]
    fn codes_are_words_and_every_explanation_has_its_four_parts() {
        for rule in rules() {
            assert!(rule.code.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", rule.code);
            for part in ["How it is measured", "Why it hurts", "What to do instead"] {
                assert!(rule.explain.contains(part), "the explanation of {} lacks {part:?}", rule.code);
            }
            assert!(rule.explain.lines().all(|line| line.len() <= 100), "{} has an overlong line", rule.code);
        }
    }

    #[test]
    fn scenarios_know_the_codes() {
        assert_eq!(rules().iter().map(|rule| rule.code).collect::<Vec<_>>(), crate::scenario::codes::CODES);
    }

    #[test]
    fn errors_come_first_and_then_the_order_of_the_migrations() {
        let slow = |id: &str| migration(id).took(700_000).statement(statement(1, "SELECT 1", 1));
        let small_rewrite =
            migration("0001").statement(statement(4, "VACUUM FULL colours", 3).rewrite("public.colours", 8_192));
        let run = facts()
            .table("public.colours", 12)
            .migration(small_rewrite)
            .migration(slow("0002"))
            .migration(slow("0003"))
            .run();
        let found: Vec<_> =
            judge(&run).0.into_iter().map(|found| (found.severity, found.migration.unwrap_or_default())).collect();
        assert_eq!(
            found,
            [
                (Severity::Error, "0002".to_owned()),
                (Severity::Error, "0003".to_owned()),
                (Severity::Warning, "0001".to_owned())
            ]
        );
    }
}
