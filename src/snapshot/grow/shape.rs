//! The distribution of a column's values along the rows, from statistics: NULLs, the most common values at their
//! frequencies, and the others in the order that they have on disk.
//!
//! What is picked are ranks, not values, and a pick hangs on the seed and the row's number alone.

use super::shuffle::{Order, mix};

/// How the values of a column are spread over the rows of a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shape {
    nulls: f64,
    seed: u64,
    order: Order,
    /// The most common values, in the order of the values.
    spikes: Vec<Spike>,
    /// Rows (NULLs included) that have none of the most common values.
    rare: u64,
}

/// One of the most common values: where its ranks begin and how many they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spike {
    start: u64,
    length: u64,
    /// Ranks of rare values before it.
    rare_before: u64,
    common: usize,
}

/// What a row has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pick {
    /// NULL.
    Null,
    /// One of the most common values.
    Common(usize),
    /// One of the others: its rank among them, of [`Shape::rare`].
    Rare(u64),
}

/// One of the most common values, as statistics have it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Common {
    /// Share of the rows, NULLs included.
    pub(crate) frequency: f64,
    /// Share of the rare values that are smaller.
    pub(crate) position: f64,
}

impl Shape {
    /// Of so many rows.
    pub(crate) fn new(rows: u64, nulls: f64, correlation: f64, commons: &[Common], few: bool, seed: u64) -> Self {
        let filled = (1.0 - nulls).max(f64::MIN_POSITIVE);
        let of_filled: f64 = commons.iter().map(|common| common.frequency / filled).sum();
        // Where the most common values are all there are, what is left to 1 is rounding.
        let scale = if few && of_filled > 0.0 { 1.0 / of_filled } else { 1.0 / of_filled.max(1.0) };
        let mut counted: Vec<(usize, f64, u64)> = Vec::new();
        let mut left = rows;
        for (nth, common) in commons.iter().enumerate() {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the rows")]
            let count = (common.frequency / filled * scale * rows as f64).round() as u64;
            let count = if few && nth + 1 == commons.len() { left } else { count.min(left) };
            left -= count;
            counted.push((nth, common.position, count));
        }
        counted.sort_by(|a, b| a.1.total_cmp(&b.1));
        let mut start_of_commons = 0;
        let spikes = counted.into_iter().map(|(common, position, length)| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the rows")]
            let rare_before = ((position * left as f64) as u64).min(left);
            let spike = Spike { start: rare_before + start_of_commons, length, rare_before, common };
            start_of_commons += length;
            spike
        });
        let spikes = spikes.collect();
        Self { nulls, seed, order: Order::new(rows, correlation, mix(seed, 1)), spikes, rare: left }
    }

    /// How many ranks rare values have.
    pub(crate) fn rare(&self) -> u64 {
        self.rare
    }

    /// How many of them are rows whose value is not NULL.
    pub(crate) fn rare_filled(&self) -> u64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the rows")]
        let filled = (self.rare as f64 * (1.0 - self.nulls)).round() as u64;
        filled
    }

    /// Among how many rare values, each with as many ranks, so many different ones are seen: those that only rows with NULL have
    /// are not.
    pub(crate) fn behind_nulls(&self, distinct: u64) -> u64 {
        let (mut low, mut high) = (distinct.min(self.rare), self.rare);
        let seen = |values: u64| {
            let values = values.max(1) as f64;
            values * (1.0 - self.nulls.powf(self.rare as f64 / values))
        };
        while low < high {
            let middle = low.midpoint(high);
            if seen(middle) < distinct as f64 { low = middle + 1 } else { high = middle }
        }
        low.max(1)
    }

    /// What a row has.
    pub(crate) fn pick(&self, row: u64) -> Pick {
        // 53 bits are what a float between 0 and 1 can tell apart.
        let share = (mix(self.seed, row) >> 11) as f64 / (1_u64 << 53) as f64;
        if share < self.nulls { Pick::Null } else { self.of_rank(self.order.rank(row)) }
    }

    /// What the row with a rank has, if it is not NULL.
    pub(crate) fn of_rank(&self, rank: u64) -> Pick {
        let after = self.spikes.partition_point(|spike| spike.start <= rank);
        let Some(spike) = after.checked_sub(1).map(|at| self.spikes[at]) else { return Pick::Rare(rank) };
        if rank < spike.start + spike.length {
            Pick::Common(spike.common)
        } else {
            Pick::Rare(rank - spike.start - spike.length + spike.rare_before)
        }
    }
}

/// Which of `distinct` values a rank of `of` means, each having as many ranks as the others.
pub(crate) fn nth(rank: u64, of: u64, distinct: u64) -> u64 {
    u64::try_from(u128::from(rank) * u128::from(distinct) / u128::from(of.max(1))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn frequencies_and_nulls_are_those_asked_for_and_rare_ranks_come_once() {
        let commons = [
            Common { frequency: 0.4, position: 0.5 },
            Common { frequency: 0.1, position: 0.0 },
            Common { frequency: 0.05, position: 1.0 },
        ];
        let shape = Shape::new(100_000, 0.2, 0.3, &commons, false, 7);
        let mut counts = BTreeMap::new();
        for row in 0..100_000 {
            let key = match shape.pick(row) {
                Pick::Null => "null".to_owned(),
                Pick::Common(nth) => nth.to_string(),
                Pick::Rare(rank) => {
                    assert!(rank < shape.rare());
                    "rare".to_owned()
                }
            };
            *counts.entry(key).or_insert(0_i32) += 1;
        }
        for (key, expected) in [("null", 20_000), ("0", 40_000), ("1", 10_000), ("2", 5_000), ("rare", 25_000)] {
            assert!((counts[key] - expected).abs() < 500, "{key}: {counts:?}");
        }
        let ranks: Vec<u64> = (0..100_000)
            .filter_map(|rank| match shape.of_rank(rank) {
                Pick::Rare(rank) => Some(rank),
                _ => None,
            })
            .collect();
        assert_eq!(ranks, (0..shape.rare()).collect::<Vec<_>>());
    }

    #[test]
    fn values_that_only_nulls_have_are_not_counted() {
        let shape = Shape::new(10_000, 0.6, 0.0, &[], false, 7);
        for distinct in [10, 1_000, 4_000] {
            let values = shape.behind_nulls(distinct);
            let seen: std::collections::BTreeSet<u64> = (0..10_000)
                .filter_map(|row| match shape.pick(row) {
                    Pick::Rare(rank) => Some(nth(rank, 10_000, values)),
                    _ => None,
                })
                .collect();
            assert!((seen.len() as f64 / distinct as f64 - 1.0).abs() < 0.05, "{distinct}: {}", seen.len());
        }
    }

    #[test]
    fn where_the_most_common_values_are_all_there_is_no_other() {
        let commons = [0.6, 0.399].map(|frequency| Common { frequency, position: 0.0 });
        assert_eq!(Shape::new(1_000, 0.0, 0.0, &commons, true, 7).rare(), 0);
    }
}
