//! A dump that its own client made is split so that it comes out as it went in: rows with any byte in them, routines,
//! triggers, events and views.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Value};
use pretty_assertions::assert_eq;
use rehearsal::scenario::Engine;
use rehearsal::sql::mysql::scanner::{Item, Scanner};

use crate::lab::on_each;

/// What is dumped. The bytes are every pair of those that mean something to a lexer, and every single one.
const MADE: &str = "
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
fn a_dump_of_the_servers_own_program_comes_out_as_it_went_in() {
    on_each(async |lab| {
        let (made, again) = (lab.database().await, lab.database().await);
        let mut session = made.session().await;
        send(&mut session, MADE.as_bytes()).await;
        let before = content(&mut session).await;
        let mut arguments = vec!["--routines", "--events", "--triggers", &made.name];
        if lab.place.engine() == Engine::Mysql {
            // It goes back to the same server, which knows its own transactions already.
            arguments.push("--set-gtid-purged=OFF");
        }
        let dump = lab.program(lab.dumper(), &arguments, None).await;
        let mut session = again.session().await;
        send(&mut session, &dump).await;
        assert!(before[0].len() > 380, "{:?}: {} rows", lab.place, before[0].len());
        assert_eq!(before, content(&mut session).await, "{:?}", lab.place);
    });
}

/// Sends a script statement by statement; none of them may fail.
async fn send(connection: &mut Conn, script: &[u8]) {
    for item in Scanner::new(script) {
        let Item::Statement(statement) = item.expect("the script is whole") else { panic!("a command of the client") };
        let shown = statement.shown().into_owned();
        connection.query_drop(statement.text).await.unwrap_or_else(|error| panic!("{shown}: {error}"));
    }
}

/// What the queries give in the session's database.
async fn content(connection: &mut Conn) -> Vec<Vec<Vec<Value>>> {
    let mut content = Vec::new();
    for sql in CHECKED {
        let rows: Vec<mysql_async::Row> = connection.query(sql).await.expect(sql);
        content.push(rows.into_iter().map(mysql_async::Row::unwrap).collect());
    }
    content
}
