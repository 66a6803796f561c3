//! What kind of dump a file is, by what it begins with and never by its name.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// What can be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// SQL text.
    Plain,
    /// `pg_dump --format=custom`.
    Custom,
}

/// What cannot, in words that complete "this is …".
pub(crate) type Unsupported = &'static str;

/// Looks at a dump.
pub(crate) fn of(path: &Path) -> io::Result<Result<Format, Unsupported>> {
    if path.is_dir() {
        return Ok(Err(
            "a directory; dumps in directory format are not supported yet: make one with `pg_dump --format=custom`",
        ));
    }
    let mut head = Vec::new();
    File::open(path)?.take(512).read_to_end(&mut head)?;
    Ok(of_head(&head))
}

fn of_head(head: &[u8]) -> Result<Format, Unsupported> {
    const OTHERS: [(&[u8], Unsupported); 10] = [
        (b"\x1f\x8b", "compressed with gzip, which is not supported yet: unpack it first"),
        (b"\x28\xb5\x2f\xfd", "compressed with zstd, which is not supported yet: unpack it first"),
        (b"\x04\x22\x4d\x18", "compressed with lz4, which is not supported yet: unpack it first"),
        (b"\xfd7zXZ\0", "compressed with xz, which is not supported yet: unpack it first"),
        (b"BZh", "compressed with bzip2, which is not supported yet: unpack it first"),
        (b"PK\x03\x04", "a zip archive, which is not supported: unpack it first"),
        (b"\xff\xfe", "text in UTF-16, as some shells write it: make the dump with `pg_dump --file=NAME`"),
        (b"\xfe\xff", "text in UTF-16, as some shells write it: make the dump with `pg_dump --file=NAME`"),
        (b"-- MySQL dump", "a dump of MySQL, and the scenario's engine is PostgreSQL"),
        (b"-- MariaDB dump", "a dump of MariaDB, and the scenario's engine is PostgreSQL"),
    ];
    if head.is_empty() {
        return Err("empty");
    }
    if head.starts_with(b"PGDMP") {
        return Ok(Format::Custom);
    }
    // The magic of tar stands in the middle of its first header.
    if head.get(257..262) == Some(b"ustar") {
        return Err(
            "a tar archive; dumps in tar format are not supported yet: make one with `pg_dump --format=custom`",
        );
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
        assert_eq!(of_head(b"--\n-- PostgreSQL database dump\n"), Ok(Format::Plain));
        assert_eq!(of_head(b"PGDMP\x01\x0e"), Ok(Format::Custom));
        for (head, word) in [
            (&tar[..], "tar"),
            (b"\x1f\x8b\x08", "gzip"),
            (b"", "empty"),
            (b"\xff\xfe-\0", "UTF-16"),
            (b"-- MySQL dump 10.13", "MySQL"),
        ] {
            assert!(of_head(head).expect_err(word).contains(word));
        }
    }
}
