//! Cuts the text of a query file into tokens: just enough to find comments, statement ends and parameters.
//!
//! What can hide a `:` or a `;` is each dialect's own: see `postgres/lexer.rs` and `mysql/lexer.rs`. Neither knows
//! anything of grammar. Every byte of the text belongs to exactly one token.

use super::{mysql, postgres};
use crate::scenario::Engine;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Blanks and line breaks.
    Space,
    /// A comment that ends with its line, without the line break.
    LineComment,
    /// From `/*` to the `*/` that closes it.
    BlockComment,
    /// A string or a quoted name.
    Quoted,
    /// A run of letters, digits, `_` and `$` (a keyword, a name or a number).
    Word,
    /// `:name`.
    Named,
    /// `$1`.
    Numbered,
    /// `?`, where it stands for a parameter (MySQL, MariaDB).
    Mark,
    /// `;`.
    Semicolon,
    /// Any other characters.
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
pub(super) fn tokens(engine: Engine, text: &str) -> impl Iterator<Item = Token<'_>> {
    match engine {
        Engine::Postgres => Lexer::Postgres(postgres::lexer::Lexer::new(text)),
        Engine::Mysql | Engine::Mariadb => Lexer::Mysql(mysql::lexer::Lexer::new(text)),
    }
}

enum Lexer<'t> {
    Postgres(postgres::lexer::Lexer<'t>),
    Mysql(mysql::lexer::Lexer<'t>),
}

impl<'t> Iterator for Lexer<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        match self {
            Self::Postgres(lexer) => lexer.next(),
            Self::Mysql(lexer) => lexer.next(),
        }
    }
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

/// How many bytes of `text`, from its beginning, belong together.
pub(super) fn run(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// A token of this kind and length, or one that is not closed.
pub(super) fn closed(kind: Kind, length: Option<usize>, rest: &str, what: &'static str) -> (Kind, usize) {
    length.map_or((Kind::Unclosed(what), rest.len()), |length| (kind, length))
}

/// Length of the quoted text whose opening quote is at `open`; a doubled quote does not close it.
pub(super) fn quoted(text: &str, open: usize, quote: char, backslashes: bool) -> Option<usize> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_from_one() {
        assert_eq!([0, 1, 2, 3].map(|byte| line_of("a\nb\n", byte)), [1, 1, 2, 2]);
    }
}
