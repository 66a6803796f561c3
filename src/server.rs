//! A scratch server by provider, owned by one guard.
//!
//! [`Server::start`] gives a server that answers queries; whoever holds it calls [`Server::stop`], and if nobody can
//! any more, dropping it stops the server too. Everything that is made carries its owner's name, so that
//! [`sweep`](crate::server::sweep::sweep) finds what a killed run left.

pub mod access;
pub mod binaries;
mod choose;
pub(crate) mod clone;
mod command;
pub mod container;
mod error;
mod external;
pub(crate) mod libpq;
pub mod local;
mod log;
mod mysql;
pub(crate) mod owner;
mod postgres;
pub(crate) mod processes;
pub mod session;
pub mod sweep;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::run::ServerFacts;
use crate::scenario::{Engine, ServerWish};
pub use access::{Access, Login};
pub use choose::Chosen;
pub(crate) use choose::{DataFolder, Inside, Start};
pub use command::CommandError;
use command::CommandServer;
use container::ContainerServer;
pub use error::ServerError;
use external::ExternalServer;
pub use external::{ExternalError, Reached, reach};
use local::LocalServer;
pub(crate) use log::tail;
pub(crate) use postgres::restore::{HearRestore, ProgramOutput, RestoreWord};
use session::Session;

/// The database that everything is restored into and migrated in.
pub const DATABASE: &str = "rehearsal";
/// The superuser of every PostgreSQL scratch server; see [`access::superuser`] for the others.
pub const USER: &str = "postgres";
/// How long a server may take until it answers its first query.
const START_LIMIT: Duration = Duration::from_secs(120);

/// A running scratch server.
#[derive(Debug)]
pub struct Server {
    provider: Provider,
    wish: ServerWish,
    login: Login,
    /// How the provider was chosen, for the record.
    pub notes: Vec<String>,
}

#[derive(Debug)]
enum Provider {
    Local(Box<LocalServer>),
    Container(Box<ContainerServer>),
    External(Box<ExternalServer>),
    Command(Box<CommandServer>),
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A unix socket: the folder that it is in, and the port that its name ends with.
    Unix {
        /// The folder.
        folder: PathBuf,
        /// The port.
        port: u16,
    },
    /// TCP.
    Tcp {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
    },
}

impl Server {
    /// Where it listens.
    pub fn endpoint(&self) -> Endpoint {
        match &self.provider {
            Provider::Local(server) => server.endpoint(),
            Provider::Container(server) => server.endpoint(),
            Provider::External(server) => server.endpoint(),
            Provider::Command(server) => server.server.endpoint(),
        }
    }

    /// As whom we connect: the superuser of a server that was started here, or whoever the URL names.
    pub fn login(&self) -> &Login {
        &self.login
    }

    /// The password; `None` where the server asks for none.
    pub fn password(&self) -> Option<&str> {
        self.login.password.as_deref()
    }

    /// The database that is rehearsed on: [`DATABASE`], unless the data is in another one already.
    pub fn database(&self) -> &str {
        match &self.provider {
            Provider::Local(_) | Provider::Container(_) => DATABASE,
            Provider::External(server) => &server.database,
            Provider::Command(server) => &server.server.database,
        }
    }

    /// Which engine it is.
    pub fn engine(&self) -> Engine {
        self.wish.engine
    }

    /// How to connect to one of its databases directly, not through the tap.
    pub fn access(&self, database: &str) -> Access {
        Access::new(self.engine(), &self.endpoint(), &self.login, database)
    }

    /// The same for a server that is known to be PostgreSQL.
    pub fn config(&self, database: &str) -> tokio_postgres::Config {
        let Access::Postgres(config) = Access::new(Engine::Postgres, &self.endpoint(), &self.login, database) else {
            unreachable!("PostgreSQL was asked for")
        };
        *config
    }

    /// Whether it still answers queries.
    pub async fn answers(&self) -> bool {
        self.access(self.database()).ask().await.is_ok()
    }

    /// That the container engine is gone on which it ran, if it is.
    pub(crate) async fn engine_gone(&self) -> Option<ServerError> {
        match &self.provider {
            Provider::Container(_) => container::gone().await,
            Provider::Local(_) | Provider::External(_) | Provider::Command(_) => None,
        }
    }

    /// Waits until a local server has ended by itself, and ends what it left running. Forever for a container, which ends
    /// as a whole, and for a server that is not ours.
    pub(crate) async fn ended(&self) {
        match &self.provider {
            Provider::Local(server) => server.ended().await,
            _ => std::future::pending().await,
        }
    }

    /// How a person reaches it with the engine's own client, for a server that is kept.
    pub fn reach(&self) -> String {
        if let Provider::External(_) | Provider::Command(_) = self.provider {
            // Whoever gave the URL has the password, and it is theirs to show.
            return format!("database {} on {}", self.database(), self.origin());
        }
        let password = self.password().unwrap_or_default();
        match self.engine() {
            Engine::Postgres => match self.endpoint() {
                Endpoint::Unix { folder, port } => {
                    format!("psql -h {} -p {port} -U {USER} {DATABASE}", folder.display())
                }
                Endpoint::Tcp { host, port } => format!("psql postgresql://{USER}:{password}@{host}:{port}/{DATABASE}"),
            },
            engine => mysql::reach(engine, &self.endpoint(), password),
        }
    }

    fn origin(&self) -> String {
        match &self.provider {
            Provider::Local(server) => server.installation.folder.display().to_string(),
            Provider::Container(server) => server.image.clone(),
            Provider::External(server) => server.origin(),
            Provider::Command(server) => server.server.origin(),
        }
    }

    /// Whether it was started here, and its settings are ours to change.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self.provider, Provider::Local(_) | Provider::Container(_))
    }

    /// Lets it be filled fast, until [`end_filling`](Self::end_filling). A server of somebody else's keeps its settings.
    pub(crate) async fn begin_filling(&self) -> Result<(), ServerError> {
        if !self.is_ours() {
            return Ok(());
        }
        match self.access(self.database()) {
            Access::Postgres(config) => postgres::settings::begin_filling(&Session::open(&config).await?.client).await,
            Access::Mysql(opts) => mysql::filling::begin(&mut mysql_async::Conn::new(opts).await?).await,
        }
    }

    /// Forgets the dump that it was given last, so that the next one is not taken for the same because of its name.
    pub(crate) async fn forget_dump(&self) -> Result<(), ServerError> {
        match &self.provider {
            Provider::Container(server) => server.forget_dump().await,
            Provider::Local(_) | Provider::External(_) | Provider::Command(_) => Ok(()),
        }
    }

    /// Gives it the measured settings again, and forgets the dumps that it was given.
    pub(crate) async fn end_filling(&self) -> Result<(), ServerError> {
        self.forget_dump().await?;
        match &self.provider {
            Provider::External(server) => return server.settle().await,
            Provider::Command(server) => return server.server.settle().await,
            Provider::Local(_) | Provider::Container(_) => {}
        }
        match self.access(self.database()) {
            Access::Postgres(config) => {
                let session = Session::open(&config).await?;
                postgres::settings::end_filling(&session.client, &self.wish.settings).await?;
            }
            Access::Mysql(opts) => {
                mysql::filling::end(&mut mysql_async::Conn::new(opts).await?, &self.wish).await?;
            }
        }
        // What was written without fsync is still on its way to the disk, and would be in the way of what is measured.
        match &self.provider {
            Provider::Local(server) => server.flush_disk().await,
            Provider::Container(server) => server.flush_disk().await,
            Provider::External(_) | Provider::Command(_) => Ok(()),
        }
    }

    /// Runs the server's own `pg_restore` over a dump, with `arguments` before the file's name.
    /// `listen` is told how far it is.
    pub(crate) async fn pg_restore(
        &self,
        dump: &Path,
        arguments: &[String],
        listen: HearRestore<'_>,
    ) -> Result<ProgramOutput, ServerError> {
        match &self.provider {
            Provider::Local(server) => server.pg_restore(dump, arguments, listen).await,
            Provider::Container(server) => server.pg_restore(dump, arguments, listen).await,
            Provider::External(server) => server.pg_restore(dump, arguments, listen).await,
            Provider::Command(server) => server.server.pg_restore(dump, arguments, listen).await,
        }
    }

    /// What the server is, for the record.
    pub async fn facts(&self) -> Result<ServerFacts, ServerError> {
        let (version, settings) = match self.access(self.database()) {
            Access::Postgres(config) => postgres::facts::read(&config, &self.wish).await?,
            Access::Mysql(opts) => mysql::facts::read(opts, &self.wish).await?,
        };
        let provider = match &self.provider {
            Provider::Local(_) => "local",
            Provider::Container(_) => "container",
            Provider::External(_) => "external",
            Provider::Command(_) => "command",
        };
        Ok(ServerFacts {
            engine: self.engine(),
            version,
            provider: provider.to_owned(),
            origin: self.origin(),
            settings,
            cpus: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        })
    }

    /// Where its data is, for whoever has to make room there.
    pub(crate) fn disk(&self) -> String {
        match &self.provider {
            Provider::Container(server) if !server.has_folder() => "the disk of the Docker engine".to_owned(),
            Provider::Local(_) | Provider::Container(_) => {
                format!("{} (set REHEARSAL_CACHE_DIR for another place)", local::kept_in().display())
            }
            Provider::External(_) | Provider::Command(_) => self.origin(),
        }
    }

    /// How much room there is left where its data is, in bytes; not known of a server elsewhere.
    pub(crate) fn free_bytes(&self) -> Option<u64> {
        let Provider::Local(_) = &self.provider else { return None };
        let disk = nix::sys::statvfs::statvfs(&local::kept_in()).ok()?;
        Some(disk.blocks_available() * disk.fragment_size())
    }

    /// How what is kept of it is removed.
    pub(crate) fn removal(&self) -> &'static str {
        match &self.provider {
            Provider::External(_) => "the next rehearsal there replaces it",
            _ => "`rehearsal sweep` removes it",
        }
    }

    /// The server's log, to tell why it is gone; empty when there is none.
    pub(crate) async fn log(&self) -> String {
        match &self.provider {
            Provider::Local(server) => server.log(),
            Provider::Container(server) => server.log().await,
            // Its log is its owner's.
            Provider::External(_) | Provider::Command(_) => String::new(),
        }
    }

    /// Whether it, or a process of it, was ended by SIGKILL. `log` is [`log`](Self::log).
    pub(crate) async fn was_killed(&self, log: &str) -> bool {
        let killed = match &self.provider {
            Provider::Local(server) => server.was_killed().await,
            Provider::Container(server) => server.was_killed().await,
            Provider::External(_) | Provider::Command(_) => false,
        };
        // PostgreSQL's postmaster tells of its children (LogChildExit, postmaster.c).
        killed || log.contains("was terminated by signal 9")
    }

    /// Whether its data can be had once it is stopped.
    ///
    /// # Errors
    /// Why not, in words.
    pub(crate) async fn data_is_within_reach(&self) -> Result<(), String> {
        match &self.provider {
            Provider::Local(_) => Ok(()),
            Provider::Container(server) => {
                let source = server.data_source(&self.wish).await;
                source.map(|_| ()).map_err(|error| error.to_string())
            }
            Provider::External(_) | Provider::Command(_) => Err("the server is somebody else's".to_owned()),
        }
    }

    /// Stops the server properly, moves its data folder to `to`, which must be free, and removes all else that was made
    /// for it. Returns what a container takes that shall run on it.
    ///
    /// # Errors
    /// When it is not stopped properly, or its data cannot be had. It is gone all the same.
    pub(crate) async fn give_up_data(self, to: &Path) -> Result<Option<Inside>, ServerError> {
        match self.access(self.database()) {
            Access::Postgres(config) => postgres::alone::wait_until_alone(&config).await?,
            Access::Mysql(opts) => {
                mysql::filling::shrink(&mut mysql_async::Conn::new(opts).await?, self.engine()).await?;
            }
        }
        match self.provider {
            Provider::Local(server) => server.give_up_data(to).await.map(|()| None),
            Provider::Container(server) => server.give_up_data(&self.wish, to).await.map(Some),
            Provider::External(_) | Provider::Command(_) => Err(ServerError::NotStopped {
                engine: self.wish.engine,
                reason: "it is somebody else's".to_owned(),
                log: String::new(),
            }),
        }
    }

    /// By which means its data was cloned, and how long that took; `None` for a server that began with a fresh data folder.
    pub(crate) fn cloned(&self) -> Option<(clone::Means, Duration)> {
        match &self.provider {
            Provider::Local(server) => server.cloned,
            Provider::Container(server) => server.cloned,
            Provider::External(_) | Provider::Command(_) => None,
        }
    }

    /// Stops the server and removes all that was made for it.
    pub async fn stop(self) -> Result<(), ServerError> {
        match self.provider {
            Provider::Local(server) => server.stop().await,
            Provider::Container(server) => server.stop().await,
            Provider::External(server) => server.stop().await,
            Provider::Command(server) => server.stop().await,
        }
    }
}

/// A folder for files of this process, which a sweep removes if nobody else does.
pub(crate) fn scratch_folder() -> Result<tempfile::TempDir, ServerError> {
    let root = local::servers_folder(&owner::cache_folder());
    std::fs::create_dir_all(&root).map_err(ServerError::file(&root))?;
    let prefix = format!("{}-dump-", std::process::id());
    tempfile::Builder::new().prefix(&prefix).tempdir_in(&root).map_err(ServerError::file(&root))
}

/// Asks a server until it answers a query. `gone` says why it never will, when that is known.
async fn wait_until_ready(access: &Access, mut gone: impl AsyncFnMut() -> Option<String>) -> Result<(), String> {
    let began = tokio::time::Instant::now();
    loop {
        let Err(reason) = access.ask().await else { return Ok(()) };
        if let Some(reason) = gone().await {
            return Err(reason);
        }
        if began.elapsed() > START_LIMIT {
            return Err(format!("it answered no query within {} s ({reason})", START_LIMIT.as_secs()));
        }
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}
