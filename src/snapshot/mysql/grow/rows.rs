//! Makes the rows of a plan, in the form that LOAD DATA reads, a chunk at a time.

use bytes::{BufMut, Bytes};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::field;
use super::plan::Plan;
use super::source::Drawn;
use crate::snapshot::grow::blocks::{self, Block, Out};
use crate::snapshot::grow::combine::Combinations;
use crate::snapshot::grow::draw;

/// Hands out the rows chunk by chunk, each with how many rows it has, until all are made or `take` says stop with `false`.
pub(crate) fn make(mut plan: Plan, cores: usize, take: impl FnMut(Bytes, u64) -> bool) {
    let base = plan.rng.random();
    let worker = || {
        let mut worker = Worker::new(&plan);
        move |block: Block, out: Option<&mut Out>| match out {
            Some(out) => worker.write(block, out),
            None => worker.skip(&block),
        }
    };
    blocks::make(plan.rows, cores, base, worker, take);
}

/// Makes the rows of blocks, and holds what goes on from one to the next.
struct Worker<'a> {
    plan: &'a Plan,
    drawn: Drawn,
    combinations: Option<Combinations>,
    /// The field that is being made.
    made: Vec<u8>,
}

impl<'a> Worker<'a> {
    fn new(plan: &'a Plan) -> Self {
        let drawn = Drawn { keys: vec![0; plan.world.draws.len()], ..Drawn::default() };
        Self { plan, drawn, combinations: plan.combinations.clone(), made: Vec::new() }
    }

    fn write(&mut self, mut block: Block, out: &mut Out) {
        let rng = &mut block.rng;
        for row in block.rows {
            self.drawn.row = row;
            if self.plan.world.sample.len() > 0 {
                self.drawn.sample = block.picks.random_range(0..self.plan.world.sample.len());
            }
            self.draw(rng);
            for (nth, column) in self.plan.columns.iter().enumerate() {
                if nth > 0 {
                    out.bytes.put_u8(b'\t');
                }
                if column.nulls > 0.0 && rng.random::<f64>() < column.nulls {
                    field::put(&mut out.bytes, None);
                } else {
                    column.source.put(&self.drawn, &self.plan.world, rng, &mut self.made, &mut out.bytes);
                }
            }
            out.bytes.put_u8(b'\n');
            if !out.end_row() {
                return;
            }
        }
    }

    /// Leaves all as it would be after writing the block.
    fn skip(&mut self, block: &Block) {
        if let Some(combinations) = &mut self.combinations {
            let count = block.rows.end - block.rows.start;
            combinations.skip(count, &self.plan.world.draws, &mut self.drawn.keys);
        }
    }

    /// Draws the keys that a row has.
    fn draw(&mut self, rng: &mut ChaCha8Rng) {
        let draws = &self.plan.world.draws;
        self.drawn.lap = draw::draw(draws, self.combinations.as_mut(), &mut self.drawn.keys, rng);
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    use super::super::kind::Kind;
    use super::super::plan::Filled;
    use super::super::source::{Source, World};
    use super::*;
    use crate::snapshot::grow::draw::Over;

    fn plan(seed: u64, rows: u64) -> Plan {
        let filled = |source, nulls| Filled { name: "c".into(), via_text: false, source, nulls };
        let kind = Kind::Int { least: 0, greatest: 1 << 31 };
        Plan {
            rows,
            columns: vec![
                filled(Source::Count { kind, start: 8, step: 1, over: Over::Rows }, 0.0),
                filled(Source::Uuid, 0.5),
            ],
            world: World::default(),
            combinations: None,
            notes: Vec::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    fn made(plan: Plan) -> (String, u64) {
        let (mut all, mut rows) = (Vec::new(), 0);
        make(plan, 2, |chunk, count| {
            all.extend_from_slice(&chunk);
            rows += count;
            true
        });
        (String::from_utf8(all).expect("digits and UUIDs"), rows)
    }

    #[test]
    fn the_same_seed_makes_the_same_rows() {
        assert_eq!(made(plan(1, 500)), made(plan(1, 500)));
        assert_ne!(made(plan(1, 500)), made(plan(2, 500)));
    }

    #[test]
    fn counters_go_on_and_every_row_is_counted() {
        let (text, rows) = made(plan(3, 20_000));
        assert_eq!((rows, text.lines().count()), (20_000, 20_000));
        for (line, number) in text.lines().zip(8..) {
            let (count, uuid) = line.split_once('\t').expect("two fields");
            assert_eq!(count, number.to_string());
            assert!(uuid == "\\N" || uuid.len() == 36, "{uuid}");
        }
    }

    #[test]
    fn making_stops_when_nobody_takes_the_rows() {
        let mut chunks = 0;
        make(plan(1, 1_000_000), 2, |_, _| {
            chunks += 1;
            chunks < 3
        });
        assert_eq!(chunks, 3);
    }
}
