//! Real servers for the tests of this binary, and a database of its own for each test.
//!
//! Tests that run at the same time share a server of the same kind; the last one stops it. A server that does not start
//! fails the test.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Weak};

use rehearsal::scenario::{ColumnWish, Dump, Engine, ProviderWish, ServerWish, SnapshotWish, TableWish};
use rehearsal::server::session::Session;
use rehearsal::server::{Access, Endpoint, Server, USER, binaries};
use rehearsal::snapshot::{Prepared, SnapshotError, prepare};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;
use tokio_postgres::Config;
use tokio_postgres::types::FromSqlOwned;

/// Where a server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// From this machine's binaries.
    Local,
    /// In a container of this version.
    Container(&'static str),
}

/// All servers belong to this runtime, which outlives every test.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime starts"));
static SERVERS: Mutex<BTreeMap<Place, Weak<Server>>> = Mutex::const_new(BTreeMap::new());

/// Runs a test with a server that it may share.
pub(crate) fn with_server(place: Place, test: impl AsyncFnOnce(&Lab)) {
    RUNTIME.block_on(async { on(shared(place).await, test).await });
}

/// Runs a test with a server that nobody else uses.
pub(crate) fn with_own_server(place: Place, test: impl AsyncFnOnce(&Lab)) {
    RUNTIME.block_on(async { on(Arc::new(start_fast(place).await), test).await });
}

async fn on(server: Arc<Server>, test: impl AsyncFnOnce(&Lab)) {
    let lab = Lab { server: Arc::clone(&server), files: TempDir::new().expect("a folder for the dumps") };
    test(&lab).await;
    drop(lab);
    if let Some(server) = Arc::into_inner(server) {
        server.stop().await.expect("the server stops");
    }
}

/// Starts a server that nobody else uses.
pub(crate) async fn start(place: Place) -> Server {
    let (provider, version) = match place {
        Place::Local => (ProviderWish::Local, None),
        Place::Container(version) => (ProviderWish::Container, Some(version.to_owned())),
    };
    let wish = ServerWish { version, ..ServerWish::default() };
    Server::start(&wish, Some(provider), false)
        .await
        .expect("a server starts; tests/run.sh --setup brings what it takes")
}

/// Starts a server that does not wait for the disk, as the program has it while it is filled.
async fn start_fast(place: Place) -> Server {
    let server = start(place).await;
    let session = Session::open(&server.config("postgres")).await.expect("the server takes connections");
    for sql in ["ALTER SYSTEM SET fsync = off", "ALTER SYSTEM SET synchronous_commit = off", "SELECT pg_reload_conf()"]
    {
        session.client.batch_execute(sql).await.expect("a superuser may change settings");
    }
    server
}

async fn shared(place: Place) -> Arc<Server> {
    let mut servers = SERVERS.lock().await;
    if let Some(server) = servers.get(&place).and_then(Weak::upgrade) {
        return server;
    }
    let server = Arc::new(start_fast(place).await);
    servers.insert(place, Arc::downgrade(&server));
    server
}

/// A server and a folder for files.
pub(crate) struct Lab {
    pub(crate) server: Arc<Server>,
    files: TempDir,
}

impl Lab {
    /// A name that no other test has.
    pub(crate) fn name(stem: &str) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        format!("{stem}_{}", COUNT.fetch_add(1, Ordering::Relaxed))
    }

    /// A new, empty database.
    pub(crate) async fn database(&self) -> Database {
        self.database_named(&Self::name("shop")).await
    }

    /// A new, empty database of this name.
    pub(crate) async fn database_named(&self, name: &str) -> Database {
        self.sql(&format!("CREATE DATABASE \"{name}\"")).await;
        let config = self.server.config(name);
        let session = Session::open(&config).await.expect("the new database takes connections");
        Database { name: name.to_owned(), config, session }
    }

    /// Runs SQL outside any of the tests' databases.
    pub(crate) async fn sql(&self, sql: &str) {
        let session = Session::open(&self.server.config("postgres")).await.expect("the server takes connections");
        session.client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// Drops a database and a role, so that only a dump of it is left.
    pub(crate) async fn forget(&self, database: Database, role: &str) {
        self.drop(database).await;
        self.sql(&format!("DROP ROLE {role}")).await;
    }

    /// Drops a database.
    pub(crate) async fn drop(&self, database: Database) {
        let Database { name, session, .. } = database;
        drop(session);
        self.sql(&format!("DROP DATABASE \"{name}\" WITH (FORCE)")).await;
    }

    /// The container that the server runs in.
    pub(crate) fn container(&self) -> Option<String> {
        match self.server.endpoint() {
            Endpoint::Unix { .. } => None,
            Endpoint::Tcp { port, .. } => Some(container(port)),
        }
    }

    /// Writes a file.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.files.path().join(name);
        std::fs::write(&path, content).expect("a file in a temporary folder can be written");
        path
    }

    /// A place for a file that is not there yet.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// Runs one of the server's own programs and gives its standard output; it must end well.
    pub(crate) async fn program(&self, name: &str, arguments: &[&str], input: Option<&Path>) -> Vec<u8> {
        let mut command = match self.server.endpoint() {
            Endpoint::Unix { folder, port } => {
                let installation =
                    binaries::installations(Engine::Postgres).into_iter().next().expect("a local installation");
                let mut command = Command::new(installation.program(name));
                command.arg("-h").arg(folder).args(["-p", &port.to_string()]);
                command
            }
            Endpoint::Tcp { port, .. } => {
                let mut command = Command::new("docker");
                command.args(["exec", "-i", &container(port), name]);
                command
            }
        };
        command.args(["-U", USER]).args(arguments).stderr(Stdio::piped()).stdin(Stdio::null());
        if let Some(input) = input {
            command.stdin(std::fs::File::open(input).expect("the input can be opened"));
        }
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("the program's thread ends");
        let output = output.expect("the program starts");
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// The whole database as text, less what differs from one dump of it to the next.
    pub(crate) async fn text_of(&self, database: &Database, arguments: &[&str]) -> String {
        let dump = self.program("pg_dump", &[&["-d", &database.name], arguments].concat(), None).await;
        let text = String::from_utf8(dump).expect("a dump in UTF-8");
        let is_content = |line: &&str| !line.starts_with("\\restrict ") && !line.starts_with("\\unrestrict ");
        text.lines().filter(is_content).fold(String::new(), |mut all, line| {
            writeln!(all, "{line}").expect("text can be written to");
            all
        })
    }

    /// Restores files into a database and grows tables, as a scenario would.
    pub(crate) async fn prepare(
        &self,
        database: &Database,
        restore: &[PathBuf],
        tables: Vec<TableWish>,
        seed: u64,
    ) -> Result<Prepared, SnapshotError> {
        let wish = SnapshotWish {
            restore: restore.iter().cloned().map(Dump::from).collect(),
            tables,
            seed,
            ..SnapshotWish::default()
        };
        prepare(&database.access(), &wish, &self.server, &|_| ()).await
    }

    /// A new database that holds a fixture.
    pub(crate) async fn fixture(&self, name: &str) -> Database {
        let database = self.database().await;
        database.run(&fixture(name)).await;
        database
    }
}

/// The container that a port of this machine leads to. The port of IPv4, as the server's endpoint has it: containers that
/// are started at the same time may have another for IPv6, which is then the IPv4 port of the one beside.
fn container(port: u16) -> String {
    let output = Command::new("docker").args(["ps", "--format", "{{.ID}} {{.Ports}}"]).output();
    let list = String::from_utf8(output.expect("docker starts").stdout).expect("a list of containers");
    let ports = format!("0.0.0.0:{port}->5432/tcp");
    let line = list.lines().find(|line| line.contains(&ports)).unwrap_or_else(|| panic!("{ports} is not in {list}"));
    line.split_once(' ').expect("an id and ports").0.to_owned()
}

/// The text of a file in `fixtures/snapshot`.
pub(crate) fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/snapshot").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A database of one test.
pub(crate) struct Database {
    pub(crate) name: String,
    pub(crate) config: Config,
    pub(crate) session: Session,
}

impl Database {
    /// How to connect to it.
    pub(crate) fn access(&self) -> Access {
        Access::Postgres(Box::new(self.config.clone()))
    }

    /// Runs SQL that must succeed.
    pub(crate) async fn run(&self, sql: &str) {
        self.session.client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql:.200}: {error:?}"));
    }

    /// The one value that a query gives.
    pub(crate) async fn get<T: FromSqlOwned>(&self, sql: &str) -> T {
        let row = self.session.client.query_one(sql, &[]).await;
        row.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0)
    }

    /// How many rows a query gives.
    pub(crate) async fn count(&self, rows_of: &str) -> i64 {
        self.get(&format!("SELECT count(*) FROM {rows_of}")).await
    }
}

/// A table that shall have so many rows, asked for on line 7 of a scenario.
pub(crate) fn table(name: &str, rows: u64) -> TableWish {
    TableWish { name: name.to_owned(), rows, columns: BTreeMap::new(), file: "shop.toml".into(), line: 7 }
}

/// The same table with a word on one of its columns.
pub(crate) fn with(mut table: TableWish, column: &str, wish: ColumnWish) -> TableWish {
    table.columns.insert(column.to_owned(), wish);
    table
}

/// Values with their weights.
pub(crate) fn values(values: &[(&str, f64)]) -> ColumnWish {
    let values = values.iter().map(|(value, weight)| ((*value).to_owned(), *weight)).collect();
    ColumnWish { values: Some(values), ..ColumnWish::default() }
}

/// A lowest and a highest value.
pub(crate) fn range(low: &str, high: &str) -> ColumnWish {
    ColumnWish { range: Some((low.to_owned(), high.to_owned())), ..ColumnWish::default() }
}
