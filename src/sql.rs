//! Splitting a script into statements, and naming them.
//!
//! Two dialects: [`postgres`] and [`mysql`] (which is MariaDB's as well). [`history`] knows what migration tools say for
//! themselves. Nothing here judges syntax; that is left to the server.

pub mod history;
pub mod mysql;
pub mod postgres;

/// One statement of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its text without what ends it and without comments before its first keyword.
    pub text: String,
    /// The line of the script on which its first keyword stands, from 1.
    pub line: u32,
    /// Its kind, as the server's command tags have it (`ALTER TABLE`, `CREATE INDEX`), in capitals.
    pub command: String,
    /// For `COPY … FROM STDIN` of PostgreSQL: the data that follows it, as COPY text, without the closing `\.`.
    pub copy_data: Option<Vec<u8>>,
}

/// A whole script, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// Its statements, those of `COPY … FROM STDIN` with their data.
    pub statements: Vec<Statement>,
    /// Commands of the client (psql, mysql), which the server does not know.
    pub metas: Vec<MetaCommand>,
    /// Its `--` comments, wherever they stand.
    pub comments: Vec<LineComment>,
}

/// A command of the client, up to the end of its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaCommand {
    /// The line on which it stands, from 1.
    pub line: u32,
    /// Its text, with the backslash if it has one.
    pub text: String,
    /// Whether it stands within a statement that has not ended.
    pub in_statement: bool,
}

/// A `--` comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineComment {
    /// The line on which it stands, from 1.
    pub line: u32,
    /// Its text after the two dashes, without white space around it.
    pub text: String,
    /// Whether it stands within a statement that has not ended.
    pub in_statement: bool,
}
