//! A server that has the scenario's data: filled now, or given a clone of data that was filled before.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::event::{Event, Events, Stage};
use super::{Options, RehearseError, explain_loss, stop, unless_failed, until_cancelled, while_running};
use crate::run::{Cache, Cloning, SnapshotFacts};
use crate::scenario::{Scenario, SnapshotWish};
use crate::server::owner::cache_folder;
use crate::server::{Chosen, Server, Start, container};
use crate::snapshot::store::lock::Lock;
use crate::snapshot::store::{self, Entry, Store, StoreError};
use crate::snapshot::{self, Prepared, Progress};

/// Starts a server and sees to its data.
pub(super) async fn server(
    scenario: &Scenario,
    options: &Options,
    events: &Events,
    cancel: &CancellationToken,
) -> Result<Server, RehearseError> {
    let began = Instant::now();
    events.send(Event::Begun(Stage::Server));
    for removed in super::sweep(false).await.0 {
        events.note(format!("removed what a killed run left: {removed}"));
    }
    let stage = Readying::new(scenario, options, events, cancel, began).await?;
    let Some((store, digest)) = stage.place().await? else { return stage.unkept().await };
    match store.get_locked(&digest)? {
        Some((entry, _lock)) => stage.cloned(&store, &entry, Cache::Hit).await,
        None if store::is_large(&stage.wish) => stage.kept(&store, &digest).await,
        None => stage.unkept().await,
    }
}

/// Makes and keeps the data of a scenario, unless it is kept already; the entry, and whether it is new.
pub(super) async fn prepared(
    scenario: &Scenario,
    options: &Options,
    events: &Events,
    cancel: &CancellationToken,
) -> Result<(Entry, bool), RehearseError> {
    let began = Instant::now();
    events.send(Event::Begun(Stage::Server));
    let stage = Readying::new(scenario, options, events, cancel, began).await?;
    if stage.wish.is_empty() {
        return Err(RehearseError::NothingToPrepare(
            "the scenario has no data: neither `restore` nor a table".to_owned(),
        ));
    }
    let (store, digest) = match (stage.place().await?, stage.chosen.identity()) {
        (Some(place), _) => place,
        (None, reason) => {
            let reason = reason.err().unwrap_or("a program writes a dump that has no `sha256`");
            return Err(RehearseError::NothingToPrepare(format!("its data cannot be kept: {reason}")));
        }
    };
    let lock = stage.locked(&store, &digest).await?;
    if let Some(entry) = store.get(&digest) {
        return Ok((entry, false));
    }
    match stage.made(&store, &digest, &lock).await? {
        Made::Entry(entry) => Ok((*entry, true)),
        Made::Unkept(reason) => Err(RehearseError::NothingToPrepare(format!("its data cannot be kept: {reason}"))),
    }
}

/// What is kept of all the data of a scenario, if it is.
pub(super) async fn kept(
    scenario: &Scenario,
    options: &Options,
    events: &Events,
    cancel: &CancellationToken,
) -> Result<Option<Entry>, RehearseError> {
    let stage = Readying::new(scenario, options, events, cancel, Instant::now()).await?;
    Ok(stage.place().await?.and_then(|(store, digest)| store.get(&digest)))
}

struct Readying<'a> {
    scenario: &'a Scenario,
    options: &'a Options,
    events: &'a Events,
    cancel: &'a CancellationToken,
    chosen: Chosen,
    wish: SnapshotWish,
    began: Instant,
}

/// What became of data that was to be kept.
enum Made {
    Entry(Box<Entry>),
    /// It could not be taken from the server, for this reason, and was not made.
    Unkept(String),
}

impl<'a> Readying<'a> {
    /// Chooses the server, for which an image may have to be pulled.
    async fn new(
        scenario: &'a Scenario,
        options: &'a Options,
        events: &'a Events,
        cancel: &'a CancellationToken,
        began: Instant,
    ) -> Result<Self, RehearseError> {
        let choosing = async { Ok(Chosen::choose(&scenario.server, options.provider).await?) };
        let chosen = until_cancelled(cancel, choosing).await?;
        let wish = scaled(&scenario.snapshot, options.rows_scale);
        Ok(Self { scenario, options, events, cancel, chosen, wish, began })
    }

    /// Where the data is kept and under which name; `None` if it is not to be.
    async fn place(&self) -> Result<Option<(Store, String)>, RehearseError> {
        if self.wish.is_empty() || !self.options.cache {
            return Ok(None);
        }
        let identity = match self.chosen.identity() {
            Ok(identity) => identity,
            Err(reason) => {
                if store::is_large(&self.wish) {
                    self.events.note(format!("the data is made anew for each rehearsal, since {reason}"));
                }
                return Ok(None);
            }
        };
        let (server, wish) = (self.scenario.server.clone(), self.wish.clone());
        // Dumps may have to be read, and a file system to be made.
        let events = self.events.clone();
        let find = tokio::task::spawn_blocking(move || {
            let listen = |progress: Progress<'_>| events.send(filling(progress));
            let Some(digest) = Store::digest(&identity, &server, &wish, &listen)? else { return Ok(None) };
            Ok(Some((Store::for_wish(&wish)?.having(&digest), digest)))
        });
        let found: Result<_, StoreError> = find.await.map_err(|error| RehearseError::Untrusted(error.to_string()))?;
        let found = found?;
        if found.is_none() {
            self.events
                .note("the data is made anew for each rehearsal, since a program writes a dump that has no `sha256`");
        }
        Ok(found)
    }

    async fn locked(&self, store: &Store, digest: &str) -> Result<Lock, RehearseError> {
        let waiting = || {
            self.events.note("waited for another run that was making the same data");
            self.events.send(Event::Filling {
                what: "waiting for a run that makes the same data".into(),
                done: 0,
                total: None,
            });
        };
        until_cancelled(self.cancel, async { Ok(store.lock(digest, waiting).await?) }).await
    }

    /// A server that was filled and is gone with its data after the run.
    async fn unkept(&self) -> Result<Server, RehearseError> {
        let start = Start { root: &cache_folder(), data: None, kept: self.options.keep, only_filled: false };
        let (server, prepared, began) = self.filled(self.started(start).await?).await?;
        self.tell(prepared, Cache::Off, None, began.elapsed());
        Ok(server)
    }

    /// A server on a clone of data that is made and kept now.
    async fn kept(&self, store: &Store, digest: &str) -> Result<Server, RehearseError> {
        let lock = self.locked(store, digest).await?;
        // Perhaps it was waited for.
        if let Some(entry) = store.get(digest) {
            return self.cloned(store, &entry, Cache::Hit).await;
        }
        match self.made(store, digest, &lock).await? {
            Made::Entry(entry) => self.cloned(store, &entry, Cache::Miss).await,
            Made::Unkept(reason) => {
                self.events.note(format!("the data is made anew for each rehearsal, since {reason}"));
                self.unkept().await
            }
        }
    }

    /// Makes an entry, while its lock is held.
    async fn made(&self, store: &Store, digest: &str, _lock: &Lock) -> Result<Made, RehearseError> {
        let limit = store::limit()?;
        let making = store.begin()?;
        let start = Start { root: &store.root, data: None, kept: false, only_filled: true };
        let server = self.started(start).await?;
        if let Err(reason) = server.data_is_within_reach().await {
            stop(server, self.events).await?;
            return Ok(Made::Unkept(reason));
        }
        let (server, prepared, filling) = self.filled(server).await?;
        let facts = server.facts().await?;
        let mut about = store::about(self.scenario, facts, prepared, filling.elapsed().into());
        // Stopped to the end, whoever cancels: half of a stop is the one thing that could not be told from a whole one.
        about.inside = server.give_up_data(&making.data()).await?;
        let entry = making.finish(store, digest, about)?;
        for removed in store::keep_within(limit, &entry)? {
            self.events.note(format!(
                "removed the prepared snapshot {} ({}): it was the least recently used, and all are more than {}",
                removed.short(),
                removed.about.title,
                store::LIMIT_VARIABLE
            ));
        }
        if self.cancel.is_cancelled() {
            return Err(RehearseError::Interrupted);
        }
        Ok(Made::Entry(Box::new(entry)))
    }

    /// A server on a clone of an entry, which is locked.
    async fn cloned(&self, store: &Store, entry: &Entry, cache: Cache) -> Result<Server, RehearseError> {
        let data = entry.data();
        let start = Start { root: &store.root, data: Some(&data), kept: self.options.keep, only_filled: false };
        let server = self.started(start).await.map_err(|error| match error {
            RehearseError::Server(source) => RehearseError::Prepared { snapshot: entry.short().to_owned(), source },
            other => other,
        })?;
        let facts = server.facts().await?;
        let cloned = server.cloned();
        let cloning = cloned.map(|(means, _)| store.used(entry, means));
        // Also if a server was filled before: that one had settings of its own.
        self.events.send(Event::Server(facts));
        if cache == Cache::Hit {
            // Otherwise they were told of the server that was filled.
            for note in &server.notes {
                self.events.note(note);
            }
            let cloning = cloned.map(|(_, took)| took).unwrap_or_default();
            self.events.send(Event::Ended(Stage::Server, self.began.elapsed().saturating_sub(cloning)));
        }
        let took = match (cache, cloned) {
            (Cache::Hit, Some((_, took))) => took,
            // Filling, stopping and cloning.
            _ => self.began.elapsed(),
        };
        self.tell(entry.about.prepared.clone(), cache, cloning, took);
        Ok(server)
    }

    async fn started(&self, start: Start<'_>) -> Result<Server, RehearseError> {
        let starting = Box::pin(async { Ok(self.chosen.start(start).await?) });
        let server = until_cancelled(self.cancel, starting).await;
        if matches!(server, Err(RehearseError::Interrupted)) {
            container::remove_own().await;
        }
        server
    }

    /// Restores and grows the data, with the server set for speed until it is done.
    async fn filled(&self, server: Server) -> Result<(Server, Prepared, Instant), RehearseError> {
        for note in &server.notes {
            self.events.note(note);
        }
        let result = async {
            self.events.send(Event::Server(server.facts().await?));
            self.events.send(Event::Ended(Stage::Server, self.began.elapsed()));
            let began = Instant::now();
            self.events.send(Event::Begun(Stage::Snapshot));
            let prepared = until_cancelled(self.cancel, fill(&self.wish, self.events, &server)).await?;
            // Again, since only now it has the settings that it is measured with.
            self.events.send(Event::Server(server.facts().await?));
            Ok((prepared, began))
        };
        let result = while_running(&server, Box::pin(result)).await;
        match explain_loss(result, &server).await {
            Ok((prepared, began)) => Ok((server, prepared, began)),
            Err(error) => {
                let stopped = stop(server, self.events).await;
                unless_failed(Err(error), stopped, self.events)
            }
        }
    }

    /// Tells of the data, which ends this stage.
    fn tell(&self, prepared: Prepared, cache: Cache, cloning: Option<Cloning>, took: Duration) {
        let Prepared { origin, notes, tables } = prepared;
        for note in notes {
            self.events.note(note);
        }
        self.events.send(Event::Snapshot(SnapshotFacts { origin, cache, cloning, duration_ms: took.into(), tables }));
        self.events.send(Event::Ended(Stage::Snapshot, took));
    }
}

/// Restores and grows the data, with the server set for speed until it is done.
async fn fill(wish: &SnapshotWish, events: &Events, server: &Server) -> Result<Prepared, RehearseError> {
    server.begin_filling().await?;
    let listen = |progress: Progress<'_>| events.send(filling(progress));
    let prepared = snapshot::prepare(&server.access(server.database()), wish, server, &listen).await?;
    server.end_filling().await?;
    Ok(prepared)
}

fn filling(progress: Progress<'_>) -> Event {
    match progress {
        Progress::Bytes { work, file, done, total } => Event::Filling {
            what: format!(
                "{work} {}",
                if total.is_some() { Path::new(file.file_name().unwrap_or_default()) } else { file }.display()
            ),
            done,
            total,
        },
        Progress::Indexes { file, done, total } => Event::Filling {
            what: format!("indexes of {}", Path::new(file.file_name().unwrap_or(file.as_os_str())).display()),
            done,
            total: Some(total),
        },
        Progress::Rows { table, done, total } => {
            Event::Filling { what: format!("growing {table}"), done, total: Some(total) }
        }
    }
}

pub(super) fn scaled(wish: &SnapshotWish, scale: Option<f64>) -> SnapshotWish {
    let mut wish = wish.clone();
    if let Some(scale) = scale {
        for table in &mut wish.tables {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a number of rows, times a positive scale"
            )]
            let rows = (table.rows as f64 * scale).round() as u64;
            table.rows = rows;
        }
        if let Some(profile) = &mut wish.profile {
            profile.scale *= scale;
        }
    }
    wish
}
