//! From the stages of an ALTER to the times for which it held its locks on the table.
//!
//! Seen on MySQL 9.7.4 and MariaDB 10.11 and 11.8, by reading the session's metadata locks every millisecond:
//!
//! | carried out | locks |
//! | --- | --- |
//! | INSTANT, MySQL | `EXCLUSIVE` from `committing alter table` to the end |
//! | in place | `EXCLUSIVE` while preparing; `SHARED_UPGRADABLE`, or `SHARED_NO_WRITE` under `LOCK=SHARED`; `EXCLUSIVE` from `committing alter table` |
//! | COPY | `SHARED_NO_WRITE` from the last `After create` to `rename result table`, `EXCLUSIVE` from there |
//! | COPY online, MariaDB since 11.2 | `SHARED_NO_WRITE` until `copy to tmp table`; `EXCLUSIVE` from the second `Enabling keys` |
//! | `LOCK=EXCLUSIVE` | `EXCLUSIVE` from where the others begin to lock to the end |
//!
//! A lock that has to be waited for is granted when `Waiting for table metadata lock` ends.

use super::events::{Event, Step};
use super::lock_mode::LockMode;

/// A time for which a lock was held. Picoseconds of the server's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) mode: LockMode,
    pub(super) from: u64,
    pub(super) to: u64,
    /// How long it was waited for.
    pub(super) waited: u64,
}

/// Whether writers could work while rows were copied (MariaDB's `ALTER ONLINE`): keys are enabled twice then.
pub(super) fn is_online_copy(event: &Event) -> bool {
    event.has(Step::Copy) && event.stages.iter().filter(|stage| stage.step == Step::Keys).count() > 1
}

/// The time in which an ALTER in place is at work.
pub(super) fn build(event: &Event) -> Option<(u64, u64)> {
    let from = event.first(Step::Build)?.from;
    Some((from, event.first(Step::Commit).map_or(event.to, |stage| stage.from)))
}

/// The time in which an ALTER copies rows, or is at work in place.
pub(super) fn at_work(event: &Event) -> Option<(u64, u64)> {
    let Some(copy) = event.first(Step::Copy) else { return build(event) };
    // A copy made online has the table to itself before it is renamed.
    let caught_up = if is_online_copy(event) { caught_up(event) } else { None };
    Some((copy.from, caught_up.or_else(|| Some(event.first(Step::Rename)?.from)).unwrap_or(event.to)))
}

/// When a copy made online has caught up with what others did meanwhile, but for the last.
fn caught_up(event: &Event) -> Option<u64> {
    event.stages.iter().rfind(|stage| stage.step == Step::Keys).map(|stage| stage.from)
}

/// The window of an ALTER that has its table to itself from the beginning of its work on.
pub(super) fn alone(event: &Event) -> Option<Window> {
    let (at_work, _) = at_work(event)?;
    let from = of_alter(event, true, false).first()?.from.min(at_work);
    let window = Window { mode: LockMode::Exclusive, from, to: event.to, waited: 0 };
    wait(event, vec![(window, at_work)]).into_iter().next()
}

/// The windows of an ALTER on its table, in order. `prepares` says that it locks to prepare (all but INSTANT on MySQL),
/// `shared` that writers are shut out while it is at work in place.
pub(super) fn of_alter(event: &Event, prepares: bool, shared: bool) -> Vec<Window> {
    let end = event.to;
    let mut windows = Vec::new();
    // `by` is when it has been granted at the latest.
    let mut add = |mode, from, to, by| windows.push((Window { mode, from, to, waited: 0 }, by));
    if let Some(copy) = event.first(Step::Copy) {
        let created = event.stages.iter().rfind(|stage| stage.step == Step::Created && stage.from <= copy.from);
        let from = created.map_or(copy.from, |stage| stage.from);
        let renamed = event.first(Step::Rename).map(|stage| stage.from);
        if is_online_copy(event) {
            add(LockMode::SharedNoWrite, from, copy.from, copy.from);
            add(LockMode::Exclusive, caught_up(event).or(renamed).unwrap_or(end), end, end);
        } else {
            add(LockMode::SharedNoWrite, from, renamed.unwrap_or(end), copy.from);
            if let Some(renamed) = renamed {
                add(LockMode::Exclusive, renamed, end, end);
            }
        }
    } else if let Some(prepare) = event.first(Step::Prepare) {
        let building = build(event);
        if prepares {
            let at_work = building.map_or(end, |(from, _)| from);
            add(LockMode::Exclusive, prepare.from, at_work, at_work);
        }
        if let (true, Some((from, to))) = (shared, building) {
            add(LockMode::SharedNoWrite, from, to, from);
        }
        if let Some(commit) = event.first(Step::Commit) {
            add(LockMode::Exclusive, commit.from, end, end);
        }
    }
    wait(event, windows)
}

/// The window of a statement that has the table to itself from the grant to its end.
pub(super) fn whole(event: &Event) -> Window {
    let whole = Window { mode: LockMode::Exclusive, from: event.from, to: event.to, waited: 0 };
    wait(event, vec![(whole, event.to)]).first().copied().unwrap_or(whole)
}

/// Gives each wait to the window whose lock it was for.
fn wait(event: &Event, mut windows: Vec<(Window, u64)>) -> Vec<Window> {
    for stage in event.stages.iter().filter(|stage| stage.step == Step::Wait) {
        // The stage before is begun anew after a wait, so a window may seem to begin before its lock was granted.
        let Some(index) = windows.iter().position(|(_, by)| stage.from < *by) else { continue };
        let window = &mut windows[index].0;
        let began = window.from;
        let granted = began.max(stage.to).min(window.to);
        window.from = granted;
        window.waited += stage.to - stage.from;
        // The weaker lock, which it is to take the place of, is held until then.
        if let Some((before, _)) = index.checked_sub(1).map(|before| &mut windows[before])
            && before.to == began
        {
            before.to = granted;
        }
    }
    windows.into_iter().map(|(window, _)| window).collect()
}

#[cfg(test)]
mod tests {
    use super::super::events::Stage;
    use super::*;

    fn event(stages: &[(Step, u64, u64)], to: u64) -> Event {
        let stages = stages.iter().map(|(step, from, to)| Stage { step: *step, from: *from, to: *to }).collect();
        Event { from: 0, to, stages, ..Event::default() }
    }

    fn shown(windows: &[Window]) -> Vec<(&'static str, u64, u64)> {
        windows.iter().map(|window| (window.mode.as_str(), window.from, window.to)).collect()
    }

    #[test]
    fn a_copy_shuts_out_writers_and_then_everybody() {
        let copy = event(&[(Step::Created, 1, 5), (Step::Copy, 5, 90), (Step::Rename, 90, 95)], 100);
        assert_eq!(shown(&of_alter(&copy, true, false)), [("SHARED_NO_WRITE", 1, 90), ("EXCLUSIVE", 90, 100)]);
    }

    #[test]
    fn a_copy_made_online_lets_writers_go_on() {
        let stages = [
            (Step::Created, 1, 2),
            (Step::Created, 2, 5),
            (Step::Copy, 5, 60),
            (Step::Keys, 60, 90),
            (Step::Keys, 90, 91),
            (Step::Rename, 92, 93),
        ];
        let windows = of_alter(&event(&stages, 100), true, false);
        assert_eq!(shown(&windows), [("SHARED_NO_WRITE", 2, 5), ("EXCLUSIVE", 90, 100)]);
        assert_eq!(at_work(&event(&stages, 100)), Some((5, 90)));
    }

    #[test]
    fn an_alter_in_place_locks_at_both_ends_and_an_instant_one_at_the_last() {
        let inplace = event(&[(Step::Prepare, 2, 4), (Step::Build, 4, 80), (Step::Commit, 80, 80)], 100);
        assert_eq!(shown(&of_alter(&inplace, true, false)), [("EXCLUSIVE", 2, 4), ("EXCLUSIVE", 80, 100)]);
        let shared = shown(&of_alter(&inplace, true, true));
        assert_eq!(shared, [("EXCLUSIVE", 2, 4), ("SHARED_NO_WRITE", 4, 80), ("EXCLUSIVE", 80, 100)]);
        assert_eq!(shown(&of_alter(&inplace, false, false)), [("EXCLUSIVE", 80, 100)]);
    }

    #[test]
    fn a_lock_is_held_from_the_end_of_its_wait() {
        let stages = [
            (Step::Created, 1, 2),
            (Step::Copy, 2, 50),
            (Step::Wait, 50, 70),
            (Step::Copy, 70, 70),
            (Step::Rename, 71, 72),
        ];
        let windows = of_alter(&event(&stages, 100), true, false);
        assert_eq!(shown(&windows), [("SHARED_NO_WRITE", 1, 71), ("EXCLUSIVE", 71, 100)]);
    }

    #[test]
    fn a_lock_is_held_while_a_stronger_one_is_waited_for() {
        let stages = [(Step::Created, 1, 5), (Step::Copy, 5, 90), (Step::Rename, 90, 95), (Step::Wait, 91, 94)];
        let windows = of_alter(&event(&stages, 100), true, false);
        assert_eq!(shown(&windows), [("SHARED_NO_WRITE", 1, 94), ("EXCLUSIVE", 94, 100)]);
    }

    #[test]
    fn one_that_has_the_table_to_itself_has_it_from_where_others_begin_to_lock() {
        let copy = [(Step::Created, 1, 5), (Step::Copy, 5, 90), (Step::Rename, 90, 95)];
        assert_eq!(alone(&event(&copy, 100)).map(|window| (window.from, window.to, window.waited)), Some((1, 100, 0)));
        let waits = [(Step::Created, 1, 2), (Step::Wait, 2, 40), (Step::Copy, 40, 90)];
        assert_eq!(alone(&event(&waits, 100)).map(|window| (window.from, window.waited)), Some((40, 38)));
        let inplace = [(Step::Prepare, 2, 4), (Step::Build, 4, 80), (Step::Commit, 80, 80)];
        assert_eq!(alone(&event(&inplace, 100)).map(|window| (window.from, window.to)), Some((2, 100)));
    }

    #[test]
    fn what_fails_while_it_copies_had_shut_out_writers_until_its_end() {
        let copy = event(&[(Step::Created, 1, 5), (Step::Copy, 5, 60)], 61);
        assert_eq!(shown(&of_alter(&copy, true, false)), [("SHARED_NO_WRITE", 1, 61)]);
    }
}
