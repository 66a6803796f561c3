//! `rehearsal snapshot`: the prepared snapshots of this machine.

use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::bail;
use clap::Subcommand;
use tabled::Table;
use tabled::settings::Style;
use tokio::sync::mpsc::unbounded_channel;
use tokio_util::sync::CancellationToken;

use super::progress::Progress;
use super::run::status_of;
use super::{ExitStatus, Printer, positive};
use crate::rehearse::event::Events;
use crate::rehearse::{Options, prepare};
use crate::run::Millis;
use crate::scenario::{ProviderWish, Scenario, discover};
use crate::snapshot::store::{self, Entry};

#[derive(Debug, Subcommand)]
pub(super) enum SnapshotCommand {
    /// Make the data of scenarios, so that every rehearsal on it begins at once
    Prepare {
        /// Scenario files, or folders that have them
        #[arg(required = true, value_name = "SCENARIO")]
        scenarios: Vec<PathBuf>,
        /// How to get the scratch server, against what the scenario says
        #[arg(long, value_enum)]
        provider: Option<ProviderWish>,
        /// Multiply every number of rows that a scenario wishes
        #[arg(long, value_name = "F", value_parser = positive)]
        rows_scale: Option<f64>,
    },
    /// Show what is kept, the one used last first
    List,
    /// Remove prepared snapshots
    Remove {
        /// Names, as `list` shows them, or the beginnings of them
        #[arg(value_name = "SNAPSHOT", required_unless_present = "all")]
        names: Vec<String>,
        /// Remove all of them, and the file system that they may be in
        #[arg(long, conflicts_with = "names")]
        all: bool,
    },
}

pub(super) async fn snapshot(
    command: &SnapshotCommand,
    printer: &Printer,
    cancel: &CancellationToken,
) -> anyhow::Result<ExitStatus> {
    match command {
        SnapshotCommand::Prepare { scenarios, provider, rows_scale } => {
            let options = Options { provider: *provider, rows_scale: *rows_scale, cache: true, ..Options::default() };
            Box::pin(make(scenarios, &options, printer, cancel)).await
        }
        SnapshotCommand::List => {
            list(printer);
            Ok(ExitStatus::Pass)
        }
        SnapshotCommand::Remove { names, all } => remove(names, *all, printer),
    }
}

async fn make(
    scenarios: &[PathBuf],
    options: &Options,
    printer: &Printer,
    cancel: &CancellationToken,
) -> anyhow::Result<ExitStatus> {
    let mut worst = ExitStatus::Pass;
    for file in discover(scenarios)? {
        let scenario = match Scenario::load(&file) {
            Ok(scenario) => scenario,
            Err(error) => {
                printer.diagnostics(&error);
                worst = worst.or_worse(ExitStatus::Usage);
                continue;
            }
        };
        let (sender, mut receiver) = unbounded_channel();
        let events = Events::new(sender);
        let listen = async {
            let mut progress = Progress::new(printer, true);
            while let Some(event) = receiver.recv().await {
                progress.listen(&event);
            }
        };
        let work = async {
            let result = prepare(&scenario, options, &events, cancel).await;
            drop(events);
            result
        };
        let (result, ()) = tokio::join!(work, listen);
        match result {
            Ok((entry, is_new)) => {
                let how = if is_new { "prepared" } else { "kept already" };
                printer.result(&format!("{} {} ({how})", entry.short(), entry.about.title));
            }
            Err(error) => {
                printer.failure(&error, false);
                worst = worst.or_worse(status_of(&error));
                if cancel.is_cancelled() {
                    break;
                }
            }
        }
    }
    Ok(worst)
}

fn list(printer: &Printer) {
    let entries = store::list();
    if entries.is_empty() {
        printer.status("nothing is kept");
        return;
    }
    let now = SystemTime::now();
    let ago = |time: SystemTime| {
        let age = now.duration_since(time).unwrap_or_default();
        match age.as_secs() / 60 {
            0 => "just now".to_owned(),
            minutes @ 1..=119 => format!("{minutes} min ago"),
            minutes if minutes < 48 * 60 => format!("{} h ago", minutes / 60),
            minutes => format!("{} days ago", minutes / 60 / 24),
        }
    };
    let head = ["snapshot", "size", "used", "made in", "server", "for"].map(str::to_owned);
    let rows = entries.iter().map(|entry| {
        let about = &entry.about;
        let server = format!("{} {} ({})", about.server.engine, about.server.version, about.server.provider);
        let Millis(took) = about.took;
        let cells = [megabytes(about.bytes), ago(entry.used), Millis(took).to_string(), server, about.title.clone()];
        std::iter::once(entry.short().to_owned()).chain(cells).collect::<Vec<_>>()
    });
    let mut table = std::iter::once(head.to_vec()).chain(rows).collect::<Table>();
    printer.result(&table.with(Style::blank()).to_string());
    let total: u64 = entries.iter().map(|entry| entry.about.bytes).sum();
    printer.status(&format!("{} in all; {} sets a limit", megabytes(total), store::LIMIT_VARIABLE));
}

fn megabytes(bytes: u64) -> String {
    crate::run::Bytes(bytes).to_string()
}

fn remove(names: &[String], all: bool, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let entries = store::list();
    let mut chosen: Vec<&Entry> = if all { entries.iter().collect() } else { Vec::new() };
    for name in names {
        let fits: Vec<&Entry> = entries.iter().filter(|entry| entry.digest.starts_with(name.as_str())).collect();
        match fits[..] {
            [entry] => chosen.push(entry),
            [] => bail!("no prepared snapshot is called {name}: `rehearsal snapshot list` shows those that there are"),
            _ => bail!("{} prepared snapshots have names that begin with {name}: write more of it", fits.len()),
        }
    }
    let mut status = ExitStatus::Pass;
    for entry in chosen {
        if store::remove(entry)? {
            printer.result(&format!("removed {} {}", entry.short(), entry.about.title));
        } else {
            printer.error(&format!("{} is in use by a run: try again when that has ended", entry.short()));
            status = ExitStatus::Environment;
        }
    }
    if all && status == ExitStatus::Pass && !store::remove_volume() {
        printer.error("the file system of the prepared snapshots is in use by a server: try again when that has ended");
        status = ExitStatus::Environment;
    }
    Ok(status)
}
