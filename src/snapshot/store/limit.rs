//! How much of the disk prepared snapshots may take, and which have to go.

use super::{Entry, StoreError};

/// The variable that says how much they may take together.
pub const LIMIT_VARIABLE: &str = "REHEARSAL_SNAPSHOT_LIMIT";
/// How much that is when nobody says.
const DEFAULT: u64 = 20_000_000_000;

pub(super) fn from_environment() -> Result<u64, StoreError> {
    match std::env::var(LIMIT_VARIABLE) {
        Ok(text) if !text.is_empty() => bytes(&text).ok_or(StoreError::Limit(text)),
        _ => Ok(DEFAULT),
    }
}

/// Which entries have to go, of all, the one used last first. The one that is `needed` stays.
pub(super) fn beyond(entries: Vec<Entry>, limit: u64, needed: &str) -> Vec<Entry> {
    let (needed, others): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(|entry| entry.digest == needed);
    let mut total: u64 = needed.iter().map(|entry| entry.about.bytes).sum();
    let mut gone = Vec::new();
    for entry in others {
        total = total.saturating_add(entry.about.bytes);
        if total > limit {
            gone.push(entry);
        }
    }
    gone
}

/// `50GB`, `512 MiB`, `1000000`.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "mb" => 1_000_000,
        "mib" => 1 << 20,
        "gb" => 1_000_000_000,
        "gib" => 1 << 30,
        "tb" => 1_000_000_000_000,
        "tib" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_written_with_a_unit() {
        assert_eq!(bytes("50GB"), Some(50_000_000_000));
        assert_eq!(bytes(" 512 MiB "), Some(512 << 20));
        assert_eq!(bytes("0"), Some(0));
        for wrong in ["", "GB", "-1GB", "5 apples", "99999999999999TB"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }
}
