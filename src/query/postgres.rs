//! Queries on PostgreSQL.

pub(super) mod connection;
mod execute;
pub(super) mod lexer;
pub(super) mod pool;
pub(super) mod refusal;
