//! The first lines: may this be deployed, in what order, and why.

use super::super::style::{Style, Tone};
use super::lines;
use crate::run::{Class, Completion, Deploy, Finding, MigrationStatus, Millis, Run, Severity, Status, Verdict};

/// More reasons than this are counted and not shown.
const MOST_REASONS: usize = 8;

/// Whether the run was cut short, then the verdict, the scenario, and the reasons.
pub(super) fn section(run: &Run, style: Style) -> String {
    let mut text = Vec::new();
    if let Some(why) = incomplete(run) {
        // The sentence goes on before what a server or a program may have said.
        let (why, said) = why.split_once('\n').unwrap_or((&why, ""));
        let sentence = style.wrap(0, &format!("{why}; what follows was measured until then"));
        let (to_do, output): (Vec<&str>, Vec<&str>) = said.lines().partition(|line| !line.starts_with("  | "));
        let to_do: String = to_do.iter().map(|line| style.wrap(2, line)).collect();
        let output = style.wrap(0, &format!("\n{}", output.join("\n")));
        text.push(style.paint(Tone::Bad, (sentence + &to_do + &output).trim_end()));
    }
    text.push(answer(run, style));
    text.push(style.paint(Tone::Strong, &run.scenario.title) + &format!(" ({})", run.scenario.path));
    text.push(format!("{}; {}", counts(run), applied(run)));
    let reasons: Vec<&String> = run.verdict.iter().flat_map(|verdict| &verdict.reasons).collect();
    let shown = reasons.iter().take(MOST_REASONS).map(|reason| style.wrap(2, &format!("- {reason}")));
    text.extend(shown.map(|reason| reason.trim_end().to_owned()));
    if reasons.len() > MOST_REASONS {
        text.push(format!("  - and {} more reasons (in the JSON report)", reasons.len() - MOST_REASONS));
    }
    lines(&text)
}

/// That a run was cut short, and why: `INTERRUPTED`, or `NOT COMPLETE: the dump could not be restored`.
pub(in crate::report) fn incomplete(run: &Run) -> Option<String> {
    match &run.completion {
        Completion::Complete => None,
        Completion::Interrupted => Some("INTERRUPTED".to_owned()),
        Completion::Failed(why) => Some(format!("NOT COMPLETE: {why}")),
    }
}

fn answer(run: &Run, style: Style) -> String {
    let Some(verdict) = &run.verdict else {
        let why = if run.completion == Completion::Complete { "not judged" } else { "not enough was measured for one" };
        return format!("{}  {why}", style.paint(Tone::Doubtful, "NO VERDICT"));
    };
    let (tone, status) = match verdict.status {
        Status::Pass => (Tone::Good, "PASS"),
        Status::Fail => (Tone::Bad, "FAIL"),
    };
    format!("{}  {}", style.paint(tone, status), class_and_order(run, verdict))
}

fn class_and_order(run: &Run, verdict: &Verdict) -> String {
    match (verdict.class, missing(run)) {
        (Some(known), _) => format!("{}; {}", class(known), deploy(run, verdict)),
        (None, Some(missing)) => format!("class and deploy order not known: {missing}"),
        (None, None) => format!("class not known; {}", deploy(run, verdict)),
    }
}

/// Which migration is to blame for what is not known: the first that failed, or else was not run.
fn missing(run: &Run) -> Option<String> {
    let first = |status| run.migrations.iter().find(|migration| migration.status == status);
    let failed = first(MigrationStatus::Failed).map(|migration| format!("{} failed", migration.name));
    failed.or_else(|| Some(format!("{} was not run", first(MigrationStatus::NotRun)?.name)))
}

fn class(class: Class) -> &'static str {
    match class {
        Class::Additive => "additive",
        Class::Destructive => "destructive",
        Class::Slow => "slow (work grows with the table)",
    }
}

fn deploy(run: &Run, verdict: &Verdict) -> String {
    let known = match verdict.deploy {
        Some(Deploy::AnyOrder) => "deploy in any order",
        Some(Deploy::MigrateFirst) => "migrate first, then deploy",
        Some(Deploy::DeployFirst) => "deploy first, and migrate once no old version is left running",
        Some(Deploy::ExpandContract) => "no safe order: split it into expand, deploy, contract",
        Some(Deploy::Broken) => "the new version does not work on the new schema",
        None if run.queries.is_empty() => "deploy order not known: no queries were given",
        None => match missing(run) {
            Some(missing) => return format!("deploy order not known: {missing}"),
            None => "deploy order not known: not every query of both versions was run to the end",
        },
    };
    known.to_owned()
}

/// How many findings of each severity, and how many are waived: `2 errors, 1 warning, 1 waived`, or `no findings`.
pub(in crate::report) fn counts(run: &Run) -> String {
    let counted = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Info, "remark")];
    let counted = counted
        .map(|(severity, noun)| (count(run, |finding| finding.waived.is_none() && finding.severity == severity), noun));
    let waived = count(run, |finding| finding.waived.is_some());
    let mut words: Vec<String> =
        counted.into_iter().filter(|(count, _)| *count > 0).map(|(n, noun)| plural(n, noun)).collect();
    words.extend((waived > 0).then(|| format!("{waived} waived")));
    if words.is_empty() { "no findings".to_owned() } else { words.join(", ") }
}

fn count(run: &Run, counts: impl Fn(&Finding) -> bool) -> usize {
    run.findings.iter().filter(|finding| counts(finding)).count()
}

/// How many migrations were applied, in what time; or, if one failed, after what time that was.
fn applied(run: &Run) -> String {
    let all = run.migrations.len();
    if let Some(failed) = run.migrations.iter().find(|migration| migration.status == MigrationStatus::Failed) {
        let applied = run.migrations.iter().filter(|migration| migration.status == MigrationStatus::Applied).count();
        let applied = if all > 1 { format!("{applied} of {all} migrations applied, ") } else { String::new() };
        let after = failed.duration_ms.map(|took| format!(" after {took}")).unwrap_or_default();
        return format!("{applied}{} failed{after}", failed.name);
    }
    let applied = run.migrations.iter().filter(|migration| migration.status == MigrationStatus::Applied).count();
    let times: Option<Vec<Millis>> = run
        .migrations
        .iter()
        .filter(|migration| migration.status != MigrationStatus::NotRun)
        .map(|migration| migration.duration_ms)
        .collect();
    let took = times
        .filter(|times| !times.is_empty())
        .map(|times| format!(" in {}", times.into_iter().fold(Millis::default(), |sum, time| sum + time)));
    let what =
        if applied == all { plural(all, "migration") } else { format!("{applied} of {}", plural(all, "migration")) };
    format!("{what} applied{}", took.unwrap_or_default())
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
