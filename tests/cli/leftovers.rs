//! What killed runs leave is removed by the next one or by `sweep`, and nothing else is.

use nix::sys::signal::Signal;

use crate::sandbox::{Sandbox, ended};
use crate::{docker, process};

fn slow() -> Sandbox {
    Sandbox::shop().with("migrations/002_slow.sql", "SELECT pg_sleep(300);\n")
}

/// Kills a run in the middle of a statement; its server's process id.
fn killed(sandbox: &Sandbox) -> i32 {
    let mut run = sandbox.start();
    let postmaster = run.until_sleeping();
    run.signal(Signal::SIGKILL);
    assert_eq!(run.ended().code, None);
    assert!(process::is_running(postmaster), "nobody was left to end it");
    postmaster
}

#[test]
fn sweep_removes_what_a_killed_run_left() {
    let sandbox = slow();
    let postmaster = killed(&sandbox);
    let swept = sandbox.run(&["sweep"]).expect(0);
    assert!(swept.stdout.contains("removed local server of process "), "{}", swept.stdout);
    assert!(!process::is_running(postmaster));
    sandbox.assert_clean();
    let again = ended(sandbox.command(&["sweep"]).env("DOCKER_HOST", "unix:///nonexistent")).expect(0);
    assert_eq!(again.stdout, "");
    assert!(again.stderr.starts_with("nothing was left behind\ncontainers were not looked at: "), "{}", again.stderr);
}

#[test]
fn the_next_run_removes_what_a_killed_run_left_and_says_so() {
    let sandbox = slow();
    let postmaster = killed(&sandbox);
    let sandbox = sandbox.with("migrations/002_slow.sql", "SELECT 1;\n");
    sandbox.rehearse().expect(0);
    assert!(!process::is_running(postmaster));
    let notes = sandbox.record()["notes"].to_string();
    assert!(notes.contains("removed what a killed run left: local server of process "), "{notes}");
    sandbox.assert_clean();
}

#[test]
fn sweep_removes_the_container_of_a_killed_run() {
    let sandbox = slow().in_container();
    let mut run = sandbox.start();
    let pid = run.pid();
    let container = run.until("a container is there", |_| docker::containers_of(pid).pop());
    run.until("a statement sleeps", |_| docker::sleeps(&container).then_some(()));
    // A run that lives is not swept.
    sandbox.run(&["sweep"]).expect(0);
    assert!(docker::sleeps(&container), "its owner is alive");
    run.signal(Signal::SIGKILL);
    assert_eq!(run.ended().code, None);
    sandbox.run(&["sweep"]).expect(0);
    // Another test's run may be sweeping it at this moment; that it is gone is what counts.
    process::wait_for("the container to be gone", || docker::containers_of(pid).is_empty().then_some(()));
}

#[test]
fn a_run_that_lives_is_not_swept() {
    let sandbox = slow();
    let mut run = sandbox.start();
    let postmaster = run.until_sleeping();
    assert_eq!(sandbox.run(&["sweep"]).expect(0).stdout.matches("local server").count(), 0);
    assert!(process::is_running(postmaster));
    run.signal(Signal::SIGINT);
    run.ended().expect(130);
    sandbox.assert_clean();
}

#[test]
fn a_server_that_was_kept_stays_until_it_is_swept() {
    let sandbox = Sandbox::shop();
    let kept = sandbox.run(&["run", "scenario.toml", "--keep", "--report", "json=run.json"]).expect(0);
    assert!(kept.stderr.contains("the server was kept: psql -h "), "{}", kept.stderr);
    let postmaster = sandbox.postmasters().pop().expect("it was kept");
    sandbox.run(&["run", "scenario.toml"]).expect(0);
    assert!(process::is_running(postmaster), "the next run leaves it alone");
    assert_eq!(sandbox.psql("SELECT count(status) FROM orders").as_deref(), Some("0"), "it has the migrated schema");
    sandbox.run(&["sweep"]).expect(0);
    sandbox.assert_clean();
}

#[test]
fn what_was_left_before_it_had_an_owner_is_removed_too() {
    let sandbox = Sandbox::shop();
    let mut ended = std::process::Command::new("true").spawn().expect("it is everywhere");
    let pid = ended.id();
    ended.wait().expect("our child");
    let mine = std::process::id();
    let sandbox = sandbox.with(&format!("cache/servers/{pid}-0/data/PG_VERSION"), "15\n");
    let sandbox = sandbox.with(&format!("cache/servers/{mine}-0/data/PG_VERSION"), "15\n");
    sandbox.run(&["sweep"]).expect(0);
    assert!(!sandbox.path(&format!("cache/servers/{pid}-0")).exists());
    assert!(sandbox.path(&format!("cache/servers/{mine}-0")).exists(), "its process lives");
}
