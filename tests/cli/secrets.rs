//! Nothing leads a run to another server than its own, and no password comes out of it.

use std::fs;

use nix::sys::signal::Signal;

use crate::docker;
use crate::sandbox::{Sandbox, ended};

/// What a developer's shell may hold, each of which would lead libpq to another server or another way there.
const PRODUCTION: [(&str, &str); 14] = [
    ("DATABASE_URL", "postgresql://app:hunter2@production.example/shop"),
    ("PGHOST", "production.example"),
    ("PGHOSTADDR", "192.0.2.1"),
    ("PGPORT", "6432"),
    ("PGUSER", "app"),
    ("PGDATABASE", "shop"),
    ("PGPASSWORD", "hunter2"),
    ("PGPASSFILE", "/nonexistent/pgpass"),
    ("PGSERVICE", "production"),
    ("PGSERVICEFILE", "/nonexistent/services"),
    ("PGOPTIONS", "-c default_transaction_read_only=on"),
    ("PGSSLMODE", "verify-full"),
    ("PGTARGETSESSIONATTRS", "standby"),
    ("PGREQUIREAUTH", "scram-sha-256"),
];

#[test]
fn the_environment_of_the_caller_leads_a_run_nowhere_else() {
    let sandbox = Sandbox::shop();
    ended(sandbox.command(&["run", "scenario.toml"]).envs(PRODUCTION)).expect(0);
}

#[test]
fn the_environment_of_the_caller_leads_a_command_nowhere_else() {
    let sandbox = Sandbox::migrated_by(
        "env > env.txt; psql -qX -c 'ALTER TABLE orders ADD COLUMN status text' && psql -qX -d $DATABASE_URL -c 'SELECT 1'",
    );
    ended(sandbox.command(&["run", "scenario.toml"]).envs(PRODUCTION)).expect(0);
    let seen = fs::read_to_string(sandbox.path("env.txt")).expect("the command wrote it");
    for production in [
        "production.example",
        "=production\n",
        "192.0.2.1",
        "hunter2",
        "6432",
        "read_only",
        "verify-full",
        "standby",
        "scram",
    ] {
        assert!(!seen.contains(production), "{production} in\n{seen}");
    }
    for ours in ["PGHOST=127.0.0.1\n", "PGUSER=postgres\n", "PGDATABASE=rehearsal\n", "PGSSLMODE=disable\n"] {
        assert!(seen.contains(ours), "no {ours} in\n{seen}");
    }
}

#[test]
fn the_servers_own_tools_restore_into_the_scratch_server_only() {
    // A dump of pg_dump's own format is restored by pg_restore, which is libpq's.
    let source = Sandbox::shop();
    source.run(&["run", "scenario.toml", "--keep"]).expect(0);
    let sandbox = Sandbox::shop().replacing("scenario.toml", "staging.sql", "staging.dump");
    let socket =
        fs::read_dir(source.path("tmp")).expect("our own folder").flatten().find(|entry| entry.path().is_dir());
    let dump = std::process::Command::new("pg_dump")
        .arg("-Fc")
        .arg("-h")
        .arg(socket.expect("it was kept").path())
        .args(["-U", "postgres", "-f"])
        .arg(sandbox.path("staging.dump"))
        .arg("rehearsal")
        .status();
    assert!(dump.expect("pg_dump is installed").success());
    source.run(&["sweep"]).expect(0);
    let sandbox = sandbox.with("migrations/001_add_status.sql", "ALTER TABLE orders DROP COLUMN IF EXISTS status;\n");
    let sandbox = sandbox.replacing("queries/new.sql", "status", "total");
    ended(sandbox.command(&["run", "scenario.toml", "--out", "out"]).envs(PRODUCTION)).expect(0);
    assert_eq!(sandbox.record()["snapshot"]["tables"][0]["rows"], 1000);
}

#[test]
fn the_password_of_a_container_comes_out_nowhere() {
    let leak = "echo $DATABASE_URL $PGPASSWORD; psql -qXc 'SELECT pg_sleep(0.5)'; exit 1";
    let sandbox =
        Sandbox::migrated_by(&format!("touch begun; until [ -e go ]; do sleep 0.02; done; {leak}")).in_container();
    let mut run = sandbox.start();
    let pid = run.pid();
    run.until("the command runs", |sandbox| sandbox.path("begun").exists().then_some(()));
    let container = docker::containers_of(pid).pop().expect("a container runs");
    let environment = docker::docker(&["inspect", "-f", "{{range .Config.Env}}{{println .}}{{end}}", &container]);
    let password = environment.lines().find_map(|line| line.strip_prefix("POSTGRES_PASSWORD=")).expect("it has one");
    fs::write(sandbox.path("go"), "").expect("our own folder");
    let ended = run.ended().expect(1);
    assert!(ended.stdout.contains("postgresql://postgres:***@127.0.0.1:"), "{}", ended.stdout);
    let record = fs::read_to_string(sandbox.path("out/run.json")).expect("a record");
    for text in [&ended.stdout, &ended.stderr, &record] {
        assert!(!text.contains(password), "{text}");
    }
}

#[test]
fn a_container_that_is_kept_tells_its_password_to_the_terminal_only() {
    let sandbox = Sandbox::shop().in_container();
    let kept = sandbox.run(&["run", "scenario.toml", "--keep", "--out", "out"]).expect(0);
    let reach = kept.stderr.split("psql postgresql://postgres:").nth(1).expect("how to reach it");
    let password = reach.split('@').next().expect("a password");
    let record = fs::read_to_string(sandbox.path("out/run.json")).expect("a record");
    sandbox.run(&["sweep"]).expect(0);
    assert!(!record.contains(password) && !kept.stdout.contains(password));
    assert!(kept.stderr.contains("`rehearsal sweep` removes it"));
}

#[test]
fn an_interrupted_container_run_says_no_password_either() {
    let sandbox = Sandbox::shop().with("migrations/002_slow.sql", "SELECT pg_sleep(300);\n").in_container();
    let mut run = sandbox.start();
    let pid = run.pid();
    let container = run.until("a container is there", |_| docker::containers_of(pid).pop());
    run.until("a statement sleeps", |_| docker::sleeps(&container).then_some(()));
    run.signal(Signal::SIGINT);
    let ended = run.ended().expect(130);
    assert!(!ended.stderr.contains("password") && !ended.stdout.contains("password"), "{}", ended.stderr);
}
