//! Numbers (and dates, as numbers) spread as a histogram has them, with so many different ones.
//!
//! Within a part of the histogram rows draw their numbers at random, as they do in life: some come often and some once.

use super::estimate::{Estimator, cells};
use super::shape::nth;
use super::shuffle::{drawn, mix};

/// Parts of the number line with equally many rows in each.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scale {
    parts: Vec<Part>,
    seed: u64,
}

/// Rows that would have to draw out of more numbers than this times those that there are do not draw at random.
const ROOM: f64 = 1.3;

/// What share of the numbers that can occur, as there are rows and room for them, is nearly all of them.
const NEARLY: f64 = 0.95;

#[derive(Debug, Clone, Copy, PartialEq)]
struct Part {
    low: i64,
    /// How many whole numbers there are in it.
    room: u64,
    /// How many of them occur, if there are rows for so many.
    distinct: u64,
    /// Out of how many rows draw theirs; `None` if they are spread evenly over the part, each as often as the others.
    cells: Option<u64>,
}

impl Scale {
    /// From the bounds of a histogram (two at least) and how many different numbers there are among `ranks` rows, not counting
    /// those with NULL. `unique` if none may come twice; the last bound is then moved where there is no room.
    pub(crate) fn new(bounds: &[i64], distinct: u64, ranks: u64, unique: bool, seed: u64) -> Self {
        let mut parts = parts(bounds);
        let each = ranks.div_ceil(parts.len().max(1) as u64).max(1);
        if unique {
            if parts.iter().any(|part| part.room < each) {
                let (low, high) = (bounds[0], bounds[bounds.len() - 1]);
                let room = (high.abs_diff(low) + 1).max(ranks);
                parts = vec![Part { low, room, distinct: 1, cells: None }];
            }
            for part in &mut parts {
                part.distinct = u64::MAX;
            }
            return Self { parts, seed };
        }
        share_out(&mut parts, distinct);
        Self { parts, seed }.with_cells(each)
    }

    /// As [`Scale::new`], where the number of different ones is known of each part.
    pub(crate) fn counted(bounds: &[i64], distinct: &[u64], ranks: u64, seed: u64) -> Self {
        let mut parts = parts(bounds);
        let each = ranks.div_ceil(parts.len().max(1) as u64).max(1);
        for (part, distinct) in parts.iter_mut().zip(distinct) {
            part.distinct = (*distinct).clamp(1, part.room.min(each));
        }
        Self { parts, seed }.with_cells(each)
    }

    /// Each part of so many rows.
    fn with_cells(mut self, each: u64) -> Self {
        for part in &mut self.parts {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
            let cells = cells(each as f64, part.distinct as f64).map(|cells| cells.round() as u64);
            // Where nearly all occur that can, and chance would not find them in the room there is, rows take turns.
            let nearly_all = part.distinct as f64 >= NEARLY * part.room.min(each) as f64;
            part.cells = cells
                .filter(|cells| !nearly_all || *cells as f64 <= part.room as f64 * ROOM)
                .map(|cells| cells.clamp(part.distinct, part.room));
        }
        self
    }

    /// How many different numbers there are among `ranks` rows within these bounds, if a server reckoned `reckoned` of them
    /// from its sample.
    pub(crate) fn likely(bounds: &[i64], reckoned: f64, ranks: f64, estimator: &Estimator) -> f64 {
        let mut parts = parts(bounds);
        let each = ranks / parts.len() as f64;
        let most = parts.iter().map(|part| (part.room as f64).min(each)).sum::<f64>();
        let (mut low, mut high) = (reckoned.min(most), most);
        // Halved so often, what is left between them is less than a row.
        for _ in 0..40 {
            let middle = low.midpoint(high);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of rows")]
            share_out(&mut parts, middle.round() as u64);
            let spread = parts.iter().map(|part| (each, (part.distinct as f64).min(each)));
            if estimator.reckons(spread) < reckoned { low = middle } else { high = middle }
        }
        low.midpoint(high)
    }

    /// The number that a rank of `of` means.
    pub(crate) fn number(&self, rank: u64, of: u64) -> i64 {
        let count = self.parts.len() as u64;
        let at = nth(rank, of, count).min(count - 1);
        let part = &self.parts[usize::try_from(at).unwrap_or(0)];
        // The ranks of a part are those that `nth` gives it.
        let first = |part: u64| (u128::from(part) * u128::from(of)).div_ceil(u128::from(count));
        let (begin, end) = (first(at), first(at + 1));
        let own = |rank: u128| u64::try_from(rank).unwrap_or(0);
        let (along, ranks) = (own(u128::from(rank).saturating_sub(begin)), own(end - begin).max(1));
        let which = match part.cells {
            None => {
                let distinct = part.distinct.min(ranks);
                nth(nth(along, ranks, distinct), distinct, part.room)
            }
            Some(cells) => nth(drawn(mix(self.seed, at), along, ranks, cells), cells, part.room),
        };
        part.low.saturating_add_unsigned(which)
    }
}

fn parts(bounds: &[i64]) -> Vec<Part> {
    let count = bounds.len() - 1;
    let part = |(at, pair): (usize, &[i64])| {
        let room = pair[1].abs_diff(pair[0]) + u64::from(at + 1 == count);
        Part { low: pair[0], room: room.max(1), distinct: 1, cells: None }
    };
    bounds.windows(2).enumerate().map(part).collect()
}

/// Shares different values out among parts, as if each row had drawn one of its part's at random: where there is room for many,
/// all parts get as many, and where there is little they are used up.
fn share_out(parts: &mut [Part], distinct: u64) {
    let of = |room: u64, drawn: f64| room as f64 * -(-drawn / room as f64).exp_m1();
    let total = |parts: &[Part], drawn: f64| parts.iter().map(|part| of(part.room, drawn)).sum::<f64>();
    let (mut low, mut high) = (0.0, 1.0);
    while total(parts, high) < distinct as f64 && high < 1e18 {
        (low, high) = (high, high * 2.0);
    }
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if total(parts, middle) < distinct as f64 { low = middle } else { high = middle }
    }
    let mut over = 0.0;
    for part in parts {
        over += of(part.room, high);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and a count")]
        let share = (over.round() as u64).clamp(1, part.room);
        part.distinct = share;
        over -= share as f64;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn numbers(scale: &Scale, of: u64) -> Vec<i64> {
        (0..of).map(|rank| scale.number(rank, of)).collect()
    }

    #[test]
    fn numbers_rise_within_their_bounds_and_are_as_many_as_asked_for() {
        let scale = Scale::new(&[0, 10, 1_000, 100_000], 500, 3_000, false, 7);
        let numbers = numbers(&scale, 3_000);
        assert!(numbers.is_sorted());
        assert!(numbers[..1_000].iter().all(|number| *number < 10));
        assert!(numbers[2_000..].iter().all(|number| (1_000..=100_000).contains(number)));
        let distinct = numbers.iter().collect::<BTreeSet<_>>().len();
        assert!((490..=510).contains(&distinct), "{distinct}");
    }

    #[test]
    fn where_nearly_every_number_occurs_chance_does_not_decide() {
        for (distinct, ranks) in [(995, 1_000), (1_000, 1_000), (1_000, 1_005)] {
            let numbers = numbers(&Scale::new(&[1, 334, 667, 1_000], distinct, ranks, false, 7), ranks);
            let found = numbers.iter().collect::<BTreeSet<_>>().len() as u64;
            assert!(found.abs_diff(distinct) <= 10, "{distinct} among {ranks}: {found}");
        }
    }

    #[test]
    fn unique_numbers_never_meet_and_take_more_room_if_they_must() {
        for (bounds, ranks) in [(&[1, 50, 100][..], 100), (&[1, 2, 100], 100), (&[5, 6], 1_000), (&[0, 1 << 40], 999)] {
            let numbers = numbers(&Scale::new(bounds, 1, ranks, true, 7), ranks);
            assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len() as u64, ranks, "{bounds:?}");
            assert_eq!(numbers[0], bounds[0]);
        }
    }
}
