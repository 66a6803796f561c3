//! Makes the rows of a plan, in the form of binary COPY, a chunk at a time.

use bytes::{BufMut, Bytes, BytesMut};
use rand::RngExt;

use super::plan::Plan;
use super::source::Drawn;
use super::tuples::{NULL, put_end, put_head};

/// Enough for one write to the socket not to matter.
const CHUNK: usize = 256 << 10;

/// Hands out the rows chunk by chunk, each with the rows made so far, until all are made or `take` says stop with `false`.
pub(crate) fn make(mut plan: Plan, mut take: impl FnMut(Bytes, u64) -> bool) {
    let width = i16::try_from(plan.columns.len()).unwrap_or(i16::MAX);
    let mut drawn =
        Drawn { keys: vec![0; plan.world.draws.len()], turns: vec![0; plan.world.moments.len()], ..Drawn::default() };
    let mut turns = vec![vec![0_u32; plan.world.sample.len()]; plan.world.moments.len()];
    let mut out = BytesMut::with_capacity(2 * CHUNK);
    put_head(&mut out);
    for row in 0..plan.rows {
        draw(&mut plan, &mut drawn, &mut turns, row);
        out.put_i16(width);
        for column in &plan.columns {
            if column.nulls > 0.0 && plan.rng.random::<f64>() < column.nulls {
                out.put_slice(&NULL);
            } else {
                column.source.put(&drawn, &plan.world, &mut plan.rng, &mut out);
            }
        }
        if out.len() >= CHUNK {
            if !take(out.split().freeze(), row + 1) {
                return;
            }
            out.reserve(2 * CHUNK);
        }
    }
    put_end(&mut out);
    take(out.freeze(), plan.rows);
}

/// Draws what the columns of one row share.
fn draw(plan: &mut Plan, drawn: &mut Drawn, turns: &mut [Vec<u32>], row: u64) {
    drawn.row = row;
    if plan.world.sample.len() > 0 {
        drawn.sample = plan.rng.random_range(0..plan.world.sample.len());
    }
    for ((moments, turns), turn) in plan.world.moments.iter().zip(turns).zip(&mut drawn.turns) {
        let count = &mut turns[moments.first[drawn.sample]];
        *count = count.saturating_add(1);
        *turn = *count;
    }
    for (key, draw) in drawn.keys.iter_mut().zip(&plan.world.draws) {
        *key = draw.key(plan.rng.random_range(0..draw.used));
    }
    if let Some(combinations) = &mut plan.combinations {
        drawn.lap = combinations.draw(&plan.world.draws, &mut drawn.keys);
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    use super::super::kind::Kind;
    use super::super::plan::Filled;
    use super::super::source::{Moments, Over, Source, World};
    use super::super::tuples::Tuples;
    use super::*;

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
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    fn made(plan: Plan) -> BytesMut {
        let mut all = BytesMut::new();
        make(plan, |chunk, _| {
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
        make(plan(1, 1_000_000), |_, _| {
            chunks += 1;
            chunks < 3
        });
        assert_eq!(chunks, 3);
    }
}
