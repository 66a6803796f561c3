//! The holds of PostgreSQL's relation locks, and whom they shut out of which table.
//!
//! A lock on an index counts for its table, since planning a query locks every index of the table, and writing opens them
//! all.

use super::super::holds::shut_out;
pub(super) use super::super::holds::{Pause, held};
use super::catalog::{Catalog, Oid};
use super::lock_mode::LockMode;
use crate::run::Blocking;

/// Which lock is held.
#[derive(Debug, Clone)]
pub(super) struct Key {
    /// The relation, and the table that it is part of.
    pub(super) relation: Oid,
    pub(super) table: Oid,
    pub(super) mode: LockMode,
}

/// A hold of a relation lock.
pub(super) type Hold = super::super::holds::Hold<Key>;

/// For every table that was locked against readers or writers: for how long. `before` is the database before all
/// pending migrations; a table that is not in it is new. `names` are catalogs in which its name may be found, in order.
pub(super) fn blocking(holds: &[Hold], pauses: &[Pause], before: &Catalog, names: &[&Catalog]) -> Vec<Blocking> {
    let mut tables: Vec<Oid> = holds.iter().map(|hold| hold.key.table).collect();
    tables.sort_unstable();
    tables.dedup();
    let mut blocking: Vec<Blocking> = tables
        .into_iter()
        .filter_map(|table| {
            let relation = names.iter().find_map(|catalog| catalog.get(table))?;
            if !matches!(relation.kind, 'r' | 'p' | 'm' | 'v' | 'f') {
                return None;
            }
            let of_table: Vec<&Hold> = holds.iter().filter(|hold| hold.key.table == table).collect();
            let (reads, writes) = shut_out(&of_table, pauses)?;
            Some(Blocking {
                table: relation.name.clone(),
                rows: before.get(table).map_or(relation.rows, |relation| relation.rows),
                new: !before.contains(table),
                reads,
                writes,
            })
        })
        .collect();
    blocking.sort_by(|a, b| a.table.cmp(&b.table));
    blocking
}
