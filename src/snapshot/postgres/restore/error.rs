//! Why a dump could not be restored.

use crate::server::ServerError;
use std::path::PathBuf;

use crate::snapshot::DumpError;
use crate::snapshot::postgres::grow::server_says;
use crate::sql::postgres::scanner::ScanError;

/// Why a dump could not be restored. Every text names the file, and the line where there is one.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
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
    /// The file ends in the middle of something, or is not text.
    #[error("cannot restore {}: {source}", file.display())]
    Scan {
        /// The dump.
        file: PathBuf,
        /// What is wrong with it.
        source: ScanError,
    },
    /// A command of psql that is never run.
    #[error(
        "{}:{line}: `{text}` would reach a shell or another file, or decide what is run; rehearsal never runs it: take it \
         out of the dump",
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
    /// `COPY` with a file or a program of the server's machine.
    #[error(
        "{}:{line}: this COPY reads or writes a file or a program on the server's machine; rehearsal restores only COPY FROM \
         STDIN, with the data in the dump",
        file.display()
    )]
    ServerFile {
        /// The dump.
        file: PathBuf,
        /// Where it stands.
        line: u32,
    },
    /// A second database begins.
    #[error(
        "{}:{line}: the dump holds several databases, and from here on `{database}`; make a dump of the one that the \
         migrations are for (pg_dump, not pg_dumpall)",
        file.display()
    )]
    SeveralDatabases {
        /// The dump.
        file: PathBuf,
        /// Where the second one begins.
        line: u32,
        /// Its name.
        database: String,
    },
    /// The server refused a statement.
    #[error("{}:{line}: {}{}\n  {statement}", file.display(), server_says(source), state(source))]
    Statement {
        /// The dump.
        file: PathBuf,
        /// Where the statement begins.
        line: u32,
        /// Its first line.
        statement: String,
        /// What the server said.
        source: tokio_postgres::Error,
    },
    /// The server lacks extensions.
    #[error(
        "{place}: the dump needs extensions, and this server does not have {what}; use a server or an image that has it (`image` \
         under `[server]`), or make the dump without what needs it"
    )]
    NoExtensions {
        /// The dump, with the line of the first one where that is known.
        place: String,
        /// Which, and what needs them.
        what: String,
    },
    /// No connection, or a command of the restore's own failed.
    #[error("cannot restore {}: {}", file.display(), server_says(source))]
    Server {
        /// The dump.
        file: PathBuf,
        /// What the server said.
        source: tokio_postgres::Error,
    },
    /// A dump that the server's `pg_restore` is too old for.
    #[error(
        "cannot restore {}: it was made by a newer pg_dump (archive format {archive}) than this server's pg_restore can read; \
         use a newer server (`version` under `[server]`)",
        file.display()
    )]
    NewerDump {
        /// The dump.
        file: PathBuf,
        /// The version of its format.
        archive: String,
    },
    /// `pg_restore` could not be run.
    #[error("cannot run pg_restore for {}: {source}", file.display())]
    Run {
        /// The dump.
        file: PathBuf,
        /// Why.
        source: ServerError,
    },
    /// `pg_restore` failed.
    #[error("pg_restore could not restore {}:\n{message}", file.display())]
    PgRestore {
        /// The dump.
        file: PathBuf,
        /// What it wrote to standard error, at most its last lines.
        message: String,
    },
}

impl RestoreError {
    /// Whether the scenario (or a file that it names) has to be changed, and not the machine.
    pub fn is_the_scenarios(&self) -> bool {
        match self {
            Self::Dump { source, .. } => source.is_the_scenarios(),
            Self::Unsupported { .. }
            | Self::Meta { .. }
            | Self::ServerFile { .. }
            | Self::SeveralDatabases { .. }
            | Self::NewerDump { .. } => true,
            _ => false,
        }
    }
}

fn state(error: &tokio_postgres::Error) -> String {
    error.code().map_or_else(String::new, |code| format!(" (SQLSTATE {})", code.code()))
}
