//! Splitting a script into statements, and naming them.
//!
//! Two dialects: [`postgres`] and [`mysql`] (which is MariaDB's as well). Nothing here judges syntax; that is left to the server.

pub mod mysql;
pub mod postgres;

/// One statement of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its text without the closing semicolon and without comments before its first keyword.
    pub text: String,
    /// The line of the script on which its first keyword stands, from 1.
    pub line: u32,
    /// Its kind, as the server's command tags have it (`ALTER TABLE`, `CREATE INDEX`), in capitals.
    pub command: String,
    /// For `COPY … FROM STDIN`: the data that follows it, as COPY text, without the closing `\.`.
    pub copy_data: Option<Vec<u8>>,
}
