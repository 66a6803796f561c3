//! Where the values of a column come from, and how one of them is written.

use std::sync::Arc;

use bytes::BytesMut;
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::field;
use super::kind::Kind;
use super::maker::{Maker, write_uuid};
use super::shaped::Shaped;
use crate::snapshot::grow::draw::{Draw, Over, Pool};
use crate::snapshot::grow::text::{Counted, Texts, cut};
use crate::snapshot::grow::tuples::{Tuples, value};

/// Where the values of a column come from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Null,
    /// The field of the sampled row, by its place in the sample.
    Sampled(usize),
    Made(Maker),
    Pool(Pool),
    /// Numbers that go on where the existing rows stop.
    Count {
        kind: Kind,
        start: i128,
        step: i128,
        over: Over,
    },
    /// The number of an earlier new row, or of one in an earlier lap, for a table without rows that refers to itself. The
    /// first rows refer to themselves, or to nothing.
    Earlier {
        kind: Kind,
        start: i128,
        step: i128,
        over: Over,
        first_is_null: bool,
    },
    /// Text with a number that makes it differ from every other.
    Numbered(Numbered),
    /// Texts of a pattern, each once.
    Counted(Counted),
    Uuid,
    /// So many random bytes.
    RandomBytes(usize),
    /// As a profile has it.
    Shaped(Arc<Shaped>),
    /// A part of the key tuple that was drawn for the row.
    Drawn {
        draw: usize,
        part: usize,
    },
}

/// What was drawn for the row that is being written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Drawn {
    /// Which new row this is, from 0.
    pub(crate) row: u64,
    /// Which row of the sample it follows.
    pub(crate) sample: usize,
    /// How many times every combination was gone through.
    pub(crate) lap: u64,
    /// For each draw: which key.
    pub(crate) keys: Vec<usize>,
}

/// What the sources of all columns share.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    pub(crate) sample: Tuples,
    pub(crate) draws: Vec<Draw>,
}

impl Drawn {
    /// How far a counter is.
    pub(crate) fn nth(&self, over: Over) -> u64 {
        match over {
            Over::Rows => self.row,
            Over::Laps => self.lap,
        }
    }
}

impl Source {
    /// Writes a field. `made` is memory to make a value in.
    pub(crate) fn put(
        &self,
        drawn: &Drawn,
        world: &World,
        rng: &mut ChaCha8Rng,
        made: &mut Vec<u8>,
        out: &mut BytesMut,
    ) {
        made.clear();
        match self {
            Self::Null => return field::put(out, None),
            Self::Sampled(column) => return field::put(out, world.sample.value(drawn.sample, *column)),
            Self::Pool(pool) => return field::put(out, value(pool.pick(rng))),
            Self::Drawn { draw, part } => {
                let of = &world.draws[*draw];
                let is_null = of.null_with.is_some_and(|column| world.sample.value(drawn.sample, column).is_none());
                let key = if is_null { None } else { of.keys.value(drawn.keys[*draw], *part) };
                return field::put(out, key);
            }
            Self::Numbered(numbered) => {
                if !numbered.write(drawn, world, rng, made) {
                    return field::put(out, None);
                }
            }
            Self::Counted(counted) => {
                let mut text = String::new();
                counted.write(drawn.row, &mut text);
                made.extend_from_slice(text.as_bytes());
            }
            Self::Shaped(shaped) => {
                if !shaped.write(drawn.row, made) {
                    return field::put(out, None);
                }
            }
            Self::Made(maker) => maker.write(rng, made),
            Self::Count { kind, start, step, over } => {
                let nth = drawn.nth(*over);
                kind.write_number(made, start.saturating_add(step.saturating_mul(i128::from(nth))));
            }
            Self::Earlier { over, first_is_null: true, .. } if drawn.nth(*over) == 0 => return field::put(out, None),
            Self::Earlier { kind, start, step, over, .. } => {
                let nth = rng.random_range(0..drawn.nth(*over).max(1));
                kind.write_number(made, start.saturating_add(step.saturating_mul(i128::from(nth))));
            }
            Self::Uuid => write_uuid(rng, made),
            Self::RandomBytes(length) => made.extend((0..*length).map(|_| rng.random::<u8>())),
        }
        field::put(out, Some(made));
    }
}

/// Text that is made different from every other by a number: `Ann` becomes `Ann-37`, `ann@example.org`
/// `ann-37@example.org`. Digits alone are different letters in every collation.
#[derive(Debug, Clone)]
pub(crate) struct Numbered {
    /// The sampled column; made-up text without one.
    pub(crate) column: Option<usize>,
    /// Stands beside the number; no existing value has it with such a number.
    pub(crate) marker: char,
    /// Whether the number stands first, because a key holds only the beginning of the text.
    pub(crate) first: bool,
    /// The longest that the text may get, in letters.
    pub(crate) limit: usize,
    /// Whether NULLs stay NULL.
    pub(crate) keep_nulls: bool,
    /// What the texts are that have no sample.
    pub(crate) texts: Texts,
}

impl Numbered {
    /// The letters that a number takes, with its marker.
    pub(crate) fn length(number: u64) -> usize {
        1 + number.to_string().len()
    }

    /// Writes the text; `false` is NULL.
    pub(crate) fn write(&self, drawn: &Drawn, world: &World, rng: &mut ChaCha8Rng, out: &mut Vec<u8>) -> bool {
        let base = self.column.map(|column| world.sample.value(drawn.sample, column));
        let mut made = Vec::new();
        let base = match base {
            Some(None) if self.keep_nulls => return false,
            Some(Some(bytes)) => bytes,
            Some(None) | None => {
                self.texts.write(rng, self.limit, &mut made);
                &made
            }
        };
        self.write_text(String::from_utf8_lossy(base).trim_end(), drawn.row, out);
        true
    }

    fn write_text(&self, text: &str, number: u64, out: &mut Vec<u8>) {
        let number = number.to_string();
        let marker = self.marker;
        let room = self.limit.saturating_sub(1 + number.len());
        if self.first {
            out.extend_from_slice(format!("{number}{marker}{}", cut(text, room)).as_bytes());
            return;
        }
        // In an address the number goes before the `@`, so that it stays one.
        let (head, tail) = match text.rfind('@') {
            Some(at) if text[at..].chars().count() <= room => text.split_at(at),
            Some(at) => (&text[..at], ""),
            None => (text, ""),
        };
        let head = cut(head, room - tail.chars().count());
        out.extend_from_slice(format!("{}{marker}{number}{tail}", head.trim_end()).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_makes_text_different_and_keeps_it_within_its_limit() {
        for (text, limit, first, number, expected) in [
            ("Ann", 20, false, 0, "Ann-0"),
            ("Ann", 20, true, 12, "12-Ann"),
            ("Annabel", 5, true, 12, "12-An"),
            ("ann@example.org", 20, false, 35, "ann-35@example.org"),
            ("Annabel", 5, false, 1, "Ann-1"),
            ("An Annabel", 5, false, 1, "An-1"),
            ("Änne", 4, false, 1, "Än-1"),
            ("ann@example.org", 14, false, 1, "-1@example.org"),
            ("ann@example.org", 6, false, 1, "ann-1"),
            ("", 2, false, 7, "-7"),
        ] {
            let numbered = Numbered { column: None, marker: '-', first, limit, keep_nulls: false, texts: Texts::Words };
            let mut out = Vec::new();
            numbered.write_text(text, number, &mut out);
            assert_eq!(std::str::from_utf8(&out), Ok(expected), "{text} {limit:?}");
        }
    }
}
