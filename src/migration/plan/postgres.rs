//! Files of PostgreSQL: as few groups as the mode and the statements allow.

use super::{Group, PlanError, Strict};
use crate::scenario::TransactionMode;
use crate::sql::Statement;
use crate::sql::postgres::transaction::{Control, cannot_run_in_transaction, control};

/// Puts the statements of a file into groups, and notes what departs from the mode.
pub(super) fn groups(
    statements: Vec<Statement>,
    mode: TransactionMode,
    strict: Option<Strict>,
    notes: &mut Vec<String>,
) -> Result<Vec<Group>, PlanError> {
    if let Some(own) = own_transactions(&statements)? {
        if mode != TransactionMode::None {
            notes.push(format!(
                "Line {}: {} is the file's own; it is sent as it is written, in no other transaction.",
                own.line, own.command
            ));
        }
        return Ok(vec![Group { transaction: false, statements }]);
    }
    if let Some(strict) = strict.filter(|strict| mode == TransactionMode::File && strict.holds(&statements)) {
        notes.extend(strict.notes(&statements));
        return Ok(vec![Group { transaction: true, statements }]);
    }
    notes.extend(interruptions(&statements, mode));
    Ok(grouped(statements, mode))
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
