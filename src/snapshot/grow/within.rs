//! Draws that must fit others: foreign keys that share columns, such as a tenant's number, with another foreign key.

use std::collections::HashMap;
use std::collections::HashSet;

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::combine::hash;
use super::draw::Draw;
use super::tuples::Tuples;

/// Which keys of a draw fit those of another one.
#[derive(Debug, Clone)]
pub(crate) struct Within {
    /// The other draw, by its place among all.
    pub(crate) of: usize,
    /// For each of its keys: where those that fit it begin, and how many they are.
    fitting: Vec<(usize, usize)>,
}

impl Within {
    /// Picks a key that fits one of the other draw's.
    pub(crate) fn pick(&self, key: usize, rng: &mut ChaCha8Rng) -> usize {
        let (start, count) = self.fitting[key];
        start + rng.random_range(0..count.max(1))
    }

    /// For each key of the other draw: whether any fits it.
    pub(crate) fn fits(&self) -> Vec<bool> {
        self.fitting.iter().map(|(_, count)| *count > 0).collect()
    }
}

/// Keys in an order in which those that fit the same key of another draw are neighbours, and which those are. `shared` are the
/// parts that both have, each with its place here and there.
pub(crate) fn fit(keys: &Tuples, of: usize, other: &Draw, shared: &[(usize, usize)]) -> (Tuples, Within) {
    let mut groups: HashMap<Vec<&[u8]>, Vec<usize>> = HashMap::new();
    let mut order: Vec<Vec<&[u8]>> = Vec::new();
    for row in 0..keys.len() {
        let group: Vec<&[u8]> = shared.iter().map(|(here, _)| keys.raw(row, *here)).collect();
        let rows = groups.entry(group.clone()).or_default();
        if rows.is_empty() {
            order.push(group);
        }
        rows.push(row);
    }
    let mut sorted = Tuples::new(keys.width());
    let mut places: HashMap<Vec<&[u8]>, (usize, usize)> = HashMap::new();
    for group in order {
        let rows = &groups[&group];
        places.insert(group, (sorted.len(), rows.len()));
        for row in rows {
            (0..keys.width()).for_each(|part| sorted.push_raw(keys.raw(*row, part)));
        }
    }
    let place = |key: usize| {
        let group: Vec<&[u8]> = shared.iter().map(|(_, there)| other.keys.raw(key, *there)).collect();
        places.get(&group).copied().unwrap_or((0, 0))
    };
    let fitting = (0..other.keys.len()).map(place).collect();
    (sorted, Within { of, fitting })
}

/// For each key of a draw: whether these parts of it are one of some keys.
pub(crate) fn are_among(draw: &Draw, parts: &[usize], keys: &Tuples) -> Vec<bool> {
    let all: HashSet<u64> =
        (0..keys.len()).map(|row| hash((0..keys.width()).map(|part| keys.raw(row, part)))).collect();
    let is_among = |key: usize| all.contains(&hash(parts.iter().map(|part| draw.keys.raw(key, *part))));
    (0..draw.keys.len()).map(is_among).collect()
}

/// Takes keys out of a draw that no other draw's keys fit.
pub(crate) fn retain(draws: &mut [Draw], at: usize, keep: &[bool]) {
    let draw = &mut draws[at];
    let mut kept = Tuples::new(draw.keys.width());
    for key in (0..draw.keys.len()).filter(|key| keep[*key]) {
        (0..draw.keys.width()).for_each(|part| kept.push_raw(draw.keys.raw(key, part)));
    }
    draw.used = if draw.used == draw.keys.len() { kept.len() } else { draw.used.min(kept.len()) };
    draw.weights.cut(draw.used);
    draw.keys = kept;
    for within in draws.iter_mut().filter_map(|draw| draw.within.as_mut()).filter(|within| within.of == at) {
        let mut kept = keep.iter();
        within.fitting.retain(|_| *kept.next().unwrap_or(&false));
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::super::draw::Weights;
    use super::*;

    fn draw(keys: &[[u8; 2]]) -> Draw {
        let mut tuples = Tuples::new(2);
        keys.iter().flatten().for_each(|part| tuples.push(Some(&[*part])));
        Draw { used: tuples.len(), keys: tuples, null_with: None, weights: Weights::default(), within: None }
    }

    fn parts(draw: &Draw, key: usize) -> [u8; 2] {
        [0, 1].map(|part| draw.keys.value(key, part).expect("not NULL")[0])
    }

    #[test]
    fn what_is_picked_fits_and_what_nothing_fits_is_taken_out() {
        // Orders and customers of tenants, which are the first part of one and the second of the other.
        let mut draws = vec![draw(&[[1, 10], [2, 20], [1, 11], [3, 30]])];
        let customers = draw(&[[50, 1], [60, 3], [51, 1], [52, 1], [61, 3]]);
        let (keys, within) = fit(&customers.keys, 0, &draws[0], &[(1, 0)]);
        assert_eq!(within.fits(), [true, false, true, true]);
        draws.push(Draw { within: Some(within.clone()), ..Draw { keys, ..customers } });
        retain(&mut draws, 0, &within.fits());
        assert_eq!((draws[0].used, draws[0].keys.len()), (3, 3));
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut seen = HashSet::new();
        for _ in 0..1_000 {
            let order = draws[0].pick(&mut rng);
            let customer = draws[1].within.as_ref().expect("it hangs on the other").pick(order, &mut rng);
            let (order, customer) = (parts(&draws[0], order), parts(&draws[1], customer));
            assert_eq!(order[0], customer[1]);
            seen.insert((order[1], customer[0]));
        }
        assert_eq!(seen.len(), 2 * 3 + 2, "{seen:?}");
    }

    #[test]
    fn a_key_is_known_among_others_by_some_of_its_parts() {
        let orders = draw(&[[1, 10], [2, 20]]);
        let mut tenants = Tuples::new(1);
        tenants.push(Some(&[2]));
        assert_eq!(are_among(&orders, &[0], &tenants), [false, true]);
    }
}
