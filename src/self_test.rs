//! How exact the instrument is on this machine: known locks, held for a while on a scratch server, and what is said of them
//! beside the clocks of whoever had to wait.
//!
//! | figure | is held against |
//! | --- | --- |
//! | blocked: computed from locks that go through the tap | a reader and a writer on connections of their own, with clocks of their own |
//! | stalled: felt by the probes of the second pass | the clock of the session that holds the lock |
//! | what the tap costs | the same statements without it |
//! | costs that repeat | the same statement on three copies of a table |
//!
//! Each wait is measured [`ROUNDS`] times and judged by its median, since a machine that is busy with something else wakes
//! some session late every now and then. The clock of a session that waits has the tap's pause after a lock in it, of about
//! two milliseconds, where the figure has none.

mod blocked;
mod client;
mod cost;
mod felt;
mod holds;

use std::time::Duration;

use crate::observe::ObserveError;
use crate::observe::probe::{INTERVAL, PLACES, ProbeError};
use crate::run::{Millis, ServerFacts};
use crate::scenario::{Engine, ProviderWish, ServerWish};
use crate::server::{DATABASE, Server, ServerError, binaries, container};
pub use client::SelfTestError;
pub use cost::{Cost, Repeated};

/// How often each wait is measured. An odd number has a median.
pub const ROUNDS: usize = 3;
/// A figure is exact if it is no further off than this, or than [`PART`] of what the clock says.
pub const OFF: Duration = Duration::from_millis(15);
/// See [`OFF`].
pub const PART: f64 = 0.03;

/// A server that could be had here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub engine: Engine,
    /// From local binaries or in a container.
    pub provider: ProviderWish,
    /// The newest that is there.
    pub version: String,
}

/// What a figure says and what a clock says, in one round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pair {
    figure: Option<Duration>,
    clock: Duration,
}

/// A figure of the instrument beside a clock of its own, over all rounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// What shuts out whom.
    pub what: String,
    /// Who has to wait.
    pub who: String,
    /// The figure, of the round whose difference is the median; `None` where one was not observed.
    pub figure: Option<Millis>,
    /// What the clock said in that round.
    pub clock: Millis,
    /// The figure less the clock in that round, in milliseconds.
    pub median_off_ms: Option<f64>,
    /// The difference that is the largest, whichever way.
    pub worst_off_ms: Option<f64>,
    /// How far off the median may be.
    pub allowed: Millis,
}

impl Compared {
    /// Brings the rounds of one figure together. `slack` is what may be added to how far it may be off.
    fn of(what: &str, who: String, rounds: &[Pair], slack: Duration) -> Self {
        let off = |pair: &Pair| Some(millis(pair.figure?) - millis(pair.clock));
        let mut sorted: Vec<(f64, &Pair)> = rounds.iter().filter_map(|pair| Some((off(pair)?, pair))).collect();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        // A round without a figure leaves no median.
        let median = (sorted.len() == rounds.len()).then(|| sorted.get(sorted.len() / 2)).flatten();
        let clock =
            median.map_or_else(|| rounds.first().map_or(Duration::ZERO, |pair| pair.clock), |(_, pair)| pair.clock);
        let worst = sorted.iter().map(|(off, _)| *off).max_by(|a, b| a.abs().total_cmp(&b.abs()));
        Self {
            what: what.to_owned(),
            who,
            figure: median.and_then(|(_, pair)| pair.figure).map(Millis),
            clock: clock.into(),
            median_off_ms: median.map(|(off, _)| *off),
            worst_off_ms: median.and(worst),
            allowed: (OFF.max(clock.mul_f64(PART)) + slack).into(),
        }
    }

    /// Whether the figure can be trusted.
    pub fn is_exact(&self) -> bool {
        self.median_off_ms.is_some_and(|off| off.abs() <= self.allowed.as_f64())
    }
}

fn millis(time: Duration) -> f64 {
    Millis(time).as_f64()
}

/// How exact the instrument is on one server.
#[derive(Debug, Clone, PartialEq)]
pub struct Exactness {
    /// The server.
    pub server: ServerFacts,
    /// Computed blocking beside the clocks of a reader and a writer.
    pub blocked: Vec<Compared>,
    /// Felt stalls beside the clock of the session that holds the lock.
    pub felt: Vec<Compared>,
    /// The highest noise floor of the probes: what the machine does to them by itself.
    pub noise_floor: Millis,
    /// What the tap adds to a statement.
    pub cost: Cost,
    /// Whether costs repeat.
    pub repeated: Repeated,
    /// The first failure to observe.
    pub trouble: Option<String>,
}

impl Exactness {
    /// Whether every figure is as exact as it has to be.
    pub fn is_trusted(&self) -> bool {
        let all = self.blocked.iter().chain(&self.felt).all(Compared::is_exact);
        all && self.repeated.is_equal() && self.trouble.is_none()
    }
}

/// The servers that can be had here without getting anything: the newest local one of each engine, and the newest image of
/// each on the Docker engine. Narrowed to one engine or provider if these are given; [`ProviderWish::Auto`] is both.
pub async fn candidates(engine: Option<Engine>, provider: Option<ProviderWish>) -> Vec<Candidate> {
    let is_wanted = |of: ProviderWish| provider.is_none_or(|wished| wished == of || wished == ProviderWish::Auto);
    let images = if is_wanted(ProviderWish::Container) { container::describe().await.ok() } else { None };
    let images = images.map(|(_, images)| images).unwrap_or_default();
    let mut found = Vec::new();
    for engine in [Engine::Postgres, Engine::Mysql, Engine::Mariadb]
        .into_iter()
        .filter(|of| engine.is_none_or(|wished| wished == *of))
    {
        if is_wanted(ProviderWish::Local)
            && let Some(newest) = binaries::installations(engine).into_iter().next()
        {
            found.push(Candidate { engine, provider: ProviderWish::Local, version: newest.version });
        }
        // They are sorted, the newest last; `latest` and the like are no versions.
        let mut versions =
            images.iter().filter_map(|image| image.strip_prefix(container::official(engine))?.strip_prefix(':'));
        if let Some(newest) = versions.rfind(|tag| tag.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')) {
            found.push(Candidate { engine, provider: ProviderWish::Container, version: newest.to_owned() });
        }
    }
    found
}

/// Starts a scratch server, finds out how exact the instrument is on it, and stops it. `tell` is told what is being done.
///
/// # Errors
/// When the server is not to be had, or is lost.
pub async fn examine(candidate: &Candidate, tell: impl Fn(&str)) -> Result<Exactness, SelfTestError> {
    let wish =
        ServerWish { engine: candidate.engine, version: Some(candidate.version.clone()), ..ServerWish::default() };
    tell("starting a server");
    let server = Server::start(&wish, Some(candidate.provider), false).await?;
    let examined = examined(&server, tell).await;
    let stopped = server.stop().await;
    let exactness = examined?;
    stopped?;
    Ok(exactness)
}

async fn examined(server: &Server, tell: impl Fn(&str)) -> Result<Exactness, SelfTestError> {
    let access = server.access(DATABASE);
    holds::prepare(&access, server.engine()).await?;
    let facts = server.facts().await?;
    tell("holding locks beside sessions that wait");
    let mut tapped = client::Tapped::start(server, &access).await?;
    let blocked = blocked::blocked(&mut tapped, server.engine()).await?;
    tell("comparing statements with and without the tap");
    let cost = cost::cost(&tapped).await?;
    let repeated = cost::repeated(&tapped, server.engine()).await?;
    let trouble = tapped.observer.trouble();
    drop(tapped);
    tell("holding locks beside probes");
    let (felt, noise_floor) = felt::felt(&access, server.engine()).await?;
    Ok(Exactness { server: facts, blocked, felt, noise_floor, cost, repeated, trouble })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(figure: Option<u64>, clock: u64) -> Pair {
        Pair { figure: figure.map(Duration::from_millis), clock: Duration::from_millis(clock) }
    }

    #[test]
    fn the_median_decides_and_the_worst_is_told() {
        let rounds = [pair(Some(300), 301), pair(Some(300), 350), pair(Some(298), 300)];
        let compared = Compared::of("a lock", "a reader".to_owned(), &rounds, Duration::ZERO);
        assert!(compared.is_exact(), "{compared:?}");
        assert_eq!((compared.median_off_ms, compared.worst_off_ms), (Some(-2.0), Some(-50.0)));
        assert_eq!(
            (compared.figure, compared.clock),
            (Some(Duration::from_millis(298).into()), Duration::from_millis(300).into())
        );
    }

    #[test]
    fn what_may_be_off_is_a_time_or_a_part_whichever_is_more() {
        let exact =
            |figure, clock| Compared::of("", String::new(), &[pair(Some(figure), clock)], Duration::ZERO).is_exact();
        assert!(exact(15, 0) && !exact(16, 0));
        assert!(exact(1029, 1000) && !exact(1031, 1000) && !exact(969, 1000));
    }

    #[test]
    fn a_figure_that_was_not_observed_is_not_exact() {
        let rounds = [pair(Some(300), 300), pair(None, 300), pair(Some(300), 300)];
        let compared = Compared::of("", String::new(), &rounds, INTERVAL);
        assert_eq!((compared.is_exact(), compared.figure, compared.worst_off_ms), (false, None, None));
    }
}
