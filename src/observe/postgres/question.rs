//! What is asked of the tool's own backend at a boundary within its transaction: everything in one message.
//!
//! Reading names and storage takes the server a millisecond, most of it for planning. After a statement of data nothing but
//! counters has changed, unless a function or a trigger changed the schema: the backend counts its own changes of the
//! catalogs like those of any table, so that this is noticed and not assumed.

use super::ask::{Ask, AskError, Inside, Row};
use super::catalog::{Catalog, Oid};

/// Rows of `pg_class`, `pg_index` and `pg_namespace` that a transaction has changed; no relation gets another name, file,
/// index or partition without. `None` where the session does not count.
pub(super) type Changes = Option<u64>;

/// What the backend said.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The relations that were asked for.
    pub(super) found: Catalog,
    /// The transaction's changes of the catalogs so far.
    pub(super) changes: Changes,
    /// For how many milliseconds the session waits for a lock, 0 if without a bound; `None` if that was not asked.
    pub(super) lock_timeout: Option<u64>,
    /// Where the write-ahead log ends now that all of it was answered.
    pub(super) wal_end: Option<u64>,
}

/// Of relations, what is asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum About<'a> {
    /// Names, storage and counters of these, and of what belongs to their tables.
    All(&'a [Oid]),
    /// Counters alone.
    Counters(&'a Catalog),
}

/// The bound on the wait for a lock: of three settings the shortest that is set. One that the server does not have is no bound.
pub(super) const LOCK_TIMEOUT: &str = "SELECT pg_catalog.min(ms) FROM (SELECT \
    (pg_catalog.date_part('epoch', pg_catalog.current_setting(name, true)::pg_catalog.interval) * 1000)::bigint \
    FROM pg_catalog.unnest('{lock_timeout,statement_timeout,transaction_timeout}'::text[]) AS n(name)) AS s(ms) \
    WHERE ms > 0";

/// Asks, in a transaction that has taken a snapshot. The wait for locks is asked `with_lock_timeout` only.
pub(super) async fn ask(
    backend: &mut (impl Ask + Send),
    about: About<'_>,
    with_lock_timeout: bool,
) -> Result<Told, AskError> {
    let (relations, utf8) = match about {
        About::All(oids) => (Catalog::around(oids), "SET LOCAL client_encoding = 'UTF8'; "),
        About::Counters(catalog) => (catalog.counters(), ""),
    };
    // The settings are read before one of them is set aside.
    let lock_timeout = if with_lock_timeout { format!("{LOCK_TIMEOUT}; ") } else { String::new() };
    let sql = format!("{lock_timeout}SET LOCAL statement_timeout = 0; {utf8}{relations}; {}", last_row());
    let mut rows = Inside(backend).ask_as_set(&sql).await?.into_iter();
    let mut told = Told::default();
    if with_lock_timeout {
        let first = rows.next().ok_or(AskError::Garbled)?;
        told.lock_timeout = Some(milliseconds(&first));
    }
    let mut rows: Vec<Row> = rows.collect();
    let last = rows.pop().ok_or(AskError::Garbled)?;
    let number = |index: usize| last.get(index)?.as_deref()?.parse().ok();
    (told.changes, told.wal_end) = (number(0), number(1));
    told.found = match about {
        About::All(_) => Catalog::of(&rows),
        About::Counters(catalog) => catalog.counted(&rows),
    };
    Ok(told)
}

/// The shortest of the bounds, in milliseconds; 0 where there is none.
pub(super) fn milliseconds(row: &Row) -> u64 {
    row.first().and_then(|field| field.as_deref()?.parse().ok()).unwrap_or(0)
}

/// What the transaction has changed in the catalogs, and where the write-ahead log ends.
fn last_row() -> String {
    let mut changes = Vec::new();
    for catalog in ["pg_class", "pg_index", "pg_namespace"] {
        for what in ["inserted", "updated", "deleted"] {
            changes.push(format!(
                "pg_catalog.pg_stat_get_xact_tuples_{what}('pg_catalog.{catalog}'::pg_catalog.regclass)"
            ));
        }
    }
    format!(
        "SELECT CASE WHEN pg_catalog.current_setting('track_counts') = 'on' THEN {} END, \
         pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0')",
        changes.join(" + ")
    )
}
