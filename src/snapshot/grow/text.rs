//! Texts that are made up: a few words, what a column's name asks for, or what a pattern describes.

use bytes::BufMut;
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::fake::Fake;
use crate::scenario::Pattern;

/// Words that texts are made of.
pub(crate) const WORDS: [&str; 32] = [
    "amber", "basil", "cedar", "delta", "ember", "fable", "grove", "haven", "inlet", "jolly", "kayak", "lemon",
    "maple", "noble", "ocean", "pearl", "quilt", "river", "stone", "tulip", "umber", "vivid", "willow", "xenon",
    "yield", "zephyr", "birch", "coral", "dune", "flint", "harbor", "meadow",
];

/// What a made-up text is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Texts {
    /// One to three words.
    #[default]
    Words,
    /// A name, an address, an email.
    Fake(Fake),
    /// What a pattern describes.
    Pattern(Pattern),
}

impl Texts {
    /// Writes one of so many letters at most.
    pub(crate) fn write(&self, rng: &mut ChaCha8Rng, limit: usize, out: &mut impl BufMut) {
        let mut text = String::new();
        match self {
            Self::Words => return write_words(rng, limit, out),
            Self::Fake(fake) => fake.write(rng, &mut text),
            Self::Pattern(pattern) => pattern.write(rng, &mut text),
        }
        out.put_slice(cut(&text, limit).as_bytes());
    }
}

/// The texts of a pattern, each of them once, in an order that looks shuffled.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    pattern: Pattern,
    count: u128,
    stride: u128,
}

impl Counted {
    /// Those of this pattern, or the first of them where they are very many.
    pub(crate) fn new(pattern: &Pattern) -> Self {
        // So many that no product with a number of rows overflows.
        let count = pattern.count().clamp(1, 1 << 60);
        // About the golden section; without a common divisor every number comes once.
        let mut stride = (count * 618_033_989 / 1_000_000_000).max(1);
        while gcd(stride, count) > 1 {
            stride += 1;
        }
        Self { pattern: pattern.clone(), count, stride }
    }

    /// How many there are, at least.
    pub(crate) fn count(&self) -> u128 {
        self.count
    }

    /// Writes that of a row.
    pub(crate) fn write(&self, row: u64, out: &mut String) {
        self.pattern.write_nth(u128::from(row) * self.stride % self.count, out);
    }
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The first letters of a text.
pub(crate) fn cut(text: &str, letters: usize) -> &str {
    &text[..text.char_indices().nth(letters).map_or(text.len(), |(at, _)| at)]
}

fn write_words(rng: &mut ChaCha8Rng, limit: usize, out: &mut impl BufMut) {
    let mut room = limit;
    for nth in 0..rng.random_range(1..=3) {
        if nth > 0 && room > 0 {
            out.put_u8(b' ');
            room -= 1;
        }
        let word = WORDS[rng.random_range(0..WORDS.len())];
        let word = &word[..word.len().min(room)];
        out.put_slice(word.as_bytes());
        room -= word.len();
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn counted_texts_come_once_each() {
        let counted = Counted::new(&Pattern::parse("[A-F]{3}").expect("it is one"));
        let text = |row| {
            let mut text = String::new();
            counted.write(row, &mut text);
            text
        };
        assert_eq!((counted.count(), (0..216).map(text).collect::<std::collections::BTreeSet<_>>().len()), (216, 216));
    }

    #[test]
    fn a_text_keeps_to_its_limit_in_letters() {
        let pattern = Texts::Pattern(Pattern::parse("é{9}").expect("it is one"));
        for texts in [Texts::Words, Texts::Fake(Fake::Email), pattern] {
            for limit in 0..12 {
                let mut out = Vec::new();
                texts.write(&mut ChaCha8Rng::seed_from_u64(limit as u64), limit, &mut out);
                let text = String::from_utf8(out).expect("whole letters");
                assert!(text.chars().count() <= limit, "{text}");
            }
        }
    }
}
