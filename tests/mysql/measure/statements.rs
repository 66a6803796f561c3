//! What is recorded of single statements, transactions and packets.

use std::time::{Duration, Instant};

use mysql_async::Opts;
use mysql_async::prelude::Queryable;
use rehearsal::run::{Algorithm, Blocks, How, Lock, Statement, StatementStatus};

use super::rig::{Rig, alone};
use crate::lab::Place;

const SETUP: [&str; 4] = [
    "CREATE TABLE parent (id INT PRIMARY KEY)",
    "INSERT INTO parent VALUES (1), (2)",
    "CREATE TABLE t (id INT PRIMARY KEY, a INT, b VARCHAR(40))",
    "INSERT INTO t VALUES (1, 1, 'x'), (2, 2, 'y')",
];

fn lock<'a>(statement: &'a Statement, mode: &str) -> Option<&'a Lock> {
    statement.locks.as_ref()?.iter().find(|lock| lock.mode == mode)
}

async fn a_packet_is_recorded_statement_by_statement(place: Place, opts: &Opts) {
    let mut rig = Rig::new(opts, "obs_packet", &SETUP).await;
    rig.run("INSERT INTO t VALUES (3, 3, ';'); ALTER TABLE t MODIFY a BIGINT; UPDATE t SET a = 5").await;
    let statements = rig.observe().await.statements;
    let commands: Vec<&str> = statements.iter().map(|statement| statement.command.as_str()).collect();
    assert_eq!(commands, ["INSERT", "ALTER TABLE", "UPDATE"], "{place:?}");
    assert_eq!(statements[1].algorithm, Some(Algorithm::Copy), "{place:?}");
    let rows: Vec<Option<u64>> = statements.iter().map(|statement| statement.rows).collect();
    assert_eq!(rows, [Some(1), Some(3), Some(3)], "{place:?}");
    assert_eq!(rig.observer.trouble(), None, "{place:?}");
}

async fn a_failed_statement_is_named_with_its_number(place: Place, opts: &Opts) {
    let mut rig = Rig::new(opts, "obs_failed", &SETUP).await;
    let statement = rig.statement("ALTER TABLE t ADD COLUMN a INT").await;
    let code = statement.error.as_ref().and_then(|error| error.code);
    assert_eq!((statement.status, code), (StatementStatus::Error, Some(1060)), "{place:?}");
    assert_eq!(statement.algorithm, None, "{place:?}");
    let strong = statement.locks.iter().flatten().find(|lock| lock.blocks.contains(&Blocks::Writes));
    assert_eq!(strong, None, "{place:?}");
}

async fn a_transactions_locks_are_read_exactly_and_end_with_it(place: Place, opts: &Opts) {
    let mut rig = Rig::new(opts, "obs_transaction", &SETUP).await;
    for sql in ["BEGIN", "UPDATE t SET a = 7 WHERE id = 1", "SELECT 1", "COMMIT"] {
        rig.run(sql).await;
    }
    let statements = rig.observe().await.statements;
    let lock = lock(&statements[1], "SHARED_WRITE").unwrap_or_else(|| panic!("{place:?}: {:?}", statements[1]));
    assert_eq!((lock.how, lock.blocks.as_slice()), (How::Exact, &[Blocks::Ddl][..]), "{place:?}");
    assert!(lock.held_ms.is_some(), "{place:?}: it was let go by COMMIT");
    assert_eq!(statements[2].locks, Some(Vec::new()), "{place:?}: it takes none of its own");
    assert!(statements[1].in_transaction && statements[3].in_transaction, "{place:?}");
}

async fn an_alter_within_a_transaction_commits_it(place: Place, opts: &Opts) {
    let mut rig = Rig::new(opts, "obs_implicit", &SETUP).await;
    for sql in ["BEGIN", "UPDATE t SET a = 7 WHERE id = 1", "ALTER TABLE t ADD COLUMN n INT"] {
        rig.run(sql).await;
    }
    let statements = rig.observe().await.statements;
    assert!(!statements[1].implicit_commit && statements[2].implicit_commit, "{place:?}");
}

async fn lock_tables_shuts_out_until_unlock_tables(place: Place, opts: &Opts) {
    let mut rig = Rig::new(opts, "obs_lock", &SETUP).await;
    let began = Instant::now();
    rig.run("LOCK TABLES t WRITE").await;
    tokio::time::sleep(Duration::from_millis(80)).await;
    rig.run("UNLOCK TABLES").await;
    let lasted = began.elapsed();
    let observation = rig.observe().await;
    let table = observation.blocking.iter().find(|blocking| blocking.table == "obs_lock.t");
    let reads = table.and_then(|table| table.reads.held_ms).unwrap_or_else(|| panic!("{place:?}: {table:?}")).0;
    assert!(reads >= Duration::from_millis(80) && reads <= lasted, "{place:?}: {reads:?} of {lasted:?}");
}

async fn a_wait_for_a_lock_is_told_and_is_no_hold(place: Place, opts: &Opts) {
    let mut rig = Rig::new(opts, "obs_wait", &SETUP).await;
    let mut other = mysql_async::Conn::new(opts.clone()).await.unwrap();
    other.query_drop("BEGIN").await.unwrap();
    other.query_drop("SELECT * FROM obs_wait.t").await.unwrap();
    let reader = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(400)).await;
        other.query_drop("COMMIT").await.unwrap();
    });
    let statement = rig.statement("ALTER TABLE t ADD COLUMN n INT").await;
    reader.await.unwrap();
    let locks = statement.locks.as_ref().unwrap();
    let waited: Duration = locks.iter().filter_map(|lock| lock.waited_ms).map(|waited| waited.0).sum();
    assert!(waited >= Duration::from_millis(250), "{place:?}: {locks:?}");
    let held: Duration =
        locks.iter().filter(|lock| lock.mode == "EXCLUSIVE").filter_map(|lock| lock.held_ms).map(|held| held.0).sum();
    assert!(held + waited <= statement.duration_ms.0 + Duration::from_millis(1), "{place:?}: {held:?} and {waited:?}");
}

async fn the_timeout_of_the_session_is_told_of_what_others_wait_for(place: Place, opts: &Opts) {
    let mut rig = Rig::new(opts, "obs_timeout", &SETUP).await;
    rig.run("SET SESSION lock_wait_timeout = 5").await;
    let statement = rig.statement("ALTER TABLE t ADD COLUMN n INT").await;
    assert_eq!(statement.lock_wait_timeout_s, Some(5), "{place:?}");
    let update = rig.statement("UPDATE t SET a = 1").await;
    assert_eq!(update.lock_wait_timeout_s, None, "{place:?}");
}

async fn a_table_that_the_migration_makes_is_new_and_a_temporary_one_blocks_nobody(place: Place, opts: &Opts) {
    let mut rig = Rig::new(opts, "obs_new", &SETUP).await;
    for sql in [
        "CREATE TABLE made (id INT PRIMARY KEY)",
        "ALTER TABLE made ADD COLUMN n INT",
        "CREATE TEMPORARY TABLE passing (id INT PRIMARY KEY)",
        "ALTER TABLE passing ADD COLUMN n INT",
    ] {
        rig.run(sql).await;
    }
    let observation = rig.observe().await;
    let tables: Vec<(&str, bool)> =
        observation.blocking.iter().map(|blocking| (blocking.table.as_str(), blocking.new)).collect();
    assert_eq!(tables, [("obs_new.made", true)], "{place:?}");
}

async fn counters_repeat_for_the_same_data(place: Place, opts: &Opts) {
    let mut seen = Vec::new();
    for _ in 0..2 {
        let mut rig = Rig::new(opts, "obs_counters", &SETUP).await;
        seen.push(rig.statement("ALTER TABLE t MODIFY a BIGINT").await.counters.binlog_bytes);
    }
    assert_eq!(seen[0], seen[1], "{place:?}");
    assert!(matches!(seen[0], Some(Some(1..))), "{place:?}: {:?}", seen[0]);
}

/// One server for all of them, since it takes longest to start.
fn all(place: Place) {
    alone(place, async |opts| {
        a_packet_is_recorded_statement_by_statement(place, opts).await;
        a_failed_statement_is_named_with_its_number(place, opts).await;
        a_transactions_locks_are_read_exactly_and_end_with_it(place, opts).await;
        an_alter_within_a_transaction_commits_it(place, opts).await;
        lock_tables_shuts_out_until_unlock_tables(place, opts).await;
        a_wait_for_a_lock_is_told_and_is_no_hold(place, opts).await;
        the_timeout_of_the_session_is_told_of_what_others_wait_for(place, opts).await;
        a_table_that_the_migration_makes_is_new_and_a_temporary_one_blocks_nobody(place, opts).await;
        counters_repeat_for_the_same_data(place, opts).await;
    });
}

#[test]
fn statements_of_mysql_are_told_as_they_were() {
    all(Place::Mysql("9.7"));
}

#[test]
fn statements_of_mariadb_11_8_are_told_as_they_were() {
    all(Place::Mariadb("11.8"));
}

#[test]
fn statements_of_mariadb_10_11_are_told_as_they_were() {
    all(Place::Local);
}
