//! Reading a folder of migrations: every file in its place in the order.

use std::fs;
use std::path::{Path, PathBuf};

use super::{FilesError, MigrationFile, companion};
use crate::migration::plan::Strict;
use crate::migration::version::{Name, Version, read};

/// Files that make a folder one migration, by tool.
const INNER: [(&str, Strict); 2] = [("up.sql", Strict::Diesel), ("migration.sql", Strict::Prisma)];

/// A file and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) order: Order,
    pub(super) file: MigrationFile,
}

/// The place of a file in the order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    Baseline,
    Versioned(Version),
    Unversioned,
    Repeatable(String),
}

impl Order {
    pub(super) fn is_repeatable(&self) -> bool {
        matches!(self, Self::Repeatable(_))
    }
}

/// The migrations of a folder, in order.
pub(super) fn read_all(folder: &Path) -> Result<Vec<Found>, FilesError> {
    let mut found = Vec::new();
    for path in entries(folder)? {
        if path.is_dir() {
            match INNER.map(|(inner, tool)| (path.join(inner), tool)).into_iter().find(|(inner, _)| inner.is_file()) {
                Some((inner, tool)) => {
                    let layout = Some(tool);
                    found.extend(
                        one(&path, &inner)?
                            .map(|Found { order, file }| Found { order, file: MigrationFile { layout, ..file } }),
                    );
                }
                None => flyway_files(&path, &mut found)?,
            }
        } else if is_sql(&path) {
            found.extend(one(&path.with_extension(""), &path)?);
        }
    }
    found.sort_by(|one, other| one.order.cmp(&other.order));
    if found.iter().all(|found| found.order == Order::Baseline) {
        return Err(FilesError::NoMigration { folder: folder.to_owned() });
    }
    match found.windows(2).find(|pair| pair[0].order == pair[1].order && pair[0].order != Order::Baseline) {
        Some([first, second]) => Err(FilesError::SameVersion {
            version: first.file.version.clone(),
            first: first.file.path.clone(),
            second: second.file.path.clone(),
        }),
        _ => Ok(found),
    }
}

/// A file that was named itself needs no version.
pub(super) fn single(path: &Path) -> Result<Found, FilesError> {
    if let Ok(Some(found)) = one(&path.with_extension(""), path) {
        return Ok(found);
    }
    let name = file_name(&path.with_extension(""));
    let transaction = companion::read(path)?;
    let file = MigrationFile { version: name.clone(), name, path: path.to_owned(), transaction, layout: None };
    Ok(Found { order: Order::Unversioned, file })
}

/// What the file `path` is, going by the name of `named`; `None` for a way back.
fn one(named: &Path, path: &Path) -> Result<Option<Found>, FilesError> {
    let full = file_name(named);
    let (order, version) = match read(&full) {
        Name::Undo => return Ok(None),
        Name::Unversioned => return Err(FilesError::NoVersion { path: path.to_owned() }),
        Name::Versioned { version, written, .. } => (Order::Versioned(version), written.to_owned()),
        Name::Repeatable { rest } => (Order::Repeatable(rest.to_owned()), full.clone()),
        Name::Baseline => (Order::Baseline, full.clone()),
    };
    let name = full.strip_suffix(".up").unwrap_or(&full).to_owned();
    let transaction = companion::read(path)?;
    Ok(Some(Found { order, file: MigrationFile { version, name, path: path.to_owned(), transaction, layout: None } }))
}

/// Flyway looks into subfolders; of what lies there, only files with its kind of name are migrations.
fn flyway_files(folder: &Path, found: &mut Vec<Found>) -> Result<(), FilesError> {
    for path in entries(folder)? {
        if path.is_dir() {
            flyway_files(&path, found)?;
        } else if is_sql(&path) && file_name(&path).starts_with(['V', 'R', 'B']) && file_name(&path).contains("__") {
            found.extend(one(&path.with_extension(""), &path)?);
        }
    }
    Ok(())
}

/// What is in a folder, hidden entries left out, in order of name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, FilesError> {
    let error = |source| FilesError::Read { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(error)? {
        let path = entry.map_err(error)?.path();
        if !file_name(&path).starts_with('.') {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn is_sql(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql"))
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
