//! Walking along the tokens of one statement, comments and white space left out.

use std::iter::Peekable;

use super::lexer::{Kind, Lexer};

/// A token of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
}

impl Token<'_> {
    /// Whether it is this keyword; a name in quotes never is.
    pub(super) fn is(self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword)
    }

    /// Whether it is a value that the server takes for false.
    pub(super) fn says_off(self) -> bool {
        says_off(self.text.trim_matches('\''))
    }

    pub(super) fn is_symbol(self, symbol: u8) -> bool {
        self.kind == Kind::Symbol(symbol)
    }
}

/// The tokens of a statement, read no further than they are asked for.
#[derive(Debug, Clone)]
struct Tokens<'a> {
    text: &'a str,
    at: usize,
    lexer: Lexer,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        while self.at < self.text.len() {
            let start = self.at;
            let (kind, end) = self.lexer.next(self.text.as_bytes(), start);
            self.at = end;
            if !matches!(kind, Kind::Space | Kind::LineComment | Kind::BlockComment) {
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
    /// Stands before the first token. `standard_strings` is as in the session that the statement is for.
    pub(super) fn new(text: &'a str, standard_strings: bool) -> Self {
        let mut lexer = Lexer::new();
        lexer.standard_strings = standard_strings;
        Self { tokens: Tokens { text, at: 0, lexer }.peekable() }
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

    /// Goes on if the next tokens are these keywords, as far as they are.
    pub(super) fn eat_all(&mut self, keywords: &[&str]) -> bool {
        keywords.iter().all(|keyword| self.eat(keyword))
    }

    /// Goes to behind the next such keyword; to the end if there is none.
    pub(super) fn skip_past(&mut self, keyword: &str) -> bool {
        self.any(|token| token.is(keyword))
    }

    /// Goes past a list of options in parentheses, if one is next: `(VERBOSE, CONCURRENTLY false)`, `(connect = off)`.
    /// An option is on unless it says otherwise.
    pub(super) fn options(&mut self) -> Vec<(&'a str, bool)> {
        let mut options = Vec::new();
        if !self.peek().is_some_and(|token| token.is_symbol(b'(')) {
            return options;
        }
        self.next();
        let mut expects_name = true;
        for token in self.by_ref().take_while(|token| !token.is_symbol(b')')) {
            if token.is_symbol(b',') {
                expects_name = true;
            } else if expects_name {
                options.push((token.text, true));
                expects_name = false;
            } else if let Some(option) = options.last_mut().filter(|_| token.says_off()) {
                option.1 = false;
            }
        }
        options
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

/// Whether the server takes this for false, as the value of a setting.
pub(super) fn says_off(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    // Any beginning of these words will do, as long as it cannot mean "on".
    value == "0"
        || (!matches!(value.as_str(), "" | "o") && ["off", "false", "no"].iter().any(|no| no.starts_with(&value)))
}
