//! What can hide a `:` or a `;` from PostgreSQL's own scanner: quotes, `E''` strings, dollar quotes, nested comments, casts.
//!
//! One rule of the server is left out: a string that goes on after a line break (`E'a'` newline `'b'`) counts as two
//! strings.

use crate::query::lexer::{Kind, Token, begins_name, closed, quoted, run, within_name};

/// The tokens of a text.
pub(in crate::query) struct Lexer<'t> {
    text: &'t str,
    at: usize,
    /// How many `[` are open: only there can a single `:` be the colon of an array slice.
    brackets: u32,
}

impl<'t> Lexer<'t> {
    pub(in crate::query) fn new(text: &'t str) -> Self {
        Self { text, at: 0, brackets: 0 }
    }
}

impl<'t> Iterator for Lexer<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        let rest = &self.text[self.at..];
        let first = rest.chars().next()?;
        let (kind, length) = self.measure(rest, first);
        match rest.as_bytes()[0] {
            b'[' => self.brackets += 1,
            b']' => self.brackets = self.brackets.saturating_sub(1),
            _ => {}
        }
        let token = Token { kind, text: &rest[..length], start: self.at };
        self.at += length;
        Some(token)
    }
}

impl Lexer<'_> {
    /// The kind and the length in bytes of the token that `rest` begins with.
    fn measure(&self, rest: &str, first: char) -> (Kind, usize) {
        match first {
            c if c.is_whitespace() => (Kind::Space, run(rest, char::is_whitespace)),
            '-' if rest.starts_with("--") => (Kind::LineComment, run(rest, |c| c != '\n')),
            '/' if rest.starts_with("/*") => closed(Kind::BlockComment, block_comment(rest), rest, "comment"),
            '\'' => closed(Kind::Quoted, quoted(rest, 0, '\'', false), rest, "string"),
            '"' => closed(Kind::Quoted, quoted(rest, 0, '"', false), rest, "quoted name"),
            'e' | 'E' if rest[1..].starts_with('\'') => {
                closed(Kind::Quoted, quoted(rest, 1, '\'', true), rest, "string")
            }
            '$' => dollar(rest),
            ':' => self.colon(rest),
            ';' => (Kind::Semicolon, 1),
            c if begins_name(c) || c.is_ascii_digit() => (Kind::Word, run(rest, within_name)),
            c => (Kind::Symbol, c.len_utf8()),
        }
    }

    fn colon(&self, rest: &str) -> (Kind, usize) {
        if rest.starts_with("::") || rest.starts_with(":=") {
            (Kind::Symbol, 2)
        } else if rest[1..].starts_with(begins_name) && !self.in_slice() {
            (Kind::Named, 1 + run(&rest[1..], |c| within_name(c) && c != '$'))
        } else {
            (Kind::Symbol, 1)
        }
    }

    /// Whether a colon here parts the bounds of an array slice, as in `a[low:high]`. `ARRAY[:low, :high]` has parameters.
    fn in_slice(&self) -> bool {
        let operand = |c: char| within_name(c) || matches!(c, ')' | ']' | '"' | '\'');
        self.brackets > 0 && self.text[..self.at].ends_with(operand)
    }
}

fn block_comment(text: &str) -> Option<usize> {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += 1;
        }
    }
    None
}

/// `$1`, `$$ … $$`, `$tag$ … $tag$`, or a lone `$`.
fn dollar(rest: &str) -> (Kind, usize) {
    let after = &rest[1..];
    let digits = run(after, |c| c.is_ascii_digit());
    if digits > 0 {
        return (Kind::Numbered, 1 + digits);
    }
    let tag = run(after, |c| within_name(c) && c != '$');
    if !after[tag..].starts_with('$') {
        return (Kind::Symbol, 1);
    }
    let delimiter = &rest[..tag + 2];
    let end = rest[delimiter.len()..].find(delimiter).map(|body| body + 2 * delimiter.len());
    closed(Kind::Quoted, end, rest, "dollar-quoted string")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
        Lexer::new(text)
    }

    fn parameters(sql: &str) -> Vec<&str> {
        tokens(sql).filter(|t| matches!(t.kind, Kind::Named | Kind::Numbered)).map(|t| t.text).collect()
    }

    #[test]
    fn parameters_are_found_where_the_server_would_read_an_expression() {
        for (sql, expected) in [
            ("WHERE id = :id AND x=:x", &[":id", ":x"][..]),
            ("WHERE id IN(:a,:b)", &[":a", ":b"]),
            ("SELECT $1, $12", &["$1", "$12"]),
            ("LIMIT:n", &[":n"]),
            ("ARRAY[:low, :high]", &[":low", ":high"]),
            ("tags[:i]", &[":i"]),
            (":id::bigint", &[":id"]),
            ("(:a)::text || ':b'", &[":a"]),
            ("SELECT :größe", &[":größe"]),
        ] {
            assert_eq!(parameters(sql), expected, "{sql}");
        }
    }

    #[test]
    fn colons_and_dollars_that_are_no_parameters_are_left_alone() {
        for sql in [
            "'a :b'",
            "'it''s :b'",
            r"E'it\'s :b'",
            r#""odd "":name""#,
            "$$ :b $1 $$",
            "$body$ :b $$ $1 $body$",
            "-- :b",
            "/* :b /* :c */ :d */",
            "x::text",
            "f(a := 1)",
            "a[1:2]",
            "a[low:high]",
            "a[f(x):n]",
            "a[1 : n]",
            "col$1",
            "'12:30'::time",
        ] {
            assert_eq!(parameters(sql), [] as [&str; 0], "{sql}");
        }
    }

    #[test]
    fn a_standard_string_ends_at_its_quote_although_a_backslash_stands_before() {
        assert_eq!(parameters(r"'a\' || :b"), [":b"]);
    }

    #[test]
    fn what_is_not_closed_is_named() {
        for (sql, what) in [
            ("SELECT 'a", "string"),
            ("SELECT \"a", "quoted name"),
            ("SELECT /* /* */", "comment"),
            ("SELECT $x$ a $$", "dollar-quoted string"),
        ] {
            let last = tokens(sql).last().expect("there is text");
            assert_eq!(last.kind, Kind::Unclosed(what), "{sql}");
        }
    }

    proptest! {
        #[test]
        fn no_byte_is_lost(text in r#"([a-zé0-9 :;$'"\[\]\\\n/*-]|E'|--|\$\$|/\*|\*/){0,40}"#) {
            let joined: String = tokens(&text).map(|t| t.text).collect();
            prop_assert_eq!(joined, text);
        }
    }
}
