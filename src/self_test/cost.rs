//! What the tap adds to a statement, and whether costs repeat.

use std::time::{Duration, Instant};

use super::client::{Client, SelfTestError, Tapped};
use crate::run::{Counters, Millis};
use crate::scenario::Engine;

/// How many small statements are compared.
const STATEMENTS: usize = 100;
const SMALL: &str = "SELECT amount FROM orders WHERE id = 1";

/// What the tap adds to a small statement: the difference of the medians with it and without. It is on record as overhead,
/// and taken out of holds and durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// In a transaction, where the reply is held back while the observer looks.
    pub in_transaction: Millis,
    /// In autocommit.
    pub in_autocommit: Millis,
}

/// What the same statement cost on three copies of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeated {
    /// What is counted, in words.
    pub what: &'static str,
    /// The bytes; `None` where they were not observed.
    pub bytes: Vec<Option<u64>>,
}

impl Repeated {
    /// Whether all of them are the same.
    pub fn is_equal(&self) -> bool {
        self.bytes.first().is_some_and(Option::is_some) && self.bytes.iter().all(|bytes| *bytes == self.bytes[0])
    }
}

pub(super) async fn cost(tapped: &Tapped) -> Result<Cost, SelfTestError> {
    tapped.observer.begin_migration().await?;
    let mut direct = Client::open(&tapped.direct).await?;
    let mut through = Client::open(&tapped.through).await?;
    let in_autocommit = added(&mut direct, &mut through).await?;
    for client in [&mut direct, &mut through] {
        client.run("BEGIN").await?;
    }
    let in_transaction = added(&mut direct, &mut through).await?;
    for client in [&mut direct, &mut through] {
        client.run("COMMIT").await?;
    }
    drop(through);
    tapped.observer.end_migration().await?;
    Ok(Cost { in_transaction, in_autocommit })
}

async fn added(direct: &mut Client, through: &mut Client) -> Result<Millis, SelfTestError> {
    let (mut without, mut with) = (Vec::new(), Vec::new());
    // In turn, so that whatever the machine does meanwhile meets both.
    for _ in 0..STATEMENTS {
        for (client, times) in [(&mut *direct, &mut without), (&mut *through, &mut with)] {
            let began = Instant::now();
            client.run(SMALL).await?;
            times.push(began.elapsed());
        }
    }
    Ok(median(with).saturating_sub(median(without)).into())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The same statement on each copy.
pub(super) async fn repeated(tapped: &Tapped, engine: Engine) -> Result<Repeated, SelfTestError> {
    tapped.observer.begin_migration().await?;
    let mut tool = Client::open(&tapped.through).await?;
    for copy in 1..=3 {
        tool.run(&format!("UPDATE copy_{copy} SET amount = amount + 1")).await?;
    }
    drop(tool);
    let statements = tapped.observer.end_migration().await?.statements;
    let updates = statements.iter().filter(|statement| statement.sql.starts_with("UPDATE"));
    let (what, figure): (_, fn(&Counters) -> Option<u64>) = match engine {
        Engine::Postgres => ("bytes of write-ahead log", |counters| counters.wal_bytes.flatten()),
        Engine::Mysql | Engine::Mariadb => ("bytes of the binary log", |counters| counters.binlog_bytes.flatten()),
    };
    Ok(Repeated { what, bytes: updates.map(|statement| figure(&statement.counters)).collect() })
}
