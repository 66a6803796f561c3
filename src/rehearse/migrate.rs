//! The stage that measures: queries before, each pending migration through the tap with queries between, queries after.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::event::{Event, Events};
use super::second_pass::Touched;
use super::{Pending, RehearseError, Work, disk, target, until_cancelled};
use crate::migration::command::{self, Target};
use crate::migration::half_applied;
use crate::migration::history::versions;
use crate::migration::sql::{self, SendError};
use crate::observe::{Activity, Observation, Observer};
use crate::query::{Rehearsal, Sets};
use crate::run::{HalfApplied, Migration, MigrationStatus, Statement};
use crate::scenario::{Engine, Scenario, Tool};
use crate::server::{Access, Server};
use crate::tap::{Messages, Tap};

/// The query point before all migrations, and the one after the last.
const BEFORE: &str = "before";
const AFTER: &str = "after";

/// What to do about a tool that insists on TLS.
const NO_ENCRYPTION: &str = "\nThe tool asked for TLS and left, since between it and the scratch server, on this machine, there \
    is none: set `sslmode=disable` or `prefer` for the rehearsal, as DATABASE_URL and PGSSLMODE of the command have it";

/// What to say of a tool that went elsewhere, or nowhere.
const NOTHING_SENT: &str = "the command sent nothing to the scratch server, so that nothing was measured; unless it had nothing \
    to do, it went to another one: DATABASE_URL and the PG* or MYSQL_* variables lead a tool here";

/// How long after the tool was stopped the server may take to be done with it.
const SETTLING: Duration = Duration::from_millis(50);

/// Applies everything that is pending and runs the query sets around it; gives what each migration that was applied has
/// touched.
pub(super) async fn migrate(
    scenario: &Scenario,
    events: &Events,
    server: &Server,
    work: &Work,
    sets: Sets,
    cancel: &CancellationToken,
) -> Result<Vec<Touched>, RehearseError> {
    let access = server.access(server.database());
    let pending = pending(scenario, work);
    events.send(Event::Pending(pending.clone()));
    events.send(Event::QueriesBegun(BEFORE.to_owned()));
    let before = async { Ok(Rehearsal::before(&access, sets).await?) };
    let (mut queries, results) = until_cancelled(cancel, before).await?;
    events.send(Event::Queries(results));
    for note in queries.notes() {
        events.note(note);
    }
    let heard = events.clone();
    let listener = Box::new(move |activity| match activity {
        Activity::Begun { sql } => heard.send(Event::StatementBegun(sql)),
        Activity::Ended { duration } => heard.send(Event::StatementEnded(duration)),
    });
    let observer = Observer::start(&access, server.is_ours(), listener).await?;
    let tap = Tap::start(server.endpoint(), access.clone(), observer.clone(), Messages::Whole)
        .await
        .map_err(RehearseError::Tap)?;
    let stage =
        Applying { scenario, events, observer: &observer, target: target(&tap, server), access, server, work, cancel };
    let result = stage.all(pending, &mut queries).await;
    events.send(Event::Overhead(observer.overhead()));
    let touched = result?;
    queries.close().await;
    observer.trouble().map_or(Ok(touched), |trouble| Err(RehearseError::Untrusted(trouble)))
}

/// All that is needed to apply migrations.
pub(super) struct Applying<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) events: &'a Events,
    pub(super) observer: &'a Observer,
    pub(super) target: Target,
    /// Past the tap.
    pub(super) access: Access,
    pub(super) server: &'a Server,
    pub(super) work: &'a Work,
    pub(super) cancel: &'a CancellationToken,
}

impl Applying<'_> {
    /// Applies what is pending until one fails, and runs the queries after each.
    async fn all(&self, pending: Vec<Migration>, queries: &mut Rehearsal) -> Result<Vec<Touched>, RehearseError> {
        let count = pending.len();
        let mut touched = Vec::new();
        for (index, migration) in pending.into_iter().enumerate() {
            self.events.send(Event::MigrationBegun(index));
            let id = migration.id.clone();
            let (migration, result) = self.one(index, migration).await;
            let failed = migration.status == MigrationStatus::Failed;
            touched.extend(Touched::by(self.scenario.engine, &migration));
            self.events.send(Event::MigrationEnded(index, Box::new(migration)));
            result?;
            if failed {
                break;
            }
            let point = if index + 1 == count { AFTER.to_owned() } else { format!("after:{id}") };
            self.events.send(Event::QueriesBegun(point.clone()));
            let results = async { Ok(queries.at(&point).await?) };
            self.events.send(Event::Queries(until_cancelled(self.cancel, results).await?));
        }
        Ok(touched)
    }

    /// Applies one migration and gives all that is known of it, also where it could not be followed to its end.
    pub(super) async fn one(&self, index: usize, mut migration: Migration) -> (Migration, Result<(), RehearseError>) {
        let mut why = None;
        let mut result = match self.follow(index, &mut why).await {
            Ok(observation) => {
                if let Some(failure) = why.as_mut().filter(|_| observation.refused_encryption) {
                    failure.why.push_str(NO_ENCRYPTION);
                }
                put(&mut migration, observation);
                Ok(())
            }
            Err(failure) => {
                // The tool's connections are closed by now; the tap is about to notice.
                tokio::time::sleep(SETTLING).await;
                migration.statements = self.observer.abandon();
                why.get_or_insert(Failure { why: failure.to_string(), place: None });
                Err(failure)
            }
        };
        if matches!(self.work, Work::Command { .. }) {
            if why.is_none() && result.is_ok() && migration.statements.is_empty() {
                result = Err(RehearseError::Untrusted(NOTHING_SENT.to_owned()));
            }
            versions::mark(&mut migration.statements, self.target.engine);
        }
        if let (Some(_), Ok(()), Some(full)) = (&why, &result, disk::full(&migration.statements, self.server).await) {
            result = Err(full);
        }
        if let (Some(failure), Ok(())) = (&why, &result) {
            let left = async { Ok(self.left_behind(index, &migration.statements, failure).await) };
            match until_cancelled(self.cancel, left).await {
                Ok(left) => migration.half_applied = left,
                Err(stopped) => result = Err(stopped),
            }
        }
        migration.status = if why.is_some() { MigrationStatus::Failed } else { MigrationStatus::Applied };
        migration.error = why.map(|failure| failure.why);
        (migration, result)
    }

    /// What a migration that failed left behind, found out by trying it again where it is a file; nothing where the engine
    /// has rolled all of it back.
    async fn left_behind(&self, index: usize, statements: &[Statement], failure: &Failure) -> Option<HalfApplied> {
        if self.target.engine == Engine::Postgres {
            return None;
        }
        let kept = half_applied::kept(statements);
        if kept.is_empty() {
            return None;
        }
        let rerun = match (self.work, failure.place) {
            (Work::Files(files), Some(place)) => {
                half_applied::second_try(&self.access, &files[index].plan, &self.scenario.folder, place).await
            }
            _ => None,
        };
        Some(HalfApplied { kept, rerun })
    }

    /// Applies one migration and gives what was observed of it. `why` becomes the reason if the migration itself failed.
    async fn follow(&self, index: usize, why: &mut Option<Failure>) -> Result<Observation, RehearseError> {
        self.observer.begin_migration().await?;
        *why = until_cancelled(self.cancel, async { Ok(self.apply(index).await) }).await?;
        until_cancelled(self.cancel, async { Ok(self.observer.end_migration().await?) }).await
    }

    /// Applies one migration; gives why it failed.
    async fn apply(&self, index: usize) -> Option<Failure> {
        match self.work {
            Work::Files(files) => apply_file(self.scenario, self.observer, &self.target, &files[index]).await,
            Work::Command { .. } => self.apply_command().await.map(|why| Failure { why, place: None }),
        }
    }

    async fn apply_command(&self) -> Option<String> {
        let Tool::Command { command, folder, env } = &self.scenario.migrations.tool else { return None };
        let outcome = command::run(command, folder, env, &self.target, self.scenario.migrations.timeout).await;
        match outcome.left_running {
            0 => {}
            1 => self.events.note("the command left 1 process running, which was ended"),
            count => self.events.note(format!("the command left {count} processes running, which were ended")),
        }
        outcome.result.err().map(|error| error.to_string())
    }
}

/// Why a migration failed, and at which statement of its plan; not known where it was stopped.
struct Failure {
    why: String,
    place: Option<usize>,
}

/// Applies a file; gives why it failed.
async fn apply_file(scenario: &Scenario, observer: &Observer, target: &Target, pending: &Pending) -> Option<Failure> {
    let access = Access::through_tap(target.engine, target.address, &target.login, &target.database);
    let limit = scenario.migrations.timeout;
    let sent = AtomicUsize::new(0);
    let at_line = |line: Option<u32>| {
        sent.fetch_add(usize::from(line.is_some()), Ordering::Relaxed);
        observer.next_line(line);
    };
    let apply = sql::apply(&access, &pending.plan, &scenario.folder, at_line);
    match tokio::time::timeout(limit, apply).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => {
            let place =
                matches!(error, SendError::Statement { .. }).then(|| sent.load(Ordering::Relaxed).saturating_sub(1));
            Some(Failure { why: error.to_string(), place })
        }
        Err(_) => {
            // The connection is closed; the tap is about to notice.
            tokio::time::sleep(SETTLING).await;
            let why = format!("stopped, since it had not ended after {} s (--timeout)", limit.as_secs());
            Some(Failure { why, place: None })
        }
    }
}

fn put(migration: &mut Migration, observation: Observation) {
    migration.duration_ms = observation.duration;
    migration.statements = observation.statements;
    migration.blocking = observation.blocking;
    migration.removed = observation.removed;
    migration.invalid_indexes = observation.invalid_indexes;
    migration.shapes = observation.shapes;
    migration.undescribed = observation.undescribed;
}

/// The migrations as they stand on record before they are run.
pub(super) fn pending(scenario: &Scenario, work: &Work) -> Vec<Migration> {
    let not_run = |id: String, name: String, path: Option<String>| Migration {
        id,
        name,
        path,
        status: MigrationStatus::NotRun,
        error: None,
        duration_ms: None,
        statements: Vec::new(),
        blocking: Vec::new(),
        removed: Vec::new(),
        invalid_indexes: Vec::new(),
        half_applied: None,
        shapes: Vec::new(),
        undescribed: None,
    };
    match work {
        Work::Files(files) => files
            .iter()
            .map(|pending| {
                let path = &pending.file.path;
                let shown = path.strip_prefix(&scenario.folder).unwrap_or(path).display().to_string();
                not_run(pending.file.version.clone(), pending.file.name.clone(), Some(shown))
            })
            .collect(),
        Work::Command { command } => vec![not_run("command".to_owned(), command.clone(), None)],
    }
}
