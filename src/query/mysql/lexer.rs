//! What can hide a `:`, a `?` or a `;` from the scanner of MySQL and MariaDB: quotes with backslashes, backticks, and three
//! kinds of comments (MySQL 9.7 manual, 11.1.1 "String Literals", 11.7 "Comments").
//!
//! Code in a comment (`/*! … */`, `/*M! … */`) is read as code, whatever version it asks for. Two modes of the server are
//! left out: with `NO_BACKSLASH_ESCAPES` a string may end earlier than it does here; with `ANSI_QUOTES` only a name in
//! double quotes that has a backslash is read wrongly.

use crate::query::lexer::{Kind, Token, begins_name, closed, quoted, run, within_name};

/// The tokens of a text.
pub(in crate::query) struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    pub(in crate::query) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }
}

impl<'t> Iterator for Lexer<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        let rest = &self.text[self.at..];
        let (kind, length) = measure(rest, rest.chars().next()?);
        let token = Token { kind, text: &rest[..length], start: self.at };
        self.at += length;
        Some(token)
    }
}

/// The kind and the length in bytes of the token that `rest` begins with.
fn measure(rest: &str, first: char) -> (Kind, usize) {
    match first {
        c if c.is_whitespace() => (Kind::Space, run(rest, char::is_whitespace)),
        '#' => (Kind::LineComment, run(rest, |c| c != '\n')),
        '-' if is_dash_comment(rest) => (Kind::LineComment, run(rest, |c| c != '\n')),
        '/' if rest.starts_with("/*!") => (Kind::Symbol, 3 + version(&rest[3..])),
        '/' if rest.starts_with("/*M!") => (Kind::Symbol, 4 + version(&rest[4..])),
        '/' if rest.starts_with("/*") => closed(Kind::BlockComment, block_comment(rest), rest, "comment"),
        '\'' | '"' => closed(Kind::Quoted, quoted(rest, 0, first, true), rest, "string"),
        '`' => closed(Kind::Quoted, quoted(rest, 0, '`', false), rest, "quoted name"),
        '?' => (Kind::Mark, 1),
        ':' => colon(rest),
        '$' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
            (Kind::Numbered, 1 + run(&rest[1..], |c| c.is_ascii_digit()))
        }
        ';' => (Kind::Semicolon, 1),
        c if within_name(c) => (Kind::Word, run(rest, within_name)),
        c => (Kind::Symbol, c.len_utf8()),
    }
}

/// Two dashes begin a comment only before a blank, a control character or the end: `5--1` is 6.
fn is_dash_comment(rest: &str) -> bool {
    rest.strip_prefix("--")
        .is_some_and(|after| after.chars().next().is_none_or(|c| c.is_whitespace() || c.is_control()))
}

/// The length of the version that code in a comment may ask for.
fn version(after: &str) -> usize {
    let digits = run(after, |c| c.is_ascii_digit());
    if digits == 5 || digits == 6 { digits } else { 0 }
}

/// Comments do not nest here.
fn block_comment(rest: &str) -> Option<usize> {
    rest[2..].find("*/").map(|end| 2 + end + 2)
}

fn colon(rest: &str) -> (Kind, usize) {
    if rest.starts_with(":=") {
        (Kind::Symbol, 2)
    } else if rest[1..].starts_with(begins_name) {
        (Kind::Named, 1 + run(&rest[1..], |c| within_name(c) && c != '$'))
    } else {
        (Kind::Symbol, 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parameters(sql: &str) -> Vec<&str> {
        let parameter = |t: &Token<'_>| matches!(t.kind, Kind::Named | Kind::Mark | Kind::Numbered);
        Lexer::new(sql).filter(parameter).map(|t| t.text).collect()
    }

    #[test]
    fn parameters_are_found_where_the_server_would_read_an_expression() {
        for (sql, expected) in [
            ("WHERE id = :id AND x=:x", &[":id", ":x"][..]),
            ("WHERE id IN(?,?)", &["?", "?"]),
            ("LIMIT:n", &[":n"]),
            ("5--:a", &[":a"]),
            (r"'a\'' || :b", &[":b"]),
            ("/*!80000 :a */ /*M!100300 :b */", &[":a", ":b"]),
            ("/* /* */ :a", &[":a"]),
            ("@x := :a", &[":a"]),
            ("SELECT $1", &["$1"]),
        ] {
            assert_eq!(parameters(sql), expected, "{sql}");
        }
    }

    #[test]
    fn what_is_quoted_or_a_comment_is_left_alone() {
        for sql in [
            "'a :b ?'",
            "'it''s :b'",
            r"'it\'s :b'",
            r#""it\"s :b""#,
            "`a:b?`",
            r"`\`",
            "# :b",
            "-- :b",
            "--\t:b",
            "/* :b ? */",
            "/*+ QB_NAME(q) ? */",
            "@a := 1",
            "col$1",
            "'12:30'",
        ] {
            assert_eq!(parameters(sql), [] as [&str; 0], "{sql}");
        }
    }

    #[test]
    fn what_is_not_closed_is_named() {
        for (sql, what) in [(r"SELECT 'a\'", "string"), ("SELECT `a", "quoted name"), ("SELECT /* a", "comment")] {
            let last = Lexer::new(sql).last().expect("there is text");
            assert_eq!(last.kind, Kind::Unclosed(what), "{sql}");
        }
    }

    proptest! {
        #[test]
        fn no_byte_is_lost(text in r#"([a-zé0-9 :;?$'"`\\\n/*#-]|--|/\*|/\*!|\*/){0,40}"#) {
            let joined: String = Lexer::new(&text).map(|t| t.text).collect();
            prop_assert_eq!(joined, text);
        }
    }
}
