//! `waiver-expired`: a waiver of the scenario is over.

use super::{Rule, waiver};
use crate::run::{Finding, Run, Severity};

const CODE: &str = "waiver-expired";

pub(super) const RULE: Rule = Rule {
    code: CODE,
    title: "a waiver of the scenario is over",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: tests::CASES,
};

const EXPLAIN: &str = "\
The last day of a [[waive]] of the scenario has passed. It waives nothing any more: what it was for
counts again. It is a warning.

How it is measured
  By its `until`, that day included, and the day on which the rehearsal began, in UTC.

Why it hurts in production
  A waiver is a debt with a date. What was agreed to for one night becomes a habit when nobody looks
  at it again.

What to do instead
  Remove it if the migration is out; else agree again, with a new date and the reason of today:
      [[waive]]
      finding = \"table-rewrite\"
      table   = \"orders\"
      reason  = \"second half, in the window of 14 February\"
      until   = \"2027-02-14\"
";

fn judge(run: &Run) -> Vec<Finding> {
    let over = run.waivers.iter().filter(|waiver| waiver::is_over(run, waiver));
    over.map(|over| {
        let message = format!("the waiver for {} ended on {}: {}", waiver::called(over), over.until, over.reason);
        let help = "remove it, or agree again with a new date";
        waiver::placed(Finding::new(CODE, Severity::Warning, message).help(help), over)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::waiver::tests::rewriting;
    use super::*;
    use crate::verdict::testing::Cases;

    pub(super) const CASES: Cases = Cases {
        shown: &[("it ended the day before", || rewriting("table-rewrite", None, "2026-11-21").run())],
        silent: &[("today is its last day", || rewriting("table-rewrite", None, "2026-11-22").run())],
    };

    #[test]
    fn it_is_placed_in_the_scenario() {
        let found = judge(&rewriting("table-rewrite", Some("orders"), "2026-11-21").run());
        assert_eq!((found[0].file.as_deref(), found[0].line), (Some("scenario.toml"), Some(20)));
        assert_eq!(
            found[0].message,
            "the waiver for table-rewrite of orders ended on 2026-11-21: maintenance window agreed"
        );
    }
}
