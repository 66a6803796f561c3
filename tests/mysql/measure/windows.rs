//! How long readers and writers are shut out is what sessions that were shut out saw on their own clocks.
//!
//! A reader and a writer that change nothing ask again and again. The longest that one of them waited for a metadata lock, by
//! the stage `Waiting for table metadata lock` of its own session, is compared with the longest stretch that the observer
//! tells: within 3 % or 15 ms. (Their latency as a client sees it has 50 to 100 ms of a busy machine's own in it, without any
//! lock.) A session may wake late for the same reason, so a statement is tried up to four times.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder};
use rehearsal::run::Blocking;

use super::rig::{Rig, alone};
use crate::lab::Place;

/// Rows of the table; fewer where there is less time (`REHEARSAL_TEST_ROWS`).
fn rows() -> u64 {
    std::env::var("REHEARSAL_TEST_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(1_000_000)
}

/// A session that asks the same again and again.
struct Probe {
    id: u32,
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Probe {
    async fn start(opts: &Opts, database: &str, sql: String) -> Self {
        let opts = OptsBuilder::from_opts(opts.clone()).db_name(Some(database));
        let mut conn = Conn::new(opts).await.expect("a session");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let id = conn.id();
        let task = tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                conn.query_drop(&sql).await.expect("an answer");
                tokio::time::sleep(Duration::from_micros(500)).await;
            }
            // It stays known to the server until it was asked for.
            std::mem::forget(conn);
        });
        Self { id, stop, task }
    }

    /// The longest that it waited for a metadata lock.
    async fn end(self, aside: &mut Conn) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("a probe");
        let sql = format!(
            // MariaDB wakes and waits on every second, so that one wait has several stages.
            "SELECT CAST(COALESCE(MAX(w.waited), 0) AS UNSIGNED) FROM (SELECT SUM(s.TIMER_WAIT) AS waited \
             FROM performance_schema.events_stages_history_long s \
             JOIN performance_schema.threads t ON t.THREAD_ID = s.THREAD_ID WHERE t.PROCESSLIST_ID = {} \
             AND s.EVENT_NAME = 'stage/sql/Waiting for table metadata lock' GROUP BY s.NESTING_EVENT_ID) w",
            self.id
        );
        let picoseconds: u64 = aside.query_first(sql).await.expect("an answer").expect("a row");
        aside.query_drop(format!("KILL {}", self.id)).await.expect("killed");
        Duration::from_nanos(picoseconds / 1000)
    }
}

fn close(told: Duration, felt: Duration) -> bool {
    let difference = told.abs_diff(felt);
    difference <= Duration::from_millis(15) || difference <= felt.mul_f64(0.03)
}

const SETUP: [&str; 4] = [
    "CREATE TABLE parent (id INT PRIMARY KEY, x INT)",
    "INSERT INTO parent VALUES (1, 1), (2, 2)",
    "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, a INT, b VARCHAR(60), p INT, KEY (a))",
    "INSERT INTO t (a, b, p) VALUES (1, REPEAT('x', 60), 1), (2, REPEAT('y', 60), 2)",
];

async fn compare(place: Place, opts: &Opts) {
    let mut rig = Rig::new(opts, "obs_windows", &SETUP).await;
    let mut filled = 2;
    while filled < rows() {
        let more = (rows() - filled).min(filled);
        let sql = format!("INSERT INTO t (a, b, p) SELECT a + {filled}, b, p FROM t LIMIT {more}");
        rig.aside.query_drop(sql).await.expect("rows");
        filled += more;
    }
    let mut wrong = Vec::new();
    // What is done and undone, so that it can be done again, and the table that is looked at.
    for (sql, undo, table) in [
        ("ALTER TABLE t MODIFY a BIGINT", "ALTER TABLE t MODIFY a INT", "t"),
        ("ALTER TABLE t ADD INDEX ib (b)", "ALTER TABLE t DROP INDEX ib", "t"),
        ("ALTER TABLE t ADD INDEX ib (b), LOCK = EXCLUSIVE", "ALTER TABLE t DROP INDEX ib", "t"),
        ("ALTER TABLE t FORCE", "DO 0", "t"),
        ("ALTER TABLE t ADD COLUMN n INT", "ALTER TABLE t DROP COLUMN n", "t"),
        (
            "ALTER TABLE t ADD CONSTRAINT fk FOREIGN KEY (p) REFERENCES parent (id)",
            "ALTER TABLE t DROP FOREIGN KEY fk",
            "parent",
        ),
    ] {
        let mut tries = Vec::new();
        for _ in 0..4 {
            let reader = Probe::start(opts, "obs_windows", format!("SELECT 1 FROM {table} LIMIT 0")).await;
            let writer = Probe::start(opts, "obs_windows", format!("UPDATE {table} SET id = id WHERE FALSE")).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            rig.run(sql).await;
            let felt = (reader.end(&mut rig.aside).await, writer.end(&mut rig.aside).await);
            let blocking = rig.observe().await.blocking;
            let found = blocking.iter().find(|blocking| blocking.table == format!("obs_windows.{table}"));
            let told = found.map_or((Duration::ZERO, Duration::ZERO), held);
            rig.aside.query_drop(undo).await.expect("undone");
            let agrees = close(told.0, felt.0) && close(told.1, felt.1);
            tries.push(format!("told {told:?}, felt {felt:?}"));
            if agrees {
                tries.clear();
                break;
            }
        }
        if !tries.is_empty() {
            wrong.push(format!("{sql} (readers, writers of {table}): {}", tries.join("; ")));
        }
    }
    assert_eq!(rig.observer.trouble(), None);
    assert!(wrong.is_empty(), "{place:?}:\n{}", wrong.join("\n"));
}

fn held(blocking: &Blocking) -> (Duration, Duration) {
    let span = |held: Option<rehearsal::run::Millis>| held.expect("an observed release").0;
    (span(blocking.reads.held_ms), span(blocking.writes.held_ms))
}

#[test]
fn sessions_of_mysql_wait_as_long_as_is_told() {
    let place = Place::Mysql("9.7");
    alone(place, async |opts| compare(place, opts).await);
}

#[test]
fn sessions_of_mariadb_11_8_wait_as_long_as_is_told() {
    let place = Place::Mariadb("11.8");
    alone(place, async |opts| compare(place, opts).await);
}

#[test]
fn sessions_of_mariadb_10_11_wait_as_long_as_is_told() {
    let place = Place::Local;
    alone(place, async |opts| compare(place, opts).await);
}
