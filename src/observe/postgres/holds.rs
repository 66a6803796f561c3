//! From lock holds to blocking: for how long readers and writers of a table were shut out.
//!
//! A hold begins with the grant and ends with the release. The time in which the tap held a reply back to observe is
//! taken out: production has no such pauses. A lock on an index counts for its table, since planning a query locks
//! every index of the table, and writing opens them all.

use std::time::{Duration, Instant};

use super::catalog::{Catalog, Oid};
use super::lock_mode::LockMode;
use crate::run::{Blocked, Blocking, Blocks, Millis};

/// One relation lock from its grant to its release.
#[derive(Debug, Clone)]
pub(super) struct Hold {
    /// Index of the statement that took it, and of the lock in that statement's record.
    pub(super) statement: usize,
    pub(super) lock: usize,
    /// The relation, and the table that it is part of.
    pub(super) relation: Oid,
    pub(super) table: Oid,
    pub(super) mode: LockMode,
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
pub(super) fn held(hold: &Hold, pauses: &[Pause]) -> Option<Duration> {
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

/// For every table that was locked against readers or writers: for how long. `before` is the database before all
/// pending migrations; a table that is not in it is new. `names` are catalogs in which its name may be found, in order.
pub(super) fn blocking(holds: &[Hold], pauses: &[Pause], before: &Catalog, names: &[&Catalog]) -> Vec<Blocking> {
    let mut tables: Vec<Oid> = holds.iter().map(|hold| hold.table).collect();
    tables.sort_unstable();
    tables.dedup();
    let mut blocking: Vec<Blocking> = tables
        .into_iter()
        .filter_map(|table| {
            let relation = names.iter().find_map(|catalog| catalog.get(table))?;
            if !matches!(relation.kind, 'r' | 'p' | 'm' | 'v' | 'f') {
                return None;
            }
            let of_table: Vec<&Hold> = holds.iter().filter(|hold| hold.table == table).collect();
            let reads = blocked(&of_table, Blocks::Reads, pauses);
            let writes = blocked(&of_table, Blocks::Writes, pauses);
            let nobody =
                Blocked { held_ms: Some(Millis::default()), total_ms: Some(Millis::default()), ..Blocked::default() };
            (reads != nobody || writes != nobody).then(|| Blocking {
                table: relation.name.clone(),
                rows: before.get(table).map_or(relation.rows, |relation| relation.rows),
                new: !before.contains(table),
                reads,
                writes,
            })
        })
        .collect();
    blocking.sort_by(|a, b| a.table.cmp(&b.table));
    blocking
}

fn blocked(holds: &[&Hold], who: Blocks, pauses: &[Pause]) -> Blocked {
    let against: Vec<&Hold> = holds.iter().copied().filter(|hold| hold.blocks.contains(&who)).collect();
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
fn windows(holds: &[&Hold]) -> Vec<Window> {
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

    fn hold(start: Instant, from: u64, to: u64, mode: LockMode, statement: usize) -> Hold {
        Hold {
            statement,
            lock: 0,
            relation: 1,
            table: 1,
            mode,
            blocks: mode.blocks(),
            connection: 1,
            granted: start + Duration::from_millis(from),
            released: Some(start + Duration::from_millis(to)),
        }
    }

    #[test]
    fn holds_that_overlap_are_one_stretch_and_a_gap_makes_two() {
        let start = Instant::now();
        let holds = [
            hold(start, 0, 50, LockMode::Share, 0),
            hold(start, 40, 90, LockMode::AccessExclusive, 1),
            hold(start, 100, 120, LockMode::AccessExclusive, 2),
        ];
        let holds: Vec<&Hold> = holds.iter().collect();
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
        let hold = hold(start, 0, 100, LockMode::AccessExclusive, 0);
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
        let mut lost = hold(Instant::now(), 0, 0, LockMode::AccessExclusive, 4);
        lost.released = None;
        let reads = blocked(&[&lost], Blocks::Reads, &[]);
        assert_eq!((reads.held_ms, reads.statement), (None, Some(4)));
    }
}
