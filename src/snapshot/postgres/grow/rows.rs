//! Makes the rows of a plan, in the form of binary COPY, a chunk at a time.

use bytes::{BufMut, Bytes, BytesMut};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use super::plan::Plan;
use super::source::Drawn;
use super::tuples::{NULL, put_end, put_head};
use crate::snapshot::grow::blocks::{self, Block, Out};
use crate::snapshot::grow::combine::Combinations;
use crate::snapshot::grow::draw;

/// Hands out the rows chunk by chunk, each with the rows made so far, until all are made or `take` says stop with `false`.
pub(crate) fn make(mut plan: Plan, cores: usize, mut take: impl FnMut(Bytes, u64) -> bool) {
    let mut out = BytesMut::new();
    put_head(&mut out);
    if !take(out.split().freeze(), 0) {
        return;
    }
    let base = plan.rng.random();
    let worker = || {
        let mut worker = Worker::new(&plan);
        move |block: Block, out: Option<&mut Out>| match out {
            Some(out) => worker.write(block, out),
            None => worker.skip(block),
        }
    };
    let (mut made, mut taking) = (0, true);
    blocks::make(plan.rows, cores, base, worker, |bytes, rows| {
        made += rows;
        taking = take(bytes, made);
        taking
    });
    if taking {
        put_end(&mut out);
        take(out.freeze(), plan.rows);
    }
}

/// Makes the rows of blocks, and holds what goes on from one to the next.
struct Worker<'a> {
    plan: &'a Plan,
    drawn: Drawn,
    /// For each moment of the sample, at its first row: how often it was drawn.
    turns: Vec<Vec<u32>>,
    combinations: Option<Combinations>,
}

impl<'a> Worker<'a> {
    fn new(plan: &'a Plan) -> Self {
        let world = &plan.world;
        let drawn = Drawn { keys: vec![0; world.draws.len()], turns: vec![0; world.moments.len()], ..Drawn::default() };
        let turns = vec![vec![0; world.sample.len()]; world.moments.len()];
        Self { plan, drawn, turns, combinations: plan.combinations.clone() }
    }

    fn write(&mut self, mut block: Block, out: &mut Out) {
        let width = i16::try_from(self.plan.columns.len()).unwrap_or(i16::MAX);
        let rng = &mut block.rng;
        for row in block.rows {
            self.drawn.row = row;
            self.pick(&mut block.picks);
            self.draw(rng);
            out.bytes.put_i16(width);
            for column in &self.plan.columns {
                if column.nulls > 0.0 && rng.random::<f64>() < column.nulls {
                    out.bytes.put_slice(&NULL);
                } else {
                    column.source.put(&self.drawn, &self.plan.world, rng, &mut out.bytes);
                }
            }
            if !out.end_row() {
                return;
            }
        }
    }

    /// Leaves all as it would be after writing the block.
    fn skip(&mut self, mut block: Block) {
        let count = block.rows.end - block.rows.start;
        if !self.plan.world.moments.is_empty() {
            (0..count).for_each(|_| self.pick(&mut block.picks));
        }
        if let Some(combinations) = &mut self.combinations {
            combinations.skip(count, &self.plan.world.draws, &mut self.drawn.keys);
        }
    }

    /// Picks the row of the sample that a row follows.
    fn pick(&mut self, picks: &mut ChaCha8Rng) {
        let world = &self.plan.world;
        if world.sample.len() > 0 {
            self.drawn.sample = picks.random_range(0..world.sample.len());
        }
        for ((moments, turns), turn) in world.moments.iter().zip(&mut self.turns).zip(&mut self.drawn.turns) {
            let count = &mut turns[moments.first[self.drawn.sample]];
            *count = count.saturating_add(1);
            *turn = *count;
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
    use sha2::{Digest, Sha256};

    use super::super::maker::Maker;
    use super::super::source::{Moments, Numbered, Over, Source, World};
    use super::super::tuples::Tuples;
    use super::*;
    use crate::snapshot::grow::FORMAT;
    use crate::snapshot::grow::text::Texts;

    fn plan(seed: u64, rows: u64) -> Plan {
        let mut sample = Tuples::new(1);
        for moment in [1_000_000_i64, 2_000_000, 1_000_000] {
            sample.push(Some(&moment.to_be_bytes()));
        }
        let filled = |source, nulls| Filled { name: "c".into(), source, nulls };
        let count = Source::Count { kind: Kind::Int4, start: 8, step: 1, over: Over::Rows };
        Plan {
            rows,
            columns: vec![
                filled(count, 0.0),
                filled(Source::Later { column: 0, moments: 0 }, 0.0),
                filled(Source::Uuid, 0.5),
            ],
            world: World { moments: vec![Moments::of(&sample, 0)], sample, draws: vec![] },
            combinations: None,
            notes: Vec::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    fn made(plan: Plan) -> BytesMut {
        made_on(1, plan)
    }

    fn made_on(cores: usize, plan: Plan) -> BytesMut {
        let mut all = BytesMut::new();
        make(plan, cores, |chunk, _| {
            all.extend_from_slice(&chunk);
            true
        });
        all
    }

    #[test]
    fn the_same_seed_makes_the_same_rows() {
        assert_eq!(made(plan(1, 500)), made(plan(1, 500)));
        assert_ne!(made(plan(1, 500)), made(plan(2, 500)));
    }

    #[test]
    fn the_number_of_cores_makes_no_difference() {
        let one = made_on(1, plan(1, 30_000));
        assert!(made_on(2, plan(1, 30_000)) == one);
        assert!(made_on(3, plan(1, 30_000)) == one);
    }

    #[test]
    fn a_seed_makes_the_rows_that_this_format_has() {
        let mut plan = plan(1, 10_000);
        let text = Source::Numbered(Numbered {
            column: None,
            marker: '-',
            limit: Some(20),
            keep_nulls: false,
            texts: Texts::Words,
        });
        let kinds = [Kind::Numeric { whole: 5, scale: 2 }, Kind::Float8, Kind::Timestamp, Kind::Text { limit: None }];
        let made = kinds.iter().map(|kind| Source::Made(Maker::new(kind).expect("can be made")));
        for source in made.chain([text]) {
            plan.columns.push(Filled { name: "c".into(), source, nulls: 0.25 });
        }
        // If this fails, a seed makes other rows than before: raise FORMAT, and then put the new sum here.
        assert_eq!((FORMAT, Sha256::digest(self::made(plan))[..4].to_vec()), (1, vec![180, 5, 66, 135]));
    }

    #[test]
    fn counters_go_on_and_moments_never_meet() {
        let bytes = made(plan(3, 300));
        let mut rest = &bytes[19..];
        let mut moments = std::collections::BTreeSet::new();
        for row in 0..300_i32 {
            assert_eq!(rest[..2], 3_i16.to_be_bytes());
            assert_eq!(rest[6..10], (8 + row).to_be_bytes());
            assert!(moments.insert(rest[14..22].to_vec()));
            rest = if rest[22..26] == NULL { &rest[26..] } else { &rest[42..] };
        }
        assert_eq!(*rest, (-1_i16).to_be_bytes());
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
