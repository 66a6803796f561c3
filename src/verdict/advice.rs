//! What to do instead, by what the statement is: a sentence or two for a report, and where the statement is understood and the
//! server said enough of its table, the safe way in SQL ([`steps`]). Longer words are in each rule's `explain`.

pub(super) mod mysql;
mod offenders;
mod postgres;
mod steps;

use super::keywords::Keywords;
use crate::run::{Conduct, Finding, Lock, Migration, MigrationStatus, Run, SqlError, Statement, StatementStatus, Step};
use crate::scenario::Engine;
use crate::sql::postgres::alter::bare;
use steps::About;

/// What to do instead.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Advice {
    /// In words.
    pub(super) help: String,
    /// In SQL; empty where that is not known for certain.
    pub(super) steps: Vec<Step>,
}

impl Advice {
    fn new(help: impl Into<String>, steps: Vec<Step>) -> Self {
        Self { help: help.into(), steps }
    }

    pub(super) fn words(help: impl Into<String>) -> Self {
        Self::new(help, Vec::new())
    }

    /// With the settings in each step that the migration made before the statement, where its text may rest on them.
    fn under(mut self, migration: &Migration, index: usize) -> Self {
        let settings: Vec<&str> = settings(migration, index).collect();
        for step in &mut self.steps {
            let outside = step.run == Conduct::OutsideTransaction;
            let lasting =
                settings.iter().map(|set| if outside { set.replacen("LOCAL ", "", 1) } else { (*set).to_owned() });
            step.sql.splice(0..0, lasting.collect::<Vec<_>>());
        }
        self
    }
}

/// Whether it is one statement that worked, of a migration that was applied.
fn worked(migration: &Migration, statement: &Statement) -> bool {
    let one = !statement.command.contains("; ");
    one && statement.status == StatementStatus::Ok && migration.status == MigrationStatus::Applied
}

/// What of a session the text of a statement may rest on.
const SETTINGS: [&str; 14] = [
    "AUTHORIZATION",
    "CHARACTER",
    "DATESTYLE",
    "DEFAULT_TABLESPACE",
    "DEFAULT_TABLE_ACCESS_METHOD",
    "FOREIGN_KEY_CHECKS",
    "INTERVALSTYLE",
    "NAMES",
    "ROLE",
    "SEARCH_PATH",
    "SQL_MODE",
    "STANDARD_CONFORMING_STRINGS",
    "TIMEZONE",
    "TIME ZONE",
];

/// The statements before this one, on its connection, that set one of these.
fn settings(migration: &Migration, index: usize) -> impl Iterator<Item = &str> {
    let statement = &migration.statements[index];
    let earlier = migration.statements[..index].iter().filter(|earlier| {
        earlier.connection == statement.connection && earlier.command == "SET" && earlier.status == StatementStatus::Ok
    });
    earlier
        .filter(|earlier| SETTINGS.iter().any(|name| Keywords::of(&earlier.sql).has(name)))
        .map(|earlier| bare(&earlier.sql))
}

impl Finding {
    /// What to do instead, with its SQL.
    pub(super) fn advice(mut self, advice: Advice) -> Self {
        self.instead = advice.steps;
        self.help(advice.help)
    }
}

/// How to do this without shutting others out of `table` for long.
pub(super) fn instead(run: &Run, migration: &Migration, index: usize, table: &str) -> Advice {
    let statement = &migration.statements[index];
    let about = About::new(run, migration, index);
    let known = match run.engine() {
        Engine::Postgres => about.and_then(steps::of_statement),
        Engine::Mysql | Engine::Mariadb => mysql::steps::of_statement(migration, statement),
    };
    known
        .unwrap_or_else(|| {
            let words = match run.engine() {
                Engine::Postgres => postgres::instead(statement, table),
                Engine::Mysql | Engine::Mariadb => mysql::instead(statement, table),
            };
            words_alone(migration, about.filter(About::is_understood), words)
        })
        .under(migration, index)
}

/// Advice without its SQL. Where the server did not describe the table that it would rest on, it says so.
fn words_alone(migration: &Migration, about: Option<About<'_>>, words: impl Into<String>) -> Advice {
    let mut words = words.into();
    if let (Some(why), Some(_)) = (&migration.undescribed, about) {
        words.push_str("; the SQL for it is not given here, since the server did not describe the table: ");
        words.push_str(why);
    }
    Advice::words(words)
}

/// How to change a column without building these indexes of its table anew under the lock (PostgreSQL).
pub(super) fn without_indexes(run: &Run, migration: &Migration, index: usize, table: &str, indexes: &[&str]) -> Advice {
    let about = About::new(run, migration, index);
    let known = about.and_then(|about| steps::without_indexes(about, indexes));
    known
        .unwrap_or_else(|| {
            words_alone(migration, about, postgres::without_indexes(&migration.statements[index], table, indexes))
        })
        .under(migration, index)
}

/// How to have the rows of `child` found by what they point to (PostgreSQL).
pub(super) fn with_index_on(run: &Run, migration: &Migration, index: usize, child: &str) -> Advice {
    let about = About::new(run, migration, index);
    let known = about.and_then(|about| steps::with_index_on(about, child));
    known
        .unwrap_or_else(|| {
            let words = "CREATE INDEX CONCURRENTLY on the columns of";
            words_alone(migration, about, format!("{words} {child} that point here, in a migration before this one"))
        })
        .under(migration, index)
}

/// How to keep two statements of a transaction apart, of which the first takes a lock and the second takes long (PostgreSQL).
/// `whole` says whether they are all that the transaction does.
pub(super) fn apart(run: &Run, migration: &Migration, first: usize, then: usize, whole: bool) -> Vec<Step> {
    let about = |index| About::new(run, migration, index).filter(|_| whole);
    let apart = about(first).zip(about(then)).map(|(first, then)| steps::apart(first, then)).unwrap_or_default();
    Advice::new("", apart).under(migration, then).steps
}

/// How to change rows without keeping them locked for long.
pub(super) fn in_batches(run: &Run, migration: &Migration, index: Option<usize>, table: &str) -> Advice {
    let about = index.and_then(|index| About::new(run, migration, index));
    let known = about.and_then(steps::of_statement).zip(index).map(|(known, index)| known.under(migration, index));
    known.unwrap_or_else(|| {
        let words = "in batches of some thousand, each in a transaction of its own";
        words_alone(migration, about.filter(About::is_understood), format!("change rows of {table} {words}"))
    })
}

/// How to lock a table only as a bystander (PostgreSQL): one that the statement is not about, and may have read all of.
pub(super) fn beside(run: &Run, migration: &Migration, index: usize, lock: &Lock, scanned: bool) -> Advice {
    let about = About::new(run, migration, index).filter(|_| scanned && lock.partition);
    let known = about.and_then(steps::of_statement);
    known
        .unwrap_or_else(|| Advice::words(postgres::beside(&migration.statements[index], lock, scanned)))
        .under(migration, index)
}

/// How not to wait long for a lock, or for a weaker one (PostgreSQL).
pub(super) fn without_waiting(run: &Run, migration: &Migration, index: usize) -> Advice {
    let Some(about) = About::new(run, migration, index) else { return Advice::words(postgres::LOCK_TIMEOUT) };
    // What waits for a weaker lock, or takes more than a moment, is better off without.
    let known = steps::of_statement(about);
    known.unwrap_or_else(|| Advice::new(postgres::LOCK_TIMEOUT, steps::bounded(about))).under(migration, index)
}

/// The query that finds the rows which a statement failed on; `None` where that is not known for certain.
pub(super) fn offenders(run: &Run, migration: &Migration, index: usize, error: &SqlError) -> Option<String> {
    if run.engine() == Engine::Postgres { offenders::query(migration, index, error) } else { None }
}

/// A statement as it is, with nobody queueing behind it for long.
pub(super) fn bounded(run: &Run, migration: &Migration, index: usize) -> Advice {
    let words = bound_the_wait(run.engine());
    let statement = &migration.statements[index];
    let advice = match run.engine() {
        Engine::Postgres => {
            Advice::new(words, About::new(run, migration, index).map(steps::bounded).unwrap_or_default())
        }
        // What is better off without the wait altogether bounds it, too.
        Engine::Mysql | Engine::Mariadb => mysql::steps::of_statement(migration, statement)
            .unwrap_or_else(|| Advice::new(words, mysql::steps::bounded(migration, statement))),
    };
    advice.under(migration, index)
}

/// How to see to it that nobody queues for long behind a statement that itself waits for its lock.
pub(super) fn bound_the_wait(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => postgres::LOCK_TIMEOUT,
        Engine::Mysql | Engine::Mariadb => mysql::LOCK_WAIT_TIMEOUT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::testing::{facts, migration, statement};

    #[test]
    fn what_the_text_rests_on_is_set_in_each_step() {
        let sql = "TRUNCATE orders";
        let set = |sql: &str| statement(1, sql, 1).with(|statement| statement.command = "SET".to_owned());
        let all = migration("1")
            .statement(set("SET LOCAL search_path TO shop -- here"))
            .statement(set("SET application_name = 'names'"))
            .statement(set("SET statement_timeout = 0"))
            .statement(statement(2, sql, 1));
        let run = facts().migration(all).run();
        let steps = without_waiting(&run, &run.migrations[0], 3).steps;
        assert_eq!(steps[0].sql, ["SET LOCAL search_path TO shop", "SET lock_timeout = '2s'", sql]);
        let outside = Step { run: Conduct::OutsideTransaction, sql: vec![sql.to_owned()] };
        let steps = Advice::new("", vec![outside]).under(&run.migrations[0], 3).steps;
        assert_eq!(steps[0].sql, ["SET search_path TO shop", sql]);
    }

    #[test]
    fn a_table_that_was_not_described_is_told_where_sql_would_rest_on_it() {
        let help = |sql: &str, why: Option<&str>| {
            let migration = migration("1").statement(statement(1, sql, 1));
            let run = facts().migration(migration.with(|of| of.undescribed = why.map(str::to_owned))).run();
            instead(&run, &run.migrations[0], 0, "public.orders").help
        };
        let check = "ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0)";
        let told = help(check, Some("canceling statement due to lock timeout"));
        let why = "; the SQL for it is not given here, since the server did not describe the table: canceling statement due to \
                   lock timeout";
        assert!(told.ends_with(why), "{told}");
        assert_eq!(told.strip_suffix(why), Some(help(check, None).as_str()));
        let not_understood = "SELECT reorganize('orders')";
        assert_eq!(help(not_understood, Some("it is gone")), help(not_understood, None));
    }
}
