//! Metadata locks of a session on tables: read while it stands still, and sampled while it works.
//!
//! MySQL has them in `performance_schema.metadata_locks`. MariaDB has that table too, but never updates the type of a lock
//! that is strengthened (seen on 10.11: no `EXCLUSIVE` in 60 ALTERs); its plugin `METADATA_LOCK_INFO` tells them right, and
//! tells granted ones only.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mysql_async::Conn;
use tokio_util::sync::CancellationToken;

use super::Family;
use super::ask::{Cells, ask, cell};
use super::catalog::{OTHERS, TableName};
use super::lock_mode::LockMode;

/// The shortest and the longest time between two samples.
pub(super) const SHORTEST: Duration = Duration::from_millis(2);
const LONGEST: Duration = Duration::from_millis(50);

/// A lock of one session.
pub(super) type Key = (TableName, LockMode);

/// Asks for the granted locks of a session.
pub(super) fn question(family: Family, thread: u64, connection: u32) -> String {
    match family {
        Family::Mysql => format!(
            "SELECT OBJECT_SCHEMA, OBJECT_NAME, LOCK_TYPE FROM performance_schema.metadata_locks \
             WHERE OWNER_THREAD_ID = {thread} AND OBJECT_TYPE = 'TABLE' AND LOCK_STATUS = 'GRANTED' \
             AND OBJECT_SCHEMA NOT IN {OTHERS}"
        ),
        Family::Mariadb => format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME, LOCK_MODE FROM information_schema.METADATA_LOCK_INFO \
             WHERE THREAD_ID = {connection} AND LOCK_TYPE = 'Table metadata lock' AND TABLE_SCHEMA NOT IN {OTHERS}"
        ),
    }
}

/// Reads the answer.
pub(super) fn read(rows: &[Cells]) -> Vec<Key> {
    let lock = |row: &Cells| {
        let mode = LockMode::parse(cell(row, 2))?;
        Some(((cell(row, 0).to_owned(), cell(row, 1).to_owned()), mode))
    };
    let mut locks: Vec<Key> = rows.iter().filter_map(lock).collect();
    locks.sort();
    locks.dedup();
    locks
}

/// What the samples of one unit told.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// When there was a sample.
    pub(super) at: Vec<Instant>,
    /// The first and the last sample in which a lock was seen, and in how many.
    pub(super) seen: BTreeMap<Key, (Instant, Instant, usize)>,
}

impl Log {
    /// The locks that were seen at some time between these two.
    pub(super) fn between(&self, from: Instant, to: Instant) -> impl Iterator<Item = &Key> {
        self.seen.iter().filter(move |(_, (first, last, _))| *first <= to && *last >= from).map(|(key, _)| key)
    }

    /// Whether a lock was held without a break since a time before `from`..`to` ended: it was seen then, and in every sample
    /// from the first to the last in which it was.
    pub(super) fn throughout(&self, key: &Key, from: Instant, to: Instant) -> bool {
        let Some((first, last, times)) = self.seen.get(key) else { return false };
        let meanwhile = self.at.iter().filter(|at| (first..=last).contains(at));
        meanwhile.clone().count() == *times && meanwhile.into_iter().any(|at| (from..=to).contains(at))
    }
}

/// Samples one session until it is told to stop.
#[derive(Debug)]
pub(super) struct Sampler {
    log: Arc<Mutex<Log>>,
    stopped: CancellationToken,
}

impl Sampler {
    /// Begins to sample, on a session that does nothing else.
    pub(super) fn start(conn: Arc<tokio::sync::Mutex<Conn>>, question: String) -> Self {
        let log = Arc::new(Mutex::new(Log::default()));
        let stopped = CancellationToken::new();
        tokio::spawn(sample(conn, question, Arc::clone(&log), stopped.clone()));
        Self { log, stopped }
    }

    /// Stops, and gives what was seen.
    pub(super) fn stop(&self) -> Log {
        self.stopped.cancel();
        std::mem::take(&mut *self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.stopped.cancel();
    }
}

/// A question that was asked is always answered before this ends: the session could not be used again otherwise.
async fn sample(
    conn: Arc<tokio::sync::Mutex<Conn>>,
    question: String,
    log: Arc<Mutex<Log>>,
    stopped: CancellationToken,
) {
    let began = Instant::now();
    loop {
        // The interval grows with the statement: the error of a sampled time stays about 2 % of it.
        let pause = tokio::time::sleep(began.elapsed().mul_f64(0.02).clamp(SHORTEST, LONGEST));
        if stopped.run_until_cancelled(pause).await.is_none() {
            return;
        }
        let mut conn = conn.lock().await;
        let asked = Instant::now();
        // A server that is gone is reported by those who need it, not here.
        let Ok(sets) = ask(&mut conn, &question).await else { return };
        drop(conn);
        let at = asked + asked.elapsed() / 2;
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.at.push(at);
        for key in sets.first().map(|rows| read(rows)).unwrap_or_default() {
            log.seen
                .entry(key)
                .and_modify(|(_, last, times)| (*last, *times) = (at, *times + 1))
                .or_insert((at, at, 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_at_both_ends_is_not_held_throughout() {
        let start = Instant::now();
        let at = |millis: u64| start + Duration::from_millis(millis);
        let key = |mode| (("shop".to_owned(), "orders".to_owned()), mode);
        let mut log = Log { at: (0..5).map(|sample| at(sample * 10)).collect(), ..Log::default() };
        log.seen.insert(key(LockMode::Exclusive), (at(0), at(40), 2));
        log.seen.insert(key(LockMode::SharedNoWrite), (at(10), at(30), 3));
        assert!(!log.throughout(&key(LockMode::Exclusive), at(5), at(35)));
        assert!(log.throughout(&key(LockMode::SharedNoWrite), at(15), at(25)));
        assert!(!log.throughout(&key(LockMode::SharedNoWrite), at(35), at(45)), "it was not seen then");
        assert!(!log.throughout(&key(LockMode::SharedRead), at(5), at(35)));
    }
}
