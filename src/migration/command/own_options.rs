//! An option file for the clients of MySQL and MariaDB that a command starts: what no variable can tell them.
//!
//! The user is in no variable, programs other than the client itself (`mysqldump`, `mysqladmin`) take no host from one, and the
//! client of MariaDB 11.4 and later does not connect without TLS unless it is told to (`ERROR 2026`, seen on 11.8); the hop to
//! the tap has none. `MYSQL_HOME` leads all of them to the file, and the user's own `~/.my.cnf` goes before it. It is the
//! same for every run with that user and holds no secret, so it stays in the cache.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::variables::encoded;
use crate::server::owner::cache_folder;

/// Writes the file for a user; gives the folder for `MYSQL_HOME`.
pub(super) fn write(user: &str) -> Result<PathBuf, (PathBuf, std::io::Error)> {
    let folder = cache_folder().join("clients").join(encoded(user));
    replace(&folder, user).map_err(|error| (folder.clone(), error))?;
    Ok(folder)
}

/// Put in place whole: other runs read it at the same time.
fn replace(folder: &Path, user: &str) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    let user = user.replace('\\', r"\\").replace('"', r#"\""#);
    write!(file, "[client]\nhost=127.0.0.1\nuser=\"{user}\"\n[client-mariadb]\nskip-ssl-verify-server-cert\n")?;
    file.persist(folder.join("my.cnf"))?;
    Ok(())
}
