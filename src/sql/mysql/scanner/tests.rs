//! Claims about scripts: what the `mysql` client would send, statement by statement.

use std::io::{BufReader, Read};

use pretty_assertions::assert_eq;
use proptest::prelude::*;

use super::*;

/// Items as words.
fn story(sql: impl AsRef<[u8]>) -> Vec<String> {
    told(Scanner::new(BufReader::with_capacity(3, sql.as_ref())))
}

fn told(scanner: Scanner<impl BufRead>) -> Vec<String> {
    let told = scanner.map(|item| match item.expect("the script is whole") {
        Item::Statement(statement) => format!("{}: {}", statement.line, statement.shown()),
        Item::Meta(meta) if meta.in_statement => format!("{}: meta within {}", meta.line, meta.text),
        Item::Meta(meta) => format!("{}: meta {}", meta.line, meta.text),
    });
    told.collect()
}

fn texts(sql: &str) -> Vec<String> {
    story(sql).into_iter().map(|told| told.split_once(": ").unwrap().1.to_owned()).collect()
}

fn bodies(sql: &str) -> Vec<String> {
    told(Scanner::new(sql.as_bytes()).know_bodies())
}

fn error(sql: &str) -> String {
    Scanner::new(sql.as_bytes()).know_bodies().find_map(Result::err).expect("it is cut short").to_string()
}

#[test]
fn statements_end_at_the_delimiter_and_nowhere_else() {
    for (sql, expected) in [
        ("SELECT 1; SELECT 2", &["SELECT 1", "SELECT 2"][..]),
        (
            r#"SELECT 'a;\';''b', "c;\";""d", `e;``f\`; SELECT 2"#,
            &[r#"SELECT 'a;\';''b', "c;\";""d", `e;``f\`"#, "SELECT 2"],
        ),
        ("SELECT 1--1; SELECT 2-- 1; x\n;", &["SELECT 1--1", "SELECT 2"]),
        ("SELECT 1 -- ;'\n+ 1 # ;\"\n+ 1 --\n; SELECT 2", &["SELECT 1 -- ;'\n+ 1 # ;\"\n+ 1", "SELECT 2"]),
        ("--no space; at the beginning\nSELECT 1", &["SELECT 1"]),
        ("SELECT /* ; ' /* */ 1; SELECT 2*/* x */3", &["SELECT /* ; ' /* */ 1", "SELECT 2*/* x */3"]),
        ("/*!40101 SET NAMES utf8 */; /*M!100616 SET x=1*/;", &["/*!40101 SET NAMES utf8 */", "/*M!100616 SET x=1*/"]),
        ("SELECT /*+ NO_INDEX(t) */ 1; SELECT /*!1,*/ 2", &["SELECT /*+ NO_INDEX(t) */ 1", "SELECT /*!1,*/ 2"]),
        ("SELECT 1\\GSELECT 2 \\g; SELECT \\N", &["SELECT 1", "SELECT 2", "SELECT \\N"]),
        ("SELECT 1\r\n;\r\nSELECT 2;\r\n", &["SELECT 1", "SELECT 2"]),
        ("\u{feff}SELECT 1;;; ;", &["SELECT 1"]),
        ("-- a\n# b\n/* c */ ; /* d\n e */", &[]),
        ("", &[]),
    ] {
        assert_eq!(texts(sql), expected, "{sql}");
    }
}

#[test]
fn the_delimiter_is_what_the_script_says() {
    for (sql, expected) in [
        (
            "delimiter //\nSELECT 1; x// SELECT 2 //\nDELIMITER ;\nSELECT 3;",
            &["SELECT 1; x", "SELECT 2", "SELECT 3"][..],
        ),
        (
            "  DELIMITER $$\r\nBEGIN SELECT '$$'; END$$\r\ndelimiter ;\r\nSELECT 2",
            &["BEGIN SELECT '$$'; END", "SELECT 2"],
        ),
        (
            "DELIMITER ;;\n/*!50003 CREATE TRIGGER t BEGIN x; END */;;\nDELIMITER ;\nSELECT 1;",
            &["/*!50003 CREATE TRIGGER t BEGIN x; END */", "SELECT 1"],
        ),
        ("DELIMITER go\nSELECT 1 go SELECT 'go' /* go */go", &["SELECT 1", "SELECT 'go'"]),
        ("SELECT 1;\n/* x */ DELIMITER |\nSELECT 2;|", &["SELECT 1", "SELECT 2;"]),
        ("SELECT 1\nDELIMITER //\n;", &["SELECT 1\nDELIMITER //"]),
        ("SELECT '\nDELIMITER //\n';SELECT 2", &["SELECT '\nDELIMITER //\n'", "SELECT 2"]),
        ("/*\nDELIMITER //\n*/ SELECT 1; SELECT 2", &["SELECT 1", "SELECT 2"]),
    ] {
        assert_eq!(texts(sql), expected, "{sql}");
    }
    assert!(error("SELECT 1;\nDELIMITER\n").starts_with("line 2: DELIMITER must be followed"));
}

#[test]
fn a_statement_knows_its_line_and_kind() {
    let sql = "\u{feff}-- head\r\nSELECT 1;\r\n\r\n/* a\n b */ ALTER TABLE t\n ADD a int; DROP\nINDEX i ON t";
    let found = Scanner::new(sql.as_bytes()).map(|item| match item.expect("whole") {
        Item::Statement(statement) => (statement.line, statement.command),
        Item::Meta(meta) => (meta.line, meta.text),
    });
    let expected = [(2, "SELECT"), (5, "ALTER TABLE"), (6, "DROP INDEX")];
    assert_eq!(found.collect::<Vec<_>>(), expected.map(|(line, command)| (line, command.to_owned())));
}

#[test]
fn commands_of_the_client_are_told_apart_from_sql() {
    let sql = "SELECT 1;\nsource x.sql\nUSE shop\nuse `a b`; \\! ls; x\nsystem rm -rf /; SELECT 2;\ngo\nSELECT 3 \\. y.sql\n;\
               \ntee log.txt\nstatus\n\\u other\nhelp;\nSELECT help, status FROM source";
    assert_eq!(
        story(sql),
        [
            "1: SELECT 1",
            "2: meta source x.sql",
            "3: USE shop",
            "4: use `a b`",
            "4: meta \\! ls; x",
            "5: meta system rm -rf /",
            "5: SELECT 2",
            "7: meta within \\. y.sql",
            "7: SELECT 3",
            "9: meta tee log.txt",
            "10: meta status",
            "11: meta \\u other",
            "12: meta help",
            "13: SELECT help, status FROM source",
        ]
    );
}

#[test]
fn the_line_that_begins_a_mariadb_dump_is_left_out() {
    for line in ["/*M!999999\\- enable the sandbox mode */ ", "/*!999999\\- enable the sandbox mode */"] {
        assert_eq!(texts(&format!("{line}\n-- MariaDB dump\n\nSELECT 1;")), ["SELECT 1"]);
    }
}

#[test]
fn backslashes_are_letters_while_the_mode_says_so() {
    let sql = r"SET sql_mode='NO_BACKSLASH_ESCAPES'; SELECT '\'; SELECT \G; SET sql_mode=''; SELECT '\';'";
    let expected =
        ["SET sql_mode='NO_BACKSLASH_ESCAPES'", r"SELECT '\'", r"SELECT \G", "SET sql_mode=''", r"SELECT '\';'"];
    assert_eq!(texts(sql), expected);
    let ansi = r#"SELECT "a\"; SELECT 2"#;
    let modes = Modes::of("ANSI");
    assert_eq!(told(Scanner::new(ansi.as_bytes()).in_modes(modes)), [r#"1: SELECT "a\""#, "1: SELECT 2"]);
}

#[test]
fn binary_strings_come_out_as_they_went_in() {
    let sql = b"INSERT INTO t VALUES (_binary '\xff\xfe\\'\0;\n\x80'),('\xe9');\nSELECT 2";
    let items: Vec<_> = Scanner::new(&sql[..]).map(|item| item.expect("whole")).collect();
    let Item::Statement(insert) = &items[0] else { panic!("no statement") };
    assert_eq!(insert.text, b"INSERT INTO t VALUES (_binary '\xff\xfe\\'\0;\n\x80'),('\xe9')");
    assert_eq!(items.len(), 2);
}

#[test]
fn a_stored_routine_needs_no_delimiter_where_bodies_are_known() {
    let end = "SELECT 'the end'";
    for routine in [
        "CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END",
        "CREATE PROCEDURE p() SELECT IF(1, 2, 3)",
        "CREATE PROCEDURE IF NOT EXISTS p(IN a int) COMMENT 'x' IF a THEN SELECT 1; ELSE SELECT 2; END IF",
        "CREATE OR REPLACE DEFINER=`begin`@`%` PROCEDURE p()\nl: BEGIN\n IF (1) THEN SELECT 1; ELSEIF 2 THEN BEGIN END; END IF;\n\
         WHILE IF(1,2,3) DO SET @a = 1; END WHILE; lp: LOOP LEAVE lp; END LOOP lp;\n REPEAT SET @b = 1; UNTIL 1 END REPEAT;\n\
         CASE 1 WHEN 1 THEN SELECT 1; ELSE SELECT CASE WHEN 2 THEN 3 END; END CASE; END l",
        "CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN CASE WHEN 1 THEN REPEAT('x', 2) ELSE IF(1, 2, 3) END",
        "CREATE FUNCTION f(a int) RETURNS int BEGIN DECLARE x int; DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN RETURN 1; END; \
         RETURN x; END",
        "CREATE FUNCTION f RETURNS STRING SONAME 'f.so'",
        "CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW SET NEW.end = IF(NEW.begin, 1, 2)",
        "CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW FOLLOWS u BEGIN SET NEW.a = (SELECT begin FROM y); END",
        "CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW IF NEW.a THEN SET NEW.b = 1; END IF",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO BEGIN DELETE FROM t; END",
        "ALTER EVENT e DO BEGIN DELETE FROM t; END",
        "BEGIN NOT ATOMIC SELECT 1; END",
        "BEGIN",
        "CREATE TABLE event (begin int, `end` int)",
        "/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`b`*/ /*!50003 TRIGGER t BEFORE INSERT ON x FOR EACH ROW BEGIN SET @a=1; END */",
        "CREATE PROCEDURE p() BEGIN FOR i IN 1..10 DO SELECT i; END FOR; INSERT INTO t (a, begin, end) VALUES (1, 2, 3); END",
        "ALTER TABLE t ADD a int",
    ] {
        let sql = format!("{routine};\n{end};");
        let found = bodies(&sql);
        assert_eq!(found.len(), 2, "{sql}\n{found:#?}");
        assert_eq!(found[0], format!("1: {routine}"));
        // With a delimiter of its own, the script says it itself.
        assert_eq!(bodies(&format!("DELIMITER $$\n{routine};x$$"))[0], format!("2: {routine};x"));
    }
}

#[test]
fn what_is_cut_short_is_an_error_with_its_line() {
    for (sql, expected) in [
        ("SELECT 1;\nSELECT 'a\n;\n", "line 2: the quoted string ('…') that begins here"),
        ("SELECT \"a\\", "line 1: the quoted string (\"…\")"),
        ("\n\nSELECT `a", "line 3: the quoted name"),
        ("/* a\n /* b ", "line 1: the comment"),
        ("CREATE PROCEDURE p()\nBEGIN SELECT 1;", "line 2: the body of a stored routine"),
    ] {
        assert!(error(sql).starts_with(expected), "{sql}: {}", error(sql));
    }
}

#[test]
fn a_statement_of_64_megabytes_is_read_from_one_line() {
    let row = "(1,'some text; with ''quotes'' and \\'more\\' of them'),";
    let sql = format!("INSERT INTO t VALUES {};\nSELECT 2;", row.repeat(64 * 1024 * 1024 / row.len()));
    let mut scanner = Scanner::new(sql.as_bytes());
    let Ok(Some(Item::Statement(insert))) = scanner.next_item() else { panic!("no statement") };
    assert_eq!(insert.text.len(), sql.len() - ";\nSELECT 2;".len());
    assert!(matches!(scanner.next_item(), Ok(Some(Item::Statement(RawStatement { line: 2, .. })))));
}

#[test]
fn an_input_that_fails_is_an_error_with_the_line_it_came_to() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("disk on fire"))
        }
    }
    let reader = BufReader::new((&b"SELECT 1;\nSELECT 2;\n"[..]).chain(Broken));
    let error = Scanner::new(reader).find_map(Result::err).expect("it fails");
    assert_eq!(error.to_string(), "cannot read the script after line 2");
}

/// Statements that none of the pieces can be confused with, and what may stand between them.
fn statement() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("a"),
        Just("1.5"),
        Just("';'"),
        Just("'\\';'"),
        Just("\";\"\"\""),
        Just("`;\\`"),
        Just("/* ; */ b"),
        Just("/*!50000 c */"),
        Just("(1, 2)"),
        Just("+"),
        Just("é"),
        Just("-- ;\n d"),
        Just("# ;\n e"),
    ];
    proptest::collection::vec(piece, 1..8).prop_map(|pieces| format!("SELECT {} z", pieces.join(" ")))
}

proptest! {
    #[test]
    fn joined_statements_come_apart_again(
        statements in proptest::collection::vec(statement(), 0..6),
        between in prop_oneof![Just("; "), Just(";\r\n"), Just("; -- ; '\n"), Just(";;/* ' */"), Just("\n\\G\n")],
    ) {
        prop_assert_eq!(texts(&statements.join(between)), statements);
    }

    #[test]
    fn bytes_that_are_no_text_do_not_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let items = Scanner::new(bytes.as_slice()).know_bodies().count();
        prop_assert!(items <= bytes.len() + 1);
    }

    #[test]
    fn no_input_makes_it_panic(sql in r#"(?s)([a-z'"`;()\\/*!\-#\n\r .1@=]|DELIMITER |SET sql_mode=|BEGIN |END |CREATE TRIGGER ){0,40}"#) {
        let _ = Scanner::new(sql.as_bytes()).know_bodies().count();
        let _ = command::name_of(&sql);
    }
}
