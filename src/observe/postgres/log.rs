//! What statements wrote to the write-ahead log.
//!
//! Two places in the log are told apart by their distance, in which the headers of its own pages do not count: that repeats
//! exactly for the same data. Where the server can read its log ([`LogReader`]), records are counted one by one, which leaves
//! out what the server's background processes write now and then, and tells images of whole pages apart.

use tokio_postgres::{Client, Config};

use crate::server::session::{Session, message};

/// Bytes of a page of the log, of its header, and of the header of a segment's first page (`xlog_internal.h`, 14 to 18).
const PAGE: u64 = 8192;
const HEADER: u64 = 24;
const FIRST_HEADER: u64 = 40;
/// So much of the log is read again for one migration: that takes about a second for each 1.5 GB.
const MOST_READ: u64 = 4 << 30;

/// What is written between two places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// The first place, in bytes since the log's beginning.
    pub(super) from: u64,
    /// The last.
    pub(super) to: u64,
}

impl Span {
    /// Bytes in it that are not headers of the log's pages. `segment` is `wal_segment_size`.
    pub(super) fn bytes(self, segment: u64) -> u64 {
        position(self.to, segment).saturating_sub(position(self.from, segment))
    }
}

/// How many bytes that are not headers are before a place, as `XLogRecPtrToBytePos` counts them.
fn position(place: u64, segment: u64) -> u64 {
    let (full, rest) = (place / segment, place % segment);
    let (pages, within) = (rest / PAGE, rest % PAGE);
    let headers = if pages == 0 { 0 } else { FIRST_HEADER + (pages - 1) * HEADER };
    let header = if pages == 0 { FIRST_HEADER } else { HEADER };
    full * (segment - FIRST_HEADER - (segment / PAGE - 1) * HEADER) + pages * PAGE - headers
        + within.saturating_sub(header)
}

/// What records hold.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    /// Bytes of all records.
    pub(super) bytes: u64,
    /// Those of them that are images of whole pages.
    pub(super) images: u64,
}

/// A session that reads the log's records, with a function of the extension `pg_walinspect` (15 and later) that is made for this
/// session alone, in the maintenance database: nothing is installed.
#[derive(Debug)]
pub(super) struct LogReader(Session);

impl LogReader {
    /// Opens it; `None` where the server lacks the library, or the account may not use it.
    pub(super) async fn open(config: &Config) -> Option<Self> {
        const FUNCTION: &str = "CREATE FUNCTION pg_temp.wal_stats(pg_lsn, pg_lsn, bool, OUT record text, OUT count int8, \
             OUT count_part float8, OUT size int8, OUT size_part float8, OUT image_size int8, OUT image_part float8, \
             OUT combined_size int8, OUT combined_part float8) RETURNS SETOF record \
             AS '$libdir/pg_walinspect', 'pg_get_wal_stats' LANGUAGE C STRICT";
        let mut config = config.clone();
        config.dbname("postgres");
        let session = Session::open(&config).await.ok()?;
        session.client.batch_execute(&format!("SET synchronous_commit = on; {FUNCTION}")).await.ok()?;
        Some(Self(session))
    }

    /// What is in each of these spans; `None` where the log is no longer there, or too long to be read again.
    pub(super) async fn read(&self, spans: &[Span]) -> Option<Vec<Written>> {
        if spans.iter().map(|span| span.to - span.from).sum::<u64>() > MOST_READ {
            return None;
        }
        // The function takes no empty span.
        let full: Vec<Span> = spans.iter().copied().filter(|span| span.from < span.to).collect();
        let mut written = match read(&self.0.client, &full).await {
            Ok(written) => written.into_iter(),
            Err(error) => {
                tracing::debug!(error = message(&error), "the write-ahead log could not be read again");
                return None;
            }
        };
        spans.iter().map(|span| if span.from < span.to { written.next() } else { Some(Written::default()) }).collect()
    }
}

async fn read(client: &Client, spans: &[Span]) -> Result<Vec<Written>, tokio_postgres::Error> {
    // Records of the background writer and of the checkpointer are no statement's.
    const STATS: &str = "SELECT COALESCE(sum(s.combined_size), 0)::int8, COALESCE(sum(s.image_size), 0)::int8 \
         FROM unnest($1::int8[], $2::int8[]) WITH ORDINALITY AS span(a, z, place) \
         LEFT JOIN LATERAL pg_temp.wal_stats('0/0'::pg_lsn + span.a::numeric, '0/0'::pg_lsn + span.z::numeric, true) s \
         ON s.record NOT IN ('Standby/RUNNING_XACTS', 'XLOG/CHECKPOINT_ONLINE', 'XLOG/CHECKPOINT_REDO') \
         GROUP BY span.place ORDER BY span.place";
    // Only what is on disk can be read: a commit brings everything before it there.
    client.batch_execute("SELECT pg_logical_emit_message(true, 'rehearsal', '')").await?;
    let places = |place: fn(&Span) -> u64| -> Vec<i64> {
        spans.iter().map(|span| i64::try_from(place(span)).unwrap_or(i64::MAX)).collect()
    };
    let rows = client.query(STATS, &[&places(|span| span.from), &places(|span| span.to)]).await?;
    let number = |value: i64| u64::try_from(value).unwrap_or_default();
    Ok(rows.iter().map(|row| Written { bytes: number(row.get(0)), images: number(row.get(1)) }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: u64 = 16 << 20;

    #[test]
    fn headers_of_pages_and_segments_do_not_count() {
        let bytes = |from, to| Span { from, to }.bytes(SEGMENT);
        assert_eq!(bytes(100, 150), 50);
        assert_eq!(bytes(SEGMENT + PAGE - 10, SEGMENT + PAGE + HEADER + 10), 20);
        assert_eq!(bytes(2 * SEGMENT - 10, 2 * SEGMENT + FIRST_HEADER + 10), 20);
        assert_eq!(bytes(SEGMENT, 2 * SEGMENT), SEGMENT - FIRST_HEADER - (SEGMENT / PAGE - 1) * HEADER);
        // A place within a header is where its page begins.
        assert_eq!(bytes(SEGMENT + PAGE - 10, SEGMENT + PAGE), 10);
    }
}
