//! From lock holds to blocking: for how long readers and writers of a table were shut out.
//!
//! A hold begins with the grant and ends with the release. The time in which the tap held a reply back to observe is
//! taken out: production has no such pauses.

use std::time::{Duration, Instant};

use crate::run::{Blocked, Blocks, Millis};

/// One relation lock from its grant to its release. `Key` says which lock that is, in the engine's own terms.
#[derive(Debug, Clone)]
pub(super) struct Hold<Key> {
    /// Index of the statement that took it, and of the lock in that statement's record.
    pub(super) statement: usize,
    pub(super) lock: usize,
    pub(super) key: Key,
    /// Whom it shuts out of the table.
    pub(super) blocks: Vec<Blocks>,
    pub(super) connection: u32,
    pub(super) granted: Instant,
    /// `None` while it is held, and for good if the connection was lost.
    pub(super) released: Option<Instant>,
}

/// A time in which the tap held back a connection's reply.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pause {
    pub(super) connection: u32,
    pub(super) from: Instant,
    pub(super) to: Instant,
}

/// A stretch of time in which somebody is shut out.
#[derive(Debug, Clone)]
struct Window {
    from: Instant,
    to: Instant,
    /// The statement whose lock begins it.
    statement: usize,
    connections: Vec<u32>,
}

/// How long a lock was held, the pauses of its own connection taken out.
pub(super) fn held<Key>(hold: &Hold<Key>, pauses: &[Pause]) -> Option<Duration> {
    let to = hold.released?;
    Some(net(hold.granted, to, &[hold.connection], pauses))
}

fn net(from: Instant, to: Instant, connections: &[u32], pauses: &[Pause]) -> Duration {
    let taken_out: Duration = pauses
        .iter()
        .filter(|pause| connections.contains(&pause.connection))
        .map(|pause| pause.to.min(to).saturating_duration_since(pause.from.max(from)))
        .sum();
    to.saturating_duration_since(from).saturating_sub(taken_out)
}

/// Whom these holds, all on one table, shut out: its readers and its writers. `None` when nobody was.
pub(super) fn shut_out<Key>(holds: &[&Hold<Key>], pauses: &[Pause]) -> Option<(Blocked, Blocked)> {
    let reads = blocked(holds, Blocks::Reads, pauses);
    let writes = blocked(holds, Blocks::Writes, pauses);
    let nobody = Blocked { held_ms: Some(Millis::default()), total_ms: Some(Millis::default()), ..Blocked::default() };
    (reads != nobody || writes != nobody).then_some((reads, writes))
}

fn blocked<Key>(holds: &[&Hold<Key>], who: Blocks, pauses: &[Pause]) -> Blocked {
    let against: Vec<&Hold<Key>> = holds.iter().copied().filter(|hold| hold.blocks.contains(&who)).collect();
    if let Some(lost) = against.iter().find(|hold| hold.released.is_none()) {
        // Nobody saw when it was let go.
        return Blocked { statement: Some(lost.statement), ..Blocked::default() };
    }
    let spans: Vec<(Duration, usize)> = windows(&against)
        .iter()
        .map(|window| (net(window.from, window.to, &window.connections, pauses), window.statement))
        .collect();
    let longest = spans.iter().max_by_key(|(span, _)| *span);
    Blocked {
        held_ms: Some(longest.map_or(Duration::ZERO, |(span, _)| *span).into()),
        total_ms: Some(spans.iter().map(|(span, _)| *span).sum::<Duration>().into()),
        stalled_ms: None,
        statement: longest.map(|(_, statement)| *statement),
    }
}

/// Joins holds that touch or overlap.
fn windows<Key>(holds: &[&Hold<Key>]) -> Vec<Window> {
    let mut sorted = holds.to_vec();
    sorted.sort_by_key(|hold| hold.granted);
    let mut windows: Vec<Window> = Vec::new();
    for hold in sorted {
        let to = hold.released.unwrap_or(hold.granted);
        match windows.last_mut() {
            Some(window) if hold.granted <= window.to => {
                window.to = window.to.max(to);
                if !window.connections.contains(&hold.connection) {
                    window.connections.push(hold.connection);
                }
            }
            _ => windows.push(Window {
                from: hold.granted,
                to,
                statement: hold.statement,
                connections: vec![hold.connection],
            }),
        }
    }
    windows
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITERS: &[Blocks] = &[Blocks::Writes];
    const EVERYBODY: &[Blocks] = &[Blocks::Reads, Blocks::Writes];

    fn hold(start: Instant, from: u64, to: u64, blocks: &[Blocks], statement: usize) -> Hold<()> {
        Hold {
            statement,
            lock: 0,
            key: (),
            blocks: blocks.to_vec(),
            connection: 1,
            granted: start + Duration::from_millis(from),
            released: Some(start + Duration::from_millis(to)),
        }
    }

    #[test]
    fn holds_that_overlap_are_one_stretch_and_a_gap_makes_two() {
        let start = Instant::now();
        let holds =
            [hold(start, 0, 50, WRITERS, 0), hold(start, 40, 90, EVERYBODY, 1), hold(start, 100, 120, EVERYBODY, 2)];
        let holds: Vec<&Hold<()>> = holds.iter().collect();
        let writes = blocked(&holds, Blocks::Writes, &[]);
        assert_eq!(writes.held_ms, Some(Duration::from_millis(90).into()));
        assert_eq!(writes.total_ms, Some(Duration::from_millis(110).into()));
        assert_eq!(writes.statement, Some(0));
        let reads = blocked(&holds, Blocks::Reads, &[]);
        assert_eq!(reads.held_ms, Some(Duration::from_millis(50).into()));
    }

    #[test]
    fn pauses_of_the_tap_are_taken_out() {
        let start = Instant::now();
        let hold = hold(start, 0, 100, EVERYBODY, 0);
        let pause = |connection, from, to| Pause {
            connection,
            from: start + Duration::from_millis(from),
            to: start + Duration::from_millis(to),
        };
        let pauses = [pause(1, 20, 30), pause(1, 95, 110), pause(2, 0, 100)];
        assert_eq!(held(&hold, &pauses), Some(Duration::from_millis(85)));
    }

    #[test]
    fn a_lock_whose_release_nobody_saw_is_not_a_figure() {
        let mut lost = hold(Instant::now(), 0, 0, EVERYBODY, 4);
        lost.released = None;
        let reads = blocked(&[&lost], Blocks::Reads, &[]);
        assert_eq!((reads.held_ms, reads.statement), (None, Some(4)));
    }
}
