//! How a dump is packed, known by its first bytes and never by its name, and unpacking it while it is read.
//!
//! What is packed must end where its format says that it ends, and its check sum must be right.

use std::io::{self, BufRead, Read};

use flate2::bufread::MultiGzDecoder;
use lz4_flex::frame::FrameDecoder;
use lzma_rust2::XzReader;

use super::zstd::Frames;

/// xz may take so many KiB of memory: `xz -9` makes files that need 64 MiB (xz(1), "DecMem").
const XZ_MEMORY: u32 = 160 << 10;

/// How a dump is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    None,
    Gzip,
    Zstd,
    Lz4,
    Xz,
}

impl Packing {
    pub(super) fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A frame of zstd, or one of those that it skips, with which parallel compressors begin (RFC 8878, 3.1).
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0x04, 0x22, 0x4d, 0x18, ..] => Self::Lz4,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            _ => Self::None,
        }
    }
}

/// What is packed in a reader.
pub(super) fn unpack(packing: Packing, packed: impl BufRead + Send + 'static) -> Box<dyn Read + Send> {
    match packing {
        Packing::None => Box::new(packed),
        Packing::Gzip => Box::new(MultiGzDecoder::new(packed)),
        Packing::Zstd => Box::new(Frames::new(packed)),
        Packing::Lz4 => Box::new(Lz4::new(packed)),
        Packing::Xz => Box::new(XzReader::new_mem_limit(packed, true, XZ_MEMORY)),
    }
}

/// The frames of an lz4 file, one after the other. `lz4_flex` takes the end of the file between two blocks for that of a
/// frame, so it is looked whether it tried to read beyond it.
struct Lz4<R: BufRead> {
    frames: FrameDecoder<Ending<R>>,
}

struct Ending<R> {
    inner: R,
    ended: bool,
}

impl<R: BufRead> Read for Ending<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.ended |= read == 0 && !buffer.is_empty();
        Ok(read)
    }
}

impl<R: BufRead> Lz4<R> {
    fn new(packed: R) -> Self {
        Self { frames: FrameDecoder::new(Ending { inner: packed, ended: false }) }
    }
}

impl<R: BufRead> Read for Lz4<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.frames.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let packed = self.frames.get_mut();
            if packed.ended {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if packed.inner.fill_buf()?.is_empty() {
                return Ok(0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use lz4_flex::frame::FrameEncoder;

    use super::*;

    fn of_lz4(packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        unpack(Packing::of(packed), io::Cursor::new(packed.to_vec())).read_to_end(&mut text)?;
        Ok(text)
    }

    #[test]
    fn an_lz4_frame_that_ends_between_two_blocks_is_not_whole() {
        let mut encoder = FrameEncoder::new(Vec::new());
        for block in [&b"one block, "[..], b"another block, ", b"the last one"] {
            encoder.write_all(block).unwrap();
            encoder.flush().unwrap();
        }
        let packed = encoder.finish().unwrap();
        assert_eq!(of_lz4(&packed).unwrap(), b"one block, another block, the last one");
        assert_eq!(of_lz4(&[&packed[..], &packed].concat()).unwrap().len(), 76);
        for at in 4..packed.len() {
            assert!(of_lz4(&packed[..at]).is_err(), "cut at {at}");
            assert!(of_lz4(&[&packed[..], &packed[..at]].concat()).is_err(), "the second frame cut at {at}");
        }
    }
}
