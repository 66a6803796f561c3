//! The server is killed in each stage: one clear error, a record that says so, and nothing left behind.

use nix::sys::signal::Signal;

use crate::sandbox::{Ended, Sandbox};
use crate::{docker, process};

const SLEEP: &str = "SELECT pg_sleep(300);\n";
/// Sleeps in what is asked once the first migration was applied.
const SLEEPS_AFTER: &str = "-- name: slow\nSELECT CASE WHEN EXISTS (SELECT FROM pg_attribute WHERE attname = 'status') \
                            THEN pg_sleep(300)::text END;\n";
/// Sleeps where there are probes.
const SLEEPS_BESIDE_PROBES: &str = "DO $$BEGIN IF EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'DELETE FROM % WHERE false') \
                                    THEN PERFORM pg_sleep(300); END IF; END$$;\n";
/// An index that sleeps over rows that were not in the dump.
const SLEEPS_OVER_MORE: &str = "CREATE FUNCTION nap(bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS \
    'BEGIN IF $1 > 1000 THEN PERFORM pg_sleep(300); END IF; RETURN $1; END';\n\
    CREATE TABLE orders (id bigint PRIMARY KEY, total numeric NOT NULL);\n\
    INSERT INTO orders SELECT i, i FROM generate_series(1, 1000) i;\nCREATE INDEX ON orders (nap(id));\n";

/// A shop in which something sleeps in each stage.
pub(crate) fn stages() -> Vec<(&'static str, Sandbox)> {
    let grown = "[[snapshot.table]]\nname = \"orders\"\nrows = 1500\n\n[migrations]";
    vec![
        ("restore", Sandbox::shop().with("staging.sql", SLEEP)),
        (
            "growing",
            Sandbox::shop().with("staging.sql", SLEEPS_OVER_MORE).replacing("scenario.toml", "[migrations]", grown),
        ),
        ("queries before", Sandbox::shop().with("queries/old.sql", &format!("-- name: slow\n{SLEEP}"))),
        ("migration", Sandbox::shop().with("migrations/002_slow.sql", SLEEP)),
        (
            "queries between",
            Sandbox::shop().with("queries/old.sql", SLEEPS_AFTER).with("migrations/002_more.sql", "SELECT 1;\n"),
        ),
        ("queries after", Sandbox::shop().with("queries/old.sql", SLEEPS_AFTER)),
        (
            "second pass",
            Sandbox::shop()
                .with("migrations/002_slow.sql", &format!("ALTER TABLE orders ADD note text;\n{SLEEPS_BESIDE_PROBES}")),
        ),
    ]
}

#[track_caller]
fn assert_lost(stage: &str, sandbox: &Sandbox, ended: &Ended) {
    assert_eq!(ended.code, Some(3), "{stage}\n{}\n{}", ended.stdout, ended.stderr);
    assert_eq!(ended.stderr.matches("error: ").count(), 1, "{stage}: {}", ended.stderr);
    let expected = "error: the scratch server is gone: it, or a process of it, was killed (signal 9)";
    assert!(ended.error().starts_with(expected), "{stage}: {}", ended.stderr);
    assert!(!ended.stdout.contains("error["), "{stage}: nothing is said of the migration\n{}", ended.stdout);
    let record = sandbox.record();
    assert!(record["completion"]["failed"].as_str().is_some_and(|why| why.contains("gone")), "{stage}");
    if stage == "second pass" {
        assert_eq!(record["migrations"][1]["status"], "applied", "what the first pass measured is on record");
    }
    sandbox.assert_clean();
}

#[test]
fn a_local_server_that_is_killed_in_each_stage() {
    for (stage, sandbox) in stages() {
        let mut run = sandbox.start_both_passes();
        let postmaster = run.until_sleeping();
        process::signal(postmaster, Signal::SIGKILL);
        assert_lost(stage, &sandbox, &run.ended());
    }
}

#[test]
#[ignore = "takes a minute, and what is said is the same as of a local server"]
fn a_container_that_is_killed_in_each_stage() {
    for (stage, sandbox) in stages() {
        let sandbox = sandbox.in_container();
        let mut run = sandbox.start_both_passes();
        let pid = run.pid();
        let container = run.until("a statement sleeps", |_| {
            docker::containers_of(pid).into_iter().find(|container| docker::sleeps(container))
        });
        docker::docker(&["kill", &container]);
        assert_lost(stage, &sandbox, &run.ended());
        assert_eq!(docker::containers_of(pid), [""; 0]);
    }
}

#[test]
fn a_local_server_that_is_killed_while_it_starts() {
    let sandbox = Sandbox::shop();
    let mut run = sandbox.start();
    let postmaster = run.until("a server is there", |sandbox| sandbox.postmasters().pop());
    process::signal(postmaster, Signal::SIGKILL);
    let ended = run.ended().expect(3);
    assert_eq!(ended.stderr.matches("error: ").count(), 1, "{}", ended.stderr);
    sandbox.assert_clean();
}
