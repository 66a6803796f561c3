//! What kind of dump a file is, by what it begins with and never by its name.

use std::io::{self, BufRead};

/// How a script is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// SQL text.
    Plain,
    /// SQL text in gzip.
    Gzip,
    /// SQL text in zstd.
    Zstd,
}

/// What cannot be restored, in words that complete "it is …".
pub(super) type Unsupported = &'static str;

/// Looks at the beginning of a file, and leaves it unread.
pub(super) fn of(reader: &mut impl BufRead) -> io::Result<Result<Format, Unsupported>> {
    Ok(of_head(reader.fill_buf()?))
}

fn of_head(head: &[u8]) -> Result<Format, Unsupported> {
    const UTF16: Unsupported =
        "text in UTF-16, as some shells write it: make the dump with `mysqldump --result-file=NAME`";
    const OTHERS: [(&[u8], Unsupported); 9] = [
        (b"\x04\x22\x4d\x18", "compressed with lz4, which is not supported: unpack it, or use gzip or zstd"),
        (b"\xfd7zXZ\0", "compressed with xz, which is not supported: unpack it, or use gzip or zstd"),
        (b"BZh", "compressed with bzip2, which is not supported: unpack it, or use gzip or zstd"),
        (b"PK\x03\x04", "a zip archive, which is not supported: unpack it, or use gzip or zstd"),
        (b"\xff\xfe", UTF16),
        (b"\xfe\xff", UTF16),
        (b"PGDMP", "a dump of PostgreSQL, and the scenario's engine is another"),
        (b"--\n-- PostgreSQL database", "a dump of PostgreSQL, and the scenario's engine is another"),
        (b"XBSTCK01", "a physical backup (xbstream): only dumps of SQL statements can be restored"),
    ];
    if head.is_empty() {
        return Err("empty");
    }
    // The magic of tar stands in the middle of its first header.
    if head.get(257..262) == Some(b"ustar") {
        return Err("a tar archive: unpack it and name the files or the folder that it holds");
    }
    if head.starts_with(b"\x1f\x8b") {
        return Ok(Format::Gzip);
    }
    // A frame of zstd, or one of those that it skips, with which parallel compressors begin (RFC 8878, 3.1).
    if head.starts_with(b"\x28\xb5\x2f\xfd") || matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]) {
        return Ok(Format::Zstd);
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
        assert_eq!(of_head(b"-- MySQL dump 10.13"), Ok(Format::Plain));
        assert_eq!(of_head(b"/*M!999999\\- enable the sandbox mode */"), Ok(Format::Plain));
        assert_eq!(of_head(b"\x1f\x8b\x08"), Ok(Format::Gzip));
        assert_eq!(of_head(b"\x28\xb5\x2f\xfd\x04"), Ok(Format::Zstd));
        for (head, word) in [
            (&tar[..], "tar"),
            (b"\xfd7zXZ\0", "xz"),
            (b"", "empty"),
            (b"\xff\xfe-\0", "UTF-16"),
            (b"PGDMP\x01\x0e", "PostgreSQL"),
        ] {
            assert!(of_head(head).expect_err(word).contains(word));
        }
    }
}
