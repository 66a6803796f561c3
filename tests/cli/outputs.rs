//! Where what is said goes: standard output, standard error, files; and how it looks there.

use std::fs;

use serde_json::Value;

use crate::sandbox::{Sandbox, ended};

#[test]
fn json_on_standard_output_is_nothing_but_json() {
    let sandbox = Sandbox::shop();
    let ended = sandbox.run(&["run", "scenario.toml", "--report", "json=-"]).expect(0);
    let record: Value = serde_json::from_str(&ended.stdout).expect("pure JSON");
    assert_eq!(record["schema_version"], 1);
    assert!(ended.stderr.contains("PASS  additive"), "the text goes to standard error: {}", ended.stderr);
}

#[test]
fn text_on_standard_output_is_there_once() {
    let ended = Sandbox::shop().run(&["run", "scenario.toml", "--report", "text=-"]).expect(0);
    assert_eq!(ended.stdout.matches("PASS  additive").count(), 1, "{}", ended.stdout);
    assert_eq!(ended.stderr.matches("PASS  additive").count(), 0, "{}", ended.stderr);
}

#[test]
fn two_reports_on_standard_output_are_refused() {
    let ended = Sandbox::shop().run(&["run", "scenario.toml", "--report", "json=-", "--report", "text=-"]).expect(2);
    assert!(ended.stderr.contains("standard output"), "{}", ended.stderr);
}

#[test]
fn reports_go_to_every_place_that_is_named() {
    let sandbox = Sandbox::shop();
    let arguments = ["run", "scenario.toml", "--report", "json=a.json", "--report", "text=b.txt", "--out", "deep/out"];
    let ended = sandbox.run(&arguments).expect(0);
    let read = |path: &str| fs::read_to_string(sandbox.path(path)).expect("it was written");
    assert_eq!(read("b.txt"), ended.stdout, "the same text");
    assert_eq!(read("a.json"), read("deep/out/run.json"));
}

#[test]
fn a_place_that_cannot_be_written_is_told_before_the_run() {
    let sandbox = Sandbox::shop();
    for arguments in [["--report", "json=none/run.json"], ["--report", "text=queries"], ["--out", "staging.sql"]] {
        let ended = sandbox.run(&[&["run", "scenario.toml"], &arguments[..]].concat()).expect(2);
        let path = arguments[1].rsplit('=').next().expect("a path");
        assert!(ended.error().contains(path), "{}", ended.stderr);
        assert!(!ended.stderr.contains("server"), "no server was started: {}", ended.stderr);
    }
}

#[test]
fn quiet_leaves_the_result_alone() {
    let ended = Sandbox::shop().run(&["run", "scenario.toml", "--quiet"]).expect(0);
    assert_eq!(ended.stderr, "");
    assert!(ended.stdout.starts_with("PASS"), "{}", ended.stdout);
}

#[test]
fn what_is_not_for_a_terminal_has_no_escape_codes() {
    let sandbox = Sandbox::shop().with("migrations/002_drop.sql", "ALTER TABLE orders DROP COLUMN total;\n");
    let ended = sandbox.run(&["run", "scenario.toml"]).expect(1);
    assert!(!(ended.stdout + &ended.stderr).contains('\u{1b}'));
    let mistaken = sandbox.replacing("scenario.toml", "restore", "restor").run(&["run", "scenario.toml"]).expect(2);
    assert!(!mistaken.stderr.contains('\u{1b}'), "{}", mistaken.stderr);
}

/// On a terminal, which `script` of util-linux gives it.
fn on_a_terminal(sandbox: &Sandbox, variables: &[(&str, &str)]) -> String {
    let run = format!("{} run scenario.toml", env!("CARGO_BIN_EXE_rehearsal"));
    let mut script = std::process::Command::new("script");
    script.args(["-qec", &run, "/dev/null"]).current_dir(sandbox.path("")).env("TERM", "xterm");
    script.env("REHEARSAL_CACHE_DIR", sandbox.path("cache")).env("TMPDIR", sandbox.path("tmp"));
    script.env_remove("CI").env_remove("NO_COLOR").envs(variables.iter().copied());
    ended(&mut script).expect(0).stdout
}

#[test]
fn a_terminal_gets_colour_unless_it_is_not_wanted() {
    let sandbox = Sandbox::shop();
    let colour = on_a_terminal(&sandbox, &[]);
    assert!(colour.contains("\u{1b}[32mPASS") || colour.contains("\u{1b}[1m\u{1b}[32mPASS"), "{colour:?}");
    let plain = on_a_terminal(&sandbox, &[("NO_COLOR", "1"), ("CI", "true")]);
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let sandbox = Sandbox::shop();
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &format!("{} explain | head -1", env!("CARGO_BIN_EXE_rehearsal"))]).current_dir(sandbox.path(""));
    let ended = ended(&mut shell).expect(0);
    assert_eq!(ended.stderr, "");
}

#[test]
fn rows_that_the_server_estimates_do_not_look_counted() {
    // Of a table of more than 300 pages a sample is read, with such a target.
    let settings = "\"local\"\nsettings = { default_statistics_target = 1 }";
    let sandbox = Sandbox::shop()
        .replacing("scenario.toml", "\"local\"", settings)
        .replacing("staging.sql", "1000", "100000")
        .with("migrations/002_drop.sql", "ALTER TABLE orders DROP COLUMN total;\n");
    let shown = sandbox.rehearse().expect(1).stdout;
    let table = &sandbox.record()["snapshot"]["tables"][0];
    assert_eq!((&table["name"], &table["rows_estimated"]), (&"public.orders".into(), &true.into()));
    assert!(shown.contains("public.orders about "), "{shown}");
    assert!(shown.contains("public.orders.total (about "), "{shown}");
    let counted = Sandbox::shop();
    assert!(counted.rehearse().expect(0).stdout.contains("public.orders 1,000 rows"));
    assert_eq!(counted.record()["snapshot"]["tables"][0].get("rows_estimated"), None);
}
