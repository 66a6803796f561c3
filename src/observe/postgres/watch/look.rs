//! Looking at what a statement did, while the server stands still: from outside, and inside its transaction.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future;

use super::super::ask::{Ask, AskError, Inside, Outside};
use super::super::catalog::{self, Catalog, Oid, Reads};
use super::super::inside::MANY_RELATIONS;
use super::super::lock_mode::LockMode;
use super::super::question::{self, About};
use super::super::sampler::Log;
use super::{Answer, Watch, without_counts};
use crate::run::{Blocks, How, Rewrite};

/// Where there are [`MANY_RELATIONS`], statements of data in autocommit that are over sooner than this are not worth reading
/// all of them for. What the next statement reads can then not be told from what they have read.
const WORTH_A_LOOK: Duration = Duration::from_millis(5);

/// Commands that take no snapshot. Until another has run, a question would fix what a REPEATABLE READ transaction sees,
/// or keep the tool from setting the isolation level.
const WITHOUT_SNAPSHOT: [&str; 13] = [
    "BEGIN",
    "START TRANSACTION",
    "SET",
    "RESET",
    "SHOW",
    "LOCK TABLE",
    "SAVEPOINT",
    "RELEASE",
    "ROLLBACK",
    "SET CONSTRAINTS",
    "LISTEN",
    "UNLISTEN",
    "NOTIFY",
];

/// What was found out about a statement at its end.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Granted locks, with how they were seen; `None` when they were not.
    pub(super) locks: Option<Vec<(Oid, LockMode, How)>>,
    pub(super) rewrites: Option<Vec<Rewrite>>,
    pub(super) reads: Option<Reads>,
    /// Where the write-ahead log ended with the statement, and when all of this had been asked.
    pub(super) wal_end: Option<u64>,
    pub(super) wal_after: Option<u64>,
    /// For how many milliseconds it would have waited for a lock, 0 if without a bound.
    pub(super) lock_timeout: Option<u64>,
    pub(super) temp_bytes: Option<u64>,
}

impl Found {
    /// It is known that nothing was rewritten or read.
    fn and_nothing(self, in_transaction: bool) -> Self {
        let temp_bytes = (!in_transaction).then_some(0);
        Self { rewrites: Some(Vec::new()), reads: Some(Reads::default()), temp_bytes, ..self }
    }
}

/// What of the database is to be read anew.
enum Anew {
    Nothing,
    /// These relations and what belongs to their tables.
    Around(Vec<Oid>),
    All,
}

/// The database as it was and as it is.
struct Refreshed {
    before: Arc<Catalog>,
    now: Arc<Catalog>,
    /// Bytes of temporary files since.
    temp_bytes: Option<u64>,
    /// Where the write-ahead log ended afterwards.
    wal_end: Option<u64>,
}

impl Watch {
    /// A transaction is open: its locks are read from outside, the rest is asked inside.
    pub(super) async fn look_inside(
        &mut self,
        answer: &Answer,
        sql: &str,
        backend: &mut (impl Ask + Send),
    ) -> Result<Found, AskError> {
        // Sent at once, and answered in this order.
        let (locks, wal_end) = future::join(self.held_locks(), self.observer.wal_end()).await;
        let (locks, wal_end) = (locks?, Some(wal_end?));
        let mut asked: Vec<Oid> = locks.iter().map(|(oid, _, _)| *oid).collect();
        let is_strong = self.is_strong(&locks) && !may_have_set_it(answer, sql);
        let (rewrites, reads) = (Some(Vec::new()), Some(Reads::default()));
        let nothing = Found { locks: Some(locks), rewrites, reads, wal_end, wal_after: wal_end, ..Found::default() };
        let rolled_back = answer.tags.iter().any(|tag| tag == "ROLLBACK");
        if rolled_back {
            // To a savepoint: everything that was touched may be as it was, without a lock on it.
            asked.extend(self.touched.oids());
        }
        if asked.is_empty() || !self.has_snapshot {
            return Ok(nothing);
        }
        let committed = Arc::clone(&self.observer.record().committed);
        let mut told = None;
        if answer.error.is_none()
            && answer.tags.iter().all(|tag| is_data(tag))
            && let Some(known) = self.touched.countable(&asked, &committed)
        {
            let counted = question::ask(backend, About::Counters(&known), is_strong).await?;
            told = (counted.changes == self.touched.changes).then_some(counted);
        }
        let told = match told {
            Some(told) => told,
            None => question::ask(backend, About::All(&asked), is_strong).await?,
        };
        let before = self.touched.update(&asked, &told.found, &committed);
        self.touched.changes = told.changes;
        let nothing = Found { wal_after: told.wal_end, lock_timeout: told.lock_timeout, ..nothing };
        if rolled_back {
            return Ok(nothing);
        }
        let rewrites = with_sizes(told.found.rewrites_since(&before), &mut Inside(backend)).await;
        let reads =
            self.observer.counts_transactions().then(|| told.found.reads_since(&before, self.observer.parallel));
        Ok(Found { rewrites: Some(rewrites), reads, ..nothing })
    }

    /// No transaction is open: the database is read as everybody sees it.
    pub(super) async fn look_outside(
        &mut self,
        log: &Log,
        answer: &Answer,
        sql: &str,
        duration: Duration,
        in_transaction: bool,
        backend: &mut (impl Ask + Send),
    ) -> Result<Found, AskError> {
        let touched = std::mem::take(&mut self.touched).oids();
        let has_snapshot = std::mem::take(&mut self.has_snapshot);
        let has_failed = std::mem::take(&mut self.has_failed);
        // What failed does not say what it was, and a message may have several statements.
        let are_all = |like: fn(&str) -> bool| {
            answer.error.is_none() && !answer.tags.is_empty() && answer.tags.iter().all(|tag| like(tag))
        };
        let changes_nothing =
            log.locks.is_empty() && are_all(|tag| ["SET", "RESET", "SHOW", "DISCARD ALL", "BEGIN"].contains(&tag));
        let not_worth_it =
            are_all(is_data) && duration < WORTH_A_LOOK && self.observer.record().committed.len() > MANY_RELATIONS;
        let anew = match in_transaction {
            true if has_failed => Anew::All,
            true if has_snapshot && !touched.is_empty() => Anew::Around(touched),
            true => Anew::Nothing,
            false if not_worth_it || changes_nothing => Anew::Nothing,
            false => Anew::All,
        };
        let was_stale = self.observer.record().stale;
        let (wal_end, refreshed) = self.refresh(&anew, backend).await?;
        let wal_end = Some(wal_end);
        let locks = if in_transaction || changes_nothing { Some(Vec::new()) } else { sampled(log) };
        let Some(Refreshed { before, now, temp_bytes, wal_end: wal_after }) = refreshed else {
            let mut record = self.observer.record();
            if in_transaction && has_snapshot {
                // What it has used is reported at some time or other.
                record.temp_bytes = None;
            }
            record.stale |= !in_transaction && not_worth_it;
            let wal = Found { locks, wal_end, wal_after: wal_end, ..Found::default() };
            return Ok(if !in_transaction && not_worth_it { wal } else { wal.and_nothing(in_transaction) });
        };
        if in_transaction {
            return Ok(Found { locks, wal_end, wal_after, ..Found::default() }.and_nothing(in_transaction));
        }
        let lock_timeout = self.lock_timeout(locks.as_deref(), answer, sql, backend).await;
        let is_stale = self.observer.record().stale;
        let rewrites = with_sizes(now.rewrites_since(&before), &mut Outside(&self.observer.control.client)).await;
        let counted = self.observer.counts_transactions() && !was_stale && !is_stale;
        // Workers have reported, too, by now.
        let reads = counted.then(|| now.reads_since(&before, false));
        let temp_bytes = temp_bytes.filter(|_| counted);
        Ok(Found { locks, rewrites: Some(rewrites), reads, wal_end, wal_after, lock_timeout, temp_bytes })
    }

    /// Whether the statement took a lock for which it may have to wait behind others, who then wait behind it.
    fn is_strong(&self, locks: &[(Oid, LockMode, How)]) -> bool {
        let record = self.observer.record();
        let known: Vec<(Oid, LockMode)> =
            self.open.iter().map(|hold| (record.holds[*hold].key.relation, record.holds[*hold].key.mode)).collect();
        let shuts_out = |mode: LockMode| mode.blocks().contains(&Blocks::Writes);
        let mut locks = locks.iter();
        locks.any(|(oid, mode, _)| shuts_out(*mode) && record.earlier.contains(*oid) && !known.contains(&(*oid, *mode)))
    }

    /// For how many milliseconds the session waits for a lock; 0 is without a bound. `None` where the statement took no lock
    /// that others would wait for, and where it cannot be asked.
    async fn lock_timeout(
        &self,
        locks: Option<&[(Oid, LockMode, How)]>,
        answer: &Answer,
        sql: &str,
        backend: &mut (impl Ask + Send),
    ) -> Option<u64> {
        if may_have_set_it(answer, sql) || !self.is_strong(locks?) {
            return None;
        }
        Some(question::milliseconds(backend.ask(question::LOCK_TIMEOUT).await.ok()?.first()?))
    }

    /// Says where the write-ahead log ends, and then reads the database anew as everybody sees it.
    async fn refresh(
        &self,
        anew: &Anew,
        backend: &mut (impl Ask + Send),
    ) -> Result<(u64, Option<Refreshed>), AskError> {
        if matches!(anew, Anew::Nothing) {
            return Ok((self.observer.wal_end().await?, None));
        }
        let (wal_end, stale) = future::join(self.observer.wal_end(), self.report(backend)).await;
        let (wal_end, stale) = (wal_end?, stale?);
        let observer = &self.observer;
        let now = async {
            match anew {
                Anew::Around(oids) => {
                    let mut outside = Outside(&observer.control.client);
                    let found = Catalog::read_around(&mut outside, oids).await?;
                    let mut all = Catalog::clone(&observer.record().committed);
                    all.replace(oids, &found);
                    Ok(all)
                }
                Anew::Nothing | Anew::All => observer.read_committed().await,
            }
        };
        // Sent at once, and answered in this order: reading may itself have written to the log (a page of a catalog that
        // was pruned).
        let (now, temp_bytes, after) = future::join3(now, observer.temp_bytes(), observer.wal_end()).await;
        let (now, temp_bytes, after) = (Arc::new(now?), if stale { None } else { temp_bytes? }, after?);
        let mut record = observer.record();
        let temp_before = std::mem::replace(&mut record.temp_bytes, temp_bytes);
        record.stale = stale || (matches!(anew, Anew::Around(_)) && record.stale);
        let before = std::mem::replace(&mut record.committed, Arc::clone(&now));
        let temp_bytes = temp_bytes.zip(temp_before).map(|(now, before)| now.saturating_sub(before));
        Ok((wal_end, Some(Refreshed { before, now, temp_bytes, wal_end: Some(after) })))
    }

    /// Has the backend report what it has counted, which it does at most once a second otherwise. Says whether it could not: the
    /// tool's own time limit may hit this question, which harms nothing where no transaction is open.
    async fn report(&self, backend: &mut (impl Ask + Send)) -> Result<bool, AskError> {
        if !self.observer.counts_transactions() {
            return Ok(false);
        }
        match backend.ask("SELECT pg_catalog.pg_stat_force_next_flush()").await {
            Ok(_) => Ok(false),
            Err(AskError::Refused(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    async fn held_locks(&self) -> Result<Vec<(Oid, LockMode, How)>, AskError> {
        let rows = self.observer.control.client.query(&self.observer.locks, &[&self.backend]).await;
        let rows = rows.map_err(|error| AskError::Refused(crate::server::session::message(&error)))?;
        Ok(rows
            .iter()
            .filter(|row| row.get(2))
            .filter_map(|row| Some((row.get(0), LockMode::parse(row.get(1))?, How::Exact)))
            .collect())
    }
}

/// Whether one of several statements may have set the wait for locks for their own transaction only, which is over.
fn may_have_set_it(answer: &Answer, sql: &str) -> bool {
    answer.tags.len() > 1 && sql.to_ascii_lowercase().contains("_timeout")
}

/// Whether a unit has taken a snapshot.
pub(super) fn takes_snapshot(answer: &Answer) -> bool {
    answer.tags.iter().any(|tag| !WITHOUT_SNAPSHOT.contains(&tag.as_str()))
}

/// The locks that samples saw granted; `None` when they saw none, which may mean that there was no time to look.
pub(super) fn sampled(log: &Log) -> Option<Vec<(Oid, LockMode, How)>> {
    let granted = log.locks.iter().filter(|(_, seen)| seen.was_granted());
    let locks: Vec<_> = granted.map(|((oid, mode), _)| (*oid, *mode, How::Sampled)).collect();
    (!locks.is_empty()).then_some(locks)
}

async fn with_sizes(rewrites: Vec<(Oid, Rewrite)>, session: &mut (impl Ask + Send)) -> Vec<Rewrite> {
    if rewrites.is_empty() {
        return Vec::new();
    }
    let oids: Vec<Oid> = rewrites.iter().map(|(oid, _)| *oid).collect();
    let sizes = catalog::sizes(session, &oids).await;
    rewrites.into_iter().zip(sizes).map(|((_, rewrite), bytes)| Rewrite { bytes, ..rewrite }).collect()
}

fn is_data(tag: &str) -> bool {
    ["INSERT", "UPDATE", "DELETE", "SELECT", "MERGE", "COPY"].contains(&without_counts(tag).as_str())
}
