//! What growing tables has in common on all servers: the order of tables, what rows draw from, keys that are combined,
//! rows made on all cores.

pub(crate) mod blocks;
pub(crate) mod combine;
pub(crate) mod draw;
pub(crate) mod near;
pub(crate) mod order;
pub(crate) mod tuples;

use std::fmt;

/// Where the scenario asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The line of the scenario.
    pub line: u32,
    /// The table, as the user wrote it.
    pub table: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, table {}", self.line, self.table)
    }
}

/// What a message says of names that are like the one that was not found.
pub(crate) fn meant(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; is {} meant?", near.join(" or ")) }
}
