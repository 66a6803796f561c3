//! A scratch server that a program of the team's makes and takes back: a thin clone, a branch of a cloud database, a restored
//! cloud snapshot. So a team whose snapshot outgrows one machine rehearses on the platform that it has.
//!
//! `up` prints the server's URL on a line of its own, and before or behind it whatever `down` needs (an id, a name). `down` is
//! given all of that on its standard input, and the URL in `REHEARSAL_URL`. `down` runs for every `up` that was started, also
//! for one that failed, was stopped or printed nothing; if the rehearsal is killed, the next one runs it, or
//! `rehearsal sweep`.

mod program;
mod record;

use super::external::{ExternalServer, Permission};
use super::{ServerError, owner};
use crate::scenario::{CommandWish, ServerWish};
use program::Program;
use record::Record;
pub(super) use record::sweep;

/// Why a program did not give a server, or did not take it back.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It could not be started.
    #[error("`{command}` ([server.command] {which}) could not be started: {source}")]
    NotStarted {
        /// `up` or `down`.
        which: &'static str,
        /// The command.
        command: String,
        /// Why.
        source: std::io::Error,
    },
    /// It ended with a failure.
    #[error("`{command}` ([server.command] {which}) ended with {status}{output}")]
    Failed {
        /// `up` or `down`.
        which: &'static str,
        /// The command.
        command: String,
        /// `exit status: 1`.
        status: String,
        /// The end of what it wrote to standard error, set off line by line.
        output: String,
    },
    /// It took longer than it may.
    #[error(
        "`{command}` ([server.command] {which}) was stopped, since it had not ended after {seconds} s (`timeout`){output}"
    )]
    TooLong {
        /// `up` or `down`.
        which: &'static str,
        /// The command.
        command: String,
        /// The limit.
        seconds: u64,
        /// The end of what it wrote to standard error, set off line by line.
        output: String,
    },
    /// It printed no URL.
    #[error(
        "`{command}` ([server.command] up) printed no URL: it must print the URL of the server that it made on a line of its own{output}"
    )]
    NoUrl {
        /// The command.
        command: String,
        /// The end of what it wrote to standard error, set off line by line.
        output: String,
    },
}

/// A server that a program made. Dropping it takes it back.
#[derive(Debug)]
pub(super) struct CommandServer {
    /// As a server that somebody else started.
    pub server: Box<ExternalServer>,
    down: Down,
}

/// What takes a server back, once: when it is told to, or when it is dropped.
#[derive(Debug)]
struct Down {
    /// `None` once it is done, or where the server is to be kept.
    record: Option<Record>,
}

impl CommandServer {
    /// Runs `up` and looks at the server that it made.
    pub(super) async fn start(wish: &ServerWish, kept: bool) -> Result<(Self, Vec<String>), ServerError> {
        let wished = wish.command.as_ref().ok_or(ServerError::NotSaid { table: "[server.command]" })?;
        // Before `up`, so that whatever happens from here on is taken back by somebody.
        let mut down = Down { record: Some(Record::write(wish, wished, kept)?) };
        match Self::up(wish, wished, kept, &mut down).await {
            Ok((server, notes)) => Ok((Self { server: Box::new(server), down }, notes)),
            Err(error) => {
                if let Err(after) = down.run().await {
                    tracing::warn!(error = %after, "what `up` began may still be there; `rehearsal sweep` tries again");
                }
                Err(error)
            }
        }
    }

    async fn up(
        wish: &ServerWish,
        wished: &CommandWish,
        kept: bool,
        down: &mut Down,
    ) -> Result<(ExternalServer, Vec<String>), ServerError> {
        let program = Program::new("up", &wished.up, wish, &wished.folder);
        let mut noted = Ok(());
        let said = program.run(wished.timeout, String::new(), |line| {
            if let (Some(record), Ok(())) = (&mut down.record, &noted) {
                noted = record.heard(line);
            }
        });
        let said = said.await?;
        noted?;
        let Some(url) = down.record.as_ref().and_then(Record::url) else {
            return Err(CommandError::NoUrl { command: wished.up.clone(), output: said.stderr }.into());
        };
        let may = Permission { in_place: wished.in_place, shared: wished.shared };
        ExternalServer::start(wish, (&url, "what `up` printed ([server.command])"), may, kept).await
    }

    pub(super) async fn stop(self) -> Result<(), ServerError> {
        let Self { server, mut down } = self;
        // Given back whatever comes of it.
        let stopped = server.stop().await;
        down.run().await?;
        stopped
    }
}

impl Down {
    async fn run(&mut self) -> Result<(), ServerError> {
        let Some(record) = self.record.take() else { return Ok(()) };
        if record.is_kept() {
            return Ok(());
        }
        record.down().await
    }
}

impl Drop for Down {
    fn drop(&mut self) {
        if let Some(record) = self.record.take().filter(|record| !record.is_kept())
            && let Err(error) = record.down_blocking()
        {
            tracing::warn!(%error, "a server that `up` made may still be there; `rehearsal sweep` tries again");
        }
    }
}

/// Where what is known of servers that programs made is kept.
fn folder() -> std::path::PathBuf {
    owner::cache_folder().join("commands")
}
