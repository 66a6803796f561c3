//! From a TOML text to a [`Scenario`], or to everything that is wrong with it.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use toml::de::DeTable;

use super::document::Document;
use super::report::{Problem, Report, line_number};
use super::table::Table;
use super::{Engine, Scenario, ScenarioError};

mod expect;
mod limits;
mod migrations;
mod queries;
mod server;
mod snapshot;
mod waivers;

impl Scenario {
    /// Reads and checks a scenario file. The files that it names must exist; they are not read.
    ///
    /// # Errors
    /// When the file cannot be read, or with every problem in it at once. A file that is no TOML has one problem, the
    /// first: what follows could only be guessed.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let bytes = read_bytes(path)?;
        let text = std::str::from_utf8(&bytes).map_err(|error| ScenarioError::NotUtf8 {
            path: path.to_owned(),
            line: line_number(&bytes, error.valid_up_to()),
        })?;
        let invalid = |problems| ScenarioError::Invalid(Report::new(path, text, problems));
        let toml = DeTable::parse(text).map_err(|error| invalid(vec![syntax_problem(&error, text)]))?;

        let folder = folder_of(path);
        let document = Document::new(text, &folder);
        let mut scenario = Table::root(&document, toml.get_ref(), read);
        let problems = document.into_problems();
        if !problems.is_empty() {
            return Err(invalid(problems));
        }
        path.clone_into(&mut scenario.path);
        scenario.snapshot.tables.iter_mut().for_each(|table| path.clone_into(&mut table.file));
        scenario.snapshot.profile.iter_mut().for_each(|profile| path.clone_into(&mut profile.file));
        scenario.waivers.iter_mut().for_each(|waiver| waiver.file = path.display().to_string());
        scenario.folder = folder;
        scenario.digest = format!("{:x}", Sha256::digest(&bytes));
        Ok(scenario)
    }
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, ScenarioError> {
    if path.is_dir() {
        return Err(ScenarioError::Folder { path: path.to_owned() });
    }
    std::fs::read(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => ScenarioError::NotFound { path: path.to_owned() },
        _ => ScenarioError::Unreadable { path: path.to_owned(), source },
    })
}

/// The folder of a file; `.` and not nothing, so that a program can be started in it.
fn folder_of(path: &Path) -> PathBuf {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

fn syntax_problem(error: &toml::de::Error, text: &str) -> Problem {
    let span = error.span().unwrap_or_default();
    let (message, expected) = error.message().split_once(", expected ").unwrap_or((error.message(), ""));
    let help = match message {
        "string values must be quoted" => format!("put it in quotes: \"{}\"", &text[span.clone()]),
        "duplicate key" => "a key, and a table's header, may be there once: keep one of the two".to_owned(),
        _ if expected.is_empty() || expected == "nothing" => "see https://toml.io for what may stand here".to_owned(),
        _ => format!("expected here: {expected}"),
    };
    Problem { span, message: format!("this is not TOML: {message}"), help }
}

/// Reads all of it. Path, folder and digest are not the text's to know, and filled in by [`Scenario::load`].
fn read(root: &mut Table<'_>) -> Scenario {
    let title = title(root);
    let engine = engine(root);
    let scenario = Scenario {
        path: PathBuf::new(),
        folder: PathBuf::new(),
        digest: String::new(),
        title,
        engine,
        server: root.table("server", |server| server::read(server, engine)),
        snapshot: root.table("snapshot", snapshot::read),
        migrations: root.table("migrations", |migrations| migrations::read(migrations, engine)),
        queries: root.table("queries", queries::read),
        limits: root.table("limits", limits::read),
        waivers: root.tables("waive", waivers::read),
        expect: root.optional("expect", expect::read),
    };
    for (key, help) in [
        ("traffic", "remove it: queries run before, between and after the migrations, not yet during them"),
        ("check", "remove it: this version checks no invariants"),
        ("production", "remove it: figures are those of the rows that `[[snapshot.table]]` asks for"),
        ("phase", "remove it: write one scenario for each deploy"),
    ] {
        root.not_yet(key, help);
    }
    scenario
}

fn title(root: &mut Table<'_>) -> String {
    let Some(value) = root.require("title", "title = \"Add a status to orders\"") else { return String::new() };
    let title = value.string().unwrap_or_default().trim();
    if title.contains('\n') {
        value.problem("must be one line", "keep it short, and write the rest as a comment");
    }
    title.to_owned()
}

fn engine(root: &mut Table<'_>) -> Engine {
    root.require("engine", "engine = \"postgres\"")
        .and_then(|value| {
            value.word(&[("postgres", Engine::Postgres), ("mysql", Engine::Mysql), ("mariadb", Engine::Mariadb)], &[])
        })
        .unwrap_or(Engine::Postgres)
}
