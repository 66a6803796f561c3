//! What to do instead, by what the statement is: short enough for a report, with the table's own name in the SQL.
//! Longer words are in each rule's `explain`.

pub(super) mod mysql;
mod postgres;

use crate::run::Statement;
use crate::scenario::Engine;

/// How to do this without shutting others out of `table` for long.
pub(super) fn instead(engine: Engine, statement: &Statement, table: &str) -> String {
    match engine {
        Engine::Postgres => postgres::instead(statement, table),
        Engine::Mysql | Engine::Mariadb => mysql::instead(statement, table),
    }
}

/// How to change a column without building these indexes of its table anew under the lock (PostgreSQL).
pub(super) fn without_indexes(statement: &Statement, table: &str, indexes: &[&str]) -> String {
    postgres::without_indexes(statement, table, indexes)
}

/// How to see to it that nobody queues for long behind a statement that itself waits for its lock.
pub(super) fn bound_the_wait(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => postgres::LOCK_TIMEOUT,
        Engine::Mysql | Engine::Mariadb => mysql::LOCK_WAIT_TIMEOUT,
    }
}
