//! `rehearsal explain`: what a finding means.

use anyhow::bail;

use super::{ExitStatus, Printer};
use crate::scenario::codes::meant;
use crate::verdict;

pub(super) fn explain(code: Option<&str>, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let Some(code) = code else {
        for rule in verdict::rules() {
            printer.result(&format!("{:28}{}", rule.code, rule.title));
        }
        return Ok(ExitStatus::Pass);
    };
    let Some(rule) = verdict::explain(code) else {
        bail!("there is no finding `{code}`: {}", meant(code));
    };
    printer.result(&format!("{}: {}\n\n{}", rule.code, rule.title, rule.explain.trim()));
    Ok(ExitStatus::Pass)
}
