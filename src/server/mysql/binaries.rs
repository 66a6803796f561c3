//! Where MySQL's and MariaDB's server binaries are, and which of the two they are.

use crate::scenario::Engine;

/// The variable that says where they are.
pub(in crate::server) fn variable(engine: Engine) -> &'static str {
    if engine == Engine::Mariadb { "REHEARSAL_MARIADB_BIN" } else { "REHEARSAL_MYSQL_BIN" }
}

/// The names that the server's program may have. MariaDB's packages have the old one as a link.
pub(in crate::server) fn programs(engine: Engine) -> &'static [&'static str] {
    if engine == Engine::Mariadb { &["mariadbd", "mysqld"] } else { &["mysqld"] }
}

/// The folders that installers use, each with at most one `*` for the version.
pub(in crate::server) const PLACES: &[&str] = &[
    "/usr/sbin",
    "/usr/libexec",
    "/usr/local/mysql/bin",
    "/usr/local/mariadb/bin",
    "/opt/homebrew/opt/mysql*/bin",
    "/opt/homebrew/opt/mariadb*/bin",
    "/usr/local/opt/mysql*/bin",
    "/usr/local/opt/mariadb*/bin",
    "/home/linuxbrew/.linuxbrew/opt/mysql*/bin",
    "/home/linuxbrew/.linuxbrew/opt/mariadb*/bin",
];

/// The version in what `mysqld --version` says, if it is this engine that says it:
/// `mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))`,
/// `mysqld  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)`.
pub(in crate::server) fn version(engine: Engine, said: &str) -> Option<String> {
    let version = said.split_once("Ver ")?.1.split_whitespace().next()?;
    let is_mariadb = version.contains("MariaDB");
    (is_mariadb == (engine == Engine::Mariadb)).then(|| plain(version).to_owned())
}

/// A version without what its packager or builder added: `10.11.19-MariaDB-0+deb12u1` is `10.11.19`.
pub(in crate::server) fn plain(version: &str) -> &str {
    version.split('-').next().unwrap_or(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mysqld_that_is_mariadb_is_not_mysql() {
        let mariadb = "mysqld  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)";
        assert_eq!(version(Engine::Mariadb, mariadb).as_deref(), Some("10.11.19"));
        assert_eq!(version(Engine::Mysql, mariadb), None);
    }

    #[test]
    fn a_mysqld_that_is_mysql_is_not_mariadb() {
        let mysql = "/usr/sbin/mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))";
        assert_eq!(version(Engine::Mysql, mysql).as_deref(), Some("9.7.4"));
        assert_eq!(version(Engine::Mariadb, mysql), None);
    }
}
