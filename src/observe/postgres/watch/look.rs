//! Looking at what a statement did, while the server stands still: from outside, and inside its transaction.

use std::sync::Arc;
use std::time::Duration;

use super::super::ask::{Ask, AskError, Inside, Outside};
use super::super::catalog::{self, Catalog, Oid, Reads, Statistics};
use super::super::lock_mode::LockMode;
use super::super::sampler::Log;
use super::{Answer, TransactionStatus, Watch, without_counts};
use crate::run::{Blocks, How, Rewrite};

/// In a database of more relations than this, statements of data in autocommit that are over sooner than this are not
/// worth reading all of them for. What the next statement reads can then not be told from what they have read.
const MANY_RELATIONS: usize = 2_000;
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
    pub(super) wal_end: Option<u64>,
    pub(super) temp_bytes: Option<u64>,
}

impl Watch {
    /// A transaction is open: its locks are read from outside, the rest is asked inside.
    pub(super) async fn look_inside(
        &mut self,
        answer: &Answer,
        backend: &mut (impl Ask + Send),
    ) -> Result<Found, AskError> {
        let locks = self.held_locks().await?;
        let wal_end = Some(self.observer.wal_end().await?);
        let mut asked: Vec<Oid> = locks.iter().map(|(oid, _, _)| *oid).collect();
        let (rewrites, reads) = (Some(Vec::new()), Some(Reads::default()));
        let nothing = Found { locks: Some(locks), rewrites, reads, wal_end, temp_bytes: None };
        let rolled_back = answer.tags.iter().any(|tag| tag == "ROLLBACK");
        if rolled_back {
            // To a savepoint: everything that was touched may be as it was, without a lock on it.
            asked.extend(self.touched.oids());
        }
        if asked.is_empty() || !self.has_snapshot {
            return Ok(nothing);
        }
        let mut inside = Inside(backend);
        let now = Catalog::read_around(&mut inside, Statistics::Transaction, &asked).await?;
        let committed = Arc::clone(&self.observer.record().committed);
        let before = self.touched.update(&asked, &now, &committed);
        if rolled_back {
            return Ok(nothing);
        }
        let rewrites = with_sizes(now.rewrites_since(&before), &mut inside).await;
        let reads = self.observer.counts_transactions().then(|| now.reads_since(&before, self.observer.parallel));
        Ok(Found { rewrites: Some(rewrites), reads, ..nothing })
    }

    /// No transaction is open: the database is read as everybody sees it.
    pub(super) async fn look_outside(
        &mut self,
        log: &Log,
        answer: &Answer,
        duration: Duration,
        in_transaction: bool,
        backend: &mut (impl Ask + Send),
    ) -> Result<Found, AskError> {
        let wal_end = Some(self.observer.wal_end().await?);
        let touched = std::mem::take(&mut self.touched).oids();
        let has_snapshot = std::mem::take(&mut self.has_snapshot);
        let has_failed = std::mem::take(&mut self.has_failed);
        let (locks, rewrites, reads) = (Some(Vec::new()), Some(Vec::new()), Some(Reads::default()));
        let nothing = Found { locks, rewrites, reads, wal_end, temp_bytes: (!in_transaction).then_some(0) };
        if in_transaction {
            if has_failed {
                self.refresh(None, backend).await?;
            } else if has_snapshot && !touched.is_empty() {
                self.refresh(Some(&touched), backend).await?;
            } else if has_snapshot {
                // What it has used is reported at some time or other.
                self.observer.record().temp_bytes = None;
            }
            return Ok(nothing);
        }
        let command = answer.tags.first().map_or("", String::as_str);
        if log.locks.is_empty() && ["SET", "RESET", "SHOW", "DISCARD ALL", "BEGIN"].contains(&command) {
            return Ok(nothing);
        }
        let locks = sampled(log);
        if is_data(command) && duration < WORTH_A_LOOK {
            let mut record = self.observer.record();
            if record.committed.len() > MANY_RELATIONS {
                record.stale = true;
                return Ok(Found { locks, wal_end, ..Found::default() });
            }
        }
        let was_stale = self.observer.record().stale;
        let (before, now, temp_bytes) = self.refresh(None, backend).await?;
        let is_stale = self.observer.record().stale;
        let rewrites = with_sizes(now.rewrites_since(&before), &mut Outside(&self.observer.control.client)).await;
        let counted = self.observer.counts_transactions() && !was_stale && !is_stale;
        // Workers have reported, too, by now.
        let reads = counted.then(|| now.reads_since(&before, false));
        Ok(Found { locks, rewrites: Some(rewrites), reads, wal_end, temp_bytes: temp_bytes.filter(|_| counted) })
    }

    /// For how many milliseconds the session waits for a lock; 0 is without a bound. `None` where the statement took no lock
    /// that others would wait for, and where it cannot be asked: in a failed transaction, before the transaction has a
    /// snapshot, and after several statements of which one may have set it for their own transaction only.
    pub(super) async fn lock_timeout(
        &self,
        found: &Found,
        answer: &Answer,
        sql: &str,
        backend: &mut (impl Ask + Send),
    ) -> Option<u64> {
        const SQL: &str = "SELECT pg_catalog.min(ms) FROM (SELECT \
            (pg_catalog.date_part('epoch', pg_catalog.current_setting(name, true)::pg_catalog.interval) * 1000)::bigint \
            FROM pg_catalog.unnest('{lock_timeout,statement_timeout,transaction_timeout}'::text[]) AS n(name)) AS s(ms) \
            WHERE ms > 0";
        let strong = {
            let record = self.observer.record();
            let known: Vec<(Oid, LockMode)> =
                self.open.iter().map(|hold| (record.holds[*hold].key.relation, record.holds[*hold].key.mode)).collect();
            let shuts_out = |mode: LockMode| mode.blocks().contains(&Blocks::Writes);
            let mut locks = found.locks.iter().flatten();
            locks.any(|(oid, mode, _)| {
                shuts_out(*mode) && record.earlier.contains(*oid) && !known.contains(&(*oid, *mode))
            })
        };
        let set_for_itself = answer.tags.len() > 1 && sql.to_ascii_lowercase().contains("_timeout");
        if !strong || set_for_itself {
            return None;
        }
        let rows = match self.status {
            TransactionStatus::Open if self.has_snapshot => Inside(backend).ask_as_set(SQL).await.ok()?,
            TransactionStatus::Idle => backend.ask(SQL).await.ok()?,
            TransactionStatus::Open | TransactionStatus::Failed => return None,
        };
        Some(rows.first()?.first()?.as_deref().and_then(|ms| ms.parse().ok()).unwrap_or(0))
    }

    /// Reads the database anew as everybody sees it, or only what is around some relations; gives it as it was and as
    /// it is, and the bytes of temporary files since.
    async fn refresh(
        &self,
        around: Option<&[Oid]>,
        backend: &mut (impl Ask + Send),
    ) -> Result<(Arc<Catalog>, Arc<Catalog>, Option<u64>), AskError> {
        let mut stale = false;
        if self.observer.counts_transactions() {
            // Counters are reported at most once a second otherwise. The tool's own time limit may hit this question,
            // which harms nothing here where no transaction is open.
            stale = match backend.ask("SELECT pg_catalog.pg_stat_force_next_flush()").await {
                Ok(_) => false,
                Err(AskError::Refused(_)) => true,
                Err(error) => return Err(error),
            };
        }
        let now = match around {
            None => Arc::new(self.observer.read_committed().await?),
            Some(oids) => {
                let mut outside = Outside(&self.observer.control.client);
                let found = Catalog::read_around(&mut outside, Statistics::Reported, oids).await?;
                let mut all = Catalog::clone(&self.observer.record().committed);
                all.replace(oids, &found);
                Arc::new(all)
            }
        };
        let temp_bytes = if stale { None } else { self.observer.temp_bytes().await? };
        let mut record = self.observer.record();
        let temp_before = std::mem::replace(&mut record.temp_bytes, temp_bytes);
        record.stale = stale || (around.is_some() && record.stale);
        let before = std::mem::replace(&mut record.committed, Arc::clone(&now));
        Ok((before, now, temp_bytes.zip(temp_before).map(|(now, before)| now.saturating_sub(before))))
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
