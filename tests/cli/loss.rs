//! The server is killed in the middle of a statement: one clear error, what was measured, and nothing left behind.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::sandbox::{Ended, Sandbox, ended};
use crate::{docker, process};

fn slow() -> Sandbox {
    Sandbox::shop().with("migrations/002_slow.sql", "ALTER TABLE orders ADD COLUMN note text;\nSELECT pg_sleep(300);\n")
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
    let log = ended.stdout.matches("\n  | ").count();
    assert!(log > 0 && !ended.stderr.contains("\n  | "), "the server's last words stand in the report alone");
    let record = sandbox.record();
    assert!(record["completion"]["failed"].as_str().is_some_and(|why| why.contains("gone")));
    assert_eq!(record["migrations"][0]["status"], "applied");
    assert_eq!(record["migrations"][1]["status"], "failed");
    let statements = record["migrations"][1]["statements"].as_array().expect("there are some");
    let last = statements.last().expect("there are some");
    assert_eq!((last["command"].as_str(), last["status"].as_str()), (Some("SELECT"), Some("lost")));
    sandbox.assert_clean();
}

#[test]
fn a_local_server_that_is_killed() {
    let sandbox = slow();
    let mut run = sandbox.start();
    let postmaster = run.until_sleeping();
    process::signal(postmaster, Signal::SIGKILL);
    assert_lost(&sandbox, run.ended());
}

#[test]
fn a_container_that_is_killed() {
    let sandbox = slow().in_container();
    let mut run = sandbox.start();
    let pid = run.pid();
    let container = run.until("a container is there", |_| docker::containers_of(pid).pop());
    run.until("a statement sleeps", |_| docker::sleeps(&container).then_some(()));
    docker::docker(&["kill", &container]);
    assert_lost(&sandbox, run.ended());
    assert!(docker::containers_of(pid).is_empty());
}

#[test]
fn a_backend_that_is_killed_takes_the_others_with_it() {
    let sandbox = slow();
    let mut run = sandbox.start();
    run.until_sleeping();
    let pid = sandbox.psql("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'").expect("it sleeps");
    process::signal(pid.parse().expect("a process id"), Signal::SIGKILL);
    assert_lost(&sandbox, run.ended());
}

#[test]
#[ignore = "the kernel takes its time, and what is said is the same as of one that is killed: tests/faults.sh"]
fn a_container_that_runs_out_of_memory() {
    let sort = "SET work_mem = '2GB';
SELECT count(*) FROM (SELECT i, repeat('x', 200) x FROM generate_series(1, 6000000) i \
                ORDER BY x, i DESC OFFSET 1) s;\n";
    let sandbox = Sandbox::shop().with("migrations/002_sort.sql", sort).in_container();
    let mut run = sandbox.start();
    let pid = run.pid();
    let container = run.until("a container is there", |_| docker::containers_of(pid).pop());
    run.until("it sorts", |_| docker::runs(&container, "query LIKE '%ORDER BY x, i DESC%'").then_some(()));
    docker::docker(&["update", "--memory", "300m", "--memory-swap", "300m", &container]);
    let ended = run.ended().expect(3);
    assert_eq!(ended.stderr.matches("error: ").count(), 1, "{}", ended.stderr);
    assert!(ended.error().contains("was killed (signal 9), as Linux does where memory runs out"), "{}", ended.stderr);
    assert!(ended.error().contains("give the machine or its containers more memory"), "{}", ended.stderr);
    assert_eq!(sandbox.record()["migrations"][0]["status"], "applied");
    assert!(docker::containers_of(pid).is_empty());
    sandbox.assert_clean();
}

#[test]
fn a_connection_that_the_server_ends_is_the_migrations_failure() {
    let sandbox = slow();
    let mut run = sandbox.start();
    run.until_sleeping();
    sandbox.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    run.ended().expect(1);
    let record = sandbox.record();
    assert_eq!(record["completion"], "complete");
    let why = record["migrations"][1]["error"].as_str().expect("it failed");
    assert!(why.contains("terminating connection due to administrator command"), "{why}");
    sandbox.assert_clean();
}

#[test]
fn a_statement_that_computes_does_not_outlive_its_server() {
    // It looks neither at its client nor at its server until it is done.
    let busy = "CREATE FUNCTION busy() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM generate_series(1, 400000000)';\n\
                SELECT busy();\n";
    let sandbox = Sandbox::shop().with("migrations/002_busy.sql", busy);
    let mut run = sandbox.start();
    let running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT busy()%' AND state = 'active'";
    run.until("it computes", |sandbox| (sandbox.psql(running)? == "1").then_some(()));
    let postmaster = sandbox.postmasters().pop().expect("a server runs");
    process::signal(postmaster, Signal::SIGKILL);
    run.ended().expect(3);
    sandbox.assert_clean();
}

#[test]
fn a_local_server_that_ends_itself_since_its_disk_is_full() {
    let sandbox = Sandbox::shop().with(
        "migrations/002_large.sql",
        "CREATE TABLE large AS SELECT repeat('x', 900) AS x FROM generate_series(1, 300000);\n",
    );
    let small = sandbox.path("small");
    std::fs::create_dir(&small).expect("our own folder");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=150m,mode=755", "tmpfs"]).arg(&small).status();
    assert!(mounted.expect("mount is there").success(), "a file system can be mounted");
    let full = ended(sandbox.command(&["run", "scenario.toml"]).env("REHEARSAL_CACHE_DIR", &small));
    let left = std::fs::read_dir(small.join("servers")).expect("a server was there").count();
    let unmounted = Command::new("umount").arg(&small).status();
    assert!(unmounted.expect("umount is there").success(), "nothing uses it any more");
    let full = full.expect(3);
    assert!(full.error().starts_with("error: the disk of the scratch server is full"), "{}", full.stderr);
    assert_eq!(left, 0);
}
