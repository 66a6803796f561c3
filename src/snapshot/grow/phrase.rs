//! Text in the place of text that is not known: with its widths, as many different ones, in an order, and as compressible as
//! text is.
//!
//! A text is a number in letters and digits, which makes it differ from the others and puts it in its place among them, and goes on
//! with words.

use std::sync::LazyLock;

use super::shuffle::mix;

/// A stretch of words that texts are cut out of.
static WORDS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    const SYLLABLES: [&str; 40] = [
        "an", "ber", "cal", "den", "el", "far", "gor", "han", "is", "jo", "ka", "len", "mar", "nor", "ol", "per",
        "qui", "ra", "sen", "tor", "ul", "ver", "wil", "xa", "yon", "zel", "bri", "cro", "dra", "flo", "gla", "ki",
        "mo", "nu", "pla", "ri", "sta", "tre", "vo", "we",
    ];
    let mut text = String::new();
    let mut at = 0;
    while text.len() < STRETCH {
        // As in a language, some words come far more often than others.
        let word = mix(11, mix(12, at) % (1 + mix(13, at) % 1_500));
        for syllable in 0..=1 + word % 3 {
            text.push_str(SYLLABLES[usize::try_from(mix(word, syllable) % 40).unwrap_or(0)]);
        }
        text.push(' ');
        at += 1;
    }
    text.into_bytes()
});

const STRETCH: usize = 1 << 18;

/// Makes texts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Phrases {
    /// How many different ones.
    distinct: u64,
    /// Letters that tell them apart.
    digits: usize,
    /// Widths to choose from, in bytes.
    widths: Vec<u32>,
    /// What widths are multiplied by, so that their average is right.
    factor: f64,
    limit: usize,
    seed: u64,
}

impl Phrases {
    /// So many different ones, of `width` bytes on average, spread as `widths` (which may be empty); none longer than `limit`.
    pub(crate) fn new(distinct: u64, widths: &[u32], width: f64, limit: Option<usize>, seed: u64) -> Self {
        let most = limit.and_then(|limit| 36_u64.checked_pow(u32::try_from(limit).ok()?)).unwrap_or(u64::MAX);
        let distinct = distinct.clamp(1, most.max(1));
        let mut digits = 1;
        while 36_u128.pow(digits) < u128::from(distinct) {
            digits += 1;
        }
        let digits = digits as usize;
        let widths = if widths.is_empty() { (50..150).collect() } else { widths.to_vec() };
        let limit = limit.unwrap_or(usize::MAX).max(digits);
        let mut phrases = Self { distinct, digits, widths, factor: 1.0, limit, seed };
        // Short ones are made longer and long ones are cut, so the factor is found in a few steps.
        for _ in 0..12 {
            let mean = phrases.mean();
            phrases.factor *= (width / mean.max(0.1)).clamp(0.1, 10.0);
        }
        phrases
    }

    fn mean(&self) -> f64 {
        let of = self.widths.iter().map(|width| self.fitted(*width) as f64);
        of.sum::<f64>() / self.widths.len() as f64
    }

    fn fitted(&self, width: u32) -> usize {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a width in bytes")]
        let width = (f64::from(width) * self.factor).round() as usize;
        width.clamp(self.digits, self.limit.max(self.digits))
    }

    /// Writes the text of a number below the count of different ones.
    pub(crate) fn put(&self, number: u64, out: &mut Vec<u8>) {
        let choice = mix(self.seed, number);
        let width = self.widths[usize::try_from(choice % self.widths.len() as u64).unwrap_or(0)];
        let width = self.fitted(width);
        let begin = out.len();
        put_number(number.min(self.distinct - 1), self.digits, out);
        fill(choice, begin + width, out);
    }
}

/// A text for one of the most common values: as wide as that is, and different from those of other numbers where there is room.
pub(crate) fn common(nth: usize, width: usize) -> Vec<u8> {
    // Of letters and digits, three are enough for all that a server calls common (`STATISTICS` goes up to 10,000).
    const DIGITS: usize = 3;
    let mut out = Vec::new();
    if width > DIGITS {
        // Made-up numbers of others rarely begin so.
        out.push(b'z');
    }
    put_number(nth as u64, width.min(DIGITS), &mut out);
    fill(mix(3, nth as u64), width, &mut out);
    out
}

/// Puts words until the text ends at `end`.
fn fill(choice: u64, end: usize, out: &mut Vec<u8>) {
    let mut from = usize::try_from((choice >> 20) % STRETCH as u64).unwrap_or(0);
    while out.len() < end {
        let take = (end - out.len()).min(STRETCH - from);
        out.extend_from_slice(&WORDS[from..from + take]);
        from = 0;
    }
    // Text with a blank at its end is another length to some types. (What was put before has none.)
    if let Some(last) = out.last_mut().filter(|last| **last == b' ') {
        *last = b'e';
    }
}

fn put_number(number: u64, digits: usize, out: &mut Vec<u8>) {
    let begin = out.len();
    out.resize(begin + digits, b'0');
    let mut rest = number;
    for place in out[begin..].iter_mut().rev() {
        *place = b"0123456789abcdefghijklmnopqrstuvwxyz"[usize::try_from(rest % 36).unwrap_or(0)];
        rest /= 36;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn texts_are_different_in_order_and_as_wide_as_wished() {
        let phrases = Phrases::new(5_000, &[4, 20, 33, 60], 28.0, Some(64), 1);
        let texts: Vec<Vec<u8>> = (0..5_000)
            .map(|number| {
                let mut text = Vec::new();
                phrases.put(number, &mut text);
                text
            })
            .collect();
        assert!(texts.is_sorted());
        assert_eq!(texts.iter().collect::<BTreeSet<_>>().len(), 5_000);
        assert!(texts.iter().all(|text| text.len() <= 64 && text.is_ascii()));
        let mean = texts.iter().map(Vec::len).sum::<usize>() as f64 / 5_000.0;
        assert!((mean - 28.0).abs() < 0.5, "{mean}");
    }

    #[test]
    fn common_texts_have_their_width_where_they_can_be_told_apart_in_it() {
        assert_eq!([0, 3, 4, 200].map(|width| common(5, width).len()), [0, 3, 4, 200]);
        for (width, count) in [(1, 36), (2, 1_000), (3, 10_000), (4, 10_000), (30, 10_000)] {
            let texts: BTreeSet<_> = (0..count).map(|nth| common(nth, width)).collect();
            assert_eq!(texts.len(), count, "{width}");
        }
    }

    #[test]
    fn no_text_is_longer_than_its_column_allows() {
        let phrases = Phrases::new(5_000, &[1], 1.0, Some(1), 1);
        let mut text = Vec::new();
        phrases.put(4_999, &mut text);
        assert_eq!(text, b"z");
    }
}
