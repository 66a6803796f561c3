//! Probes: how long readers and writers of a table really wait while a migration runs.
//!
//! A probe takes the lock that a reader or a writer takes, changes nothing, and notes how long it waited. It is due every
//! few milliseconds, whether or not the one before has ended (an open loop), and its wait counts from when it was due: so
//! the longest wait is what an unlucky query would have felt, at most [`INTERVAL`] less, and of a single row [`PLACES`] times
//! that. Probes cost the migration time, so they belong into a pass of their own, whose durations are not used.
//!
//! | probe | on PostgreSQL | on MySQL and MariaDB |
//! | --- | --- | --- |
//! | reader | `SELECT … LIMIT 0` | `SELECT … LIMIT 0` |
//! | writer of the table | `DELETE … WHERE false` | `DELETE … WHERE FALSE` |
//! | writer of a row, at several places of the key's range | `SELECT … FOR NO KEY UPDATE` | `SELECT … FOR UPDATE` |

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{mysql::probe as mysql, postgres::probe as postgres};
use crate::run::Millis;
use crate::server::Access;

/// How often each probe is due.
pub const INTERVAL: Duration = Duration::from_millis(5);
/// How long the probes run before the migration begins, to learn what they wait for without one.
const CALM: Duration = Duration::from_millis(300);
/// What a machine at rest can do to a probe by chance: no floor is lower.
const LOWEST_FLOOR: Duration = Duration::from_millis(10);
/// How long a probe may still wait when the migration is over.
const LAST_WAIT: Duration = Duration::from_secs(5);
/// Places in a key's range at which rows are probed.
pub const PLACES: u32 = 5;

/// What was felt on one table while a migration ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stall {
    /// The table, as the record names it.
    pub table: String,
    /// Its rows before the migrations, where they are known.
    pub rows: Option<u64>,
    /// The longest that a reader waited.
    pub reads: Millis,
    /// The longest that a writer waited, for the table or for a row.
    pub writes: Millis,
}

/// Why there are no probes.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// On PostgreSQL.
    #[error("the probes could not ask the server: {}", crate::server::session::message(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// On MySQL or MariaDB.
    #[error("the probes could not ask the server: {0}")]
    Mysql(#[from] mysql_async::Error),
}

/// Whom a probe stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Reader,
    Writer,
}

/// A connection with what it sends, in turn.
#[derive(Debug)]
enum Client {
    Postgres(postgres::Client),
    Mysql(mysql::Client),
}

impl Client {
    /// Sends the statement that is next and waits until it is answered, with an error or without: a table that is gone
    /// blocks nobody any more.
    async fn send(&mut self) {
        match self {
            Self::Postgres(client) => client.send().await,
            Self::Mysql(client) => client.send().await,
        }
    }
}

/// The longest wait of one probe.
#[derive(Debug, Clone, Copy)]
struct Felt {
    table: usize,
    who: Who,
    longest: Duration,
}

/// Running probes. Dropping them stops them.
#[derive(Debug)]
pub struct Probes {
    tables: Vec<String>,
    tasks: JoinSet<Felt>,
    begin: CancellationToken,
    end: CancellationToken,
    /// Waits below this are what the machine does by itself.
    pub noise_floor: Millis,
}

impl Probes {
    /// Starts probes on those of these relations that are tables and there, and waits until the noise floor is known.
    pub async fn start(access: &Access, tables: &[String]) -> Result<Self, ProbeError> {
        let (begin, end) = (CancellationToken::new(), CancellationToken::new());
        let mut probes = Self { tables: Vec::new(), tasks: JoinSet::new(), begin, end, noise_floor: Millis::default() };
        let mut clients = Vec::new();
        for name in tables {
            let of_table = probes_of(access, name).await?;
            let place = probes.tables.len();
            probes.tables.extend((!of_table.is_empty()).then(|| name.clone()));
            clients.extend(of_table.into_iter().map(|(who, client)| (place, who, client)));
        }
        let calm = CancellationToken::new();
        let mut before = JoinSet::new();
        for (table, who, client) in clients {
            before.spawn(probe(client, table, who, calm.clone()));
        }
        tokio::time::sleep(CALM).await;
        calm.cancel();
        let mut floor = LOWEST_FLOOR;
        while let Some(Ok((client, felt))) = before.join_next().await {
            floor = floor.max(felt.longest);
            let (begin, end) = (probes.begin.clone(), probes.end.clone());
            probes.tasks.spawn(async move {
                begin.cancelled().await;
                probe(client, felt.table, felt.who, end).await.1
            });
        }
        probes.begin.cancel();
        probes.noise_floor = floor.into();
        Ok(probes)
    }

    /// Stops them; gives what was felt on each table.
    pub async fn stop(mut self) -> Vec<Stall> {
        self.end.cancel();
        let none = |table: &String| Stall {
            table: table.clone(),
            rows: None,
            reads: Millis::default(),
            writes: Millis::default(),
        };
        let mut stalls: Vec<Stall> = self.tables.iter().map(none).collect();
        while let Some(Ok(felt)) = self.tasks.join_next().await {
            let stall = &mut stalls[felt.table];
            let longest = match felt.who {
                Who::Reader => &mut stall.reads,
                Who::Writer => &mut stall.writes,
            };
            *longest = (*longest).max(felt.longest.into());
        }
        stalls
    }
}

async fn probes_of(access: &Access, table: &str) -> Result<Vec<(Who, Client)>, ProbeError> {
    match access {
        Access::Postgres(config) => {
            let clients = postgres::clients(config, table).await?;
            Ok(clients.into_iter().map(|(who, client)| (who, Client::Postgres(client))).collect())
        }
        Access::Mysql(opts) => {
            let clients = mysql::clients(opts, table).await?;
            Ok(clients.into_iter().map(|(who, client)| (who, Client::Mysql(client))).collect())
        }
    }
}

/// Sends until the end; gives the longest wait.
async fn probe(mut client: Client, table: usize, who: Who, end: CancellationToken) -> (Client, Felt) {
    let mut longest = Duration::ZERO;
    let mut due = Instant::now();
    while !end.is_cancelled() {
        {
            let mut answer = std::pin::pin!(client.send());
            tokio::select! {
                () = &mut answer => {}
                // One that is waiting when the migration ends is about to be let go.
                () = end.cancelled() => drop(tokio::time::timeout(LAST_WAIT, answer).await),
            }
        }
        let now = Instant::now();
        longest = longest.max(now.saturating_duration_since(due));
        // Those that were due meanwhile would have waited less than this one: one stands for all of them.
        due = (due + INTERVAL).max(now);
        tokio::select! {
            () = tokio::time::sleep_until(due.into()) => {}
            () = end.cancelled() => {}
        }
    }
    (client, Felt { table, who, longest })
}
