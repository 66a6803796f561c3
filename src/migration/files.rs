//! The versioned SQL files of a folder: which of them are pending, in which order.
//!
//! Understood are the names that the common tools use: `0001_x.sql`, `20240101120000_x.sql`, `0001_x.up.sql`
//! (golang-migrate), `V1.2__x.sql` and `R__x.sql` (Flyway, also in subfolders), `2024-01-01-120000_x/up.sql` (diesel) and
//! `20240101120000_x/migration.sql` (Prisma). Ways back (`*.down.sql`, `down.sql`, `U1__x.sql`) are left out.
//!
//! Which repeatable files (`R__`) have changed since the snapshot is not known, so all of them are pending, always. What a
//! tool keeps in tables of its own is [`super::history`]'s.

mod companion;
mod folder;

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::plan::Strict;
use super::version::{Name, Version, read, read_version};
use crate::scenario::TransactionMode;
use folder::{Found, Order};

/// A file to be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationFile {
    /// Its version, as it is written in its name; the whole name for a file that has none (`R__views`).
    pub version: String,
    /// Its name, without `.sql` and `.up`: `0042_add_status`.
    pub name: String,
    /// Where its statements are.
    pub path: PathBuf,
    /// What a file beside it says about its transaction: diesel's `metadata.toml` (`run_in_transaction`), Flyway's
    /// `x.sql.conf` (`executeInTransaction`). It goes before the scenario's mode; a comment in the file goes before both.
    pub transaction: Option<TransactionMode>,
    /// The tool that keeps files so, if it leaves no statement of them out of its transaction.
    pub layout: Option<Strict>,
}

/// Why the pending files could not be told.
#[derive(Debug, Error)]
pub enum FilesError {
    /// A file or folder cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is nothing to apply in the folder.
    #[error(
        "no migration in {}: expected files such as 0001_add_status.sql or V1__add_status.sql, or folders with up.sql or \
         migration.sql",
        folder.display()
    )]
    NoMigration {
        /// The folder.
        folder: PathBuf,
    },
    /// A file has no version in its name, so that its place in the order is not known.
    #[error(
        "{} has no version in its name; name it like 0001_add_status.sql, 20240101120000_add_status.sql or \
         V1__add_status.sql, or move it out of the folder",
        path.display()
    )]
    NoVersion {
        /// The file.
        path: PathBuf,
    },
    /// Two files claim the same place in the order.
    #[error("{} and {} have the same version, {version}; rename one of them", first.display(), second.display())]
    SameVersion {
        /// The version, as the first one writes it.
        version: String,
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A baseline (`B2__x.sql`) is there, and the snapshot has no migration: Flyway would begin with the baseline.
    #[error(
        "{} is a Flyway baseline, which the `sql` tool does not apply; say which version the snapshot has with \
         `applied_through`, or have Flyway run the migrations with [migrations.tool.command]",
        path.display()
    )]
    Baseline {
        /// The file.
        path: PathBuf,
    },
    /// `applied_through` is not among the files.
    #[error("applied_through = \"{wanted}\" is none of the migrations; near it are {}", near.join(", "))]
    UnknownVersion {
        /// What was asked for.
        wanted: String,
        /// The names of some files that may be meant, in order.
        near: Vec<String>,
    },
    /// A file beside a migration, which says how it is to be run, cannot be understood.
    #[error("{}: {problem}", path.display())]
    Companion {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

/// The files in `path` (a folder, or a single `.sql` file) that come after the version `applied_through`, in the order in
/// which they are to be applied. It may be written with or without leading zeros and the V, or be a file's whole name. An
/// empty list: nothing is pending.
pub fn pending(path: &Path, applied_through: Option<&str>) -> Result<Vec<MigrationFile>, FilesError> {
    let metadata = path.metadata().map_err(|source| FilesError::Read { path: path.to_owned(), source })?;
    let found = if metadata.is_dir() { folder::read_all(path)? } else { vec![folder::single(path)?] };
    let after = match applied_through {
        Some(wanted) => position(&found, wanted.trim())? + 1,
        None => 0,
    };
    let is_pending = |(index, found): &(usize, Found)| *index >= after || found.order.is_repeatable();
    if applied_through.is_none()
        && let Some(baseline) = found.iter().find(|found| found.order == Order::Baseline)
    {
        return Err(FilesError::Baseline { path: baseline.file.path.clone() });
    }
    let pending = found.into_iter().enumerate().filter(is_pending);
    Ok(pending.filter(|(_, found)| found.order != Order::Baseline).map(|(_, found)| found.file).collect())
}

/// Where in the order the file is that `wanted` names.
fn position(found: &[Found], wanted: &str) -> Result<usize, FilesError> {
    let stem = wanted.strip_suffix(".sql").unwrap_or(wanted);
    let stem = stem.strip_suffix(".up").unwrap_or(stem);
    let version = read_version(wanted);
    let names = |found: &Found| match &found.order {
        Order::Versioned(own) => found.file.name == stem || version.as_ref() == Some(own),
        Order::Unversioned => found.file.name == stem,
        Order::Baseline | Order::Repeatable(_) => false,
    };
    found.iter().position(names).ok_or_else(|| FilesError::UnknownVersion {
        wanted: wanted.to_owned(),
        near: near(found, wanted, version.clone()),
    })
}

/// Names that may be meant: the neighbours of a version, names that contain a text, or else the last ones.
fn near(found: &[Found], wanted: &str, version: Option<Version>) -> Vec<String> {
    let names: Vec<&str> = found.iter().map(|found| found.file.name.as_str()).collect();
    let near = |range: Range<usize>| names[range].iter().map(|&name| name.to_owned()).collect();
    let version = version.or_else(|| match read(wanted) {
        Name::Versioned { version, .. } => Some(version),
        _ => None,
    });
    if let Some(version) = version {
        let wanted = Order::Versioned(version);
        let below = found.partition_point(|found| found.order < wanted);
        return near(below.saturating_sub(2)..found.len().min(below + 2));
    }
    let text = wanted.to_lowercase();
    let alike = names.iter().filter(|name| !text.is_empty() && name.to_lowercase().contains(&text));
    let alike: Vec<String> = alike.map(|&name| name.to_owned()).collect();
    if alike.is_empty() { near(found.len().saturating_sub(3)..found.len()) } else { alike }
}

#[cfg(test)]
mod tests;
