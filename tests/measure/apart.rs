//! Messages of several statements through a tap that takes them apart: the client gets, message for message, what it gets from
//! the server itself, and each statement is on record.

use std::fmt::Write as _;

use pretty_assertions::assert_eq;
use rehearsal::run::{How, Lock};
use rehearsal::server::session::Session;
use rehearsal::server::{DATABASE, Endpoint, Server, USER};
use rehearsal::tap::Messages;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::rig::{Rig, VERSIONS, server, test};

const SCHEMA: &str = "CREATE TABLE t (id int PRIMARY KEY, note text);
    INSERT INTO t SELECT g, 'note' FROM generate_series(1, 1000) g;
    CREATE TABLE child (t int REFERENCES t DEFERRABLE INITIALLY DEFERRED)";

/// Messages that one session sends, one after the other. `-- data` is what the client copies in after it.
const SENT: &[&str] = &[
    "SELECT 1; SELECT 'é' AS b, NULL; SELECT 2 WHERE false",
    "ALTER TABLE t ADD a int; UPDATE t SET a = id;\n-- the end; of it\n",
    ";; SELECT 1;; ;SELECT 2;;",
    "",
    "DO $$ BEGIN RAISE NOTICE 'one; two'; END $$; DO $$ BEGIN RAISE WARNING 'three'; END $$",
    // Nothing runs where a later statement cannot be parsed.
    "DELETE FROM t; SELEC 1",
    "SELECT count(*) FROM t; SELECT 'open",
    // Positions are those of the whole message.
    "SELECT 'é';\nINSERT INTO t (id) VALUES (2000);\n/* é */ SELECT nowhere FROM t; SELECT 3",
    "INSERT INTO t (id) VALUES (2001); INSERT INTO t (id) VALUES (1); SELECT 4",
    "SELECT count(*) FROM t",
    // What fails at the end of the transaction is not complete.
    "INSERT INTO child VALUES (1); INSERT INTO child VALUES (99999)",
    "INSERT INTO child VALUES (99999); DELETE FROM child",
    "SELECT count(*) FROM child; SELECT 1",
    "SET LOCAL application_name = 'local'; SHOW application_name",
    "SHOW application_name; SET application_name = 'global'; SELECT 1",
    "LOCK TABLE t; DECLARE c CURSOR FOR SELECT id FROM t ORDER BY id; FETCH 2 FROM c",
    "SAVEPOINT a; SELECT 1",
    "SELECT 1; VACUUM t",
    // One that is not in a transaction is put into one.
    "ALTER TABLE t ADD b int",
    "\n-- é\nCREATE INDEX ON t (b);\n",
    "UPDATE t SET b = a WHERE id < 10",
    "INSERT INTO t (id) VALUES (1)",
    "é; ALTER TABLE nowhere ADD b int",
    "/* é */ ALTER TABLE nowhere ADD b int",
    "INSERT INTO child VALUES (99999)",
    "INSERT INTO t (id) VALUES (2500) RETURNING id, b",
    "DROP TABLE IF EXISTS nowhere",
    "CREATE INDEX CONCURRENTLY ON t (b)",
    "CREATE TYPE odd AS ENUM ('a')",
    "ALTER TYPE odd ADD VALUE 'b'",
    "SELECT count(*) FROM t",
    "SELECT 1; BEGIN; SELECT 2",
    "SELECT 3; SELECT 4",
    "SELECT 1 / 0; SELECT 5",
    "SELECT 6; SELECT 7",
    "ROLLBACK; SELECT 8",
    "BEGIN; INSERT INTO t (id) VALUES (3000); COMMIT",
    "BEGIN; INSERT INTO t (id) VALUES (3000); COMMIT",
    "ROLLBACK",
    "BEGIN",
    "INSERT INTO t (id) VALUES (3001); SELEC",
    "ROLLBACK",
    "BEGIN ISOLATION LEVEL REPEATABLE READ",
    "INSERT INTO t (id) VALUES (3002); INSERT INTO t (id) VALUES (3003)",
    "COMMIT",
    "COPY t (id) TO STDOUT; SELECT 1",
    "COPY t (id) FROM STDIN; SELECT 1",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END; SELECT f()",
    "CREATE TABLE made (id int); DROP TABLE made; CREATE TABLE made (id serial); COMMENT ON TABLE made IS 'it''s; so'",
    "SET standard_conforming_strings = off; SELECT 1",
    "SELECT 'a\\'; b'; SELECT 2",
    "SELECT 1; SELECT 2",
    "SELECT count(*), sum(a) FROM t",
    // One statement, put into a transaction of its own where that is the same.
    "\n-- é\nALTER TABLE t ADD b int;",
    "ALTER TABLE t ADD b int;;",
    "-- é\nSELECT nowhere\nFROM t",
    "SELEC 1",
    "INSERT INTO child VALUES (99999)",
    "INSERT INTO t (id) VALUES (1)",
    "WITH gone AS (DELETE FROM t WHERE id > 900 RETURNING id) SELECT count(*) FROM gone",
    "DO $$ BEGIN RAISE NOTICE 'one'; END $$",
    "DO $$ BEGIN ALTER TABLE t ADD d int; END $$",
    "DO $$ BEGIN RAISE 'no'; END $$",
    "DO $$ BEGIN COMMIT; END $$",
    "CREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN COMMIT; END'",
    "CALL p()",
    "DROP TABLE IF EXISTS nothing",
    "SET LOCAL work_mem = '8MB'",
    "LOCK TABLE t",
    "DECLARE c CURSOR FOR SELECT 1",
    "CREATE INDEX CONCURRENTLY ON t (b)",
    "REINDEX TABLE t",
    "VACUUM t",
    "ANALYZE t",
    "CREATE TABLE parts (id int) PARTITION BY RANGE (id)",
    "TRUNCATE child",
    "BEGIN",
    "ALTER TABLE t ADD c int",
    "SELECT nowhere",
    "SELECT 1",
    "ROLLBACK",
    "SELECT 1",
];

/// What the server says to each message, on one connection to `database`.
async fn answers(mut stream: impl AsyncRead + AsyncWrite + Unpin, database: &str) -> Vec<String> {
    let parameters = format!("user\0{USER}\0database\0{database}\0\0");
    let mut first = u32::try_from(parameters.len() + 8).expect("short").to_be_bytes().to_vec();
    first.extend_from_slice(&196_608_u32.to_be_bytes());
    first.extend_from_slice(parameters.as_bytes());
    stream.write_all(&first).await.expect("sent");
    until_ready(&mut stream).await;
    let mut all = Vec::new();
    for sql in SENT {
        let mut message = vec![b'Q'];
        message.extend_from_slice(&u32::try_from(sql.len() + 5).expect("short").to_be_bytes());
        message.extend_from_slice(sql.as_bytes());
        message.push(0);
        stream.write_all(&message).await.expect("sent");
        all.push(format!("{sql}\n{}", until_ready(&mut stream).await));
    }
    all
}

async fn until_ready(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> String {
    let mut said = String::new();
    loop {
        let tag = stream.read_u8().await.expect("a message");
        let length = stream.read_u32().await.expect("a length");
        let mut body = vec![0; length as usize - 4];
        stream.read_exact(&mut body).await.expect("a body");
        // The server reports settings when it is ready, which it is more often here.
        if tag == b'S' {
            continue;
        }
        writeln!(said, "{} {}", char::from(tag), body.escape_ascii()).expect("a text");
        match tag {
            b'G' => stream.write_all(b"d\0\0\0\x094000\nc\0\0\0\x04").await.expect("copied in"),
            b'Z' => return said,
            _ => {}
        }
    }
}

async fn directly(server: &Server, database: &str) -> Vec<String> {
    match server.endpoint() {
        Endpoint::Unix { folder, port } => {
            let socket = folder.join(format!(".s.PGSQL.{port}"));
            answers(UnixStream::connect(socket).await.expect("connected"), database).await
        }
        Endpoint::Tcp { host, port } => {
            answers(TcpStream::connect((host, port)).await.expect("connected"), database).await
        }
    }
}

#[test]
fn a_client_is_answered_as_by_the_server_itself_and_each_statement_is_on_record_on_15() {
    walk(0);
}

#[test]
fn a_client_is_answered_as_by_the_server_itself_and_each_statement_is_on_record_on_17() {
    walk(1);
}

#[test]
fn a_client_is_answered_as_by_the_server_itself_and_each_statement_is_on_record_on_18() {
    walk(2);
}

fn walk(version: usize) {
    test(async move {
        let (version, provider) = VERSIONS[version];
        let server = server(version, provider).await;
        let session = Session::open(&server.config(DATABASE)).await.expect("a session");
        // The messages are sent by hand, and so would be passwords.
        let file: String = session.client.query_one("SHOW hba_file", &[]).await.expect("a setting").get(0);
        let trust = format!("COPY (VALUES ('local all all trust'), ('host all all all trust')) TO '{file}'");
        session.client.batch_execute(&trust).await.expect("a file of the server's");
        session.client.batch_execute("SELECT pg_reload_conf()").await.expect("it is read");
        session.client.batch_execute(SCHEMA).await.expect("the schema is made");
        drop(session);
        let session = Session::open(&server.config("postgres")).await.expect("a session");
        let copy = format!("CREATE DATABASE direct TEMPLATE {DATABASE}");
        session.client.batch_execute(&copy).await.expect("a database like it");
        let rig = Rig::sending(&server, DATABASE, Messages::Apart).await;
        let stream = TcpStream::connect(("127.0.0.1", rig.port())).await.expect("connected");
        let through = answers(stream, DATABASE).await;
        assert_eq!(through, directly(&server, "direct").await);
        let statements = rig.end().await.statements;
        let find = |sql: &str| {
            statements.iter().find(|seen| seen.sql == sql).unwrap_or_else(|| panic!("no {sql} in {statements:#?}"))
        };
        let altered = find("ALTER TABLE t ADD a int");
        let locks = altered.locks.as_ref().expect("they are read");
        assert!(locks.iter().any(|lock| lock.mode == "AccessExclusiveLock" && lock.held_ms.is_some()), "{locks:?}");
        assert_eq!(find("UPDATE t SET a = id").rows, Some(1000));
        let alone = find("ALTER TABLE t ADD b int");
        let read = alone.locks.as_ref().expect("they are read");
        assert!(read.iter().any(|lock| lock.mode == "AccessExclusiveLock" && lock.how == How::Exact), "{read:?}");
        // Left whole.
        find("DELETE FROM t; SELEC 1");
        find("SELECT 1; VACUUM t");
        find("INSERT INTO t (id) VALUES (3002)");
        // In a transaction of its own.
        let altered = find("ALTER TABLE t ADD b int").locks.as_ref().expect("they are read");
        let exact = |lock: &Lock| lock.mode == "AccessExclusiveLock" && lock.how == How::Exact;
        assert!(altered.iter().any(exact), "{altered:?}");
        let code = find("DO $$ BEGIN ALTER TABLE t ADD d int; END $$").locks.as_ref().expect("they are read");
        assert!(code.iter().any(exact), "{code:?}");
        assert!(find("CALL p()").locks.iter().flatten().all(|lock| lock.how == How::Sampled));
        server.stop().await.expect("the server stops");
    });
}
