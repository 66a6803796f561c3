//! Claims about the names of commands.

use super::*;

#[test]
fn commands_are_named_as_the_server_names_them() {
    for (sql, expected) in [
        ("alter table t add a int", "ALTER TABLE"),
        ("ALTER TABLE ONLY t ADD a int", "ALTER TABLE"),
        ("CREATE UNIQUE INDEX i ON t (a)", "CREATE INDEX"),
        ("CREATE TEMP TABLE t (a int GENERATED ALWAYS AS (1) STORED)", "CREATE TABLE"),
        ("CREATE UNLOGGED TABLE t AS SELECT 1", "CREATE TABLE AS"),
        ("CREATE TABLE IF NOT EXISTS s.t (a) AS VALUES (1)", "CREATE TABLE AS"),
        ("SELECT a INTO t FROM u", "SELECT INTO"),
        ("SELECT (SELECT a) FROM u", "SELECT"),
        ("CREATE OR REPLACE RECURSIVE VIEW v (a) AS SELECT 1", "CREATE VIEW"),
        ("CREATE MATERIALIZED VIEW v AS SELECT 1", "CREATE MATERIALIZED VIEW"),
        ("CREATE CONSTRAINT TRIGGER g AFTER INSERT ON t EXECUTE FUNCTION f()", "CREATE TRIGGER"),
        ("CREATE OR REPLACE TRUSTED PROCEDURAL LANGUAGE l", "CREATE LANGUAGE"),
        ("CREATE DEFAULT CONVERSION c FOR 'a' TO 'b' FROM f", "CREATE CONVERSION"),
        ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO u", "ALTER DEFAULT PRIVILEGES"),
        ("CREATE FOREIGN DATA WRAPPER w", "CREATE FOREIGN DATA WRAPPER"),
        ("DROP TEXT SEARCH PARSER p", "DROP TEXT SEARCH PARSER"),
        ("CREATE OPERATOR FAMILY f USING btree", "CREATE OPERATOR FAMILY"),
        ("CREATE OPERATOR +++ (PROCEDURE = f)", "CREATE OPERATOR"),
        ("CREATE USER u", "CREATE ROLE"),
        ("CREATE USER MAPPING FOR u SERVER s", "CREATE USER MAPPING"),
        ("DROP GROUP g", "DROP ROLE"),
        ("DROP OWNED BY u", "DROP OWNED"),
        ("drop index /* x */ i", "DROP INDEX"),
        ("WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", "INSERT"),
        ("WITH RECURSIVE update AS (SELECT 1), delete (x) AS (VALUES (1)) SELECT 1", "SELECT"),
        ("WITH a AS (DELETE FROM t RETURNING *) TABLE a", "SELECT"),
        ("WITH", "WITH"),
        ("(SELECT 1) UNION (SELECT 2)", "SELECT"),
        ("VALUES (1)", "SELECT"),
        ("REFRESH MATERIALIZED VIEW v", "REFRESH MATERIALIZED VIEW"),
        ("COMMENT ON TABLE t IS 'x'", "COMMENT"),
        ("BEGIN", "BEGIN"),
        ("START TRANSACTION READ ONLY", "START TRANSACTION"),
        ("END", "COMMIT"),
        ("ABORT", "ROLLBACK"),
        ("ROLLBACK PREPARED 'x'", "ROLLBACK PREPARED"),
        ("TRUNCATE t", "TRUNCATE TABLE"),
        ("LOCK t IN SHARE MODE", "LOCK TABLE"),
        ("GRANT SELECT ON t TO u", "GRANT"),
        ("GRANT a TO b", "GRANT ROLE"),
        ("REVOKE a FROM b", "REVOKE ROLE"),
        ("SET CONSTRAINTS ALL DEFERRED", "SET CONSTRAINTS"),
        ("SET search_path = a", "SET"),
        ("DISCARD TEMPORARY", "DISCARD TEMP"),
        ("DEALLOCATE PREPARE ALL", "DEALLOCATE ALL"),
        ("DECLARE c CURSOR FOR SELECT 1", "DECLARE CURSOR"),
        ("CLOSE ALL", "CLOSE CURSOR ALL"),
        ("DO $$ BEGIN END $$", "DO"),
        ("frobnicate", "FROBNICATE"),
        ("CREATE", "CREATE"),
        ("'x'", "???"),
        ("", "???"),
    ] {
        assert_eq!(name_of(sql), expected, "{sql}");
    }
}

#[test]
fn what_changes_the_schema_is_ddl() {
    for sql in ["ALTER TABLE t ADD a int", "CREATE TABLE t AS SELECT 1", "COMMENT ON TABLE t IS ''", "SELECT 1 INTO t"]
    {
        assert!(is_ddl(&name_of(sql)), "{sql}");
    }
    for sql in ["UPDATE t SET a = 1", "SET a = 1", "SELECT 1", "TRUNCATE t", "CREATED", "VACUUM"] {
        assert!(!is_ddl(&name_of(sql)), "{sql}");
    }
}

#[test]
fn the_setting_of_backslashes_is_followed() {
    for (sql, expected) in [
        ("SET standard_conforming_strings = off", Some(false)),
        ("set session Standard_Conforming_Strings to 'OFF'", Some(false)),
        ("SET LOCAL standard_conforming_strings = f", Some(false)),
        ("SET standard_conforming_strings = 0", Some(false)),
        ("SET standard_conforming_strings = on", Some(true)),
        ("SET standard_conforming_strings TO DEFAULT", Some(true)),
        ("RESET standard_conforming_strings", Some(true)),
        ("RESET ALL", Some(true)),
        ("SET escape_string_warning = off", None),
        ("SELECT 'SET standard_conforming_strings = off'", None),
    ] {
        assert_eq!(standard_strings_after(sql, true), expected, "{sql}");
    }
    for (sql, expected) in [
        ("SET standard_conforming_strings TO DEFAULT", Some(false)),
        ("RESET ALL", Some(false)),
        ("SET standard_conforming_strings = on", Some(true)),
    ] {
        assert_eq!(standard_strings_after(sql, false), expected, "{sql}, where it is off at the server");
    }
    assert!(begins_with_standard_strings(None) && begins_with_standard_strings(Some("on")));
    assert!(!begins_with_standard_strings(Some("Off")) && !begins_with_standard_strings(Some("0")));
}
