//! How the program ends: every exit code, and that the error says what to do.

use insta::assert_snapshot;

use crate::sandbox::{Sandbox, ended};

const OUT: &[&str] = &["run", "scenario.toml"];

#[test]
fn a_migration_that_may_be_deployed_ends_with_0() {
    let sandbox = Sandbox::shop();
    let ended = sandbox.rehearse().expect(0);
    assert!(ended.stdout.starts_with("PASS  additive; migrate first, then deploy\n"), "{}", ended.stdout);
    assert_eq!(sandbox.record()["verdict"]["status"], "pass");
    sandbox.assert_clean();
}

#[test]
fn a_failing_verdict_ends_with_1() {
    let sandbox = Sandbox::shop().with("migrations/002_drop_total.sql", "ALTER TABLE orders DROP COLUMN total;\n");
    let ended = sandbox.rehearse().expect(1);
    assert!(ended.stdout.starts_with("FAIL  destructive"), "{}", ended.stdout);
    assert!(ended.stdout.contains("error[old-query-breaks] queries/old.sql:"), "{}", ended.stdout);
}

#[test]
fn a_migration_that_fails_on_the_data_ends_with_1() {
    let check = "ALTER TABLE orders ADD CHECK (total < 500);\n";
    let sandbox = Sandbox::shop().with("migrations/002_check.sql", check);
    let ended = sandbox.rehearse().expect(1);
    assert!(ended.stdout.contains("error[fails-on-data] migrations/002_check.sql:1"), "{}", ended.stdout);
}

#[test]
fn findings_that_are_waived_stay_and_end_with_0() {
    let waive = |finding: &str, until: &str| {
        format!("[[waive]]\nfinding = \"{finding}\"\nreason = \"agreed\"\nuntil = \"{until}\"\n")
    };
    let waivers =
        ["old-query-breaks", "no-safe-order", "drops-data"].map(|finding| waive(finding, "9999-12-31")).concat();
    let idle = waive("table-rewrite", "9999-12-31") + &waive("blocks-reads", "2026-01-31");
    let sandbox = Sandbox::shop().with("migrations/002_drop_total.sql", "ALTER TABLE orders DROP COLUMN total;\n");
    let sandbox = sandbox.replacing("scenario.toml", "[queries]", &format!("{waivers}{idle}[queries]"));
    let ended = sandbox.rehearse().expect(0);
    for part in [
        "\n2 warnings, 3 waived; ",
        "\nwaived error[old-query-breaks] queries/old.sql:",
        "\n  waived until 9999-12-31: agreed\n",
        "\nwarning[waiver-expired] scenario.toml:",
        "\nwarning[waiver-unused] scenario.toml:",
    ] {
        assert!(ended.stdout.contains(part), "{part:?} is not in {}", ended.stdout);
    }
    let findings = &sandbox.record()["findings"];
    let waived = findings.as_array().expect("a list").iter().filter(|finding| finding["waived"]["reason"] == "agreed");
    assert_eq!(waived.count(), 3);
}

#[test]
fn a_table_may_have_limits_of_its_own() {
    let slow = "BEGIN;\nLOCK TABLE orders;\nSELECT pg_sleep(0.05);\nCOMMIT;\n";
    let shop = || Sandbox::shop().with("migrations/002_lock.sql", slow);
    let limited = |limits: &str| shop().replacing("scenario.toml", "[queries]", &format!("{limits}\n[queries]"));
    shop().rehearse().expect(0);
    let strict = limited("[limits.table.orders]\nreads_blocked = \"1ms\"\n");
    let ended = strict.rehearse().expect(1);
    assert!(ended.stdout.contains("error[blocks-reads] migrations/002_lock.sql:2"), "{}", ended.stdout);
    let strict_for_others = "[limits]\nreads_blocked = \"1ms\"\nwrites_blocked = \"1ms\"\n";
    limited(strict_for_others).rehearse().expect(1);
    let spared = "[limits.table.orders]\nreads_blocked = \"10s\"\nwrites_blocked = \"10s\"\n";
    limited(&format!("{strict_for_others}{spared}")).rehearse().expect(0);
}

#[test]
fn what_a_later_server_would_understand_is_told_as_such() {
    let check = "ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0) NOT ENFORCED;\n";
    let sandbox = Sandbox::shop().with("migrations/002_check.sql", check);
    let sandbox = sandbox.replacing("scenario.toml", "provider = \"local\"", "provider = \"local\"\nversion = \"15\"");
    let ended = sandbox.rehearse().expect(1);
    assert!(ended.stdout.contains("\n1 error; "), "{}", ended.stdout);
    assert!(ended.stdout.contains("error[server-version] migrations/002_check.sql:1"), "{}", ended.stdout);
}

#[test]
fn wrong_sql_in_the_second_file_keeps_the_first_ones_result_and_spares_the_third() {
    let sandbox = Sandbox::shop()
        .with("migrations/002_wrong.sql", "SELECT 1;\n\nALTER TABLE orders\n    ADD COLUMN note textt;\n")
        .with("migrations/003_never.sql", "CREATE TABLE never ();\n");
    let ended = sandbox.rehearse().expect(1);
    assert!(ended.stdout.contains("error[migration-failed] migrations/002_wrong.sql:4"), "{}", ended.stdout);
    let record = sandbox.record();
    let status = |index: usize| record["migrations"][index]["status"].as_str().expect("every migration has a status");
    assert_eq!([status(0), status(1), status(2)], ["applied", "failed", "not_run"]);
    assert_eq!(record["migrations"][0]["statements"][1]["sql"], "ALTER TABLE orders ADD COLUMN status text");
    assert_eq!(record["migrations"][2]["statements"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_mistyped_key_is_shown_where_it_is_with_what_to_write() {
    let sandbox = Sandbox::shop().replacing("scenario.toml", "restore =", "restor =");
    assert_snapshot!(sandbox.run(OUT).expect(2).stderr, @r#"
    error: unknown key `restor` in `[snapshot]`
     --> scenario.toml:8:1
      |
    8 | restor = "staging.sql"
      | ^^^^^^
      = help: did you mean `restore`? Allowed here: `restore`, `after`, `seed`, `table`, `profile`

    error: 1 problem in scenario.toml
    "#);
}

#[test]
fn a_missing_dump_is_shown_with_its_neighbour() {
    let sandbox = Sandbox::shop().replacing("scenario.toml", "staging.sql", "stagin.sql");
    assert_snapshot!(sandbox.run(OUT).expect(2).stderr, @r#"
    error: `snapshot.restore` names `stagin.sql`, which does not exist
     --> scenario.toml:8:11
      |
    8 | restore = "stagin.sql"
      |           ^^^^^^^^^^^^
      = help: did you mean `staging.sql`? (paths are relative to the scenario's folder, .)

    error: 1 problem in scenario.toml
    "#);
}

#[test]
fn a_missing_folder_of_migrations_is_a_mistake_of_the_scenario() {
    let sandbox = Sandbox::shop().replacing("scenario.toml", "path = \"migrations\"", "path = \"db/migrate\"");
    assert_snapshot!(sandbox.run(OUT).expect(2).stderr, @r#"
    error: `migrations.path` names `db/migrate`, which does not exist
      --> scenario.toml:11:8
       |
    11 | path = "db/migrate"
       |        ^^^^^^^^^^^^
       = help: paths are relative to the scenario's folder, .

    error: 1 problem in scenario.toml
    "#);
}

#[test]
fn an_empty_folder_of_migrations_is_told_before_a_server_is_started() {
    let sandbox = Sandbox::shop().with("none/README", "").replacing("scenario.toml", "\"migrations\"", "\"none\"");
    assert_snapshot!(sandbox.run(OUT).expect(2).stderr, @"
    error: no migration in none: expected files such as 0001_add_status.sql or V1__add_status.sql, or folders with up.sql or migration.sql
    ");
}

#[test]
fn two_migrations_of_one_version_are_told_before_a_server_is_started() {
    let sandbox = Sandbox::shop().with("migrations/001_add_more.sql", "SELECT 1;\n");
    assert_snapshot!(sandbox.run(OUT).expect(2).stderr, @"
    error: migrations/001_add_more.sql and migrations/001_add_status.sql have the same version, 001; rename one of them
    ");
}

#[test]
fn a_wrong_file_of_queries_is_told_before_a_server_is_started() {
    let sandbox = Sandbox::shop().with("queries/old.sql", "SELECT 1;\n-- name: a\nSELECT $1;\n");
    assert_snapshot!(sandbox.run(OUT).expect(2).stderr, @"
    error: queries/old.sql:1: this statement has no name: write a line `-- name: SOME_NAME` above it
    queries/old.sql:2: `$1` of the query `a` has no example value: write `-- param 1 = VALUE` below its name
    ");
}

#[test]
fn an_old_query_that_fails_before_is_a_mistake_of_the_scenario() {
    let sandbox = Sandbox::shop().with("queries/old.sql", "-- name: totals\nSELECT totals FROM orders;\n");
    assert_snapshot!(sandbox.rehearse().expect(2).error(), @r#"
    error: the old application's queries must work before the first migration; correct the query, its example values or the snapshot:
    queries/old.sql:1: `totals`: column "totals" does not exist (SQLSTATE 42703)
    "#);
    sandbox.assert_clean();
}

#[test]
fn a_command_of_psql_in_a_migration_is_told_with_its_line() {
    let sandbox = Sandbox::shop().with("migrations/002_import.sql", "SELECT 1;\n\\copy orders FROM 'orders.csv'\n");
    assert_snapshot!(sandbox.run(OUT).expect(2).stderr, @r#"
    error: migrations/002_import.sql: line 2: `\copy orders FROM 'orders.csv'` is a psql command, and the `sql` tool sends only SQL to the server; take it out, or have psql apply the files with [migrations.tool.command]
    "#);
}

#[test]
fn a_flag_that_is_not_known_is_a_mistake_of_the_command_line() {
    let ended = Sandbox::shop().run(&["run", "scenario.toml", "--provder", "local"]).expect(2);
    assert!(ended.stderr.contains("a similar argument exists: '--provider'"), "{}", ended.stderr);
}

#[test]
fn no_local_server_ends_with_3() {
    let sandbox = Sandbox::shop().with("none/README", "");
    let ended = ended(sandbox.command(OUT).env("REHEARSAL_POSTGRES_BIN", "none")).expect(3);
    assert_snapshot!(ended.stderr, @"
    error: no PostgreSQL server was found on this machine (looked in none (from REHEARSAL_POSTGRES_BIN))
      install one (Debian: apt-get install postgresql; macOS: brew install postgresql), or set REHEARSAL_POSTGRES_BIN to the folder that has `postgres` and `initdb`
    ");
}

#[test]
fn no_docker_engine_ends_with_3() {
    let sandbox = Sandbox::shop().in_container();
    let ended = ended(sandbox.command(OUT).env("DOCKER_HOST", "unix:///nonexistent")).expect(3);
    assert_snapshot!(ended.stderr, @"
    error: no Docker engine answers: failed to initialize a docker client: Socket not found: /nonexistent
      start one, set DOCKER_HOST, or use --provider local
    ");
}

#[test]
fn where_no_provider_can_be_used_both_reasons_are_told() {
    let sandbox = Sandbox::shop().with("none/README", "");
    let mut command = sandbox.command(&["run", "scenario.toml", "--provider", "auto"]);
    command.env("DOCKER_HOST", "unix:///nonexistent").env("REHEARSAL_POSTGRES_BIN", "none");
    assert_snapshot!(ended(&mut command).expect(3).stderr, @"
    error: no server can be started here
      container: no Docker engine answers: failed to initialize a docker client: Socket not found: /nonexistent
        start one, set DOCKER_HOST, or use --provider local
      local: no PostgreSQL server was found on this machine (looked in none (from REHEARSAL_POSTGRES_BIN))
        install one (Debian: apt-get install postgresql; macOS: brew install postgresql), or set REHEARSAL_POSTGRES_BIN to the folder that has `postgres` and `initdb`
    ");
}

#[test]
fn an_image_that_cannot_be_had_ends_with_3() {
    let image = "provider = \"container\"\nimage = \"rehearsal.invalid/nothing:1\"";
    let sandbox = Sandbox::shop().replacing("scenario.toml", "provider = \"local\"", image);
    let ended = sandbox.run(OUT).expect(3);
    let expected = "error: the image rehearsal.invalid/nothing:1 is not on the Docker engine and could not be pulled: ";
    assert!(ended.stderr.starts_with(expected), "{}", ended.stderr);
    sandbox.assert_clean();
}

#[test]
fn a_version_that_is_not_installed_ends_with_3() {
    let sandbox = Sandbox::shop().replacing("scenario.toml", "\"local\"", "\"local\"\nversion = \"9\"");
    let ended = sandbox.run(OUT).expect(3);
    assert!(ended.stderr.contains("PostgreSQL 9 is not installed on this machine (found "), "{}", ended.stderr);
}

#[test]
fn a_setting_that_the_server_does_not_take_ends_with_3_and_its_own_words() {
    let settings = "\"local\"\nsettings = { work_mem = \"much\" }";
    let sandbox = Sandbox::shop().replacing("scenario.toml", "\"local\"", settings);
    let ended = sandbox.run(OUT).expect(3);
    assert!(ended.stderr.contains("invalid value for parameter \"work_mem\": \"much\""), "{}", ended.stderr);
    sandbox.assert_clean();
}
