//! Scripts of PostgreSQL: where statements end, what kind they are, and how they bear on transactions.
//!
//! [`scanner::Scanner`] reads a script of any size as a stream, by the rules by which psql does. [`split`] and
//! [`script`] are for scripts that fit in memory. The rules are those of psql's lexer (`psqlscan.l`, PostgreSQL 14 and
//! newer), with two differences: psql variables (`:name`) are not replaced, and `standard_conforming_strings` is followed
//! only through `SET` and `RESET` from what a session is said to begin with, since no server is asked.

pub mod alter;
pub mod command;
mod cursor;
mod lexer;
pub mod message;
pub mod names;
mod nesting;
pub mod quote;
pub mod scanner;
pub mod transaction;

use thiserror::Error;

use super::history::Piece;
use super::{MetaCommand, Script, Statement};
use cursor::Cursor;
use lexer::Kind;
use scanner::{Item, ScanError, Scanner};

/// Why a script could not be split.
#[derive(Debug, Error)]
pub enum SplitError {
    /// It ends in the middle of something, or is not text.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// It holds a command of psql, which no server understands.
    #[error("line {line}: `{text}` is a command of psql, not SQL; take it out")]
    Meta {
        /// Where it stands.
        line: u32,
        /// The command.
        text: String,
    },
}

/// Takes a script apart. Fails when it ends in the middle of something. `standard_strings` is what sessions begin with
/// (`standard_conforming_strings`).
pub fn script(sql: &str, standard_strings: bool) -> Result<Script, ScanError> {
    let mut scanner = Scanner::new(sql.as_bytes()).standard_strings(standard_strings);
    scanner.keep_comments();
    let mut script = Script::default();
    while let Some(item) = scanner.next_item()? {
        match item {
            Item::Statement(statement) => script.statements.push(statement),
            Item::CopyStart(statement) => {
                script.statements.push(Statement { copy_data: Some(Vec::new()), ..statement });
            }
            Item::CopyData(chunk) => {
                if let Some(data) = script.statements.last_mut().and_then(|copy| copy.copy_data.as_mut()) {
                    data.extend_from_slice(&chunk);
                }
            }
            Item::CopyEnd => {}
            Item::Meta(meta) => script.metas.push(meta),
        }
    }
    script.comments = scanner.into_comments();
    Ok(script)
}

/// Splits a script into its statements. Fails as [`script`] does, and when a command of psql is among them.
pub fn split(sql: &str) -> Result<Vec<Statement>, SplitError> {
    let script = script(sql, true)?;
    match script.metas.into_iter().next() {
        Some(MetaCommand { line, text, .. }) => Err(SplitError::Meta { line, text }),
        None => Ok(script.statements),
    }
}

/// The pieces of a statement.
pub fn pieces(sql: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for token in Cursor::new(sql, true) {
        let piece = match token.kind {
            Kind::Word => Piece::Name(token.text.to_lowercase()),
            Kind::Name => Piece::Name(token.text.trim_matches('"').replace("\"\"", "\"")),
            Kind::Number if pieces.last() == Some(&Piece::Symbol(b'$')) => {
                pieces.pop();
                Piece::Parameter(token.text.parse().unwrap_or_default())
            }
            Kind::Number => Piece::Value(token.text.to_owned()),
            Kind::Literal => Piece::Value(token.text.trim_matches('\'').replace("''", "'")),
            Kind::Symbol(symbol) => Piece::Symbol(symbol),
            Kind::Backslash => Piece::Symbol(b'\\'),
            Kind::Space | Kind::LineComment | Kind::BlockComment => continue,
        };
        pieces.push(piece);
    }
    pieces
}

#[cfg(test)]
mod tests;
