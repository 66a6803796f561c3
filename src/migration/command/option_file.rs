//! Option files of MySQL and MariaDB that would lead a client past the tap.
//!
//! A client reads them unless its first argument is `--no-defaults` or `--defaults-file`, and what they say goes before the
//! variables (seen on 9.7.4 and MariaDB 10.11.19: `host` in `~/.my.cnf` wins over `MYSQL_HOST`). No variable switches that off.
//! Files that they include are not looked at.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where the clients look, the user's own file last (MySQL 9.7 manual, 6.2.2.2 "Using Option Files").
const EVERYBODYS: [&str; 2] = ["/etc/my.cnf", "/etc/mysql/my.cnf"];
const OWN: &str = ".my.cnf";

/// Groups that the clients read.
const GROUPS: [&str; 6] = ["client", "client-mariadb", "client-server", "mariadb-client", "mariadb", "mysql"];

/// A setting that names another server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionFile {
    /// The file.
    pub path: PathBuf,
    /// The line.
    pub line: usize,
    /// The setting (`host`).
    pub setting: &'static str,
}

/// The first setting that would lead a client to another server, if its environment has these variables besides ours.
pub(super) fn leading_astray(env: &BTreeMap<String, String>) -> Option<OptionFile> {
    let home = env.get("HOME").map(PathBuf::from).or_else(|| std::env::var_os("HOME").map(PathBuf::from));
    let files = EVERYBODYS.iter().map(PathBuf::from).chain(home.map(|home| home.join(OWN)));
    files.into_iter().find_map(|path| {
        let text = std::fs::read(&path).ok()?;
        astray(&path, &String::from_utf8_lossy(&text))
    })
}

fn astray(path: &Path, text: &str) -> Option<OptionFile> {
    let mut of_clients = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(group) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
            of_clients = GROUPS.contains(&group.trim());
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        let (key, value) = (key.trim().replace('_', "-"), value.trim().trim_matches(['\'', '"']));
        let setting = match key.as_str() {
            "host" if !value.is_empty() => "host",
            "port" if !value.is_empty() => "port",
            // A socket alone is not used where MYSQL_HOST names an address; a protocol can make it so.
            "protocol" if !value.eq_ignore_ascii_case("tcp") => "protocol",
            _ => continue,
        };
        if of_clients {
            return Some(OptionFile { path: path.to_owned(), line: index + 1, setting });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_names_another_server_is_found() {
        for (text, expected) in [
            ("[client]\nuser=me\nhost = db.example\n", Some((3, "host"))),
            ("# mine\n[ mysql ]\nport=3306", Some((3, "port"))),
            ("[client-server]\nprotocol=socket", Some((2, "protocol"))),
            ("[client]\nprotocol=TCP\nsocket=/run/mysqld/mysqld.sock\nuser=me\npassword='x'", None),
            ("[mysqld]\nhost=1\nport=3306\n[mysqldump]\nhost=db.example", None),
            ("[client]\n#host=db.example\n;port=1", None),
        ] {
            let found = astray(Path::new("my.cnf"), text);
            assert_eq!(found.map(|file| (file.line, file.setting)), expected, "{text}");
        }
    }

    #[test]
    fn the_home_that_the_command_is_given_is_looked_at() {
        let home = tempfile::tempdir().expect("a folder");
        std::fs::write(home.path().join(OWN), "[client]\nhost=db.example\n").expect("a file");
        let env = BTreeMap::from([("HOME".to_owned(), home.path().display().to_string())]);
        let found = leading_astray(&env).expect("it names a host");
        assert_eq!((found.path, found.line, found.setting), (home.path().join(OWN), 2, "host"));
    }
}
