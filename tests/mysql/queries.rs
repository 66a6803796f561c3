//! Query sets before and after changes of a schema, on a fresh connection and on one with prepared statements from before.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::join_all;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts, OptsBuilder};
use pretty_assertions::assert_eq;
use rehearsal::query::{QueryError, Rehearsal, Sets, load};
use rehearsal::run::{Change, QueryResult, QuerySet, QueryStatus, Session};
use rehearsal::scenario::Engine;
use rehearsal::server::Access;

/// The servers to test with, as URLs with blanks between them.
const SERVERS: &str = "REHEARSAL_TEST_MYSQL";

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A database of its own on one of the servers.
struct Lab {
    opts: Opts,
    conn: Conn,
    database: String,
}

impl Lab {
    /// Does something on each server at once, in a new database with this schema.
    async fn on_each(schema: &str, work: impl AsyncFn(&mut Lab)) {
        let servers = std::env::var(SERVERS).expect("servers to test with");
        join_all(servers.split_whitespace().map(async |url| {
            let mut lab = Self::open(url).await;
            lab.run(schema).await;
            work(&mut lab).await;
            lab.run(&format!("DROP DATABASE {}", lab.database)).await;
            lab.conn.disconnect().await.expect("it closes");
        }))
        .await;
    }

    async fn open(url: &str) -> Self {
        let opts = Opts::from_url(url).expect("a URL");
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let database = format!("query_{}_{number}", std::process::id());
        let mut conn = Conn::new(opts.clone()).await.expect("the server answers");
        conn.query_drop(format!("CREATE DATABASE {database} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"))
            .await
            .expect("it is made");
        conn.query_drop(format!("USE {database}")).await.expect("it is there");
        let opts = OptsBuilder::from_opts(opts).db_name(Some(&database)).prefer_socket(false).into();
        Self { opts, conn, database }
    }

    async fn run(&mut self, script: &str) {
        // A change that waits for a lock is one that the queries left.
        self.conn.query_drop("SET lock_wait_timeout = 3").await.expect("set");
        self.conn.query_drop(script).await.unwrap_or_else(|error| panic!("{script}: {error}"));
    }

    async fn ask(&mut self, sql: &str) -> String {
        self.conn.query_first(sql).await.expect("it answers").expect("a row")
    }

    async fn before(&self, old: &str, new: &str) -> Result<(Rehearsal, Vec<QueryResult>), QueryError> {
        let sets = Sets { old: set(QuerySet::Old, old), new: set(QuerySet::New, new) };
        Rehearsal::before(&Access::Mysql(self.opts.clone()), sets).await
    }

    /// What became of the old queries by a change, fresh and pooled.
    async fn through(&mut self, old: &str, change: &str) -> (Vec<QueryResult>, Vec<QueryResult>) {
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

#[tokio::test]
async fn what_did_not_change_is_the_same_on_both_connections() {
    Lab::on_each(ORDERS, async |lab| {
        let results = lab.through(QUERIES, "ALTER TABLE orders ADD INDEX (placed)").await;
        assert_eq!(touched(&results), [] as [&str; 0], "{results:#?}");
        assert_eq!(both(&results, "by_name").map(|run| run.rows), [Some(2); 2]);
        assert_eq!(both(&results, "update").map(|run| run.rows), [Some(2); 2]);
        let types: Vec<String> =
            both(&results, "all")[1].columns.iter().flatten().map(|column| column.type_name.clone()).collect();
        assert_eq!(types, ["int unsigned", "varchar(20)", "decimal(10,3)", "text", "enum", "datetime"]);
    })
    .await;
}

#[tokio::test]
async fn a_dropped_and_a_renamed_column_are_errors_with_their_number() {
    for change in ["ALTER TABLE orders DROP COLUMN price", "ALTER TABLE orders RENAME COLUMN price TO cost"] {
        Lab::on_each(ORDERS, async |lab| {
            let results = lab.through(QUERIES, change).await;
            assert_eq!(touched(&results), ["all", "insert", "prices"]);
            for result in both(&results, "prices") {
                let error = result.error.as_ref().expect("it fails");
                assert_eq!((error.sqlstate.as_str(), error.code), ("42S22", Some(1054)));
            }
            for result in both(&results, "all") {
                assert!(result.changes.contains(&Change::ColumnRemoved("price".to_owned())), "{result:#?}");
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_new_column_shows_in_a_star_prepared_before() {
    Lab::on_each(ORDERS, async |lab| {
        let results = lab.through(QUERIES, "ALTER TABLE orders ADD COLUMN status INT DEFAULT 3 AFTER name").await;
        assert_eq!(touched(&results), ["all"]);
        for result in both(&results, "all") {
            assert_eq!(result.changes, [Change::ColumnAdded("status".to_owned())]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_new_column_without_a_default_breaks_the_insert() {
    Lab::on_each(ORDERS, async |lab| {
        let change = "ALTER TABLE orders MODIFY note TEXT NOT NULL";
        lab.run("UPDATE orders SET note = ''").await;
        let results = lab.through(QUERIES, change).await;
        assert_eq!(both(&results, "insert").map(code), [Some(1364); 2], "{results:#?}");
        assert_eq!(touched(&results), ["insert"]);
    })
    .await;
}

#[tokio::test]
async fn another_type_and_a_rounded_value_are_noticed() {
    Lab::on_each(ORDERS, async |lab| {
        let results = lab.through(QUERIES, "ALTER TABLE orders MODIFY price DECIMAL(10,2)").await;
        let retyped = Change::ColumnType {
            name: "price".to_owned(),
            before: "decimal(10,3)".to_owned(),
            after: "decimal(10,2)".to_owned(),
        };
        for result in both(&results, "prices") {
            assert_eq!(result.changes, [retyped.clone(), Change::Content]);
        }
    })
    .await;
    Lab::on_each(ORDERS, async |lab| {
        let results = lab.through(QUERIES, "ALTER TABLE orders MODIFY id BIGINT UNSIGNED AUTO_INCREMENT").await;
        assert_eq!(touched(&results), ["all", "by_name"]);
        let retyped = |result: &QueryResult| matches!(&result.changes[..], [Change::ColumnType { .. }]);
        assert!(both(&results, "all").into_iter().all(retyped), "the values are the same: {results:#?}");
    })
    .await;
}

#[tokio::test]
async fn a_collation_that_stops_matching_is_noticed() {
    Lab::on_each(ORDERS, async |lab| {
        let results =
            lab.through(QUERIES, "ALTER TABLE orders MODIFY name VARCHAR(20) COLLATE utf8mb4_bin NOT NULL").await;
        assert_eq!(touched(&results), ["by_name"]);
        for result in both(&results, "by_name") {
            assert_eq!(result.changes, [Change::Rows { before: 2, after: 1 }]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_collation_that_orders_otherwise_is_noticed() {
    Lab::on_each(ORDERS, async |lab| {
        lab.run("INSERT INTO orders (name) VALUES ('Bob')").await;
        let old =
            "-- name: sorted\nSELECT id, name FROM orders ORDER BY name;\n-- name: unsorted\nSELECT name FROM orders";
        let results = lab.through(old, "ALTER TABLE orders MODIFY name VARCHAR(20) COLLATE utf8mb4_bin NOT NULL").await;
        assert_eq!(touched(&results), ["sorted"]);
        for result in both(&results, "sorted") {
            assert_eq!(result.changes, [Change::RowOrder]);
        }
    })
    .await;
}

#[tokio::test]
async fn an_old_set_that_fails_before_is_an_error_with_the_place() {
    Lab::on_each(ORDERS, async |lab| {
        let error = lab.before("-- name: a\n-- param x = 1\nSELECT nope FROM orders WHERE id = :x", "").await;
        let message = error.expect_err("there is no such column").to_string();
        assert!(message.contains("q.sql:1: `a`: Unknown column 'nope'"), "{message}");
        assert!(message.contains("(SQLSTATE 42S22, error 1054)"), "{message}");
    })
    .await;
}

#[tokio::test]
async fn a_new_set_may_fail_before() {
    Lab::on_each(ORDERS, async |lab| {
        let (mut rehearsal, before) =
            lab.before(QUERIES, "-- name: n\nSELECT status FROM orders").await.expect("the old set works");
        assert_eq!(before.last().map(|result| result.status), Some(QueryStatus::Error));
        lab.run("ALTER TABLE orders ADD status INT").await;
        let after = rehearsal.at("after").await.expect("a connection");
        assert_eq!(after.last().map(|result| result.status), Some(QueryStatus::Ok));
    })
    .await;
}

#[tokio::test]
async fn nothing_stays_behind() {
    Lab::on_each(ORDERS, async |lab| {
        let old =
            format!("{QUERIES};\n-- name: delete\nDELETE FROM orders;\n-- name: lock\nSELECT * FROM orders FOR UPDATE");
        let sum = "SELECT CONCAT_WS(' ', COUNT(*), SUM(CRC32(CONCAT_WS(',', id, name, price, note)))) FROM orders";
        let was = lab.ask(sum).await;
        let (mut rehearsal, _) = lab.before(&old, "").await.expect("the old set works");
        // Neither a row nor a lock: this waits for none.
        lab.run("ALTER TABLE orders ADD COLUMN a INT, ALGORITHM=COPY").await;
        rehearsal.at("after:1").await.expect("a connection");
        lab.run("ALTER TABLE orders DROP COLUMN a, ALGORITHM=COPY").await;
        rehearsal.at("after").await.expect("a connection");
        assert_eq!(lab.ask(sum).await, was);
        let open = "SELECT CAST(COUNT(*) AS CHAR) FROM information_schema.INNODB_TRX t JOIN \
                    information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id WHERE p.DB = DATABASE()";
        assert_eq!(lab.ask(open).await, "0");
        rehearsal.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_procedure_that_commits_is_refused_by_the_server() {
    let schema = format!(
        "{ORDERS}; CREATE PROCEDURE quiet() BEGIN UPDATE orders SET price = 0; SELECT 7 AS seven; END; \
         CREATE PROCEDURE loud() BEGIN DELETE FROM orders; COMMIT; END"
    );
    Lab::on_each(&schema, async |lab| {
        let (rehearsal, before) = lab.before("-- name: a\nCALL quiet()", "").await.expect("it works");
        assert_eq!(before[0].columns.as_ref().map(|columns| columns[0].name.as_str()), Some("seven"));
        rehearsal.close().await;
        let message = lab.before("-- name: a\nCALL loud()", "").await.expect_err("it would commit").to_string();
        assert!(message.contains("error 1399") && message.contains("would have ended it"), "{message}");
        assert_eq!(lab.ask("SELECT CONCAT(COUNT(*), ' ', SUM(price)) FROM orders").await, "3 6.739");
    })
    .await;
}

#[tokio::test]
async fn a_table_without_transactions_is_read_and_not_written() {
    Lab::on_each("CREATE TABLE log (id INT) ENGINE=MyISAM; INSERT INTO log VALUES (1)", async |lab| {
        let (rehearsal, before) = lab.before("-- name: a\nSELECT * FROM `log`", "").await.expect("reading works");
        assert_eq!(before[0].rows, Some(1));
        rehearsal.close().await;
        for sql in ["INSERT INTO log VALUES (2)", "DELETE FROM `log`"] {
            let message = lab.before(&format!("-- name: a\n{sql}"), "").await.expect_err("refused").to_string();
            assert!(message.contains("may write to log, whose engine MyISAM cannot roll back"), "{message}");
        }
        assert_eq!(lab.ask("SELECT CAST(COUNT(*) AS CHAR) FROM log").await, "1");
    })
    .await;
}

#[tokio::test]
async fn a_trigger_that_writes_to_one_is_told_although_too_late() {
    let schema = format!(
        "{ORDERS}; CREATE TABLE log (id INT) ENGINE=MyISAM; \
         CREATE TRIGGER logged AFTER UPDATE ON orders FOR EACH ROW INSERT INTO log VALUES (NEW.id)"
    );
    Lab::on_each(&schema, async |lab| {
        let update = "-- name: a\nUPDATE orders SET price = 0 WHERE id = 1";
        let message = lab.before(update, "").await.expect_err("it stays").to_string();
        // A server that enforces GTID consistency does not even begin (1785).
        let is_clean = message.contains("error 1785");
        assert!(is_clean || message.contains("error 1196") && message.contains("no longer what it was"), "{message}");
        assert_eq!(lab.ask("SELECT CAST(COUNT(*) AS CHAR) FROM log").await, if is_clean { "0" } else { "1" });
    })
    .await;
}

#[tokio::test]
async fn a_procedure_may_use_a_temporary_table() {
    let schema = format!(
        "{ORDERS}; CREATE PROCEDURE p() BEGIN DROP TEMPORARY TABLE IF EXISTS x; \
         CREATE TEMPORARY TABLE x AS SELECT id FROM orders; SELECT COUNT(*) AS n FROM x; END"
    );
    Lab::on_each(&schema, async |lab| {
        let results = lab.through("-- name: a\nCALL p()", "ALTER TABLE orders ADD INDEX (name)").await;
        assert_eq!(touched(&results), [] as [&str; 0], "{results:#?}");
    })
    .await;
}

#[tokio::test]
async fn types_are_told_as_they_are_written() {
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
        Lab::on_each(&schema, async |lab| {
            let (rehearsal, before) = lab.before("-- name: a\nSELECT * FROM t", "").await.expect("it works");
            let told: Vec<&str> = before[0].columns.iter().flatten().map(|column| column.type_name.as_str()).collect();
            assert_eq!(told, types, "{charset}");
            rehearsal.close().await;
        })
        .await;
    }
}

#[tokio::test]
async fn all_queries_of_a_large_set_stay_prepared() {
    Lab::on_each(ORDERS, async |lab| {
        let query = |n| format!("-- name: q{n}\nSELECT id, {n} AS n FROM orders;\n");
        let old: String = (0..60).map(query).collect();
        let results = lab.through(&old, "ALTER TABLE orders FORCE").await;
        assert_eq!((results.1.len(), touched(&results)), (60, vec![]), "{results:#?}");
    })
    .await;
}

#[tokio::test]
async fn a_table_that_is_gone_takes_no_connection_with_it() {
    Lab::on_each(ORDERS, async |lab| {
        let results = lab.through(QUERIES, "RENAME TABLE orders TO invoices").await;
        assert_eq!(touched(&results), ["all", "by_name", "insert", "prices", "update"]);
        for result in results.0.iter().chain(&results.1).filter(|result| result.name != "constant") {
            assert_eq!(code(result), Some(1146), "{result:#?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_query_that_waits_for_a_lock_gives_up() {
    Lab::on_each(ORDERS, async |lab| {
        lab.run("LOCK TABLES orders WRITE").await;
        let (rehearsal, before) = lab.before("", "-- name: a\nSELECT * FROM orders").await.expect("no old query fails");
        assert_eq!(code(&before[0]), Some(1205), "{before:#?}");
        rehearsal.close().await;
        lab.run("UNLOCK TABLES").await;
    })
    .await;
}

#[tokio::test]
async fn a_query_that_runs_on_and_on_is_stopped_and_the_next_one_works() {
    Lab::on_each(ORDERS, async |lab| {
        let new = "-- name: slow\nUPDATE orders SET price = 1 WHERE SLEEP(60) = 0;\n\
                   -- name: quick\n-- param id = 1\nUPDATE orders SET price = 7 WHERE id = :id";
        let (rehearsal, before) = lab.before("", new).await.expect("no old query fails");
        // MySQL's statement is killed (1317), MariaDB has a limit of its own for it (1969).
        assert!(matches!(code(&before[0]), Some(1317 | 1969)), "{before:#?}");
        assert_eq!((before[1].status, before[1].rows), (QueryStatus::Ok, Some(1)), "{before:#?}");
        rehearsal.close().await;
    })
    .await;
}

#[tokio::test]
async fn what_differs_from_run_to_run_is_said_and_not_compared() {
    Lab::on_each(ORDERS, async |lab| {
        let old = "-- name: a\nSELECT UUID() AS u;\n-- name: b\nSELECT * FROM orders LIMIT 1";
        let (mut rehearsal, _) = lab.before(old, "").await.expect("it works");
        assert_eq!(rehearsal.notes().len(), 2);
        let after = rehearsal.at("after").await.expect("a connection");
        assert!(after.iter().all(|result| result.status == QueryStatus::Ok), "{after:#?}");
    })
    .await;
}

#[tokio::test]
async fn a_pooled_connection_that_was_killed_is_told_and_the_fresh_one_works() {
    Lab::on_each(ORDERS, async |lab| {
        let (mut rehearsal, _) = lab.before(QUERIES, "").await.expect("it works");
        let database = lab.database.clone();
        let mine = lab.conn.id();
        let id = lab
            .ask(&format!(
                "SELECT CAST(MAX(ID) AS CHAR) FROM information_schema.PROCESSLIST WHERE DB = '{database}' AND ID <> {mine}"
            ))
            .await;
        lab.run(&format!("KILL {id}")).await;
        let after = rehearsal.at("after").await.expect("a connection");
        for result in after {
            let state = result.error.as_ref().map(|error| error.sqlstate.as_str());
            let expected = (result.session == Session::Pooled).then_some("08S01");
            assert_eq!(state, expected, "{result:#?}");
        }
    })
    .await;
}
