//! What a killed run leaves of MySQL and MariaDB is removed by `sweep`.

use nix::sys::signal::Signal;

use super::{BOTH, SLEEP, SLEEPING, shop, until};
use crate::{docker, process};

#[test]
fn sweep_removes_what_a_killed_run_left() {
    for place in BOTH {
        let sandbox = shop(place).with("migrations/002_slow.sql", SLEEP);
        let mut run = sandbox.start();
        let pid = run.pid();
        until(&mut run, place, SLEEPING);
        // A run that lives is not swept.
        sandbox.run(&["sweep"]).expect(0);
        until(&mut run, place, SLEEPING);
        run.signal(Signal::SIGKILL);
        assert_eq!(run.ended().code, None);
        let servers = sandbox.mysqlds();
        let swept = sandbox.run(&["sweep"]).expect(0);
        assert_eq!(swept.stdout.contains("removed local server of process "), !servers.is_empty(), "{}", swept.stdout);
        assert!(!servers.into_iter().any(process::is_running));
        sandbox.assert_clean();
        assert_eq!(docker::containers_of(pid), [""; 0]);
    }
}
