//! Hashes in the place of texts: what is equal stays equal, and what it was is not told.

use sha2::{Digest, Sha256};

use super::Profile;

/// Puts salted hashes in the place of values that are no numbers. The salt is kept nowhere.
pub(super) fn hash_values(profile: &mut Profile) {
    let salt: [u8; 32] = rand::random();
    let columns = profile.tables.iter_mut().flat_map(|table| &mut table.columns);
    for column in columns.filter(|column| !column.widths.is_empty() || !column.value_widths.is_empty()) {
        let Some(values) = &mut column.values else { continue };
        for (value, width) in values.iter_mut().zip(&column.value_widths) {
            *value = hashed(&salt, value, *width);
        }
        column.value_widths.clear();
    }
}

/// A hash of a text, in letters and digits, as long as the text.
fn hashed(salt: &[u8], text: &str, width: u32) -> String {
    let mut letters = String::new();
    let mut round = 0_u32;
    while letters.len() < width as usize {
        let hash = Sha256::new().chain_update(salt).chain_update(round.to_be_bytes()).chain_update(text).finalize();
        letters.extend(hash.iter().map(|byte| char::from(b"abcdefghijklmnopqrstuvwxyz234567"[usize::from(byte % 32)])));
        round += 1;
    }
    letters.truncate(width as usize);
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_as_long_as_what_it_stands_for_and_hangs_on_the_salt() {
        assert_eq!(hashed(b"salt", "paid", 4).len(), 4);
        assert_eq!(hashed(b"salt", "paid", 100).len(), 100);
        assert_eq!(hashed(b"salt", "paid", 9), hashed(b"salt", "paid", 9));
        assert_ne!(hashed(b"salt", "paid", 9), hashed(b"pepper", "paid", 9));
    }
}
