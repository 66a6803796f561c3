//! The `command` tool: any program that migrates, through the tap, with all that it does on record.

use insta::assert_snapshot;
use serde_json::Value;

use crate::sandbox::Sandbox;

/// What reached the server: connection, text and whether locks are on record, for each statement.
fn statements(record: &Value) -> Vec<(u64, &str)> {
    let statements = record["migrations"][0]["statements"].as_array().expect("a migration has statements");
    for statement in statements {
        assert!(statement["locks"].is_array() || statement["locks"].is_null(), "{statement}");
        assert!(statement["duration_ms"].is_number(), "{statement}");
    }
    statements.iter().map(|s| (s["connection"].as_u64().unwrap(), s["sql"].as_str().unwrap())).collect()
}

#[test]
fn a_script_with_psql_is_followed_statement_by_statement() {
    let sandbox = Sandbox::migrated_by("psql -qX -v ON_ERROR_STOP=1 -f change.sql")
        .with("change.sql", "BEGIN;\nALTER TABLE orders ADD COLUMN status text;\nCOMMIT;\nSELECT 1;\n");
    sandbox.rehearse().expect(0);
    let record = sandbox.record();
    let sent = ["BEGIN;", "ALTER TABLE orders ADD COLUMN status text;", "COMMIT;", "SELECT 1;"];
    assert_eq!(statements(&record), sent.map(|sql| (1, sql)));
    let lock = &record["migrations"][0]["statements"][1]["locks"][0];
    assert_eq!((&lock["relation"], &lock["mode"]), (&"public.orders".into(), &"AccessExclusiveLock".into()));
    assert!(lock["held_ms"].is_number(), "{lock}");
}

#[test]
fn ten_connections_at_once_are_told_apart() {
    let sandbox =
        Sandbox::migrated_by("for i in 0 1 2 3 4 5 6 7 8 9; do psql -qXc \"CREATE TABLE t$i ()\" & done; wait")
            .replacing("queries/new.sql", "status", "total");
    sandbox.rehearse().expect(0);
    let record = sandbox.record();
    let mut connections: Vec<u64> = statements(&record).iter().map(|(connection, _)| *connection).collect();
    connections.sort_unstable();
    assert_eq!(connections, (1..=10).collect::<Vec<u64>>());
}

#[test]
fn a_whole_file_in_one_message_is_one_unit() {
    let file = "ALTER TABLE orders ADD COLUMN status text; UPDATE orders SET status = 'new'";
    let sandbox = Sandbox::migrated_by(&format!("psql -qXc \"{file}\""));
    sandbox.rehearse().expect(0);
    let record = sandbox.record();
    assert_eq!(statements(&record), [(1, file)]);
    assert_eq!(record["migrations"][0]["statements"][0]["command"], "ALTER TABLE; UPDATE");
}

#[test]
fn a_program_that_fails_shows_the_end_of_its_output() {
    let sandbox = Sandbox::migrated_by("echo one; echo Traceback: no such module >&2; exit 3");
    let ended = sandbox.rehearse().expect(1);
    let finding = ended.stdout.split("\n\n").nth(1).expect("a finding");
    assert_snapshot!(finding, @"
    error[migration-failed] migration command
      echo one; echo Traceback: no such module >&2; exit 3 failed: it ended with exit status: 3
        | one
        | Traceback: no such module
      help: the log of the tool may say more; mend it and rehearse again
    ");
}

#[test]
fn a_program_that_insists_on_encryption_is_told_what_to_set() {
    let ended = Sandbox::migrated_by("PGSSLMODE=require psql -qXc 'SELECT 1'").rehearse().expect(1);
    let said = ended.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("server does not support SSL, but SSL was required"), "{said}");
    assert!(said.contains("set `sslmode=disable` or `prefer` for the rehearsal"), "{said}");
}

#[test]
fn a_program_that_goes_elsewhere_is_not_taken_for_one_that_did_well() {
    let ended = Sandbox::migrated_by("true").replacing("queries/new.sql", "status", "total").rehearse().expect(4);
    let said = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("the command sent nothing to the scratch server"), "{said}");
}

#[test]
fn a_program_that_is_not_there_is_told_by_the_shell() {
    let ended = Sandbox::migrated_by("no-such-tool upgrade").rehearse().expect(1);
    assert!(ended.stdout.contains("no-such-tool: not found"), "{}", ended.stdout);
}

#[test]
fn a_program_that_hangs_is_stopped_after_the_timeout() {
    let sandbox = Sandbox::migrated_by("psql -qXc 'SELECT pg_sleep(300)' & sleep 300").replacing(
        "scenario.toml",
        "[migrations.tool",
        "[migrations]\ntimeout = \"1s\"\n[migrations.tool",
    );
    let ended = sandbox.rehearse().expect(1);
    assert!(ended.stdout.contains("was stopped, since it had not ended after 1 s"), "{}", ended.stdout);
    assert_eq!(sandbox.record()["migrations"][0]["statements"][0]["status"], "lost");
    sandbox.assert_clean();
}

#[test]
fn a_file_that_takes_too_long_is_stopped_after_the_timeout() {
    let sandbox = Sandbox::shop().with("migrations/002_slow.sql", "SELECT pg_sleep(300);\n").replacing(
        "scenario.toml",
        "[migrations]",
        "[migrations]\ntimeout = \"1h\"",
    );
    // The command line goes before the scenario.
    let ended = sandbox.run(&["run", "scenario.toml", "--out", "out", "--timeout", "1s"]).expect(1);
    assert!(ended.stdout.contains("it had not ended after 1 s (--timeout)"), "{}", ended.stdout);
    assert_eq!(sandbox.record()["migrations"][1]["statements"][1]["status"], "lost");
    sandbox.assert_clean();
}

#[test]
fn a_client_that_gives_up_in_a_statement_is_the_migrations_failure() {
    let sandbox = Sandbox::migrated_by("timeout 1 psql -qXc 'SELECT pg_sleep(300)'");
    sandbox.rehearse().expect(1);
    let record = sandbox.record();
    assert_eq!(record["completion"], "complete");
    assert_eq!(record["migrations"][0]["statements"][0]["status"], "lost");
}

#[test]
fn a_daemon_that_is_left_behind_neither_hangs_the_run_nor_outlives_it() {
    for (end, code) in [("exit 0", 0), ("exit 1", 1)] {
        let sandbox = Sandbox::migrated_by(&format!(
            "psql -qXc 'ALTER TABLE orders ADD COLUMN status text'; setsid sleep 300 & sleep 0.2; {end}"
        ));
        sandbox.rehearse().expect(code);
        sandbox.assert_clean();
        let notes = sandbox.record()["notes"].to_string();
        assert!(notes.contains("left 1 process running"), "{notes}");
    }
}

#[test]
fn a_program_that_writes_without_end_does_not_fill_memory_or_the_report() {
    let sandbox = Sandbox::migrated_by("yes 'a line of output' | head -c 20000000; exit 1");
    let ended = sandbox.rehearse().expect(1);
    assert!(ended.stdout.len() < 10_000, "{} bytes", ended.stdout.len());
}
