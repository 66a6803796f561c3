//! What is known of a dump as a whole: its SHA-256, where somebody wrote it down, and how it ends.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::DumpError;
use crate::scenario::{Dump, DumpSource};

/// A SHA-256 and who says it.
pub(super) struct Expected {
    sum: String,
    by: String,
}

/// The SHA-256 that a dump should have: the scenario's, or that of the file beside it.
pub(super) fn expected(dump: &Dump) -> Result<Option<Expected>, DumpError> {
    if let Some(sum) = &dump.sha256 {
        return Ok(Some(Expected { sum: sum.to_ascii_lowercase(), by: "the scenario".to_owned() }));
    }
    let DumpSource::File(path) = &dump.from else { return Ok(None) };
    let mut sidecar = path.as_os_str().to_owned();
    sidecar.push(".sha256");
    let by = sidecar.to_string_lossy().into_owned();
    match std::fs::read_to_string(&sidecar) {
        Ok(text) => {
            let sum = text.split_whitespace().next().unwrap_or_default().trim_start_matches('\\').to_ascii_lowercase();
            let is_sum = sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
            if is_sum { Ok(Some(Expected { sum, by })) } else { Err(DumpError::Sidecar(by)) }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(_) => Err(DumpError::Sidecar(by)),
    }
}

/// A reader whose end is an error unless all that was read has the right SHA-256.
pub(super) struct Checked<R> {
    inner: R,
    expected: Option<(Sha256, Expected)>,
}

impl<R> Checked<R> {
    pub(super) fn new(inner: R, expected: Option<Expected>) -> Self {
        Self { inner, expected: expected.map(|expected| (Sha256::new(), expected)) }
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let Some((hasher, _)) = &mut self.expected else { return Ok(read) };
        hasher.update(&buffer[..read]);
        if read == 0
            && !buffer.is_empty()
            && let Some((hasher, Expected { sum, by })) = self.expected.take()
        {
            let found = hasher.finalize().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
            if found != sum {
                return Err(io::Error::other(DumpError::Digest { found, expected: sum, by }));
            }
        }
        Ok(read)
    }
}

/// How many bytes of the end are kept.
const TAIL: usize = 1024;

/// The last bytes of what a reader gave.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tail(Arc<Mutex<Vec<u8>>>);

impl Tail {
    /// A reader whose end is kept.
    pub(crate) fn of<R: Read>(&self, inner: R) -> impl Read + use<R> {
        Kept { inner, tail: self.clone() }
    }

    /// Whether these bytes are in it.
    pub(crate) fn has(&self, bytes: &[u8]) -> bool {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.windows(bytes.len()).any(|found| found == bytes)
    }

    /// Whether it ends with these bytes.
    pub(crate) fn ends_with(&self, bytes: &[u8]) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).ends_with(bytes)
    }
}

struct Kept<R> {
    inner: R,
    tail: Tail,
}

impl<R: Read> Read for Kept<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let mut last = self.tail.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.extend_from_slice(&buffer[read.saturating_sub(TAIL)..read]);
        let more = last.len().saturating_sub(TAIL);
        last.drain(..more);
        Ok(read)
    }
}
