//! How rules write a finding down: the code and the sentence first, then where, on what evidence, and what to do.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::run::{Finding, Migration, QueryResult, Severity, SqlError, Statement};

impl Finding {
    /// A finding with nothing but its sentence.
    pub(super) fn new(code: &str, severity: Severity, message: String) -> Self {
        Self {
            code: code.to_owned(),
            severity,
            migration: None,
            version: None,
            file: None,
            line: None,
            table: None,
            query: None,
            message,
            evidence: BTreeMap::new(),
            help: String::new(),
            instead: Vec::new(),
            waived: None,
            statement: None,
        }
    }

    /// It is about this migration, and about this one of its statements if that is known.
    pub(super) fn in_migration(mut self, migration: &Migration, statement: Option<usize>) -> Self {
        self.migration = Some(migration.id.clone());
        self.file.clone_from(&migration.path);
        self.statement = statement;
        let statement = statement.and_then(|index| migration.statements.get(index));
        self.line = statement.and_then(|statement| statement.line);
        self.version = statement.and_then(|statement| statement.version.clone());
        self
    }

    /// It is about the line on which a statement failed, when the server said where in it.
    pub(super) fn at_error_of(mut self, statement: &Statement) -> Self {
        let within = statement.error.as_ref().and_then(|error| error.line_in(&statement.sql));
        let is_long = statement.sql.contains('\n');
        self.line = match (statement.line, within) {
            (Some(first), Some(line)) => Some(first + line - 1),
            // Of a message that was sent as a whole.
            (None, Some(line)) if is_long => Some(line),
            _ => self.line,
        };
        self
    }

    /// It is about this query, once this migration was there.
    pub(super) fn of_query(mut self, query: &QueryResult, after: Option<&Migration>) -> Self {
        self.migration = after.map(|migration| migration.id.clone());
        self.file = Some(query.file.clone());
        self.line = Some(query.line);
        self.query = Some(query.name.clone());
        self
    }

    /// It is about this table.
    pub(super) fn on_table(mut self, table: &str) -> Self {
        self.table = Some(table.to_owned());
        self
    }

    /// Adds a figure that it rests on. What is not known is written as `null`.
    pub(super) fn evidence(mut self, key: &str, value: impl Serialize) -> Self {
        self.evidence.insert(key.to_owned(), serde_json::to_value(value).unwrap_or_default());
        self
    }

    /// It rests on this error of the server.
    pub(super) fn on_error(self, error: Option<&SqlError>) -> Self {
        let finding = self.evidence("sqlstate", error.map(|error| &error.sqlstate));
        match error.and_then(|error| error.code) {
            Some(code) => finding.evidence("code", code),
            None => finding,
        }
    }

    /// What to do instead.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}
