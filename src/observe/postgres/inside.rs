//! What an open transaction has touched, as it sees it itself, beside what everybody else sees.
//!
//! A transaction that changes or reads a relation holds a lock on it, so that only those relations are asked for that
//! are locked, with all that belongs to their tables.

use std::collections::BTreeSet;

use super::catalog::{Catalog, Oid};

/// The relations that the transaction has touched so far.
#[derive(Debug, Default)]
pub(super) struct Touched {
    /// As the transaction saw them last.
    pub(super) now: Catalog,
    /// All that were ever asked for or found: what is in here and not in `now` is dropped.
    known: BTreeSet<Oid>,
}

impl Touched {
    /// Every relation that was touched, also those that are gone.
    pub(super) fn oids(&self) -> Vec<Oid> {
        self.known.iter().copied().collect()
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
