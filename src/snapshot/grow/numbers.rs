//! The values of a column's profile as whole numbers, in the unit of the column's kind.

/// The values of a profile as numbers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Numbers {
    /// The most common ones; empty if they are not all numbers.
    pub(crate) commons: Vec<i64>,
    /// The bounds of the histogram, or else the lowest and the highest of the common ones; two at least.
    pub(crate) bounds: Vec<i64>,
}

impl Numbers {
    /// From the most common values and the bounds of the histogram; `None` if those are too few to lie between.
    pub(crate) fn new(commons: Vec<i64>, mut bounds: Vec<i64>) -> Option<Self> {
        if bounds.len() < 2 {
            bounds = commons.iter().min().into_iter().chain(commons.iter().max()).copied().collect();
        }
        bounds.sort_unstable();
        (bounds.len() >= 2).then_some(Self { commons, bounds })
    }

    /// Which share of the histogram is below a number.
    pub(crate) fn position(&self, number: i64) -> f64 {
        let after = self.bounds.partition_point(|bound| *bound <= number);
        let parts = (self.bounds.len() - 1) as f64;
        let Some(before) = after.checked_sub(1) else { return 0.0 };
        let Some(next) = self.bounds.get(after) else { return 1.0 };
        let low = self.bounds[before];
        (before as f64 + number.abs_diff(low) as f64 / next.abs_diff(low) as f64) / parts
    }

    /// As places in a list of keys; `None` if that is empty, or not in order. `there` are the lowest and the highest key that the
    /// numbers were among, if that is known: those of the list may lie elsewhere, or wider apart.
    pub(crate) fn places_in(&self, keys: &[i64], there: Option<(i64, i64)>) -> Option<Self> {
        let last = keys.len().checked_sub(1).filter(|_| keys.is_sorted())?;
        let moved = |number: i64| match there {
            Some((low, high)) if low < high => {
                let (range, own) = (i128::from(high) - i128::from(low), i128::from(keys[last]) - i128::from(keys[0]));
                let along = (i128::from(number) - i128::from(low)).clamp(0, range);
                i64::try_from(i128::from(keys[0]) + along * own / range).unwrap_or(number)
            }
            _ => number,
        };
        let place = |number: &i64| {
            let number = moved(*number);
            i64::try_from(keys.partition_point(|key| *key < number).min(last)).ok()
        };
        let places = |numbers: &[i64]| numbers.iter().map(place).collect::<Option<Vec<i64>>>();
        Some(Self { commons: places(&self.commons)?, bounds: places(&self.bounds)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_a_place_in_its_histogram_and_among_keys() {
        let numbers = Numbers::new(vec![15, 40], vec![30, 10, 20]).expect("three bounds");
        let percent = |number| format!("{:.0}", numbers.position(number) * 100.0);
        assert_eq!([5, 10, 15, 25, 40].map(percent), ["0", "0", "25", "75", "100"]);
        let places = numbers.places_in(&[10, 15, 30, 35], None).expect("in order");
        assert_eq!((places.commons, places.bounds), (vec![1, 3], vec![0, 2, 2]));
        assert_eq!(numbers.places_in(&[3, 1], None), None);
        // Ten times as many keys as there were.
        let keys: Vec<i64> = (1..=100).collect();
        let among_ten = Numbers::new(vec![3], vec![1, 5, 10]).expect("three bounds");
        let places = among_ten.places_in(&keys, Some((1, 10))).expect("in order");
        assert_eq!((places.commons, places.bounds), (vec![22], vec![0, 44, 99]));
        assert_eq!(Numbers::new(vec![], vec![7]), None);
        assert_eq!(Numbers::new(vec![9, 3], vec![]).map(|numbers| numbers.bounds), Some(vec![3, 9]));
    }
}
