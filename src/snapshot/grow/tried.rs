//! Values that are tried against CHECK constraints, and what to make of those that the server takes.

use std::collections::BTreeSet;

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::hints::Hint;
use super::text::{Texts, cut};
use crate::scenario::Pattern;

/// How many values of one column are tried, and how many of several columns that belong together.
pub(crate) const TRIES: (usize, usize) = (2_048, 8_192);
/// With more different values than this they stay as often as they came.
const FEW: usize = 64;

/// Columns that constraints tie together, and those constraints, by their places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) columns: Vec<usize>,
    pub(crate) checks: Vec<usize>,
}

/// Puts constraints together that speak of the same columns. One that speaks of a column that is not `open` is left out.
pub(crate) fn groups(checks: &[Vec<usize>], open: impl Fn(usize) -> bool) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (at, columns) in checks.iter().enumerate() {
        if columns.is_empty() || !columns.iter().all(|column| open(*column)) {
            continue;
        }
        let mut merged = Group { columns: columns.clone(), checks: vec![at] };
        groups.retain(|group| {
            let apart = group.columns.iter().all(|column| !merged.columns.contains(column));
            if !apart {
                merged.columns.extend(&group.columns);
                merged.checks.extend(&group.checks);
            }
            apart
        });
        merged.columns.sort_unstable();
        merged.columns.dedup();
        merged.checks.sort_unstable();
        groups.push(merged);
    }
    groups
}

/// Numbers to try, in the unit of their kind.
#[derive(Debug, Clone)]
pub(crate) struct Numbers {
    /// Between which they usually are.
    pub(crate) usual: (i128, i128),
    /// What they are compared with.
    pub(crate) literals: Vec<i128>,
    /// What the column can hold.
    pub(crate) limits: (i128, i128),
}

impl Numbers {
    /// One of them, and whether it is a usual one.
    pub(crate) fn pick(&self, rng: &mut ChaCha8Rng) -> (i128, bool) {
        let (low, high) = self.usual;
        let usual = |rng: &mut ChaCha8Rng| rng.random_range(low..=high);
        let (Some(least), Some(most)) = (self.literals.iter().min(), self.literals.iter().max()) else {
            return (usual(rng), true);
        };
        let near = self.literals[rng.random_range(0..self.literals.len())];
        let width = (high - low).max(1);
        let number = match rng.random_range(0..8) {
            0 => near + rng.random_range(-1..=1),
            1..=3 => rng.random_range(*least..=*most),
            4 | 5 => near.saturating_add(rng.random_range(0..=width)),
            6 => near.saturating_sub(rng.random_range(0..=width)),
            _ => return (usual(rng), true),
        };
        (number.clamp(self.limits.0, self.limits.1), false)
    }
}

/// Texts to try.
#[derive(Debug, Clone)]
pub(crate) struct TriedTexts {
    literals: Vec<String>,
    patterns: Vec<Pattern>,
    lengths: Vec<usize>,
    usual: Texts,
    /// The most letters.
    limit: usize,
}

impl TriedTexts {
    pub(crate) fn new(hints: &[Hint], usual: Texts, limit: usize) -> Self {
        let mut tried = Self { literals: vec![], patterns: vec![], lengths: vec![], usual, limit };
        for hint in hints {
            match hint {
                Hint::Text(text) => tried.literals.push(text.clone()),
                Hint::Number(number) => tried.lengths.extend(number.parse::<usize>().ok().filter(|n| *n < 10_000)),
                Hint::Regex(text) => tried.patterns.extend(Pattern::parse(text).ok()),
                Hint::Like(text) => tried.patterns.extend(Pattern::like(text).ok()),
            }
        }
        tried
    }

    /// One of them, and whether it is a usual one.
    pub(crate) fn pick(&self, rng: &mut ChaCha8Rng) -> (String, bool) {
        let mut text = String::new();
        let way = rng.random_range(0..8);
        if way < 3 && !self.literals.is_empty() {
            text.clone_from(&self.literals[rng.random_range(0..self.literals.len())]);
        } else if way < 6 && !self.patterns.is_empty() {
            self.patterns[rng.random_range(0..self.patterns.len())].write(rng, &mut text);
        } else {
            let mut made = Vec::new();
            self.usual.write(rng, self.limit, &mut made);
            text = String::from_utf8_lossy(&made).into_owned();
            if way == 7 {
                return (text, true);
            }
            if !self.lengths.is_empty() {
                let most = self.lengths[rng.random_range(0..self.lengths.len())];
                let letters = match rng.random_range(0..3) {
                    0 => most,
                    1 => rng.random_range(0..=most),
                    _ => rng.random_range(most..=most + 8),
                };
                while text.chars().count() < letters {
                    let again = text.clone();
                    text.push_str(if again.is_empty() { "x" } else { &again });
                }
                text.truncate(cut(&text, letters).trim_end().len());
            }
            match rng.random_range(0..4) {
                0 => text = text.to_uppercase(),
                1 => text.retain(char::is_alphanumeric),
                _ => {}
            }
        }
        (cut(&text, self.limit).to_owned(), false)
    }
}

/// What to make of the values of one column that the server took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Every usual value keeps the constraints.
    Usual,
    /// Every number of this range does, as far as they were tried.
    Range(i128, i128),
    /// These values do, by their places among the tried ones.
    Values(Vec<usize>),
}

/// One value that was tried.
#[derive(Debug, Clone)]
pub(crate) struct Try<'a> {
    /// Its bytes.
    pub(crate) raw: &'a [u8],
    /// What it is as a number.
    pub(crate) number: Option<i128>,
    pub(crate) is_usual: bool,
    /// Whether the server took it.
    pub(crate) is_kept: bool,
}

/// What to make of them; `None` if none was taken.
pub(crate) fn outcome(tries: &[Try<'_>]) -> Option<Outcome> {
    if !tries.iter().any(|value| value.is_kept) {
        return None;
    }
    let mut usual = tries.iter().filter(|value| value.is_usual).peekable();
    if usual.peek().is_some() && usual.all(|value| value.is_kept) {
        return Some(Outcome::Usual);
    }
    let numbers: Option<Vec<(i128, bool)>> = tries.iter().map(|value| Some((value.number?, value.is_kept))).collect();
    if let Some(numbers) = numbers {
        let kept = || numbers.iter().filter(|(_, kept)| *kept).map(|(number, _)| *number);
        if let (Some(low), Some(high)) = (kept().min(), kept().max())
            && numbers.iter().all(|(number, kept)| *kept || !(low..=high).contains(number))
        {
            return Some(Outcome::Range(low, high));
        }
    }
    let mut places: Vec<usize> = (0..tries.len()).filter(|at| tries[*at].is_kept).collect();
    if places.iter().map(|at| tries[*at].raw).collect::<BTreeSet<_>>().len() <= FEW {
        let mut seen = BTreeSet::new();
        places.retain(|at| seen.insert(tries[*at].raw));
    }
    Some(Outcome::Values(places))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    /// What is made of numbers that are usually 1 to 1000, and compared with these, where the server takes those of `keep`.
    fn made_of(literals: &[i128], keep: impl Fn(i128) -> bool) -> Option<Outcome> {
        let numbers = Numbers { usual: (1, 1_000), literals: literals.to_vec(), limits: (-32_768, 32_767) };
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let picked: Vec<(i128, bool)> = (0..TRIES.0).map(|_| numbers.pick(&mut rng)).collect();
        let bytes: Vec<[u8; 16]> = picked.iter().map(|(number, _)| number.to_be_bytes()).collect();
        let tries = picked.iter().zip(&bytes).map(|((number, is_usual), raw)| Try {
            raw,
            number: Some(*number),
            is_usual: *is_usual,
            is_kept: keep(*number),
        });
        outcome(&tries.collect::<Vec<_>>())
    }

    #[test]
    fn bounds_are_found_by_trying() {
        assert_eq!(made_of(&[0], |n| n > 0), Some(Outcome::Usual));
        assert_eq!(made_of(&[10, 20], |n| (10..=20).contains(&n)), Some(Outcome::Range(10, 20)));
        assert_eq!(made_of(&[10, 20], |n| n > 10 && n < 20), Some(Outcome::Range(11, 19)));
        let Some(Outcome::Range(low, -1)) = made_of(&[0], |n| n < 0) else { panic!("a range up to -1") };
        assert!((-1_001..-900).contains(&low));
        let Some(Outcome::Values(few)) = made_of(&[1, 7, 500], |n| [1, 7, 500].contains(&n)) else { panic!("values") };
        assert_eq!(few.len(), 3);
        assert_eq!(made_of(&[5], |_| false), None);
    }

    #[test]
    fn constraints_of_the_same_columns_are_one_group() {
        let checks = [vec![0], vec![1, 2], vec![3], vec![2, 4], vec![5, 9], vec![]];
        let group = |columns: &[usize], checks: &[usize]| Group { columns: columns.into(), checks: checks.into() };
        let expected = [group(&[0], &[0]), group(&[3], &[2]), group(&[1, 2, 4], &[1, 3])];
        assert_eq!(groups(&checks, |column| column < 9), expected);
    }
}
