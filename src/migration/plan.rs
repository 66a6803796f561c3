//! How one migration file is sent: its statements, in groups that are one transaction each or none.
//!
//! On PostgreSQL, the mode comes from the scenario, unless a comment before the first statement says otherwise
//! (`-- rehearsal: no-transaction`, or `-- rehearsal: transaction=file|statement|none`). Two things take precedence over
//! both: a file that begins or ends transactions itself is sent as it is written, and a statement that the server
//! refuses in a transaction is never put into one, but for files of tools that do put it there ([`Strict`]). On MySQL and MariaDB every file is sent as it is written, in autocommit and
//! in one session, since no transaction there holds a change of the schema.
//!
//! Only statements are sent. Commands of the client that change nothing (`\echo` and `\restrict` of psql, `warnings` of mysql)
//! are left out and noted; all others are errors, so that nothing of a file reaches a shell or another file. Of files that hold the way back as well
//! (dbmate, goose, sql-migrate), only the way forward is sent.

mod comments;
mod metas;
mod mysql;
mod postgres;
mod strict;

use thiserror::Error;

use crate::scenario::{Engine, ServerWish, TransactionMode};
use crate::sql::Statement;
use crate::sql::mysql::modes::Modes;
use crate::sql::mysql::scanner::ScanError as MysqlScanError;
use crate::sql::postgres::command;
use crate::sql::postgres::scanner::ScanError;
pub use strict::Strict;

/// How a file is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Its statements, in the order of the file. Empty for a file without any.
    pub groups: Vec<Group>,
    /// What a reader should know about how the plan departs from what was asked for, each a sentence or two.
    pub notes: Vec<String>,
}

/// Statements that are sent one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Whether `BEGIN` is sent before them and `COMMIT` after. If not, each is sent by itself, in autocommit.
    pub transaction: bool,
    /// The statements; at least one.
    pub statements: Vec<Statement>,
}

/// Why a file cannot be sent.
#[derive(Debug, Error)]
pub enum PlanError {
    /// It cannot be split into statements.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// It cannot be split into statements of MySQL or MariaDB.
    #[error(transparent)]
    MysqlScan(#[from] MysqlScanError),
    /// It holds a command of psql, or of the mysql client, that has an effect.
    #[error(
        "line {line}: `{text}` is a {client} command, and the `sql` tool sends only SQL to the server; take it out, or have \
         {client} apply the files with [migrations.tool.command]"
    )]
    Meta {
        /// Where.
        line: u32,
        /// The command.
        text: String,
        /// The program that knows it.
        client: &'static str,
    },
    /// A comment asks for a transaction that cannot be.
    #[error(
        "line {line}: a file cannot be one transaction on {engine}, where every change of the schema commits; remove the \
         comment (the file is sent as it is written), or write START TRANSACTION and COMMIT where they are meant"
    )]
    NoFileTransaction {
        /// Where the comment stands.
        line: u32,
        /// The engine.
        engine: Engine,
    },
    /// A comment speaks to this program and is not understood.
    #[error(
        "line {line}: `-- rehearsal: {text}` is unknown; there is `no-transaction`, and `transaction=` with `file`, \
         `statement` or `none`"
    )]
    UnknownDirective {
        /// Where.
        line: u32,
        /// What follows the colon.
        text: String,
    },
    /// Such a comment stands where it has no effect.
    #[error(
        "line {line}: a `-- rehearsal:` comment has to stand before the first statement, since it is for the whole file"
    )]
    LateDirective {
        /// Where.
        line: u32,
    },
    /// Two such comments contradict each other.
    #[error("line {line}: this `-- rehearsal:` comment contradicts an earlier one; keep one of them")]
    Contradiction {
        /// Where the second one stands.
        line: u32,
    },
    /// A marker between the way forward and the way back stands within a statement.
    #[error("line {line}: `-- {text}` stands within a statement; close the statement before it with a semicolon")]
    MarkerInStatement {
        /// Where.
        line: u32,
        /// The marker.
        text: String,
    },
    /// The file switches autocommit off and does not commit what it then changes.
    #[error("line {line}: autocommit is off, and what is changed from here on is never committed; add COMMIT")]
    Uncommitted {
        /// The first change that would be lost.
        line: u32,
    },
    /// The file begins a transaction that it does not end.
    #[error("line {line}: the transaction that begins here is not ended in this file; add COMMIT, or take BEGIN out")]
    LeftOpen {
        /// Where.
        line: u32,
    },
}

/// Plans how the file with the text `sql` is sent to a server like this. `layout` is the tool that its place in the folder
/// belongs to, if that tool leaves no statement out of the file's transaction.
pub fn plan(sql: &str, mode: TransactionMode, layout: Option<Strict>, server: &ServerWish) -> Result<Plan, PlanError> {
    let engine = server.engine;
    let script = match engine {
        Engine::Postgres => {
            let setting = server.settings.get(command::SETTING).map(String::as_str);
            crate::sql::postgres::script(sql, command::begins_with_standard_strings(setting))?
        }
        Engine::Mysql | Engine::Mariadb => {
            let modes = server.settings.get("sql_mode").map(|value| Modes::of(value)).unwrap_or_default();
            crate::sql::mysql::script(sql, modes)?
        }
    };
    let comments = comments::read(&script, engine)?;
    let mut statements = script.statements;
    statements.retain(|statement| comments.is_forward(statement.line));
    let metas = script.metas.iter().filter(|meta| comments.is_forward(meta.line));

    let mut notes = Vec::new();
    notes.extend(metas::left_out(metas, engine)?);
    notes.extend(comments.note());
    if statements.is_empty() {
        notes.push("The file has no statement to send.".to_owned());
        return Ok(Plan { groups: Vec::new(), notes });
    }
    let groups = match engine {
        Engine::Postgres => {
            let strict = if comments.is_own { None } else { comments.strict.or(layout) };
            postgres::groups(statements, comments.mode.unwrap_or(mode), strict, &mut notes)?
        }
        Engine::Mysql | Engine::Mariadb => mysql::groups(statements, &mut notes)?,
    };
    Ok(Plan { groups, notes })
}

#[cfg(test)]
mod tests;
