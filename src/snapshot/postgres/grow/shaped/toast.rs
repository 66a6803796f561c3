//! How wide texts are made, so that as much of them goes to the TOAST table as in the profile.

use super::super::kind::Kind;
use super::super::plan::Draft;
use super::{Pattern, ornament, profile_of};
use crate::profile::ColumnProfile;
use crate::snapshot::grow::phrase::Phrases;

/// A pointer to a value in the TOAST table takes so many bytes (`TOAST_POINTER_SIZE`, detoast.h).
const POINTER: f64 = 18.0;
/// The bytes of a value in a chunk, and what a chunk takes on a page with them (`TOAST_MAX_CHUNK_SIZE`; four chunks a page).
const CHUNK: f64 = 1_996.0;
const CHUNK_ON_PAGE: f64 = 2_048.0;
/// To what part of its size made text is compressed by `pglz`, as measured on this project's own made text of 4 to 20 KB.
const COMPRESSED: f64 = 0.62;
/// `ANALYZE` leaves values wider than this out of the common ones and the histogram (`WIDTH_THRESHOLD`, analyze.c).
const TOO_WIDE: f64 = 1_024.0;

/// What makes the rare texts of a column.
pub(super) fn phrases(
    draft: &Draft<'_>,
    at: usize,
    kind: &Kind,
    profile: &ColumnProfile,
    pattern: &Pattern<'_>,
    distinct: u64,
    seed: u64,
) -> Phrases {
    let limit = match kind {
        Kind::Text { limit } => *limit,
        _ => None,
    };
    let ornament = ornament(kind);
    let filled = (1.0 - profile.null_fraction).max(f64::MIN_POSITIVE);
    if toasted(draft, pattern) == Some(at) {
        let outside = pattern.profile.toast_bytes as f64 / (pattern.rows.max(1) as f64 * filled);
        if profile.widths.is_empty() {
            let stored = outside * CHUNK / CHUNK_ON_PAGE;
            // Where all of them are outside, none may be so short that it stays inside.
            let widths: Vec<u32> = if profile.width <= POINTER { (95..=105).collect() } else { Vec::new() };
            return Phrases::new(distinct, &widths, (stored / COMPRESSED - ornament).max(0.0), limit, seed);
        }
        return Phrases::new(distinct, &mixed(profile, outside), mean(&mixed(profile, outside)), limit, seed);
    }
    let rare = (filled - profile.frequencies.iter().sum::<f64>()).max(0.0) / filled;
    let of_common: f64 =
        profile.frequencies.iter().zip(&profile.value_widths).map(|(share, width)| share * f64::from(*width)).sum();
    let commons_known = profile.value_widths.len() == profile.frequencies.len();
    let width = if commons_known && rare > 0.02 {
        (without_header(profile.width) - of_common / filled) / rare
    } else if profile.widths.is_empty() {
        without_header(profile.width)
    } else {
        mean(&profile.widths)
    };
    Phrases::new(distinct, &profile.widths, (width - ornament).max(0.0), limit, seed)
}

/// Values up to 126 bytes have a header of one byte, others of four (`VARATT_CAN_MAKE_SHORT`, varatt.h).
fn without_header(width: f64) -> f64 {
    if width <= 127.0 { width - 1.0 } else { width - 4.0 }
}

fn mean(widths: &[u32]) -> f64 {
    widths.iter().map(|width| f64::from(*width)).sum::<f64>() / widths.len().max(1) as f64
}

/// Widths of which some are those of the histogram, and as many others so wide that they fill the TOAST table as they should.
fn mixed(profile: &ColumnProfile, outside: f64) -> Vec<u32> {
    let inside = mean(&profile.widths) + 2.0;
    // Of what share of pointers and short values the average width that is known would come.
    let share = ((inside - profile.width) / (inside - POINTER)).clamp(0.02, 0.98);
    let wide = (outside / share * CHUNK / CHUNK_ON_PAGE / COMPRESSED).max(TOO_WIDE * 2.0);
    let many = (profile.widths.len() as f64 * share / (1.0 - share)).round().max(1.0);
    let mut widths = profile.widths.clone();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a width and a count")]
    widths.extend(std::iter::repeat_n(wide as u32, many as usize));
    widths
}

/// The column whose values are taken to be in the TOAST table, if that has any to speak of: one without a histogram, which had
/// only values that are too wide for one, or else the widest.
fn toasted(draft: &Draft<'_>, pattern: &Pattern<'_>) -> Option<usize> {
    if (pattern.profile.toast_bytes as f64) < 16.0 * pattern.rows as f64 {
        return None;
    }
    let columns = draft.table.columns.iter().enumerate().filter(|(_, column)| {
        matches!(column.kind, Kind::Text { limit: None } | Kind::Json | Kind::Jsonb | Kind::Bytea)
    });
    let known = columns.filter_map(|(at, column)| Some((at, profile_of(pattern, column)?)));
    let rank = |profile: &ColumnProfile| {
        let none = profile.frequencies.is_empty() && profile.widths.is_empty() && profile.bounds.is_none();
        (none, profile.widths.last().copied().unwrap_or(0))
    };
    known.max_by_key(|(_, profile)| rank(profile)).map(|(at, _)| at)
}
