//! Whether the files of a dump in directory format are whole, which `pg_restore` does not look at: it takes rows that end too
//! early for all the rows there are, and that of version 18 also a file of gzip that was cut short (seen with 15.18 and 18).
//!
//! Each file of rows ends in a line with `\.` and two empty ones (PostgreSQL's `pg_dump.c`, seen with 15 and 18). Those with
//! large objects have no such end; they are whole if what they are packed with is.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use crate::snapshot::dump::{DumpError, Tail, unpacked};

/// The end of the rows.
const END: &[u8] = b"\\.\n\n\n";

/// Looks at all of them.
pub(crate) fn check(folder: &Path) -> Result<(), DumpError> {
    for entry in std::fs::read_dir(folder).map_err(DumpError::Read)? {
        let path = entry.map_err(DumpError::Read)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (stem, packing) = name.split_once(".dat").unwrap_or_default();
        let is_rows = !stem.is_empty() && stem.bytes().all(|byte| byte.is_ascii_digit());
        let is_large_object = stem.starts_with("blob_");
        let is_empty = std::fs::metadata(&path).map_err(DumpError::Read)?.len() == 0;
        let ends = match packing {
            // The list of large objects.
            _ if name.starts_with("blobs") => Ok(!is_empty),
            _ if !is_rows && !is_large_object => continue,
            "" if is_large_object => continue,
            // A large object without a byte in it is written as a file without one.
            ".lz4" if is_large_object && is_empty => continue,
            "" => ends(&path),
            _ => ends_unpacked(&path, is_rows),
        };
        let damaged = |error| match DumpError::of(error) {
            DumpError::Damaged(what) => DumpError::Damaged(format!("{name}: {what}")),
            DumpError::CutShort(what) => DumpError::CutShort(format!("{name}: {what}")),
            other => other,
        };
        if !ends.map_err(damaged)? {
            return Err(DumpError::CutShort(format!("the end of {name} is missing")));
        }
    }
    Ok(())
}

fn ends(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(64)))?;
    let mut last = Vec::new();
    file.read_to_end(&mut last)?;
    Ok(last.ends_with(END))
}

fn ends_unpacked(path: &Path, is_rows: bool) -> io::Result<bool> {
    let tail = Tail::default();
    let Some(text) = unpacked(BufReader::new(File::open(path)?))? else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it does not begin as its name says"));
    };
    io::copy(&mut tail.of(text), &mut io::sink())?;
    Ok(!is_rows || tail.ends_with(END))
}
