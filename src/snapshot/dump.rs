//! A dump as a stream of bytes, wherever it comes from: a file or a program's standard output, unpacked, with its check sums
//! verified and its end looked for. What the bytes mean is the engine's affair.

mod checked;
mod error;
mod packing;
mod program;
mod zstd;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use error::DumpError;

use crate::scenario::{Dump, DumpSource};
use checked::Checked;
pub(crate) use checked::Tail;
use packing::Packing;
pub(crate) use program::Running;

const BUFFER: usize = 256 << 10;
/// So many bytes at the beginning tell what a dump is: the magic of tar stands at 257.
const HEAD: usize = 512;

/// A dump, open.
pub(crate) struct Input {
    /// What it is, unpacked.
    pub(crate) reader: Box<dyn BufRead + Send>,
    /// How it begins; it is read again by `reader`.
    pub(crate) head: Vec<u8>,
    /// Bytes of it that were read, as it is stored.
    pub(crate) done: Arc<AtomicU64>,
    /// Its size as it is stored; `None` for what a program writes.
    pub(crate) total: Option<u64>,
    /// Whether it has a SHA-256, which is only verified once it was read to its end.
    pub(crate) has_sum: bool,
    /// Whether it is a file that is not packed.
    pub(crate) is_bare_file: bool,
    /// The program that writes it, which ends with this.
    pub(crate) running: Option<Running>,
}

/// What a dump is called in messages: its path, or the command in backticks.
pub(crate) fn name(dump: &Dump) -> PathBuf {
    match &dump.from {
        DumpSource::File(path) => path.clone(),
        DumpSource::Command { command, .. } => PathBuf::from(format!("`{command}`")),
    }
}

/// How many bytes a dump has, in a file or in a folder's files.
pub(crate) fn size(path: &Path) -> u64 {
    match std::fs::metadata(path) {
        Ok(about) if about.is_dir() => {
            let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
            entries.map(|entry| size(&entry.path())).sum()
        }
        Ok(about) => about.len(),
        Err(_) => 0,
    }
}

/// Opens a dump that is no folder, and waits for its first bytes.
pub(crate) async fn open(dump: &Dump) -> Result<Input, DumpError> {
    let (raw, running, total): (Box<dyn Read + Send>, _, _) = match &dump.from {
        DumpSource::File(path) => {
            let file = File::open(path).map_err(DumpError::Read)?;
            let total = file.metadata().map_err(DumpError::Read)?.len();
            (Box::new(file), None, Some(total))
        }
        DumpSource::Command { command, folder } => {
            let (running, output) = program::start(command, folder)?;
            (Box::new(output), Some(running), None)
        }
    };
    let expected = checked::expected(dump)?;
    let is_file = running.is_none();
    let unpack = move || -> io::Result<Input> {
        let done = Arc::new(AtomicU64::new(0));
        let has_sum = expected.is_some();
        let raw = Checked::new(Counted { inner: raw, done: Arc::clone(&done) }, expected);
        let (head, raw) = peek(raw)?;
        let packing = Packing::of(&head);
        let (head, reader) = match packing {
            Packing::None => (head, raw),
            packing => peek(packing::unpack(packing, BufReader::with_capacity(BUFFER, raw)))?,
        };
        let reader = Box::new(BufReader::with_capacity(BUFFER, reader));
        let is_bare_file = is_file && packing == Packing::None;
        Ok(Input { reader, head, done, total, has_sum, is_bare_file, running: None })
    };
    let opened = tokio::task::spawn_blocking(unpack).await.map_err(|error| DumpError::Read(io::Error::other(error)))?;
    Ok(Input { running, ..opened.map_err(DumpError::of)? })
}

/// What is packed in a file; `None` if nothing is.
pub(crate) fn unpacked(file: impl Read + Send + 'static) -> io::Result<Option<Box<dyn Read + Send>>> {
    let (head, reader) = peek(file)?;
    let packing = Packing::of(&head);
    Ok((packing != Packing::None).then(|| packing::unpack(packing, BufReader::with_capacity(BUFFER, reader))))
}

/// Reads the beginning, and gives it with a reader that begins there again.
fn peek(mut reader: impl Read + Send + 'static) -> io::Result<(Vec<u8>, Box<dyn Read + Send>)> {
    let mut head = Vec::new();
    reader.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    let again = Cursor::new(head.clone()).chain(reader);
    Ok((head, Box::new(again)))
}

/// A reader that says how much was read of it.
struct Counted<R> {
    inner: R,
    done: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.done.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
