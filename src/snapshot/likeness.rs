//! Comparing what was made after a profile with the profile.

/// Fewer different values are not compared.
pub(super) const FEWEST: f64 = 20.0;

/// By how many per cent a figure is off, if what it shall be is large enough to tell.
pub(super) fn percent(is: f64, shall: f64, smallest: f64) -> Option<i32> {
    #[expect(clippy::cast_possible_truncation, reason = "it saturates")]
    (shall >= smallest).then(|| ((is / shall - 1.0) * 100.0).round() as i32)
}

/// What is farthest off, with its name.
pub(super) fn farthest(percents: impl Iterator<Item = (i32, String)>) -> Option<(i32, String)> {
    percents.max_by_key(|(percent, _)| percent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_farthest_off_is_told_and_what_is_too_small_is_not() {
        assert_eq!(percent(110.0, 100.0, FEWEST), Some(10));
        assert_eq!(percent(19.0, 10.0, FEWEST), None);
        let named = [(3, "a".to_owned()), (-7, "b".to_owned())];
        assert_eq!(farthest(named.into_iter()), Some((-7, "b".to_owned())));
        assert_eq!(farthest([].into_iter()), None);
    }
}
