//! A scratch server with an observer and a tap before it, and ways to reach it with and without the tap.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use rehearsal::observe::{Observation, Observer};
use rehearsal::run::Statement;
use rehearsal::scenario::{ProviderWish, ServerWish};
use rehearsal::server::session::{Session, message};
use rehearsal::server::{DATABASE, Server, USER};
use rehearsal::tap::{Messages, Tap};
use tokio_postgres::Config;

/// The servers on which the facts are checked.
pub(crate) const VERSIONS: [(u32, ProviderWish); 3] =
    [(15, ProviderWish::Local), (17, ProviderWish::Container), (18, ProviderWish::Container)];

/// Longer than any test may take on a machine that is busy; what takes longer hangs.
const HANGS: Duration = Duration::from_secs(240);

/// Held by every test: shared by most, exclusive by those with figures that others would disturb.
static TURN: RwLock<()> = RwLock::new(());

/// Runs a test that others may run beside.
pub(crate) fn test(test: impl Future<Output = ()>) {
    let _turn = TURN.read().unwrap_or_else(PoisonError::into_inner);
    run(test);
}

/// Runs a test when no other runs.
pub(crate) fn alone(test: impl Future<Output = ()>) {
    let _turn = TURN.write().unwrap_or_else(PoisonError::into_inner);
    run(test);
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async { within(HANGS, "the test", test).await });
}

/// Waits for what must come about in `limit`.
pub(crate) async fn within<T>(limit: Duration, what: &str, wait: impl Future<Output = T>) -> T {
    let Ok(value) = tokio::time::timeout(limit, wait).await else {
        panic!("{what} hangs: it did not end within {} s", limit.as_secs());
    };
    value
}

/// Prints a figure for whoever reads the test's output.
#[expect(clippy::print_stderr, reason = "figures are for people")]
pub(crate) fn figure(text: &str) {
    eprintln!("figure: {text}");
}

/// Starts a server of this version.
pub(crate) async fn server(version: u32, provider: ProviderWish) -> Server {
    let wish = ServerWish { version: Some(version.to_string()), ..ServerWish::default() };
    match Server::start(&wish, Some(provider), false).await {
        Ok(server) => server,
        Err(error) => panic!("PostgreSQL {version}, which these tests need, did not start: {error}"),
    }
}

/// An observer and a tap before one database of a server.
pub(crate) struct Rig {
    pub(crate) observer: Observer,
    tap: Tap,
    /// Reaches the database directly.
    pub(crate) direct: Config,
    password: Option<String>,
    database: String,
}

impl Rig {
    /// Observes `database` from here on.
    pub(crate) async fn new(server: &Server, database: &str) -> Self {
        Self::sending(server, database, Messages::Whole).await
    }

    /// The same with messages of several statements forwarded so.
    pub(crate) async fn sending(server: &Server, database: &str, messages: Messages) -> Self {
        let direct = server.config(database);
        let access = server.access(database);
        let observer = Observer::start(&access, true, Box::new(|_| {})).await.expect("the observer starts");
        let tap = Tap::start(server.endpoint(), access, observer.clone(), messages).await.expect("the tap listens");
        observer.begin_migration().await.expect("the migration begins");
        let password = server.password().map(ToOwned::to_owned);
        Self { observer, tap, direct, password, database: database.to_owned() }
    }

    /// Fills the server's one database with `schema` and observes it.
    pub(crate) async fn with(server: &Server, schema: &str) -> Self {
        Self::prepared(server, DATABASE, schema).await
    }

    /// Adds `schema` to `database` and observes it.
    pub(crate) async fn prepared(server: &Server, database: &str, schema: &str) -> Self {
        let session = Session::open(&server.config(database)).await.expect("a session");
        if let Err(error) = session.client.batch_execute(schema).await {
            panic!("the schema of {database} is not made: {}\n{schema}", message(&error));
        }
        // Or what this session has read is counted when it is long gone.
        session.client.batch_execute("SELECT pg_stat_force_next_flush()").await.expect("counters are reported");
        Self::new(server, database).await
    }

    pub(crate) fn port(&self) -> u16 {
        self.tap.address().port()
    }

    /// Reaches the database through the tap.
    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.port()).user(USER).dbname(&self.database);
        if let Some(password) = &self.password {
            config.password(password);
        }
        config
    }

    /// A URL of the database through the tap.
    pub(crate) fn url(&self) -> String {
        let password = self.password.as_deref().unwrap_or("none");
        format!("postgresql://{USER}:{password}@127.0.0.1:{}/{}", self.port(), self.database)
    }

    /// A session through the tap.
    pub(crate) async fn tapped(&self) -> Session {
        Session::open(&self.config()).await.expect("a session through the tap")
    }

    /// A session that the tap knows nothing of.
    pub(crate) async fn beside(&self) -> Session {
        Session::open(&self.direct).await.expect("a direct session")
    }

    /// Waits until the tap has noticed that a client has left, of which nobody is told: its locks are let go then.
    pub(crate) async fn left(&self) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    /// Ends the migration. Nothing may have hindered observing.
    pub(crate) async fn end(&self) -> Observation {
        let observation = self.observer.end_migration().await.expect("the migration ends");
        assert_eq!(self.observer.trouble(), None);
        observation
    }
}

/// The recorded statement whose text contains `part`, of which there must be one.
pub(crate) fn one<'a>(statements: &'a [Statement], part: &str) -> &'a Statement {
    let found: Vec<&Statement> = statements.iter().filter(|statement| statement.sql.contains(part)).collect();
    match found.as_slice() {
        [one] => one,
        other => panic!(
            "{} statements contain {part:?}, not one; all are {:?}",
            other.len(),
            statements.iter().map(|statement| statement.sql.as_str()).collect::<Vec<_>>()
        ),
    }
}
