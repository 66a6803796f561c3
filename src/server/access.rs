//! How to connect to a scratch server, by engine.

use std::fmt;
use std::time::Duration;

use mysql_async::prelude::Queryable;

use super::Endpoint;
use super::session::{self, Session};
use crate::scenario::Engine;

/// How long a connection may take to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How to connect to a server.
#[derive(Debug, Clone)]
pub enum Access {
    /// PostgreSQL.
    Postgres(Box<tokio_postgres::Config>),
    /// MySQL or MariaDB.
    Mysql(mysql_async::Opts),
}

/// As whom to connect.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The account.
    pub user: String,
    /// Its password; `None` where the server asks for none.
    pub password: Option<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Login {
    /// The superuser of a server that was started here.
    pub fn superuser(engine: Engine, password: Option<&str>) -> Self {
        Self { user: superuser(engine).to_owned(), password: password.map(str::to_owned) }
    }
}

/// The superuser of every server of an engine that is started here.
pub fn superuser(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => "postgres",
        Engine::Mysql | Engine::Mariadb => "root",
    }
}

impl Access {
    /// To one of the databases of the server at `endpoint`.
    pub fn new(engine: Engine, endpoint: &Endpoint, login: &Login, database: &str) -> Self {
        match engine {
            Engine::Postgres => Self::Postgres(Box::new(postgres(endpoint, login, database))),
            Engine::Mysql | Engine::Mariadb => Self::Mysql(mysql(endpoint, login, database)),
        }
    }

    /// The same through the tap that listens at this address.
    pub fn through_tap(engine: Engine, address: std::net::SocketAddr, login: &Login, database: &str) -> Self {
        let endpoint = Endpoint::Tcp { host: address.ip().to_string(), port: address.port() };
        Self::new(engine, &endpoint, login, database)
    }
}

impl Access {
    /// Asks the server a question on a connection of its own; the error is why it was not answered, in words.
    pub(crate) async fn ask(&self) -> Result<(), String> {
        match self {
            Self::Postgres(config) => {
                let session = Session::open(config).await.map_err(|error| session::message(&error))?;
                session.client.simple_query("SELECT 1").await.map_err(|error| session::message(&error))?;
            }
            Self::Mysql(opts) => {
                let connect = mysql_async::Conn::new(opts.clone());
                let connected = tokio::time::timeout(CONNECT_LIMIT, connect).await;
                let mut connection =
                    connected.map_err(|_| "it did not take the connection".to_owned())?.map_err(in_words)?;
                connection.query_drop("SELECT 1").await.map_err(in_words)?;
                let _ = connection.disconnect().await;
            }
        }
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
fn in_words(error: mysql_async::Error) -> String {
    error.to_string()
}

fn postgres(endpoint: &Endpoint, login: &Login, database: &str) -> tokio_postgres::Config {
    let mut config = tokio_postgres::Config::new();
    match endpoint {
        Endpoint::Unix { folder, port } => config.host_path(folder).port(*port),
        Endpoint::Tcp { host, port } => config.host(host).port(*port),
    };
    config.user(&login.user).dbname(database).connect_timeout(CONNECT_LIMIT);
    config.application_name("rehearsal").ssl_mode(tokio_postgres::config::SslMode::Disable);
    if let Some(password) = &login.password {
        config.password(password);
    }
    config
}

fn mysql(endpoint: &Endpoint, login: &Login, database: &str) -> mysql_async::Opts {
    let options = mysql_async::OptsBuilder::default()
        .user(Some(&login.user))
        .pass(login.password.as_ref())
        .db_name(Some(database))
        // Through the address that was given and no other: the driver would move on to a socket that the server names.
        .prefer_socket(false)
        .stmt_cache_size(0);
    match endpoint {
        Endpoint::Unix { folder, port } => options.socket(Some(socket(folder, *port).display().to_string())),
        Endpoint::Tcp { host, port } => options.ip_or_hostname(host.as_str()).tcp_port(*port),
    }
    .into()
}

/// Where the unix socket of a MySQL or MariaDB server is that was started from local binaries.
pub fn socket(folder: &std::path::Path, port: u16) -> std::path::PathBuf {
    folder.join(socket_name(port))
}

/// Its name, by which the server has it in its data folder.
pub(super) fn socket_name(port: u16) -> String {
    format!("mysqld.{port}.sock")
}
