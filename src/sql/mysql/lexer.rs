//! The lexical rules of MySQL and MariaDB, as far as they decide where a statement ends.
//!
//! A [`Lexer`] is fed a script in pieces that end at line ends; what can go over a line end (a string, a quoted name, a
//! comment) is carried from one piece to the next and reported in parts. It works on bytes: every byte from 0x80 on is
//! a letter, so any encoding that has ASCII as a subset will do. (GBK, Big5 and Shift-JIS do not: their second bytes may be
//! quotes and backslashes.)
//!
//! Source: `add_line` in `client/mysql.cc` of MySQL 9.7 and MariaDB 11.8; the MySQL 9.7 manual, 11.1.1 "String Literals"
//! and 11.7 "Comments".

use super::modes::Modes;

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// White space.
    Space,
    /// `-- …` or `# …`, without its line end.
    LineComment,
    /// `/* … */`, hints (`/*+ … */`) among them, or the part of it on this line.
    BlockComment,
    /// What opens a comment that is code: `/*!50003`, `/*M!100616`.
    CodeBegin,
    /// `*/` that closes it.
    CodeEnd,
    /// A keyword, or a name without quotes.
    Word,
    /// What begins with a digit.
    Number,
    /// A string, or the part of it on this line; and `\N`.
    Literal,
    /// A name in backticks (or, under ANSI_QUOTES, in double quotes), or the part of it on this line.
    Name,
    /// A backslash outside of everything: a command of the `mysql` client.
    Backslash,
    /// Any other single character.
    Symbol(u8),
}

/// What is still open at the end of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Code,
    Comment,
    Quoted(u8),
}

/// Cuts text into tokens, remembering what is open.
#[derive(Debug, Clone)]
pub(super) struct Lexer {
    state: State,
    /// Whether a comment that is code is open, so that `*/` closes it.
    in_code_comment: bool,
    /// The parts of `sql_mode` that quotes depend on.
    pub(super) modes: Modes,
}

impl Lexer {
    pub(super) fn new(modes: Modes) -> Self {
        Self { state: State::Code, in_code_comment: false, modes }
    }

    /// What is open, in words; `None` between tokens.
    pub(super) fn open(&self) -> Option<&'static str> {
        match self.state {
            State::Code => None,
            State::Comment => Some("comment (/* … */)"),
            State::Quoted(b'`') => Some("quoted name (`…`)"),
            State::Quoted(b'"') => Some("quoted string (\"…\")"),
            State::Quoted(_) => Some("quoted string ('…')"),
        }
    }

    /// A new statement begins: what the last one left open of a comment that is code is forgotten.
    pub(super) fn restart(&mut self) {
        self.in_code_comment = false;
    }

    /// The kind and the end of the token at `at`, which must lie within `text`. `first` says that it would be the first of
    /// a statement: there, the client takes two dashes for a comment whatever follows them.
    pub(super) fn next(&mut self, text: &[u8], at: usize, first: bool) -> (Kind, usize) {
        match self.state {
            State::Code => self.code(text, at, first),
            State::Comment => (Kind::BlockComment, self.comment(text, at)),
            State::Quoted(quote) => self.quoted(text, at, quote),
        }
    }

    fn code(&mut self, text: &[u8], at: usize, first: bool) -> (Kind, usize) {
        match &text[at..] {
            [byte, ..] if is_space(*byte) => (Kind::Space, end_of(text, at, is_space)),
            [b'-', b'-', after @ ..] if first || after.first().is_none_or(|&byte| is_space(byte) || byte == 0) => {
                (Kind::LineComment, end_of_line(text, at))
            }
            [b'#', ..] => (Kind::LineComment, end_of_line(text, at)),
            // By this the MariaDB client is told to refuse its own commands. It has no other meaning, and no delimiter.
            [b'/', b'*', b'!', rest @ ..] | [b'/', b'*', b'M', b'!', rest @ ..] if rest.starts_with(b"999999\\-") => {
                (Kind::BlockComment, self.comment(text, at + 2))
            }
            [b'/', b'*', b'M', b'!', ..] => self.code_begin(text, at + 4),
            [b'/', b'*', b'!', ..] => self.code_begin(text, at + 3),
            [b'/', b'*', ..] => (Kind::BlockComment, self.comment(text, at + 2)),
            [b'*', b'/', ..] if self.in_code_comment => {
                self.in_code_comment = false;
                (Kind::CodeEnd, at + 2)
            }
            [quote @ (b'\'' | b'"' | b'`'), ..] => self.quoted(text, at + 1, *quote),
            [b'\\', b'N', ..] => (Kind::Literal, at + 2),
            [b'\\', ..] if !self.modes.no_backslash_escapes => (Kind::Backslash, at + 1),
            [byte, ..] if byte.is_ascii_digit() => (Kind::Number, end_of(text, at, in_word)),
            [byte, ..] if in_word(*byte) => (Kind::Word, end_of(text, at, in_word)),
            [byte, ..] => (Kind::Symbol(*byte), at + 1),
            [] => (Kind::Space, at),
        }
    }

    /// From behind the mark of a comment that is code: a version may follow.
    fn code_begin(&mut self, text: &[u8], at: usize) -> (Kind, usize) {
        self.in_code_comment = true;
        (Kind::CodeBegin, end_of(text, at, |byte| byte.is_ascii_digit()))
    }

    /// The inside of what is in quotes, up to the closing one or the end of the text. A doubled quote closes it and opens
    /// it again, which comes to the same.
    fn quoted(&mut self, text: &[u8], mut at: usize, quote: u8) -> (Kind, usize) {
        let is_name = quote == b'`' || (quote == b'"' && self.modes.ansi_quotes);
        let kind = if is_name { Kind::Name } else { Kind::Literal };
        let escapes = !is_name && !self.modes.no_backslash_escapes;
        self.state = State::Quoted(quote);
        let ends_run = |&byte: &u8| byte == quote || (escapes && byte == b'\\');
        while let Some(skipped) = text.get(at..).and_then(|rest| rest.iter().position(ends_run)) {
            at += skipped;
            if text[at] == quote {
                self.state = State::Code;
                return (kind, at + 1);
            }
            at += 2;
        }
        (kind, text.len())
    }

    /// The inside of a comment. Comments do not nest.
    fn comment(&mut self, text: &[u8], at: usize) -> usize {
        let closing = text[at..].windows(2).position(|pair| pair == b"*/");
        self.state = if closing.is_some() { State::Code } else { State::Comment };
        closing.map_or(text.len(), |length| at + length + 2)
    }
}

fn end_of(text: &[u8], at: usize, belongs: impl Fn(u8) -> bool) -> usize {
    text[at..].iter().position(|&byte| !belongs(byte)).map_or(text.len(), |length| at + length)
}

fn end_of_line(text: &[u8], at: usize) -> usize {
    end_of(text, at, |byte| !matches!(byte, b'\n' | b'\r'))
}

pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// Whether a byte may stand in a name without quotes (MySQL 9.7 manual, 11.2 "Schema Object Names").
fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}
