//! What goes wrong on MySQL and MariaDB, as a user meets it: one clear error, the right exit code, nothing left behind.

mod disk;
mod endings;
mod interruption;
mod leftovers;
mod loss;
mod names;

use std::process::Command;

use crate::docker;
use crate::lab::Place;
use crate::sandbox::{Running, Sandbox};

/// The smallest scenario that has everything: a table, a migration that adds a column, a query of each version.
const SCENARIO: &str = r#"title = "Add a status"

[snapshot]
restore = "staging.sql"

[migrations]
path = "migrations"

[queries]
old = "queries/old.sql"
new = "queries/new.sql"
"#;

const STAGING: &str = "CREATE TABLE orders (id bigint PRIMARY KEY, total int NOT NULL);\n\
    INSERT INTO orders WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT i, i FROM n;\n";

/// A statement that takes longer than any test.
const SLEEP: &str = "DO SLEEP(600);\n";

/// A COPY of few rows that takes longer than any test, since each row takes some milliseconds.
const COPY: &str = "ALTER TABLE orders ADD COLUMN hash char(128) AS (sha2(repeat(total, 8000000), 512)) STORED;\n";

/// The two that a developer has: MariaDB from the machine's packages, MySQL in a container.
const BOTH: [Place; 2] = [Place::Local, Place::Mysql("9.7")];

/// With the smallest scenario that has everything, which passes.
pub(crate) fn shop(place: Place) -> Sandbox {
    let (engine, server) = match place {
        Place::Local => ("mariadb", "provider = \"local\"".to_owned()),
        Place::Mariadb(version) => ("mariadb", format!("provider = \"container\"\nversion = \"{version}\"")),
        Place::Mysql(version) => ("mysql", format!("provider = \"container\"\nversion = \"{version}\"")),
    };
    Sandbox::empty()
        .with("scenario.toml", &format!("engine = \"{engine}\"\n{SCENARIO}\n[server]\n{server}\n"))
        .with("staging.sql", STAGING)
        .with("migrations/001_add_status.sql", "ALTER TABLE orders ADD COLUMN status varchar(20);\n")
        .with("queries/old.sql", "-- name: orders\nSELECT id, total FROM orders WHERE id < 10;\n")
        .with("queries/new.sql", "-- name: orders\nSELECT id, status FROM orders WHERE id < 10;\n")
}

/// The shop, migrated by a command instead of files.
fn migrated_by(place: Place, command: &str) -> Sandbox {
    let tool = format!("[migrations.tool.command]\ncommand = '''{command}'''\n");
    shop(place).replacing("scenario.toml", "[migrations]\npath = \"migrations\"\n", &tool)
}

/// What the server of a run lists as running, with one line for each session; `None` while there is none that answers.
fn sessions(sandbox: &Sandbox, container: Option<&str>) -> Option<String> {
    let mut client = match container {
        None => {
            let folder = sandbox.path("tmp").read_dir().ok()?.flatten().find(|entry| entry.path().is_dir())?;
            let mut client = Command::new("mariadb");
            client.args(["--no-defaults", "-u", "root", "-S"]).arg(folder.path().join("mysqld.3306.sock"));
            client
        }
        Some(container) => {
            let mut client = Command::new("docker");
            let password = "MYSQL_PWD=$MYSQL_ROOT_PASSWORD$MARIADB_ROOT_PASSWORD";
            let program = "$(command -v mariadb || command -v mysql)";
            let call = format!("{password} exec {program} --no-defaults -u root \"$@\"");
            client.args(["exec", container, "sh", "-c", &call, "sh"]);
            client
        }
    };
    let output = client.args(["-NBe", "SHOW FULL PROCESSLIST"]).output().expect("a client is installed");
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Waits until a session of the run's server is so, as its list of processes has it; gives the container, if it is one.
#[track_caller]
fn until(run: &mut Running<'_>, place: Place, state: &str) -> Option<String> {
    let pid = run.pid();
    let container =
        (place != Place::Local).then(|| run.until("a container is there", |_| docker::containers_of(pid).pop()));
    // The observer's own questions, and short statements before, may be in such a state for a moment.
    let is_it = |line: &str| line.contains(state) && (state != COPYING || line.contains("sha2(repeat"));
    run.until(state, |sandbox| sessions(sandbox, container.as_deref())?.lines().any(is_it).then_some(()));
    container
}

/// How the servers' lists of processes call what the tests wait for.
const SLEEPING: &str = "User sleep";
const COPYING: &str = "copy to tmp table";
const LOADING: &str = "LOAD DATA LOCAL";
