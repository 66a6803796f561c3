//! Claims about where statements end.

use std::fmt::Write as _;

use pretty_assertions::assert_eq;
use proptest::prelude::*;

use super::*;

fn texts(sql: &str) -> Vec<String> {
    split(sql).expect("the script is whole").into_iter().map(|statement| statement.text).collect()
}

fn error(sql: &str) -> String {
    script(sql, true).expect_err("the script is not whole").to_string()
}

#[test]
fn a_semicolon_ends_a_statement_only_outside_of_everything() {
    for whole in [
        "SELECT ';'",
        "SELECT 'it''s;'",
        r"SELECT 'C:\', ''",
        r"SELECT E'\';', e'\\'",
        r#"SELECT "a;""b""#,
        r"SELECT U&'\0041;', U&';\'",
        r#"SELECT U&";" "#,
        "SELECT B'0;', x';', N';'",
        "SELECT $$;$$, $a$;$$;$b$;$a$",
        "SELECT $é1$;$é1$",
        "SELECT $1, a$b$c, $2$$;$$",
        "SELECT 1 /* ; /* ; */ ; */ + 2",
        "SELECT 1 -- ;\n+ 2",
        "SELECT 1 -- ;\r+ 2",
        "SELECT 1 +-- ;\n 2",
        "SELECT 1 */* ; */ 2",
        "CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT (2); )",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END",
        "CREATE or REPLACE\nprocedure f(begin int) begin atomic insert into t values (1); end",
        "CREATE FUNCTION f() RETURNS int AS 'BEGIN; END' LANGUAGE plpgsql",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END; $$",
        "SELECT 'a'\n  -- ;\n  ';b'",
        "SELECT E'a'\n'\\';'",
    ] {
        assert_eq!(texts(&format!("{whole}; SELECT 2")), [whole.trim(), "SELECT 2"], "{whole}");
    }
}

#[test]
fn what_only_looks_like_a_quote_or_a_body_opens_nothing() {
    for (sql, expected) in [
        ("SELECT $1; SELECT $1", vec!["SELECT $1", "SELECT $1"]),
        ("SELECT a$b$; SELECT b$", vec!["SELECT a$b$", "SELECT b$"]),
        ("BEGIN; COMMIT", vec!["BEGIN", "COMMIT"]),
        ("CREATE TABLE begin (a int); SELECT 1", vec!["CREATE TABLE begin (a int)", "SELECT 1"]),
        (
            "CREATE FUNCTION f() RETURN CASE WHEN a THEN 1 END; SELECT 1",
            vec!["CREATE FUNCTION f() RETURN CASE WHEN a THEN 1 END", "SELECT 1"],
        ),
        ("SELECT 1); SELECT 2", vec!["SELECT 1)", "SELECT 2"]),
        (r"SELECT U&'\'; SELECT 2", vec![r"SELECT U&'\'", "SELECT 2"]),
        ("SELECT 1 - - 1; SELECT 4 / 2", vec!["SELECT 1 - - 1", "SELECT 4 / 2"]),
    ] {
        assert_eq!(texts(sql), expected, "{sql}");
    }
}

#[test]
fn nothing_between_semicolons_is_no_statement() {
    for sql in ["", " \n", ";;;", "-- only a comment", "/* only\n a comment */;", "\u{feff}", "\r\n;\r\n"] {
        assert_eq!(texts(sql), Vec::<String>::new(), "{sql:?}");
    }
}

#[test]
fn comments_around_a_statement_are_left_out_and_those_within_are_kept() {
    let sql = "/* a */ -- b\nSELECT /* c */ 1 -- d\n + 1 /* e */ -- f\n; -- g";
    assert_eq!(texts(sql), ["SELECT /* c */ 1 -- d\n + 1"]);
}

#[test]
fn a_statement_knows_its_line_and_kind() {
    let sql = "\u{feff}-- head\r\nSELECT 1;\r\n\r\n/* a\n b */ ALTER TABLE t\n ADD a int; DROP\nINDEX i";
    let found: Vec<_> = split(sql).expect("whole").into_iter().map(|s| (s.line, s.command)).collect();
    let expected = [(2, "SELECT"), (5, "ALTER TABLE"), (6, "DROP INDEX")];
    assert_eq!(found, expected.map(|(line, command)| (line, command.to_owned())));
}

#[test]
fn backslashes_escape_while_the_setting_is_off() {
    let sql =
        r"SELECT '\'; SET standard_conforming_strings = off; SELECT '\';'; SELECT N'\';', x'\'; RESET ALL; SELECT '\'";
    let expected = [
        r"SELECT '\'",
        "SET standard_conforming_strings = off",
        r"SELECT '\';'",
        r"SELECT N'\';', x'\'",
        "RESET ALL",
        r"SELECT '\'",
    ];
    assert_eq!(texts(sql), expected);
    let begun_off =
        script(r"SELECT '\';'; SET standard_conforming_strings = on; SELECT '\'; RESET ALL; SELECT '\''", false);
    assert_eq!(begun_off.expect("whole").statements.len(), 5);
}

#[test]
fn psql_commands_are_reported_with_their_line() {
    let script = script(
        "\\set ON_ERROR_STOP on\nSELECT 1\n\\gexec\n;SELECT '\\x', E'\\\\' -- \\c\n;\\i a;b.sql\r\nSELECT 2;",
        true,
    );
    let script = script.expect("whole");
    let metas: Vec<_> = script.metas.iter().map(|m| (m.line, m.text.as_str(), m.in_statement)).collect();
    assert_eq!(metas, [(1, "\\set ON_ERROR_STOP on", false), (3, "\\gexec", true), (5, "\\i a;b.sql", false)]);
    let texts: Vec<_> = script.statements.iter().map(|s| s.text.as_str()).collect();
    assert_eq!(texts, ["SELECT 1", "SELECT '\\x', E'\\\\'", "SELECT 2"]);
}

#[test]
fn an_escaped_semicolon_belongs_to_the_statement() {
    assert_eq!(texts(r"SELECT 1\; SELECT 2\:; SELECT 3"), ["SELECT 1; SELECT 2:", "SELECT 3"]);
}

#[test]
fn split_refuses_a_psql_command() {
    let error = split("SELECT 1;\n\\i x.sql\n").expect_err("a command of psql").to_string();
    assert_eq!(error, "line 2: `\\i x.sql` is a command of psql, not SQL; take it out");
}

#[test]
fn what_is_cut_short_is_an_error_with_its_line() {
    for (sql, expected) in [
        ("SELECT 1;\nSELECT 'a\n;\n", "line 2: the quoted string ('…') that begins here"),
        ("SELECT E'\\", "line 1: the quoted string"),
        ("\n\nSELECT \"a", "line 3: the quoted name"),
        ("SELECT 1,\n$a$ x $b$ \n", "line 2: the dollar-quoted string"),
        ("/* a\n /* b */", "line 1: the comment"),
        ("SELECT (\n(1); SELECT 2", "line 1: the parenthesis"),
        ("CREATE FUNCTION f() RETURNS int\nBEGIN ATOMIC SELECT 1;", "line 2: the BEGIN … END body"),
        ("COPY t FROM STDIN;\n1\n2", "line 1: the COPY data"),
        ("COPY t FROM STDIN", "line 1: the COPY data"),
    ] {
        assert!(error(sql).starts_with(expected), "{sql}: {}", error(sql));
    }
}

#[test]
fn comments_are_kept_with_their_line_wherever_they_stand() {
    let script = script("-- a\nSELECT '-- no' --b \n; /* -- no */ --", true).expect("whole");
    let found: Vec<_> = script.comments.iter().map(|c| (c.line, c.text.as_str(), c.in_statement)).collect();
    assert_eq!(found, [(1, "a", false), (2, "b", true), (3, "", false)]);
}

/// Statements that none of the pieces can be confused with, and what may stand between them.
fn statement() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("a"),
        Just("1.5"),
        Just("$1"),
        Just("';'"),
        Just("E'\\';'"),
        Just("\";\""),
        Just("$x$;'$x$"),
        Just("/* ; */ b"),
        Just("(1; 2)"),
        Just("+"),
        Just("é"),
        Just("CASE"),
        Just("end"),
        Just("-- ;\n c"),
    ];
    proptest::collection::vec(piece, 1..8).prop_map(|pieces| format!("SELECT {} z", pieces.join(" ")))
}

proptest! {
    #[test]
    fn joined_statements_come_apart_again(
        statements in proptest::collection::vec(statement(), 0..6),
        between in prop_oneof![Just("; "), Just(";\r\n"), Just(" -- ; '\n;"), Just(";;/* ' */"), Just("\n;\n")],
    ) {
        let script = statements.join(between);
        prop_assert_eq!(texts(&script), statements);
    }

    #[test]
    fn no_input_makes_it_panic_and_no_token_is_lost(sql in r#"(?s)[a-zé'"$;()\\/*\-\n\r .1]{0,60}|.{0,40}"#) {
        let Ok(script) = script(&sql, true) else { return Ok(()) };
        let mut joined = String::new();
        for statement in &script.statements {
            let _ = write!(joined, "{}", statement.text);
        }
        if script.metas.is_empty() && script.comments.is_empty() && !sql.contains("/*") && !sql.contains('\\') {
            let bare = |text: &str| text.replace([' ', '\n', '\r', '\t', '\u{b}', '\u{c}', ';', '\u{feff}'], "");
            prop_assert_eq!(bare(&joined), bare(&sql));
        }
        for statement in &script.statements {
            transaction::cannot_run_in_transaction(statement);
            transaction::control(statement);
        }
    }

    #[test]
    fn bytes_that_are_no_text_do_not_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let items = scanner::Scanner::new(bytes.as_slice()).count();
        prop_assert!(items <= bytes.len() + 1);
    }
}
