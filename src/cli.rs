//! The command line: what can be said, and one file for each subcommand.

mod check;
mod doctor;
mod explain;
mod printer;
mod profile;
mod progress;
mod report;
mod run;
mod snapshot;
mod sweep;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use tokio_util::sync::CancellationToken;

use crate::report::Request;
use crate::scenario::{Engine, ProviderWish, duration};
pub use printer::Printer;

/// How the program ends, for whoever started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// 0: the verdict is pass, or the expectations of the scenario were met.
    Pass,
    /// 1: the verdict is fail, or an expectation was not met.
    Fail,
    /// 2: the command line or the scenario is wrong.
    Usage,
    /// 3: the environment failed: no server, no Docker, disk full, restore failed.
    Environment,
    /// 4: the measurement cannot be trusted or is incomplete.
    Untrusted,
    /// 130: interrupted; the part that was done is reported.
    Interrupted,
}

impl ExitStatus {
    /// The number that the operating system is given.
    pub fn code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Fail => 1,
            Self::Usage => 2,
            Self::Environment => 3,
            Self::Untrusted => 4,
            Self::Interrupted => 130,
        }
    }

    /// Of two, the one that the user must hear of first.
    fn or_worse(self, other: Self) -> Self {
        let weight = |status| match status {
            Self::Pass => 0,
            Self::Fail => 1,
            Self::Untrusted => 2,
            Self::Environment => 3,
            Self::Usage => 4,
            Self::Interrupted => 5,
        };
        if weight(other) > weight(self) { other } else { self }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}

/// Run a database migration before production does, and see what it locks, blocks, rewrites and breaks.
#[derive(Debug, Parser)]
#[command(name = "rehearsal", version, after_help = EXIT_CODES, propagate_version = true)]
pub struct Arguments {
    /// Say nothing but results and errors.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Log what is done, to standard error (REHEARSAL_LOG takes a finer filter).
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    the verdict is pass
  1    the verdict is fail (a migration that fails on the data is a verdict, too)
  2    the command line or the scenario is wrong
  3    the environment failed: no server, no Docker, disk full, restore failed
  4    the measurement cannot be trusted or is incomplete
  130  interrupted; the part that was done is reported";

#[derive(Debug, Subcommand)]
enum Command {
    /// Rehearse scenarios: start a scratch server, fill it, migrate, measure, judge
    Run(RunArguments),
    /// Validate scenarios without a server; list pending migrations and their statements
    Check {
        /// Scenario files, or folders that have them
        #[arg(required = true, value_name = "SCENARIO")]
        scenarios: Vec<PathBuf>,
        /// Also start a scratch server, and say of every table that shall grow what cannot be made
        #[arg(long)]
        data: bool,
        /// How to get that server, against what the scenario says
        #[arg(long, value_enum, requires = "data")]
        provider: Option<ProviderWish>,
    },
    /// Write down what the statistics of a production database say of its tables, for `[snapshot.profile]`
    #[command(after_long_help = PROFILE_READS)]
    Profile(ProfileArguments),
    /// Render a saved run again
    Report {
        /// A run.json
        #[arg(value_name = "RUN.json")]
        run: PathBuf,
        /// Where to, and in which format (text, json); `-` is standard output
        #[arg(long, value_name = "FORMAT=PATH")]
        report: Vec<Request>,
    },
    /// What a finding means, how it is measured, what to do instead
    Explain {
        /// The finding (`table-rewrite`); all of them are listed without one
        #[arg(value_name = "CODE")]
        code: Option<String>,
    },
    /// The prepared snapshots that are kept on this machine
    #[command(subcommand)]
    Snapshot(snapshot::SnapshotCommand),
    /// Which providers and server versions can be used here, and why not
    Doctor(DoctorArguments),
    /// Remove what killed runs left
    Sweep,
}

const PROFILE_READS: &str = "\
What is read, of PostgreSQL: pg_class, pg_attribute, pg_index, pg_constraint and pg_stats, and the sizes of tables and indexes,
in one transaction that may not write; then the schema, by pg_dump --schema-only of this machine. Every lock is ACCESS SHARE.
Of MySQL: information_schema (TABLES, COLUMNS, COLUMN_STATISTICS, STATISTICS, KEY_COLUMN_USAGE), mysql.innodb_index_stats
and SHOW CREATE TABLE, in a session that may not write.
No row of a table is read. The role needs SELECT on the tables; others are left out. Another machine is spoken to with TLS
(?sslmode=verify-full with sslrootcert checks who it is); to MySQL there is none, so go through a tunnel.";

/// What `rehearsal profile` takes.
#[derive(Debug, Args)]
struct ProfileArguments {
    /// The variable that holds the server's URL: env:PRODUCTION_URL
    #[arg(long, value_name = "env:NAME")]
    url: String,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Which values of the statistics are kept
    #[arg(long, value_enum, default_value_t)]
    values: crate::profile::Keep,
    /// Only these tables (`orders`, `shop.orders`), separated by commas
    #[arg(long, value_name = "TABLE", value_delimiter = ',')]
    tables: Vec<String>,
    /// A plain dump of the schema, in the place of what pg_dump says
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// How long a statement, a wait for a lock, and pg_dump may take
    #[arg(long, value_name = "DURATION", value_parser = timeout, default_value = "30s")]
    statement_timeout: Duration,
}

/// What `rehearsal doctor` takes.
#[derive(Debug, Args)]
struct DoctorArguments {
    /// Hold known locks on scratch servers, and tell how far off the figures are here (about 15 s a server; 4 if too far)
    #[arg(long)]
    self_test: bool,
    /// Only servers of this engine
    #[arg(long, value_enum, requires = "self_test")]
    engine: Option<Engine>,
    /// Only servers that are had so
    #[arg(long, value_enum, requires = "self_test")]
    provider: Option<ProviderWish>,
}

/// What `rehearsal run` takes.
#[derive(Debug, Args)]
struct RunArguments {
    /// Scenario files, or folders that have them
    #[arg(required = true, value_name = "SCENARIO")]
    scenarios: Vec<PathBuf>,
    /// How to get the scratch server, against what the scenario says
    #[arg(long, value_enum)]
    provider: Option<ProviderWish>,
    /// Write a report: text or json, to a file or (`-`) to standard output; may be given several times
    #[arg(long, value_name = "FORMAT=PATH")]
    report: Vec<Request>,
    /// Write the record of each run into this folder (`run.json`, or the scenario's name if there are several)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Multiply every number of rows that a scenario wishes
    #[arg(long, value_name = "F", value_parser = positive)]
    rows_scale: Option<f64>,
    /// Stop a migration that takes longer than this (`90s`, `10m`), against what the scenario says
    #[arg(long, value_name = "DURATION", value_parser = timeout)]
    timeout: Option<Duration>,
    /// With 2, migrate once more on a second server, with probes that feel how long readers and writers wait and messages of
    /// several statements taken apart; without a number, where its data is cloned or made in a moment and there is something
    /// to be felt
    #[arg(long, value_name = "1|2", env = "REHEARSAL_PASSES", value_parser = clap::value_parser!(u8).range(1..=2))]
    passes: Option<u8>,
    /// Leave the server running, and say how to reach it
    #[arg(long)]
    keep: bool,
    /// Make the data anew, whatever is kept, and keep nothing
    #[arg(long)]
    no_cache: bool,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if factor > 0.0 && factor.is_finite() => Ok(factor),
        _ => Err("a number greater than 0".to_owned()),
    }
}

fn timeout(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Ok(timeout) if timeout.is_zero() => Err("it must be longer than nothing".to_owned()),
        Ok(timeout) => Ok(timeout),
        Err(why) => Err(why.to_string()),
    }
}

/// Runs one command.
///
/// # Errors
/// When the command line or what it names is wrong; everything else is a status.
pub async fn execute(arguments: Arguments, printer: &Printer) -> anyhow::Result<ExitStatus> {
    let cancel = CancellationToken::new();
    match arguments.command {
        Command::Run(run) => {
            cancel_on_signals(&cancel);
            Box::pin(run::run(&run, printer, &cancel)).await
        }
        Command::Check { scenarios, data, provider } => {
            cancel_on_signals(&cancel);
            Box::pin(check::check(&scenarios, data, provider, printer, &cancel)).await
        }
        Command::Profile(arguments) => {
            cancel_on_signals(&cancel);
            profile::profile(&arguments, printer, &cancel).await
        }
        Command::Report { run, report } => report::report(&run, &report, printer),
        Command::Explain { code } => explain::explain(code.as_deref(), printer),
        Command::Snapshot(command) => {
            cancel_on_signals(&cancel);
            Box::pin(snapshot::snapshot(&command, printer, &cancel)).await
        }
        Command::Doctor(DoctorArguments { self_test: true, engine, provider }) => {
            cancel_on_signals(&cancel);
            Ok(Box::pin(doctor::self_test::self_test(engine, provider, printer, &cancel)).await)
        }
        Command::Doctor(_) => Ok(doctor::doctor(printer).await),
        Command::Sweep => Ok(sweep::sweep(printer).await),
    }
}

/// The first Ctrl-C or SIGTERM cancels, so that servers are stopped and the part that was done is reported; the
/// second ends the program at once.
fn cancel_on_signals(cancel: &CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let cancel = cancel.clone();
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        tracing::warn!("signals cannot be caught: Ctrl-C will leave the scratch server to `rehearsal sweep`");
        return;
    };
    tokio::spawn(async move {
        for first in [true, false] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if first {
                cancel.cancel();
            } else {
                #[expect(clippy::exit, reason = "the user asked twice")]
                std::process::exit(i32::from(ExitStatus::Interrupted.code()));
            }
        }
    });
}
