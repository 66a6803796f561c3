//! The URL of a server, as the drivers read it.

use std::fmt;

use mysql_async::Opts;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::scenario::Engine;
use crate::server::{Access, Endpoint, Login};

/// Where a server is, and as whom to connect. Shown without the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server) struct Place {
    pub(in crate::server) endpoint: Endpoint,
    pub(in crate::server) login: Login,
    /// The database that the URL names.
    pub(in crate::server) database: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.endpoint {
            Endpoint::Unix { folder, port } => write!(f, "{} (port {port})", folder.display())?,
            Endpoint::Tcp { host, port } => write!(f, "{host}:{port}")?,
        }
        match &self.database {
            Some(database) => write!(f, "/{database}"),
            None => Ok(()),
        }
    }
}

impl Place {
    /// Reads a URL; the error says what is wrong with it, and nothing of what is in it.
    pub(in crate::server) fn parse(engine: Engine, url: &str) -> Result<Self, String> {
        match engine {
            Engine::Postgres => postgres(url),
            Engine::Mysql => mysql(url),
            Engine::Mariadb => {
                mysql(&url.strip_prefix("mariadb://").map_or(url.to_owned(), |rest| format!("mysql://{rest}")))
            }
        }
    }

    /// To one of its databases.
    pub(in crate::server) fn access(&self, engine: Engine, database: &str) -> Access {
        Access::new(engine, &self.endpoint, &self.login, database)
    }
}

fn postgres(url: &str) -> Result<Place, String> {
    if !url.starts_with("postgresql://") && !url.starts_with("postgres://") {
        return Err("it does not begin with postgresql://".to_owned());
    }
    // What the driver says of a URL that it cannot read may quote it.
    let config: Config = url.parse().map_err(|_| {
        "it is not of the form postgresql://USER:PASSWORD@HOST:PORT/DATABASE (letters such as @ and / are written as %40 and %2F)"
            .to_owned()
    })?;
    if config.get_ssl_mode() == SslMode::Require {
        return Err(
            "it demands TLS (sslmode), which is not spoken to scratch servers; take it out, or go through a tunnel"
                .to_owned(),
        );
    }
    let [host] = config.get_hosts() else {
        return Err(
            if config.get_hosts().is_empty() { "it names no host" } else { "it names several hosts" }.to_owned()
        );
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let endpoint = match host {
        Host::Tcp(host) => Endpoint::Tcp { host: host.clone(), port },
        Host::Unix(folder) => Endpoint::Unix { folder: folder.clone(), port },
    };
    let user = config.get_user().ok_or("it names no user")?.to_owned();
    let password = config.get_password().map(|password| String::from_utf8_lossy(password).into_owned());
    Ok(Place { endpoint, login: Login { user, password }, database: config.get_dbname().map(str::to_owned) })
}

fn mysql(url: &str) -> Result<Place, String> {
    if !url.starts_with("mysql://") {
        return Err("it does not begin with mysql://".to_owned());
    }
    // Whatever is behind `?` is of one driver or another.
    let url = url.split('?').next().unwrap_or_default();
    let opts = Opts::from_url(url).map_err(|_| {
        "it is not of the form mysql://USER:PASSWORD@HOST:PORT/DATABASE (letters such as @ and / are written as %40 and %2F)"
            .to_owned()
    })?;
    let endpoint = Endpoint::Tcp { host: opts.ip_or_hostname().to_owned(), port: opts.tcp_port() };
    let user = opts.user().ok_or("it names no user")?.to_owned();
    let login = Login { user, password: opts.pass().map(str::to_owned) };
    let database = opts.db_name().filter(|name| !name.is_empty()).map(str::to_owned);
    Ok(Place { endpoint, login, database })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(engine: Engine, url: &str) -> Result<(String, String, Option<String>), String> {
        let place = Place::parse(engine, url)?;
        Ok((place.to_string(), place.login.user, place.login.password))
    }

    #[test]
    fn a_url_is_read_as_the_drivers_read_it_and_shown_without_its_password() {
        let some = |text: &str| Some(text.to_owned());
        for (engine, url, shown, user, password) in [
            (Engine::Postgres, "postgres://me:p%40ss@db:5433/shop", "db:5433/shop", "me", some("p@ss")),
            (Engine::Postgres, "postgresql://me@[::1]/shop?sslmode=prefer", "::1:5432/shop", "me", None),
            (Engine::Postgres, "postgresql://me@%2Frun%2Fpg/shop", "/run/pg (port 5432)/shop", "me", None),
            (Engine::Mysql, "mysql://root:a%2Fb@db/", "db:3306", "root", some("a/b")),
            (Engine::Mariadb, "mariadb://root@db:3307/shop?useSSL=false", "db:3307/shop", "root", None),
        ] {
            let place = told(engine, url).expect(url);
            assert_eq!(place, (shown.to_owned(), user.to_owned(), password), "{url}");
        }
    }

    #[test]
    fn a_url_that_cannot_be_used_is_refused_without_quoting_it() {
        for (engine, url) in [
            (Engine::Postgres, "mysql://me:hunter2@db/shop"),
            (Engine::Postgres, "postgresql://me:hunter2@db:port/shop"),
            (Engine::Postgres, "postgresql://me:hunter2@a,b/shop"),
            (Engine::Postgres, "postgresql://me:hunter2@db/shop?sslmode=require"),
            (Engine::Postgres, "postgresql:///shop"),
            (Engine::Mysql, "postgresql://me:hunter2@db/shop"),
            (Engine::Mysql, "mysql://me:hunter2@db:port/shop"),
            (Engine::Mysql, "mysql://db/shop"),
        ] {
            let why = told(engine, url).expect_err(url);
            assert!(!why.contains("hunter2"), "{why}");
        }
    }
}
