//! Files beside a migration that say whether it runs in a transaction: diesel's `metadata.toml`, Flyway's `x.sql.conf`.
//!
//! Sources: diesel's guide to migrations (`run_in_transaction`), Flyway's "script config files" (`executeInTransaction`).
//! Other keys do not bear on how a file is sent, and are left alone.

use std::path::Path;
use std::{fs, io};

use serde::Deserialize;

use super::FilesError;
use crate::scenario::TransactionMode;

#[derive(Deserialize)]
struct Metadata {
    run_in_transaction: Option<bool>,
}

/// What is said about the migration in `path`; `None` if nothing is.
pub(super) fn read(path: &Path) -> Result<Option<TransactionMode>, FilesError> {
    let in_transaction = if path.file_name().is_some_and(|name| name == "up.sql") {
        diesel(&path.with_file_name("metadata.toml"))?
    } else {
        flyway(&path.with_extension("sql.conf"))?
    };
    Ok(in_transaction.map(|yes| if yes { TransactionMode::File } else { TransactionMode::None }))
}

fn diesel(path: &Path) -> Result<Option<bool>, FilesError> {
    let Some(text) = text_of(path)? else { return Ok(None) };
    let metadata: Metadata = toml::from_str(&text)
        .map_err(|error| FilesError::Companion { path: path.to_owned(), problem: error.message().to_owned() })?;
    Ok(metadata.run_in_transaction)
}

fn flyway(path: &Path) -> Result<Option<bool>, FilesError> {
    let Some(text) = text_of(path)? else { return Ok(None) };
    let settings = text.lines().filter_map(|line| line.split_once('='));
    let Some((_, value)) = settings.into_iter().find(|(key, _)| key.trim() == "executeInTransaction") else {
        return Ok(None);
    };
    value.trim().parse().map(Some).map_err(|_| FilesError::Companion {
        path: path.to_owned(),
        problem: format!("executeInTransaction is `{}`; it must be true or false", value.trim()),
    })
}

fn text_of(path: &Path) -> Result<Option<String>, FilesError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FilesError::Read { path: path.to_owned(), source }),
    }
}
