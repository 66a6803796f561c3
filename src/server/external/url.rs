//! The URL of a server, as the drivers read it.

use std::fmt;
use std::path::PathBuf;

use mysql_async::Opts;
use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::tls::Trust;
use crate::scenario::Engine;
use crate::server::{Access, Endpoint, Login};

/// Where a server is, and as whom to connect. Shown without the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server) struct Place {
    pub(in crate::server) endpoint: Endpoint,
    pub(in crate::server) login: Login,
    /// The database that the URL names.
    pub(in crate::server) database: Option<String>,
    /// Whom to believe, where the URL demands TLS.
    pub(in crate::server) tls: Option<Trust>,
    /// Where the URL says that it is.
    shown: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)?;
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

    fn new(endpoint: Endpoint, login: Login, database: Option<String>, tls: Option<Trust>) -> Self {
        let shown = match &endpoint {
            Endpoint::Unix { folder, port } => format!("{} (port {port})", folder.display()),
            Endpoint::Tcp { host, port } => format!("{host}:{port}"),
        };
        Self { endpoint, login, database, tls, shown }
    }

    /// Whether it is on another machine, as far as its name tells.
    pub(in crate::server) fn is_elsewhere(&self) -> bool {
        let Endpoint::Tcp { host, .. } = &self.endpoint else { return false };
        host != "localhost" && !host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
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
    let (url, tls) = without_tls(url)?;
    // What the driver says of a URL that it cannot read may quote it.
    let config: Config = url.parse().map_err(|_| {
        "it is not of the form postgresql://USER:PASSWORD@HOST:PORT/DATABASE (letters such as @ and / are written as %40 and %2F)"
            .to_owned()
    })?;
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
    let database = config.get_dbname().map(str::to_owned);
    // A socket has no TLS, which libpq passes over too.
    let tls = tls.filter(|_| matches!(endpoint, Endpoint::Tcp { .. }));
    Ok(Place::new(endpoint, Login { user, password }, database, tls))
}

/// A URL of PostgreSQL without what it says of TLS, and what that was (PostgreSQL manual, 34.1.2 "Parameter Key Words").
fn without_tls(url: &str) -> Result<(String, Option<Trust>), String> {
    let Some((place, parameters)) = url.split_once('?') else { return Ok((url.to_owned(), None)) };
    let (mut mode, mut authorities, mut kept) = ("prefer", None, Vec::new());
    for parameter in parameters.split('&') {
        match parameter.split_once('=') {
            Some(("sslmode", value)) => mode = value,
            Some(("sslrootcert", value)) => {
                authorities = Some(PathBuf::from(percent_decode_str(value).decode_utf8_lossy().into_owned()));
            }
            Some(("channel_binding", "require")) => {
                return Err("it demands channel binding, which is not offered; take it out".to_owned());
            }
            Some(("channel_binding" | "sslnegotiation" | "sslsni", _)) => {}
            _ => kept.push(parameter),
        }
    }
    let tls = match mode {
        "disable" | "allow" | "prefer" => None,
        // As libpq does where it is told of an authority.
        "require" if authorities.is_none() => Some(Trust::Anybody),
        "require" | "verify-ca" | "verify-full" => {
            Some(Trust::Known(authorities.filter(|file| file.as_os_str() != "system")))
        }
        _ => return Err("it has a `sslmode` that does not exist".to_owned()),
    };
    let url = if kept.is_empty() { place.to_owned() } else { format!("{place}?{}", kept.join("&")) };
    Ok((url, tls))
}

fn mysql(url: &str) -> Result<Place, String> {
    if !url.starts_with("mysql://") {
        return Err("it does not begin with mysql://".to_owned());
    }
    let (url, parameters) = url.split_once('?').unwrap_or((url, ""));
    let tls = mysql_tls(parameters)?;
    let opts = Opts::from_url(url).map_err(|_| {
        "it is not of the form mysql://USER:PASSWORD@HOST:PORT/DATABASE (letters such as @ and / are written as %40 and %2F)"
            .to_owned()
    })?;
    let endpoint = Endpoint::Tcp { host: opts.ip_or_hostname().to_owned(), port: opts.tcp_port() };
    let user = opts.user().ok_or("it names no user")?.to_owned();
    let login = Login { user, password: opts.pass().map(str::to_owned) };
    let database = opts.db_name().filter(|name| !name.is_empty()).map(str::to_owned);
    Ok(Place::new(endpoint, login, database, tls))
}

/// What the parameters of a MySQL URL say of TLS: `ssl-mode` and `ssl-ca`, as the server's own clients have them (MySQL 9.7 manual,
/// 6.2.3 "Command Options for Connecting to the Server"). Whatever else is behind `?` is of one driver or another, each with names of
/// its own; those that demand TLS get it.
fn mysql_tls(parameters: &str) -> Result<Option<Trust>, String> {
    let (mut mode, mut authorities, mut asked) = (String::new(), None, false);
    for parameter in parameters.split('&') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let (name, value) =
            (name.to_ascii_lowercase().replace('_', "-"), percent_decode_str(value).decode_utf8_lossy());
        match name.as_str() {
            "ssl-ca" | "sslca" => authorities = Some(PathBuf::from(value.into_owned())),
            "ssl-mode" | "sslmode" => mode = value.to_ascii_uppercase().replace('-', "_"),
            name => {
                asked |= name.contains("ssl") && !["", "0", "false"].contains(&value.to_ascii_lowercase().as_str());
            }
        }
    }
    match mode.as_str() {
        "" if asked && authorities.is_none() => Ok(Some(Trust::Anybody)),
        "" if authorities.is_some() => Ok(Some(Trust::Known(authorities))),
        "" | "DISABLED" | "DISABLE" | "PREFERRED" | "PREFER" => Ok(None),
        "REQUIRED" | "REQUIRE" => Ok(Some(Trust::Anybody)),
        "VERIFY_CA" | "VERIFY_IDENTITY" | "VERIFY_FULL" => Ok(Some(Trust::Known(authorities))),
        _ => Err("it has an `ssl-mode` that does not exist".to_owned()),
    }
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
    fn a_url_demands_tls_as_libpq_has_it() {
        let known = |file: Option<&str>| Some(Trust::Known(file.map(PathBuf::from)));
        for (parameters, tls) in [
            ("", None),
            ("?sslmode=prefer&application_name=x", None),
            ("?sslmode=require&application_name=x", Some(Trust::Anybody)),
            ("?connect_timeout=5&sslmode=verify-full", known(None)),
            ("?sslmode=verify-full&sslrootcert=system", known(None)),
            ("?sslrootcert=%2Fetc%2Frds%20ca.pem&sslmode=require", known(Some("/etc/rds ca.pem"))),
        ] {
            let place =
                Place::parse(Engine::Postgres, &format!("postgresql://me@db/shop{parameters}")).expect(parameters);
            assert_eq!(place.tls, tls, "{parameters}");
        }
    }

    #[test]
    fn a_url_of_mysql_demands_tls_as_its_clients_have_it() {
        let known = |file: Option<&str>| Some(Trust::Known(file.map(PathBuf::from)));
        for (parameters, tls) in [
            ("", None),
            ("?charset=utf8&ssl-mode=preferred", None),
            ("?useSSL=false", None),
            ("?ssl=true", Some(Trust::Anybody)),
            ("?ssl_mode=REQUIRED", Some(Trust::Anybody)),
            ("?ssl-mode=VERIFY_IDENTITY", known(None)),
            ("?ssl-ca=%2Fetc%2Frds%20ca.pem&sslmode=verify-ca", known(Some("/etc/rds ca.pem"))),
            ("?ssl-ca=/etc/ca.pem", known(Some("/etc/ca.pem"))),
        ] {
            let place = Place::parse(Engine::Mysql, &format!("mysql://me@db/shop{parameters}")).expect(parameters);
            assert_eq!(place.tls, tls, "{parameters}");
        }
    }

    #[test]
    fn a_url_that_cannot_be_used_is_refused_without_quoting_it() {
        for (engine, url) in [
            (Engine::Postgres, "mysql://me:hunter2@db/shop"),
            (Engine::Postgres, "postgresql://me:hunter2@db:port/shop"),
            (Engine::Postgres, "postgresql://me:hunter2@a,b/shop"),
            (Engine::Postgres, "postgresql://me:hunter2@db/shop?sslmode=full"),
            (Engine::Postgres, "postgresql://me:hunter2@db/shop?sslmode=require&channel_binding=require"),
            (Engine::Mysql, "mysql://me:hunter2@db/shop?ssl-mode=NEEDED"),
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
