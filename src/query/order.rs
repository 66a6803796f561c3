//! By what a query orders its rows, as far as its own result shows it.
//!
//! The last `ORDER BY` outside of parentheses orders the result. Its keys are kept up to the first one that is no plain
//! column: rows that agree in them may come in any order, which then is no change.

use super::lexer::{Kind, Token};

/// Words that can follow the keys.
const ENDS: [&str; 7] = ["LIMIT", "OFFSET", "FETCH", "FOR", "LOCK", "INTO", "PROCEDURE"];
/// Words of a key that come after its column.
const DIRECTIONS: [&str; 5] = ["ASC", "DESC", "NULLS", "FIRST", "LAST"];

/// A column by which a result is ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// By its name.
    Name(String),
    /// By its place in the result, from 1.
    Place(usize),
}

impl Key {
    /// Where the key is among columns of these names.
    pub(super) fn find(&self, names: &[&str]) -> Option<usize> {
        match self {
            Self::Name(name) => names.iter().position(|column| column.eq_ignore_ascii_case(name)),
            Self::Place(place) => place.checked_sub(1).filter(|at| *at < names.len()),
        }
    }
}

/// The keys of a statement's result.
pub(super) fn keys(body: &[Token<'_>]) -> Vec<Key> {
    let tokens: Vec<&Token<'_>> = top_level(body);
    let is = |at: usize, word: &str| {
        tokens.get(at).is_some_and(|token| token.kind == Kind::Word && token.text.eq_ignore_ascii_case(word))
    };
    let Some(order) = (0..tokens.len()).rfind(|&at| is(at, "ORDER") && is(at + 1, "BY")) else { return Vec::new() };
    let first = order + 2;
    let end = (first..tokens.len()).find(|&at| ENDS.iter().any(|word| is(at, word))).unwrap_or(tokens.len());
    let keys = tokens[first..end].split(|token| token.text == ",");
    keys.map_while(key).collect()
}

/// The significant tokens outside of parentheses, which themselves are kept: a key that has some is no plain column.
fn top_level<'b, 't>(body: &'b [Token<'t>]) -> Vec<&'b Token<'t>> {
    let mut depth = 0_u32;
    let mut outside = Vec::new();
    for token in body.iter().filter(|token| token.is_significant()) {
        if token.text == ")" {
            depth = depth.saturating_sub(1);
        }
        if depth == 0 {
            outside.push(token);
        }
        if token.text == "(" {
            depth += 1;
        }
    }
    outside
}

/// `column`, `table.column`, `schema.table.column` or a place.
fn key(tokens: &[&Token<'_>]) -> Option<Key> {
    let is_direction = |token: &&&Token<'_>| DIRECTIONS.iter().any(|word| token.text.eq_ignore_ascii_case(word));
    let length = tokens.len() - tokens.iter().rev().take_while(is_direction).count();
    let column = &tokens[..length];
    let is_path = column.iter().enumerate().all(|(at, token)| match token.kind {
        Kind::Word | Kind::Quoted => at % 2 == 0,
        _ => at % 2 == 1 && token.text == ".",
    });
    let last = column.last().filter(|_| is_path && length % 2 == 1)?;
    match last.kind {
        Kind::Quoted if last.text.starts_with('\'') => None,
        Kind::Quoted => Some(Key::Name(last.text[1..last.text.len() - 1].to_owned())),
        _ if last.text.starts_with(|c: char| c.is_ascii_digit()) => last.text.parse().ok().map(Key::Place),
        _ => Some(Key::Name(last.text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::lexer::tokens;
    use super::*;
    use crate::scenario::Engine;

    #[test]
    fn keys_are_the_plain_columns_of_the_last_order() {
        let name = |name: &str| Key::Name(name.to_owned());
        for (sql, expected) in [
            ("SELECT a FROM t", vec![]),
            ("SELECT a FROM t ORDER BY a, t.b DESC LIMIT 3", vec![name("a"), name("b")]),
            ("SELECT a FROM t ORDER BY `a` ASC, 2 FOR UPDATE", vec![name("a"), Key::Place(2)]),
            ("SELECT a FROM t ORDER BY a, lower(b), c", vec![name("a")]),
            ("SELECT a FROM t ORDER BY a COLLATE utf8mb4_bin, c", vec![]),
            ("SELECT GROUP_CONCAT(a ORDER BY b) FROM t", vec![]),
            ("SELECT a FROM (SELECT a FROM t ORDER BY b) x", vec![]),
            ("SELECT a, row_number() OVER (ORDER BY b) FROM t ORDER BY a", vec![name("a")]),
            ("SELECT a FROM t ORDER BY 'a'", vec![]),
            ("SELECT a FROM t ORDER BY -a", vec![]),
        ] {
            let body: Vec<_> = tokens(Engine::Mysql, sql).collect();
            assert_eq!(keys(&body), expected, "{sql}");
        }
    }
}
