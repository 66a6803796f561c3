//! Every combination of several keys once, in an order that looks shuffled, without holding them in memory.
//!
//! For keys made of foreign keys alone (a table between two others), and for those with a number that counts within a
//! parent (the lines of an order). Combination `i` of `n` is number `(i * stride + offset) mod n` with a stride that has
//! no divisor in common with `n`, which visits each exactly once and spreads the parents evenly.

use std::collections::HashSet;
use std::hash::Hasher;
use std::sync::Arc;

use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use twox_hash::XxHash64;

use super::draw::Draw;

/// The combinations of some draws, gone through one by one.
#[derive(Debug, Clone)]
pub(crate) struct Combinations {
    /// Which draws, by their place among all.
    draws: Vec<usize>,
    /// How many keys each of them uses.
    sizes: Vec<u64>,
    total: u64,
    stride: u64,
    offset: u64,
    /// Those that existing rows have.
    taken: Arc<HashSet<u64>>,
    next: u64,
}

impl Combinations {
    /// Of these draws, leaving out those that are taken.
    pub(crate) fn new(draws: Vec<usize>, all: &[Draw], taken: HashSet<u64>, rng: &mut ChaCha8Rng) -> Self {
        let sizes: Vec<u64> = draws.iter().map(|draw| all[*draw].used as u64).collect();
        let total = sizes.iter().try_fold(1_u64, |product, size| product.checked_mul(*size)).unwrap_or(u64::MAX);
        // About the golden section of the total: neighbours in time are far apart in the keys.
        let mut stride = u64::try_from(u128::from(total) * 618_033_989 / 1_000_000_000).unwrap_or(1).max(1);
        while gcd(stride, total) > 1 {
            stride += 1;
        }
        let offset = rng.random_range(0..total.max(1));
        Self { draws, sizes, total, stride, offset, taken: Arc::new(taken), next: 0 }
    }

    /// Whether a draw is one of them.
    pub(crate) fn has(&self, draw: usize) -> bool {
        self.draws.contains(&draw)
    }

    /// The same of draws that have other keys than before.
    pub(crate) fn again(self, all: &[Draw], rng: &mut ChaCha8Rng) -> Self {
        Self { taken: Arc::clone(&self.taken), ..Self::new(self.draws, all, HashSet::new(), rng) }
    }

    /// How many combinations there are that no row has; one with too many to count says so many at least.
    pub(crate) fn free(&self) -> u64 {
        self.total.saturating_sub(self.taken.len() as u64)
    }

    /// Draws the next combination that no row has, and says in which lap. `keys` has a place for every draw there is.
    pub(crate) fn draw(&mut self, all: &[Draw], keys: &mut [usize]) -> u64 {
        loop {
            let (lap, within) = (self.next / self.total, self.next % self.total);
            self.next += 1;
            let number =
                (u128::from(within) * u128::from(self.stride) + u128::from(self.offset)) % u128::from(self.total);
            let mut rest = u64::try_from(number).unwrap_or(0);
            for (draw, size) in self.draws.iter().zip(&self.sizes) {
                keys[*draw] = all[*draw].key(usize::try_from(rest % size).unwrap_or(0));
                rest /= size;
            }
            if self.taken.is_empty() || !self.taken.contains(&self.hash(all, keys)) {
                return lap;
            }
        }
    }

    /// Goes past so many draws, as if they had been made.
    pub(crate) fn skip(&mut self, count: u64, all: &[Draw], keys: &mut [usize]) {
        if self.taken.is_empty() {
            self.next += count;
        } else {
            (0..count).for_each(|_| _ = self.draw(all, keys));
        }
    }

    fn hash(&self, all: &[Draw], keys: &[usize]) -> u64 {
        hash(self.draws.iter().flat_map(|draw| {
            let tuples = &all[*draw].keys;
            (0..tuples.width()).map(|part| tuples.raw(keys[*draw], part))
        }))
    }
}

/// A number for a row of fields: XXH64, which is the same in every version. Two rows with the same one cost a
/// combination, not correctness.
pub(crate) fn hash<'a>(fields: impl Iterator<Item = &'a [u8]>) -> u64 {
    let mut hasher = XxHash64::with_seed(0);
    fields.for_each(|field| hasher.write(field));
    hasher.finish()
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::super::draw::Weights;
    use super::super::tuples::Tuples;
    use super::*;

    fn draw(size: u8) -> Draw {
        let mut keys = Tuples::new(1);
        (0..size).for_each(|key| keys.push(Some(&[key])));
        Draw { keys, used: usize::from(size), null_with: None, weights: Weights::default(), within: None }
    }

    #[test]
    fn each_combination_comes_once_a_lap_and_taken_ones_never() {
        for (a, b) in [(1, 1), (1, 7), (6, 4), (10, 10), (13, 5)] {
            let draws = [draw(a), draw(b)];
            let taken: HashSet<u64> = [hash([draws[0].keys.raw(0, 0), draws[1].keys.raw(0, 0)].into_iter())].into();
            let mut rng = ChaCha8Rng::seed_from_u64(u64::from(a));
            let mut combinations = Combinations::new(vec![0, 1], &draws, taken, &mut rng);
            assert_eq!(combinations.free(), u64::from(a) * u64::from(b) - 1);
            for lap in 0..2_u64 {
                let mut seen = HashSet::new();
                for _ in 0..combinations.free() {
                    let mut keys = [0; 2];
                    assert_eq!(combinations.draw(&draws, &mut keys), lap);
                    assert!(keys != [0, 0] && seen.insert(keys), "{keys:?} of {a} x {b}");
                }
            }
        }
    }
}
