//! Finding server binaries on this machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{mysql, postgres};
use crate::scenario::Engine;

/// An installation: a server program, and the others that came with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// What it is.
    pub engine: Engine,
    /// The folder of the server program.
    pub folder: PathBuf,
    /// The server program.
    pub server: PathBuf,
    /// The full version (`17.10`, `10.11.19`).
    pub version: String,
}

impl Installation {
    /// The major version (`17`).
    pub fn major(&self) -> &str {
        self.version.split(|c: char| !c.is_ascii_digit()).next().unwrap_or(&self.version)
    }

    /// Whether it is of a version that somebody wrote as `17`, `10.11` or in full.
    pub fn is_version(&self, wished: &str) -> bool {
        let rest = self.version.strip_prefix(wished);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) || self.major() == wished
    }

    /// The path of one of its programs: beside the server, or where MySQL's and MariaDB's have them.
    pub fn program(&self, name: &str) -> PathBuf {
        let beside = self.folder.join(name);
        let parent = self.folder.parent().unwrap_or(&self.folder);
        let elsewhere = ["bin", "scripts"].map(|folder| parent.join(folder).join(name));
        std::iter::once(beside.clone()).chain(elsewhere).find(|path| path.exists()).unwrap_or(beside)
    }
}

/// Every installation of an engine that is found, newest first. The variable of [`variable`], when set, names the only place
/// looked at.
pub fn installations(engine: Engine) -> Vec<Installation> {
    let mut found = BTreeMap::new();
    for folder in candidate_folders(engine) {
        for name in programs(engine) {
            // A wrapper in PATH may be a link to the real program, which has the others beside it.
            let Ok(server) = folder.join(name).canonicalize() else { continue };
            if found.contains_key(&server) || !is_whole(engine, &server) {
                continue;
            }
            if let (Some(version), Some(folder)) = (version(engine, &server), server.parent()) {
                let folder = folder.to_path_buf();
                found.insert(server.clone(), Installation { engine, folder, server, version });
            }
        }
    }
    let mut found: Vec<_> = found.into_values().collect();
    found.sort_by_key(|installation| std::cmp::Reverse(numbers(&installation.version)));
    found
}

/// Where [`installations`] looks, in words, for an error that says nothing was found.
pub fn places(engine: Engine) -> String {
    if let Some(folder) = set_by_user(engine) {
        return format!("{} (from {})", folder.display(), variable(engine));
    }
    format!("PATH, {}", known_places(engine).join(", "))
}

/// The variable by which a user says where an engine's server program is.
pub fn variable(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => postgres::binaries::VARIABLE,
        Engine::Mysql | Engine::Mariadb => mysql::binaries::variable(engine),
    }
}

fn programs(engine: Engine) -> &'static [&'static str] {
    match engine {
        Engine::Postgres => &["postgres"],
        Engine::Mysql | Engine::Mariadb => mysql::binaries::programs(engine),
    }
}

fn known_places(engine: Engine) -> &'static [&'static str] {
    match engine {
        Engine::Postgres => postgres::binaries::PLACES,
        Engine::Mysql | Engine::Mariadb => mysql::binaries::PLACES,
    }
}

/// A package of PostgreSQL's client may bring `postgres` without what makes a data folder.
fn is_whole(engine: Engine, server: &Path) -> bool {
    engine != Engine::Postgres || server.with_file_name("initdb").exists()
}

fn set_by_user(engine: Engine) -> Option<PathBuf> {
    std::env::var_os(variable(engine)).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn candidate_folders(engine: Engine) -> Vec<PathBuf> {
    if let Some(folder) = set_by_user(engine) {
        return vec![folder];
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(known_places(engine).iter().flat_map(|place| expand(place)));
    folders
}

/// Opens the `*` of a pattern, if it has one: the folders beside it whose names begin and end as the pattern's part does.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else { return vec![PathBuf::from(pattern)] };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let rest = after.trim_start_matches('/');
    let Ok(entries) = std::fs::read_dir(parent) else { return Vec::new() };
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path().join(rest))
        .collect()
}

/// Asks the program.
fn version(engine: Engine, program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout);
    match engine {
        Engine::Postgres => postgres::binaries::version(&said),
        Engine::Mysql | Engine::Mariadb => mysql::binaries::version(engine, &said),
    }
}

/// The numbers of a version, by which the newest is told.
pub(super) fn numbers(version: &str) -> Vec<u32> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(numbers("15.18") > numbers("15.9"));
        assert!(numbers("18beta1") > numbers("17.10"));
    }

    #[test]
    fn the_major_version_of_a_beta_is_its_number() {
        assert_eq!(of("19beta2").major(), "19");
        assert!(of("19beta2").is_version("19"));
    }

    #[test]
    fn a_version_is_wished_for_by_as_much_of_it_as_one_likes() {
        for wished in ["10", "10.11", "10.11.19"] {
            assert!(of("10.11.19").is_version(wished), "{wished}");
        }
        for wished in ["10.1", "10.12", "1", "10.11.1", "11"] {
            assert!(!of("10.11.19").is_version(wished), "{wished}");
        }
    }

    fn of(version: &str) -> Installation {
        let (folder, server) = (PathBuf::new(), PathBuf::new());
        Installation { engine: Engine::Postgres, folder, server, version: version.to_owned() }
    }

    #[test]
    fn a_pattern_opens_into_the_folders_that_are_there() {
        let root = tempfile::tempdir().expect("a folder");
        for name in ["pgsql-15", "pgsql-17", "other"] {
            std::fs::create_dir_all(root.path().join(name).join("bin")).expect("a folder");
        }
        let mut found = expand(&format!("{}/pgsql-*/bin", root.path().display()));
        found.sort();
        assert_eq!(found, ["pgsql-15/bin", "pgsql-17/bin"].map(|name| root.path().join(name)));
    }
}
