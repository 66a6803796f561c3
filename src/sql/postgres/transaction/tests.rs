//! Claims about statements and transactions.

use super::*;
use crate::sql::postgres::split;

fn only(sql: &str) -> Statement {
    let mut statements = split(sql).expect("the script is whole");
    assert_eq!(statements.len(), 1, "{sql}");
    statements.remove(0)
}

#[test]
fn some_statements_refuse_a_transaction() {
    for sql in [
        "CREATE INDEX CONCURRENTLY i ON t (a)",
        "create unique /* why */ index concurrently if not exists i on t (a)",
        "DROP INDEX CONCURRENTLY i",
        "REINDEX TABLE CONCURRENTLY t",
        "REINDEX (VERBOSE, CONCURRENTLY) INDEX i",
        "REINDEX (CONCURRENTLY true) TABLE t",
        "REINDEX DATABASE d",
        "REINDEX (VERBOSE) SCHEMA s",
        "VACUUM (FULL) t",
        "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
        "CREATE DATABASE d",
        "DROP TABLESPACE ts",
        "ALTER SYSTEM SET work_mem = '1MB'",
        "ALTER DATABASE d SET TABLESPACE ts",
        "CLUSTER",
        "CLUSTER VERBOSE",
        "CLUSTER (VERBOSE)",
        "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p",
        "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (copy_data = false)",
        "DROP SUBSCRIPTION s",
        "ALTER SUBSCRIPTION s REFRESH PUBLICATION",
        "ALTER SUBSCRIPTION s SET PUBLICATION p",
        "ALTER SUBSCRIPTION s SET (failover = true)",
        "COMMIT PREPARED 'x'",
        "DISCARD ALL",
    ] {
        assert!(cannot_run_in_transaction(&only(sql)), "{sql}");
    }
}

#[test]
fn the_words_alone_do_not_make_it_so() {
    for sql in [
        "CREATE INDEX \"concurrently\" ON t (a)",
        "CREATE INDEX /* CONCURRENTLY */ i ON t (a) -- CONCURRENTLY",
        "COMMENT ON INDEX i IS 'made CONCURRENTLY'",
        "CREATE INDEX i ON t (concurrently)",
        "ALTER TABLE t DETACH PARTITION p",
        "ALTER TABLE t DETACH PARTITION p FINALIZE",
        "ALTER TABLE t ADD COLUMN concurrently int",
        "ALTER TYPE mood ADD VALUE 'ok'",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
        "REINDEX TABLE t",
        "REINDEX (CONCURRENTLY off) TABLE t",
        "CLUSTER t USING i",
        "CLUSTER (VERBOSE) t",
        "ALTER DATABASE d SET work_mem = '1MB'",
        "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (connect = false)",
        "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (slot_name = NONE, create_slot = off)",
        "ALTER SUBSCRIPTION s SET PUBLICATION p WITH (refresh = false)",
        "ALTER SUBSCRIPTION s DISABLE",
        "DISCARD TEMP",
        "CREATE TABLE vacuum (a int)",
    ] {
        assert!(!cannot_run_in_transaction(&only(sql)), "{sql}");
    }
}

#[test]
fn transaction_control_is_told_apart() {
    for (sql, expected) in [
        ("BEGIN", Some(Control::Begin)),
        ("START TRANSACTION ISOLATION LEVEL SERIALIZABLE", Some(Control::Begin)),
        ("END", Some(Control::Commit { chain: false })),
        ("COMMIT WORK AND CHAIN", Some(Control::Commit { chain: true })),
        ("COMMIT AND NO CHAIN", Some(Control::Commit { chain: false })),
        ("ABORT", Some(Control::Rollback { chain: false })),
        ("ROLLBACK TO SAVEPOINT s", Some(Control::RollbackTo)),
        ("ROLLBACK WORK TO s", Some(Control::RollbackTo)),
        ("ROLLBACK AND CHAIN", Some(Control::Rollback { chain: true })),
        ("PREPARE TRANSACTION 'x'", Some(Control::Prepare)),
        ("PREPARE begin AS SELECT 1", None),
        ("COMMIT PREPARED 'x'", None),
        ("SAVEPOINT s", Some(Control::Savepoint)),
        ("RELEASE s", Some(Control::Release)),
        ("SELECT 'BEGIN'", None),
    ] {
        assert_eq!(control(&only(sql)), expected, "{sql}");
    }
}
