//! The locks of one statement: from what it was about, its stages, and what samples saw.
//!
//! Of an ALTER the stages tell to the microsecond when its own table was locked. Tables that it locks beside that are those
//! of foreign keys (seen on MySQL 9.7.4: the parent of a key that comes or goes with the child's last `EXCLUSIVE`, and is
//! `SHARED_READ_ONLY` while a copy checks it; children of a parent that is written anew with the parent's last
//! `EXCLUSIVE`; on MariaDB 10.11 the parent is `SHARED_NO_WRITE` during the copy). All else is sampled.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::Family;
use super::catalog::{Catalog, TableName};
use super::events::Event;
use super::lock_mode::LockMode;
use super::locks::{Key, Log};
use super::windows::{self, Window};
use crate::run::{Algorithm, Blocks, How, Lock, Millis};
use crate::sql::mysql::name;

/// A lock that was held within a statement.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) key: Key,
    pub(super) from: Instant,
    pub(super) to: Instant,
    pub(super) waited: Option<Duration>,
    pub(super) how: How,
}

impl Held {
    /// As it is recorded where `home` is the database that is rehearsed on. `visible` says that others knew the table.
    pub(super) fn facts(&self, home: &str, visible: bool, is_open: bool) -> Lock {
        let (table, mode) = &self.key;
        Lock {
            relation: name::relation(home, &table.0, &table.1),
            table: None,
            partition: false,
            mode: mode.to_string(),
            waited_ms: self.waited.map(Millis),
            held_ms: (!is_open).then(|| self.to.saturating_duration_since(self.from).into()),
            blocks: if visible { mode.blocks() } else { Vec::new() },
            how: self.how,
        }
    }
}

/// Where a statement's picoseconds are on our clock. The server's begins with the statement's first byte.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    pub(super) began: Instant,
    pub(super) origin: u64,
    /// Nothing is later: the server answers after it has let go of its locks.
    pub(super) ended: Instant,
}

impl Clock {
    pub(super) fn at(self, picoseconds: u64) -> Instant {
        (self.began + span(picoseconds.saturating_sub(self.origin))).min(self.ended)
    }

    /// From where to where it was surely between these two times of the server: the statement may have been on its way to the
    /// server for as long as `event` does not account for, and all that is in it was later by that.
    pub(super) fn surely(self, (from, to): (u64, u64), event: &Event) -> (Instant, Instant) {
        let elsewhere =
            self.ended.saturating_duration_since(self.began).saturating_sub(span(event.to.saturating_sub(event.from)));
        (self.at(from) + elsewhere, self.at(to))
    }
}

/// A span of the server's clock.
pub(super) fn span(picoseconds: u64) -> Duration {
    Duration::from_nanos(picoseconds / 1000)
}

/// What is known of a statement of data definition.
pub(super) struct Change<'a> {
    pub(super) family: Family,
    pub(super) event: &'a Event,
    pub(super) clock: Clock,
    /// Its tables that were there before.
    pub(super) targets: &'a [TableName],
    pub(super) algorithm: Option<Algorithm>,
    pub(super) before: &'a Catalog,
    pub(super) after: &'a Catalog,
}

impl Change<'_> {
    /// The windows of its tables, whether writers were shut out while it was at work in place or not.
    pub(super) fn windows(&self, shared: bool) -> Vec<Window> {
        let instant = self.family == Family::Mysql && self.algorithm == Some(Algorithm::Instant);
        windows::of_alter(self.event, !instant, shared)
    }

    /// Locks of an ALTER whose windows these are, on its table and on those of foreign keys. `alone` says that it had its table
    /// to itself.
    pub(super) fn altered(&self, windows: &[Window], alone: bool, log: &Log) -> Vec<Held> {
        let mut held = Vec::new();
        let whole = if alone { windows::alone(self.event) } else { None };
        for table in self.targets {
            let own = whole.as_ref().map_or(windows, std::slice::from_ref);
            held.extend(own.iter().map(|window| self.exact(table, *window)));
            let whole =
                Window { mode: LockMode::SharedUpgradable, from: self.event.from, to: self.event.to, waited: 0 };
            held.push(self.exact(table, whole));
        }
        let last = windows.iter().copied().rfind(|window| window.mode == LockMode::Exclusive);
        let copying = windows.first().copied().filter(|window| window.mode == LockMode::SharedNoWrite);
        for table in self.related() {
            let parent = self.parents().contains(&table);
            match self.family {
                Family::Mysql => {
                    if let (true, Some(copying)) = (parent, copying) {
                        let checked =
                            Window { mode: LockMode::SharedReadOnly, to: self.event.to, waited: 0, ..copying };
                        held.push(self.exact(&table, checked));
                    }
                    held.extend(last.map(|window| self.exact(&table, Window { waited: 0, ..window })));
                }
                Family::Mariadb => {
                    let copied = copying.map(|copying| Window { to: self.event.to, waited: 0, ..copying });
                    held.extend(copied.filter(|_| parent).map(|window| self.exact(&table, window)));
                }
            }
        }
        self.add_sampled(&mut held, log, |mode| match mode {
            LockMode::Exclusive => last.map(|window| window.from),
            LockMode::SharedReadOnly | LockMode::SharedNoWrite => copying.map(|window| window.from),
            _ => None,
        });
        held
    }

    /// Locks of a statement that has its tables to itself.
    pub(super) fn whole(&self, log: &Log) -> Vec<Held> {
        let window = windows::whole(self.event);
        let mut held: Vec<Held> = self.targets.iter().map(|table| self.exact(table, window)).collect();
        if self.family == Family::Mysql {
            held.extend(self.parents().iter().map(|table| self.exact(table, window)));
        }
        self.add_sampled(&mut held, log, |_| None);
        held
    }

    /// Parents of foreign keys that came or went.
    fn parents(&self) -> BTreeSet<TableName> {
        let mut parents = BTreeSet::new();
        for child in self.targets {
            parents.extend(self.before.parents_changed(self.after, child));
        }
        parents.retain(|parent| !self.targets.contains(parent) && self.before.contains(parent));
        parents
    }

    fn related(&self) -> BTreeSet<TableName> {
        let mut related = self.parents();
        let anew = matches!(self.algorithm, Some(Algorithm::Copy | Algorithm::InplaceRebuild));
        if anew && self.family == Family::Mysql {
            for parent in self.targets {
                related.extend(self.before.children(parent));
            }
            related.retain(|table| !self.targets.contains(table));
        }
        related
    }

    fn exact(&self, table: &TableName, window: Window) -> Held {
        Held {
            key: (table.clone(), window.mode),
            from: self.clock.at(window.from),
            to: self.clock.at(window.to),
            waited: Some(span(window.waited)),
            how: How::Exact,
        }
    }

    /// Adds what samples saw of other tables. `from` is when a mode was taken at the earliest, by the stages.
    fn add_sampled(&self, held: &mut Vec<Held>, log: &Log, from: impl Fn(LockMode) -> Option<u64>) {
        let (begin, end) = (self.clock.at(self.event.from), self.clock.at(self.event.to));
        for (table, mode) in log.between(begin, end) {
            let known = held.iter().any(|lock| lock.key.0 == *table && lock.key.1 == *mode);
            if known || self.targets.contains(table) || !self.before.contains(table) {
                continue;
            }
            let from = from(*mode).map_or(begin, |from| self.clock.at(from));
            held.push(Held { key: (table.clone(), *mode), from, to: end, waited: None, how: How::Sampled });
        }
    }
}

/// Locks of any other statement in autocommit: those that samples saw, for as long as it ran.
pub(super) fn sampled(log: &Log, known: &Catalog, began: Instant, ended: Instant) -> Option<Vec<Held>> {
    let tables = log.between(began, ended).filter(|(table, _)| known.contains(table));
    let held: Vec<Held> =
        tables.map(|key| Held { key: key.clone(), from: began, to: ended, waited: None, how: How::Sampled }).collect();
    (!held.is_empty()).then_some(held)
}

/// Whether a lock makes somebody wait who would not have altered anything.
pub(super) fn shuts_out(lock: &Lock) -> bool {
    lock.blocks.iter().any(|who| matches!(who, Blocks::Reads | Blocks::Writes))
}
