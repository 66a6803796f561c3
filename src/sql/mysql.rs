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

use super::{Script, Statement};
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
