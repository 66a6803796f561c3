//! Why there is no server, or no more: what failed, and what to do.

use std::path::{Path, PathBuf};

use super::{CommandError, ExternalError, binaries, owner, session};
use crate::scenario::Engine;

/// Why there is no server, or no more.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// No local installation.
    #[error(
        "no {engine} server was found on this machine (looked in {looked_in})\n  {}, or set {} to the folder that has {}",
        installing(*.engine),
        binaries::variable(*.engine),
        programs(*.engine)
    )]
    NoBinaries {
        /// The engine wished for.
        engine: Engine,
        /// Where was looked.
        looked_in: String,
    },
    /// Not in the version wished for.
    #[error(
        "{engine} {wished} is not installed on this machine (found {found})\n  install it, change [server] version, \
         or use --provider container"
    )]
    NoSuchVersion {
        /// The engine wished for.
        engine: Engine,
        /// The version wished for.
        wished: String,
        /// What there is.
        found: String,
    },
    /// As root, with no user to drop to.
    #[error(
        "{engine} refuses to run as root, and this machine has no user to run it as: neither {}",
        owner::ServerUser::names(*.engine).map(|name| format!("`{name}`")).join(" nor ")
    )]
    NoUser {
        /// The engine.
        engine: Engine,
    },
    /// No fresh data folder could be made.
    #[error("no data folder could be made for {engine}{said}")]
    NoDataFolder {
        /// The engine.
        engine: Engine,
        /// What the program said that makes it, ready to be shown.
        said: String,
    },
    /// The server ended or never answered.
    #[error("the {engine} server did not start: {reason}{log}")]
    NotStarted {
        /// The engine.
        engine: Engine,
        /// What happened.
        reason: String,
        /// The end of its log, ready to be shown.
        log: String,
    },
    /// The server did not end as one does that has written everything.
    #[error("the {engine} server did not stop properly, so its data cannot be kept: {reason}{log}")]
    NotStopped {
        /// The engine.
        engine: Engine,
        /// What happened.
        reason: String,
        /// The end of its log, ready to be shown.
        log: String,
    },
    /// Docker does not answer.
    #[error("no Docker engine answers: {0}\n  start one, set DOCKER_HOST, or use --provider local")]
    NoDocker(String),
    /// The image is neither there nor to be had.
    #[error("the image {image} is not on the Docker engine and could not be pulled: {reason}")]
    NoImage {
        /// The image.
        image: String,
        /// Why not.
        reason: String,
    },
    /// Another failure of the container engine.
    #[error("the Docker engine failed to {doing}: {reason}")]
    Docker {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        reason: String,
    },
    /// The container engine was there, and is there no more.
    #[error(
        "the Docker engine stopped, or no longer answers: {0}\n  start it again; `rehearsal sweep` then removes the container \
         that was left"
    )]
    EngineGone(String),
    /// Neither provider can be used.
    #[error("no server can be started here\n  container: {}\n  local: {}", indented(.container), indented(.local))]
    Neither {
        /// Why no container.
        container: Box<ServerError>,
        /// Why no local server.
        local: Box<ServerError>,
    },
    /// The server did not take its settings.
    #[error("the server did not take its settings within 5 s of a reload")]
    SettingsNotTaken,
    /// The server has another value than it was given.
    #[error("the server did not take the setting {name} = {value}")]
    SettingNotTaken {
        /// The setting.
        name: String,
        /// The value that it was given.
        value: String,
    },
    /// What was filled is still on its way to the disk.
    #[error("the server did not write what it was filled with to the disk within {seconds} s")]
    NotFlushed {
        /// How long it had.
        seconds: u64,
    },
    /// A file or folder of the scratch server.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A program of the server could not be run.
    #[error("{program} could not be run: {reason}")]
    Program {
        /// Which.
        program: String,
        /// Why.
        reason: String,
    },
    /// A server of somebody else's.
    #[error(transparent)]
    External(#[from] ExternalError),
    /// The program that makes a server.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A provider that only the scenario can describe.
    #[error("the scenario has no `{table}`")]
    NotSaid {
        /// The table.
        table: &'static str,
    },
    /// The server answered with an error.
    #[error("the scratch server failed: {}", session::message(.0))]
    Sql(#[from] tokio_postgres::Error),
    /// The server answered with an error.
    #[error("the scratch server failed: {0}")]
    Mysql(#[from] mysql_async::Error),
}

/// What is in the folder that a person may name.
fn programs(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => "`postgres` and `initdb`",
        Engine::Mysql => "`mysqld`",
        Engine::Mariadb => "`mariadbd`",
    }
}

/// How a person comes by a server's programs.
fn installing(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => "install one (Debian: apt-get install postgresql; macOS: brew install postgresql)",
        Engine::Mysql => "install one (Ubuntu: apt-get install mysql-server; macOS: brew install mysql)",
        Engine::Mariadb => "install one (Debian: apt-get install mariadb-server; macOS: brew install mariadb)",
    }
}

impl ServerError {
    /// Whether the scenario or the environment it is run in has to be changed, and not the machine.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::External(error) if error.is_usage()) || matches!(self, Self::NotSaid { .. })
    }

    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |source| Self::File { path, source }
    }
}

/// An error within another: its further lines stay below its first.
fn indented(error: &ServerError) -> String {
    error.to_string().replace('\n', "\n  ")
}
