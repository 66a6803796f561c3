//! Reading a backend's locks again and again while its statement runs.
//!
//! At a standstill locks are read exactly. Sampling tells the rest: what a statement outside a transaction locks, what
//! a failing one had locked, how long a lock was waited for, and when `COMMIT` let go (before it removes replaced
//! files, and so before its answer: 7 to 22 ms for 40 MB on 15). The interval grows with the statement, so that the
//! error of a sampled time stays about 2 % of it; it lies within one interval.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_postgres::{Client, Statement};

use super::catalog::Oid;
use super::lock_mode::LockMode;

/// The shortest and the longest time between two samples.
pub(super) const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(50);

/// The locks of one backend on relations of this database. A clone of a database has the same OIDs, hence the filter.
/// `waitstart` is there since 14; before, a wait is timed by samples alone.
pub(super) fn query(has_waitstart: bool) -> String {
    let waited = if has_waitstart {
        "extract(epoch FROM pg_catalog.clock_timestamp() - l.waitstart)::float8"
    } else {
        "NULL::float8"
    };
    format!(
        "SELECT l.relation, l.mode, l.granted, {waited} FROM pg_catalog.pg_locks l \
         WHERE l.pid = $1 AND l.locktype = 'relation' AND l.relation >= 16384 AND l.database = \
         (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())"
    )
}

/// What samples told of one lock.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// The last sample before it was seen granted.
    pub(super) absent_before: Option<Instant>,
    /// The first sample that saw it granted.
    first: Option<Instant>,
    /// The last sample that saw it granted.
    last: Option<Instant>,
    /// The first sample after that which did not see it.
    absent_after: Option<Instant>,
    /// How long it was waited for.
    pub(super) waited: Duration,
}

impl Seen {
    /// Whether it was seen granted, and not only waited for.
    pub(super) fn was_granted(&self) -> bool {
        self.first.is_some()
    }
}

/// What the samples of one statement told.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) samples: u64,
    first: Option<Instant>,
    latest: Option<Instant>,
    pub(super) locks: HashMap<(Oid, LockMode), Seen>,
}

impl Log {
    /// Takes a sample: the locks at one moment, each with whether it is granted and how long it has been waited for.
    fn add(&mut self, at: Instant, locks: &[(Oid, LockMode, bool, Option<Duration>)]) {
        for (oid, mode, granted, waited) in locks {
            let seen = self.locks.entry((*oid, *mode)).or_default();
            if *granted {
                if seen.first.is_none() {
                    seen.first = Some(at);
                    seen.absent_before = self.latest;
                }
                seen.last = Some(at);
                // Let go and taken again within one statement counts as one hold, from the first to the last.
                seen.absent_after = None;
            } else if let Some(waited) = waited {
                seen.waited = seen.waited.max(*waited);
            }
        }
        for seen in self.locks.values_mut() {
            if seen.last.is_some_and(|last| last < at) && seen.absent_after.is_none() {
                seen.absent_after = Some(at);
            }
        }
        self.samples += 1;
        self.first.get_or_insert(at);
        self.latest = Some(at);
    }

    /// The first sample that shows a lock to be let go, if it was held when the statement began or taken by it.
    pub(super) fn released(&self, lock: (Oid, LockMode)) -> Option<Instant> {
        self.locks.get(&lock).map_or(self.first, |seen| seen.absent_after)
    }
}

/// Samples one statement of one backend until it is told to stop.
#[derive(Debug)]
pub(super) struct Sampler {
    log: Arc<Mutex<Log>>,
    task: JoinHandle<()>,
}

impl Sampler {
    /// Begins to sample. `client` is a session of the observer's that does nothing else.
    pub(super) fn start(client: Arc<Client>, statement: Statement, backend: i32) -> Self {
        let log = Arc::new(Mutex::new(Log::default()));
        let task = tokio::spawn(sample(client, statement, backend, Arc::clone(&log)));
        Self { log, task }
    }

    /// Stops, and gives what was seen.
    pub(super) fn stop(&self) -> Log {
        self.task.abort();
        std::mem::take(&mut *self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn sample(client: Arc<Client>, statement: Statement, backend: i32, log: Arc<Mutex<Log>>) {
    let began = Instant::now();
    loop {
        tokio::time::sleep(began.elapsed().mul_f64(0.02).clamp(SHORTEST, LONGEST)).await;
        let asked = Instant::now();
        // A server that is gone is reported by those who need it, not here.
        let Ok(rows) = client.query(&statement, &[&backend]).await else { return };
        let at = asked + asked.elapsed() / 2;
        let locks: Vec<_> = rows
            .iter()
            .filter_map(|row| {
                let waited: Option<f64> = row.get(3);
                let waited = waited.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                Some((row.get(0), LockMode::parse(row.get(1))?, row.get(2), waited))
            })
            .collect();
        log.lock().unwrap_or_else(PoisonError::into_inner).add(at, &locks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AX: LockMode = LockMode::AccessExclusive;

    #[test]
    fn a_lock_is_bounded_by_the_samples_that_did_not_see_it() {
        let mut log = Log::default();
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        log.add(at(1), &[]);
        log.add(at(2), &[(1, AX, true, None)]);
        log.add(at(3), &[(1, AX, true, None)]);
        log.add(at(4), &[]);
        log.add(at(5), &[]);
        let seen = &log.locks[&(1, AX)];
        assert_eq!((seen.absent_before, log.released((1, AX))), (Some(at(1)), Some(at(4))));
    }

    #[test]
    fn a_lock_from_before_that_no_sample_saw_was_let_go_by_the_first() {
        let mut log = Log::default();
        let first = Instant::now();
        log.add(first, &[]);
        log.add(first + Duration::from_millis(20), &[]);
        assert_eq!(log.released((1, AX)), Some(first));
        assert_eq!(Log::default().released((1, AX)), None);
    }

    #[test]
    fn a_lock_that_is_only_waited_for_is_not_held() {
        let mut log = Log::default();
        log.add(Instant::now(), &[(1, AX, false, Some(Duration::from_millis(7)))]);
        let seen = &log.locks[&(1, AX)];
        assert!(!seen.was_granted());
        assert_eq!(seen.waited, Duration::from_millis(7));
    }
}
