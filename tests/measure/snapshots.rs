//! The observer's questions inside the tool's transaction change nothing in it.

use std::time::Duration;

use rehearsal::run::StatementStatus;
use rehearsal::server::Server;
use rehearsal::server::session::Session;
use tokio_postgres::NoTls;

use crate::clients::{finish, psql};
use crate::rig::{Rig, VERSIONS, one, server, test};

async fn rig(schema: &str) -> (Server, Rig) {
    let server = server(VERSIONS[0].0, VERSIONS[0].1).await;
    let rig = Rig::with(&server, schema).await;
    (server, rig)
}

async fn run(tool: &Session, statements: &[&str]) {
    for sql in statements {
        if let Err(error) = tool.client.batch_execute(sql).await {
            panic!("{sql}: {}", rehearsal::server::session::message(&error));
        }
    }
}

/// One number.
async fn ask(tool: &Session, sql: &str) -> i64 {
    tool.client.query_one(sql, &[]).await.expect("a row").get(0)
}

#[test]
fn a_repeatable_read_transaction_sees_what_was_committed_before_its_first_query() {
    test(async {
        let (server, rig) = rig("CREATE TABLE t (id int); CREATE TABLE u (id int)").await;
        let (tool, beside) = (rig.tapped().await, rig.beside().await);
        // LOCK TABLE takes a lock, but no snapshot.
        run(&tool, &["BEGIN ISOLATION LEVEL REPEATABLE READ", "SET LOCAL lock_timeout = '1s'", "LOCK TABLE u"]).await;
        run(&beside, &["INSERT INTO t VALUES (1)"]).await;
        assert_eq!(ask(&tool, "SELECT count(*) FROM t").await, 1);
        run(&beside, &["INSERT INTO t VALUES (2)"]).await;
        assert_eq!(ask(&tool, "SELECT count(*) FROM t").await, 1);
        run(&tool, &["COMMIT"]).await;
        assert_eq!(rig.end().await.statements.len(), 6);
        server.stop().await.expect("the server stops");
    });
}

#[test]
fn the_isolation_level_can_be_set_until_the_tool_itself_asks_something() {
    test(async {
        let (server, rig) = rig("CREATE TABLE u (id int)").await;
        let tool = rig.tapped().await;
        run(&tool, &["BEGIN", "LOCK TABLE u", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SELECT 1", "COMMIT"])
            .await;
        rig.end().await;
        server.stop().await.expect("the server stops");
    });
}

#[test]
fn a_time_limit_of_the_tool_does_not_hit_the_questions() {
    test(async {
        let (server, rig) = rig("CREATE TABLE t (id int PRIMARY KEY)").await;
        let (tool, beside) = (rig.tapped().await, rig.beside().await);
        // The first INSERT lets the session know the table, so that the second needs no catalog.
        let insert = "INSERT INTO t SELECT coalesce(max(id), 0) + 1 FROM t";
        run(&tool, &["SET statement_timeout = '300ms'", insert, "BEGIN"]).await;
        // Now a question has to wait for longer than the tool would let its own statements.
        run(&beside, &["BEGIN", "LOCK TABLE pg_index"]).await;
        let release = async {
            tokio::time::sleep(Duration::from_millis(900)).await;
            run(&beside, &["COMMIT"]).await;
        };
        tokio::join!(async { run(&tool, &[insert]).await }, release);
        run(&tool, &["ALTER TABLE t ADD a int", "COMMIT"]).await;
        let limit: String = tool.client.query_one("SHOW statement_timeout", &[]).await.expect("a row").get(0);
        assert_eq!(limit, "300ms");
        let statements = rig.end().await.statements;
        assert!(statements[3].sql == insert && statements[3].scans.is_some(), "{:?}", statements[3]);
        server.stop().await.expect("the server stops");
    });
}

#[test]
fn a_question_that_is_cancelled_does_not_end_the_transaction() {
    test(async {
        let (server, rig) = rig("CREATE TABLE t (id int PRIMARY KEY)").await;
        let (tool, beside) = (rig.tapped().await, rig.beside().await);
        let insert = "INSERT INTO t SELECT coalesce(max(id), 0) + 1 FROM t";
        run(&tool, &[insert, "BEGIN"]).await;
        run(&beside, &["BEGIN", "LOCK TABLE pg_index"]).await;
        let cancel = tool.client.cancel_token();
        let release = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            cancel.cancel_query(NoTls).await.expect("a cancel request that comes late");
            tokio::time::sleep(Duration::from_millis(300)).await;
            run(&beside, &["COMMIT"]).await;
        };
        tokio::join!(async { run(&tool, &[insert]).await }, release);
        run(&tool, &["ALTER TABLE t ADD a int", "COMMIT"]).await;
        assert_eq!(ask(&tool, "SELECT count(*) FROM t").await, 2);
        let statements = rig.observer.end_migration().await.expect("the migration ends").statements;
        assert_eq!((statements[2].sql.as_str(), statements[2].scans.as_ref()), (insert, None));
        assert!(rig.observer.trouble().is_some_and(|trouble| trouble.contains("canceling statement")));
        server.stop().await.expect("the server stops");
    });
}

#[test]
fn names_are_read_whatever_encoding_the_tool_speaks() {
    test(async {
        let (server, rig) = rig("CREATE TABLE \"Bücher 🧾\" (id int)").await;
        let script = "SET client_encoding = 'LATIN1';\nBEGIN;\nDO $$ BEGIN EXECUTE 'ALTER TABLE ' || \
                      (SELECT oid::regclass FROM pg_class WHERE relname LIKE 'B%cher%') || ' ADD a int'; END $$;\n\
                      COMMIT;\nSHOW client_encoding;\n";
        let output = finish(psql(&rig.url(), &["-f", "-"]), script).await;
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("LATIN1\n", ""));
        let statements = rig.end().await.statements;
        let locks = one(&statements, "ADD a int").locks.as_ref().expect("locks");
        assert_eq!(locks[0].relation, "public.\"Bücher 🧾\"");
        server.stop().await.expect("the server stops");
    });
}

#[test]
fn rolling_back_to_a_savepoint_rewrites_nothing() {
    test(async {
        let (server, rig) = rig("CREATE TABLE t (id int); INSERT INTO t VALUES (1)").await;
        let tool = rig.tapped().await;
        run(
            &tool,
            &[
                "BEGIN",
                "SAVEPOINT before",
                "ALTER TABLE t ALTER id TYPE bigint",
                "ROLLBACK TO SAVEPOINT before",
                "ALTER TABLE t ADD a int",
                "COMMIT",
            ],
        )
        .await;
        let statements = rig.end().await.statements;
        let rewrites: Vec<usize> =
            statements.iter().map(|statement| statement.rewrites.as_ref().expect("rewrites").len()).collect();
        assert_eq!(rewrites, [0, 0, 1, 0, 0, 0]);
        server.stop().await.expect("the server stops");
    });
}

#[test]
fn what_a_short_statement_read_is_not_counted_with_the_next() {
    test(async {
        let (server, rig) = rig("CREATE TABLE t (id int); INSERT INTO t VALUES (1); CREATE TABLE u (id int)").await;
        let tool = rig.tapped().await;
        let (read, change) = ("SELECT * FROM t", "ALTER TABLE u ADD CONSTRAINT c CHECK (id > 0)");
        let undo = "ALTER TABLE u DROP CONSTRAINT c";
        run(&tool, &["BEGIN", read, change, "COMMIT", undo, "BEGIN", read, "COMMIT", change, undo, read, change]).await;
        let statements = rig.end().await.statements;
        let changes = statements.iter().filter(|statement| statement.sql == change);
        let scans: Vec<Vec<&str>> = changes
            .map(|statement| {
                statement.scans.as_ref().expect("scans").iter().map(|scan| scan.relation.as_str()).collect()
            })
            .collect();
        assert_eq!(scans, [["public.u"]; 3]);
        assert!(statements.iter().all(|statement| statement.status == StatementStatus::Ok));
        server.stop().await.expect("the server stops");
    });
}
