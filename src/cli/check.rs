//! `rehearsal check`: validates scenarios and prints what would be done; without a server, unless the data is to be tried.

use std::path::{Component, Path, PathBuf};

use tokio::sync::mpsc::unbounded_channel;
use tokio_util::sync::CancellationToken;

use super::progress::Progress;
use super::run::status_of;
use super::{ExitStatus, Printer};
use crate::rehearse::event::Events;
use crate::rehearse::{self, Options, Pending, RehearseError, Trial, Work};
use crate::report::style::shorten;
use crate::run::{Bytes, Rows};
use crate::scenario::{DumpSource, Engine, ProviderWish, Scenario, Tool, TransactionMode, UrlWish, discover};
use crate::snapshot::grow::TRIED;

pub(super) async fn check(
    paths: &[PathBuf],
    data: bool,
    provider: Option<ProviderWish>,
    printer: &Printer,
    cancel: &CancellationToken,
) -> anyhow::Result<ExitStatus> {
    let paths = discover(paths)?;
    let width = printer.style().width;
    let (mut valid, mut failed) = (0, ExitStatus::Pass);
    for path in &paths {
        let scenario = match Scenario::load(path) {
            Ok(scenario) => scenario,
            Err(error) => {
                printer.diagnostics(&error);
                continue;
            }
        };
        let text = match describe(&scenario, width) {
            Ok(text) => text,
            Err(error) => {
                printer.failure(&error, false);
                continue;
            }
        };
        let grows = grows(&scenario);
        printer.result(&(text + if grows && !data { NOT_TRIED } else { "" } + "\n"));
        match if grows && data { self::data(&scenario, provider, printer, cancel).await } else { Ok(true) } {
            Ok(can_be_made) => valid += usize::from(can_be_made),
            Err(error) => {
                printer.failure(&error, false);
                failed = failed.or_worse(status_of(&error));
                if cancel.is_cancelled() {
                    break;
                }
            }
        }
    }
    if failed != ExitStatus::Pass {
        return Ok(failed);
    }
    printer.result(&summary(valid, paths.len()));
    Ok(if valid == paths.len() { ExitStatus::Pass } else { ExitStatus::Usage })
}

const NOT_TRIED: &str =
    "  data        not tried: `check --data` starts a server and says whether these tables can be grown\n";

fn grows(scenario: &Scenario) -> bool {
    !scenario.snapshot.tables.is_empty() || scenario.snapshot.profile.is_some()
}

/// Tries to make the data, and tells what cannot be made; whether all can.
async fn data(
    scenario: &Scenario,
    provider: Option<ProviderWish>,
    printer: &Printer,
    cancel: &CancellationToken,
) -> Result<bool, RehearseError> {
    let options = Options { provider, cache: true, ..Options::default() };
    let (sender, mut receiver) = unbounded_channel();
    let events = Events::new(sender);
    let listen = async {
        let mut progress = Progress::new(printer, false);
        while let Some(event) = receiver.recv().await {
            progress.listen(&event);
        }
    };
    let work = async {
        let result = rehearse::trial(scenario, &options, &events, cancel).await;
        drop(events);
        result
    };
    let (trial, ()) = tokio::join!(work, listen);
    let problems = match trial? {
        Trial::Kept(name) => {
            printer.result(&format!("  data        kept already: the prepared snapshot {name}\n"));
            return Ok(true);
        }
        Trial::Tried(problems) => problems,
    };
    for problem in &problems {
        printer.error(problem);
    }
    if problems.is_empty() {
        let most = Rows(TRIED);
        printer.result(&format!("  data        can be made, as far as {most} of each table tell\n"));
    }
    Ok(problems.is_empty())
}

/// The closing line.
fn summary(valid: usize, all: usize) -> String {
    match (valid, all) {
        (1, 1) => "the scenario is valid".to_owned(),
        (0, 1) => "the scenario is not valid".to_owned(),
        (valid, all) if valid == all => format!("{all} scenarios are valid"),
        (valid, all) => format!("{valid} of {all} scenarios are valid"),
    }
}

/// What would be done, in the order in which it would be.
fn describe(scenario: &Scenario, width: usize) -> Result<String, RehearseError> {
    let work = rehearse::work(scenario)?;
    let sets = rehearse::query_sets(scenario)?;
    crate::snapshot::profile(scenario.engine, &scenario.snapshot)?;
    let mut lines = vec![format!("{}  ({})", scenario.title, from_here(&scenario.path).display())];
    lines.push(format!("  server      {}", server(scenario)));
    lines.push(format!("  snapshot    {}", snapshot(scenario)));
    lines.push(format!("  queries     {} old, {} new", sets.old.len(), sets.new.len()));
    match &work {
        Work::Command { command } => lines.push(format!("  migrations  by `{command}`")),
        Work::Files(files) => {
            lines.push(format!("  migrations  {}", pending(scenario, files.len())));
            lines.extend(files.iter().flat_map(|pending| file(pending, width)));
        }
    }
    Ok(lines.join("\n") + "\n")
}

fn server(scenario: &Scenario) -> String {
    let wish = &scenario.server;
    let version = wish.version.as_deref().map_or_else(String::new, |version| format!(" {version}"));
    let provider = match (wish.provider, &wish.image) {
        (_, Some(image)) => format!("container {image}"),
        (ProviderWish::Auto, None) => "container if Docker has one, else local".to_owned(),
        (ProviderWish::Container, None) => "container".to_owned(),
        (ProviderWish::Local, None) => "local".to_owned(),
        (ProviderWish::External, None) => match wish.external.as_ref().map(|external| &external.url) {
            Some(UrlWish::Variable(name)) => format!("the one that {name} names"),
            Some(UrlWish::Written(url)) => url.clone(),
            None => "external".to_owned(),
        },
        (ProviderWish::Command, None) => {
            let up = wish.command.as_ref().map_or("up", |command| command.up.as_str());
            format!("made by `{up}`")
        }
    };
    let settings: Vec<String> = wish.settings.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    let settings = if settings.is_empty() { String::new() } else { format!(", {}", settings.join(", ")) };
    format!("{}{version}, {provider}{settings}", scenario.engine)
}

fn snapshot(scenario: &Scenario) -> String {
    let restored = scenario.snapshot.restore.iter().map(|dump| match &dump.from {
        DumpSource::File(path) if path.is_dir() => format!("{} (a folder)", from_here(path).display()),
        DumpSource::File(path) => {
            let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
            format!("{} ({})", from_here(path).display(), Bytes(bytes))
        }
        DumpSource::Command { command, .. } => format!("what `{command}` writes"),
    });
    let after = scenario.snapshot.after.iter().map(|path| format!("then {}", from_here(path).display()));
    let made =
        scenario.snapshot.profile.iter().map(|profile| format!("{} (a profile)", from_here(&profile.path).display()));
    let grown = scenario.snapshot.tables.iter().map(|table| format!("{} to {}", table.name, Rows(table.rows)));
    let all: Vec<String> = restored.chain(after).chain(made).chain(grown).collect();
    if all.is_empty() { "empty".to_owned() } else { all.join(", ") }
}

/// A file as it is named from the current folder; in full if the two have no folder in common.
fn from_here(path: &Path) -> PathBuf {
    let (Ok(full), Ok(here)) = (path.canonicalize(), Path::new(".").canonicalize()) else { return path.to_owned() };
    let common = full.components().zip(here.components()).take_while(|(a, b)| a == b).count();
    if common <= 1 {
        return full;
    }
    let up = here.components().skip(common).map(|_| Component::ParentDir);
    up.chain(full.components().skip(common)).collect()
}

fn pending(scenario: &Scenario, count: usize) -> String {
    let after = scenario.migrations.applied_through.as_deref();
    // Data that is restored may have a history table, which only a run reads.
    let or_fewer =
        if scenario.snapshot.restore.is_empty() { "" } else { " (less what a history table in the data lists)" };
    let after = after.map_or_else(|| or_fewer.to_owned(), |version| format!(" after {version}"));
    let mode = match &scenario.migrations.tool {
        Tool::Sql { .. } if scenario.engine != Engine::Postgres => "sent as they are written",
        Tool::Sql { transaction: TransactionMode::File, .. } => "a transaction for each file",
        Tool::Sql { transaction: TransactionMode::Statement, .. } => "a transaction for each statement",
        Tool::Sql { transaction: TransactionMode::None, .. } => "in autocommit",
        Tool::Command { .. } => "by a command",
    };
    format!("{count} pending{after}, {mode}")
}

fn file(pending: &Pending, width: usize) -> Vec<String> {
    let mut lines = vec![format!("    {}", pending.file.name)];
    lines.extend(pending.plan.notes.iter().map(|note| format!("      note: {note}")));
    for group in &pending.plan.groups {
        let last = group.statements.len().saturating_sub(1);
        for (place, statement) in group.statements.iter().enumerate() {
            let mark = match (group.transaction, place) {
                (false, _) => ' ',
                (true, 0) if last == 0 => '[',
                (true, 0) => '┌',
                (true, place) if place == last => '└',
                (true, _) => '│',
            };
            let sql = statement.text.split_whitespace().collect::<Vec<_>>().join(" ");
            lines.push(shorten(&format!("      {mark} {:>4}  {sql}", statement.line), width));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalogue_is_told_as_one_reads_it() {
        let path = Path::new("scenarios/postgres/add-foreign-key/scenario.toml");
        let text = describe(&Scenario::load(path).expect("it is checked in"), 60).expect("it can be rehearsed");
        assert!(text.contains("  snapshot    scenarios/postgres/shop.sql (2."), "{text}");
        assert!(text.contains(" kB), order_items to 300,000 rows\n"), "{text}");
        assert!(text.contains("\n      ┌    1  SET lock_timeout = '2s'\n      └    2  ALTER TABLE order_items ADD CONSTRAINT order_…\n"), "{text}");
    }

    #[test]
    fn files_of_mysql_are_shown_without_transactions() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
        write("scenario.toml", "title = \"T\"\nengine = \"mysql\"\n[migrations]\npath = \"1_change.sql\"\n");
        write(
            "1_change.sql",
            "BEGIN;\nUPDATE t SET a = 1;\nALTER TABLE t\n  ADD b int;\nCREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END;\n",
        );
        let scenario = Scenario::load(&folder.path().join("scenario.toml")).expect("it is valid");
        let text = describe(&scenario, 100).expect("it can be rehearsed");
        let expected = "  migrations  1 pending, sent as they are written
    1_change
      note: Line 3: this ALTER TABLE commits the transaction that begins in line 1; no ROLLBACK can undo what comes before it.
           1  BEGIN
           2  UPDATE t SET a = 1
           3  ALTER TABLE t ADD b int
           5  CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END
";
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn files_are_named_from_the_current_folder_without_detours() {
        let folder = Path::new(".").canonicalize().expect("it is there");
        let name = folder.file_name().expect("it has a name");
        for (path, shown) in [
            (Path::new("./src/../Cargo.toml").to_owned(), "Cargo.toml"),
            (Path::new("..").join(name).join("src/cli"), "src/cli"),
            (folder.join("src"), "src"),
            (Path::new("..").to_owned(), ".."),
            (Path::new("/proc/../dev").to_owned(), "/dev"),
            (Path::new("not/../there").to_owned(), "not/../there"),
        ] {
            assert_eq!(from_here(&path), Path::new(shown), "{path:?}");
        }
    }

    #[test]
    fn the_closing_line_counts() {
        for ((valid, all), line) in [
            ((1, 1), "the scenario is valid"),
            ((0, 1), "the scenario is not valid"),
            ((19, 19), "19 scenarios are valid"),
            ((18, 19), "18 of 19 scenarios are valid"),
        ] {
            assert_eq!(summary(valid, all), line);
        }
    }
}
