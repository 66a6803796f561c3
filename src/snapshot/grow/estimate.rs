//! What a server reckons from a sample of how many different values there are: so that one can go back from that to the truth.
//!
//! PostgreSQL takes a sample of 300 rows for each unit of the statistics target, and the estimator Duj1 of Haas and Stokes
//! (`compute_scalar_stats`, analyze.c). Where values are skewed within a column that finds too few, by half at times. A table
//! made with as many as it found would have another estimate again. MySQL has another estimator, for each bucket of a histogram.

/// The sample that an estimate comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Estimator {
    /// Rows of the table whose value is not NULL.
    pub(crate) filled: f64,
    /// As many of them were in the sample.
    pub(crate) sampled: f64,
    /// The most common values: all of them are in the sample more than once.
    pub(crate) commons: f64,
}

impl Estimator {
    /// Whether all rows were looked at, so that there is nothing to go back from.
    pub(crate) fn is_exact(&self) -> bool {
        self.sampled >= self.filled
    }

    /// How many different values beside the most common ones it would reckon where so many rows share so many values as if they
    /// had drawn them at random.
    pub(crate) fn reckons(&self, parts: impl Iterator<Item = (f64, f64)>) -> f64 {
        let share = (self.sampled / self.filled).min(1.0);
        let (mut found, mut once) = (self.commons, 0.0);
        for (rows, distinct) in parts.filter(|(rows, distinct)| *distinct > 0.0 && *rows > 0.0) {
            let sampled = rows * share;
            match cells(rows, distinct) {
                // All of them are different.
                None => {
                    found += sampled;
                    once += sampled;
                }
                Some(cells) => {
                    found += cells * -(-sampled / cells).exp_m1();
                    once += sampled * (-sampled / cells).exp();
                }
            }
        }
        let all = self.sampled * found / (self.sampled - once + once * share).max(1.0);
        (all - self.commons).max(0.0)
    }
}

/// How many different values so many rows have, if MySQL reckoned so many of them from a sample with this share of the rows.
///
/// It uses the estimator GEE of Charikar and others (`EstimateDistinctValues`, equi_height.cc): those that came once in the sample,
/// times the root of one in so many rows that were looked at, and the others as they are. Where all values are different
/// that finds too few.
pub(crate) fn behind_sample(reckoned: f64, rows: f64, share: f64) -> f64 {
    // How many rows there are is reckoned as well, and whole values are told, cut: what comes so close to all of them is all.
    const NEARLY: f64 = 0.96;
    let sampled = rows * share;
    if share >= 1.0 || sampled < 1.0 {
        return reckoned.min(rows);
    }
    let reckons = |distinct: f64| {
        let (found, once) = match cells(rows, distinct) {
            None => (sampled, sampled),
            Some(cells) => (cells * -(-sampled / cells).exp_m1(), sampled * (-sampled / cells).exp()),
        };
        once / share.sqrt() + found - once
    };
    if reckoned + 1.0 >= NEARLY * reckons(rows) {
        return rows;
    }
    let (mut low, mut high) = (1.0, rows.max(1.0));
    for _ in 0..50 {
        let middle = f64::midpoint(low, high);
        if reckons(middle) < reckoned { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// Out of how many values rows must draw at random so that they meet so many different ones; `None` if no two rows shall meet.
pub(crate) fn cells(rows: f64, distinct: f64) -> Option<f64> {
    let met = distinct / rows;
    if met > 0.999 {
        return None;
    }
    // With `y` rows a cell, a share `(1 - exp(-y)) / y` of the rows are the first in theirs. It falls as `y` grows.
    let (mut low, mut high) = (0.0_f64, 1.0 / met + 1.0);
    for _ in 0..50 {
        let y = low.midpoint(high);
        if -(-y).exp_m1() / y > met { low = y } else { high = y }
    }
    Some(rows / low.midpoint(high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_draw_out_of_as_many_cells_meet_as_many_different_values() {
        for (rows, distinct) in [(1_000.0, 10.0), (1_000.0, 632.1), (1_000.0, 900.0)] {
            let cells = cells(rows, distinct).expect("not all different");
            assert!((cells * -(-rows / cells).exp_m1() / distinct - 1.0).abs() < 1e-6);
        }
        assert_eq!(cells(1_000.0, 1_000.0), None);
    }

    #[test]
    fn values_that_are_all_different_are_known_from_what_mysql_reckons_of_a_third_of_them() {
        // As MySQL 9.7 reckoned it from 202 of 599 rows.
        let distinct = behind_sample(355.0, 598.7, 0.337);
        assert!((distinct / 598.7 - 1.0).abs() < 0.01, "{distinct}");
        assert!((behind_sample(6.0, 523.0, 0.337) - 6.0).abs() < 0.1);
    }

    #[test]
    fn what_is_spread_evenly_is_reckoned_rightly_and_what_is_skewed_too_low() {
        let estimator = Estimator { filled: 200_000.0, sampled: 30_000.0, commons: 0.0 };
        let even = estimator.reckons([(200_000.0, 20_000.0)].into_iter());
        assert!((even / 20_000.0 - 1.0).abs() < 0.05, "{even}");
        let skewed = estimator.reckons([(150_000.0, 500.0), (50_000.0, 25_000.0)].into_iter());
        assert!(skewed < 0.7 * 25_500.0, "{skewed}");
    }
}
