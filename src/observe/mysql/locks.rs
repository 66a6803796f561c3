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

/// When the server was asked, and when it had answered. What it told was so at some time between the two, which a machine
/// that stands still for a moment can put far apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) asked: Instant,
    pub(super) answered: Instant,
}

impl Sample {
    /// Whether it tells of no time but what is between these two.
    pub(super) fn is_within(self, from: Instant, to: Instant) -> bool {
        self.asked > from && self.answered < to
    }

    /// When it was, most likely.
    fn at(self) -> Instant {
        self.asked + (self.answered - self.asked) / 2
    }
}

/// What the samples of one unit told.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) samples: Vec<Sample>,
    /// Indexes of the samples in which a lock was seen, ascending.
    seen: BTreeMap<Key, Vec<usize>>,
}

impl Log {
    /// Adds what a sample told.
    fn add(&mut self, sample: Sample, locks: Vec<Key>) {
        let index = self.samples.len();
        self.samples.push(sample);
        for key in locks {
            self.seen.entry(key).or_default().push(index);
        }
    }

    /// The locks that were seen at some time between these two.
    pub(super) fn between(&self, from: Instant, to: Instant) -> impl Iterator<Item = &Key> {
        let at = |index: Option<&usize>| index.map(|index| self.samples[*index].at());
        let overlaps = move |seen: &[usize]| at(seen.first()) <= Some(to) && at(seen.last()) >= Some(from);
        self.seen.iter().filter(move |(_, seen)| overlaps(seen)).map(|(key, _)| key)
    }

    /// Whether a lock was held throughout `from`..`to`: every sample that is surely of this time saw it, one of the first half
    /// among them. (The last alone do not tell: a lock that is taken for the end is taken before the server says that the end
    /// has come.)
    pub(super) fn throughout(&self, key: &Key, from: Instant, to: Instant) -> bool {
        let Some(seen) = self.seen.get(key) else { return false };
        let mut within = (0..self.samples.len()).filter(|index| self.samples[*index].is_within(from, to)).peekable();
        let middle = from + to.saturating_duration_since(from) / 2;
        within.peek().is_some_and(|first| self.samples[*first].answered < middle)
            && within.all(|index| seen.binary_search(&index).is_ok())
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
        let sample = Sample { asked, answered: Instant::now() };
        let locks = sets.first().map(|rows| read(rows)).unwrap_or_default();
        log.lock().unwrap_or_else(PoisonError::into_inner).add(sample, locks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(mode: LockMode) -> Key {
        (("shop".to_owned(), "orders".to_owned()), mode)
    }

    /// Samples, each with the milliseconds at which it was asked and answered, and whether a lock of a mode was seen throughout
    /// and at all between two others.
    fn told(samples: &[(u64, u64, LockMode)], mode: LockMode, from: u64, to: u64) -> (bool, bool) {
        let start = Instant::now();
        let at = |millis: u64| start + Duration::from_millis(millis);
        let mut log = Log::default();
        for (asked, answered, mode) in samples {
            log.add(Sample { asked: at(*asked), answered: at(*answered) }, vec![key(*mode)]);
        }
        let seen = log.between(at(from), at(to)).any(|seen| *seen == key(mode));
        (log.throughout(&key(mode), at(from), at(to)), seen)
    }

    const X: LockMode = LockMode::Exclusive;
    const SNW: LockMode = LockMode::SharedNoWrite;

    #[test]
    fn what_is_held_at_both_ends_is_not_held_throughout() {
        let samples = [(0, 1, X), (10, 11, SNW), (20, 21, SNW), (30, 31, SNW), (40, 41, X)];
        assert_eq!(told(&samples, X, 5, 45), (false, true));
        assert_eq!(told(&samples, SNW, 5, 35), (true, true));
        assert_eq!(told(&samples, SNW, 5, 45), (false, true), "it was not seen at the end");
        assert_eq!(told(&samples, SNW, 11, 18), (false, true), "nobody looked");
        assert_eq!(told(&samples, SNW, 35, 45), (false, false));
        assert_eq!(told(&samples, LockMode::SharedRead, 5, 35), (false, false));
    }

    /// The lock for the end, seen before the server says that the end has come, by the only one who looked.
    #[test]
    fn what_is_seen_at_the_end_only_was_not_held_from_the_beginning() {
        assert_eq!(told(&[(450, 451, X)], X, 5, 470), (false, true));
    }

    /// The machine stood still while the question was on its way: it was answered when the work was done.
    #[test]
    fn an_answer_that_came_late_tells_nothing_of_the_middle_of_its_way() {
        assert_eq!(told(&[(1, 22, X)], X, 2, 20), (false, true));
    }
}
