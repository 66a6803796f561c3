//! How one migration file is sent: its statements, in groups that are one transaction each or none.
//!
//! The mode comes from the scenario, unless a comment before the first statement says otherwise
//! (`-- rehearsal: no-transaction`, or `-- rehearsal: transaction=file|statement|none`). Two things take precedence over
//! both: a file that begins or ends transactions itself is sent as it is written, and a statement that the server
//! refuses in a transaction is never put into one.
//!
//! Only statements are sent. Commands of psql that change nothing (`\echo`, `\restrict` of pg_dump) are left out and noted;
//! all others are errors, so that nothing of a file reaches a shell or another file. Of files that hold the way back as well
//! (dbmate, goose, sql-migrate), only the way forward is sent.

mod comments;
mod metas;

use thiserror::Error;

use crate::scenario::TransactionMode;
use crate::sql::Statement;
use crate::sql::postgres::scanner::ScanError;
use crate::sql::postgres::script;
use crate::sql::postgres::transaction::{Control, cannot_run_in_transaction, control};

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
    /// It holds a command of psql that has an effect.
    #[error(
        "line {line}: `{text}` is a psql command, and the `sql` tool sends only SQL to the server; take it out, or have psql \
         apply the files with [migrations.tool.command]"
    )]
    Meta {
        /// Where.
        line: u32,
        /// The command.
        text: String,
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
    /// The file begins a transaction that it does not end.
    #[error("line {line}: the transaction that begins here is not ended in this file; add COMMIT, or take BEGIN out")]
    LeftOpen {
        /// Where.
        line: u32,
    },
}

/// Plans how the file with the text `sql` is sent.
pub fn plan(sql: &str, mode: TransactionMode) -> Result<Plan, PlanError> {
    let script = script(sql)?;
    let comments = comments::read(&script)?;
    let mut statements = script.statements;
    statements.retain(|statement| comments.is_forward(statement.line));
    let metas = script.metas.iter().filter(|meta| comments.is_forward(meta.line));

    let mut notes = Vec::new();
    notes.extend(metas::left_out(metas)?);
    notes.extend(comments.note());
    if statements.is_empty() {
        notes.push("The file has no statement to send.".to_owned());
        return Ok(Plan { groups: Vec::new(), notes });
    }
    let mode = comments.mode.unwrap_or(mode);
    let groups = if let Some(own) = own_transactions(&statements)? {
        if mode != TransactionMode::None {
            notes.push(format!(
                "Line {}: {} is the file's own; it is sent as it is written, in no other transaction.",
                own.line, own.command
            ));
        }
        vec![Group { transaction: false, statements }]
    } else {
        notes.extend(interruptions(&statements, mode));
        grouped(statements, mode)
    };
    Ok(Plan { groups, notes })
}

/// The first statement by which the file begins or ends a transaction itself. Savepoints do neither.
fn own_transactions(statements: &[Statement]) -> Result<Option<&Statement>, PlanError> {
    let mut first = None;
    let mut open = None;
    for statement in statements {
        let now_open = match control(statement) {
            Some(Control::Begin) => open.or(Some(statement.line)),
            Some(Control::Commit { chain } | Control::Rollback { chain }) => chain.then_some(statement.line),
            Some(Control::Prepare) => None,
            Some(Control::Savepoint | Control::Release | Control::RollbackTo) | None => continue,
        };
        open = now_open;
        first.get_or_insert(statement);
    }
    match open {
        Some(line) => Err(PlanError::LeftOpen { line }),
        None => Ok(first),
    }
}

/// Puts statements into groups: as few as the mode and the statements allow.
fn grouped(statements: Vec<Statement>, mode: TransactionMode) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for statement in statements {
        let transaction = mode != TransactionMode::None && !cannot_run_in_transaction(&statement);
        let joins = |group: &&mut Group| {
            group.transaction == transaction && !(transaction && mode == TransactionMode::Statement)
        };
        match groups.last_mut().filter(joins) {
            Some(group) => group.statements.push(statement),
            None => groups.push(Group { transaction, statements: vec![statement] }),
        }
    }
    groups
}

/// What to say about statements that break up a file that was to be one transaction.
fn interruptions(statements: &[Statement], mode: TransactionMode) -> Vec<String> {
    if mode != TransactionMode::File || statements.iter().all(cannot_run_in_transaction) {
        return Vec::new();
    }
    let refusing = statements.iter().filter(|statement| cannot_run_in_transaction(statement));
    let note = |statement: &Statement| {
        format!(
            "Line {}: this {} cannot run in a transaction. It is sent by itself; what stands before it in the file is \
             committed first, and stays if it fails.",
            statement.line, statement.command
        )
    };
    refusing.map(note).collect()
}

#[cfg(test)]
mod tests;
