//! What kind of dump it is, by what it begins with and never by its name.

use std::path::Path;

/// What can be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// SQL text.
    Plain,
    /// `pg_dump --format=custom`.
    Custom,
    /// `pg_dump --format=tar`.
    Tar,
}

/// What cannot, in words that complete "it is …".
pub(crate) type Unsupported = &'static str;

/// Whether a folder is a dump (`pg_dump --format=directory`).
pub(crate) fn of_folder(folder: &Path) -> Result<(), Unsupported> {
    if folder.join("toc.dat").is_file() {
        return Ok(());
    }
    Err(
        "a folder without the file `toc.dat`, which `pg_dump --format=directory` leaves in one; name the files in it instead, \
         in the order in which they are to be restored",
    )
}

/// Looks at the beginning of a dump, unpacked.
pub(crate) fn of(head: &[u8]) -> Result<Format, Unsupported> {
    const OTHERS: [(&[u8], Unsupported); 11] = [
        (b"BZh", "compressed with bzip2, which is not supported: unpack it, or use gzip, zstd, lz4 or xz"),
        (b"PK\x03\x04", "a zip archive, which is not supported: unpack it, or use gzip, zstd, lz4 or xz"),
        (b"\x1f\x8b", "compressed twice: unpack it once"),
        (b"\x28\xb5\x2f\xfd", "compressed twice: unpack it once"),
        (b"\xff\xfe", "text in UTF-16, as some shells write it: make the dump with `pg_dump --file=NAME`"),
        (b"\xfe\xff", "text in UTF-16, as some shells write it: make the dump with `pg_dump --file=NAME`"),
        (b"-- MySQL dump", "a dump of MySQL, and the scenario's engine is PostgreSQL"),
        (b"-- MariaDB dump", "a dump of MariaDB, and the scenario's engine is PostgreSQL"),
        (b"/*M!999999", "a dump of MariaDB, and the scenario's engine is PostgreSQL"),
        (b"\0", "no text, and no dump that is known here"),
        (b"<!DOCTYPE", "a web page: whatever was to fetch the dump has fetched this instead"),
    ];
    if head.is_empty() {
        return Err("empty");
    }
    if head.starts_with(b"PGDMP") {
        return Ok(Format::Custom);
    }
    // The magic of tar stands in the middle of its first header, and pg_dump's table of contents is the first file.
    if head.get(257..262) == Some(b"ustar") {
        return if head.starts_with(b"toc.dat\0") {
            Ok(Format::Tar)
        } else {
            Err("a tar archive, and not of `pg_dump --format=tar`: unpack it, and name what is in it")
        };
    }
    match OTHERS.iter().find(|(magic, _)| head.starts_with(magic)) {
        Some((_, what)) => Err(what),
        None => Ok(Format::Plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_is_known_by_its_first_bytes() {
        let mut tar = [0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        tar[..7].copy_from_slice(b"toc.dat");
        assert_eq!(of(&tar), Ok(Format::Tar));
        tar[..7].copy_from_slice(b"one.sql");
        assert_eq!(of(b"--\n-- PostgreSQL database dump\n"), Ok(Format::Plain));
        assert_eq!(of(b"PGDMP\x01\x0e"), Ok(Format::Custom));
        for (head, word) in [
            (&tar[..], "tar"),
            (b"BZh9", "bzip2"),
            (b"", "empty"),
            (b"\xff\xfe-\0", "UTF-16"),
            (b"-- MySQL dump 10", "MySQL"),
        ] {
            assert!(of(head).expect_err(word).contains(word));
        }
    }
}
