//! Real servers for the tests of this binary, and a database of its own for each test.
//!
//! Tests that run at the same time share a server of the same kind; the last one stops it. A server that does not start
//! fails the test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Weak};

use futures_util::future::join_all;
use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Conn, Opts};
use rehearsal::scenario::{Engine, ProviderWish, ServerWish};
use rehearsal::server::access::socket;
use rehearsal::server::{Access, Endpoint, Server, binaries};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

/// Where a server runs, and which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Place {
    /// MariaDB from this machine's binaries.
    Local,
    /// MySQL in a container of this version.
    Mysql(&'static str),
    /// MariaDB in a container of this version.
    Mariadb(&'static str),
}

/// Every server that the tests of this family meet.
pub(crate) const PLACES: [Place; 4] =
    [Place::Local, Place::Mysql("9.7"), Place::Mariadb("10.11"), Place::Mariadb("11.8")];

impl Place {
    pub(crate) fn engine(self) -> Engine {
        match self {
            Self::Mysql(_) => Engine::Mysql,
            Self::Local | Self::Mariadb(_) => Engine::Mariadb,
        }
    }

    pub(crate) fn provider(self) -> ProviderWish {
        if self == Self::Local { ProviderWish::Local } else { ProviderWish::Container }
    }

    /// What a scenario would say of it, with these settings.
    pub(crate) fn wish(self, settings: &[(&str, &str)]) -> ServerWish {
        let version = match self {
            Self::Local => None,
            Self::Mysql(version) | Self::Mariadb(version) => Some(version.to_owned()),
        };
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        ServerWish { engine: self.engine(), version, settings, ..ServerWish::default() }
    }
}

/// All servers belong to this runtime, which outlives every test.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime starts"));
/// Each with a lock of its own, so that servers of different places start at the same time.
static SERVERS: Mutex<BTreeMap<Place, Arc<Mutex<Weak<Server>>>>> = Mutex::const_new(BTreeMap::new());

/// Runs a test that needs no server, or starts its own.
pub(crate) fn run(test: impl Future<Output = ()>) {
    RUNTIME.block_on(test);
}

/// Runs a test with a server that it may share.
pub(crate) fn with_server(place: Place, test: impl AsyncFnOnce(&Lab)) {
    with_servers([place], async |[lab]| test(lab).await);
}

/// Runs a test with several servers that it may share.
pub(crate) fn with_servers<const COUNT: usize>(places: [Place; COUNT], test: impl AsyncFnOnce([&Lab; COUNT])) {
    RUNTIME.block_on(async {
        let labs = join_all(places.map(async |place| Lab::new(place, shared(place).await))).await;
        test(std::array::from_fn(|at| &labs[at])).await;
        join_all(labs.into_iter().map(Lab::close)).await;
    });
}

/// Runs a test on every server, on all of them at once; it may share them.
pub(crate) fn on_each(test: impl AsyncFn(&Lab)) {
    with_servers(PLACES, async |labs| {
        join_all(labs.map(|lab| test(lab))).await;
    });
}

/// Runs a test with a server that nobody else uses.
pub(crate) fn with_own_server(place: Place, settings: &[(&str, &str)], test: impl AsyncFnOnce(&Lab)) {
    RUNTIME.block_on(async {
        let lab = Lab::new(place, Arc::new(start(place, settings).await));
        test(&lab).await;
        lab.close().await;
    });
}

/// Starts a server that nobody else uses.
pub(crate) async fn start(place: Place, settings: &[(&str, &str)]) -> Server {
    let started = Server::start(&place.wish(settings), Some(place.provider()), false).await;
    started.unwrap_or_else(|error| panic!("{place:?} (tests/run.sh --setup brings what it takes): {error}"))
}

async fn shared(place: Place) -> Arc<Server> {
    let of_place = Arc::clone(SERVERS.lock().await.entry(place).or_default());
    let mut running = of_place.lock().await;
    if let Some(server) = running.upgrade() {
        return server;
    }
    let server = Arc::new(start(place, &[]).await);
    *running = Arc::downgrade(&server);
    server
}

/// A server and a folder for files.
pub(crate) struct Lab {
    pub(crate) place: Place,
    pub(crate) server: Arc<Server>,
    files: TempDir,
}

impl Lab {
    fn new(place: Place, server: Arc<Server>) -> Self {
        Self { place, server, files: TempDir::new().expect("a folder for files") }
    }

    /// Stops the server if nobody else has it.
    async fn close(self) {
        if let Some(server) = Arc::into_inner(self.server) {
            server.stop().await.expect("the server stops");
        }
    }

    /// A name that no other test has.
    pub(crate) fn name(stem: &str) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        format!("{stem}_{}", COUNT.fetch_add(1, Ordering::Relaxed))
    }

    /// A new, empty database.
    pub(crate) async fn database(&self) -> Database {
        let name = Self::name("shop");
        self.open("mysql").await.run(&format!("CREATE DATABASE `{name}`")).await;
        self.open(&name).await
    }

    /// A session of its own in a database that is there.
    pub(crate) async fn open(&self, name: &str) -> Database {
        let Access::Mysql(opts) = self.server.access(name) else { panic!("not a server of this family") };
        let connection = Conn::new(opts.clone()).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        Database { name: name.to_owned(), opts, session: Mutex::new(connection) }
    }

    /// Writes a file.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.files.path().join(name);
        std::fs::write(&path, content).expect("a file in a temporary folder can be written");
        path
    }

    /// The engine's own client, for scripts.
    pub(crate) fn client(&self) -> &'static str {
        if self.place.engine() == Engine::Mysql { "mysql" } else { "mariadb" }
    }

    /// The engine's own program for dumps.
    pub(crate) fn dumper(&self) -> &'static str {
        if self.place.engine() == Engine::Mysql { "mysqldump" } else { "mariadb-dump" }
    }

    /// Runs one of the engine's own programs as root (`mariadb-dump`, `mysql`) and gives its standard output; it must end well.
    pub(crate) async fn program(&self, name: &str, arguments: &[&str], input: Option<&Path>) -> Vec<u8> {
        let output = self.try_program(name, arguments, input).await;
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// The same for one that may fail.
    pub(crate) async fn try_program(&self, name: &str, arguments: &[&str], input: Option<&Path>) -> Output {
        let mut command = match self.server.endpoint() {
            Endpoint::Unix { folder, port } => {
                let installation = binaries::installations(self.server.engine()).into_iter().next();
                let mut command = Command::new(installation.expect("a local installation").program(name));
                command.args(["--no-defaults", "-u", "root", "-S"]).arg(socket(&folder, port));
                command
            }
            Endpoint::Tcp { port, .. } => {
                let mut command = Command::new("docker");
                let password = format!("MYSQL_PWD={}", self.server.password().unwrap_or_default());
                command.args(["exec", "-i", "-e", &password, &container(port), name, "--no-defaults", "-u", "root"]);
                command.args(["-S", "/run/mysqld/mysqld.sock"]);
                command
            }
        };
        command.args(arguments).stderr(Stdio::piped()).stdin(Stdio::null());
        if let Some(input) = input {
            command.stdin(std::fs::File::open(input).expect("the input can be opened"));
        }
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("the program's thread ends");
        output.expect("the program starts")
    }
}

/// The container that a port of this machine leads to. The port of IPv4, as the server's endpoint has it: containers that
/// are started at the same time may have another for IPv6, which is then the IPv4 port of the one beside.
pub(crate) fn container(port: u16) -> String {
    let output = Command::new("docker").args(["ps", "--format", "{{.ID}} {{.Ports}}"]).output();
    let list = String::from_utf8(output.expect("docker starts").stdout).expect("a list of containers");
    let ports = format!("0.0.0.0:{port}->3306/tcp");
    let line = list.lines().find(|line| line.contains(&ports)).unwrap_or_else(|| panic!("{ports} is not in {list}"));
    line.split_once(' ').expect("an id and ports").0.to_owned()
}

/// A database of one test, and a session in it.
pub(crate) struct Database {
    pub(crate) name: String,
    opts: Opts,
    session: Mutex<Conn>,
}

impl Database {
    /// How to connect to it.
    pub(crate) fn access(&self) -> Access {
        Access::Mysql(self.opts.clone())
    }

    /// The same for what takes them as the client does.
    pub(crate) fn opts(&self) -> &Opts {
        &self.opts
    }

    /// Another session in it.
    pub(crate) async fn session(&self) -> Conn {
        Conn::new(self.opts.clone()).await.expect("the database takes connections")
    }

    /// Runs SQL that must succeed.
    pub(crate) async fn run(&self, sql: &str) {
        self.session.lock().await.query_drop(sql).await.unwrap_or_else(|error| panic!("{sql:.200}: {error}"));
    }

    /// The rows that a query gives.
    pub(crate) async fn rows<T: FromRow + Send + 'static>(&self, sql: &str) -> Vec<T> {
        self.session.lock().await.query(sql).await.unwrap_or_else(|error| panic!("{sql:.200}: {error}"))
    }

    /// The one row that a query gives.
    pub(crate) async fn get<T: FromRow + Send + 'static>(&self, sql: &str) -> T {
        self.rows(sql).await.pop().unwrap_or_else(|| panic!("{sql:.200}: no row"))
    }

    /// How many rows a query gives.
    pub(crate) async fn count(&self, rows_of: &str) -> u64 {
        self.get(&format!("SELECT count(*) FROM {rows_of}")).await
    }
}
