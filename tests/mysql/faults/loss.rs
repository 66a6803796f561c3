//! The server is killed in the middle of a COPY: one clear error, what was measured, and nothing left behind.

use nix::sys::signal::Signal;

use super::{COPY, COPYING, until};
use crate::lab::Place;
use crate::sandbox::{Ended, Sandbox};
use crate::{docker, process};

fn slow(place: Place) -> Sandbox {
    super::shop(place).with("migrations/002_copy.sql", &format!("ALTER TABLE orders ADD COLUMN note text;\n{COPY}"))
}

#[track_caller]
fn assert_lost(sandbox: &Sandbox, ended: Ended) {
    let ended = ended.expect(3);
    assert_eq!(ended.stderr.matches("error: ").count(), 1, "{}", ended.stderr);
    assert!(
        ended.error().starts_with("error: the scratch server is gone: it, or a process of it, was killed (signal 9)"),
        "{}",
        ended.stderr
    );
    assert!(!ended.stdout.contains("error["), "no finding about the migration comes of it\n{}", ended.stdout);
    let record = sandbox.record();
    assert!(record["completion"]["failed"].as_str().is_some_and(|why| why.contains("gone")));
    assert_eq!(record["migrations"][0]["status"], "applied");
    assert_eq!(record["migrations"][1]["status"], "failed");
    let statements = record["migrations"][1]["statements"].as_array().expect("there are some");
    let outcomes: Vec<_> = statements.iter().map(|statement| statement["status"].as_str()).collect();
    assert_eq!(outcomes, [Some("ok"), Some("lost")], "{statements:#?}");
    sandbox.assert_clean();
}

#[test]
fn a_local_server_that_is_killed_in_the_middle_of_a_copy() {
    let sandbox = slow(Place::Local);
    let mut run = sandbox.start();
    until(&mut run, Place::Local, COPYING);
    process::signal(sandbox.mysqlds().pop().expect("a server runs"), Signal::SIGKILL);
    assert_lost(&sandbox, run.ended());
}

#[test]
fn a_container_that_is_killed_in_the_middle_of_a_copy() {
    let place = Place::Mysql("9.7");
    let sandbox = slow(place);
    let mut run = sandbox.start();
    let pid = run.pid();
    let container = until(&mut run, place, COPYING).expect("it is one");
    docker::docker(&["kill", &container]);
    assert_lost(&sandbox, run.ended());
    assert_eq!(docker::containers_of(pid), [""; 0]);
}

#[test]
fn a_connection_that_is_killed_is_the_migrations_failure() {
    let sandbox = super::shop(Place::Local).with(
        "migrations/002_slow.sql",
        "SET @me = CONNECTION_ID();\nCREATE PROCEDURE stop() KILL @me;\nCALL stop();\n",
    );
    sandbox.rehearse().expect(1);
    let record = sandbox.record();
    assert_eq!(record["completion"], "complete");
    let why = record["migrations"][1]["error"].as_str().expect("it failed");
    assert!(why.contains("interrupted") || why.contains("killed"), "{why}");
    sandbox.assert_clean();
}
