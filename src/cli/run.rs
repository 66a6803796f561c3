//! `rehearsal run`: rehearses scenarios, judges the records, writes the reports.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tokio::sync::mpsc::unbounded_channel;
use tokio_util::sync::CancellationToken;

use super::progress::Progress;
use super::{ExitStatus, Printer, RunArguments};
use crate::migration::history::baseline::BaselineError;
use crate::query::QueryError;
use crate::rehearse::event::Events;
use crate::rehearse::{Options, Passes, RehearseError, rehearse};
use crate::report::{self, Format, Request, Style};
use crate::run::{Completion, Run, Status, builder::Builder};
use crate::scenario::{Scenario, discover};
use crate::snapshot::store::StoreError;
use crate::verdict;

pub(super) async fn run(
    arguments: &RunArguments,
    printer: &Printer,
    cancel: &CancellationToken,
) -> anyhow::Result<ExitStatus> {
    let files = discover(&arguments.scenarios)?;
    let single = files.len() == 1;
    if !single && !arguments.report.is_empty() {
        bail!("--report writes one run, and {} scenarios were found: use --out DIR", files.len());
    }
    if !single && arguments.keep {
        bail!("--keep keeps one server, and {} scenarios were found", files.len());
    }
    let outputs = Outputs::open(arguments, &files)?;
    let options = Options {
        provider: arguments.provider,
        rows_scale: arguments.rows_scale,
        keep: arguments.keep,
        passes: match arguments.passes {
            None => Passes::IfCheap,
            Some(1) => Passes::One,
            Some(_) => Passes::Two,
        },
        cache: !arguments.no_cache,
    };
    let mut worst = ExitStatus::Pass;
    let (mut met, mut ran) = (0, 0);
    for (file, outputs) in files.iter().zip(outputs) {
        let scenario = match Scenario::load(file) {
            Ok(mut scenario) => {
                scenario.migrations.timeout = arguments.timeout.unwrap_or(scenario.migrations.timeout);
                scenario
            }
            Err(error) => {
                printer.diagnostics(&error);
                worst = worst.or_worse(ExitStatus::Usage);
                continue;
            }
        };
        let (run, error) = Box::pin(one(&scenario, &options, single, printer, cancel)).await;
        // Also where it was asked for while the server was being stopped, and the record is complete.
        let error = error.or_else(|| cancel.is_cancelled().then_some(RehearseError::Interrupted));
        let status = tell(&scenario, &run, error.as_ref(), single, outputs.on_stdout, printer);
        outputs.write(&run, printer)?;
        ran += 1;
        met += usize::from(status == ExitStatus::Pass);
        worst = worst.or_worse(status);
        if status == ExitStatus::Interrupted {
            break;
        }
    }
    if !single {
        let not_run = match files.len() - ran {
            0 => String::new(),
            count => format!(", {count} not run"),
        };
        printer.result(&format!("{met} of {} ok{not_run}", files.len()));
    }
    Ok(worst)
}

/// Rehearses one scenario, showing its progress, and judges the record.
async fn one(
    scenario: &Scenario,
    options: &Options,
    single: bool,
    printer: &Printer,
    cancel: &CancellationToken,
) -> (Run, Option<RehearseError>) {
    let (sender, mut receiver) = unbounded_channel();
    let events = Events::new(sender);
    let mut builder = Builder::new(scenario);
    let listen = async {
        let mut progress = Progress::new(printer, single);
        while let Some(event) = receiver.recv().await {
            builder.listen(&event);
            progress.listen(&event);
        }
    };
    let work = async {
        let result = Box::pin(rehearse(scenario, options, &events, cancel)).await;
        // The listeners end when nobody can send any more.
        drop(events);
        result
    };
    let (result, ()) = tokio::join!(work, listen);
    let completion = match &result {
        Ok(()) | Err(RehearseError::NotRemoved(_)) => Completion::Complete,
        Err(RehearseError::Interrupted) => Completion::Interrupted,
        Err(error) => Completion::Failed(error.to_string()),
    };
    // As it is saved, to the microsecond: what is judged and shown now is what a saved record would be.
    let measured = builder.finish(completion);
    let mut run = Run::from_json(&measured.to_json()).unwrap_or(measured);
    (run.findings, run.verdict) = verdict::judge(&run);
    (run, result.err())
}

/// Shows what came out, and says how the program is to end because of it.
fn tell(
    scenario: &Scenario,
    run: &Run,
    error: Option<&RehearseError>,
    single: bool,
    on_stdout: Option<Format>,
    printer: &Printer,
) -> ExitStatus {
    let measured = run.verdict.is_some() || run.server.is_some();
    if single && measured {
        let text = report::text::render(run, printer.style());
        match on_stdout {
            None => printer.result(&text),
            Some(Format::Json) => printer.status(&text),
            // It is what was asked for, and follows.
            Some(Format::Text) => {}
        }
    }
    let mismatches = scenario.expect.as_ref().map(|expect| verdict::expectation(expect, run));
    if !single {
        let mark = match &mismatches {
            _ if error.is_some() => "error",
            Some(mismatches) if mismatches.is_empty() => "ok",
            Some(_) => "wrong",
            None => "",
        };
        printer.result(&format!("{mark:<6} {}", report::line(run)));
    }
    if let Some(error) = error {
        // The end of a log that the report has shown is not shown again.
        printer.failure(error, single && measured);
        return status_of(error);
    }
    match mismatches {
        None if run.verdict.as_ref().is_some_and(|verdict| verdict.status == Status::Pass) => ExitStatus::Pass,
        None => ExitStatus::Fail,
        Some(mismatches) if mismatches.is_empty() => {
            if single {
                printer.status("this is what the scenario expects");
            }
            ExitStatus::Pass
        }
        Some(mismatches) => {
            let list: Vec<String> = mismatches.iter().map(|mismatch| format!("\n  {mismatch}")).collect();
            printer.error(&format!(
                "{} expects something else (edit its [expect] if this is right):{}",
                scenario.path.display(),
                list.concat()
            ));
            ExitStatus::Fail
        }
    }
}

pub(super) fn status_of(error: &RehearseError) -> ExitStatus {
    match error {
        RehearseError::Files(_)
        | RehearseError::Plan { .. }
        | RehearseError::Read { .. }
        | RehearseError::Queries(_)
        | RehearseError::Query(QueryError::OldFailsBefore(..))
        | RehearseError::NothingToPrepare(_)
        | RehearseError::Baseline(BaselineError::Several { .. })
        | RehearseError::Store(StoreError::Limit(_)) => ExitStatus::Usage,
        RehearseError::Snapshot(error) if error.is_the_scenarios() => ExitStatus::Usage,
        RehearseError::Server(error) if error.is_usage() => ExitStatus::Usage,
        RehearseError::Query(_)
        | RehearseError::Baseline(_)
        | RehearseError::Server(_)
        | RehearseError::NotRemoved(_)
        | RehearseError::ServerGone { .. }
        | RehearseError::DiskFull { .. }
        | RehearseError::Snapshot(_)
        | RehearseError::Store(_)
        | RehearseError::Prepared { .. }
        | RehearseError::Tap(_) => ExitStatus::Environment,
        RehearseError::Observe(_) | RehearseError::Probe(_) | RehearseError::Untrusted(_) => ExitStatus::Untrusted,
        RehearseError::Interrupted => ExitStatus::Interrupted,
    }
}

/// Where the reports of one run go. Opened before the run, so that a wrong path is known at once.
struct Outputs {
    targets: Vec<(Request, report::target::Opened)>,
    /// What standard output was asked for.
    on_stdout: Option<Format>,
}

impl Outputs {
    fn open(arguments: &RunArguments, files: &[PathBuf]) -> anyhow::Result<Vec<Self>> {
        let mut taken = BTreeSet::new();
        files
            .iter()
            .map(|file| {
                let mut targets = arguments.report.clone();
                if let Some(folder) = &arguments.out {
                    std::fs::create_dir_all(folder).with_context(|| format!("--out {}", folder.display()))?;
                    let name = if files.len() == 1 { "run".to_owned() } else { free_name(file, &mut taken) };
                    targets.push(Request::json(folder.join(format!("{name}.json"))));
                }
                let mut on_stdout = targets.iter().filter(|target| target.is_stdout());
                let first = on_stdout.next().map(|target| target.format);
                if on_stdout.next().is_some() {
                    bail!("two reports cannot both go to standard output: name a file for one of them");
                }
                let targets = targets.into_iter().map(|target| {
                    let opened = target.open()?;
                    Ok((target, opened))
                });
                Ok(Self { targets: targets.collect::<anyhow::Result<_>>()?, on_stdout: first })
            })
            .collect()
    }

    fn write(self, run: &Run, printer: &Printer) -> anyhow::Result<()> {
        for (target, opened) in self.targets {
            let text = report::render(run, target.format, Style::default());
            match opened.write(&text)? {
                None => {}
                Some(text) => printer.result(&text),
            }
        }
        Ok(())
    }
}

/// A name that no other record of this run has: `a-b.toml` and `a/b.toml` must not overwrite each other.
fn free_name(file: &Path, taken: &mut BTreeSet<String>) -> String {
    let name = name(file);
    let numbered = (2..).map(|count| format!("{name}-{count}"));
    let free = std::iter::once(name.clone()).chain(numbered).find(|name| taken.insert(name.clone()));
    free.unwrap_or(name)
}

/// What a scenario's record is called among others: its folders from here on, joined.
fn name(file: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let parts: Vec<String> = file
        .strip_prefix(here)
        .unwrap_or(file)
        .with_extension("")
        .components()
        .filter_map(|part| match part {
            std::path::Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
            _ => None,
        })
        .filter(|name| name != "scenario")
        .collect();
    parts.join("-")
}
