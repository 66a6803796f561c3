//! The files of a dump by `mydumper`, in the order in which they can be restored.
//!
//! Their names say what they are: `DATABASE-schema-create.sql`, `DATABASE.TABLE-schema.sql` (of a view: a table to stand in
//! for it), `DATABASE.TABLE.sql` or `DATABASE.TABLE.00000.sql` with rows, `-schema-triggers.sql`, `-schema-view.sql`,
//! `DATABASE-schema-post.sql` with routines and events, `-schema-sequence.sql`; each may be compressed. Seen with mydumper 0.10;
//! names of later versions from its documentation ("Files").

use std::path::{Path, PathBuf};

use super::RestoreError;

/// What a file of the folder is for. The order is that of restoring: routines before views, which may call them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Database,
    Sequence,
    Table,
    Rows,
    Post,
    View,
    Triggers,
}

/// The files of a folder in order.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>, RestoreError> {
    let failed = |source| RestoreError::Read { file: folder.to_owned(), source };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    is_whole(folder, &names)?;
    let unsupported = |what| Err(RestoreError::Unsupported { file: folder.to_owned(), what });
    if names.iter().any(|name| unpacked(name).strip_suffix(".dat").is_some()) {
        return unsupported("a mydumper folder with rows as text files: make it without --csv and --load-data");
    }
    let mut parts: Vec<(Part, String)> = names.into_iter().filter_map(|name| Some((part(&name)?, name))).collect();
    parts.sort();
    if parts.is_empty() {
        return unsupported("a mydumper folder without files of SQL");
    }
    Ok(parts.into_iter().map(|(_, name)| folder.join(name)).collect())
}

/// mydumper writes `metadata.partial` while it works and renames it to `metadata` when it is done.
fn is_whole(folder: &Path, names: &[String]) -> Result<(), RestoreError> {
    let has = |name: &str| names.iter().any(|found| found == name);
    let cut = |what: &str| RestoreError::CutShort { file: folder.to_owned(), what: what.to_owned() };
    if has("metadata.partial") {
        return Err(cut("mydumper did not finish it (the folder has a file `metadata.partial`)"));
    }
    if !has("metadata") {
        return Err(RestoreError::Unsupported {
            file: folder.to_owned(),
            what: "a folder without the file `metadata` that mydumper leaves in one; name the files in it instead, in the \
                   order in which they are to be restored",
        });
    }
    let metadata = folder.join("metadata");
    let text = std::fs::read(&metadata).map_err(|source| RestoreError::Read { file: metadata, source })?;
    let finished = String::from_utf8_lossy(&text).to_ascii_lowercase().contains("finished dump at:");
    if finished { Ok(()) } else { Err(cut("mydumper did not finish it (`metadata` does not say when it did)")) }
}

/// A name without what stands for compression.
fn unpacked(name: &str) -> &str {
    [".gz", ".zst", ".lz4", ".xz"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name)
}

fn part(name: &str) -> Option<Part> {
    const ENDS: [(&str, Part); 6] = [
        ("-schema-create", Part::Database),
        ("-schema-sequence", Part::Sequence),
        ("-schema-post", Part::Post),
        ("-schema-view", Part::View),
        ("-schema-triggers", Part::Triggers),
        ("-schema", Part::Table),
    ];
    let stem = unpacked(name).strip_suffix(".sql")?;
    let end = ENDS.iter().find(|(end, _)| stem.ends_with(end));
    Some(end.map_or(Part::Rows, |(_, part)| *part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn files_come_in_the_order_in_which_they_can_be_restored() {
        let whole = "Started dump at: 2026-11-25\nFinished dump at: 2026-11-25 02:00:00\n";
        let names = [
            "shop.orders.00001.sql.gz",
            "shop.v-schema-view.sql",
            "shop-schema-post.sql",
            "shop.orders-schema.sql",
            "shop.orders.00000.sql.zst",
            "shop.orders-schema-triggers.sql",
            "shop.v-schema.sql",
            "shop-schema-create.sql",
        ];
        let mut made: Vec<(&str, &str)> = names.iter().map(|name| (*name, "")).collect();
        made.extend([("metadata", whole), ("shop.orders-metadata", "3")]);
        let folder = folder(&made);
        let files = files(folder.path()).unwrap();
        let order: Vec<_> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
        let expected = [names[7], names[3], names[6], names[4], names[0], names[2], names[1], names[5]];
        assert_eq!(order, expected);
    }

    #[test]
    fn a_folder_that_is_not_whole_is_no_dump() {
        for (name, text, word) in [
            ("metadata.partial", "Started dump at: x", "did not finish"),
            ("metadata", "Started dump at: x", "did not finish"),
            ("notes.txt", "", "metadata"),
        ] {
            let folder = folder(&[(name, text), ("shop.t-schema.sql", "")]);
            let error = files(folder.path()).expect_err(name).to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
