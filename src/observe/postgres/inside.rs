//! What an open transaction has touched, as it sees it itself, beside what everybody else sees.
//!
//! A transaction that changes or reads a relation holds a lock on it, so that only those relations are asked for that
//! are locked, with all that belongs to their tables.

use std::collections::BTreeSet;

use super::catalog::{Catalog, Oid};
use super::question::Changes;

/// In a database of more relations than this it is not worth going through all of them after each statement.
pub(super) const MANY_RELATIONS: usize = 2_000;

/// The relations that the transaction has touched so far.
#[derive(Debug, Default)]
pub(super) struct Touched {
    /// As the transaction saw them last.
    pub(super) now: Catalog,
    /// All that were ever asked for or found: what is in here and not in `now` is dropped.
    known: BTreeSet<Oid>,
    /// What the transaction had changed in the catalogs when they were read last; `None` before, or where that is not known.
    pub(super) changes: Changes,
}

impl Touched {
    /// Every relation that was touched, also those that are gone.
    pub(super) fn oids(&self) -> Vec<Oid> {
        self.known.iter().copied().collect()
    }

    /// The tables of `asked` with their parts, as far as nothing is to be found out of them but counters: if the transaction
    /// has read the catalogs before, and every relation was known by then to it or to everybody.
    pub(super) fn countable(&self, asked: &[Oid], committed: &Catalog) -> Option<Catalog> {
        self.changes?;
        let (own, others): (Vec<Oid>, Vec<Oid>) = asked.iter().partition(|oid| self.now.contains(**oid));
        // Among thousands of relations the server finds the parts of a table sooner.
        let many = !others.is_empty() && committed.len() > MANY_RELATIONS;
        if many || others.iter().any(|oid| self.known.contains(oid)) {
            return None;
        }
        let mut all = self.now.tables_of(&own)?;
        all.replace(&[], &committed.tables_of(&others)?);
        Some(all)
    }

    /// Takes note of relations that a failed statement had locked, to be asked for when it is rolled back.
    pub(super) fn ask_later(&mut self, oids: impl Iterator<Item = Oid>) {
        self.known.extend(oids);
    }

    /// Takes note of what was found when `asked` was asked for. Gives the same relations as they were before:
    /// as the transaction saw them, or as everybody sees those that it had not touched.
    pub(super) fn update(&mut self, asked: &[Oid], found: &Catalog, committed: &Catalog) -> Catalog {
        let all: BTreeSet<Oid> = asked.iter().copied().chain(found.oids()).collect();
        let mut before = self.now.only(all.iter().copied());
        for oid in all.difference(&self.known) {
            before.add_uncounted(*oid, committed);
        }
        self.now.replace(asked, found);
        self.known.extend(all);
        before
    }
}
