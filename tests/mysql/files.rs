//! Migration files are sent as they are written, and a failure is told with what it left behind.

use std::cell::RefCell;
use std::path::Path;

use mysql_async::prelude::Queryable;
use pretty_assertions::assert_eq;
use rehearsal::migration::half_applied::second_try;
use rehearsal::migration::plan::{Plan, plan};
use rehearsal::migration::sql::apply;
use rehearsal::scenario::{Engine, TransactionMode};
use rehearsal::server::DATABASE;
use rehearsal::sql::mysql::transaction::commits_implicitly;

use crate::lab::{Database, Lab, Place, with_own_server};

#[test]
fn files_are_applied_on_mysql() {
    with_own_server(Place::Mysql("9.7"), &[], applied);
}

#[test]
fn files_are_applied_on_mariadb() {
    with_own_server(Place::Mariadb("11.8"), &[], applied);
}

#[test]
fn files_are_applied_on_a_local_mariadb() {
    with_own_server(Place::Local, &[], applied);
}

/// All claims on one server of their own: one of them reads its log, another makes it flush.
async fn applied(lab: &Lab) {
    let folder = tempfile::tempdir().expect("a folder");
    let shop = Shop { lab, folder: folder.path(), database: lab.open(DATABASE).await };
    settings_live_as_long_as_the_file(&shop).await;
    routines_need_no_delimiter(&shop).await;
    a_file_beside_the_scenario_is_loaded(&shop).await;
    a_failure_is_told_with_its_line_and_what_comes_of_a_second_try(&shop).await;
    what_is_open_at_a_failure_is_rolled_back(&shop).await;
    nothing_is_sent_but_the_file(&shop).await;
    what_commits_is_what_the_server_commits(&shop).await;
}

struct Shop<'lab> {
    lab: &'lab Lab,
    folder: &'lab Path,
    database: Database,
}

impl Shop<'_> {
    fn plan(&self, sql: &str) -> Plan {
        plan(sql, TransactionMode::None, None, &self.lab.place.wish(&[])).expect("the file can be sent")
    }

    /// Applies a file and gives the lines that were told, with the error.
    async fn apply(&self, sql: &str) -> (Vec<u32>, Option<String>) {
        let lines = RefCell::new(Vec::new());
        let at_line = |line: Option<u32>| lines.borrow_mut().extend(line);
        let result = apply(&self.database.access(), &self.plan(sql), self.folder, at_line).await;
        (lines.into_inner(), result.err().map(|error| error.to_string()))
    }

    async fn applies(&self, sql: &str) {
        assert_eq!(self.apply(sql).await.1, None, "{sql}");
    }

    /// The first column of what a query gives.
    async fn ask(&self, sql: &str) -> Vec<String> {
        self.database.rows(sql).await
    }
}

async fn settings_live_as_long_as_the_file(shop: &Shop<'_>) {
    shop.applies("CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (id int, FOREIGN KEY (id) REFERENCES parent (id));").await;
    let (_, error) = shop.apply("DROP TABLE parent").await;
    assert!(error.expect("the child refers to it").starts_with("line 1: Cannot d"), "a foreign key holds it");
    shop.applies("SET FOREIGN_KEY_CHECKS=0;\nDROP TABLE parent;\nDROP TABLE child;").await;
}

async fn routines_need_no_delimiter(shop: &Shop<'_>) {
    shop.applies(
        "CREATE TABLE rows_of (a int, b varchar(20));
         CREATE PROCEDURE p1(IN n int) BEGIN IF n > 0 THEN SELECT 1; SELECT CASE n WHEN 1 THEN 'a' ELSE IF(n, 'b', 'c') END; END IF; END;
         CREATE PROCEDURE p2() IF 1 THEN SELECT 1; ELSE SELECT 2; END IF;
         CREATE PROCEDURE p3() l: BEGIN DECLARE i int DEFAULT 0; DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN SET i = 9; END;
            WHILE i < 2 DO SET i = i + 1; END WHILE; x: LOOP LEAVE x; END LOOP x; REPEAT SET i = i - 1; UNTIL i < 0 END REPEAT;
            CASE i WHEN 5 THEN SELECT 5; ELSE BEGIN END; END CASE; END l;
         CREATE FUNCTION f1(a int) RETURNS int DETERMINISTIC RETURN CASE WHEN a THEN 1 ELSE IF(a, 2, 3) END;
         CREATE FUNCTION f2(a int) RETURNS int NO SQL BEGIN RETURN (SELECT 1); END;
         CREATE TRIGGER t1 BEFORE INSERT ON rows_of FOR EACH ROW SET NEW.b = REPEAT('x', 2);
         CREATE TRIGGER t2 BEFORE INSERT ON rows_of FOR EACH ROW FOLLOWS t1 BEGIN SET NEW.a = NEW.a + 1; SET NEW.b = IF(NEW.a, 'y;', ''); END;
         CREATE EVENT e1 ON SCHEDULE EVERY 1 DAY DO BEGIN DELETE FROM rows_of; SELECT 1; END;
         ALTER EVENT e1 DO BEGIN DELETE FROM rows_of; END;
         CALL p1(1); CALL p2(); CALL p3();
         INSERT INTO rows_of VALUES (1, '');",
    )
    .await;
    let count = "SELECT count(*) FROM information_schema.routines WHERE routine_schema = 'rehearsal' AND routine_name REGEXP '^[pf][0-9]$'";
    assert_eq!(shop.ask(count).await, ["5"]);
    assert_eq!(shop.ask("SELECT concat(a, b) FROM rows_of").await, ["2y;"]);
}

async fn a_file_beside_the_scenario_is_loaded(shop: &Shop<'_>) {
    std::fs::create_dir(shop.folder.join("data")).expect("a folder");
    std::fs::write(shop.folder.join("data/rows.tsv"), "1\tsome text\n".repeat(100_000)).expect("a file");
    shop.applies("CREATE TABLE loaded (a int, b text);\nLOAD DATA LOCAL INFILE 'data/rows.tsv' INTO TABLE loaded;")
        .await;
    assert_eq!(shop.ask("SELECT count(*) FROM loaded WHERE b = 'some text'").await, ["100000"]);
    let (_, error) = shop.apply("SELECT 1;\nLOAD DATA LOCAL INFILE 'data/none.tsv' INTO TABLE loaded;").await;
    let error = error.expect("there is no such file");
    assert!(
        error.starts_with("line 2: ") && error.contains("data/none.tsv for LOAD DATA LOCAL: No such file"),
        "{error}"
    );
}

async fn a_failure_is_told_with_its_line_and_what_comes_of_a_second_try(shop: &Shop<'_>) {
    shop.applies("CREATE TABLE half (a int); INSERT INTO half VALUES (1), (1);").await;
    let sql = "-- three changes\nALTER TABLE half ADD n int;\nCREATE TABLE other (a int);\nALTER TABLE half ADD UNIQUE (a);\nSELECT 1;";
    let (lines, error) = shop.apply(sql).await;
    assert_eq!(lines, [2, 3, 4]);
    assert_eq!(
        error.expect("a is not unique"),
        "line 4: Duplicate entry '1' for key 'half.a' [1062, 23000]".replace("half.a", key(shop))
    );
    let rerun = second_try(&shop.database.access(), &shop.plan(sql), shop.folder, 2).await.expect("it fails earlier");
    assert_eq!((rerun.line, rerun.error.code), (2, Some(1060)));
    assert_eq!(rerun.error.message, "Duplicate column name 'n'");

    let repeatable = "CREATE TABLE IF NOT EXISTS again (a int);\nALTER TABLE half ADD UNIQUE (a);";
    assert_eq!(shop.apply(repeatable).await.0, [1, 2]);
    assert_eq!(second_try(&shop.database.access(), &shop.plan(repeatable), shop.folder, 1).await, None);
}

/// MariaDB names a key without its table.
fn key(shop: &Shop<'_>) -> &'static str {
    if shop.lab.place.engine() == Engine::Mariadb { "a" } else { "half.a" }
}

async fn what_is_open_at_a_failure_is_rolled_back(shop: &Shop<'_>) {
    shop.applies("CREATE TABLE open_one (a int);").await;
    let (_, error) = shop.apply("BEGIN;\nINSERT INTO open_one VALUES (1);\nSELECT nothing;\nCOMMIT;").await;
    assert!(error.expect("no such column").starts_with("line 3: Unknown column 'nothing'"));
    assert_eq!(shop.ask("SELECT count(*) FROM open_one").await, ["0"]);
}

async fn nothing_is_sent_but_the_file(shop: &Shop<'_>) {
    shop.applies("SET GLOBAL log_output = 'TABLE'; SET GLOBAL general_log = 1;").await;
    shop.applies("SELECT /* a */ 'first'; SELECT 'last' -- b").await;
    shop.applies("SET GLOBAL general_log = 0").await;
    let log = "SELECT convert(argument USING utf8mb4) FROM mysql.general_log WHERE command_type IN ('Query', 'Prepare', 'Init DB')";
    assert_eq!(shop.ask(log).await, ["SELECT /* a */ 'first'", "SELECT 'last'", "SET GLOBAL general_log = 0"]);
}

async fn what_commits_is_what_the_server_commits(shop: &Shop<'_>) {
    shop.applies(
        "CREATE TABLE c (a int); CREATE TABLE victim (a int); CREATE VIEW seen AS SELECT 1; CREATE USER someone;",
    )
    .await;
    for sql in [
        "ALTER TABLE victim ADD b int",
        "ALTER TABLE victim ADD b int /* fails: it is there */",
        "ALTER TABLE nowhere ADD b int",
        "CREATE INDEX i ON victim (a)",
        "DROP INDEX i ON victim",
        "CREATE TABLE fresh (a int)",
        "CREATE TABLE copied SELECT 1 AS a",
        "CREATE TEMPORARY TABLE passing (a int)",
        "DROP TEMPORARY TABLE IF EXISTS passing",
        "RENAME TABLE fresh TO renamed",
        "DROP TABLE renamed",
        "TRUNCATE victim",
        "ANALYZE TABLE victim",
        "OPTIMIZE TABLE victim",
        "CHECK TABLE victim",
        "CREATE OR REPLACE VIEW seen AS SELECT 2",
        "CREATE TRIGGER tr BEFORE INSERT ON victim FOR EACH ROW SET @a = 1",
        "DROP TRIGGER tr",
        "CREATE PROCEDURE pp() SELECT 1",
        "DROP PROCEDURE pp",
        "CREATE DATABASE IF NOT EXISTS second",
        "GRANT SELECT ON second.* TO someone",
        "REVOKE SELECT ON second.* FROM someone",
        "ALTER USER someone ACCOUNT LOCK",
        "FLUSH TABLES",
        "FLUSH STATUS",
        "BEGIN",
        "START TRANSACTION",
        "SET autocommit = 1",
        "LOCK TABLES victim WRITE",
        "UNLOCK TABLES",
        "SET foreign_key_checks = 0",
        "UPDATE victim SET a = 1",
        "SELECT 1",
        "SAVEPOINT s",
        "PREPARE st FROM 'SELECT 1'",
        "DO 1",
        "SHOW TABLES",
        "USE rehearsal",
    ] {
        let mut connection = shop.database.session().await;
        connection.query_drop("DELETE FROM c").await.expect("it is there");
        connection.query_drop("BEGIN").await.expect("it begins");
        connection.query_drop("INSERT INTO c VALUES (1)").await.expect("it is there");
        // Whether it fails is not the question.
        let _ = connection.query_drop(sql).await;
        let _ = connection.query_drop("ROLLBACK").await;
        connection.disconnect().await.expect("it ends");
        let committed = shop.ask("SELECT count(*) FROM c").await == ["1"];
        assert_eq!(commits_implicitly(sql), committed, "{sql}");
    }
}
