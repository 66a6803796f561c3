//! The commands that need no server: `check`, `report`, `explain`, `doctor`; and runs of several scenarios.

use std::fs;

use insta::assert_snapshot;

use crate::sandbox::{Sandbox, ended};

/// The shop twice, below `all/`, the second one failing.
fn two() -> Sandbox {
    let mut sandbox = Sandbox::shop();
    for (name, migration) in [("add", "ALTER TABLE orders ADD COLUMN status text;\n"), ("drop", "DROP TABLE orders;\n")]
    {
        for file in ["scenario.toml", "staging.sql", "queries/old.sql", "queries/new.sql"] {
            let text = fs::read_to_string(sandbox.path(file)).expect("a file of the sandbox");
            sandbox = sandbox.with(&format!("all/{name}/{file}"), &text);
        }
        sandbox = sandbox.with(&format!("all/{name}/migrations/001_{name}.sql"), migration);
    }
    sandbox.replacing("all/drop/scenario.toml", "Add a status", "Drop orders")
}

#[test]
fn check_shows_what_would_be_done() {
    let sandbox = Sandbox::shop()
        .with("migrations/002_index.sql", "CREATE INDEX CONCURRENTLY ON orders (total);\nSELECT 'a\nb';\nSELECT 2;\n")
        .with("migrations/003_done.sql", "-- rehearsal: no-transaction\nVACUUM orders;\n")
        .replacing(
            "scenario.toml",
            "[migrations]",
            "[[snapshot.table]]\nname = \"orders\"\nrows = 5_000_000\n\n[migrations]",
        );
    assert_snapshot!(sandbox.run(&["check", "scenario.toml"]).expect(0).stdout, @"
    Add a status  (scenario.toml)
      server      PostgreSQL, local
      snapshot    staging.sql (133 bytes), orders to 5,000,000 rows
      queries     1 old, 1 new
      migrations  3 pending (less what a history table in the data lists), a transaction for each file
        001_add_status
          [    1  ALTER TABLE orders ADD COLUMN status text
        002_index
          note: Line 1: this CREATE INDEX cannot run in a transaction. It is sent by itself; what stands before it in the file is committed first, and stays if it fails.
               1  CREATE INDEX CONCURRENTLY ON orders (total)
          ┌    2  SELECT 'a b'
          └    4  SELECT 2
        003_done
               2  VACUUM orders
      data        not tried: `check --data` starts a server and says whether these tables can be grown

    the scenario is valid
    ");
}

#[test]
fn check_shows_a_command_as_it_is() {
    let sandbox = Sandbox::migrated_by("alembic upgrade head");
    assert_snapshot!(sandbox.run(&["check", "scenario.toml"]).expect(0).stdout, @"
    Add a status  (scenario.toml)
      server      PostgreSQL, local
      snapshot    staging.sql (133 bytes)
      queries     1 old, 1 new
      migrations  by `alembic upgrade head`

    the scenario is valid
    ");
}

#[test]
fn check_tells_what_is_wrong_with_one_scenario_and_shows_the_others() {
    let sandbox = two().replacing("all/drop/scenario.toml", "restore", "restor");
    let checked = sandbox.run(&["check", "all"]).expect(2);
    assert!(checked.stdout.starts_with("Add a status  (all/add/scenario.toml)\n"), "{}", checked.stdout);
    assert!(checked.stderr.contains("did you mean `restore`?"), "{}", checked.stderr);
}

/// The catalogue below a folder of `scenarios/`, rehearsed: each comes out as it expects, and there are so many at least.
fn comes_out_as_expected(folder: &str, provider: &str, least: usize) {
    let catalogue = format!("{}/scenarios/{folder}", env!("CARGO_MANIFEST_DIR"));
    let ended = Sandbox::shop().run(&["run", &catalogue, "--provider", provider]).expect(0);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    let (summary, each) = lines.split_last().expect("a line for each, and one for all");
    assert!(each.len() >= least && each.iter().all(|line| line.starts_with("ok ")), "{}", ended.stdout);
    assert_eq!(*summary, format!("{0} of {0} ok", each.len()));
}

#[test]
fn every_scenario_of_postgresql_comes_out_as_it_expects() {
    comes_out_as_expected("postgres", "local", 29);
}

#[test]
fn every_scenario_of_mysql_comes_out_as_it_expects() {
    comes_out_as_expected("mysql", "container", 27);
}

#[test]
fn every_scenario_of_mariadb_comes_out_as_it_expects_on_a_server_of_this_machine() {
    comes_out_as_expected("mariadb", "local", 11);
}

#[test]
fn every_scenario_of_mariadb_comes_out_as_it_expects_on_the_newest_server() {
    comes_out_as_expected("mariadb", "container", 11);
}

#[test]
fn what_stands_alone_comes_out_as_it_expects_as_well() {
    for (folder, provider) in [("quickstart", "local"), ("mariadb-11.8", "container")] {
        let scenario = format!("{}/scenarios/{folder}", env!("CARGO_MANIFEST_DIR"));
        let ended = Sandbox::shop().run(&["run", &scenario, "--provider", provider]).expect(0);
        assert!(ended.stderr.ends_with("this is what the scenario expects\n"), "{}", ended.stderr);
    }
}

#[test]
fn several_scenarios_are_a_line_each_and_a_record_each() {
    let sandbox = two();
    let ended = sandbox.run(&["run", "all", "--out", "out"]).expect(1);
    assert_snapshot!(ended.stdout, @"
           PASS  additive     migrate-first    no findings  Add a status (all/add/scenario.toml)
           FAIL  destructive  broken           2 errors, 1 warning  Drop orders (all/drop/scenario.toml)
    1 of 2 ok
    ");
    for (name, status) in [("add", "pass"), ("drop", "fail")] {
        let text = fs::read_to_string(sandbox.path(&format!("out/all-{name}.json"))).expect("a record each");
        assert!(text.contains(&format!("\"status\": \"{status}\"")), "{name}");
    }
    sandbox.assert_clean();
}

#[test]
fn records_of_scenarios_whose_names_are_alike_do_not_overwrite_each_other() {
    let sandbox = two();
    let text = fs::read_to_string(sandbox.path("all/add/scenario.toml")).expect("a file of the sandbox");
    let sandbox = sandbox.with("all/add/other/x.toml", &text.replace("\"staging", "\"../staging"));
    let sandbox = sandbox.with("all/add/other-x.toml", &text);
    let scenarios = ["all/add/scenario.toml", "all/add/scenario.toml", "all/add/other-x.toml", "all/add/other/x.toml"];
    sandbox.run(&[&["run", "--out", "out"], &scenarios[..]].concat());
    let mut written: Vec<_> =
        fs::read_dir(sandbox.path("out")).expect("it was made").flatten().map(|e| e.file_name()).collect();
    written.sort();
    assert_eq!(written.len(), 3, "the one that could not be read has none: {written:?}");
}

#[test]
fn a_scenario_that_cannot_be_read_does_not_keep_the_others_from_running() {
    let sandbox = two().replacing("all/add/scenario.toml", "restore", "restor");
    let ended = sandbox.run(&["run", "all"]).expect(2);
    assert!(ended.stdout.contains("FAIL  destructive"), "{}", ended.stdout);
    assert!(ended.stdout.ends_with("0 of 2 ok, 1 not run\n"), "{}", ended.stdout);
}

#[test]
fn expectations_decide_how_a_scenario_ends() {
    let expecting = |verdict: &str, findings: &str| {
        let expect = format!("[expect]\nverdict = \"{verdict}\"\nfindings = [{findings}]\n");
        let text = fs::read_to_string(two().path("all/drop/scenario.toml")).expect("a file of the sandbox");
        two().with("all/drop/scenario.toml", &format!("{text}\n{expect}"))
    };
    let met = expecting("fail", "\"old-query-breaks\", \"new-query-fails\", \"drops-data\"")
        .run(&["run", "all/drop"])
        .expect(0);
    assert!(met.stderr.ends_with("this is what the scenario expects\n"), "{}", met.stderr);
    let unmet = expecting("pass", "\"table-rewrite\"").run(&["run", "all/drop"]).expect(1);
    assert_snapshot!(unmet.error(), @"
    error: all/drop/scenario.toml expects something else (edit its [expect] if this is right):
      verdict: expected pass, came out fail
      findings: expected table-rewrite, which was not found
      findings: drops-data was not expected
      findings: new-query-fails was not expected
      findings: old-query-breaks was not expected
    ");
}

#[test]
fn a_saved_run_is_rendered_as_it_was() {
    let sandbox = Sandbox::shop().with("migrations/002_drop.sql", "ALTER TABLE orders DROP COLUMN total;\n");
    let ran = sandbox.rehearse().expect(1);
    let again = sandbox.run(&["report", "out/run.json"]).expect(0);
    assert_eq!(again.stdout, ran.stdout);
    let json = sandbox.run(&["report", "out/run.json", "--report", "json=-"]).expect(0).stdout;
    assert_eq!(json, fs::read_to_string(sandbox.path("out/run.json")).expect("a record"));
}

#[test]
fn a_record_that_cannot_be_read_is_told_with_what_to_do() {
    let sandbox = Sandbox::shop()
        .with("newer.json", "{\"schema_version\": 2}")
        .with("other.json", "{\"name\": \"something\"}")
        .with("text.json", "PASS\n");
    let error = |file: &str| sandbox.run(&["report", file]).expect(2).stderr;
    assert_snapshot!(error("newer.json") + &error("other.json") + &error("text.json") + &error("none.json"), @"
    error: newer.json: this run record has schema_version 2, and this version of rehearsal reads up to 1: use a newer rehearsal
    error: other.json: this is not a run record: missing field `schema_version` at line 1 column 21
    error: text.json: this is not a run record: expected value at line 1 column 1
    error: cannot read none.json: No such file or directory (os error 2)
    ");
}

#[test]
fn explain_lists_and_explains() {
    let sandbox = Sandbox::empty();
    let list = sandbox.run(&["explain"]).expect(0).stdout;
    assert!(list.lines().count() > 10, "{list}");
    for line in list.lines() {
        let code = line.split_whitespace().next().expect("a code");
        let explained = sandbox.run(&["explain", code]).expect(0).stdout;
        assert!(explained.starts_with(&format!("{code}: ")) && explained.lines().count() > 3, "{explained}");
    }
    assert_snapshot!(sandbox.run(&["explain", "table-rewrites"]).expect(2).stderr, @"error: there is no finding `table-rewrites`: did you mean `table-rewrite`? `rehearsal explain` lists all findings");
}

#[test]
fn doctor_says_what_can_be_used_and_why_not() {
    let sandbox = Sandbox::empty().with("none/README", "");
    let both = sandbox.run(&["doctor"]).expect(0).stdout;
    assert!(
        both.contains("local: usable\n  PostgreSQL ")
            && both.contains("\n  MariaDB    10.11.")
            && both.contains("container: usable, Docker engine ")
            && both.contains("\nprepared snapshots: "),
        "{both}"
    );
    let mut neither = sandbox.command(&["doctor"]);
    for engine in ["POSTGRES", "MYSQL", "MARIADB"] {
        neither.env(format!("REHEARSAL_{engine}_BIN"), "none");
    }
    neither.env("DOCKER_HOST", "unix:///nonexistent");
    assert_snapshot!(ended(&mut neither).expect(3).stdout, @"
    local: not usable, no server binaries
      no PostgreSQL: looked in none (from REHEARSAL_POSTGRES_BIN)
      no MySQL: looked in none (from REHEARSAL_MYSQL_BIN)
      no MariaDB: looked in none (from REHEARSAL_MARIADB_BIN)
    container: not usable, no Docker engine answers: failed to initialize a docker client: Socket not found: /nonexistent
    no scratch server can be started here: install a database server, or start Docker
    ");
}
