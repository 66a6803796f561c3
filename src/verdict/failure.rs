//! Why a migration failed: which of its statements, or else what the tool said. Data or not is decided here, so that
//! each failed migration is either `fails-on-data` or `migration-failed` and never both.

use super::blocking::ends_transaction;
use super::cause::Cause;
use crate::run::{Completion, Migration, MigrationStatus, Run, SqlError, Statement, StatementStatus};

/// `in_failed_sql_transaction`: the answer to everything that is sent after a failure, and never its cause.
const AFTERMATH: &str = "25P02";

/// What the `mysql` client of 9.x asks on connecting, and what every server refuses as not understood (seen on 9.7.4).
const GREETING: &str = "select $$";

/// Whether a statement is no part of a migration but what a client asks on connecting.
pub(crate) fn is_greeting(statement: &Statement) -> bool {
    statement.sql == GREETING
}

/// Whether a statement is what made its migration fail.
pub(crate) fn is_culprit(migration: &Migration, statement: &Statement) -> bool {
    migration.status == MigrationStatus::Failed && culprit(migration).is_some_and(|(_, it)| std::ptr::eq(it, statement))
}

/// A migration that failed, and the statement that made it fail if one did.
pub(super) struct Failure<'a> {
    pub(super) migration: &'a Migration,
    /// Index and statement.
    pub(super) statement: Option<(usize, &'a Statement)>,
}

/// Every migration that failed. One that was stopped with the run, by whoever interrupted it, by the loss of the server or by
/// a full disk, has not: only what the server itself refused counts then.
pub(super) fn failures(run: &Run) -> impl Iterator<Item = Failure<'_>> {
    let failed = run.migrations.iter().filter(|migration| migration.status == MigrationStatus::Failed);
    let failures = failed.map(|migration| Failure { migration, statement: culprit(migration) });
    let refused = |failure: &Failure| failure.error().is_some_and(|error| Cause::of(error) != Cause::Storage);
    failures.filter(move |failure| run.completion == Completion::Complete || refused(failure))
}

/// The last statement that failed. Where the tool gave an error of its own, it must also be what the tool stumbled
/// over: a failure that the tool got over (a savepoint, a statement tried for luck) is followed by others that worked. What the
/// tool does for itself is neither: it gives up its lock after a failure, and looks for its tables before it has any.
fn culprit(migration: &Migration) -> Option<(usize, &Statement)> {
    // With a version it is what the tool says once it has migrated.
    let own = |statement: &Statement| statement.bookkeeping && statement.version.is_none();
    stumbled_over(migration, |statement| !own(statement)).or_else(|| stumbled_over(migration, |_| true))
}

/// The same among these statements.
fn stumbled_over(migration: &Migration, counts: impl Fn(&Statement) -> bool) -> Option<(usize, &Statement)> {
    let mut all = migration.statements.iter().enumerate().filter(|(_, statement)| counts(statement)).rev();
    let (index, statement) = all.find(|(_, statement)| fails(statement))?;
    let later = migration.statements.iter().skip(index + 1);
    let mut later = later.filter(|later| later.connection == statement.connection && counts(later));
    let stumbled = migration.error.is_none() || later.all(|s| s.status != StatementStatus::Ok || ends_transaction(s));
    stumbled.then_some((index, statement))
}

fn fails(statement: &Statement) -> bool {
    let aftermath = statement.error.as_ref().is_some_and(|error| error.sqlstate == AFTERMATH);
    let greeting = statement.status == StatementStatus::Error && is_greeting(statement);
    statement.status != StatementStatus::Ok && !aftermath && !greeting
}

/// What the server said, in one sentence: which row or which view it was, it says in the detail, and what it suggests.
pub(super) fn told(error: &SqlError) -> String {
    let more = |before: &str, text: &Option<String>| {
        text.as_deref().map(|text| format!("{before}{}", text.trim_end_matches('.'))).unwrap_or_default()
    };
    format!("{} ({}){}{}", error.message, error.number(), more(": ", &error.detail), more("; hint: ", &error.hint))
}

impl<'a> Failure<'a> {
    /// The server's error, if it gave one.
    pub(super) fn error(&self) -> Option<&'a SqlError> {
        self.statement.and_then(|(_, statement)| statement.error.as_ref())
    }

    /// What the tool said when it stumbled over a statement, to go behind what the server said.
    pub(super) fn said(&self) -> String {
        let (Some(error), Some(answer)) = (self.migration.error.as_deref(), self.error()) else { return String::new() };
        match error.strip_prefix("it ") {
            // How a command ended, with its own words, whatever of the server's they repeat.
            Some(rest) => format!("; the tool {rest}"),
            // The `sql` tool says again what the server said to it.
            None if error.contains(&answer.message) => String::new(),
            None => format!("; {error}"),
        }
    }

    /// Whether the rows are to blame.
    pub(super) fn is_on_data(&self) -> bool {
        self.error().is_some_and(|error| Cause::of(error).is_data())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::testing::{facts, migration, statement};

    #[test]
    fn what_a_tool_said_goes_behind_what_the_server_said_unless_it_is_the_same() {
        let said = |tool: &str| {
            let refused = statement(1, "ALTER TABLE orders ADD CHECK (n > 0)", 8).fails("23514", "is violated");
            let run = facts().migration(migration("0002").statement(refused).failed_with(tool)).run();
            failures(&run).map(|failure| failure.said()).collect::<String>()
        };
        assert_eq!(said("line 1: is violated [23514]"), "", "the `sql` tool");
        let command = "it ended with exit status: 1\n  | error: is violated";
        assert_eq!(said(command), "; the tool ended with exit status: 1\n  | error: is violated");
        assert_eq!(said("line 1: the connection was lost"), "; line 1: the connection was lost");
    }
}
