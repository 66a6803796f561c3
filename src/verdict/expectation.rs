//! Whether a scenario that teaches or tests came out as its `[expect]` says.

use std::collections::BTreeSet;
use std::fmt::Display;

use super::explain;
use crate::run::{Run, Severity};
use crate::scenario::Expect;

/// What came out otherwise, a sentence each; nothing if all is as expected.
///
/// Findings are compared as sets of codes, those of severity info and those that are waived left out. Call it on a run that was judged.
pub fn expectation(expect: &Expect, run: &Run) -> Vec<String> {
    let verdict = run.verdict.as_ref();
    let mut mismatches = Vec::new();
    mismatches.extend(differs("verdict", expect.verdict, verdict.map(|verdict| verdict.status)));
    mismatches.extend(differs("class", expect.class, verdict.and_then(|verdict| verdict.class)));
    mismatches.extend(differs("deploy", expect.deploy, verdict.and_then(|verdict| verdict.deploy)));
    if let Some(expected) = &expect.findings {
        mismatches.extend(findings(expected, run));
    }
    mismatches
}

fn differs<T: Display + PartialEq>(what: &str, expected: Option<T>, found: Option<T>) -> Option<String> {
    let expected = expected?;
    match found {
        Some(found) if found == expected => None,
        Some(found) => Some(format!("{what}: expected {expected}, came out {found}")),
        None => Some(format!("{what}: expected {expected}, came out unanswered")),
    }
}

fn findings(expected: &[String], run: &Run) -> Vec<String> {
    let found = run.findings.iter().filter(|finding| finding.severity >= Severity::Warning && finding.waived.is_none());
    let found: BTreeSet<&str> = found.map(|finding| finding.code.as_str()).collect();
    let expected: BTreeSet<&str> = expected.iter().map(String::as_str).collect();
    let missing = expected.difference(&found).map(|code| match explain(code) {
        Some(_) => format!("findings: expected {code}, which was not found"),
        None => format!("findings: expected {code}, which is no finding of this version of rehearsal"),
    });
    missing.chain(found.difference(&expected).map(|code| format!("findings: {code} was not expected"))).collect()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::run::{Class, Deploy, Status};
    use crate::verdict::testing::{facts, migration, statement};

    /// Fails with `table-rewrite`, class slow, no deploy order.
    fn rewriting() -> Run {
        let rewrite = statement(1, "VACUUM FULL orders", 9).rewrite("public.orders", 9);
        facts().table("public.orders", 20_000).migration(migration("1").statement(rewrite)).judged()
    }

    fn codes(codes: &[&str]) -> Expect {
        Expect { findings: Some(codes.iter().map(|code| (*code).to_owned()).collect()), ..Expect::default() }
    }

    #[test]
    fn what_is_not_said_may_be_anything() {
        assert_eq!(expectation(&Expect::default(), &rewriting()), [""; 0]);
    }

    #[test]
    fn what_is_said_and_came_is_no_mismatch() {
        let verdict = Expect { verdict: Some(Status::Fail), class: Some(Class::Slow), ..codes(&["table-rewrite"]) };
        assert_eq!(expectation(&verdict, &rewriting()), [""; 0]);
    }

    #[test]
    fn each_difference_is_a_sentence() {
        let expect = Expect {
            verdict: Some(Status::Pass),
            class: Some(Class::Additive),
            deploy: Some(Deploy::AnyOrder),
            ..codes(&["blocks-reads", "table-rewritten"])
        };
        assert_eq!(
            expectation(&expect, &rewriting()),
            [
                "verdict: expected pass, came out fail",
                "class: expected additive, came out slow",
                "deploy: expected any-order, came out unanswered",
                "findings: expected blocks-reads, which was not found",
                "findings: expected table-rewritten, which is no finding of this version of rehearsal",
                "findings: table-rewrite was not expected",
            ]
        );
    }

    #[test]
    fn a_class_that_is_not_known_is_not_the_expected_one() {
        let failed = facts().migration(migration("1").failed_with("exit status 1")).judged();
        let expect = Expect { class: Some(Class::Additive), ..Expect::default() };
        assert_eq!(expectation(&expect, &failed), ["class: expected additive, came out unanswered"]);
    }

    #[test]
    fn findings_worth_knowing_are_not_compared() {
        let mut run = rewriting();
        run.findings[0].severity = Severity::Info;
        assert_eq!(expectation(&codes(&[]), &run), [""; 0]);
    }
}
