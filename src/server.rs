//! A scratch server by provider, owned by one guard.
//!
//! [`Server::start`] gives a server that answers queries; whoever holds it calls [`Server::stop`], and if nobody can
//! any more, dropping it stops the server too. Everything that is made carries its owner's name, so that
//! [`sweep`](crate::server::sweep::sweep) finds what a killed run left.

pub mod access;
pub mod binaries;
pub mod container;
pub(crate) mod libpq;
pub mod local;
pub(crate) mod owner;
pub(crate) mod processes;
pub mod session;
pub(crate) mod settings;
pub mod sweep;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::run::ServerFacts;
use crate::scenario::{Engine, ProviderWish, ServerWish};
pub use access::Access;
use container::ContainerServer;
use local::LocalServer;
use session::Session;

/// The database that everything is restored into and migrated in.
pub const DATABASE: &str = "rehearsal";
/// The superuser of every scratch server.
pub const USER: &str = "postgres";
/// How long a server may take until it answers its first query.
const START_LIMIT: Duration = Duration::from_secs(120);

/// A running scratch server.
#[derive(Debug)]
pub struct Server {
    engine: Engine,
    provider: Provider,
    settings: BTreeMap<String, String>,
    /// How the provider was chosen, for the record.
    pub notes: Vec<String>,
}

#[derive(Debug)]
enum Provider {
    Local(Box<LocalServer>),
    Container(Box<ContainerServer>),
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

/// What a program of the server's said.
#[derive(Debug, Default)]
pub struct ProgramOutput {
    /// Whether it ended well.
    pub success: bool,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: String,
}

/// Why there is no server, or no more.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// No local installation.
    #[error(
        "no PostgreSQL server was found on this machine (looked in {looked_in})\n  \
         install one (Debian: apt-get install postgresql; macOS: brew install postgresql), or set REHEARSAL_POSTGRES_BIN \
         to the folder that has `postgres` and `initdb`"
    )]
    NoBinaries {
        /// Where was looked.
        looked_in: String,
    },
    /// Not in the version wished for.
    #[error(
        "PostgreSQL {wished} is not installed on this machine (found {found})\n  install it, change [server] version, \
         or use --provider container"
    )]
    NoSuchVersion {
        /// The version wished for.
        wished: String,
        /// What there is.
        found: String,
    },
    /// As root, with no user to drop to.
    #[error(
        "PostgreSQL refuses to run as root, and this machine has neither a `postgres` nor a `nobody` user to run it as"
    )]
    NoUser,
    /// `initdb` failed.
    #[error("initdb failed:\n{0}")]
    Initdb(String),
    /// The server ended or never answered.
    #[error("the PostgreSQL server did not start: {reason}{log}")]
    NotStarted {
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
    /// The server answered with an error.
    #[error("the scratch server failed: {}", session::message(.0))]
    Sql(#[from] tokio_postgres::Error),
}

impl ServerError {
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |source| Self::File { path, source }
    }
}

impl Server {
    /// Starts a server as the scenario wishes, or as `provider` says against it, and waits until it answers. `kept` marks
    /// it as one that is meant to outlive this process.
    pub async fn start(wish: &ServerWish, provider: Option<ProviderWish>, kept: bool) -> Result<Self, ServerError> {
        let mut notes = Vec::new();
        let provider = match provider.unwrap_or(wish.provider) {
            ProviderWish::Local => Provider::Local(Box::new(LocalServer::start(wish, kept).await?)),
            ProviderWish::Container => Provider::Container(Box::new(ContainerServer::start(wish, kept).await?)),
            ProviderWish::Auto => match ContainerServer::start(wish, kept).await {
                Ok(server) => {
                    notes.push(format!("provider: container, since Docker answers and has {}", server.image));
                    Provider::Container(Box::new(server))
                }
                Err(container @ (ServerError::NoDocker(_) | ServerError::NoImage { .. })) => {
                    let because = container.to_string();
                    let because = because.lines().next().unwrap_or_default();
                    notes.push(format!("provider: local, since {because}"));
                    if let Some(image) = &wish.image {
                        notes.push(format!("[server] image {image} was not used"));
                    }
                    match LocalServer::start(wish, kept).await {
                        Ok(server) => Provider::Local(Box::new(server)),
                        Err(local) => {
                            return Err(ServerError::Neither {
                                container: Box::new(container),
                                local: Box::new(local),
                            });
                        }
                    }
                }
                Err(other) => return Err(other),
            },
        };
        Ok(Self { engine: wish.engine, provider, settings: wish.settings.clone(), notes })
    }

    /// Where it listens.
    pub fn endpoint(&self) -> Endpoint {
        match &self.provider {
            Provider::Local(server) => server.endpoint(),
            Provider::Container(server) => server.endpoint(),
        }
    }

    /// The superuser's password; `None` where the server asks for none.
    pub fn password(&self) -> Option<&str> {
        match &self.provider {
            Provider::Local(_) => None,
            Provider::Container(server) => Some(&server.password),
        }
    }

    /// Which engine it is.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// How to connect to one of its databases directly, not through the tap.
    pub fn access(&self, database: &str) -> Access {
        Access::new(self.engine, &self.endpoint(), self.password(), database)
    }

    /// The same for a server that is known to be PostgreSQL.
    pub fn config(&self, database: &str) -> tokio_postgres::Config {
        let Access::Postgres(config) = Access::new(Engine::Postgres, &self.endpoint(), self.password(), database)
        else {
            unreachable!("PostgreSQL was asked for")
        };
        config
    }

    /// Whether it still answers queries.
    pub async fn answers(&self) -> bool {
        self.access(DATABASE).ask().await.is_ok()
    }

    /// Waits until a local server has ended by itself, and ends what it left running. Forever for a container, which ends
    /// as a whole.
    pub(crate) async fn ended(&self) {
        match &self.provider {
            Provider::Local(server) => server.ended().await,
            Provider::Container(_) => std::future::pending().await,
        }
    }

    /// How a person reaches it with psql, for a server that is kept.
    pub fn reach(&self) -> String {
        match self.endpoint() {
            Endpoint::Unix { folder, port } => format!("psql -h {} -p {port} -U {USER} {DATABASE}", folder.display()),
            Endpoint::Tcp { host, port } => {
                let password = self.password().unwrap_or_default();
                format!("psql postgresql://{USER}:{password}@{host}:{port}/{DATABASE}")
            }
        }
    }

    /// Lets it be filled fast; see [`settings`].
    pub(crate) async fn begin_filling(&self) -> Result<(), ServerError> {
        let session = Session::open(&self.config(DATABASE)).await?;
        settings::begin_filling(&session.client).await
    }

    /// Gives it the measured settings again, and forgets the dumps that it was given.
    pub(crate) async fn end_filling(&self) -> Result<(), ServerError> {
        if let Provider::Container(server) = &self.provider {
            server.forget_dump().await?;
        }
        let session = Session::open(&self.config(DATABASE)).await?;
        settings::end_filling(&session.client, &self.settings).await?;
        // What was written without fsync is still on its way to the disk, and would be in the way of what is measured.
        match &self.provider {
            Provider::Local(server) => server.flush_disk().await,
            Provider::Container(server) => server.flush_disk().await,
        }
    }

    /// Runs the server's own `pg_restore` over a dump, with `arguments` before the file's name.
    pub async fn pg_restore(&self, dump: &Path, arguments: &[String]) -> Result<ProgramOutput, ServerError> {
        match &self.provider {
            Provider::Local(server) => server.pg_restore(dump, arguments).await,
            Provider::Container(server) => server.pg_restore(dump, arguments).await,
        }
    }

    /// What the server is, for the record.
    pub async fn facts(&self) -> Result<ServerFacts, ServerError> {
        let session = Session::open(&self.config(DATABASE)).await?;
        let names: Vec<&str> =
            settings::RECORDED.iter().copied().chain(self.settings.keys().map(String::as_str)).collect();
        let query = "SELECT name, current_setting(name) FROM unnest($1::text[]) AS name \
                     WHERE current_setting(name, true) IS NOT NULL AND name <> 'lc_collate' \
                     UNION ALL SELECT 'lc_collate', datcollate FROM pg_database WHERE datname = current_database()";
        let rows = session.client.query(query, &[&names]).await?;
        let version: String = session.client.query_one("SHOW server_version", &[]).await?.get(0);
        let (provider, origin) = match &self.provider {
            Provider::Local(server) => ("local", server.installation.folder.display().to_string()),
            Provider::Container(server) => ("container", server.image.clone()),
        };
        Ok(ServerFacts {
            engine: Engine::Postgres,
            version: version.split_whitespace().next().unwrap_or(&version).to_owned(),
            provider: provider.to_owned(),
            origin,
            settings: rows.iter().map(|row| (row.get(0), row.get(1))).collect(),
            cpus: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        })
    }

    /// The end of the server's log, to tell why it is gone; empty when there is none.
    pub async fn log_tail(&self) -> String {
        match &self.provider {
            Provider::Local(server) => server.log_tail(),
            Provider::Container(server) => server.log_tail().await,
        }
    }

    /// Stops the server and removes all that was made for it.
    pub async fn stop(self) -> Result<(), ServerError> {
        match self.provider {
            Provider::Local(server) => server.stop().await,
            Provider::Container(server) => server.stop().await,
        }
    }
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

/// An error within another: its further lines stay below its first.
fn indented(error: &ServerError) -> String {
    error.to_string().replace('\n', "\n  ")
}

/// The last lines of a log, set off for an error message.
fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let last = &lines[lines.len().saturating_sub(8)..];
    last.iter().fold(String::new(), |text, line| text + "\n  | " + line)
}
