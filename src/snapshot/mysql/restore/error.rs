//! Why a dump could not be restored.

use std::io;
use std::path::{Path, PathBuf};

use crate::snapshot::DumpError;
use crate::sql::mysql::scanner::ScanError;

/// Why a dump could not be restored. Every text names the file, and the line where there is one.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Read {
        /// The dump.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be read to its end, or is not what it should be.
    #[error("cannot restore {}: {source}", file.display())]
    Dump {
        /// The dump.
        file: PathBuf,
        /// Why.
        source: DumpError,
    },
    /// A file that is no dump that can be restored.
    #[error("cannot restore {}: it is {what}", file.display())]
    Unsupported {
        /// The dump.
        file: PathBuf,
        /// What it is, and what to do.
        what: &'static str,
    },
    /// The end is missing.
    #[error("cannot restore {}: {what}; make the dump again, or copy it again", file.display())]
    CutShort {
        /// The dump.
        file: PathBuf,
        /// By what that is known.
        what: String,
    },
    /// The script is not whole, or no script.
    #[error("cannot restore {}: {source}{}", file.display(), cause(source))]
    Scan {
        /// The dump.
        file: PathBuf,
        /// What is wrong with it.
        source: ScanError,
    },
    /// A command of the client that is never run.
    #[error(
        "{}:{line}: `{text}` would reach a shell, another file or another server, or decide what is run; rehearsal never \
         runs it: take it out of the dump",
        file.display()
    )]
    Meta {
        /// The dump.
        file: PathBuf,
        /// Where it stands.
        line: u32,
        /// The command.
        text: String,
    },
    /// A statement that reads or writes a file.
    #[error(
        "{}:{line}: this {command} reads or writes a file beside the dump; rehearsal restores only data that stand in the \
         dump itself, as INSERT statements",
        file.display()
    )]
    OtherFile {
        /// The dump.
        file: PathBuf,
        /// Where it stands.
        line: u32,
        /// Its kind.
        command: String,
    },
    /// A second database begins, or one of the server's own.
    #[error(
        "{}:{line}: from here on the dump is of the database `{database}`, and {before}; make a dump of the one that the \
         migrations are for (`mysqldump DATABASE`, without --databases and --all-databases)",
        file.display(),
        before = before.as_ref().map_or_else(
            || "that is the server's own".to_owned(),
            |before| format!("before that it was of `{before}`")
        )
    )]
    SeveralDatabases {
        /// The dump.
        file: PathBuf,
        /// Where the second one begins.
        line: u32,
        /// Its name.
        database: String,
        /// The first one; `None` if this one is the server's own.
        before: Option<String>,
    },
    /// The server refused a statement.
    #[error("{}:{line}: {}{help}\n  | {statement}", file.display(), server_says(source))]
    Statement {
        /// The dump.
        file: PathBuf,
        /// Where the statement begins.
        line: u32,
        /// How it begins.
        statement: String,
        /// What to do, where that is known: it begins with a semicolon, or is empty.
        help: &'static str,
        /// What the server said.
        source: Box<mysql_async::Error>,
    },
    /// No connection, or a command of the restore's own failed.
    #[error("cannot restore {}: {source}", file.display())]
    Server {
        /// The dump.
        file: PathBuf,
        /// What the server said.
        source: mysql_async::Error,
    },
}

impl RestoreError {
    pub(super) fn dump(file: &Path, source: DumpError) -> Self {
        Self::Dump { file: file.to_owned(), source }
    }

    /// Whether the scenario (or a file that it names) has to be changed, and not the machine.
    pub fn is_the_scenarios(&self) -> bool {
        match self {
            Self::Dump { source, .. } => source.is_the_scenarios(),
            Self::Read { .. }
            | Self::Unsupported { .. }
            | Self::Meta { .. }
            | Self::OtherFile { .. }
            | Self::SeveralDatabases { .. } => true,
            Self::CutShort { .. } | Self::Scan { .. } | Self::Statement { .. } | Self::Server { .. } => false,
        }
    }
}

/// The server's own words with the number of its error, or what became of the connection.
fn server_says(error: &mysql_async::Error) -> String {
    match error {
        mysql_async::Error::Server(error) => format!("{} ({})", error.message, error.code),
        other => other.to_string(),
    }
}

fn cause(error: &ScanError) -> String {
    match error {
        ScanError::Read { source, .. } => format!(": {source}"),
        _ => String::new(),
    }
}
