//! The variables by which a program finds the tap, and those that would lead it past the tap.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::process::Command;

use super::Target;
use crate::scenario::Engine;
use crate::server::libpq;

/// The variable that nearly every migration tool reads.
pub(super) const URL: &str = "DATABASE_URL";

/// Every variable that says to clients and drivers of MySQL and MariaDB where to connect, as whom and how (MySQL 9.7 manual,
/// 6.9 "Environment Variables"; MariaDB documentation, "MariaDB Environment Variables"; `MYSQL_USER` and its like are what
/// tools and images read).
const OF_MYSQL: [&str; 22] = [
    "LIBMYSQL_ENABLE_CLEARTEXT_PLUGIN",
    "LIBMYSQL_PLUGINS",
    "LIBMYSQL_PLUGIN_DIR",
    "MARIADB_DATABASE",
    "MARIADB_HOME",
    "MARIADB_HOST",
    "MARIADB_PASSWORD",
    "MARIADB_PORT",
    "MARIADB_TLS_DISABLE_PEER_VERIFICATION",
    "MARIADB_USER",
    "MYSQL_DATABASE",
    "MYSQL_GROUP_SUFFIX",
    "MYSQL_HOME",
    "MYSQL_HOST",
    "MYSQL_PASSWORD",
    "MYSQL_PORT",
    "MYSQL_PWD",
    "MYSQL_TCP_PORT",
    "MYSQL_TEST_LOGIN_FILE",
    "MYSQL_UNIX_PORT",
    "MYSQL_URL",
    "MYSQL_USER",
];

/// The value of `DATABASE_URL`. MariaDB's begins with `mysql` too, since most tools know no other name.
pub(super) fn url(target: &Target) -> String {
    let user = encoded(&target.login.user);
    let login = match &target.login.password {
        Some(password) => format!("{user}:{}", encoded(password)),
        None => user,
    };
    let place = format!("{login}@{}/{}", target.address, encoded(&target.database));
    match target.engine {
        Engine::Postgres => format!("postgresql://{place}?sslmode=disable"),
        Engine::Mysql | Engine::Mariadb => format!("mysql://{place}"),
    }
}

/// The same for what runs on Java. (MySQL's driver takes no MariaDB, and MariaDB's no `mysql`.)
fn jdbc_url(target: &Target) -> String {
    let place = format!("{}/{}", target.address, encoded(&target.database));
    match target.engine {
        Engine::Postgres => format!("jdbc:postgresql://{place}?sslmode=disable"),
        Engine::Mysql => format!("jdbc:mysql://{place}"),
        Engine::Mariadb => format!("jdbc:mariadb://{place}"),
    }
}

/// What tools read that read none of the others, before their own files (Flyway, "Environment Variables"; Liquibase, "Liquibase
/// Environment Variables"; goose, README; Spring Boot, "Externalized Configuration"): with these, a file that names production
/// leads none of them there. Where there is no password it is empty (for which Liquibase takes that of its file all the same).
fn of_tools(target: &Target) -> [(&'static str, String); 11] {
    let Target { engine, address, login, database } = target;
    let (jdbc, user) = (jdbc_url(target), login.user.clone());
    let password = login.password.clone().unwrap_or_default();
    let goose = match engine {
        Engine::Postgres => ("postgres", url(target)),
        // As Go's driver has it written.
        Engine::Mysql | Engine::Mariadb => ("mysql", format!("{}:{password}@tcp({address})/{database}", login.user)),
    };
    [
        ("FLYWAY_URL", jdbc.clone()),
        ("FLYWAY_USER", user.clone()),
        ("FLYWAY_PASSWORD", password.clone()),
        ("LIQUIBASE_COMMAND_URL", jdbc.clone()),
        ("LIQUIBASE_COMMAND_USERNAME", user.clone()),
        ("LIQUIBASE_COMMAND_PASSWORD", password.clone()),
        ("SPRING_DATASOURCE_URL", jdbc),
        ("SPRING_DATASOURCE_USERNAME", user),
        ("SPRING_DATASOURCE_PASSWORD", password),
        ("GOOSE_DRIVER", goose.0.to_owned()),
        ("GOOSE_DBSTRING", goose.1),
    ]
}

/// A part of a URL: everything but RFC 3986's unreserved letters is encoded.
pub(super) fn encoded(part: &str) -> String {
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(part, RESERVED).to_string()
}

/// Gives a program the variables that lead to the tap, in place of all that its caller has of that kind.
pub(super) fn set<'a>(program: &'a mut Command, target: &Target) -> &'a mut Command {
    let variables = match target.engine {
        Engine::Postgres => {
            libpq::forget(program);
            postgres(target)
        }
        Engine::Mysql | Engine::Mariadb => {
            OF_MYSQL.iter().fold(&mut *program, |program, name| program.env_remove(name));
            mysql(target)
        }
    };
    program.envs(of_tools(target)).envs(variables).env(URL, url(target))
}

/// What libpq and nearly every migration tool read. TLS is off: the hop is loopback.
fn postgres(target: &Target) -> BTreeMap<&'static str, String> {
    let mut variables = BTreeMap::from([
        ("PGHOST", target.address.ip().to_string()),
        ("PGPORT", target.address.port().to_string()),
        ("PGUSER", target.login.user.clone()),
        ("PGDATABASE", target.database.clone()),
        ("PGSSLMODE", "disable".to_owned()),
    ]);
    variables.extend(target.login.password.clone().map(|password| ("PGPASSWORD", password)));
    variables
}

/// The clients themselves read `MYSQL_HOST`, `MYSQL_TCP_PORT` and `MYSQL_PWD` (seen on 9.7.4 and MariaDB 10.11.19; the user
/// they take from no variable, but from the option file); the others are what tools and frameworks mostly call them.
fn mysql(target: &Target) -> BTreeMap<&'static str, String> {
    let (host, port) = (target.address.ip().to_string(), target.address.port().to_string());
    let user = target.login.user.clone();
    let mut variables = BTreeMap::from([
        ("MYSQL_HOST", host),
        ("MYSQL_TCP_PORT", port.clone()),
        ("MYSQL_PORT", port),
        ("MYSQL_USER", user),
        ("MYSQL_DATABASE", target.database.clone()),
        // In place of ~/.mylogin.cnf, which goes before everything else that is not on the command line.
        ("MYSQL_TEST_LOGIN_FILE", "/dev/null".to_owned()),
    ]);
    if let Some(password) = &target.login.password {
        variables.extend([("MYSQL_PWD", password.clone()), ("MYSQL_PASSWORD", password.clone())]);
    }
    variables
}
