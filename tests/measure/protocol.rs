//! Real clients through the tap, in the extended protocol, and connections that end in every way.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, TryStreamExt, stream};
use rehearsal::run::{Blocks, StatementStatus};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::{AsyncMessage, NoTls};

use crate::rig::{Rig, VERSIONS, one, server, test, within};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn prepared_statements_are_known_by_what_they_execute() {
    test(async {
        let server = server(VERSIONS[0].0, VERSIONS[0].1).await;
        let rig = Rig::with(&server, "CREATE TABLE t (id int)").await;
        let tool = rig.tapped().await;
        let insert = tool.client.prepare("INSERT INTO t VALUES ($1)").await.expect("prepared");
        for id in 1..=2 {
            assert_eq!(tool.client.execute(&insert, &[&id]).await.expect("executed"), 1);
        }
        let twice = tool.client.execute(&insert, &[&3]);
        let (count, third) = tokio::join!(tool.client.query_one("SELECT count(*) FROM t", &[]), twice);
        let count: i64 = count.expect("a row").get(0);
        assert!((2..=3).contains(&count) && third.is_ok());
        drop(tool);
        let observation = rig.end().await;
        let inserted: Vec<Option<u64>> = observation
            .statements
            .iter()
            .filter(|statement| statement.sql == "INSERT INTO t VALUES ($1)")
            .map(|statement| statement.rows)
            .collect();
        assert_eq!(inserted, [Some(1); 3]);
        server.stop().await.expect("the server stops");
    });
}

#[test]
fn pipelined_queries_are_each_on_record_and_answered_in_order() {
    test(async {
        let server = server(VERSIONS[0].0, VERSIONS[0].1).await;
        let rig = Rig::with(&server, "CREATE TABLE t (id int)").await;
        let tool = rig.tapped().await;
        let select = tool.client.prepare("SELECT $1::int").await.expect("prepared");
        let wait = tool.client.prepare("SELECT 1 FROM pg_sleep(0.05)").await.expect("prepared");
        let first = tool.client.query(&wait, &[]);
        let all = futures_util::future::join_all((0..50_i32).map(|number| {
            let (tool, select) = (&tool, &select);
            async move { tool.client.query_one(select, &[&number]).await.expect("a row").get::<_, i32>(0) }
        }));
        let (first, all) = within(SOON, "the pipeline", async { tokio::join!(first, all) }).await;
        assert_eq!(first.expect("it waits").len(), 1);
        assert_eq!(all, (0..50).collect::<Vec<i32>>());
        drop(tool);
        let observation = rig.end().await;
        let selects = observation.statements.iter().filter(|statement| statement.sql == "SELECT $1::int").count();
        assert_eq!(selects, 50);
        server.stop().await.expect("the server stops");
    });
}

#[test]
fn a_message_that_begins_with_a_setting_is_looked_at_to_its_end() {
    test(async {
        let server = server(VERSIONS[0].0, VERSIONS[0].1).await;
        let schema = "CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 300000) g";
        let rig = Rig::with(&server, schema).await;
        let tool = rig.tapped().await;
        let sent = "SET lock_timeout = '2s'; ALTER TABLE t ALTER id TYPE bigint";
        tool.client.batch_execute(sent).await.expect("altered");
        drop(tool);
        let statements = rig.end().await.statements;
        let locks = one(&statements, sent).locks.as_ref().expect("samples saw some");
        assert!(locks.iter().any(|lock| lock.mode == "AccessExclusiveLock"), "{locks:?}");
        let rewrites = one(&statements, sent).rewrites.as_ref().expect("they are known");
        assert!(rewrites.iter().any(|rewrite| rewrite.relation == "public.t"), "{rewrites:?}");
        server.stop().await.expect("the server stops");
    });
}

#[test]
fn copy_and_portals_and_large_results_go_through() {
    test(async {
        let server = server(VERSIONS[0].0, VERSIONS[0].1).await;
        let rig = Rig::with(&server, "CREATE TABLE t (id int)").await;
        let mut tool = tokio_postgres::connect(&rig.url(), NoTls).await.expect("connected");
        let driver = tokio::spawn(tool.1);
        let mut sink = Box::pin(tool.0.copy_in("COPY t FROM STDIN").await.expect("copy begins"));
        let rows: Vec<Bytes> = (0..2_000).map(|row| Bytes::from(format!("{row}\n").repeat(100))).collect();
        sink.send_all(&mut stream::iter(rows).map(Ok)).await.expect("sent");
        assert_eq!(sink.as_mut().finish().await.expect("copied"), 200_000);
        let out = tool.0.copy_out("COPY t TO STDOUT").await.expect("copy begins");
        let bytes: usize =
            out.map_ok(|part| part.len()).try_fold(0, |sum, part| async move { Ok(sum + part) }).await.expect("copied");
        assert!(bytes > 200_000);
        let empty: [i32; 0] = [];
        let large = tool.0.query_raw("SELECT repeat('x', 1000) FROM t LIMIT 20000", empty).await.expect("rows");
        assert_eq!(large.try_fold(0, |sum, _| async move { Ok(sum + 1) }).await.expect("rows"), 20_000);
        let transaction = tool.0.transaction().await.expect("begun");
        let portal = transaction.bind("SELECT id FROM t ORDER BY id", &[]).await.expect("bound");
        for _ in 0..3 {
            assert_eq!(transaction.query_portal(&portal, 10).await.expect("rows").len(), 10);
        }
        transaction.commit().await.expect("committed");
        drop(tool.0);
        driver.await.expect("no panic").expect("closed in good order");
        let statements = rig.end().await.statements;
        assert_eq!(one(&statements, "COPY t FROM STDIN").rows, Some(200_000));
        assert_eq!(one(&statements, "COPY t TO STDOUT").rows, Some(200_000));
        assert_eq!(statements.iter().filter(|statement| statement.sql.starts_with("SELECT id")).count(), 3);
        server.stop().await.expect("the server stops");
    });
}

#[test]
fn a_statement_of_many_megabytes_goes_through() {
    test(async {
        let server = server(VERSIONS[0].0, VERSIONS[0].1).await;
        let rig = Rig::with(&server, "CREATE TABLE t (note text)").await;
        let tool = rig.tapped().await;
        let long = format!("INSERT INTO t VALUES ('{}')", "x".repeat(8 << 20));
        within(SOON, "a long statement", tool.client.batch_execute(&long)).await.expect("it runs");
        drop(tool);
        assert_eq!(rig.end().await.statements[0].rows, Some(1));
        server.stop().await.expect("the server stops");
    });
}

#[test]
fn a_cancel_request_reaches_the_statement_that_runs() {
    test(async {
        let server = server(VERSIONS[0].0, VERSIONS[0].1).await;
        let rig = Rig::with(&server, "CREATE TABLE t (id int)").await;
        let tool = rig.tapped().await;
        let cancel = tool.client.cancel_token();
        let asleep = tool.client.batch_execute("SELECT pg_sleep(60)");
        let wake = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            cancel.cancel_query(NoTls).await.expect("asked to cancel");
        };
        let (asleep, ()) = within(SOON, "a statement that is cancelled", async { tokio::join!(asleep, wake) }).await;
        assert_eq!(asleep.expect_err("cancelled").code().map(|code| code.code().to_owned()), Some("57014".to_owned()));
        tool.client.batch_execute("SELECT 1").await.expect("the session goes on");
        let statements = rig.end().await.statements;
        let slept = one(&statements, "pg_sleep");
        assert_eq!(slept.status, StatementStatus::Error);
        assert_eq!(slept.error.as_ref().map(|error| error.sqlstate.as_str()), Some("57014"));
        server.stop().await.expect("the server stops");
    });
}

#[test]
fn ten_connections_at_once_are_told_apart() {
    test(async {
        let server = server(VERSIONS[0].0, VERSIONS[0].1).await;
        let tables = "DO $$ BEGIN FOR i IN 0..9 LOOP EXECUTE format('CREATE TABLE t%s (id int)', i); END LOOP; END $$";
        let rig = Rig::with(&server, tables).await;
        let work = (0..10).map(|table| {
            let rig = &rig;
            async move {
                let tool = rig.tapped().await;
                for sql in ["BEGIN", &format!("ALTER TABLE t{table} ADD a int"), "SELECT pg_sleep(0.05)", "COMMIT"] {
                    tool.client.batch_execute(sql).await.expect("the migration runs");
                }
            }
        });
        within(SOON, "ten connections", futures_util::future::join_all(work)).await;
        let observation = rig.end().await;
        assert_eq!(observation.statements.len(), 40);
        let mut connections = Vec::new();
        for table in 0..10 {
            let statement = one(&observation.statements, &format!("ALTER TABLE t{table} "));
            let locks = statement.locks.as_ref().expect("locks");
            let held: Vec<(&str, bool)> =
                locks.iter().map(|lock| (lock.relation.as_str(), lock.held_ms.is_some())).collect();
            assert_eq!(held, [(format!("public.t{table}").as_str(), true)]);
            connections.push(statement.connection);
        }
        connections.sort_unstable();
        assert_eq!(connections, (1..=10).collect::<Vec<u32>>());
        assert_eq!(observation.blocking.len(), 10);
        server.stop().await.expect("the server stops");
    });
}

#[test]
fn a_client_that_leaves_an_open_transaction_lets_go_of_its_locks() {
    test(async {
        let server = server(VERSIONS[0].0, VERSIONS[0].1).await;
        let rig = Rig::with(&server, "CREATE TABLE t (id int)").await;
        let tool = rig.tapped().await;
        tool.client.batch_execute("BEGIN").await.expect("begun");
        tool.client.batch_execute("ALTER TABLE t ADD a int").await.expect("altered");
        drop(tool);
        rig.left().await;
        let observation = rig.end().await;
        let lock = &one(&observation.statements, "ALTER").locks.as_ref().expect("locks")[0];
        assert!(lock.held_ms.is_some(), "{lock:?}");
        assert!(lock.blocks.contains(&Blocks::Reads));
        assert!(observation.blocking[0].reads.held_ms.is_some(), "{:?}", observation.blocking);
        server.stop().await.expect("the server stops");
    });
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_statement_leaves_it_lost() {
    test(async {
        let server = server(VERSIONS[0].0, VERSIONS[0].1).await;
        let rig = Rig::with(&server, "CREATE TABLE t (id int)").await;
        let tool = rig.tapped().await;
        tool.client.batch_execute("BEGIN").await.expect("begun");
        tool.client.batch_execute("LOCK TABLE t").await.expect("locked");
        let client = Arc::clone(&tool.client);
        let asleep = tokio::spawn(async move { client.batch_execute("SELECT pg_sleep(60)").await });
        tokio::time::sleep(Duration::from_millis(100)).await;
        drop(tool);
        within(SOON, "a client that left", asleep).await.expect("no panic").expect_err("closed");
        rig.left().await;
        let observation = rig.end().await;
        assert_eq!(one(&observation.statements, "pg_sleep").status, StatementStatus::Lost);
        // The backend does not notice until it next writes: when its lock is let go is not known.
        assert_eq!(observation.blocking[0].reads.held_ms, None);
        server.stop().await.expect("the server stops");
    });
}

#[test]
fn notices_and_notifications_reach_the_client() {
    test(async {
        let server = server(VERSIONS[0].0, VERSIONS[0].1).await;
        let rig = Rig::with(&server, "CREATE TABLE t (id int)").await;
        let (client, mut connection) = rig.config().connect(NoTls).await.expect("connected");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let listener = Arc::clone(&heard);
        let driver = tokio::spawn(async move {
            while let Some(message) = std::future::poll_fn(|context| connection.poll_message(context)).await {
                let text = match message.expect("the protocol") {
                    AsyncMessage::Notice(notice) => format!("notice: {}", notice.message()),
                    AsyncMessage::Notification(notification) => {
                        format!("{}: {}", notification.channel(), notification.payload())
                    }
                    _ => continue,
                };
                listener.lock().expect("no panic").push(text);
            }
        });
        client.batch_execute("LISTEN news").await.expect("listening");
        let noisy = "DO $$ BEGIN RAISE NOTICE 'one'; ALTER TABLE t ADD a int; RAISE NOTICE 'two'; END $$";
        client.batch_execute("BEGIN").await.expect("begun");
        client.batch_execute(noisy).await.expect("noisy");
        rig.beside().await.client.batch_execute("NOTIFY news, 'from beside'").await.expect("notified");
        client.batch_execute("COMMIT").await.expect("committed");
        client.batch_execute("SELECT 1").await.expect("asked");
        drop(client);
        within(SOON, "the client", driver).await.expect("no panic");
        assert_eq!(*heard.lock().expect("no panic"), ["notice: one", "notice: two", "news: from beside"]);
        server.stop().await.expect("the server stops");
    });
}

#[test]
fn what_is_not_the_protocol_is_turned_away_and_harms_nobody() {
    test(async {
        let server = server(VERSIONS[0].0, VERSIONS[0].1).await;
        let rig = Rig::with(&server, "").await;
        let tool = rig.tapped().await;
        for nonsense in [&b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..], &[0; 8], &[0, 0, 0, 9], b""] {
            let mut stranger = TcpStream::connect(("127.0.0.1", rig.port())).await.expect("connected");
            stranger.write_all(nonsense).await.expect("sent");
            stranger.shutdown().await.expect("no more");
            let mut answer = Vec::new();
            // Reset or closed: either is an end.
            let _ = within(SOON, "a stranger", stranger.read_to_end(&mut answer)).await;
            assert_eq!(answer, b"");
        }
        tool.client.batch_execute("SELECT 1").await.expect("others go on");
        assert_eq!(rig.end().await.statements.len(), 1);
        server.stop().await.expect("the server stops");
    });
}

#[test]
fn a_server_that_dies_leaves_what_was_observed_and_the_statement_that_is_lost() {
    test(async {
        let server = server(VERSIONS[0].0, VERSIONS[0].1).await;
        let rig = Rig::with(&server, "CREATE TABLE t (id int)").await;
        let tool = rig.tapped().await;
        tool.client.batch_execute("BEGIN").await.expect("begun");
        tool.client.batch_execute("ALTER TABLE t ADD a int").await.expect("altered");
        let client = Arc::clone(&tool.client);
        let asleep = tokio::spawn(async move { client.batch_execute("SELECT pg_sleep(60)").await });
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.stop().await.expect("the server stops");
        within(SOON, "a client of a dead server", asleep).await.expect("no panic").expect_err("closed");
        within(SOON, "ending", rig.observer.end_migration()).await.expect_err("nobody to ask");
        rig.left().await;
        let statements = rig.observer.abandon();
        let statuses: Vec<StatementStatus> = statements.iter().map(|statement| statement.status).collect();
        assert_eq!(statuses, [StatementStatus::Ok, StatementStatus::Ok, StatementStatus::Lost]);
        assert_eq!(statements[1].locks.as_ref().map(Vec::len), Some(1));
    });
}
