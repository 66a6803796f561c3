//! Texts that are made up: a few words, or what a column's name asks for.

use bytes::BufMut;
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::fake::Fake;

const WORDS: [&str; 32] = [
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
}

impl Texts {
    /// Writes one of so many letters at most.
    pub(crate) fn write(&self, rng: &mut ChaCha8Rng, limit: usize, out: &mut impl BufMut) {
        let mut text = String::new();
        match self {
            Self::Words => return write_words(rng, limit, out),
            Self::Fake(fake) => fake.write(rng, &mut text),
        }
        out.put_slice(cut(&text, limit).as_bytes());
    }
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
    fn a_text_keeps_to_its_limit_in_letters() {
        for texts in [Texts::Words, Texts::Fake(Fake::Email)] {
            for limit in 0..12 {
                let mut out = Vec::new();
                texts.write(&mut ChaCha8Rng::seed_from_u64(limit as u64), limit, &mut out);
                let text = String::from_utf8(out).expect("whole letters");
                assert!(text.chars().count() <= limit, "{text}");
            }
        }
    }
}
