//! Why a dump cannot be read to its end.

use std::io;

/// Why a dump cannot be read to its end, in words that follow "cannot restore NAME: ".
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// The operating system would not let it be read.
    #[error("cannot read it: {0}")]
    Read(io::Error),
    /// The end is missing.
    #[error("{0}; make the dump again, or copy it again")]
    CutShort(String),
    /// Its check sums are wrong, or what is packed in it makes no sense.
    #[error("it is damaged: {0}; make the dump again, or copy it again")]
    Damaged(String),
    /// What it is packed with takes too much memory to unpack.
    #[error(
        "unpacking it would take more than 128 MiB of memory, since it was packed with a very large window; pack it again \
         without `--long` (zstd) or with a dictionary of at most 128 MiB (xz)"
    )]
    Window,
    /// It is not the dump that it should be.
    #[error(
        "it is damaged or another than it should be: its SHA-256 is {found}, and {by} says {expected}; copy it again, or put \
         the SHA-256 right"
    )]
    Digest {
        /// In hexadecimal.
        found: String,
        /// In hexadecimal.
        expected: String,
        /// Who says so.
        by: String,
    },
    /// The file with the check sum has none.
    #[error("{0} does not begin with a SHA-256 in hexadecimal, as `sha256sum` writes it: write it again, or remove it")]
    Sidecar(String),
    /// The program could not be started.
    #[error("the command could not be started: {0}")]
    NotStarted(io::Error),
    /// The program failed, however much it has written.
    #[error("the command failed ({status}){said}")]
    Command {
        /// How it ended.
        status: String,
        /// The end of its standard error, set off.
        said: String,
    },
}

impl DumpError {
    /// An error of a reader: our own, or what its kind says.
    pub(crate) fn of(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::CutShort("its compressed data end in the middle".to_owned()),
            io::ErrorKind::OutOfMemory => Self::Window,
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::Unsupported => {
                Self::Damaged(format!("its compressed data cannot be unpacked ({error})"))
            }
            _ => match error.downcast::<Self>() {
                Ok(own) => own,
                Err(other) => Self::Read(other),
            },
        }
    }

    /// Whether the scenario (or a file that it names) has to be changed, and not the machine.
    pub fn is_the_scenarios(&self) -> bool {
        matches!(self, Self::Read(_) | Self::Sidecar(_) | Self::Window)
    }
}
