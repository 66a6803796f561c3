//! Streams of bytes that are no good: whole messages, then cut, changed and put together by chance, the same every time.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// So many streams are tried in the tests; `REHEARSAL_FUZZ_INPUTS` says another number.
pub(super) fn inputs() -> u64 {
    std::env::var("REHEARSAL_FUZZ_INPUTS").ok().and_then(|count| count.parse().ok()).unwrap_or(20_000)
}

/// What decides.
#[derive(Debug)]
pub(super) struct Chance(ChaCha8Rng);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number below `limit`.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0.random_range(0..limit.max(1))
    }

    /// One of them.
    pub(super) fn one_of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// Bytes, most of them such as mean something in a protocol.
    pub(super) fn bytes(&mut self, most: usize) -> Vec<u8> {
        const TELLING: &[u8] = b"\0\0\0\x01\x02\x04\xfb\xfc\xfd\xfe\xffsSPx1 ;";
        (0..self.below(most)).map(|_| *self.one_of(TELLING)).collect()
    }

    /// Changes some bytes, takes some away or adds some, every other time.
    pub(super) fn garble(&mut self, stream: &mut Vec<u8>) {
        for _ in 0..self.below(4).saturating_sub(1) {
            let at = self.below(stream.len() + 1);
            match self.below(3) {
                0 if at < stream.len() => stream[at] = u8::try_from(self.below(256)).unwrap_or_default(),
                1 => stream.truncate(at),
                _ => stream.insert(at, *self.one_of(&[0, 1, 0x7f, 0x80, 0xff])),
            }
        }
    }

    /// Cuts a stream anywhere.
    pub(super) fn cut<'a>(&mut self, mut stream: &'a [u8]) -> Vec<&'a [u8]> {
        let mut parts = Vec::new();
        while !stream.is_empty() {
            let (part, rest) = stream.split_at(1 + self.below(stream.len()));
            parts.push(part);
            stream = rest;
        }
        parts
    }
}
