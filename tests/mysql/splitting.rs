//! Scripts are split as the clients of MySQL and MariaDB split them: sent statement by statement, they give the same rows
//! and the same errors. Every statement of the table is one that shows in its result where it began and ended.

use mysql_async::prelude::Queryable;
use mysql_async::{Row, Value};
use rehearsal::scenario::Engine;
use rehearsal::sql::mysql::scanner::{Item, Scanner};

use crate::lab::{Database, Lab, on_each};

/// Scripts on which the simple ways to split fail. `SHOP` is a database.
const SCRIPTS: &[&str] = &[
    "SELECT 1; SELECT 2",
    "SELECT 'a;b', \"c;d\", 'e''f;', \"g\"\"h;\", 'i\\'j;', 'k\\\\'; SELECT 2;",
    "SELECT 1 AS `a;b`, 2 AS `c``;d`, 3 AS `e\\`; SELECT 2;",
    "SELECT 5--1; SELECT 5-- 1; 6\n;SELECT 7 --\t8;\n;",
    "SELECT 1 # ; ' \"\n; SELECT 2 #\n;",
    "SELECT 2;\n-- ;\n--\nSELECT 3;",
    "SELECT 1 --\n+ 1; SELECT 3",
    "SELECT /* ; ' */ 1; /* a /* b */ SELECT 2; SELECT 6/* ; */+3; SELECT 2*/* x */3;",
    "SELECT /*!1 +*/ 2; SELECT /*!50000 1,*/ 2; /*!40101 SELECT 3 */; SELECT /*!999999 1,*/ 4;",
    "/*!40101 SET @a = 'x;y' */; SELECT @a;",
    "SELECT /*+ MAX_EXECUTION_TIME(1000) */ 1; SELECT /*+ ; */ 2;",
    "SELECT /* multi\n;line\n*/ 1;\nSELECT 'multi\n;line', 2;\n",
    "SELECT 1;;SELECT 2;;;\n;\n/* only a comment */;\n-- only a comment\n;SELECT 3",
    "SELECT 1\r\n;\r\nSELECT 'a;b' /* ;\r\n */\r\n;\r\n",
    "\u{feff}SELECT 1; SELECT 'é;ü';",
    "DELIMITER //\nSELECT 1; // SELECT '//;' // /* // */ SELECT 2 //\ndelimiter ;\nSELECT 3;",
    "DELIMITER $$\nSELECT 1 AS a$$\nSELECT 2$$SELECT 3$$\nDELIMITER ;\nSELECT 4;",
    "DELIMITER go\nSELECT 1 go\nSELECT 'go' go SELECT 3\ngo\nDelimiter ;\nSELECT 4",
    "   DELIMITER ;;\nSELECT 1;;\n\tDELIMITER ;\nSELECT 2;",
    "SELECT 1;\nSELECT '\nDELIMITER //\n'; SELECT 2;",
    "/*\nDELIMITER //\n*/\nSELECT 1; SELECT 2;",
    "SELECT 1\nDELIMITER //\n; SELECT 2;",
    "DROP PROCEDURE IF EXISTS p;\nDELIMITER $$\nCREATE PROCEDURE p()\nBEGIN\n  -- it's $ here\n  SELECT ';', '$'; # $\n  \
     IF 1 THEN SELECT 2; END IF;\nEND$$\nDELIMITER ;\nCALL p();",
    "DROP TABLE IF EXISTS tt; CREATE TABLE tt (a int, b text);\nDELIMITER ;;\n/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`%`*/ \
     /*!50003 TRIGGER tr BEFORE INSERT ON tt FOR EACH ROW BEGIN SET NEW.b = 'a;b'; SET NEW.a = NEW.a + 1; END */;;\n\
     DELIMITER ;\nINSERT INTO tt VALUES (1, ''); SELECT * FROM tt;",
    "SET sql_mode = 'NO_BACKSLASH_ESCAPES'; SELECT '\\'; SELECT 2; SET sql_mode = ''; SELECT '\\';', 3;",
    "SET @saved = @@sql_mode; SET sql_mode = 'NO_BACKSLASH_ESCAPES'; SELECT 'a\\'; SET sql_mode = @saved; SELECT '\\';';",
    "SET sql_mode = 'ANSI_QUOTES'; SELECT 1 AS \"a\\\"; SELECT 2;",
    "SELECT 1 \\g SELECT 2 \\g\nSELECT \\N;",
    "USE mysql\nSELECT DATABASE();\nuse SHOP; SELECT DATABASE();\nUSE `mysql`;SELECT DATABASE()",
    "SELECT 1; SELECT FROM; SELECT 2; SELECT nowhere.x; SELECT 3",
    "SELECT 1;\n\n\n-- the end",
    "SELECT 'last without an end'",
    "SELECT 1 -- ' no string\n, 2; SELECT 'a -- b', 'c # d', 'e /* f'; SELECT `g` FROM (SELECT 1 AS `g`) h;",
    "SELECT 'a' 'b;' \"c\"; SELECT _utf8mb4'x;', N'y;', x'3b', b'111011';",
    "select case when 1 then ';' end; begin; select 2; end; commit; select 3;",
];

#[test]
fn the_servers_own_client_splits_the_same() {
    on_each(async |lab| {
        let shop = lab.database().await;
        let mut differences = Vec::new();
        for script in SCRIPTS {
            let script = script.replace("SHOP", &shop.name);
            let (ours, theirs) = (by_statements(&shop, &script).await, by_client(lab, &shop, &script).await);
            if ours != theirs {
                differences.push(format!("{script}\nours: {ours:?}\ntheirs: {theirs:?}"));
            }
        }
        assert!(differences.is_empty(), "{:?}\n{}", lab.place, differences.join("\n\n"));
    });
}

/// Rows as the client prints them, and the numbers of the errors.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answers {
    rows: String,
    errors: Vec<u16>,
}

/// What the client makes of a script.
async fn by_client(lab: &Lab, shop: &Database, script: &str) -> Answers {
    let mut arguments = vec!["--force", "--raw", "-NB", "--default-character-set=utf8mb4", &shop.name];
    if lab.place.engine() == Engine::Mysql {
        arguments.push("--commands");
    }
    let script = lab.file("script.sql", script);
    let output = lab.try_program(lab.client(), &arguments, Some(&script)).await;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let errors = errors.lines().filter_map(|line| line.strip_prefix("ERROR ")?.split(' ').next()?.parse().ok());
    Answers { rows: String::from_utf8_lossy(&output.stdout).into_owned(), errors: errors.collect() }
}

/// What comes of sending a script's statements one by one.
async fn by_statements(shop: &Database, script: &str) -> Answers {
    let mut connection = shop.session().await;
    let mut answers = Answers::default();
    for item in Scanner::new(script.as_bytes()) {
        let Item::Statement(statement) = item.expect("the script is whole") else { panic!("a command: {script}") };
        match connection.query_iter(statement.text).await {
            Ok(mut results) => {
                while !results.is_empty() {
                    for row in results.collect::<Row>().await.expect("rows") {
                        let values: Vec<_> = row.unwrap().into_iter().map(printed).collect();
                        answers.rows += &(values.join("\t") + "\n");
                    }
                }
            }
            Err(mysql_async::Error::Server(error)) => answers.errors.push(error.code),
            Err(error) => panic!("{error}"),
        }
    }
    connection.disconnect().await.expect("it ends");
    answers
}

/// A value of the text protocol as the client prints it.
fn printed(value: Value) -> String {
    match value {
        Value::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        _ => "NULL".to_owned(),
    }
}
