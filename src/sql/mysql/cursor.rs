//! Walking along the tokens of one statement. Comments and white space are left out, and so are the marks of comments that
//! are code: `/*!50003 CREATE */ TRIGGER` reads as `CREATE TRIGGER`.

use std::iter::Peekable;

use super::lexer::{Kind, Lexer};
use super::modes::Modes;

/// A token of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a [u8],
}

impl Token<'_> {
    /// Whether it is this keyword; a name in quotes never is.
    pub(super) fn is(self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword.as_bytes())
    }

    pub(super) fn is_any(self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(keyword))
    }

    pub(super) fn is_symbol(self, symbol: u8) -> bool {
        self.kind == Kind::Symbol(symbol)
    }

    /// Its text in capitals.
    pub(super) fn upper(self) -> String {
        String::from_utf8_lossy(self.text).to_ascii_uppercase()
    }
}

/// The tokens of a statement, read no further than they are asked for.
#[derive(Debug, Clone)]
struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
    lexer: Lexer,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        while self.at < self.text.len() {
            let start = self.at;
            let (kind, end) = self.lexer.next(self.text, start, false);
            self.at = end;
            let skipped =
                matches!(kind, Kind::Space | Kind::LineComment | Kind::BlockComment | Kind::CodeBegin | Kind::CodeEnd);
            if !skipped {
                return Some(Token { kind, text: &self.text[start..end] });
            }
        }
        None
    }
}

/// A place in a statement.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    tokens: Peekable<Tokens<'a>>,
}

impl<'a> Cursor<'a> {
    /// Stands before the first token.
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { tokens: Tokens { text, at: 0, lexer: Lexer::new(Modes::default()) }.peekable() }
    }

    /// The next token, left where it is.
    pub(super) fn peek(&mut self) -> Option<Token<'a>> {
        self.tokens.peek().copied()
    }

    /// Goes on if the next token is this keyword.
    pub(super) fn eat(&mut self, keyword: &str) -> bool {
        self.tokens.next_if(|token| token.is(keyword)).is_some()
    }

    /// Goes on if the next token is one of these keywords.
    pub(super) fn eat_any(&mut self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.eat(keyword))
    }

    /// The tokens from here on that are outside of parentheses.
    pub(super) fn outside(&mut self) -> impl Iterator<Item = Token<'a>> {
        let mut depth = 0_u32;
        self.filter(move |token| {
            if token.is_symbol(b'(') {
                depth += 1;
            }
            let outside = depth == 0;
            if token.is_symbol(b')') {
                depth = depth.saturating_sub(1);
            }
            outside
        })
    }
}

impl<'a> Iterator for Cursor<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.tokens.next()
    }
}
