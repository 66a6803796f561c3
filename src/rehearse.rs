//! One rehearsal: the stages in order, the events that they send, and who stops them.
//!
//! Everything that can be found wrong without a server is found before one is started. Cancelling drops the stage
//! that is running; the server is then stopped all the same, and what was measured until then stays in the record.

mod baseline;
mod disk;
pub mod event;
mod memory;
mod migrate;
mod passes;
mod ready;
mod second_pass;
mod trial;

use std::path::PathBuf;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use crate::migration::command::Target;
use crate::migration::files::{self, FilesError, MigrationFile};
use crate::migration::history::baseline::BaselineError;
use crate::migration::plan::{self, Plan, PlanError};
use crate::observe::ObserveError;
use crate::observe::probe::ProbeError;
use crate::query::{self, LoadError, QueryError, Sets};
use crate::run::QuerySet;
use crate::scenario::{ProviderWish, Scenario, Tool};
use crate::server::{Server, ServerError, tail};
use crate::snapshot::SnapshotError;
use crate::snapshot::store::{self, Entry, StoreError};
use event::{Event, Events, Stage};
pub use passes::Passes;
use second_pass::Touched;
pub use trial::Trial;

/// What the command line says beside the scenario.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How the server is to be had, against the scenario.
    pub provider: Option<ProviderWish>,
    /// Every wished number of rows is multiplied by this.
    pub rows_scale: Option<f64>,
    /// Leave the server running at the end.
    pub keep: bool,
    /// How often to migrate.
    pub passes: Passes,
    /// Use prepared snapshots, and keep what takes long to make.
    pub cache: bool,
}

/// A pending migration and how it is sent.
#[derive(Debug, Clone)]
pub struct Pending {
    /// The file.
    pub file: MigrationFile,
    /// Its statements in their transactions.
    pub plan: Plan,
}

/// What will be applied.
#[derive(Debug, Clone)]
pub enum Work {
    /// Files, sent by us.
    Files(Vec<Pending>),
    /// One command.
    Command {
        /// Handed to `sh -c`.
        command: String,
    },
}

/// Why a rehearsal did not go to its end.
#[derive(Debug, thiserror::Error)]
pub enum RehearseError {
    /// The folder of migrations.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// A migration file.
    #[error("{}: {source}", path.display())]
    Plan {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        source: PlanError,
    },
    /// A migration file that cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Which of the files the data has.
    #[error(transparent)]
    Baseline(#[from] BaselineError),
    /// A file of queries.
    #[error(transparent)]
    Queries(#[from] LoadError),
    /// Running the queries.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The data.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Where data is kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A server on a clone of data that was kept.
    #[error(
        "{source}\n  it had a clone of the prepared snapshot {snapshot}: `rehearsal snapshot remove {snapshot}` has it made anew"
    )]
    Prepared {
        /// What the snapshot is called.
        snapshot: String,
        /// What failed.
        source: ServerError,
    },
    /// There is nothing that could be kept.
    #[error("{0}")]
    NothingToPrepare(String),
    /// The observer.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// The probes of the second pass.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The tap.
    #[error("the tap could not listen on a port of this machine: {0}")]
    Tap(std::io::Error),
    /// The server went away while it was needed.
    #[error("the scratch server is gone: {how}{log}")]
    ServerGone {
        /// How, as far as that is known, and what to do.
        how: String,
        /// The end of its log, set off.
        log: String,
    },
    /// The server met a disk that is full.
    #[error("the disk of the scratch server is full: make room on {place}, or rehearse on fewer rows (--rows-scale)")]
    DiskFull {
        /// Where the server keeps its data.
        place: String,
    },
    /// All was measured; what was made for it is still there.
    #[error("{0}\n  all was measured before: the record is complete")]
    NotRemoved(ServerError),
    /// What was measured cannot be trusted.
    #[error("the measurement cannot be trusted: {0}")]
    Untrusted(String),
    /// The user stopped it.
    #[error("interrupted")]
    Interrupted,
}

/// Reads what is pending, without a server.
pub fn work(scenario: &Scenario) -> Result<Work, RehearseError> {
    match &scenario.migrations.tool {
        Tool::Command { command, .. } => Ok(Work::Command { command: command.clone() }),
        Tool::Sql { path, transaction } => {
            let files = files::pending(path, scenario.migrations.applied_through.as_deref())?;
            let pending = files.into_iter().map(|file| {
                let read = |source| RehearseError::Read { path: file.path.clone(), source };
                let text = std::fs::read_to_string(&file.path).map_err(read)?;
                let plan = plan::plan(&text, file.transaction.unwrap_or(*transaction), file.layout, &scenario.server)
                    .map_err(|source| RehearseError::Plan { path: file.path.clone(), source })?;
                Ok(Pending { file, plan })
            });
            Ok(Work::Files(pending.collect::<Result<_, RehearseError>>()?))
        }
    }
}

/// Reads the query sets, without a server.
pub fn query_sets(scenario: &Scenario) -> Result<Sets, RehearseError> {
    Ok(Sets {
        old: query::load(scenario.engine, &scenario.queries.old, &scenario.folder, QuerySet::Old)?,
        new: query::load(scenario.engine, &scenario.queries.new, &scenario.folder, QuerySet::New)?,
    })
}

/// Rehearses a scenario. What is measured goes to `events`, also when this returns an error.
pub async fn rehearse(
    scenario: &Scenario,
    options: &Options,
    events: &Events,
    cancel: &CancellationToken,
) -> Result<(), RehearseError> {
    let work = work(scenario)?;
    let sets = query_sets(scenario)?;
    crate::snapshot::profile(scenario.engine, &scenario.snapshot)?;
    let server = Box::pin(ready::server(scenario, options, events, cancel)).await?;
    let second_is_cheap = passes::is_cheap(&server, &ready::scaled(&scenario.snapshot, options.rows_scale));
    let result = while_running(&server, Box::pin(stages(scenario, events, &server, work, sets, cancel))).await;
    let result = explain_loss(result, &server).await;
    let again = result.as_ref().is_ok_and(|(_, touched)| options.passes.again(second_is_cheap, touched));
    let (work, touched) = if options.keep && result.is_ok() {
        events.send(Event::Kept(keep(server)));
        result?
    } else {
        let stopped = stop(server, events).await;
        let ended = unless_failed(result, stopped, events);
        ended.map_err(|error| if again { incomplete(error) } else { error })?
    };
    if again {
        second_pass::run(scenario, options, events, &work, &touched, cancel).await?;
    }
    Ok(())
}

/// Removes everything whose owner is no longer running: servers, containers, halves of prepared snapshots. A server that
/// was kept on purpose (`--keep`) is removed only if `kept` says so. Returns what was removed, a line each, and why
/// containers could not be looked at, if they could not.
pub async fn sweep(kept: bool) -> (Vec<String>, Option<String>) {
    if kept {
        store::mount();
    }
    let (mut removed, containers) = crate::server::sweep::sweep(kept).await;
    removed.extend(store::sweep());
    (removed, containers)
}

/// Makes and keeps the data of a scenario for later rehearsals, unless it is kept already. Returns what is kept, and
/// whether it is new.
pub async fn prepare(
    scenario: &Scenario,
    options: &Options,
    events: &Events,
    cancel: &CancellationToken,
) -> Result<(Entry, bool), RehearseError> {
    Box::pin(ready::prepared(scenario, options, events, cancel)).await
}

/// Tries to make the data of a scenario on a server that is thrown away: everything but the tables that are to grow is
/// made, and of those a few rows.
pub async fn trial(
    scenario: &Scenario,
    options: &Options,
    events: &Events,
    cancel: &CancellationToken,
) -> Result<Trial, RehearseError> {
    Box::pin(trial::trial(scenario, options, events, cancel)).await
}

/// Goes through a stage, and ends what the server leaves running should it end by itself: the stage will notice that it
/// is gone, and say what it lost.
async fn while_running<T>(server: &Server, stage: impl Future<Output = T>) -> T {
    let ended = async {
        server.ended().await;
        std::future::pending().await
    };
    tokio::select! {
        result = stage => result,
        never = ended => never,
    }
}

async fn stop(server: Server, events: &Events) -> Result<(), ServerError> {
    let began = Instant::now();
    events.send(Event::Begun(Stage::Cleanup));
    let stopped = server.stop().await;
    events.send(Event::Ended(Stage::Cleanup, began.elapsed()));
    stopped
}

/// A failure is told rather than that the server could not be removed after it, which is noted.
fn unless_failed<T>(
    result: Result<T, RehearseError>,
    stopped: Result<(), ServerError>,
    events: &Events,
) -> Result<T, RehearseError> {
    match (result, stopped) {
        (Ok(value), stopped) => stopped.map(|()| value).map_err(RehearseError::NotRemoved),
        // Which says so.
        (Err(error @ RehearseError::Server(ServerError::EngineGone(_))), _) | (Err(error), Ok(())) => Err(error),
        (Err(error), Err(left)) => {
            let why = left.to_string();
            let why = why.lines().next().unwrap_or_default();
            events.note(format!("the server was not removed, which `rehearsal sweep` does: {why}"));
            Err(error)
        }
    }
}

/// Where there was more to measure.
fn incomplete(error: RehearseError) -> RehearseError {
    match error {
        RehearseError::NotRemoved(source) => source.into(),
        other => other,
    }
}

async fn until_cancelled<T>(
    cancel: &CancellationToken,
    stage: impl Future<Output = Result<T, RehearseError>>,
) -> Result<T, RehearseError> {
    tokio::select! {
        () = cancel.cancelled() => Err(RehearseError::Interrupted),
        result = stage => result,
    }
}

/// A failure while the server, or the engine that runs it, is no longer there is theirs, whatever it looked like.
async fn explain_loss<T>(result: Result<T, RehearseError>, server: &Server) -> Result<T, RehearseError> {
    let error = match result {
        Err(RehearseError::Interrupted) | Ok(_) => return result,
        Err(error) => error,
    };
    if let Some(gone) = server.engine_gone().await {
        return Err(gone.into());
    }
    match error {
        error if server.answers().await => Err(error),
        _ => {
            let log = server.log().await;
            Err(match disk::ended(server, &log) {
                Some(full) => full,
                None => RehearseError::ServerGone { how: memory::ended(server, &log).await, log: tail(&log) },
            })
        }
    }
}

/// Lets the server run on, and says how to reach it (a password may be in it) and how to be rid of it.
fn keep(server: Server) -> String {
    let told = format!("the server was kept: {}; {}", server.reach(), server.removal());
    std::mem::forget(server);
    told
}

/// Applies what is pending; gives that, and what each migration touched.
async fn stages(
    scenario: &Scenario,
    events: &Events,
    server: &Server,
    work: Work,
    sets: Sets,
    cancel: &CancellationToken,
) -> Result<(Work, Vec<Touched>), RehearseError> {
    let began = Instant::now();
    events.send(Event::Begun(Stage::Migrations));
    let work = until_cancelled(cancel, baseline::pending(scenario, events, server, work)).await?;
    let touched = migrate::migrate(scenario, events, server, &work, sets, cancel).await?;
    events.send(Event::Ended(Stage::Migrations, began.elapsed()));
    Ok((work, touched))
}

/// Where the tool under the tap connects.
fn target(tap: &crate::tap::Tap, server: &Server) -> Target {
    Target {
        engine: server.engine(),
        address: tap.address(),
        login: server.login().clone(),
        database: server.database().to_owned(),
    }
}
