//! Tools that run a whole file in one transaction, also where the server refuses that for one of its statements.

use crate::sql::Statement;
use crate::sql::postgres::transaction::cannot_run_in_transaction;

/// Such a tool. A file of it is sent as the tool sends it, so that what would fail in the deploy fails here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strict {
    /// dbmate, by `-- migrate:up` without `transaction:false`.
    Dbmate,
    /// goose, by `-- +goose Up` without `-- +goose NO TRANSACTION`.
    Goose,
    /// sql-migrate, by `-- +migrate Up` without `notransaction`.
    SqlMigrate,
    /// diesel, by the name `up.sql`, without `run_in_transaction = false`.
    Diesel,
    /// Prisma, by the name `migration.sql`: the file is one message, which the server takes for one transaction if there is
    /// more than one statement in it (PostgreSQL 18 manual, 54.2.2.1).
    Prisma,
}

impl Strict {
    /// Whether this file is one transaction.
    pub(super) fn holds(self, statements: &[Statement]) -> bool {
        self != Self::Prisma || statements.len() > 1
    }

    /// What to say about the statements that the server will refuse.
    pub(super) fn notes(self, statements: &[Statement]) -> Vec<String> {
        let (tool, remedy) = match self {
            Self::Dbmate => ("dbmate", "write `-- migrate:up transaction:false`"),
            Self::Goose => ("goose", "add `-- +goose NO TRANSACTION`"),
            Self::SqlMigrate => ("sql-migrate", "write `-- +migrate Up notransaction`"),
            Self::Diesel => ("diesel", "say `run_in_transaction = false` in the metadata.toml beside it"),
            Self::Prisma => ("Prisma", "give it a migration of its own"),
        };
        let refused = statements.iter().filter(|statement| cannot_run_in_transaction(statement));
        let note = |statement: &Statement| {
            format!(
                "Line {}: this {} cannot run in a transaction, and {tool} runs the file in one; {remedy}.",
                statement.line, statement.command
            )
        };
        refused.map(note).collect()
    }
}
