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
//! On MySQL and MariaDB that transaction is an XA transaction: in one, the server refuses whatever would commit (seen on
//! MySQL 9.7.4 and MariaDB 10.11: error 1399), so that not even a procedure can leave something behind.
//!
//! Limits. Every query is run alone on the data as it is: what it would do after another query of the set is not seen,
//! and constraints that are checked at commit are not checked. What it draws from a sequence or an `AUTO_INCREMENT` is not
//! given back, and rows that it writes stay behind as dead ones. Types of parameters are those that the server infers
//! (MySQL, MariaDB: a whole number or a text, see [`Value`]); a driver that declares others (or sends binary values) may
//! fare differently. Warnings are not compared: a value that a statement has to write and that is cut short without
//! `STRICT_TRANS_TABLES` is not noticed.

mod baseline;
mod connection;
mod digest;
mod lexer;
mod load;
mod mysql;
mod order;
mod outcome;
mod params;
mod pool;
mod postgres;
mod problem;
mod rehearsal;

pub use connection::ConnectError;
pub use load::load;
pub use order::Key;
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
    /// Its statement without a closing semicolon, with `$1` to `$n` for its parameters (PostgreSQL) or a `?` wherever one
    /// stands (MySQL, MariaDB).
    pub sql: String,
    /// Example values of `$1` to `$n`, or of each `?` in turn.
    pub params: Vec<Value>,
    /// Whether its statement has a `LIMIT` (or `FETCH`) and no `ORDER BY`, so that the server is free to return any rows:
    /// their values then prove nothing.
    pub any_rows: bool,
    /// The columns by which it orders its rows. Their values must come in the same order as before.
    pub order: Vec<Key>,
}

/// An example value of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// The SQL null.
    Null,
    /// As it stands, without quotes. MySQL and MariaDB get a whole number as a number, as their drivers send it: MySQL takes
    /// no other for `LIMIT ?` (error 1210, seen on 9.7.4).
    Plain(String),
    /// A text that was in quotes.
    Quoted(String),
}

impl Value {
    /// Its text; `None` for the SQL null.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Null => None,
            Self::Plain(text) | Self::Quoted(text) => Some(text),
        }
    }
}
