//! Cuts the text of a query file into tokens: just enough to find comments, statement ends and parameters.
//!
//! It knows what can hide a `:` or a `;` from PostgreSQL's own scanner (quotes, `E''` strings, dollar quotes, nested
//! comments, casts) and nothing of grammar. Every byte of the text belongs to exactly one token. One rule of the server
//! is left out: a string that goes on after a line break (`E'a'` newline `'b'`) counts as two strings.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Blanks and line breaks.
    Space,
    /// From `--` to the end of the line, without the line break.
    LineComment,
    /// From `/*` to the `*/` that closes it.
    BlockComment,
    /// A string, a dollar-quoted string or a quoted name.
    Quoted,
    /// A run of letters, digits, `_` and `$` (a keyword, a name or a number).
    Word,
    /// `:name`.
    Named,
    /// `$1`.
    Numbered,
    /// `;`.
    Semicolon,
    /// Any other character, and `::` and `:=`.
    Symbol,
    /// What is not closed before the end of the text: the rest of it, and what it is.
    Unclosed(&'static str),
}

/// A piece of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'t> {
    /// What it is.
    pub(super) kind: Kind,
    /// Its characters.
    pub(super) text: &'t str,
    /// Where it begins, in bytes.
    pub(super) start: usize,
}

impl Token<'_> {
    /// Whether it is part of a statement, and not space or comment.
    pub(super) fn is_significant(&self) -> bool {
        !matches!(self.kind, Kind::Space | Kind::LineComment | Kind::BlockComment)
    }
}

/// Every token of `text`, in order.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    Lexer { text, at: 0, brackets: 0 }
}

/// The line on which a byte of `text` stands, from 1.
pub(super) fn line_of(text: &str, byte: usize) -> u32 {
    let breaks = text.as_bytes().iter().take(byte).filter(|&&b| b == b'\n').count();
    u32::try_from(breaks + 1).unwrap_or(u32::MAX)
}

/// Whether `c` can begin a name.
pub(super) fn begins_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

/// Whether `c` can stand inside a name.
pub(super) fn within_name(c: char) -> bool {
    begins_name(c) || c.is_ascii_digit() || c == '$'
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    /// How many `[` are open: only there can a single `:` be the colon of an array slice.
    brackets: u32,
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

fn run(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

fn closed(kind: Kind, length: Option<usize>, rest: &str, what: &'static str) -> (Kind, usize) {
    length.map_or((Kind::Unclosed(what), rest.len()), |length| (kind, length))
}

/// Length of the quoted text whose opening quote is at `open`; a doubled quote does not close it.
fn quoted(text: &str, open: usize, quote: char, backslashes: bool) -> Option<usize> {
    let mut chars = text[open..].char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && backslashes {
            chars.next();
        } else if c == quote && chars.next_if(|&(_, next)| next == quote).is_none() {
            return Some(open + at + 1);
        }
    }
    None
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

    #[test]
    fn lines_are_counted_from_one() {
        assert_eq!([0, 1, 2, 3].map(|byte| line_of("a\nb\n", byte)), [1, 1, 2, 2]);
    }

    proptest! {
        #[test]
        fn no_byte_is_lost(text in r#"([a-zé0-9 :;$'"\[\]\\\n/*-]|E'|--|\$\$|/\*|\*/){0,40}"#) {
            let joined: String = tokens(&text).map(|t| t.text).collect();
            prop_assert_eq!(joined, text);
        }
    }
}
