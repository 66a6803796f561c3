//! What the probes of the second pass feel, beside the clock of the session that holds the lock.

use std::time::{Duration, Instant};

use super::client::{Client, SelfTestError};
use super::holds::{self, HELD, Hold};
use super::{Compared, INTERVAL, PLACES, Pair, ROUNDS};
use crate::observe::probe::Probes;
use crate::run::Millis;
use crate::scenario::Engine;
use crate::server::Access;

/// Measures every lock of an engine that probes shall feel; the figures, and the highest noise floor.
pub(super) async fn felt(access: &Access, engine: Engine) -> Result<(Vec<Compared>, Millis), SelfTestError> {
    let (mut compared, mut floor) = (Vec::new(), Millis::default());
    for hold in holds::of(engine) {
        let Some((readers_wait, writers_wait)) = hold.felt else { continue };
        let (mut readers, mut writers) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let (held, felt, noise) = round(access, hold).await?;
            let clock = |waits: bool| if waits { held } else { Duration::ZERO };
            let pair = |figure: Option<Millis>, waits| Pair { figure: figure.map(|felt| felt.0), clock: clock(waits) };
            readers.push(pair(felt.map(|(reads, _)| reads), readers_wait));
            writers.push(pair(felt.map(|(_, writes)| writes), writers_wait));
            floor = floor.max(noise);
        }
        // A probe may be due as late as one interval after the grant; that of rows, which goes from place to place, later.
        let late = if hold.is_row { INTERVAL * PLACES } else { INTERVAL };
        for (who, rounds) in [("reading probe", readers), ("writing probe", writers)] {
            compared.push(Compared::of(hold.name, who.to_owned(), &rounds, late));
        }
    }
    Ok((compared, floor))
}

/// Holds a lock once: for how long, by the holder's own clock; what readers and writers felt; and the noise floor.
async fn round(access: &Access, lock: &Hold) -> Result<(Duration, Option<(Millis, Millis)>, Millis), SelfTestError> {
    let mut holder = Client::open(access).await?;
    // As SQL has the names, of which PostgreSQL's need no schema here.
    let tables: Vec<String> = lock.tables.iter().map(|table| (*table).to_owned()).collect();
    let probes = Probes::start(access, &tables).await?;
    let noise = probes.noise_floor;
    holder.run_all(lock.take).await?;
    let since = Instant::now();
    tokio::time::sleep(HELD).await;
    holder.run_all(lock.let_go).await?;
    let held = since.elapsed();
    let felt = probes.stop().await.into_iter().next().map(|stall| (stall.reads, stall.writes));
    Ok((held, felt, noise))
}
