//! Findings that a scenario waives: they stay, marked, and do not make the verdict fail.

use super::limit;
use crate::run::{Finding, Run, Waived};
use crate::scenario::Waiver;

/// Marks the findings that a waiver holds for.
pub(super) fn apply(run: &Run, findings: &mut [Finding]) {
    let valid: Vec<&Waiver> = run.waivers.iter().filter(|waiver| !is_over(run, waiver)).collect();
    for finding in findings {
        let waiver = valid.iter().find(|waiver| is_for(run, waiver, finding));
        finding.waived = waiver.map(|w| Waived { reason: w.reason.clone(), until: w.until.clone() });
    }
}

/// Whether a waiver's last day was before the rehearsal began. Days are those of UTC, as the record has them.
pub(super) fn is_over(run: &Run, waiver: &Waiver) -> bool {
    run.started_at.get(..10).is_some_and(|today| waiver.until.as_str() < today)
}

/// Whether a waiver names a finding, and its table if it names one.
pub(super) fn is_for(run: &Run, waiver: &Waiver, finding: &Finding) -> bool {
    let names =
        |table: &String| finding.table.as_ref().is_some_and(|relation| limit::is_named(run.engine(), table, relation));
    waiver.finding == finding.code && waiver.table.as_ref().is_none_or(names)
}

/// What a waiver is called in a sentence: `table-rewrite of orders`.
pub(super) fn called(waiver: &Waiver) -> String {
    let table = waiver.table.as_ref().map(|table| format!(" of {table}")).unwrap_or_default();
    format!("{}{table}", waiver.finding)
}

/// Where a finding about a waiver stands: in the scenario.
pub(super) fn placed(mut finding: Finding, waiver: &Waiver) -> Finding {
    finding.file = Some(waiver.file.clone());
    finding.line = Some(waiver.line);
    finding.evidence("finding", &waiver.finding).evidence("reason", &waiver.reason).evidence("until", &waiver.until)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::run::{Severity, Status};
    use crate::verdict::testing::{Facts, facts, migration, statement};

    /// A table is written anew, and one waiver was written, on a rehearsal of 22 November 2026.
    pub(in super::super) fn rewriting(finding: &str, table: Option<&str>, until: &str) -> Facts {
        let rewrite = statement(1, "VACUUM FULL orders", 9).rewrite("public.orders", 9);
        let facts = facts().table("public.orders", 20_000).migration(migration("1").statement(rewrite));
        facts.with(|run| {
            run.waivers.push(Waiver {
                finding: finding.to_owned(),
                table: table.map(str::to_owned),
                reason: "maintenance window agreed".to_owned(),
                until: until.to_owned(),
                file: "scenario.toml".to_owned(),
                line: 20,
            });
        })
    }

    #[test]
    fn a_finding_that_is_waived_stays_and_does_not_fail() {
        for table in [None, Some("orders"), Some("public.orders"), Some("Orders")] {
            let run = rewriting("table-rewrite", table, "2026-11-22").judged();
            let [finding] = &run.findings[..] else { panic!("one finding, not {:?}", run.findings) };
            assert_eq!(finding.severity, Severity::Error);
            assert_eq!(finding.waived.as_ref().map(|waived| waived.until.as_str()), Some("2026-11-22"));
            assert_eq!(run.verdict.map(|verdict| verdict.status), Some(Status::Pass));
        }
    }

    #[test]
    fn one_that_is_over_or_about_another_table_waives_nothing() {
        for (table, until) in [(None, "2026-11-21"), (Some("items"), "2026-11-22"), (Some("shop.orders"), "2027-01-01")]
        {
            let run = rewriting("table-rewrite", table, until).judged();
            assert!(run.findings.iter().all(|finding| finding.waived.is_none()), "{table:?} {until}");
            assert_eq!(run.verdict.map(|verdict| verdict.status), Some(Status::Fail));
        }
    }
}
