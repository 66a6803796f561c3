//! The second pass: the same migrations once more, on a server of its own that is filled alike, with probes on the tables
//! that the first pass saw them touch, and messages of several statements taken apart (PostgreSQL). It gives stalls, and what
//! each statement of such a message did; all other durations and locks are the first pass's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use tokio::sync::mpsc::unbounded_channel;
use tokio_util::sync::CancellationToken;

use super::event::{Event, Events, Stage};
use super::migrate::{Applying, pending};
use super::{
    Options, RehearseError, Work, explain_loss, ready, stop, target, unless_failed, until_cancelled, while_running,
};
use crate::observe::Observer;
use crate::observe::probe::{Probes, Stall};
use crate::run::{Migration, MigrationStatus, Statement, StatementStatus};
use crate::scenario::{Engine, Scenario};
use crate::server::Server;
use crate::sql::postgres::message;
use crate::tap::{Messages, Tap};

/// So many tables of one migration are probed, three connections each: the largest.
const MOST_TABLES: usize = 8;

/// The tables that a migration touched and that were there before it, by name, with their rows where those are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Touched {
    tables: BTreeMap<String, Option<u64>>,
    /// Those that it made.
    new: BTreeSet<String>,
    /// Whether several statements were sent as one message that can be taken apart.
    has_messages: bool,
    /// Whether one of those failed.
    failed: bool,
}

impl Touched {
    /// What a migration touched, as its record says; `None` for one that failed, unless by a message of which a second pass
    /// tells which of its statements that was.
    pub(super) fn by(engine: Engine, migration: &Migration) -> Option<Self> {
        // MySQL has an event for each statement of a message, so that none is left to be taken apart.
        let is_message = |unit: &&Statement| engine == Engine::Postgres && message::parts(&unit.sql).is_some();
        let mut messages = migration.statements.iter().filter(is_message);
        if migration.status == MigrationStatus::Failed {
            let failed = messages.any(|unit| unit.status == StatementStatus::Error);
            return failed.then(|| Self { has_messages: true, failed: true, ..Self::default() });
        }
        let has_messages = messages.next().is_some();
        let (mut tables, mut new) = (BTreeMap::new(), BTreeSet::new());
        for lock in migration.statements.iter().filter_map(|statement| statement.locks.as_ref()).flatten() {
            let table = lock.table.as_ref().unwrap_or(&lock.relation);
            // Nobody is shut out by the strongest lock of all: nobody sees the table yet.
            let is_exclusive = ["AccessExclusiveLock", "EXCLUSIVE"].contains(&lock.mode.as_str());
            if lock.blocks.is_empty() && is_exclusive {
                if lock.relation == *table {
                    new.insert(table.clone());
                }
            } else if !(lock.blocks.is_empty() && new.contains(table)) {
                tables.entry(table.clone()).or_insert(None);
            }
        }
        for blocking in &migration.blocking {
            if blocking.new {
                tables.remove(&blocking.table);
                new.insert(blocking.table.clone());
            } else {
                tables.insert(blocking.table.clone(), blocking.rows);
            }
        }
        Some(Self { tables, new, has_messages, failed: false })
    }

    /// Whether a second pass could tell more of some of these: of tables where somebody may wait, which nobody does for those
    /// that are new and those that have no row, or of what is in a message.
    pub(super) fn leave_questions(all: &[Self]) -> bool {
        let mut new = BTreeSet::new();
        all.iter().any(|touched| {
            let is_waited_for = |(table, rows): (&String, &Option<u64>)| *rows != Some(0) && !new.contains(table);
            let is_asked_for = touched.has_messages || touched.tables.iter().any(is_waited_for);
            new.extend(touched.new.iter().cloned());
            is_asked_for
        })
    }

    /// The names of those that are probed.
    fn largest(&self) -> Vec<String> {
        let mut tables: Vec<(&String, &Option<u64>)> = self.tables.iter().collect();
        tables.sort_by_key(|(_, rows)| std::cmp::Reverse(**rows));
        tables.into_iter().take(MOST_TABLES).map(|(table, _)| table.clone()).collect()
    }
}

/// Goes through the second pass.
pub(super) async fn run(
    scenario: &Scenario,
    options: &Options,
    events: &Events,
    work: &Work,
    touched: &[Touched],
    cancel: &CancellationToken,
) -> Result<(), RehearseError> {
    let began = Instant::now();
    events.send(Event::Begun(Stage::SecondPass));
    // Server, data and migrations are on record already.
    let (unheard, _) = unbounded_channel();
    let quiet = Events::new(unheard);
    let options = Options { keep: false, ..options.clone() };
    let server = Box::pin(ready::server(scenario, &options, &quiet, cancel)).await?;
    let probed = Box::pin(probed(scenario, events, &quiet, &server, work, touched, cancel));
    let result = explain_loss(while_running(&server, probed).await, &server).await;
    let stopped = stop(server, &quiet).await;
    unless_failed(result, stopped, events)?;
    events.send(Event::Ended(Stage::SecondPass, began.elapsed()));
    Ok(())
}

async fn probed(
    scenario: &Scenario,
    events: &Events,
    quiet: &Events,
    server: &Server,
    work: &Work,
    touched: &[Touched],
    cancel: &CancellationToken,
) -> Result<(), RehearseError> {
    let access = server.access(server.database());
    let observer = Observer::start(&access, server.is_ours(), Box::new(|_| {})).await?;
    let tap = Tap::start(server.endpoint(), access.clone(), observer.clone(), Messages::Apart)
        .await
        .map_err(RehearseError::Tap)?;
    let target = target(&tap, server);
    let stage =
        Applying { scenario, events: quiet, observer: &observer, target, access: access.clone(), server, work, cancel };
    for (index, (migration, touched)) in pending(scenario, work).into_iter().zip(touched).enumerate() {
        let tables = touched.largest();
        let probes = until_cancelled(cancel, async { Ok(Probes::start(&access, &tables).await?) }).await?;
        let noise_floor = probes.noise_floor;
        let name = migration.name.clone();
        let (migration, result) = stage.one(index, migration).await;
        let mut stalls = probes.stop().await;
        result?;
        if touched.failed {
            // Nothing is known of how long anybody waits for what was not done.
            events.send(Event::TakenApart { migration: index, statements: migration.statements });
            return Ok(());
        }
        if migration.status == MigrationStatus::Failed {
            let why = migration.error.unwrap_or_default();
            events.note(format!("{name} failed in the second pass, so no stalls are known from it on: {why}"));
            return Ok(());
        }
        for Stall { table, rows, .. } in &mut stalls {
            *rows = touched.tables.get(table).copied().flatten();
        }
        // MySQL has an event for each statement of a message, so that none is left to be taken apart.
        if scenario.engine == Engine::Postgres {
            events.send(Event::TakenApart { migration: index, statements: migration.statements });
        }
        events.send(Event::Stalled { migration: index, stalls, noise_floor });
    }
    Ok(())
}
