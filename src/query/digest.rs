//! What the rows of a result say, in a few bytes, whatever their order and however many they are.
//!
//! Every value is hashed; the hashes of the values of a row are hashed again; those of the rows are added up. Equal sums
//! mean equal multisets of rows, short of an accident of 1 in 2^64. Where a query orders its rows, the values of its keys
//! are hashed once more, in the order in which they come. Digests are compared within one process only.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::order::Key;

/// The rows of a result, seen through the columns of a reference: those of the result itself, or of an earlier one that
/// it is to be compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Digest {
    /// How many rows there were.
    pub(super) rows: u64,
    /// The rows, cut down to the columns of the reference; `None` if one of those columns is not there.
    pub(super) whole: Option<u128>,
    /// The values of each column of the reference; `None` if it is not there.
    pub(super) columns: Vec<Option<u128>>,
    /// The values of the keys of the order, in the order of the rows; `None` if there are none, or one is not there.
    pub(super) sequence: Option<u64>,
}

impl Digest {
    /// Whether the rows say the same in the columns that both have. Where a column is gone, the columns that are left are
    /// compared one by one: values that only changed places between rows are then not noticed.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        let same = |(a, b): (&Option<u128>, &Option<u128>)| a.is_none() || b.is_none() || a == b;
        self.rows == other.rows
            && match (self.whole, other.whole) {
                (Some(a), Some(b)) => a == b,
                _ => self.columns.iter().zip(&other.columns).all(same),
            }
    }

    /// Whether the rows come in the same order, by the keys that the query gives. True where there are none.
    pub(super) fn in_same_order(&self, other: &Self) -> bool {
        self.sequence.is_none() || other.sequence.is_none() || self.sequence == other.sequence
    }
}

/// Takes in rows one by one.
#[derive(Debug)]
pub(super) struct Digester {
    /// For each column of the reference: where it is in the rows.
    places: Vec<Option<usize>>,
    /// Which of the columns of the reference are keys of the order, and what they said so far.
    keys: Vec<usize>,
    sequence: DefaultHasher,
    digest: Digest,
}

impl Digester {
    /// For rows with columns of these names. Columns that share a name are told apart by their order.
    pub(super) fn new<'n>(names: &[&'n str], reference: &[&'n str]) -> Self {
        let mut taken = vec![false; names.len()];
        let mut place = |wanted: &&str| {
            let at = (0..names.len()).find(|&at| !taken[at] && names[at] == *wanted)?;
            taken[at] = true;
            Some(at)
        };
        let places: Vec<_> = reference.iter().map(&mut place).collect();
        let whole = places.iter().all(Option::is_some).then_some(0);
        let columns = places.iter().map(|place| place.map(|_| 0)).collect();
        let digest = Digest { rows: 0, whole, columns, sequence: None };
        Self { places, keys: Vec::new(), sequence: DefaultHasher::new(), digest }
    }

    /// For a query that orders its rows by these keys. Those after the first that the reference does not have say nothing.
    pub(super) fn ordered_by(mut self, keys: &[Key], reference: &[&str]) -> Self {
        self.keys = keys.iter().map_while(|key| key.find(reference)).collect();
        let is_whole = self.keys.iter().all(|&key| self.places[key].is_some());
        self.digest.sequence = (!self.keys.is_empty() && is_whole).then_some(0);
        self
    }

    /// Takes in a row, given a way to its values in text form.
    pub(super) fn row<V: AsRef<[u8]>>(&mut self, value: impl Fn(usize) -> Option<V>) {
        let mut row = DefaultHasher::new();
        for (at, (place, sum)) in self.places.iter().zip(&mut self.digest.columns).enumerate() {
            if let (Some(place), Some(sum)) = (place, sum) {
                let cell = hash(value(*place).as_ref().map(AsRef::as_ref));
                *sum = sum.wrapping_add(u128::from(cell));
                row.write_u64(cell);
                if self.keys.contains(&at) {
                    self.sequence.write_u64(cell);
                }
            }
        }
        if let Some(whole) = &mut self.digest.whole {
            *whole = whole.wrapping_add(u128::from(row.finish()));
        }
        self.digest.rows += 1;
    }

    /// The digest of the rows that were taken in. `touched` is what the server says: for a statement that changes rows
    /// and returns none, how many it changed.
    pub(super) fn finish(mut self, touched: u64) -> Digest {
        self.digest.rows = self.digest.rows.max(touched);
        self.digest.sequence = self.digest.sequence.map(|_| self.sequence.finish());
        self.digest
    }
}

fn hash(value: Option<&[u8]>) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(names: &[&str], reference: &[&str], rows: &[&[Option<&str>]]) -> Digest {
        let mut digester = Digester::new(names, reference);
        for row in rows {
            digester.row(|at| row[at]);
        }
        digester.finish(0)
    }

    const AB: &[&str] = &["a", "b"];
    const ROWS: &[&[Option<&str>]] = &[&[Some("1"), Some("x")], &[Some("2"), None]];

    #[test]
    fn the_order_of_rows_says_nothing() {
        let turned: Vec<_> = ROWS.iter().rev().copied().collect();
        assert!(digest(AB, AB, ROWS).agrees(&digest(AB, AB, &turned)));
    }

    #[test]
    fn the_order_of_rows_counts_by_the_keys_that_a_query_gives() {
        let ordered = |keys: &[Key], rows: &[&[&'static str]]| {
            let mut digester = Digester::new(AB, AB).ordered_by(keys, AB);
            for row in rows {
                digester.row(|at| Some(row[at]));
            }
            digester.finish(0)
        };
        let by_a = [Key::Name("A".to_owned())];
        let (up, down) = ([&["1", "x"][..], &["2", "y"]], [&["2", "y"][..], &["1", "x"]]);
        assert!(!ordered(&by_a, &up).in_same_order(&ordered(&by_a, &down)));
        assert!(ordered(&[], &up).in_same_order(&ordered(&[], &down)));
        let (tie, turned) = ([&["1", "x"][..], &["1", "y"]], [&["1", "y"][..], &["1", "x"]]);
        assert!(ordered(&by_a, &tie).in_same_order(&ordered(&by_a, &turned)));
        assert!(!ordered(&[Key::Place(2)], &tie).in_same_order(&ordered(&[Key::Place(2)], &turned)));
    }

    #[test]
    fn other_values_are_noticed() {
        let before = digest(AB, AB, ROWS);
        for other in [
            &[&[Some("1"), Some("x")][..], &[Some("2"), Some("")]][..],
            &[&[Some("1"), None], &[Some("2"), Some("x")]],
            &[&[Some("1"), Some("x")], &[Some("1"), Some("x")]],
            &[&[Some("x"), Some("1")], &[None, Some("2")]],
            &[&[Some("1"), Some("x")]],
        ] {
            assert!(!before.agrees(&digest(AB, AB, other)), "{other:?}");
        }
    }

    #[test]
    fn a_new_column_is_looked_past() {
        let wider: &[&[_]] = &[&[Some("z"), Some("1"), Some("x")], &[Some("z"), Some("2"), None]];
        assert!(digest(AB, AB, ROWS).agrees(&digest(&["new", "a", "b"], AB, wider)));
        let other: &[&[_]] = &[&[Some("z"), Some("1"), None], &[Some("z"), Some("2"), Some("x")]];
        assert!(!digest(AB, AB, ROWS).agrees(&digest(&["new", "a", "b"], AB, other)));
    }

    #[test]
    fn of_a_result_that_lost_a_column_the_others_are_compared() {
        let before = digest(AB, AB, ROWS);
        assert!(before.agrees(&digest(&["b"], AB, &[&[None], &[Some("x")]])));
        assert!(!before.agrees(&digest(&["b"], AB, &[&[None], &[Some("y")]])));
    }

    #[test]
    fn columns_of_one_name_are_told_apart_by_their_order() {
        let names = &["id", "id"];
        let before = digest(names, names, &[&[Some("1"), Some("2")]]);
        assert!(!before.agrees(&digest(names, names, &[&[Some("2"), Some("1")]])));
    }

    #[test]
    fn a_statement_without_rows_counts_those_it_touched() {
        assert_eq!(Digester::new(&[], &[]).finish(7).rows, 7);
    }
}
