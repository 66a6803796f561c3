//! For how long readers and writers are shut out, as computed from locks that are taken through the tap, beside the clocks of
//! a reader and a writer.

use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::client::{Client, SelfTestError, Tapped};
use super::holds::{self, HELD, Hold};
use super::{Compared, Pair, ROUNDS};
use crate::observe::Observation;
use crate::run::Blocked;
use crate::scenario::Engine;
use crate::server::Access;

/// How long one that waits for a statement's own lock does nothing before it asks again.
const BETWEEN: Duration = Duration::from_micros(500);
/// How long those that wait have asked before such a statement begins.
const BEFORE: Duration = Duration::from_millis(20);

/// Measures every lock of an engine.
pub(super) async fn blocked(tapped: &mut Tapped, engine: Engine) -> Result<Vec<Compared>, SelfTestError> {
    let mut compared = Vec::new();
    for hold in holds::of(engine) {
        let mut rounds: Vec<Vec<Pair>> = vec![Vec::new(); hold.tables.len() * 2];
        for _ in 0..ROUNDS {
            for (figure, pair) in rounds.iter_mut().zip(round(tapped, hold, engine).await?) {
                figure.push(pair);
            }
        }
        let whom = hold.tables.iter().flat_map(|table| ["readers", "writers"].map(|who| format!("{who} of {table}")));
        for (who, rounds) in whom.zip(&rounds) {
            compared.push(Compared::of(hold.name, who, rounds, Duration::ZERO));
        }
    }
    Ok(compared)
}

/// Holds a lock once; for each table what is said of its readers, and of its writers.
async fn round(tapped: &Tapped, hold: &Hold, engine: Engine) -> Result<Vec<Pair>, SelfTestError> {
    tapped.observer.begin_migration().await?;
    let mut tool = Client::open(&tapped.through).await?;
    let waiting = if hold.let_go.is_empty() {
        let waiting = waiting(&tapped.direct, hold, true).await?;
        tokio::time::sleep(BEFORE).await;
        tool.run_all(hold.take).await?;
        waiting
    } else {
        let waiting = waiting(&tapped.direct, hold, false).await?;
        tool.run_all(hold.take).await?;
        for waits in &waiting {
            waits.begin.cancel();
        }
        tokio::time::sleep(HELD).await;
        tool.run_all(hold.let_go).await?;
        waiting
    };
    let mut clocks = Vec::new();
    for waits in waiting {
        waits.end.cancel();
        clocks.push(waits.task.await??);
    }
    drop(tool);
    let observation = tapped.observer.end_migration().await?;
    Client::open(&tapped.direct).await?.run_all(hold.undo).await?;
    let figures = hold.tables.iter().flat_map(|table| said(&observation, table, engine));
    Ok(figures.zip(clocks).map(|(figure, clock)| Pair { figure, clock }).collect())
}

/// What is said of the readers and the writers of a table. One that nobody is shut out of is not listed.
fn said(observation: &Observation, table: &str, engine: Engine) -> [Option<Duration>; 2] {
    let name = if engine == Engine::Postgres { format!("public.{table}") } else { table.to_owned() };
    let found = observation.blocking.iter().find(|blocking| blocking.table == name);
    let held = |blocked: &Blocked| blocked.held_ms.map(|held| held.0);
    found.map_or([Some(Duration::ZERO); 2], |found| [held(&found.reads), held(&found.writes)])
}

/// A session that waits.
struct Waits {
    begin: CancellationToken,
    end: CancellationToken,
    /// The longest that it waited, by its own clock.
    task: JoinHandle<Result<Duration, SelfTestError>>,
}

/// A reader and a writer of each table. They ask at once and `again` and again, or once when they are told to begin.
async fn waiting(access: &Access, hold: &Hold, again: bool) -> Result<Vec<Waits>, SelfTestError> {
    let mut waiting = Vec::new();
    for table in hold.tables {
        for sql in [format!("SELECT 1 FROM {table} LIMIT 0"), format!("DELETE FROM {table} WHERE 1 = 0")] {
            let client = Client::open(access).await?;
            let (begin, end) = (CancellationToken::new(), CancellationToken::new());
            let task = tokio::spawn(ask(client, sql, again, begin.clone(), end.clone()));
            waiting.push(Waits { begin, end, task });
        }
    }
    Ok(waiting)
}

async fn ask(
    mut client: Client,
    sql: String,
    again: bool,
    begin: CancellationToken,
    end: CancellationToken,
) -> Result<Duration, SelfTestError> {
    if !again {
        begin.cancelled().await;
    }
    let mut longest = Duration::ZERO;
    loop {
        let asked = Instant::now();
        client.run(&sql).await?;
        longest = longest.max(asked.elapsed());
        if !again || end.is_cancelled() {
            return Ok(longest);
        }
        tokio::time::sleep(BETWEEN).await;
    }
}
