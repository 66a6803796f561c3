//! Whole files: those that must be refused, with all that is said about them, and those that must be read.
//!
//! Each `fixtures/scenario-errors/NAME.toml` is wrong, and `NAME.snap` beside it is what the user is told.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pretty_assertions::assert_eq;

use super::*;

const ERRORS: &str = "fixtures/scenario-errors";

fn stems(extension: &str) -> BTreeSet<String> {
    fs::read_dir(ERRORS)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

fn refused(name: &str) -> ScenarioError {
    Scenario::load(&Path::new(ERRORS).join(format!("{name}.toml"))).expect_err(name)
}

#[test]
fn every_bad_file_is_refused_with_what_to_write_instead() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(Path::new(env!("CARGO_MANIFEST_DIR")).join(ERRORS));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for name in stems("toml") {
        settings.bind(|| insta::assert_snapshot!(name.clone(), refused(&name)));
    }
    assert_eq!(stems("snap"), stems("toml"), "a snapshot without its file, or a file without one");
}

#[test]
fn all_problems_of_a_file_are_told_at_once_and_in_its_order() {
    let error = refused("five-problems");
    assert_eq!(error.count(), 5, "the misspelt `engine` is one, and not missing besides");
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().filter_map(|line| line.split(".toml:").nth(1)).collect();
    assert_eq!(lines, ["3:1", "6:8", "13:8", "16:17", "18:2"]);
}

#[test]
fn what_is_displayed_is_what_is_rendered_without_colour() {
    for error in [refused("words"), Scenario::load(Path::new(ERRORS)).expect_err("a folder")] {
        assert!(error.render(false).contains(&error.to_string()));
        assert!(error.render(true).contains("\u{1b}["));
    }
}

/// A folder with the files that the scenarios of these tests name.
fn folder() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for file in
        ["dump.sql", "more.sql", "migrations/1.sql", "queries/b.sql", "queries/a.SQL", "queries/c.txt", "new.sql"]
    {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "SELECT 1;").unwrap();
    }
    root
}

fn load(root: &Path, text: &str) -> Result<Scenario, ScenarioError> {
    let path = root.join("scenario.toml");
    fs::write(&path, text).unwrap();
    Scenario::load(&path)
}

#[test]
fn three_lines_are_a_scenario_and_the_rest_has_defaults() {
    let root = folder();
    let text = "title = 'Least'\nengine = 'postgres'\nmigrations.path = 'migrations'\n";
    let scenario = load(root.path(), text).unwrap();
    let least = Scenario {
        path: root.path().join("scenario.toml"),
        folder: root.path().to_owned(),
        digest: scenario.digest.clone(),
        title: "Least".to_owned(),
        engine: Engine::Postgres,
        server: ServerWish::default(),
        snapshot: SnapshotWish { restore: Vec::new(), after: Vec::new(), profile: None, tables: Vec::new(), seed: 1 },
        migrations: MigrationsWish {
            applied_through: None,
            tool: Tool::Sql { path: root.path().join("migrations"), transaction: TransactionMode::File },
            timeout: Duration::from_secs(3600),
        },
        queries: QueryFiles::default(),
        limits: Limits::default(),
        waivers: Vec::new(),
        expect: None,
    };
    assert_eq!(scenario, least);
}

#[test]
fn the_digest_is_that_of_sha256sum() {
    let root = folder();
    let text = "title = 'Least'\nengine = 'postgres'\nmigrations.path = 'migrations'\n";
    let digest = load(root.path(), text).unwrap().digest;
    assert_eq!(digest, "d896a6ea6743f7bfea1178c432702a0f984b14e32099d3c86d76c50a200d078a");
}

const FULL: &str = r#"
title = "Add a status to orders"
engine = "postgres"

[server]
version = "17"
provider = "container"
image = "registry.example/pg:17"

[server.settings]
shared_buffers = "1GB"
max_connections = 0x20
random_page_cost = 1.1
fsync = true
auto_explain.log_min_duration = 5

[snapshot]
restore = ["dump.sql", "more.sql"]
seed = 7

[[snapshot.table]]
name = "orders"
rows = 5_000_000

[snapshot.table.columns.status]
values = { shipped = 1, new = 0.5, paid = 8 }
null_fraction = 0.25

[snapshot.table.columns.size]
values = ["s", 5, true]

[snapshot.table.columns.placed_at]
distinct = 100
range = [2020-01-01, 2026-01-01T12:00:00Z]

[[snapshot.table]]
name = '"Order Lines"'
rows = 0

[migrations]
path = "migrations"
applied_through = "0041"
timeout = "90s"

[migrations.tool.sql]
transaction = "statement"

[queries]
old = "queries"
new = ["new.sql", "queries/b.sql"]

[limits]
reads_blocked = "1.5s"
writes_blocked = "0ms"
duration = "1h"
rewrite_rows = 1

[limits.table."shop.orders"]
writes_blocked = "2s"
rewrite_rows = 9

[expect]
verdict = "fail"
class = "slow"
deploy = "migrate-first"
findings = ["table-rewrite", "blocks-reads"]
"#;

#[test]
fn a_full_file_says_all_that_can_be_said() {
    let root = folder();
    let at = |file: &str| root.path().join(file);
    let scenario = load(root.path(), FULL).unwrap();
    let text = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    assert_eq!(
        scenario.server,
        ServerWish {
            engine: Engine::Postgres,
            version: Some("17".to_owned()),
            provider: ProviderWish::Container,
            image: Some("registry.example/pg:17".to_owned()),
            settings: text(&[
                ("shared_buffers", "1GB"),
                ("max_connections", "32"),
                ("random_page_cost", "1.1"),
                ("fsync", "true"),
                ("auto_explain.log_min_duration", "5"),
            ]),
            external: None,
            command: None,
        }
    );
    assert_eq!(
        scenario.migrations,
        MigrationsWish {
            applied_through: Some("0041".to_owned()),
            tool: Tool::Sql { path: at("migrations"), transaction: TransactionMode::Statement },
            timeout: Duration::from_secs(90),
        }
    );
    assert_eq!(
        scenario.queries,
        QueryFiles {
            old: vec![at("queries/a.SQL"), at("queries/b.sql")],
            new: vec![at("new.sql"), at("queries/b.sql")],
        }
    );
    let orders = TableLimits { writes_blocked_ms: Some(seconds(2)), rewrite_rows: Some(9), ..TableLimits::default() };
    assert_eq!(
        scenario.limits,
        Limits {
            reads_blocked_ms: Millis(Duration::from_millis(1500)),
            writes_blocked_ms: seconds(0),
            duration_ms: seconds(3600),
            rewrite_rows: 1,
            tables: [("shop.orders".to_owned(), orders)].into(),
        }
    );
    assert_eq!(
        scenario.expect,
        Some(Expect {
            verdict: Some(Status::Fail),
            class: Some(Class::Slow),
            deploy: Some(Deploy::MigrateFirst),
            findings: Some(vec!["table-rewrite".to_owned(), "blocks-reads".to_owned()]),
        })
    );
}

#[test]
fn a_file_cut_off_anywhere_is_told_of_within_its_lines() {
    let root = folder();
    let text = FULL.replace("Add a status", "Ajouter un état à « 注文 »");
    for (end, _) in text.char_indices() {
        let Err(error) = load(root.path(), &text[..end]) else { continue };
        let shown = error.to_string();
        let place = shown.split("scenario.toml:").nth(1).expect("a place");
        let line: usize = place.split(':').next().and_then(|line| line.parse().ok()).expect("a line");
        assert!(line <= text[..end].matches('\n').count() + 1, "{shown}");
    }
}

fn seconds(seconds: u64) -> Millis {
    Millis(Duration::from_secs(seconds))
}

#[test]
fn tables_to_grow_keep_their_order_their_lines_and_the_order_of_their_values() {
    let root = folder();
    let snapshot = load(root.path(), FULL).unwrap().snapshot;
    assert_eq!(snapshot.restore, ["dump.sql", "more.sql"].map(|name| Dump::from(root.path().join(name))));
    assert_eq!(snapshot.seed, 7);
    let pair = |(text, weight): (&str, f64)| (text.to_owned(), weight);
    let column = |name: &str, wish: ColumnWish| (name.to_owned(), wish);
    let orders = TableWish {
        name: "orders".to_owned(),
        rows: 5_000_000,
        columns: BTreeMap::from([
            column(
                "status",
                ColumnWish {
                    values: Some([("shipped", 1.0), ("new", 0.5), ("paid", 8.0)].map(pair).to_vec()),
                    null_fraction: Some(0.25),
                    ..ColumnWish::default()
                },
            ),
            column(
                "size",
                ColumnWish {
                    values: Some([("s", 1.0), ("5", 1.0), ("true", 1.0)].map(pair).to_vec()),
                    ..ColumnWish::default()
                },
            ),
            column(
                "placed_at",
                ColumnWish {
                    distinct: Some(100),
                    range: Some(("2020-01-01".to_owned(), "2026-01-01T12:00:00Z".to_owned())),
                    ..ColumnWish::default()
                },
            ),
        ]),
        file: root.path().join("scenario.toml"),
        line: 22,
    };
    let lines = TableWish {
        name: "\"Order Lines\"".to_owned(),
        rows: 0,
        columns: BTreeMap::new(),
        file: root.path().join("scenario.toml"),
        line: 37,
    };
    assert_eq!(snapshot.tables, [orders, lines]);
}

#[test]
fn a_command_runs_in_the_scenarios_folder_unless_it_says_another() {
    let root = folder();
    for (line, folder) in [("", root.path().to_owned()), ("folder = 'migrations'", root.path().join("migrations"))] {
        let text = format!(
            "title = 't'\nengine = 'postgres'\n[migrations.tool.command]\ncommand = 'bin/migrate'\n{line}\n\
             env = {{ STAGE = 'test', PORT = 80, PGOPTIONS = '-c lock_timeout=5s' }}"
        );
        let expected = Tool::Command {
            command: "bin/migrate".to_owned(),
            folder,
            env: [("PGOPTIONS", "-c lock_timeout=5s"), ("PORT", "80"), ("STAGE", "test")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        };
        assert_eq!(load(root.path(), &text).unwrap().migrations.tool, expected);
    }
}

#[test]
fn every_tool_of_a_later_version_is_refused_by_name_with_the_command_that_runs_it_today() {
    let root = folder();
    for tool in [
        "alembic",
        "django",
        "flyway",
        "liquibase",
        "rails",
        "golang-migrate",
        "goose",
        "dbmate",
        "sqlx",
        "diesel",
        "prisma",
        "atlas",
    ] {
        let text = format!("title = 't'\nengine = 'postgres'\n[migrations.tool.{tool}]\nanything = 1\n");
        let error = load(root.path(), &text).expect_err(tool);
        assert_eq!(error.count(), 1, "{error}");
        assert!(error.to_string().contains(&format!("`[migrations.tool.{tool}]` is not supported yet")), "{error}");
        assert!(error.to_string().contains("`[migrations.tool.command]` can run it today"), "{error}");
    }
}

#[test]
fn a_file_that_cannot_be_read_as_text_has_one_clear_error() {
    let root = folder();
    let latin1 = root.path().join("latin1.toml");
    fs::write(&latin1, b"# first\ntitle = \"caf\xe9\"\n").unwrap();
    for (path, says) in [
        (latin1, "latin1.toml:2: this is not UTF-8 text"),
        (root.path().to_owned(), "is a folder: name the scenario file in it"),
        (PathBuf::from("nowhere.toml"), "there is no scenario nowhere.toml"),
    ] {
        let error = Scenario::load(&path).expect_err(says);
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(error.count(), 1);
    }
}
