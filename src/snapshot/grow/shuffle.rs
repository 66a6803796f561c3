//! Numbers and orders that hang on a seed and a row's number alone, so that rows can be made in any order and by anybody.

/// A number that looks random, always the same one for the same two (`SplitMix64`).
pub(crate) fn mix(seed: u64, number: u64) -> u64 {
    let mut z = seed ^ number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Which place of `0..count` an index gets in an order that looks shuffled; each place is one index's.
///
/// A Feistel network over the next power of two, gone through again until it meets a place that there is.
pub(crate) fn shuffle(seed: u64, count: u64, index: u64) -> u64 {
    if count < 2 {
        return index;
    }
    let bits = u64::BITS - (count - 1).leading_zeros();
    let low_bits = bits / 2;
    let low_mask = (1_u64 << low_bits) - 1;
    let high_mask = (1_u64 << (bits - low_bits)) - 1;
    let mut place = index;
    loop {
        let (mut high, mut low) = (place >> low_bits, place & low_mask);
        for round in 0..3_u64 {
            high ^= mix(seed ^ (2 * round), low) & high_mask;
            low ^= mix(seed ^ (2 * round + 1), high) & low_mask;
        }
        place = high << low_bits | low;
        if place < count {
            return place;
        }
    }
}

/// Which of `cells` the row with this rank has, where `rows` rows draw one each at random and are then put in order.
///
/// The rows are parted by which half of the cells they fall into, again and again, down to the one that is asked for.
pub(crate) fn drawn(seed: u64, rank: u64, rows: u64, cells: u64) -> u64 {
    let (mut rank, mut rows) = (rank, rows.max(1));
    let (mut begin, mut width, mut node) = (0.0, 1.0, 1);
    while rows > 1 && width * cells as f64 > 0.25 {
        let in_first_half = halved(mix(seed, node), rows);
        width /= 2.0;
        node *= 2;
        if rank < in_first_half {
            rows = in_first_half;
        } else {
            (rank, rows) = (rank - in_first_half, rows - in_first_half);
            begin += width;
            node += 1;
        }
    }
    let within = (mix(seed ^ 5, node) >> 11) as f64 / (1_u64 << 53) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below the number of cells")]
    let cell = ((begin + within * width) * cells as f64) as u64;
    cell.min(cells.saturating_sub(1))
}

/// How many of so many coins show heads.
fn halved(chance: u64, coins: u64) -> u64 {
    if coins <= u64::from(u64::BITS) {
        let coins = u32::try_from(coins).unwrap_or(u64::BITS);
        return u64::from((chance & (u64::MAX >> (u64::BITS - coins))).count_ones());
    }
    // 64 coins stand for all of them: the same shape, as wide as so many have it, with what lies between filled in.
    let between = (mix(chance, 1) >> 11) as f64 / (1_u64 << 53) as f64 - 0.5;
    let deviation = (f64::from(chance.count_ones()) - 32.0 + between) / 4.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between nothing and all of them")]
    let heads = (coins as f64 / 2.0 + deviation * (coins as f64).sqrt() / 2.0).round().max(0.0) as u64;
    heads.min(coins)
}

/// Parts of which some are shuffled, for [`Order`].
const PARTS: u128 = 1 << 20;

/// The order of values along rows: which of all values, counted from the smallest, a row has.
///
/// A correlation of `c` is had by leaving a share `c` of the rows in their order, spread evenly, and shuffling the others among
/// themselves: the correlation of the two ranks is then `c`, and each rank is one row's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    rows: u64,
    /// Of [`PARTS`] rows, how many are shuffled.
    loose: u128,
    descending: bool,
    seed: u64,
}

impl Order {
    /// Of so many rows, with a correlation from -1 to 1.
    pub(crate) fn new(rows: u64, correlation: f64, seed: u64) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a million")]
        let loose = ((1.0 - correlation.abs().min(1.0)) * PARTS as f64).round() as u128;
        Self { rows, loose, descending: correlation < 0.0, seed }
    }

    /// The rank of a row's value, from 0.
    pub(crate) fn rank(&self, row: u64) -> u64 {
        let before = self.loose_before(row);
        let rank = if self.loose_before(row + 1) > before {
            let other = shuffle(self.seed, self.loose_before(self.rows), before);
            // The row with so many loose ones before it.
            let row = ((u128::from(other) + 1) * PARTS).div_ceil(self.loose) - 1;
            u64::try_from(row).unwrap_or(0)
        } else {
            row
        };
        if self.descending { self.rows - 1 - rank } else { rank }
    }

    fn loose_before(&self, row: u64) -> u64 {
        u64::try_from(u128::from(row) * self.loose / PARTS).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn correlation(order: &Order) -> f64 {
        let mean = (order.rows - 1) as f64 / 2.0;
        let pairs = (0..order.rows).map(|row| (row as f64 - mean, order.rank(row) as f64 - mean));
        let (both, own) = pairs.fold((0.0, 0.0), |(both, own), (row, rank)| (both + row * rank, own + row * row));
        both / own
    }

    #[test]
    fn every_place_is_taken_once() {
        for count in [1, 2, 3, 7, 64, 1000, 1025] {
            let places: BTreeSet<u64> = (0..count).map(|index| shuffle(9, count, index)).collect();
            assert_eq!(places, (0..count).collect(), "{count}");
        }
    }

    #[test]
    fn rows_that_draw_at_random_are_in_order_and_meet_as_chance_has_it() {
        for (rows, cells) in [(1_u64, 1_u64), (2_000, 2_000), (50_000, 700), (700, 50_000)] {
            let drawn: Vec<u64> = (0..rows).map(|rank| drawn(3, rank, rows, cells)).collect();
            assert!(drawn.is_sorted() && drawn.iter().all(|cell| *cell < cells), "{rows} of {cells}");
            let distinct = drawn.iter().collect::<BTreeSet<_>>().len() as f64;
            let expected = cells as f64 * -(-(rows as f64) / cells as f64).exp_m1();
            assert!(
                (distinct - expected).abs() <= 0.03 * expected + 1.0,
                "{rows} of {cells}: {distinct}, not {expected}"
            );
        }
    }

    #[test]
    fn an_order_has_the_correlation_that_was_asked_for_and_each_rank_once() {
        for wished in [0.0, 0.3, 0.97, 1.0, -0.5, -1.0] {
            let order = Order::new(20_011, wished, 5);
            let ranks: BTreeSet<u64> = (0..order.rows).map(|row| order.rank(row)).collect();
            assert_eq!(ranks.len(), 20_011, "{wished}");
            assert_eq!(ranks.last(), Some(&20_010));
            assert!((correlation(&order) - wished).abs() < 0.02, "{wished}: {}", correlation(&order));
        }
    }
}
