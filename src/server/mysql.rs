//! What is MySQL's and MariaDB's own about a scratch server: their programs, their settings, their data folder.

pub(super) mod binaries;
pub(super) mod external;
pub(super) mod facts;
pub(super) mod filling;
pub(super) mod settings;
pub(super) mod template;

use std::ffi::OsString;
use std::path::Path;

use super::{DATABASE, Endpoint, access};
use crate::scenario::{Engine, ServerWish};

/// The port that the server listens on in a container, and the number in the name of its unix socket.
pub(super) const PORT: u16 = 3306;

/// Makes the way to a server's unix socket, which is in its data folder, whose path may be too long for one.
///
/// The server itself knows the socket by its name alone: drivers that come from this machine ask it for the path (`@@socket`) and
/// go on there if they can, past the tap (`prefer_socket` of Rust's `mysql` and `mysql_async`; seen of refinery 0.10).
pub(super) fn link_socket(data: &Path, socket_folder: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(data.join(access::socket_name(PORT)), access::socket(socket_folder, PORT))
}

/// The command line of a server that runs from local binaries: its own files only, and no option file of the machine.
pub(super) fn arguments(data: &Path, socket_folder: &Path, wish: &ServerWish, only_filled: bool) -> Vec<OsString> {
    // `--no-defaults` counts only as the first (MySQL manual, 6.2.2.3 "Command-Line Options that Affect Option-File Handling").
    let mut all: Vec<OsString> = vec!["--no-defaults".into()];
    all.push(option("datadir", data));
    all.push(option("socket", Path::new(&access::socket_name(PORT))));
    all.push(option("pid-file", &socket_folder.join("mysqld.pid")));
    // On the disk of the data, as index builds that sort in files are measured.
    all.push(option("tmpdir", data.parent().unwrap_or(data)));
    all.extend(["--skip-networking", "--secure-file-priv="].map(OsString::from));
    if wish.engine == Engine::Mysql {
        all.push("--loose-mysqlx=OFF".into());
    }
    all.extend(container_command(wish, only_filled).into_iter().map(OsString::from));
    all
}

fn option(name: &str, path: &Path) -> OsString {
    let mut option = OsString::from(format!("--{name}="));
    option.push(path);
    option
}

/// What the official images read from their environment. The address of a connection through a published port is the
/// engine's own, so root may come from anywhere.
pub(super) fn variables(engine: Engine, password: &str) -> Vec<(&'static str, &str)> {
    match engine {
        Engine::Mariadb => {
            vec![("MARIADB_ROOT_PASSWORD", password), ("MARIADB_ROOT_HOST", "%"), ("MARIADB_DATABASE", DATABASE)]
        }
        _ => vec![("MYSQL_ROOT_PASSWORD", password), ("MYSQL_ROOT_HOST", "%"), ("MYSQL_DATABASE", DATABASE)],
    }
}

/// The command of a container: options, before which the image puts the name of the server.
pub(super) fn container_command(wish: &ServerWish, only_filled: bool) -> Vec<String> {
    let mut all = settings::arguments(wish);
    if only_filled {
        all.extend(filling::only_filled(wish));
    }
    all
}

/// A command line of the engine's own client.
pub(super) fn reach(engine: Engine, endpoint: &Endpoint, password: &str) -> String {
    let client = if engine == Engine::Mariadb { "mariadb" } else { "mysql" };
    let user = access::superuser(engine);
    match endpoint {
        Endpoint::Unix { folder, port } => {
            format!("{client} --no-defaults -S {} -u {user} {DATABASE}", access::socket(folder, *port).display())
        }
        // Where a name stands for this machine, the client would take the machine's own socket.
        Endpoint::Tcp { host, port } => {
            format!("{client} --no-defaults --protocol=tcp -h {host} -P {port} -u {user} -p{password} {DATABASE}")
        }
    }
}
