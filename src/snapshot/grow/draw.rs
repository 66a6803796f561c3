//! What rows draw from: keys of parents, and values with their weights.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::combine::Combinations;
use super::tuples::Tuples;
use super::within::Within;
use crate::scenario::Distribution;

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
    /// How often each of those that are used comes.
    pub(crate) weights: Weights,
    /// Which of them go with a key of another draw, if not all do.
    pub(crate) within: Option<Within>,
}

impl Draw {
    /// Picks a key.
    pub(crate) fn pick(&self, rng: &mut ChaCha8Rng) -> usize {
        self.key(self.weights.pick(self.used, rng))
    }

    /// Which key is the `nth` of those that are used.
    pub(crate) fn key(&self, nth: usize) -> usize {
        // 128 bits, so that no product of two counts of keys overflows.
        let spread = nth as u128 * self.keys.len() as u128 / self.used.max(1) as u128;
        usize::try_from(spread).unwrap_or(0)
    }
}

/// Draws the keys of a row, and says in which lap through the combinations it is. `keys` has a place for every draw.
pub(crate) fn draw(
    draws: &[Draw],
    combinations: Option<&mut Combinations>,
    keys: &mut [usize],
    rng: &mut ChaCha8Rng,
) -> u64 {
    for (key, draw) in keys.iter_mut().zip(draws).filter(|(_, draw)| draw.within.is_none()) {
        *key = draw.pick(rng);
    }
    let lap = combinations.map_or(0, |combinations| combinations.draw(draws, keys));
    for (at, draw) in draws.iter().enumerate() {
        if let Some(within) = &draw.within {
            keys[at] = within.pick(keys[within.of], rng);
        }
    }
    lap
}

/// How often each of some things comes: running totals of their weights, empty where all come equally often.
#[derive(Debug, Clone, Default)]
pub(crate) struct Weights(Vec<f64>);

impl Weights {
    /// Of so many things.
    pub(crate) fn of(distribution: Option<Distribution>, count: usize) -> Self {
        match distribution {
            None | Some(Distribution::Even) => Self::default(),
            Some(Distribution::Zipf) => Self::new((1..=count).map(|rank| 1.0 / rank as f64)),
        }
    }

    /// Leaves so many of the things.
    pub(crate) fn cut(&mut self, count: usize) {
        self.0.truncate(count);
    }

    fn new(weights: impl Iterator<Item = f64>) -> Self {
        let mut total = 0.0;
        let totals = weights.map(|weight| {
            total += weight;
            total
        });
        Self(totals.collect())
    }

    /// One of so many things, by its place.
    fn pick(&self, count: usize, rng: &mut ChaCha8Rng) -> usize {
        match self.0.last() {
            None => rng.random_range(0..count),
            Some(total) => {
                let point = rng.random::<f64>() * total;
                self.0.partition_point(|upto| *upto <= point).min(count - 1)
            }
        }
    }
}

/// Values to choose from, each with its weight.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    values: Tuples,
    weights: Weights,
}

impl Pool {
    /// Values that come as a distribution says, equally often without one. There must be at least one.
    pub(crate) fn spread(values: Tuples, distribution: Option<Distribution>) -> Self {
        Self { weights: Weights::of(distribution, values.len()), values }
    }

    /// Values with a weight each.
    pub(crate) fn weighted(values: Tuples, weights: &[f64]) -> Self {
        Self { values, weights: Weights::new(weights.iter().copied()) }
    }

    /// Picks one; it has its length before it.
    pub(crate) fn pick(&self, rng: &mut ChaCha8Rng) -> &[u8] {
        self.values.raw(self.weights.pick(self.values.len(), rng), 0)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn of_a_zipf_distribution_the_second_comes_half_as_often_as_the_first() {
        let weights = Weights::of(Some(Distribution::Zipf), 100);
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut counts = [0; 100];
        (0..52_000).for_each(|_| counts[weights.pick(100, &mut rng)] += 1);
        // The sum of 1/1 to 1/100 is about 5.2.
        assert!((9_500..10_500).contains(&counts[0]) && (4_700..5_300).contains(&counts[1]), "{counts:?}");
        assert!(counts[99] > 60, "{counts:?}");
    }

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
        let draw = Draw { keys, used: 3, null_with: None, weights: Weights::default(), within: None };
        assert_eq!([0, 1, 2].map(|nth| draw.key(nth)), [0, 3, 6]);
    }
}
