//! `waiver-unused`: a waiver of the scenario waives nothing.

use super::{Rule, explain, waiver};
use crate::run::{Completion, Finding, MigrationStatus, Run, Severity};
use crate::scenario::Waiver;

/// Not to be waived itself.
const CODE: &str = "waiver-unused";

pub(super) const RULE: Rule = Rule {
    code: CODE,
    title: "a waiver of the scenario waives nothing",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: tests::CASES,
};

const EXPLAIN: &str = "\
A [[waive]] of the scenario is for a finding that was not made, or not of that table. It is a
warning.

How it is measured
  Its code, and its table if it has one, against all findings of a rehearsal that went to its end
  with every migration applied. In one that did not, the finding might have come later. One that is
  over is told by waiver-expired alone.

Why it hurts in production
  It waits for the next migration that does the same to the same table, and lets that one through
  although nobody agreed to it. Or its code or table is misspelt, and it does not do what it is for.

What to do instead
  Remove it, or mend its spelling; `rehearsal explain` lists the codes:
      [[waive]]
      finding = \"table-rewrite\"
      table   = \"orders\"
      reason  = \"maintenance window agreed\"
      until   = \"2027-01-31\"
";

fn judge(run: &Run) -> Vec<Finding> {
    let applied = run.migrations.iter().all(|migration| migration.status == MigrationStatus::Applied);
    if run.completion != Completion::Complete || !applied {
        return Vec::new();
    }
    let idle = run.waivers.iter().filter(|waiver| !waiver::is_over(run, waiver) && !is_used(run, waiver));
    idle.map(|idle| {
        let known = explain(&idle.finding).is_some();
        let why = if known { "which was not found" } else { "which is no finding of this version of rehearsal" };
        let message = format!("the waiver for {}, {why}, waives nothing", waiver::called(idle));
        let help = "remove it, or mend its code or table: the next migration that does this would pass unseen";
        waiver::placed(Finding::new(CODE, Severity::Warning, message).help(help), idle)
    })
    .collect()
}

fn is_used(run: &Run, waiver: &Waiver) -> bool {
    // A waiver for this very finding would ask for itself.
    let rule = explain(&waiver.finding).filter(|rule| rule.code != CODE);
    rule.is_some_and(|rule| (rule.judge)(run).iter().any(|finding| waiver::is_for(run, waiver, finding)))
}

#[cfg(test)]
mod tests {
    use super::super::waiver::tests::rewriting;
    use super::*;
    use crate::verdict::testing::{Cases, migration};

    pub(super) const CASES: Cases = Cases {
        shown: &[
            ("its finding was not made", || rewriting("blocks-reads", None, "2027-01-31").run()),
            ("its finding is about another table", || rewriting("table-rewrite", Some("items"), "2027-01-31").run()),
            ("there is no such finding", || rewriting("table-rewrites", None, "2027-01-31").run()),
            ("it is for itself", || rewriting(CODE, None, "2027-01-31").run()),
        ],
        silent: &[
            ("it waives something", || rewriting("table-rewrite", Some("orders"), "2027-01-31").run()),
            ("it is over, which waiver-expired tells", || rewriting("blocks-reads", None, "2026-11-21").run()),
            ("a migration failed", || {
                rewriting("blocks-reads", None, "2027-01-31").migration(migration("2").failed_with("no")).run()
            }),
        ],
    };

    #[test]
    fn a_code_that_does_not_exist_is_said_to() {
        let found = judge(&rewriting("table-rewrites", Some("orders"), "2027-01-31").run());
        assert_eq!(
            found[0].message,
            "the waiver for table-rewrites of orders, which is no finding of this version of rehearsal, waives nothing"
        );
    }
}
