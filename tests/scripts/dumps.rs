//! A dump that its own client made is split so that it comes out as it went in: rows with any byte in them, routines,
//! triggers, events and views.

use std::process::Command;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Value};
use pretty_assertions::assert_eq;
use rehearsal::scenario::Engine;
use rehearsal::sql::mysql::scanner::{Item, Scanner};

use crate::block_on;
use crate::container::{Container, MARIADB, MYSQL, PASSWORD};

/// What is dumped. The bytes are every pair of those that mean something to a lexer, and every single one.
const MADE: &str = "
    CREATE DATABASE made; USE made;
    CREATE TABLE bytes (id int PRIMARY KEY AUTO_INCREMENT, b blob, t text CHARACTER SET utf8mb4, `a``;'b` varchar(20));
    SET SESSION group_concat_max_len = 100000;
    INSERT INTO bytes (b) WITH RECURSIVE n AS (SELECT 0 AS n UNION ALL SELECT n + 1 FROM n WHERE n < 255) SELECT unhex(lpad(hex(n), 2, '0')) FROM n;
    INSERT INTO bytes (b, t) SELECT concat(a.b, c.b), 'é; -- '' \\\\ \\n `' FROM bytes a JOIN bytes c
        ON a.b IN ('''', '\\\\', ';', '\\n', '\\r', '`', '\"', '\\0', '/', '*', '-', x'FF') AND c.b IN ('''', '\\\\', ';', '\\n', '\\r', '`', '\"', '\\0', '/', '*', '-', ' ');
    CREATE TABLE logged (n int);
    DELIMITER //
    CREATE TRIGGER tr AFTER INSERT ON bytes FOR EACH ROW BEGIN INSERT INTO logged VALUES (1); /* ; */ INSERT INTO logged VALUES (2); END//
    CREATE PROCEDURE pr() BEGIN -- it's
        SELECT ';;'; END//
    SET sql_mode = 'NO_BACKSLASH_ESCAPES'//
    CREATE FUNCTION fu() RETURNS text DETERMINISTIC RETURN '\\'//
    SET sql_mode = DEFAULT//
    CREATE EVENT ev ON SCHEDULE EVERY 1 YEAR DO BEGIN DELETE FROM logged; DELETE FROM logged; END//
    CREATE VIEW vi AS SELECT ';' AS `;`, id FROM bytes//
";

const CHECKED: [&str; 6] = [
    "SELECT id, hex(b), hex(t) FROM bytes ORDER BY id",
    "SELECT trigger_name, action_statement FROM information_schema.triggers WHERE trigger_schema = database()",
    "SELECT routine_name, routine_definition, sql_mode FROM information_schema.routines WHERE routine_schema = database() ORDER BY 1",
    "SELECT event_name, event_definition FROM information_schema.events WHERE event_schema = database()",
    "SELECT * FROM vi ORDER BY id",
    "SELECT fu()",
];

#[test]
fn a_dump_of_mysql_comes_out_as_it_went_in() {
    // It goes back to the same server, which knows its own transactions already.
    restored(MYSQL, &["mysqldump", "--set-gtid-purged=OFF"]);
}

#[test]
fn a_dump_of_mariadb_comes_out_as_it_went_in() {
    restored(MARIADB, &["mariadb-dump"]);
}

#[track_caller]
fn restored(version: (Engine, &str), program: &[&str]) {
    let (before, after) = block_on(async {
        let server = Container::start(version, "dumps").await;
        let mut connection = server.connect().await;
        send(&mut connection, MADE.as_bytes()).await;
        let before = content(&mut connection, "made").await;
        let dump = dump(&server, program);
        connection.query_drop("CREATE DATABASE again").await.expect("a database");
        connection.query_drop("USE again").await.expect("it is there");
        send(&mut connection, &dump).await;
        (before, content(&mut connection, "again").await)
    });
    assert!(before[0].len() > 380, "{} rows", before[0].len());
    assert_eq!(before, after);
}

/// Sends a script statement by statement; none of them may fail.
async fn send(connection: &mut Conn, script: &[u8]) {
    for item in Scanner::new(script) {
        let Item::Statement(statement) = item.expect("the script is whole") else { panic!("a command of the client") };
        let shown = statement.shown().into_owned();
        connection.query_drop(statement.text).await.unwrap_or_else(|error| panic!("{shown}: {error}"));
    }
}

/// What the queries give in a database.
async fn content(connection: &mut Conn, database: &str) -> Vec<Vec<Vec<Value>>> {
    connection.query_drop(format!("USE {database}")).await.expect("it is there");
    let mut content = Vec::new();
    for sql in CHECKED {
        let rows: Vec<mysql_async::Row> = connection.query(sql).await.expect(sql);
        content.push(rows.into_iter().map(mysql_async::Row::unwrap).collect());
    }
    content
}

fn dump(server: &Container, program: &[&str]) -> Vec<u8> {
    let password = format!("-p{PASSWORD}");
    let arguments = ["-uroot", &password, "--routines", "--events", "--triggers", "made"];
    let arguments = [&["exec", &server.name], program, &arguments].concat();
    let output = Command::new("docker").args(arguments).output().expect("docker is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
