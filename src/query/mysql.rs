//! Queries on MySQL and MariaDB.

mod column;
pub(super) mod connection;
mod execute;
pub(super) mod lexer;
pub(super) mod pool;
pub(super) mod refusal;
