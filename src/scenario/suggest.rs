//! What a mistyped word was meant to be, and lists of words as sentences have them.

/// The one of `words` that `typed` was probably meant to be: the nearest by edit distance (a swap of two neighbours is
/// one edit), if no more than a third of the longer one differs.
pub(super) fn closest<'a>(typed: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |word: &str| word.to_lowercase().replace('-', "_");
    let typed = plain(typed);
    words
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&typed, &plain(word)), word))
        .filter(|(distance, word)| *distance <= (typed.chars().count().max(word.chars().count()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// What to write instead of `typed` where only `words` may be: the likely one first, then all.
pub(super) fn instead(typed: &str, words: &[&str]) -> String {
    let allowed = quoted(words);
    match closest(typed, words.iter().copied()) {
        Some(word) if words.len() > 1 => format!("did you mean `{word}`? Allowed here: {allowed}"),
        Some(word) => format!("did you mean `{word}`?"),
        None => format!("allowed here: {allowed}"),
    }
}

/// `` `a`, `b`, `c` ``.
fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_understood() {
        let words = ["restore", "seed", "table", "migrate-first", "postgres"];
        for (typed, meant) in [
            ("restor", Some("restore")),
            ("tabel", Some("table")),
            ("Migrate_First", Some("migrate-first")),
            ("postgresql", Some("postgres")),
            ("sead", Some("seed")),
            ("oracle", None),
            ("x", None),
        ] {
            assert_eq!(closest(typed, words), meant, "{typed}");
        }
    }
}
