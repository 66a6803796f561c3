//! Whether a dump can be restored, by what it begins with and never by its name.

/// What cannot be restored, in words that complete "it is …".
pub(super) type Unsupported = &'static str;

/// Looks at the beginning of a dump, unpacked.
pub(super) fn of(head: &[u8]) -> Result<(), Unsupported> {
    const UTF16: Unsupported =
        "text in UTF-16, as some shells write it: make the dump with `mysqldump --result-file=NAME`";
    const OTHERS: [(&[u8], Unsupported); 10] = [
        (b"\x1f\x8b", "compressed twice: unpack it once"),
        (b"\x28\xb5\x2f\xfd", "compressed twice: unpack it once"),
        (b"<!DOCTYPE", "a web page: whatever was to fetch the dump has fetched this instead"),
        (b"BZh", "compressed with bzip2, which is not supported: unpack it, or use gzip, zstd, lz4 or xz"),
        (b"PK\x03\x04", "a zip archive, which is not supported: unpack it, or use gzip, zstd, lz4 or xz"),
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
    match OTHERS.iter().find(|(magic, _)| head.starts_with(magic)) {
        Some((_, what)) => Err(what),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_is_known_by_its_first_bytes() {
        let mut tar = [0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        assert_eq!(of(b"-- MySQL dump 10.13"), Ok(()));
        assert_eq!(of(b"/*M!999999\\- enable the sandbox mode */"), Ok(()));
        for (head, word) in [
            (&tar[..], "tar"),
            (b"BZh9", "bzip2"),
            (b"", "empty"),
            (b"\xff\xfe-\0", "UTF-16"),
            (b"PGDMP\x01\x0e", "PostgreSQL"),
        ] {
            assert!(of(head).expect_err(word).contains(word));
        }
    }
}
