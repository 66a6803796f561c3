//! Finding PostgreSQL's server binaries on this machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A PostgreSQL installation: a folder that has `postgres` and `initdb`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// The folder of the binaries.
    pub folder: PathBuf,
    /// The full version (`17.10`).
    pub version: String,
}

impl Installation {
    /// The major version (`17`).
    pub fn major(&self) -> &str {
        self.version.split(|c: char| !c.is_ascii_digit()).next().unwrap_or(&self.version)
    }

    /// The path of one of its programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// The folders that installers use, each with a `*` for the version.
const PLACES: [&str; 6] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
];

/// Every installation found, newest first. `REHEARSAL_POSTGRES_BIN`, when set, is the only place looked at.
pub fn installations() -> Vec<Installation> {
    let mut found = BTreeMap::new();
    for folder in candidate_folders() {
        let Ok(folder) = folder.canonicalize() else { continue };
        // A wrapper in PATH may be a link to the real folder, which has the other programs beside it.
        let folder = match folder.join("postgres").canonicalize() {
            Ok(program) => program.parent().map_or(folder.clone(), Path::to_path_buf),
            Err(_) => continue,
        };
        if found.contains_key(&folder) || !folder.join("initdb").exists() {
            continue;
        }
        if let Some(version) = version(&folder.join("postgres")) {
            found.insert(folder.clone(), Installation { folder, version });
        }
    }
    let mut found: Vec<_> = found.into_values().collect();
    found.sort_by_key(|installation| std::cmp::Reverse(numbers(&installation.version)));
    found
}

/// Where [`installations`] looks, in words, for an error that says nothing was found.
pub fn places() -> String {
    if let Some(folder) = set_by_user() {
        return format!("{} (from REHEARSAL_POSTGRES_BIN)", folder.display());
    }
    format!("PATH, {}", PLACES.join(", "))
}

fn set_by_user() -> Option<PathBuf> {
    std::env::var_os("REHEARSAL_POSTGRES_BIN").filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn candidate_folders() -> Vec<PathBuf> {
    if let Some(folder) = set_by_user() {
        return vec![folder];
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(PLACES.iter().flat_map(|place| expand(place)));
    folders
}

/// Opens the one `*` of a pattern: the folders beside it whose names begin and end as the pattern's part does.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let (before, after) = pattern.split_once('*').unwrap_or((pattern, ""));
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let rest = after.trim_start_matches('/');
    let Ok(entries) = std::fs::read_dir(parent) else { return Vec::new() };
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path().join(rest))
        .collect()
}

/// Asks the program: `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn version(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_once(") ")?.1.split_whitespace().next().map(str::to_owned)
}

fn numbers(version: &str) -> Vec<u32> {
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
        let installation = Installation { folder: PathBuf::new(), version: "19beta2".to_owned() };
        assert_eq!(installation.major(), "19");
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
