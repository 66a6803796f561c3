//! How wide texts are, of which MySQL keeps no statistics: by their histogram where they are short, and by the size of the rows where
//! they are not.

use super::super::ColumnProfile;
use super::histogram::LETTERS;
use crate::snapshot::mysql::grow::Kind;

/// Bytes of a page, what is not for rows in it, and what of the rest is used where rows come in order (MySQL 9.7 manual,
/// 17.6.2.2 "The Physical Structure of an InnoDB Index": 15/16).
const PAGE: f64 = 16_384.0;
const PAGE_ONLY: f64 = 130.0;
const FILLED: f64 = 15.0 / 16.0;
/// Header, transaction and undo pointer of a row (`REC_N_NEW_EXTRA_BYTES`, `DATA_TRX_ID_LEN`, `DATA_ROLL_PTR_LEN`), and its share of
/// the page's directory.
const ROW_ONLY: f64 = 5.0 + 6.0 + 7.0 + 0.4;

/// What is known of the widths of a table's columns.
#[derive(Debug)]
pub(super) struct Widths {
    /// Bytes that a row has for its values.
    room: f64,
    /// Bytes that values of known width take.
    known: f64,
    /// Texts of unknown width in a row, on average.
    open: f64,
}

impl Widths {
    pub(super) fn of_table(bytes: u64, rows: u64) -> Self {
        let pages = bytes as f64 / PAGE;
        let room = (pages * (PAGE - PAGE_ONLY) * FILLED / rows.max(1) as f64 - ROW_ONLY).max(0.0);
        Self { room, known: 0.0, open: 0.0 }
    }

    /// Counts a column in.
    pub(super) fn add(&mut self, kind: &Kind, column: Option<&ColumnProfile>) {
        let filled = column.map_or(1.0, |column| 1.0 - column.null_fraction);
        // A bit for NULL, and one or two bytes for the length of what varies.
        self.known += 0.125;
        match (fixed(kind), column) {
            (Some(width), _) => self.known += filled * width,
            (None, Some(column)) if is_short(column) => self.known += filled * (1.0 + short(column)),
            (None, _) => {
                self.known += filled * 2.0;
                self.open += filled;
            }
        }
    }

    /// The column with its width.
    pub(super) fn fit(&self, kind: &Kind, mut column: ColumnProfile) -> ColumnProfile {
        let open = ((self.room - self.known) / self.open.max(f64::MIN_POSITIVE)).max(1.0);
        column.width = match fixed(kind) {
            Some(width) => width,
            None if is_short(&column) => short(&column),
            None => open.min(limit(kind)),
        };
        if fixed(kind).is_none() && !is_short(&column) {
            // The beginnings that the histogram has say nothing of the whole.
            column.widths.clear();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a width in bytes")]
            column.value_widths.fill(column.width as u32);
        }
        column
    }
}

/// Whether the histogram has whole texts.
fn is_short(column: &ColumnProfile) -> bool {
    let mut widths = column.widths.iter().chain(&column.value_widths).peekable();
    widths.peek().is_some() && widths.all(|width| (*width as usize) < LETTERS)
}

fn short(column: &ColumnProfile) -> f64 {
    let of = |shares: f64, width: &u32| shares * f64::from(*width);
    let common: f64 = column.frequencies.iter().zip(&column.value_widths).map(|(share, width)| of(*share, width)).sum();
    let filled = (1.0 - column.null_fraction).max(f64::MIN_POSITIVE);
    let rare = (filled - column.frequencies.iter().sum::<f64>()).max(0.0);
    let others = column.widths.iter().map(|width| f64::from(*width)).sum::<f64>() / column.widths.len().max(1) as f64;
    (common + rare * others) / filled
}

fn limit(kind: &Kind) -> f64 {
    match kind {
        Kind::Text { limit } | Kind::Bytes { limit, .. } => *limit as f64,
        _ => f64::MAX,
    }
}

/// Bytes of a value of a type whose values are all as wide (MySQL 9.7 manual, 13.7 "Data Type Storage Requirements").
fn fixed(kind: &Kind) -> Option<f64> {
    let fraction = |digits: u32| f64::from(digits.div_ceil(2));
    Some(match kind {
        Kind::Int { greatest, .. } => match *greatest {
            0..=255 => 1.0,
            256..=65_535 => 2.0,
            65_536..=16_777_215 => 3.0,
            16_777_216..=4_294_967_295 => 4.0,
            _ => 8.0,
        },
        Kind::Bool | Kind::Year => 1.0,
        Kind::Decimal { whole, scale, .. } => {
            let bytes = |digits: u32| f64::from(digits / 9 * 4 + (digits % 9).div_ceil(2));
            bytes(*whole) + bytes(*scale)
        }
        Kind::Float { .. } => 8.0,
        Kind::Bit { bits } => f64::from(bits.div_ceil(8)),
        Kind::Enum(labels) => {
            if labels.len() < 256 {
                1.0
            } else {
                2.0
            }
        }
        Kind::Set(labels) => labels.len().div_ceil(8) as f64,
        Kind::Date => 3.0,
        Kind::Time { digits } => 3.0 + fraction(*digits),
        Kind::Moment { digits, timestamp } => (if *timestamp { 4.0 } else { 5.0 }) + fraction(*digits),
        Kind::Bytes { limit, fixed: true } => *limit as f64,
        Kind::Point { .. } => 25.0,
        Kind::Uuid => 16.0,
        Kind::Inet { v6 } => {
            if *v6 {
                16.0
            } else {
                4.0
            }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_unknown_width_gets_what_the_others_leave() {
        let mut widths = Widths::of_table(100 * 16_384, 10_000);
        let note = ColumnProfile {
            value_widths: vec![42],
            frequencies: vec![0.5],
            null_fraction: 0.5,
            ..ColumnProfile::default()
        };
        let (int, text) = (Kind::Int { least: 0, greatest: u32::MAX.into() }, Kind::Text { limit: 16_000 });
        widths.add(&int, None);
        widths.add(&text, Some(&note));
        let fitted = widths.fit(&text, note);
        // 152.4 bytes a row, of which 18.4 are the row's own, 4 the number's, 0.25 bits and 1 the length of half the texts.
        assert!((fitted.width - 2.0 * (152.38 - 18.4 - 4.0 - 0.25 - 1.0)).abs() < 1.0, "{}", fitted.width);
    }
}
