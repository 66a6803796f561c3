//! Comparing what was made after a profile with the profile.

/// Fewer different values are not compared.
pub(super) const FEWEST: f64 = 20.0;

/// By how many per cent a figure is off from what it was there, times a share, if both are large enough to tell.
pub(super) fn percent(is: f64, there: f64, share: f64, smallest: f64) -> Option<i32> {
    let shall = there * share;
    #[expect(clippy::cast_possible_truncation, reason = "it saturates")]
    (shall >= smallest && there >= smallest).then(|| ((is / shall - 1.0) * 100.0).round() as i32)
}

/// Whether a share is so close to all that how often parents are referred to can be compared: with other numbers of rows on both
/// sides it is another one, however alike they are.
pub(super) fn is_whole(share: f64) -> bool {
    (0.99..1.01).contains(&share)
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
        assert_eq!(percent(110.0, 50.0, 2.0, FEWEST), Some(10));
        assert_eq!(percent(19.0, 10.0, 1.0, FEWEST), None);
        assert_eq!(percent(190.0, 10.0, 10.0, FEWEST), None);
        let named = [(3, "a".to_owned()), (-7, "b".to_owned())];
        assert_eq!(farthest(named.into_iter()), Some((-7, "b".to_owned())));
        assert_eq!(farthest([].into_iter()), None);
    }
}
