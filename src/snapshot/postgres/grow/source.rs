//! Where the values of a column come from, and how one of them is written.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::kind::Kind;
use super::maker::{Maker, framed, put_uuid};
use super::shaped::Shaped;
use super::tuples::{NULL, Tuples, put_field};
pub(crate) use crate::snapshot::grow::draw::{Draw, Over, Pool, Weights};
use crate::snapshot::grow::text::{Counted, Texts};

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
        start: i64,
        step: i64,
        over: Over,
    },
    /// The sampled moment, as many microseconds later as that moment was drawn before, so that it meets no other one.
    Later {
        /// Its place in the sample.
        column: usize,
        /// Which of the world's moments these are.
        moments: usize,
    },
    /// The number of an earlier new row, or of one in an earlier lap, for a table without rows that refers to itself. The
    /// first rows refer to themselves, or to nothing.
    Earlier {
        kind: Kind,
        start: i64,
        step: i64,
        over: Over,
        first_is_null: bool,
    },
    /// Text with a number that makes it differ from every other.
    Numbered(Numbered),
    /// Texts of a pattern, each once.
    Counted(Counted),
    Uuid,
    RandomBytes,
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
    /// For each of the world's moments: how often that of the followed row was drawn, this time included.
    pub(crate) turns: Vec<u32>,
    /// How many times every combination was gone through.
    pub(crate) lap: u64,
    /// For each draw: which key.
    pub(crate) keys: Vec<usize>,
}

impl Drawn {
    /// How far a counter is.
    fn nth(&self, over: Over) -> u64 {
        match over {
            Over::Rows => self.row,
            Over::Laps => self.lap,
        }
    }
}

impl Source {
    /// Writes a field with its length before it.
    pub(crate) fn put(&self, drawn: &Drawn, world: &World, rng: &mut ChaCha8Rng, out: &mut BytesMut) {
        match self {
            Self::Null => out.put_slice(&NULL),
            Self::Sampled(column) => out.put_slice(world.sample.raw(drawn.sample, *column)),
            Self::Made(maker) => maker.put(rng, out),
            Self::Pool(pool) => out.put_slice(pool.pick(rng)),
            Self::Count { kind, start, step, over } => {
                let nth = i64::try_from(drawn.nth(*over)).unwrap_or(i64::MAX);
                kind.put_number(out, start.saturating_add(step.saturating_mul(nth)));
            }
            Self::Earlier { over, first_is_null: true, .. } if drawn.nth(*over) == 0 => out.put_slice(&NULL),
            Self::Earlier { kind, start, step, over, .. } => {
                let nth = rng.random_range(0..drawn.nth(*over).max(1));
                let nth = i64::try_from(nth).unwrap_or(i64::MAX);
                kind.put_number(out, start.saturating_add(step.saturating_mul(nth)));
            }
            Self::Later { column, moments } => {
                match world.sample.value(drawn.sample, *column).and_then(<[u8]>::first_chunk) {
                    Some(moment) => {
                        let later = i64::from(drawn.turns[*moments]);
                        Kind::Timestamp.put_number(out, i64::from_be_bytes(*moment).saturating_add(later));
                    }
                    None => out.put_slice(&NULL),
                }
            }
            Self::Numbered(numbered) => numbered.put(drawn, world, rng, out),
            Self::Counted(counted) => {
                let mut text = String::new();
                counted.write(drawn.row, &mut text);
                put_field(out, Some(text.as_bytes()));
            }
            Self::Uuid => put_uuid(rng, out),
            Self::RandomBytes => {
                out.put_i32(16);
                out.put_u128(rng.random());
            }
            Self::Shaped(shaped) => shaped.put(drawn.row, out),
            Self::Drawn { draw, part } => {
                let draw_of = &world.draws[*draw];
                let is_null =
                    draw_of.null_with.is_some_and(|column| world.sample.value(drawn.sample, column).is_none());
                out.put_slice(if is_null { &NULL } else { draw_of.keys.raw(drawn.keys[*draw], *part) });
            }
        }
    }
}

/// What the sources of all columns share.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    pub(crate) sample: Tuples,
    pub(crate) draws: Vec<Draw>,
    pub(crate) moments: Vec<Moments>,
}

/// Which rows of the sample have the same moment in a column.
#[derive(Debug, Clone)]
pub(crate) struct Moments {
    /// For each row of the sample: the first row that has its moment.
    pub(crate) first: Vec<usize>,
    /// How many rows have the most frequent one.
    pub(crate) most: usize,
}

impl Moments {
    /// Those of a column of the sample.
    pub(crate) fn of(sample: &Tuples, column: usize) -> Self {
        let mut seen: HashMap<&[u8], (usize, usize)> = HashMap::new();
        let mut first = Vec::with_capacity(sample.len());
        for row in 0..sample.len() {
            let (leader, count) = seen.entry(sample.raw(row, column)).or_insert((row, 0));
            *count += 1;
            first.push(*leader);
        }
        let most = seen.values().map(|(_, count)| *count).max().unwrap_or(0);
        Self { first, most }
    }
}

/// Text that is made different from every other by a number: `Ann` becomes `Ann-3k`, `ann@example.org`
/// `ann-3k@example.org`.
#[derive(Debug, Clone)]
pub(crate) struct Numbered {
    /// The sampled column; made-up text without one.
    pub(crate) column: Option<usize>,
    /// Stands before the number; no existing value has it before such a number.
    pub(crate) marker: char,
    /// The longest that the text may get, in letters.
    pub(crate) limit: Option<usize>,
    /// Whether NULLs stay NULL.
    pub(crate) keep_nulls: bool,
    /// What the texts are that have no sample.
    pub(crate) texts: Texts,
}

impl Numbered {
    /// The letters that a number takes, with its marker.
    pub(crate) fn length(number: u64) -> usize {
        1 + base36(number).len()
    }

    fn put(&self, drawn: &Drawn, world: &World, rng: &mut ChaCha8Rng, out: &mut BytesMut) {
        let base = self.column.map(|column| world.sample.value(drawn.sample, column));
        let made;
        let base = match base {
            Some(None) if self.keep_nulls => return put_field(out, None),
            Some(Some(bytes)) => bytes,
            Some(None) | None => {
                let mut text = Vec::new();
                self.texts.write(rng, self.limit.unwrap_or(usize::MAX), &mut text);
                made = text;
                &made
            }
        };
        let text = String::from_utf8_lossy(base);
        framed(out, |out| self.put_text(text.trim_end(), drawn.row, out));
    }

    fn put_text(&self, text: &str, number: u64, out: &mut BytesMut) {
        let number = base36(number);
        let room = self.limit.map_or(usize::MAX, |limit| limit.saturating_sub(1 + number.len()));
        // In an address the number goes before the `@`, so that it stays one.
        let (head, tail) = match text.rfind('@') {
            Some(at) if text[at..].chars().count() <= room => text.split_at(at),
            Some(at) => (&text[..at], ""),
            None => (text, ""),
        };
        let head_room = room - tail.chars().count();
        let cut = head.char_indices().nth(head_room).map_or(head.len(), |(at, _)| at);
        out.put_slice(head[..cut].trim_end().as_bytes());
        let mut marker = [0; 4];
        out.put_slice(self.marker.encode_utf8(&mut marker).as_bytes());
        out.put_slice(number.as_bytes());
        out.put_slice(tail.as_bytes());
    }
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(b"0123456789abcdefghijklmnopqrstuvwxyz"[usize::try_from(number % 36).unwrap_or(0)]);
        number /= 36;
        if number == 0 {
            break;
        }
    }
    digits.iter().rev().map(|digit| char::from(*digit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_makes_text_different_and_keeps_it_within_its_limit() {
        for (text, limit, number, expected) in [
            ("Ann", None, 0, "Ann-0"),
            ("Ann", None, 36 * 36, "Ann-100"),
            ("ann@example.org", None, 35, "ann-z@example.org"),
            ("Annabel", Some(5), 1, "Ann-1"),
            ("An Annabel", Some(5), 1, "An-1"),
            ("Änne", Some(4), 1, "Än-1"),
            ("ann@example.org", Some(14), 1, "-1@example.org"),
            ("ann@example.org", Some(6), 1, "ann-1"),
            ("", Some(2), 7, "-7"),
        ] {
            let numbered = Numbered { column: None, marker: '-', limit, keep_nulls: false, texts: Texts::Words };
            let mut out = BytesMut::new();
            numbered.put_text(text, number, &mut out);
            assert_eq!(std::str::from_utf8(&out), Ok(expected), "{text} {limit:?}");
        }
    }
}
