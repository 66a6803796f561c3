//! The statements that make the tables: by `pg_dump`, or from a file that the user has.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::statistics::Seen;
use crate::scenario::Engine;
use crate::server::{binaries, libpq};

/// Where the schema comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaSource {
    /// `pg_dump --schema-only` of this machine.
    PgDump,
    /// A plain dump that is there already.
    File(PathBuf),
}

/// Why the schema could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The file of the user.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No `pg_dump`.
    #[error("no pg_dump was found ({looked}); give a dump of the schema instead: --schema FILE")]
    NoProgram {
        /// Where it was looked for.
        looked: String,
    },
    /// It could not be started.
    #[error("cannot start {}: {source}", program.display())]
    Start {
        /// Which.
        program: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It failed.
    #[error("pg_dump --schema-only failed: {0}; a dump of the schema can be given instead: --schema FILE")]
    Failed(String),
    /// It took too long.
    #[error(
        "pg_dump --schema-only took longer than {0:?} and was ended; allow more with --statement-timeout, or give a dump of the schema: --schema FILE"
    )]
    TooSlow(Duration),
}

pub(super) async fn read(
    config: &Config,
    source: &SchemaSource,
    seen: &Seen,
    timeout: Duration,
) -> Result<String, SchemaError> {
    match source {
        SchemaSource::File(path) => {
            let text = std::fs::read_to_string(path);
            let text = text.map_err(|source| SchemaError::File { path: path.clone(), source })?;
            Ok(without_ornament(&text))
        }
        SchemaSource::PgDump => dump(config, seen, timeout).await,
    }
}

/// Runs the newest `pg_dump` there is: one that is older than the server refuses to (PostgreSQL 18 manual, `pg_dump`, Notes).
async fn dump(config: &Config, seen: &Seen, timeout: Duration) -> Result<String, SchemaError> {
    let programs = binaries::installations(Engine::Postgres).into_iter().map(|found| found.program("pg_dump"));
    let program = programs.into_iter().find(|program| program.exists());
    let program = program.ok_or_else(|| SchemaError::NoProgram { looked: binaries::places(Engine::Postgres) })?;
    let mut command = Command::new(&program);
    libpq::forget(&mut command);
    match config.get_hosts().first() {
        Some(Host::Tcp(host)) => command.env("PGHOST", host),
        Some(Host::Unix(folder)) => command.env("PGHOST", folder),
        None => &mut command,
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    command.env("PGPORT", port.to_string()).env("PGUSER", config.get_user().unwrap_or_default());
    command.env("PGDATABASE", config.get_dbname().unwrap_or_default()).env("PGAPPNAME", "rehearsal profile");
    command.env("PGOPTIONS", "-c default_transaction_read_only=on").env("PGSSLMODE", "disable");
    if let Some(password) = config.get_password() {
        command.env("PGPASSWORD", String::from_utf8_lossy(password).as_ref());
    }
    command.args(["--schema-only", "--no-owner", "--no-privileges", "--no-comments", "--no-password"]);
    command.args(["--no-security-labels", "--no-publications", "--no-subscriptions", "--no-tablespaces"]);
    command.arg(format!("--lock-wait-timeout={}", timeout.as_millis()));
    // It takes ACCESS SHARE on every table that it writes, which a role may only do where it may read.
    for hidden in &seen.hidden {
        command.arg(format!("--exclude-table={hidden}"));
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let child = command.spawn().map_err(|source| SchemaError::Start { program: program.clone(), source })?;
    let output = tokio::time::timeout(timeout, child.wait_with_output()).await;
    let output = output.map_err(|_| SchemaError::TooSlow(timeout))?;
    let output = output.map_err(|source| SchemaError::Start { program, source })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim().strip_prefix("pg_dump: error: ").unwrap_or(said.trim()).replace('\n', "; ");
        return Err(SchemaError::Failed(said));
    }
    Ok(without_ornament(&String::from_utf8_lossy(&output.stdout)))
}

/// Without the headings that it puts over each object, the commands of psql, and time limits, of which an older server may not
/// know all.
fn without_ornament(dump: &str) -> String {
    let ornament = ["-- Name: ", "\\restrict ", "\\unrestrict "];
    let limit = |line: &str| line.starts_with("SET ") && line.ends_with("_timeout = 0;");
    let content = |line: &&str| *line != "--" && !limit(line) && !ornament.iter().any(|start| line.starts_with(start));
    let mut text = String::new();
    for line in dump.lines().filter(content) {
        // Two empty lines stand where a heading was.
        if !(line.is_empty() && (text.is_empty() || text.ends_with("\n\n"))) {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}
