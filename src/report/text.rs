//! The report for a person: what to do first, then what and where, then the figures, then where they come from.

mod findings;
pub(super) mod head;
mod origin;
mod queries;
mod statements;

use super::Style;
use crate::run::Run;

/// The report of a run that was judged. One screen for the usual run; of many findings or statements the most telling.
pub fn render(run: &Run, style: Style) -> String {
    let sections = [
        head::section(run, style),
        findings::section(run, style),
        statements::section(run, style),
        queries::section(run, style),
        origin::section(run, style),
    ];
    sections.into_iter().filter(|section| !section.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Every line with its end.
fn lines(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

#[cfg(test)]
mod tests;
