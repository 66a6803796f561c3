//! The files of `fixtures/measured`: what to prepare, statements, and what is known of each.
//!
//! ```text
//! -- What the case is about.
//! CREATE TABLE more (id int);          prepared before anything is observed
//! --# measured
//! BEGIN;
//! ALTER TABLE more ADD a int;          one statement; it ends where the line ends with a semicolon
//! --> locks: more AccessExclusive      what is known of the statement above
//! --> 18: scans: more x1               what holds for version 18 alone
//! --# blocked                          what is known of all of them together
//! --> reads and writes of more
//! ```
//!
//! A lock with `?` behind it is one that only some minor versions take: 15.20 looks at the index that a new foreign key points to
//! under a lock, as 17 does, and 15.18 does not.
//!
//! A statement without `-->` lines must have done nothing that [`facts`](crate::facts) would name, besides passing.

use std::path::{Path, PathBuf};

/// A line that says something about some versions of the server.
#[derive(Debug, Clone)]
struct Known {
    versions: Option<Vec<u32>>,
    text: String,
}

/// A statement and what is known of it.
#[derive(Debug, Default)]
pub(crate) struct Step {
    pub(crate) sql: String,
    known: Vec<Known>,
}

/// A file.
#[derive(Debug, Default)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) prepare: String,
    pub(crate) steps: Vec<Step>,
    blocked: Vec<Known>,
    /// The versions that know the statements; all when not said (`--# since 17`).
    pub(crate) since: u32,
}

impl Step {
    /// What is known of it on this version.
    pub(crate) fn expected(&self, version: u32) -> Vec<String> {
        on(&self.known, version)
    }
}

impl Case {
    /// Whom all statements together shut out on this version.
    pub(crate) fn blocked(&self, version: u32) -> Vec<String> {
        on(&self.blocked, version)
    }
}

fn on(known: &[Known], version: u32) -> Vec<String> {
    let holds = |known: &&Known| known.versions.as_ref().is_none_or(|versions| versions.contains(&version));
    known.iter().filter(holds).map(|known| known.text.clone()).collect()
}

/// The folder of the fixtures.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/measured")
}

/// Every case, by name.
pub(crate) fn all() -> Vec<Case> {
    let folder = std::fs::read_dir(folder().join("cases")).expect("the fixtures are there");
    let mut paths: Vec<PathBuf> = folder.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path).expect("a readable fixture");
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            parse(&name, &text)
        })
        .collect()
}

#[derive(PartialEq)]
enum Part {
    Prepare,
    Measured,
    Blocked,
}

fn parse(name: &str, text: &str) -> Case {
    let mut case = Case { name: name.to_owned(), ..Case::default() };
    let (mut part, mut sql) = (Part::Prepare, String::new());
    for line in text.lines() {
        match line.strip_prefix("--# ") {
            Some("measured") => part = Part::Measured,
            Some("blocked") => part = Part::Blocked,
            Some(since) => {
                let version = since.strip_prefix("since ").and_then(|version| version.parse().ok());
                case.since = version.unwrap_or_else(|| panic!("{name}: `--# {since}` is no mark"));
            }
            None if part == Part::Prepare => {
                case.prepare += line;
                case.prepare.push('\n');
            }
            None => match line.strip_prefix("--> ") {
                Some(text) if part == Part::Blocked => case.blocked.push(known(text)),
                Some(text) => {
                    let step = case.steps.last_mut().unwrap_or_else(|| panic!("{name}: what is `{text}` about?"));
                    step.known.push(known(text));
                }
                None if line.trim().is_empty() || line.starts_with("-- ") => {}
                None => {
                    sql += line;
                    if line.trim_end().ends_with(';') {
                        case.steps.push(Step { sql: std::mem::take(&mut sql), known: Vec::new() });
                    } else {
                        sql.push('\n');
                    }
                }
            },
        }
    }
    assert!(sql.is_empty() && !case.steps.is_empty(), "{name}: a statement has no end, or there is none");
    case
}

/// `18: text` or `15, 17: text` is about these versions, any other text about all.
fn known(text: &str) -> Known {
    if let Some((versions, rest)) = text.split_once(": ") {
        let versions: Result<Vec<u32>, _> = versions.split(", ").map(str::parse).collect();
        if let Ok(versions) = versions {
            return Known { versions: Some(versions), text: rest.to_owned() };
        }
    }
    Known { versions: None, text: text.to_owned() }
}
