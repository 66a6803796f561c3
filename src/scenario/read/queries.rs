//! `[queries]`: the files with what the old and the new application send.

use std::fs;
use std::path::{Path, PathBuf};

use toml::de::DeValue;

use crate::scenario::QueryFiles;
use crate::scenario::table::Table;
use crate::scenario::value::Value;

pub(super) fn read(queries: &mut Table<'_>) -> QueryFiles {
    QueryFiles { old: set(queries, "old"), new: set(queries, "new") }
}

fn set(queries: &mut Table<'_>, key: &'static str) -> Vec<PathBuf> {
    let Some(value) = queries.take(key) else { return Vec::new() };
    let entries = match value.inner {
        DeValue::Table(_) => vec![value],
        _ => value.string_or_list(),
    };
    entries.iter().filter_map(files).flatten().collect()
}

/// The files of one entry.
fn files(entry: &Value<'_>) -> Option<Vec<PathBuf>> {
    if let DeValue::Table(_) = entry.inner {
        entry.not_yet(&format!("`{}` as a table", entry.name), "name .sql files, or folders of them");
        return None;
    }
    if entry.string()?.to_ascii_lowercase().ends_with(".jsonl") {
        entry.not_yet(&format!("`{}` as a recorded set", entry.name), "name .sql files, or folders of them");
        return None;
    }
    let path = entry.existing_path()?;
    if path.is_dir() {
        return opened(entry, &path);
    }
    if !is_sql(&path) {
        return entry.refuse("must name .sql files, or folders of them", "give the file a name that ends in .sql");
    }
    Some(vec![path])
}

/// The `.sql` files of a folder, in order of name; not those of folders in it.
fn opened(entry: &Value<'_>, folder: &Path) -> Option<Vec<PathBuf>> {
    let listed = fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut files: Vec<PathBuf> = match listed {
        Ok(files) => files,
        Err(error) => {
            return entry.refuse(&format!("names a folder that cannot be read: {error}"), "see to its rights");
        }
    };
    files.retain(|path| is_sql(path) && path.is_file());
    if files.is_empty() {
        return entry.refuse("names a folder without .sql files", "put queries into it, or leave the entry out");
    }
    files.sort();
    Some(files)
}

fn is_sql(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql"))
}
