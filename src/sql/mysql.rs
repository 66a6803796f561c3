//! Scripts of MySQL and MariaDB: where statements end, what kind they are, and how they bear on transactions.
//!
//! [`scanner::Scanner`] reads a script of any size as a stream, by the rules by which the `mysql` client does. [`script`] is for
//! migration files, which fit in memory and are text.

mod bodies;
mod client;
pub mod command;
pub(crate) mod cursor;
mod lexer;
pub mod modes;
pub mod name;
mod reserved;
pub mod scanner;
pub mod tables;
pub mod transaction;

use super::history::Piece;
use super::{Script, Statement};
use cursor::Cursor;
use lexer::Kind;
use modes::Modes;
use scanner::{Item, RawStatement, ScanError, Scanner};

/// Takes a script apart, bodies of stored routines kept whole even where no `DELIMITER` says so. Fails when it ends in the
/// middle of something. `modes` are the session's when it begins.
pub fn script(sql: &str, modes: Modes) -> Result<Script, ScanError> {
    let mut scanner = Scanner::new(sql.as_bytes()).in_modes(modes).know_bodies();
    scanner.keep_comments();
    let mut script = Script::default();
    while let Some(item) = scanner.next_item()? {
        match item {
            Item::Statement(RawStatement { text, line, command }) => {
                let text = String::from_utf8(text).map_err(|_| ScanError::NotUtf8 { line })?;
                script.statements.push(Statement { text, line, command, copy_data: None });
            }
            Item::Meta(meta) => script.metas.push(meta),
        }
    }
    script.comments = scanner.into_comments();
    Ok(script)
}

/// The pieces of a statement. Names are folded to small letters, quoted or not: these servers mostly tell no difference.
pub fn pieces(sql: &str) -> Vec<Piece> {
    let piece = |token: cursor::Token<'_>| {
        let text = String::from_utf8_lossy(token.text);
        Some(match token.kind {
            Kind::Word => Piece::Name(text.to_lowercase()),
            Kind::Name => Piece::Name(text.trim_matches('`').to_lowercase()),
            Kind::Number => Piece::Value(text.into_owned()),
            Kind::Literal => Piece::Value(text.trim_matches(['\'', '"']).replace("''", "'")),
            Kind::Symbol(b'?') => Piece::Parameter(0),
            Kind::Symbol(symbol) => Piece::Symbol(symbol),
            _ => return None,
        })
    };
    Cursor::new(sql.as_bytes()).filter_map(piece).collect()
}
