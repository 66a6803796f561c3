//! Query sets: the statements that one version of the application sends.
//!
//! [`load()`] reads them from `.sql` files. [`Rehearsal`] runs the old and the new set before, between and after the
//! migrations, each query in a transaction that is rolled back, and says what is different from before.
//!
//! ```sql
//! -- name: list_orders :many
//! -- param customer = 42
//! SELECT id, status FROM orders WHERE customer_id = :customer;
//! ```
//!
//! Limits. Every query is run alone on the data as it is: what it would do after another query of the set is not seen,
//! and constraints that are checked at commit are not checked. What it draws from a sequence is not given back, and rows
//! that it writes stay behind as dead ones. Types of parameters are those that the server infers; a driver that declares
//! others (or sends binary values) may fare differently.

mod baseline;
mod connection;
mod digest;
mod execute;
mod lexer;
mod load;
mod params;
mod pool;
mod problem;
mod rehearsal;

pub use load::load;
pub use problem::{Fault, LoadError, Problem};
pub use rehearsal::{FailedQuery, QueryError, Rehearsal, Sets};

use crate::run::QuerySet;

/// One query of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The set it belongs to.
    pub set: QuerySet,
    /// Its name, unique within the set.
    pub name: String,
    /// The file that has it, relative to the scenario.
    pub file: String,
    /// The line of its `-- name:` comment, from 1.
    pub line: u32,
    /// Its statement, with `$1` to `$n` for its parameters and without a closing semicolon.
    pub sql: String,
    /// Example values of `$1` to `$n` in text form; `None` is the SQL null.
    pub params: Vec<Option<String>>,
    /// Whether its statement has a `LIMIT` (or `FETCH`) and no `ORDER BY`, so that the server is free to return any rows:
    /// their values then prove nothing.
    pub any_rows: bool,
}
