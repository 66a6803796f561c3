//! Makes rows on several cores, in blocks of a fixed number of rows, and hands them out in their order.
//!
//! A block's rows follow from the plan and the block's number alone, whichever core makes them: each block has generators
//! of its own, and what goes on from row to row (combinations of keys, turns of a moment) every worker goes on with
//! through the blocks that others make. So the number of cores is seen in the time only. [`BLOCK`] and how a block gets its
//! generators are part of what a seed means: another number gives other rows.

use std::ops::Range;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use bytes::{Bytes, BytesMut};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

/// Rows of a block.
pub(crate) const BLOCK: u64 = 4_096;

/// Enough bytes for one write to the socket not to matter.
const CHUNK: usize = 256 << 10;

/// So many chunks of each worker may wait for their turn.
const AHEAD: usize = 16;

/// The cores that this process may use.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// One block, and where its randomness comes from.
pub(crate) struct Block {
    /// Its rows, by their number among the new ones.
    pub(crate) rows: Range<u64>,
    /// Picks the rows of the sample: apart, so that the picks of a block can be followed without making its rows.
    pub(crate) picks: ChaCha8Rng,
    /// For everything else.
    pub(crate) rng: ChaCha8Rng,
}

impl Block {
    fn new(number: u64, rows: u64, base: [u8; 32]) -> Self {
        let generator = |which: u64| {
            let mut seed = base;
            for (byte, number) in seed.iter_mut().zip((2 * number + which).to_le_bytes()) {
                *byte ^= number;
            }
            ChaCha8Rng::from_seed(seed)
        };
        let start = number * BLOCK;
        Self { rows: start..rows.min(start + BLOCK), picks: generator(0), rng: generator(1) }
    }
}

/// A part of a block's rows.
struct Chunk {
    bytes: Bytes,
    rows: u64,
    /// Whether the block is over.
    last: bool,
}

/// Where a worker writes its rows to.
pub(crate) struct Out {
    /// The rows so far.
    pub(crate) bytes: BytesMut,
    rows: u64,
    sender: SyncSender<Chunk>,
}

impl Out {
    /// Must be called after each row; `false` says that nobody takes more.
    pub(crate) fn end_row(&mut self) -> bool {
        self.rows += 1;
        self.bytes.len() < CHUNK || self.send(false)
    }

    fn send(&mut self, last: bool) -> bool {
        let chunk = Chunk { bytes: self.bytes.split().freeze(), rows: std::mem::take(&mut self.rows), last };
        let sent = self.sender.send(chunk).is_ok();
        self.bytes.reserve(2 * CHUNK);
        sent
    }
}

/// Makes `rows` rows on so many cores, and hands them to `take` in order, each chunk with how many it has, until all are
/// made or `take` says stop with `false`. `base` is what all randomness comes from.
///
/// `worker` begins a worker, which gets every block in order: with an [`Out`] to write its rows to, or without to go past it.
pub(crate) fn make<W: FnMut(Block, Option<&mut Out>)>(
    rows: u64,
    cores: usize,
    base: [u8; 32],
    worker: impl Fn() -> W + Sync,
    mut take: impl FnMut(Bytes, u64) -> bool,
) {
    let blocks = rows.div_ceil(BLOCK);
    let workers = blocks.min(cores.max(1) as u64);
    thread::scope(|scope| {
        let mut receivers = Vec::new();
        for own in 0..workers {
            let (sender, receiver) = sync_channel(AHEAD);
            receivers.push(receiver);
            let worker = &worker;
            scope.spawn(move || {
                let mut work = worker();
                let mut out = Out { bytes: BytesMut::with_capacity(2 * CHUNK), rows: 0, sender };
                for number in 0..blocks {
                    let block = Block::new(number, rows, base);
                    if number % workers != own {
                        work(block, None);
                        continue;
                    }
                    work(block, Some(&mut out));
                    if !out.send(true) {
                        return;
                    }
                }
            });
        }
        // A worker that panicked sends no more; the scope then panics as well, so that lost rows are noticed.
        for receiver in (0..blocks).zip(receivers.iter().cycle()).map(|(_, receiver)| receiver) {
            loop {
                let Ok(chunk) = receiver.recv() else { return };
                // What is empty would end the data on some wires.
                if chunk.rows > 0 && !take(chunk.bytes, chunk.rows) {
                    return;
                }
                if chunk.last {
                    break;
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use bytes::BufMut;
    use rand::RngExt;

    use super::*;

    fn made(rows: u64, cores: usize) -> (Vec<u8>, u64) {
        let (mut all, mut taken) = (Vec::new(), 0);
        let worker = || {
            let mut passed = 0;
            move |mut block: Block, out: Option<&mut Out>| {
                assert_eq!(block.rows.start, passed, "every worker sees every block");
                passed = block.rows.end;
                let Some(out) = out else { return };
                for row in block.rows {
                    out.bytes.put_u64(row);
                    out.bytes.put_u64(block.rng.random());
                    out.bytes.put_u64(block.picks.random());
                    if !out.end_row() {
                        return;
                    }
                }
            }
        };
        make(rows, cores, [7; 32], worker, |bytes, count| {
            all.extend_from_slice(&bytes);
            taken += count;
            true
        });
        (all, taken)
    }

    #[test]
    fn rows_do_not_depend_on_the_number_of_cores_and_come_in_order() {
        for rows in [0, 1, BLOCK, 5 * BLOCK + 1, 40 * BLOCK - 1] {
            let one = made(rows, 1);
            assert_eq!(one.1, rows);
            let numbers = one.0.chunks(24).map(|row| u64::from_be_bytes(*row.first_chunk().expect("a number")));
            assert!(numbers.eq(0..rows));
            for cores in [2, 3, 7] {
                assert!(made(rows, cores) == one, "{rows} rows on {cores} cores");
            }
        }
    }
}
