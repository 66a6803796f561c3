//! What is pending once the data is there: files that a history table in it lists are applied already.

use super::event::Events;
use super::{RehearseError, Work};
use crate::migration::files::MigrationFile;
use crate::migration::history::baseline::{self, Baseline};
use crate::scenario::{Scenario, Tool};
use crate::server::Server;

/// More names than this are counted and not told.
const MOST_NAMES: usize = 5;

/// Leaves out the files that the data has, where the scenario does not say which these are.
pub(super) async fn pending(
    scenario: &Scenario,
    events: &Events,
    server: &Server,
    work: Work,
) -> Result<Work, RehearseError> {
    let Work::Files(mut files) = work else { return Ok(work) };
    if scenario.migrations.applied_through.is_some() || files.is_empty() {
        return Ok(Work::Files(files));
    }
    let all: Vec<&MigrationFile> = files.iter().map(|pending| &pending.file).collect();
    let (telling, other) = baseline::read(&server.access(server.database()), &all).await?;
    match (telling, other) {
        (Some(baseline), _) => {
            events.note(told(&baseline, &all));
            if let Some(refused) = refused(&baseline) {
                events.note(refused);
            }
            files.retain(|pending| !baseline.has(&pending.file));
        }
        (None, Some(other)) => {
            let place = match &scenario.migrations.tool {
                Tool::Sql { path, .. } => path.strip_prefix(&scenario.folder).unwrap_or(path).display().to_string(),
                Tool::Command { .. } => String::new(),
            };
            events.note(format!(
                "{} ({}) in the data lists {}, none of which is in {place}: all files there are pending",
                other.table,
                other.tool,
                counted(other.len(), "migration"),
            ));
        }
        (None, None) => {}
    }
    Ok(Work::Files(files))
}

/// Which files are pending by the table, in a sentence.
fn told(baseline: &Baseline, files: &[&MigrationFile]) -> String {
    let (has, pending): (Vec<&MigrationFile>, Vec<&MigrationFile>) = files.iter().partition(|file| baseline.has(file));
    let last = has.last().map_or("", |file| file.name.as_str());
    let names: Vec<&str> = pending.iter().take(MOST_NAMES).map(|file| file.name.as_str()).collect();
    let more = pending.len().saturating_sub(MOST_NAMES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let rest =
        if names.is_empty() { "none is pending".to_owned() } else { format!("pending: {}{more}", names.join(", ")) };
    let place = |wanted: &str| files.iter().position(|file| file.name == wanted);
    let late = pending.iter().map(|file| file.name.as_str()).find(|name| place(name) < place(last));
    let late = late.map(|first| {
        format!(
            ". {first} comes before some that it has, and is applied all the same; goose and Flyway would refuse that"
        )
    });
    format!(
        "by {} ({}) the data has {} of {}, the last of them {last}; {rest}{}",
        baseline.table,
        baseline.tool,
        has.len(),
        counted(files.len(), "migration"),
        late.unwrap_or_default(),
    )
}

/// What the tool itself would not go on from.
fn refused(baseline: &Baseline) -> Option<String> {
    (!baseline.unfinished.is_empty()).then(|| {
        format!(
            "{} marks {} as begun and not ended: {} itself would refuse to go on until that is put right",
            baseline.table,
            baseline.unfinished.join(", "),
            baseline.tool,
        )
    })
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
