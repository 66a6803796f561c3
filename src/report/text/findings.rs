//! What was found and where, each with its way out.
//!
//! Queries that are told the same for the same reason share a paragraph; the record has a finding for each.

use super::super::style::{Style, Tone};
use crate::run::{Conduct, Finding, Run, Severity, Step};

/// More findings than this are counted and not shown: they are sorted, so the worst are.
const MOST: usize = 20;

/// More lines of SQL than this are left to the JSON report.
const MOST_LINES: usize = 24;

/// Every finding in three parts: severity, code and place; the sentence; the help.
pub(super) fn section(run: &Run, style: Style) -> String {
    let groups = groups(&run.findings);
    let shown = &groups[..groups.len().min(MOST)];
    let mut text: Vec<String> =
        shown.iter().enumerate().map(|(index, group)| paragraph(group, &shown[..index], style)).collect();
    let more: usize = groups[shown.len()..].iter().map(Vec::len).sum();
    if more > 0 {
        text.push(format!("… and {more} more findings (in the JSON report)\n"));
    }
    text.join("\n")
}

/// Findings that say the same of several queries together, where the first of them stands.
fn groups(findings: &[Finding]) -> Vec<Vec<&Finding>> {
    let mut groups: Vec<Vec<&Finding>> = Vec::new();
    for finding in findings {
        match groups.iter_mut().find(|group| finding.query.is_some() && alike(group[0], finding)) {
            Some(group) => group.push(finding),
            None => groups.push(vec![finding]),
        }
    }
    groups
}

fn alike(a: &Finding, b: &Finding) -> bool {
    (&a.code, a.severity, &a.help, &a.waived, sentence(a)) == (&b.code, b.severity, &b.help, &b.waived, sentence(b))
}

/// What a finding says, whatever its query is called.
fn sentence(finding: &Finding) -> String {
    finding.message.replacen(&format!("`{}`", finding.query.as_deref().unwrap_or_default()), "", 1)
}

/// One group. Advice that was given before is not given again.
fn paragraph(group: &[&Finding], before: &[Vec<&Finding>], style: Style) -> String {
    let finding = group[0];
    let tone = match finding.severity {
        Severity::Error => Tone::Bad,
        Severity::Warning => Tone::Doubtful,
        Severity::Info => Tone::Strong,
    };
    let tone = if finding.waived.is_some() { Tone::Strong } else { tone };
    let rank =
        if finding.waived.is_some() { format!("waived {}", finding.severity) } else { finding.severity.to_string() };
    let head = style.paint(tone, &format!("{rank}[{}]", finding.code));
    let place = place(finding).map(|place| format!(" {place}")).unwrap_or_default();
    let message = style.wrap(2, &finding.message);
    let others: Vec<String> = group[1..].iter().map(|other| query(other)).collect();
    let others =
        if others.is_empty() { String::new() } else { style.wrap(2, &format!("likewise: {}", others.join(", "))) };
    let help = match &finding.waived {
        Some(waived) => style.wrap(2, &format!("waived until {}: {}", waived.until, waived.reason)),
        None => match given(finding, before) {
            Some(place) => style.wrap(2, &format!("help: {place}")),
            None => style.wrap(2, &format!("help: {}", finding.help)) + &steps(&finding.instead),
        },
    };
    format!("{head}{place}\n{message}{others}{help}")
}

/// Where the same help stands already.
fn given(finding: &Finding, before: &[Vec<&Finding>]) -> Option<String> {
    let same = |earlier: &Finding| earlier.help == finding.help && earlier.instead == finding.instead;
    let index = before.iter().position(|earlier| same(earlier[0]) && earlier[0].waived.is_none())?;
    let earlier = before[index][0];
    if index + 1 == before.len() {
        return Some("as above".to_owned());
    }
    let of = earlier.table.as_ref().or(earlier.query.as_ref()).map(|about| format!(" of {about}"));
    Some(format!("as for {}{} above", earlier.code, of.unwrap_or_default()))
}

/// The safe way in SQL, as it can be copied: each step with how it is to be run. Of a long one the begin.
fn steps(steps: &[Step]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let number = if steps.len() > 1 { format!("step {}, ", index + 1) } else { String::new() };
        let how = match step.run {
            Conduct::Transaction => "a migration of its own",
            Conduct::OutsideTransaction => "a migration of its own, outside a transaction",
        };
        lines.push(format!("-- {number}{how}"));
        lines.extend(step.sql.iter().flat_map(|sql| format!("{sql};").lines().map(str::to_owned).collect::<Vec<_>>()));
    }
    if lines.len() > MOST_LINES {
        let left = lines.len() - MOST_LINES + 1;
        lines.truncate(MOST_LINES - 1);
        lines.push(format!("-- {left} more lines: `instead` of this finding in the JSON report"));
    }
    lines.iter().fold(String::new(), |text, line| text + "      " + line + "\n")
}

/// A query with its place: `list orders` (queries/old.sql:4).
fn query(finding: &Finding) -> String {
    let name = finding.query.as_deref().unwrap_or_default();
    place(finding).map_or_else(|| format!("`{name}`"), |place| format!("`{name}` ({place})"))
}

/// `migrations/0002.sql:3`, as editors and terminals open it; the migration where no file is known.
fn place(finding: &Finding) -> Option<String> {
    match (&finding.file, finding.line, &finding.migration) {
        (Some(file), Some(line), _) => Some(format!("{file}:{line}")),
        (Some(file), None, _) => Some(file.clone()),
        (None, line, migration) => {
            // A file that is not known was sent as this message.
            let line = line.map(|line| format!(", line {line} of the message")).unwrap_or_default();
            let version = finding.version.as_ref().map(|version| format!("version {version}"));
            let named = version.or_else(|| migration.as_ref().map(|id| format!("migration {id}")));
            named.map(|named| named + &line)
        }
    }
}
