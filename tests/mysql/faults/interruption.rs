//! Ctrl-C in every stage: a line that says so, the part that was done, and nothing left behind.

use nix::sys::signal::Signal;

use super::{COPY, COPYING, LOADING, SLEEP, SLEEPING, shop, until};
use crate::lab::Place;
use crate::sandbox::{Running, Sandbox};
use crate::{docker, process};

/// Interrupts a run, and holds it to what every interrupted run has to show for itself.
#[track_caller]
fn assert_interrupted(sandbox: &Sandbox, run: Running<'_>) {
    let pid = run.pid();
    run.signal(Signal::SIGINT);
    let ended = run.ended().expect(130);
    assert_eq!(ended.error(), "error: interrupted\n");
    assert!(!ended.stdout.contains("error["), "no finding comes of it\n{}", ended.stdout);
    assert_eq!(sandbox.record()["completion"], "interrupted");
    sandbox.assert_clean();
    // The engine takes a moment to remove what it was told to.
    process::wait_for("no container to be left", || docker::containers_of(pid).is_empty().then_some(()));
    // What was written can be read again.
    let again = sandbox.run(&["report", "out/run.json"]).expect(0);
    assert!(again.stdout.starts_with("INTERRUPTED; what follows was measured until then\n"), "{}", again.stdout);
}

#[test]
fn while_the_data_folder_is_made() {
    let sandbox = shop(Place::Local);
    std::fs::remove_file(sandbox.path("cache/fresh")).expect("it was linked");
    let mut run = sandbox.start();
    run.until("the folder is being filled", |sandbox| {
        let making = sandbox.path("cache/fresh").read_dir().ok()?.next()?.ok()?;
        making.path().join("data/ibdata1").exists().then_some(())
    });
    assert_interrupted(&sandbox, run);
}

#[test]
fn while_the_server_starts() {
    let sandbox = shop(Place::Local);
    let mut run = sandbox.start();
    run.until("the server is being started", |sandbox| sandbox.path("cache/servers").read_dir().ok()?.next()?.ok());
    assert_interrupted(&sandbox, run);
}

#[test]
fn while_the_data_is_restored() {
    let sandbox =
        shop(Place::Local).with("staging.sql", &format!("CREATE TABLE orders (id bigint, total int);\n{SLEEP}"));
    let mut run = sandbox.start();
    until(&mut run, Place::Local, SLEEPING);
    assert_interrupted(&sandbox, run);
    assert!(sandbox.record().get("snapshot").is_none());
}

#[test]
fn while_a_table_is_grown() {
    let grown = "restore = \"staging.sql\"\n[[snapshot.table]]\nname = \"orders\"\nrows = 50_000_000\n";
    let sandbox = shop(Place::Local).replacing("scenario.toml", "restore = \"staging.sql\"\n", grown);
    let mut run = sandbox.start();
    until(&mut run, Place::Local, LOADING);
    assert_interrupted(&sandbox, run);
}

#[test]
fn while_the_queries_run_before() {
    let sandbox = shop(Place::Local).with("queries/old.sql", "-- name: slow\nSELECT SLEEP(600);\n");
    let mut run = sandbox.start();
    until(&mut run, Place::Local, SLEEPING);
    assert_interrupted(&sandbox, run);
    let record = sandbox.record();
    assert_eq!(record["migrations"][0]["status"], "not_run");
    assert_eq!(record["snapshot"]["tables"][0]["rows"], 1000, "what was prepared is on record");
}

#[test]
fn while_a_table_is_copied() {
    let sandbox = shop(Place::Local)
        .with("migrations/002_copy.sql", &format!("ALTER TABLE orders ADD COLUMN note text;\n{COPY}"))
        .with("migrations/003_never.sql", "SELECT 1;\n");
    let mut run = sandbox.start();
    until(&mut run, Place::Local, COPYING);
    assert_interrupted(&sandbox, run);
    let record = sandbox.record();
    let migration = |index: usize| &record["migrations"][index];
    assert_eq!(migration(0)["status"], "applied");
    assert_eq!(migration(1)["status"], "failed", "it was begun");
    assert_eq!(migration(1)["error"], "interrupted");
    assert_eq!(migration(1)["statements"][0]["status"], "ok", "what it had done is on record");
    assert_eq!(migration(1)["statements"][1]["status"], "lost");
    assert_eq!(migration(2)["status"], "not_run");
}

#[test]
fn while_a_command_migrates_its_children_end_too() {
    let sleeping = "sh -c 'mariadb -e \"DO SLEEP(600)\" & sleep 601 & wait'";
    let sandbox = super::migrated_by(Place::Local, sleeping);
    let mut run = sandbox.start();
    until(&mut run, Place::Local, SLEEPING);
    assert_interrupted(&sandbox, run);
    assert_eq!(sandbox.record()["migrations"][0]["status"], "failed");
}

#[test]
fn in_a_container_while_it_starts_and_while_a_table_is_copied() {
    let place = Place::Mysql("9.7");
    let sandbox = shop(place).with("migrations/002_copy.sql", COPY);
    let mut run = sandbox.start();
    let pid = run.pid();
    run.until("a container is there", |_| docker::containers_of(pid).pop());
    assert_interrupted(&sandbox, run);
    let mut run = sandbox.start();
    until(&mut run, place, COPYING);
    assert_interrupted(&sandbox, run);
}
