//! How a statement bears on transactions: whether it controls them, and whether it refuses to run in one.
//!
//! Judged by keywords, never by text that happens to be in a comment, a name or a string. What only the catalogs know is
//! out of reach: `REINDEX` and `CLUSTER` of a *partitioned* table refuse a transaction too, and so does a procedure, or a
//! `DO` block, that commits.

use super::cursor::Cursor;
use crate::sql::Statement;

/// What a statement does to the transaction it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// `BEGIN`, `START TRANSACTION`.
    Begin,
    /// `COMMIT`, `END`; with `AND CHAIN` a new transaction begins at once.
    Commit {
        /// Whether it has `AND CHAIN`.
        chain: bool,
    },
    /// `ROLLBACK`, `ABORT`; with `AND CHAIN` a new transaction begins at once.
    Rollback {
        /// Whether it has `AND CHAIN`.
        chain: bool,
    },
    /// `PREPARE TRANSACTION`, which ends it for this session.
    Prepare,
    /// `SAVEPOINT`.
    Savepoint,
    /// `RELEASE`.
    Release,
    /// `ROLLBACK TO`.
    RollbackTo,
}

/// What a statement does to the transaction it is in; `None` if it is not about transactions.
pub fn control(statement: &Statement) -> Option<Control> {
    let mut tokens = Cursor::new(&statement.text, true);
    let control = match statement.command.as_str() {
        "BEGIN" | "START TRANSACTION" => Control::Begin,
        "COMMIT" => Control::Commit { chain: chains(tokens) },
        "ROLLBACK" => {
            tokens.next();
            tokens.eat_any(&["WORK", "TRANSACTION"]);
            if tokens.eat("TO") { Control::RollbackTo } else { Control::Rollback { chain: chains(tokens) } }
        }
        "PREPARE TRANSACTION" => Control::Prepare,
        "SAVEPOINT" => Control::Savepoint,
        "RELEASE" => Control::Release,
        _ => return None,
    };
    Some(control)
}

/// `AND CHAIN`, and not `AND NO CHAIN`.
fn chains(mut tokens: Cursor<'_>) -> bool {
    tokens.any(|token| token.is("AND")) && tokens.eat("CHAIN")
}

/// Whether the server refuses the statement in a transaction block.
///
/// Source: the callers of `PreventInTransactionBlock` in PostgreSQL 12 to 18. (`ALTER TYPE … ADD VALUE` is not among them
/// since 12.) For subscriptions it depends on their options; those that need no transaction-free session are let in.
pub fn cannot_run_in_transaction(statement: &Statement) -> bool {
    let mut tokens = Cursor::new(&statement.text, true);
    tokens.next();
    match statement.command.as_str() {
        "ALTER SYSTEM" | "COMMIT PREPARED" | "CREATE DATABASE" | "CREATE TABLESPACE" | "DISCARD ALL"
        | "DROP DATABASE" | "DROP SUBSCRIPTION" | "DROP TABLESPACE" | "ROLLBACK PREPARED" | "VACUUM" => true,
        "CREATE INDEX" => {
            tokens.eat("UNIQUE");
            tokens.eat_all(&["INDEX", "CONCURRENTLY"])
        }
        "DROP INDEX" => tokens.eat_all(&["INDEX", "CONCURRENTLY"]),
        "REINDEX" => reindex(tokens),
        "CLUSTER" => clusters_everything(tokens),
        "ALTER TABLE" => detaches_concurrently(tokens),
        "ALTER DATABASE" => tokens.skip_past("SET") && tokens.eat("TABLESPACE"),
        "CREATE SUBSCRIPTION" => creates_slot(tokens),
        "ALTER SUBSCRIPTION" => changes_slot(tokens),
        _ => false,
    }
}

/// `REINDEX [(… CONCURRENTLY …)] {INDEX | TABLE} [CONCURRENTLY] …`, or any of the kinds that take many tables.
fn reindex(mut tokens: Cursor<'_>) -> bool {
    is_set(&tokens.options(), "concurrently") == Some(true)
        || tokens.eat_any(&["SCHEMA", "DATABASE", "SYSTEM"])
        || (tokens.eat_any(&["INDEX", "TABLE"]) && tokens.eat("CONCURRENTLY"))
}

/// `CLUSTER` without a table.
fn clusters_everything(mut tokens: Cursor<'_>) -> bool {
    tokens.options();
    tokens.eat("VERBOSE");
    tokens.peek().is_none()
}

/// `ALTER TABLE … DETACH PARTITION … CONCURRENTLY`.
fn detaches_concurrently(mut tokens: Cursor<'_>) -> bool {
    tokens.skip_past("DETACH") && tokens.eat("PARTITION") && tokens.last().is_some_and(|token| token.is("CONCURRENTLY"))
}

/// A new subscription makes a slot on the publisher, unless it is told not to.
fn creates_slot(mut tokens: Cursor<'_>) -> bool {
    tokens.skip_past("WITH");
    let options = tokens.options();
    !["connect", "create_slot"].iter().any(|name| is_set(&options, name) == Some(false))
}

/// A change of a subscription's publications, unless it is told not to refresh; and of options that the slot shares.
fn changes_slot(mut tokens: Cursor<'_>) -> bool {
    // SUBSCRIPTION and its name.
    tokens.nth(1);
    if tokens.eat("REFRESH") {
        return true;
    }
    if tokens.eat_any(&["SET", "ADD", "DROP"]) {
        let options = tokens.options();
        if tokens.eat("PUBLICATION") {
            tokens.skip_past("WITH");
            return is_set(&tokens.options(), "refresh") != Some(false);
        }
        return ["failover", "two_phase"].iter().any(|name| is_set(&options, name).is_some());
    }
    false
}

fn is_set(options: &[(&str, bool)], name: &str) -> Option<bool> {
    options.iter().find(|(option, _)| option.eq_ignore_ascii_case(name)).map(|&(_, on)| on)
}

#[cfg(test)]
mod tests;
