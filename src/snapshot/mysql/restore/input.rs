//! The text of a dump, unpacked while it is read.
//!
//! What is compressed must end where its format says that it ends, and its check sum must be right: a file that was cut short
//! is found out.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::FrameDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};

use super::RestoreError;
use super::format::{self, Format};

const BUFFER: usize = 256 << 10;
/// Windows of zstd up to this many bytes are unpacked: what `zstd --long=27` makes, its own limit without a word from the
/// user (zstd(1), `--long`).
const LARGEST_WINDOW: u64 = 128 << 20;

/// A dump, open.
pub(super) struct Input {
    /// Its text.
    pub(super) reader: Box<dyn BufRead + Send>,
    /// Bytes of the file that were read.
    pub(super) done: Arc<AtomicU64>,
    /// Its size in bytes.
    pub(super) total: u64,
}

/// Opens a file.
pub(super) fn open(file: &Path) -> Result<Input, RestoreError> {
    let failed = |source| RestoreError::Read { file: file.to_owned(), source };
    let opened = File::open(file).map_err(failed)?;
    let total = opened.metadata().map_err(failed)?.len();
    let done = Arc::new(AtomicU64::new(0));
    let mut packed = BufReader::with_capacity(BUFFER, Counted { inner: opened, done: Arc::clone(&done) });
    let format = format::of(&mut packed).map_err(failed)?;
    let reader: Box<dyn BufRead + Send> =
        match format.map_err(|what| RestoreError::Unsupported { file: file.to_owned(), what })? {
            Format::Plain => Box::new(packed),
            Format::Gzip => Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(packed))),
            Format::Zstd => Box::new(BufReader::with_capacity(BUFFER, Frames::new(packed))),
        };
    Ok(Input { reader, done, total })
}

/// A reader that says how much was read of it.
struct Counted {
    inner: File,
    done: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.done.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// The frames of a zstd file, one after the other. (`ruzstd` reads one, and leaves its check sum to the reader.)
struct Frames<R> {
    packed: R,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> Frames<R> {
    fn new(packed: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(LARGEST_WINDOW);
        Self { packed, decoder, in_frame: false }
    }

    /// Begins the next frame; `false` at the end of the file.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.packed.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.packed) {
                Ok(()) => {
                    self.in_frame = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let skipped = io::copy(&mut (&mut self.packed).take(length.into()), &mut io::sink())?;
                    if skipped < length.into() {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(self.told(error)),
            }
        }
        Ok(false)
    }

    /// The end of the file within a frame is that, whatever the decoder makes of it.
    fn told(&mut self, error: FrameDecoderError) -> io::Error {
        match self.packed.fill_buf() {
            Ok([]) => io::ErrorKind::UnexpectedEof.into(),
            Ok(_) => io::Error::other(error),
            Err(error) => error,
        }
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        use ruzstd::decoding::BlockDecodingStrategy::UptoBlocks;
        loop {
            if !self.in_frame && !self.begin()? {
                return Ok(0);
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                if let Err(error) = self.decoder.decode_blocks(&mut self.packed, UptoBlocks(1)) {
                    return Err(self.told(error));
                }
            }
            let read = self.decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            self.in_frame = false;
            let written = self.decoder.get_checksum_from_data();
            if written.is_some() && written != self.decoder.get_calculated_checksum() {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the check sum of the zstd frame is wrong"));
            }
        }
    }
}
