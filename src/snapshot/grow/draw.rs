//! What rows draw from: keys of parents, and values with their weights.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::tuples::Tuples;

/// What a counter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// New rows.
    Rows,
    /// Laps through all combinations of a key's other columns.
    Laps,
}

/// Key tuples of which each row gets one: a parent's keys, or the values that a column can have.
#[derive(Debug, Clone)]
pub(crate) struct Draw {
    pub(crate) keys: Tuples,
    /// How many of them are used, spread evenly over all.
    pub(crate) used: usize,
    /// The sampled column that is NULL where this is to be NULL as well.
    pub(crate) null_with: Option<usize>,
}

impl Draw {
    /// Which key is the `nth` of those that are used.
    pub(crate) fn key(&self, nth: usize) -> usize {
        // 128 bits, so that no product of two counts of keys overflows.
        let spread = nth as u128 * self.keys.len() as u128 / self.used.max(1) as u128;
        usize::try_from(spread).unwrap_or(0)
    }
}

/// Values to choose from, each with its weight.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    values: Tuples,
    /// Running totals of the weights; empty where all are equal.
    totals: Vec<f64>,
}

impl Pool {
    /// Values that are equally likely. There must be at least one.
    pub(crate) fn even(values: Tuples) -> Self {
        Self { values, totals: Vec::new() }
    }

    /// Values with a weight each.
    pub(crate) fn weighted(values: Tuples, weights: &[f64]) -> Self {
        let mut total = 0.0;
        let totals = weights.iter().map(|weight| {
            total += weight;
            total
        });
        Self { values, totals: totals.collect() }
    }

    /// Picks one; it has its length before it.
    pub(crate) fn pick(&self, rng: &mut ChaCha8Rng) -> &[u8] {
        let last = self.values.len() - 1;
        let at = match self.totals.last() {
            None => rng.random_range(0..=last),
            Some(total) => {
                let point = rng.random::<f64>() * total;
                self.totals.partition_point(|upto| *upto <= point).min(last)
            }
        };
        self.values.raw(at, 0)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn weights_decide_how_often_a_value_comes() {
        let mut values = Tuples::new(1);
        for value in [b"a", b"b", b"c"] {
            values.push(Some(value));
        }
        let pool = Pool::weighted(values, &[1.0, 0.0, 3.0]);
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut counts = [0; 3];
        for _ in 0..4_000 {
            counts[usize::from(pool.pick(&mut rng)[4] - b'a')] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((900..1_100).contains(&counts[0]), "{counts:?}");
    }

    #[test]
    fn fewer_keys_are_spread_over_all() {
        let mut keys = Tuples::new(1);
        (0..10_u8).for_each(|key| keys.push(Some(&[key])));
        let draw = Draw { keys, used: 3, null_with: None };
        assert_eq!([0, 1, 2].map(|nth| draw.key(nth)), [0, 3, 6]);
    }
}
