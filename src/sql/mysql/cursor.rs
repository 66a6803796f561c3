//! Walking along the tokens of one statement. Comments and white space are left out, and so are the marks of comments that
//! are code: `/*!50003 CREATE */ TRIGGER` reads as `CREATE TRIGGER`.

use std::iter::Peekable;

use super::lexer::{Kind, Lexer};
use super::modes::Modes;

/// A token of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(super) kind: Kind,
    pub(crate) text: &'a [u8],
    /// Where in the statement it ends, in bytes.
    pub(crate) end: usize,
}

impl Token<'_> {
    /// Whether it is this keyword; a name in quotes never is.
    pub(crate) fn is(self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword.as_bytes())
    }

    pub(crate) fn is_any(self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(keyword))
    }

    pub(crate) fn is_symbol(self, symbol: u8) -> bool {
        self.kind == Kind::Symbol(symbol)
    }

    /// Its text in capitals.
    pub(crate) fn upper(self) -> String {
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
            let (kind, mut end) = self.lexer.next(self.text, start, false);
            // A doubled quote is part of what is in quotes.
            while matches!(kind, Kind::Name | Kind::Literal) && self.text.get(end) == self.text.get(start) {
                end = self.lexer.next(self.text, end, false).1;
            }
            self.at = end;
            let skipped =
                matches!(kind, Kind::Space | Kind::LineComment | Kind::BlockComment | Kind::CodeBegin | Kind::CodeEnd);
            if !skipped {
                return Some(Token { kind, text: &self.text[start..end], end });
            }
        }
        None
    }
}

/// A place in a statement.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    tokens: Peekable<Tokens<'a>>,
}

impl<'a> Cursor<'a> {
    /// Stands before the first token.
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { tokens: Tokens { text, at: 0, lexer: Lexer::new(Modes::default()) }.peekable() }
    }

    /// The next token, left where it is.
    pub(crate) fn peek(&mut self) -> Option<Token<'a>> {
        self.tokens.peek().copied()
    }

    /// Goes on if the next token is this keyword.
    pub(crate) fn eat(&mut self, keyword: &str) -> bool {
        self.tokens.next_if(|token| token.is(keyword)).is_some()
    }

    /// Goes on if the next token is one of these keywords.
    pub(crate) fn eat_any(&mut self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.eat(keyword))
    }

    /// The tokens from here on that are outside of parentheses.
    pub(crate) fn outside(&mut self) -> impl Iterator<Item = Token<'a>> {
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
