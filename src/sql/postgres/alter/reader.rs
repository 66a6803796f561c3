//! A place among the tokens of a statement.

use super::super::cursor::{Cursor, Token};
use super::super::lexer::Kind;

/// Where a part of a text begins in it, in bytes.
pub(super) fn offset(text: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize)
}

/// The tokens of a statement. A doubled quote is part of the name that it is in.
pub(super) fn tokens(sql: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    for token in Cursor::new(sql, true) {
        match tokens.last_mut() {
            Some(last)
                if last.kind == Kind::Name
                    && token.kind == Kind::Name
                    && offset(sql, last.text) + last.text.len() == offset(sql, token.text) =>
            {
                last.text = &sql[offset(sql, last.text)..offset(sql, token.text) + token.text.len()];
            }
            _ => tokens.push(token),
        }
    }
    tokens
}

/// A place among the tokens of a statement.
pub(super) struct Reader<'a> {
    sql: &'a str,
    tokens: Vec<Token<'a>>,
    at: usize,
}

impl<'a> Reader<'a> {
    /// At the first token of this text.
    pub(super) fn new(sql: &'a str) -> Self {
        Self { sql, tokens: tokens(sql), at: 0 }
    }

    /// Goes to the end: what is left is of no matter.
    pub(super) fn finish(&mut self) {
        self.at = self.tokens.len();
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    /// The texts from here on between commas outside of parentheses and brackets.
    pub(super) fn split(&self) -> Vec<&'a str> {
        let mut from = self.rest().first().map_or(self.sql.len(), |token| self.offset(token.text));
        let mut parts = Vec::new();
        for comma in self.rest_outside().into_iter().filter(|token| token.is_symbol(b',')) {
            parts.push(self.sql[from..self.offset(comma.text)].trim());
            from = self.offset(comma.text) + 1;
        }
        parts.push(self.sql[from..].trim());
        parts
    }

    pub(super) fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).copied()
    }

    pub(super) fn rest(&self) -> &[Token<'a>] {
        &self.tokens[self.at.min(self.tokens.len())..]
    }

    /// The tokens from here on that are outside of parentheses and brackets.
    pub(super) fn rest_outside(&self) -> Vec<Token<'a>> {
        let mut depth = 0_i32;
        let outside = self.rest().iter().filter(|token| {
            if token.is_symbol(b'(') || token.is_symbol(b'[') {
                depth += 1;
            }
            let outside = depth == 0;
            if token.is_symbol(b')') || token.is_symbol(b']') {
                depth -= 1;
            }
            outside
        });
        outside.copied().collect()
    }

    /// Goes on if all of these keywords are next.
    pub(super) fn eat(&mut self, words: &[&str]) -> bool {
        let next = self.tokens.get(self.at..self.at + words.len());
        let eaten = next.is_some_and(|next| next.iter().zip(words).all(|(token, word)| token.is(word)));
        self.at += if eaten { words.len() } else { 0 };
        eaten
    }

    /// Whether these keywords come one after the other from here on.
    pub(super) fn has(&self, words: &[&str]) -> bool {
        self.rest().windows(words.len()).any(|next| next.iter().zip(words).all(|(token, word)| token.is(word)))
    }

    pub(super) fn symbol(&mut self, symbol: u8) -> bool {
        let eaten = self.peek().is_some_and(|token| token.is_symbol(symbol));
        self.at += usize::from(eaten);
        eaten
    }

    pub(super) fn name(&mut self) -> Option<&'a str> {
        let token = self.peek().filter(|token| matches!(token.kind, Kind::Word | Kind::Name))?;
        self.at += 1;
        Some(token.text)
    }

    pub(super) fn qualified(&mut self) -> Option<&'a str> {
        let (first, mut last) = (self.name()?, None);
        while self.symbol(b'.') {
            last = Some(self.name()?);
        }
        let last = last.unwrap_or(first);
        Some(&self.sql[self.offset(first)..self.offset(last) + last.len()])
    }

    /// What stands in parentheses that begin here.
    pub(super) fn parenthesis(&mut self) -> Option<&'a str> {
        let open = self.peek().filter(|token| token.is_symbol(b'('))?;
        let mut depth = 0_u32;
        while let Some(token) = self.peek() {
            self.at += 1;
            depth += u32::from(token.is_symbol(b'('));
            depth -= u32::from(token.is_symbol(b')'));
            if depth == 0 {
                return Some(self.sql[self.offset(open.text) + 1..self.offset(token.text)].trim());
            }
        }
        None
    }

    /// `(a, b)`.
    pub(super) fn list(&mut self) -> Option<Vec<&'a str>> {
        let mut names = Vec::new();
        self.symbol(b'(').then_some(())?;
        loop {
            names.push(self.name()?);
            if self.symbol(b')') {
                return Some(names);
            }
            self.symbol(b',').then_some(())?;
        }
    }

    /// The text from behind a token on.
    pub(super) fn after(&self, token: Token<'a>) -> &'a str {
        self.sql[self.offset(token.text) + token.text.len()..].trim()
    }

    /// The text between the begin of one token and that of another; to the end if that is empty.
    pub(super) fn between(&self, from: &'a str, until: &'a str) -> &'a str {
        let end = if until.is_empty() { self.sql.len() } else { self.offset(until) };
        self.sql[self.offset(from)..end].trim()
    }

    fn offset(&self, part: &str) -> usize {
        offset(self.sql, part)
    }
}
