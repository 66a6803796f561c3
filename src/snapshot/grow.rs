//! What growing tables has in common on all servers: the order of tables, what rows draw from, keys that are combined,
//! rows made on all cores.
//!
//! The same wishes, the same seed and the same data make the same rows, in every version of this program that has the
//! same [`FORMAT`].

pub(crate) mod blocks;
pub(crate) mod combine;
pub(crate) mod draw;
pub(crate) mod estimate;
pub(crate) mod fake;
pub(crate) mod hints;
pub(crate) mod near;
pub(crate) mod numbers;
pub(crate) mod order;
pub(crate) mod phrase;
pub(crate) mod scale;
pub(crate) mod shape;
pub(crate) mod shuffle;
pub(crate) mod text;
pub(crate) mod tried;
pub(crate) mod tuples;
pub(crate) mod within;

use crate::profile::TableProfile;
use crate::scenario::{ProfileWish, TableWish};
use std::collections::BTreeMap;
use std::fmt;

/// The format of made rows: raised whenever a seed makes other rows than before. A prepared snapshot of another format is
/// not used, and tests hold a check sum of rows of this one.
pub const FORMAT: u64 = 1;

/// So many rows of each table are made at most when growing is tried.
pub const TRIED: u64 = 10_000;

/// What was done.
#[derive(Debug, Default)]
pub struct Grown {
    /// What a reader should know of it.
    pub notes: Vec<String>,
    /// The tables that got rows, and whether they were made after a profile.
    pub tables: Vec<(String, bool)>,
}

/// The wish for a table of a profile, under the name that finds it: its rows, times the scale, and one at least unless that is 0, since
/// others may refer to it.
pub(crate) fn wish_after(how: &ProfileWish, table: &TableProfile, name: String) -> TableWish {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rows, times a positive scale")]
    let rows = (table.rows.unwrap_or(0) as f64 * how.scale).round().max(how.scale.min(1.0).ceil()) as u64;
    TableWish { name, rows, columns: BTreeMap::new(), file: how.file.clone(), line: how.line }
}

/// Where the scenario asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The scenario and its line: `shop.toml:7`.
    pub line: Box<str>,
    /// The table, as the user wrote it.
    pub table: Box<str>,
}

impl From<&TableWish> for Place {
    fn from(wish: &TableWish) -> Self {
        Self { line: format!("{}:{}", wish.file.display(), wish.line).into(), table: wish.name.as_str().into() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: table {}", self.line, self.table)
    }
}

/// What a message says of names that are like the one that was not found.
pub(crate) fn meant(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; is {} meant?", near.join(" or ")) }
}
