//! Query sets before and after changes of a schema, on a fresh connection and on one with prepared statements from before.

use std::path::Path;

use pretty_assertions::assert_eq;
use rehearsal::query::{QueryError, Rehearsal, Sets, load};
use rehearsal::run::{Change, QueryResult, QuerySet, QueryStatus, Session};
use rehearsal::scenario::Engine;

use crate::lab::{Database, on_each};

/// A database of one test on one of the servers.
struct Shop(Database);

impl Shop {
    /// Does something on each server, in a new database with this schema.
    fn on_each(schema: &str, work: impl AsyncFn(&Shop)) {
        on_each(async |lab| {
            let shop = Self(lab.database().await);
            shop.run("ALTER DATABASE CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci").await;
            shop.run(schema).await;
            work(&shop).await;
        });
    }

    async fn run(&self, script: &str) {
        // A change that waits for a lock is one that the queries left.
        self.0.run("SET lock_wait_timeout = 10").await;
        self.0.run(script).await;
    }

    async fn ask(&self, sql: &str) -> String {
        self.0.get(sql).await
    }

    async fn before(&self, old: &str, new: &str) -> Result<(Rehearsal, Vec<QueryResult>), QueryError> {
        let sets = Sets { old: set(QuerySet::Old, old), new: set(QuerySet::New, new) };
        Rehearsal::before(&self.0.access(), sets).await
    }

    /// What became of the old queries by a change, fresh and pooled.
    async fn through(&self, old: &str, change: &str) -> (Vec<QueryResult>, Vec<QueryResult>) {
        let (mut rehearsal, before) = self.before(old, "").await.expect("the old set works");
        assert!(before.iter().all(|result| result.status == QueryStatus::Ok), "{before:#?}");
        self.run(change).await;
        let after = rehearsal.at("after").await.expect("a connection");
        rehearsal.close().await;
        after.into_iter().partition(|result| result.session == Session::Fresh)
    }
}

fn set(set: QuerySet, text: &str) -> Vec<rehearsal::query::Query> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("q.sql");
    let files = if text.is_empty() { vec![] } else { vec![path.clone()] };
    std::fs::write(&path, text).expect("written");
    load(Engine::Mysql, &files, Path::new(""), set).unwrap_or_else(|error| panic!("{error}"))
}

const ORDERS: &str = "CREATE TABLE orders (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20) NOT NULL, \
    price DECIMAL(10,3), note TEXT, kind ENUM('a','b') NOT NULL DEFAULT 'a', placed DATETIME) ENGINE=InnoDB; \
    INSERT INTO orders (name, price, placed) VALUES ('Anna', 1.239, '2026-01-02 03:04:05'), ('anna', 2.5, NULL), ('Zoë', 3, NULL)";

const QUERIES: &str = "-- name: all\nSELECT * FROM orders;\n\
    -- name: by_name\n-- param name = anna\nSELECT id FROM orders WHERE name = :name;\n\
    -- name: prices\n-- param n = 2\nSELECT price FROM orders ORDER BY id LIMIT :n;\n\
    -- name: insert\n-- param name = Eve\nINSERT INTO orders (name, price) VALUES (:name, 1.005);\n\
    -- name: update\n-- param id = 1\nUPDATE orders SET note = 'x' WHERE id = :id OR id = :id + 1;\n\
    -- name: constant\nSELECT 1 AS one";

fn code(result: &QueryResult) -> Option<u32> {
    result.error.as_ref().and_then(|error| error.code)
}

/// Both runs of a query, by its name.
fn both<'r>(results: &'r (Vec<QueryResult>, Vec<QueryResult>), name: &str) -> [&'r QueryResult; 2] {
    [&results.0, &results.1].map(|runs| runs.iter().find(|result| result.name == name).expect("it ran"))
}

/// Names of the queries of which a run is not as before.
fn touched(results: &(Vec<QueryResult>, Vec<QueryResult>)) -> Vec<&str> {
    let differs = |result: &&QueryResult| result.status != QueryStatus::Ok;
    let mut names: Vec<&str> = results.0.iter().chain(&results.1).filter(differs).map(|r| r.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[test]
fn what_did_not_change_is_the_same_on_both_connections() {
    Shop::on_each(ORDERS, async |shop| {
        let results = shop.through(QUERIES, "ALTER TABLE orders ADD INDEX (placed)").await;
        assert_eq!(touched(&results), [] as [&str; 0], "{results:#?}");
        assert_eq!(both(&results, "by_name").map(|run| run.rows), [Some(2); 2]);
        assert_eq!(both(&results, "update").map(|run| run.rows), [Some(2); 2]);
        let types: Vec<String> =
            both(&results, "all")[1].columns.iter().flatten().map(|column| column.type_name.clone()).collect();
        assert_eq!(types, ["int unsigned", "varchar(20)", "decimal(10,3)", "text", "enum", "datetime"]);
    });
}

#[test]
fn a_dropped_and_a_renamed_column_are_errors_with_their_number() {
    for change in ["ALTER TABLE orders DROP COLUMN price", "ALTER TABLE orders RENAME COLUMN price TO cost"] {
        Shop::on_each(ORDERS, async |shop| {
            let results = shop.through(QUERIES, change).await;
            assert_eq!(touched(&results), ["all", "insert", "prices"]);
            for result in both(&results, "prices") {
                let error = result.error.as_ref().expect("it fails");
                assert_eq!((error.sqlstate.as_str(), error.code), ("42S22", Some(1054)));
            }
            for result in both(&results, "all") {
                assert!(result.changes.contains(&Change::ColumnRemoved("price".to_owned())), "{result:#?}");
            }
        });
    }
}

#[test]
fn a_new_column_shows_in_a_star_prepared_before() {
    Shop::on_each(ORDERS, async |shop| {
        let results = shop.through(QUERIES, "ALTER TABLE orders ADD COLUMN status INT DEFAULT 3 AFTER name").await;
        assert_eq!(touched(&results), ["all"]);
        for result in both(&results, "all") {
            assert_eq!(result.changes, [Change::ColumnAdded("status".to_owned())]);
        }
    });
}

#[test]
fn a_new_column_without_a_default_breaks_the_insert() {
    Shop::on_each(ORDERS, async |shop| {
        let change = "ALTER TABLE orders MODIFY note TEXT NOT NULL";
        shop.run("UPDATE orders SET note = ''").await;
        let results = shop.through(QUERIES, change).await;
        assert_eq!(both(&results, "insert").map(code), [Some(1364); 2], "{results:#?}");
        assert_eq!(touched(&results), ["insert"]);
    });
}

#[test]
fn another_type_and_a_rounded_value_are_noticed() {
    Shop::on_each(ORDERS, async |shop| {
        let results = shop.through(QUERIES, "ALTER TABLE orders MODIFY price DECIMAL(10,2)").await;
        let retyped = Change::ColumnType {
            name: "price".to_owned(),
            before: "decimal(10,3)".to_owned(),
            after: "decimal(10,2)".to_owned(),
        };
        for result in both(&results, "prices") {
            assert_eq!(result.changes, [retyped.clone(), Change::Content]);
        }
    });
    Shop::on_each(ORDERS, async |shop| {
        let results = shop.through(QUERIES, "ALTER TABLE orders MODIFY id BIGINT UNSIGNED AUTO_INCREMENT").await;
        assert_eq!(touched(&results), ["all", "by_name"]);
        let retyped = |result: &QueryResult| matches!(&result.changes[..], [Change::ColumnType { .. }]);
        assert!(both(&results, "all").into_iter().all(retyped), "the values are the same: {results:#?}");
    });
}

#[test]
fn a_collation_that_stops_matching_is_noticed() {
    Shop::on_each(ORDERS, async |shop| {
        let results =
            shop.through(QUERIES, "ALTER TABLE orders MODIFY name VARCHAR(20) COLLATE utf8mb4_bin NOT NULL").await;
        assert_eq!(touched(&results), ["by_name"]);
        for result in both(&results, "by_name") {
            assert_eq!(result.changes, [Change::Rows { before: 2, after: 1 }]);
        }
    });
}

#[test]
fn a_collation_that_orders_otherwise_is_noticed() {
    Shop::on_each(ORDERS, async |shop| {
        shop.run("INSERT INTO orders (name) VALUES ('Bob')").await;
        let old =
            "-- name: sorted\nSELECT id, name FROM orders ORDER BY name;\n-- name: unsorted\nSELECT name FROM orders";
        let results =
            shop.through(old, "ALTER TABLE orders MODIFY name VARCHAR(20) COLLATE utf8mb4_bin NOT NULL").await;
        assert_eq!(touched(&results), ["sorted"]);
        for result in both(&results, "sorted") {
            assert_eq!(result.changes, [Change::RowOrder]);
        }
    });
}

#[test]
fn an_old_set_that_fails_before_is_an_error_with_the_place() {
    Shop::on_each(ORDERS, async |shop| {
        let error = shop.before("-- name: a\n-- param x = 1\nSELECT nope FROM orders WHERE id = :x", "").await;
        let message = error.expect_err("there is no such column").to_string();
        assert!(message.contains("q.sql:1: `a`: Unknown column 'nope'"), "{message}");
        assert!(message.contains("(SQLSTATE 42S22, error 1054)"), "{message}");
    });
}

#[test]
fn a_new_set_may_fail_before() {
    Shop::on_each(ORDERS, async |shop| {
        let (mut rehearsal, before) =
            shop.before(QUERIES, "-- name: n\nSELECT status FROM orders").await.expect("the old set works");
        assert_eq!(before.last().map(|result| result.status), Some(QueryStatus::Error));
        shop.run("ALTER TABLE orders ADD status INT").await;
        let after = rehearsal.at("after").await.expect("a connection");
        assert_eq!(after.last().map(|result| result.status), Some(QueryStatus::Ok));
    });
}

#[test]
fn nothing_stays_behind() {
    Shop::on_each(ORDERS, async |shop| {
        let old =
            format!("{QUERIES};\n-- name: delete\nDELETE FROM orders;\n-- name: lock\nSELECT * FROM orders FOR UPDATE");
        let sum = "SELECT CONCAT_WS(' ', COUNT(*), SUM(CRC32(CONCAT_WS(',', id, name, price, note)))) FROM orders";
        let was = shop.ask(sum).await;
        let (mut rehearsal, _) = shop.before(&old, "").await.expect("the old set works");
        // Neither a row nor a lock: this waits for none.
        shop.run("ALTER TABLE orders ADD COLUMN a INT, ALGORITHM=COPY").await;
        rehearsal.at("after:1").await.expect("a connection");
        shop.run("ALTER TABLE orders DROP COLUMN a, ALGORITHM=COPY").await;
        rehearsal.at("after").await.expect("a connection");
        assert_eq!(shop.ask(sum).await, was);
        let open = "SELECT CAST(COUNT(*) AS CHAR) FROM information_schema.INNODB_TRX t JOIN \
                    information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id WHERE p.DB = DATABASE()";
        assert_eq!(shop.ask(open).await, "0");
        rehearsal.close().await;
    });
}

#[test]
fn a_procedure_that_commits_is_refused_by_the_server() {
    let schema = format!(
        "{ORDERS}; CREATE PROCEDURE quiet() BEGIN UPDATE orders SET price = 0; SELECT 7 AS seven; END; \
         CREATE PROCEDURE loud() BEGIN DELETE FROM orders; COMMIT; END"
    );
    Shop::on_each(&schema, async |shop| {
        let (rehearsal, before) = shop.before("-- name: a\nCALL quiet()", "").await.expect("it works");
        assert_eq!(before[0].columns.as_ref().map(|columns| columns[0].name.as_str()), Some("seven"));
        rehearsal.close().await;
        let message = shop.before("-- name: a\nCALL loud()", "").await.expect_err("it would commit").to_string();
        assert!(message.contains("error 1399") && message.contains("would have ended it"), "{message}");
        assert_eq!(shop.ask("SELECT CONCAT(COUNT(*), ' ', SUM(price)) FROM orders").await, "3 6.739");
    });
}

#[test]
fn a_table_without_transactions_is_read_and_not_written() {
    Shop::on_each("CREATE TABLE log (id INT) ENGINE=MyISAM; INSERT INTO log VALUES (1)", async |shop| {
        let (rehearsal, before) = shop.before("-- name: a\nSELECT * FROM `log`", "").await.expect("reading works");
        assert_eq!(before[0].rows, Some(1));
        rehearsal.close().await;
        for sql in ["INSERT INTO log VALUES (2)", "DELETE FROM `log`"] {
            let message = shop.before(&format!("-- name: a\n{sql}"), "").await.expect_err("refused").to_string();
            assert!(message.contains("may write to log, whose engine MyISAM cannot roll back"), "{message}");
        }
        assert_eq!(shop.ask("SELECT CAST(COUNT(*) AS CHAR) FROM log").await, "1");
    });
}

#[test]
fn a_trigger_that_writes_to_one_is_told_although_too_late() {
    let schema = format!(
        "{ORDERS}; CREATE TABLE log (id INT) ENGINE=MyISAM; \
         CREATE TRIGGER logged AFTER UPDATE ON orders FOR EACH ROW INSERT INTO log VALUES (NEW.id)"
    );
    Shop::on_each(&schema, async |shop| {
        let update = "-- name: a\nUPDATE orders SET price = 0 WHERE id = 1";
        let message = shop.before(update, "").await.expect_err("it stays").to_string();
        // A server that enforces GTID consistency does not even begin (1785).
        let is_clean = message.contains("error 1785");
        assert!(is_clean || message.contains("error 1196") && message.contains("no longer what it was"), "{message}");
        assert_eq!(shop.ask("SELECT CAST(COUNT(*) AS CHAR) FROM log").await, if is_clean { "0" } else { "1" });
    });
}

#[test]
fn a_procedure_may_use_a_temporary_table() {
    let schema = format!(
        "{ORDERS}; CREATE PROCEDURE p() BEGIN DROP TEMPORARY TABLE IF EXISTS x; \
         CREATE TEMPORARY TABLE x AS SELECT id FROM orders; SELECT COUNT(*) AS n FROM x; END"
    );
    Shop::on_each(&schema, async |shop| {
        let results = shop.through("-- name: a\nCALL p()", "ALTER TABLE orders ADD INDEX (name)").await;
        assert_eq!(touched(&results), [] as [&str; 0], "{results:#?}");
    });
}

#[test]
fn types_are_told_as_they_are_written() {
    let types = [
        "tinyint(1)",
        "tinyint unsigned",
        "smallint",
        "mediumint unsigned",
        "int",
        "bigint unsigned",
        "decimal(12,4)",
        "decimal(9,0) unsigned",
        "float",
        "double",
        "double(8,2)",
        "bit(3)",
        "date",
        "time(3)",
        "datetime",
        "timestamp(6)",
        "year",
        "char(4)",
        "varchar(255)",
        "binary(4)",
        "varbinary(99)",
        "tinytext",
        "text",
        "mediumtext",
        "longtext",
        "tinyblob",
        "blob",
        "mediumblob",
        "longblob",
        "geometry",
    ];
    let columns: Vec<String> = types.iter().enumerate().map(|(at, name)| format!("c{at} {name} NULL")).collect();
    for charset in ["utf8mb4", "latin1"] {
        let schema = format!("CREATE TABLE t ({}) CHARACTER SET {charset}", columns.join(", "));
        Shop::on_each(&schema, async |shop| {
            let (rehearsal, before) = shop.before("-- name: a\nSELECT * FROM t", "").await.expect("it works");
            let told: Vec<&str> = before[0].columns.iter().flatten().map(|column| column.type_name.as_str()).collect();
            assert_eq!(told, types, "{charset}");
            rehearsal.close().await;
        });
    }
}

#[test]
fn all_queries_of_a_large_set_stay_prepared() {
    Shop::on_each(ORDERS, async |shop| {
        let query = |n| format!("-- name: q{n}\nSELECT id, {n} AS n FROM orders;\n");
        let old: String = (0..60).map(query).collect();
        let results = shop.through(&old, "ALTER TABLE orders FORCE").await;
        assert_eq!((results.1.len(), touched(&results)), (60, vec![]), "{results:#?}");
    });
}

#[test]
fn a_table_that_is_gone_takes_no_connection_with_it() {
    Shop::on_each(ORDERS, async |shop| {
        let results = shop.through(QUERIES, "RENAME TABLE orders TO invoices").await;
        assert_eq!(touched(&results), ["all", "by_name", "insert", "prices", "update"]);
        for result in results.0.iter().chain(&results.1).filter(|result| result.name != "constant") {
            assert_eq!(code(result), Some(1146), "{result:#?}");
        }
    });
}

#[test]
fn a_query_that_waits_for_a_lock_gives_up() {
    Shop::on_each(ORDERS, async |shop| {
        shop.run("LOCK TABLES orders WRITE").await;
        let (rehearsal, before) =
            shop.before("", "-- name: a\nSELECT * FROM orders").await.expect("no old query fails");
        assert_eq!(code(&before[0]), Some(1205), "{before:#?}");
        rehearsal.close().await;
        shop.run("UNLOCK TABLES").await;
    });
}

#[test]
fn a_query_that_runs_on_and_on_is_stopped_and_the_next_one_works() {
    Shop::on_each(ORDERS, async |shop| {
        let new = "-- name: slow\nUPDATE orders SET price = 1 WHERE SLEEP(60) = 0;\n\
                   -- name: quick\n-- param id = 1\nUPDATE orders SET price = 7 WHERE id = :id";
        let (rehearsal, before) = shop.before("", new).await.expect("no old query fails");
        // MySQL's statement is killed (1317), MariaDB has a limit of its own for it (1969).
        assert!(matches!(code(&before[0]), Some(1317 | 1969)), "{before:#?}");
        assert_eq!((before[1].status, before[1].rows), (QueryStatus::Ok, Some(1)), "{before:#?}");
        rehearsal.close().await;
    });
}

#[test]
fn what_differs_from_run_to_run_is_said_and_not_compared() {
    Shop::on_each(ORDERS, async |shop| {
        let old = "-- name: a\nSELECT UUID() AS u;\n-- name: b\nSELECT * FROM orders LIMIT 1";
        let (mut rehearsal, _) = shop.before(old, "").await.expect("it works");
        assert_eq!(rehearsal.notes().len(), 2);
        let after = rehearsal.at("after").await.expect("a connection");
        assert!(after.iter().all(|result| result.status == QueryStatus::Ok), "{after:#?}");
    });
}

#[test]
fn a_pooled_connection_that_was_killed_is_told_and_the_fresh_one_works() {
    Shop::on_each(ORDERS, async |shop| {
        let (mut rehearsal, _) = shop.before(QUERIES, "").await.expect("it works");
        let pooled = "SELECT CAST(MAX(ID) AS CHAR) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() \
                      AND ID <> CONNECTION_ID()";
        let id = shop.ask(pooled).await;
        shop.run(&format!("KILL {id}")).await;
        let after = rehearsal.at("after").await.expect("a connection");
        for result in after {
            let state = result.error.as_ref().map(|error| error.sqlstate.as_str());
            let expected = (result.session == Session::Pooled).then_some("08S01");
            assert_eq!(state, expected, "{result:#?}");
        }
    });
}
