//! A server that was started by somebody else, as far as the program can tell.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rehearsal::scenario::{ProviderWish, ServerWish};
use rehearsal::server::{Endpoint, Server};
use tokio::runtime::Runtime;

use crate::process;
use crate::sandbox::ended;

/// A password that the server does not ask for, so that it can be looked for in what is said.
pub(crate) const SECRET: &str = "hunter2";

/// A server with an empty database `app`, which is nothing of the program's.
pub(crate) struct Elsewhere {
    server: Option<Server>,
    pub(crate) folder: PathBuf,
    pub(crate) port: u16,
    runtime: Runtime,
}

impl Elsewhere {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    pub(crate) fn with(settings: &[(&str, &str)]) -> Self {
        let runtime = Runtime::new().unwrap();
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let wish = ServerWish { settings, ..ServerWish::default() };
        let server = runtime.block_on(Server::start(&wish, Some(ProviderWish::Local), false)).unwrap();
        let Endpoint::Unix { folder, port } = server.endpoint() else { panic!("local servers have a socket") };
        let elsewhere = Self { server: Some(server), folder, port, runtime };
        elsewhere.sql("rehearsal", "CREATE DATABASE app");
        elsewhere.sql("app", "DROP DATABASE rehearsal");
        elsewhere
    }

    fn psql(&self, database: &str, sql: &str) -> Command {
        let mut psql = Command::new("psql");
        psql.arg("-XqAth").arg(&self.folder).args(["-p", &self.port.to_string(), "-U", "postgres", "-d", database]);
        psql.args(["-v", "ON_ERROR_STOP=1", "-c", sql]);
        psql
    }

    #[track_caller]
    pub(crate) fn sql(&self, database: &str, sql: &str) -> String {
        let said = ended(&mut self.psql(database, sql)).expect(0);
        said.stdout.trim().to_owned()
    }

    /// A session that sleeps until the server has ended, or until it is killed.
    pub(crate) fn session(&self, database: &str) -> Child {
        let child = self.psql(database, "SELECT pg_sleep(300)").stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let sessions = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        process::wait_for("a session", || (self.sql("postgres", sessions) == "1").then_some(()));
        child.unwrap()
    }

    pub(crate) fn url(&self, database: &str) -> String {
        let folder = self.folder.display().to_string().replace('/', "%2F");
        format!("postgresql://postgres:{SECRET}@{folder}:{}/{database}", self.port)
    }

    /// All that a rehearsal could leave there: databases, roles, tables of `app`.
    pub(crate) fn state(&self) -> String {
        self.sql(
            "app",
            "SELECT string_agg(name, ' ' ORDER BY name) FROM (SELECT datname::text AS name FROM pg_database UNION ALL SELECT \
             rolname FROM pg_roles WHERE rolname !~ '^pg_' UNION ALL SELECT relname FROM pg_class WHERE relnamespace = \
             'public'::regnamespace UNION ALL SELECT sourceline::text FROM pg_file_settings WHERE name = 'fsync') AS names",
        )
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            let _ = self.runtime.block_on(server.stop());
        }
    }
}
