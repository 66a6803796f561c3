//! Uncommon inputs go through everything: names that need quotes, very many statements, nothing to do.

use crate::sandbox::Sandbox;

#[test]
fn quotes_spaces_and_emoji_in_names_come_out_as_they_are() {
    let table = "\"Order \"\"lines\"\" 🚚\"";
    let sandbox = Sandbox::shop()
        .with("staging.sql", &format!("CREATE TABLE {table} (\"the id\" int PRIMARY KEY, \"naïve 'x'\" text);\nINSERT INTO {table} SELECT i, 'x' FROM generate_series(1, 100) i;\n"))
        .with("migrations/001_add_status.sql", &format!("ALTER TABLE {table} ALTER COLUMN \"the id\" TYPE bigint;\nALTER TABLE {table} DROP COLUMN \"naïve 'x'\";\n"))
        .with("queries/old.sql", &format!("-- name: naive\nSELECT \"naïve 'x'\" FROM {table};\n"))
        .with("queries/new.sql", &format!("-- name: ids\nSELECT \"the id\" FROM {table};\n"));
    let ended = sandbox.rehearse().expect(1);
    let name = "public.\"Order \"\"lines\"\" 🚚\"";
    assert!(ended.stdout.contains("`naive`"), "{}", ended.stdout);
    let record = sandbox.record();
    assert_eq!(record["snapshot"]["tables"][0]["name"], name);
    assert_eq!(record["migrations"][0]["blocking"][0]["table"], name);
    assert_eq!(record["migrations"][0]["removed"][0]["column"], "naïve 'x'");
    let rewrites = record["migrations"][0]["statements"][1]["rewrites"].as_array().expect("it was looked");
    assert!(rewrites.iter().any(|rewrite| rewrite["relation"] == name), "{rewrites:?}");
    // Widths are counted in columns of the terminal: no line of the table is longer than another.
    let rows = ended.stdout.lines().filter(|line| line.matches(" | ").count() == 5);
    let widths: Vec<usize> = rows.map(unicode_width::UnicodeWidthStr::width).collect();
    assert!(widths.len() >= 3 && widths.iter().all(|width| *width == widths[0]), "{}", ended.stdout);
}

#[test]
fn names_of_63_bytes_and_of_keywords_off_the_search_path_come_out_as_they_are() {
    let long = format!("\"{}x\"", "Ü".repeat(31));
    let schema = format!(
        "SET standard_conforming_strings = off;\nCREATE SCHEMA \"Out Side\";\nSET search_path = \"Out Side\";\n\
         CREATE COLLATION german (provider = icu, locale = 'de-DE');\n\
         CREATE TABLE \"select\" (id int, \"from\" text COLLATE german);\n\
         INSERT INTO \"select\" VALUES (1, 'it\\'s; one');\nCREATE TABLE {long} (id int);\n"
    );
    let migration = format!(
        "SET standard_conforming_strings = off;\nALTER TABLE \"Out Side\".\"select\" ADD note text DEFAULT 'don\\'t; stop';\n\
         ALTER TABLE \"Out Side\".{long} ALTER id TYPE bigint;\n"
    );
    let sandbox = Sandbox::shop()
        .with("staging.sql", &schema)
        .with("migrations/001_add_status.sql", &migration)
        .with("queries/old.sql", "-- name: old\nSELECT \"from\" FROM \"Out Side\".\"select\";\n")
        .with("queries/new.sql", "-- name: new\nSELECT note FROM \"Out Side\".\"select\";\n");
    sandbox.rehearse().expect(0);
    let record = sandbox.record();
    let blocking = record["migrations"][0]["blocking"].as_array().expect("tables were locked");
    let tables: Vec<&str> = blocking.iter().filter_map(|blocking| blocking["table"].as_str()).collect();
    assert_eq!(tables, ["\"Out Side\".\"select\"", &format!("\"Out Side\".{long}")]);
    sandbox.assert_clean();
}

#[test]
fn a_server_on_which_backslashes_escape_gets_files_as_it_would_read_them() {
    let settings = "provider = \"local\"\nsettings = { standard_conforming_strings = \"off\" }";
    let sandbox = Sandbox::shop()
        .replacing("scenario.toml", "provider = \"local\"", settings)
        .replacing("staging.sql", "CREATE TABLE", "SELECT 'it\\'s; one';\nCREATE TABLE")
        .with("migrations/002_note.sql", "ALTER TABLE orders ADD note text DEFAULT 'don\\'t; stop';\nSELECT 1;\n");
    sandbox.rehearse().expect(0);
    assert_eq!(sandbox.record()["migrations"][1]["statements"].as_array().map(Vec::len), Some(4));
    sandbox.assert_clean();
}

#[test]
fn two_thousand_statements_are_all_on_record_and_few_are_shown() {
    let inserts: Vec<String> = (0..2000).map(|i| format!("INSERT INTO orders VALUES ({}, 1);\n", 10_000 + i)).collect();
    let sandbox = Sandbox::shop().with("migrations/002_seed.sql", &inserts.concat());
    let ended = sandbox.rehearse();
    let record = sandbox.record();
    assert_eq!(record["migrations"][1]["status"], "applied");
    let statements = record["migrations"][1]["statements"].as_array().expect("a migration has statements");
    assert_eq!(statements.len(), 2002);
    assert_eq!(statements[2000]["line"], 2000);
    assert!(ended.stdout.lines().count() < 80, "{}", ended.stdout);
    sandbox.assert_clean();
}

#[test]
fn nothing_pending_is_said_and_passes() {
    let through = "path = \"migrations\"\napplied_through = \"001\"";
    let sandbox = Sandbox::shop().replacing("scenario.toml", "path = \"migrations\"", through).replacing(
        "queries/new.sql",
        "status",
        "total",
    );
    let ended = sandbox.rehearse().expect(0);
    assert!(ended.stdout.contains("no migration is pending"), "{}", ended.stdout);
    let checked = sandbox.run(&["check", "scenario.toml"]).expect(0);
    assert!(checked.stdout.contains("0 pending after 001"), "{}", checked.stdout);
}

#[test]
fn an_empty_snapshot_is_where_the_first_migration_of_all_begins() {
    let sandbox = Sandbox::shop()
        .replacing("scenario.toml", "restore = \"staging.sql\"\n", "")
        .replacing("scenario.toml", "old = \"queries/old.sql\"\n", "")
        .with("migrations/001_add_status.sql", "CREATE TABLE orders (id bigint, status text);\n");
    let ended = sandbox.rehearse().expect(0);
    assert!(ended.stdout.contains("data empty: no tables"), "{}", ended.stdout);
    assert_eq!(sandbox.record()["snapshot"]["origin"], "empty");
}

#[test]
fn a_file_with_no_statement_is_applied_and_noted() {
    let sandbox = Sandbox::shop().with("migrations/002_nothing.sql", "-- nothing to do here\n");
    sandbox.rehearse().expect(0);
    assert_eq!(sandbox.record()["migrations"][1]["status"], "applied");
}

#[test]
fn a_second_start_takes_the_folder_that_the_first_one_made() {
    let sandbox = Sandbox::shop();
    std::fs::remove_file(sandbox.path("cache/fresh")).expect("it was linked");
    sandbox.rehearse().expect(0);
    let templates = || -> Vec<_> {
        let entries = std::fs::read_dir(sandbox.path("cache/fresh")).expect("it was made").flatten();
        entries.map(|entry| (entry.file_name(), entry.metadata().and_then(|data| data.modified()).ok())).collect()
    };
    let made = templates();
    assert_eq!(made.len(), 1, "{made:?}");
    let ended = sandbox.rehearse().expect(0);
    assert_eq!(templates(), made);
    assert!(ended.stderr.contains("    server  PostgreSQL "), "{}", ended.stderr);
}
