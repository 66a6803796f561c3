//! What to do instead, by what the statement is: short enough for a report, with the table's own name in the SQL.
//! Longer words are in each rule's `explain`.

pub(super) mod mysql;
mod postgres;

use crate::run::{Lock, Statement};
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

/// How to lock a table only as a bystander (PostgreSQL): one that the statement is not about, and may have read all of.
pub(super) fn beside(statement: &Statement, lock: &Lock, scanned: bool) -> String {
    postgres::beside(statement, lock, scanned)
}

/// How not to wait long for a lock, or for a weaker one (PostgreSQL).
pub(super) fn without_waiting(statement: &Statement, table: &str) -> String {
    postgres::without_waiting(statement, table)
}

/// How to see to it that nobody queues for long behind a statement that itself waits for its lock.
pub(super) fn bound_the_wait(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => postgres::LOCK_TIMEOUT,
        Engine::Mysql | Engine::Mariadb => mysql::LOCK_WAIT_TIMEOUT,
    }
}
