//! Makes the rows of a plan, in the form that LOAD DATA reads, a chunk at a time.

use bytes::{BufMut, Bytes, BytesMut};
use rand::RngExt;

use super::field;
use super::plan::Plan;
use super::source::Drawn;

/// Enough for one write to the socket not to matter.
const CHUNK: usize = 256 << 10;

/// Hands out the rows chunk by chunk, each with how many rows it has, until all are made or `take` says stop with `false`.
pub(crate) fn make(mut plan: Plan, mut take: impl FnMut(Bytes, u64) -> bool) {
    let mut drawn = Drawn { keys: vec![0; plan.world.draws.len()], ..Drawn::default() };
    let mut out = BytesMut::with_capacity(2 * CHUNK);
    let (mut made, mut count) = (Vec::new(), 0);
    for row in 0..plan.rows {
        draw(&mut plan, &mut drawn, row);
        for (nth, column) in plan.columns.iter().enumerate() {
            if nth > 0 {
                out.put_u8(b'\t');
            }
            if column.nulls > 0.0 && plan.rng.random::<f64>() < column.nulls {
                field::put(&mut out, None);
            } else {
                column.source.put(&drawn, &plan.world, &mut plan.rng, &mut made, &mut out);
            }
        }
        out.put_u8(b'\n');
        count += 1;
        if out.len() >= CHUNK || row + 1 == plan.rows {
            if !take(out.split().freeze(), count) {
                return;
            }
            count = 0;
            out.reserve(2 * CHUNK);
        }
    }
}

/// Draws what the columns of one row share.
fn draw(plan: &mut Plan, drawn: &mut Drawn, row: u64) {
    drawn.row = row;
    if plan.world.sample.len() > 0 {
        drawn.sample = plan.rng.random_range(0..plan.world.sample.len());
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
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    fn made(plan: Plan) -> (String, u64) {
        let (mut all, mut rows) = (Vec::new(), 0);
        make(plan, |chunk, count| {
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
        make(plan(1, 1_000_000), |_, _| {
            chunks += 1;
            chunks < 3
        });
        assert_eq!(chunks, 3);
    }
}
