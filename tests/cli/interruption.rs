//! Ctrl-C and SIGTERM in every stage: a line that says so, the part that was done, and nothing left behind.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::sandbox::{Ended, Sandbox};
use crate::{docker, process};

const SLEEP: &str = "SELECT pg_sleep(300);\n";

/// What every interrupted run has to show for itself.
#[track_caller]
fn assert_interrupted(sandbox: &Sandbox, ended: Ended) {
    let ended = ended.expect(130);
    assert_eq!(ended.error(), "error: interrupted\n");
    assert_eq!(sandbox.record()["completion"], "interrupted");
    sandbox.assert_clean();
    // What was written can be read again.
    let again = sandbox.run(&["report", "out/run.json"]).expect(0);
    assert!(again.stdout.starts_with("INTERRUPTED; what follows was measured until then\n"), "{}", again.stdout);
}

#[test]
fn while_the_server_starts() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let sandbox = Sandbox::shop();
        // Without an engine, since none was asked for and nothing needs to be said of it.
        let mut run = sandbox.start_with(&[("DOCKER_HOST", "unix:///nonexistent")]);
        run.until("the server is being started", |sandbox| sandbox.path("cache/servers").read_dir().ok()?.next()?.ok());
        run.signal(signal);
        let ended = run.ended();
        assert_eq!(ended.stderr, "error: interrupted\n");
        assert_interrupted(&sandbox, ended);
    }
}

#[test]
fn while_initdb_runs() {
    let sandbox = Sandbox::shop();
    std::fs::remove_file(sandbox.path("cache/fresh")).expect("it was linked");
    let mut run = sandbox.start();
    run.until("initdb runs", |sandbox| {
        let making = sandbox.path("cache/fresh").read_dir().ok()?.next()?.ok()?;
        making.path().join("data/base").exists().then_some(())
    });
    run.signal(Signal::SIGINT);
    assert_interrupted(&sandbox, run.ended());
}

#[test]
fn while_the_data_is_restored() {
    let dump = format!("CREATE TABLE orders (id bigint, total numeric);\n{SLEEP}");
    let sandbox = Sandbox::shop().with("staging.sql", &dump);
    let mut run = sandbox.start();
    run.until_sleeping();
    run.signal(Signal::SIGTERM);
    assert_interrupted(&sandbox, run.ended());
    assert!(sandbox.record().get("snapshot").is_none());
}

#[test]
fn while_the_queries_run_before() {
    let sandbox = Sandbox::shop().with("queries/old.sql", &format!("-- name: slow\n{SLEEP}"));
    let mut run = sandbox.start();
    run.until_sleeping();
    run.signal(Signal::SIGINT);
    assert_interrupted(&sandbox, run.ended());
    let record = sandbox.record();
    assert_eq!(record["migrations"][0]["status"], "not_run");
    assert!(record["snapshot"]["tables"][0]["name"].is_string(), "what was prepared is on record");
}

#[test]
fn while_a_migration_runs() {
    let sandbox = Sandbox::shop()
        .with("migrations/002_slow.sql", &format!("ALTER TABLE orders ADD COLUMN note text;\n{SLEEP}"))
        .with("migrations/003_never.sql", "SELECT 1;\n");
    let mut run = sandbox.start();
    run.until_sleeping();
    run.signal(Signal::SIGINT);
    assert_interrupted(&sandbox, run.ended());
    let record = sandbox.record();
    let migration = |index: usize| &record["migrations"][index];
    assert_eq!(migration(0)["status"], "applied");
    assert_eq!(migration(1)["status"], "failed", "it was begun");
    assert_eq!(migration(1)["error"], "interrupted");
    assert_eq!(migration(1)["statements"][1]["command"], "ALTER TABLE", "what it had done is on record");
    assert_eq!(migration(2)["status"], "not_run");
}

#[test]
fn while_a_command_migrates_its_children_end_too() {
    let sandbox = Sandbox::migrated_by("sh -c 'psql -qc \"SELECT pg_sleep(300)\" & sleep 301 & wait'");
    let mut run = sandbox.start();
    run.until_sleeping();
    run.signal(Signal::SIGINT);
    assert_interrupted(&sandbox, run.ended());
    assert_eq!(sandbox.record()["migrations"][0]["status"], "failed");
}

#[test]
fn while_the_server_is_stopped_the_record_is_whole() {
    let sandbox = Sandbox::migrated_by("psql -qXc 'SELECT 1'; touch begun; until [ -e go ]; do sleep 0.02; done");
    let mut run = sandbox.start();
    run.until("the migration runs", |sandbox| sandbox.path("begun").exists().then_some(()));
    let postmaster = sandbox.postmasters().pop().expect("a server runs");
    // A server that waits for one of its processes gives the time to interrupt.
    let child =
        process::children(postmaster).into_iter().find(|pid| process::title(*pid).contains("background writer"));
    let child = child.expect("every server has one");
    process::signal(child, Signal::SIGSTOP);
    std::fs::write(sandbox.path("go"), "").expect("our own folder");
    run.until("the server is being stopped", |_| process::has_pending(child, Signal::SIGQUIT).then_some(()));
    run.signal(Signal::SIGINT);
    std::thread::sleep(Duration::from_millis(100));
    process::signal(child, Signal::SIGCONT);
    let ended = run.ended().expect(130);
    assert_eq!(ended.error(), "error: interrupted\n");
    assert_eq!(sandbox.record()["completion"], "complete");
    sandbox.assert_clean();
}

#[test]
fn in_a_container_while_it_starts_and_while_a_migration_runs() {
    let sandbox = Sandbox::shop().with("migrations/002_slow.sql", SLEEP).in_container();
    for starts in [true, false] {
        let mut run = sandbox.start();
        let pid = run.pid();
        let container = run.until("a container is there", |_| docker::containers_of(pid).pop());
        if !starts {
            run.until("a statement sleeps", |_| docker::sleeps(&container).then_some(()));
        }
        run.signal(Signal::SIGTERM);
        assert_interrupted(&sandbox, run.ended());
        process::wait_for("no container to be left", || docker::containers_of(pid).is_empty().then_some(()));
    }
}

#[test]
fn while_the_engine_makes_the_container() {
    let sandbox = Sandbox::shop().in_container();
    for wait in [0, 10, 20, 40, 60, 100, 160] {
        let mut run = sandbox.start();
        let pid = run.pid();
        run.until("signals are caught", |_| process::catches(pid, Signal::SIGINT).then_some(()));
        std::thread::sleep(Duration::from_millis(wait));
        run.signal(Signal::SIGINT);
        assert_interrupted(&sandbox, run.ended());
        // An engine that is asked still answers a moment after whoever asked has gone.
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(docker::containers_of(pid), [""; 0], "after {wait} ms");
    }
}

#[test]
fn a_second_time_ends_the_program_at_once_and_leaves_the_server_to_be_swept() {
    let sandbox = Sandbox::shop().with("migrations/002_slow.sql", SLEEP);
    let mut run = sandbox.start();
    let postmaster = run.until_sleeping();
    // A server that does not end, as on a disk that hangs, is what one asks twice for.
    process::signal(postmaster, Signal::SIGSTOP);
    run.signal(Signal::SIGINT);
    std::thread::sleep(Duration::from_millis(300));
    assert!(process::is_running(run.pid()), "the server has not been stopped yet");
    run.signal(Signal::SIGINT);
    run.ended().expect(130);
    process::signal(postmaster, Signal::SIGCONT);
    sandbox.run(&["sweep"]).expect(0);
    sandbox.assert_clean();
}
