//! The data folder that PostgreSQL servers begin with, made by `initdb`.

use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;

use crate::scenario::Engine;
use crate::server::binaries::Installation;
use crate::server::local::program;
use crate::server::owner::ServerUser;
use crate::server::{DATABASE, ServerError, USER};

/// Arguments of `initdb` that decide what the data folder looks like.
const INITDB: [&str; 6] = ["--encoding=UTF8", "--auth=trust", "--no-sync", "--no-instructions", "-U", USER];

/// Whether a data folder is whole.
pub(in crate::server) fn is_made(data: &Path) -> bool {
    data.join("PG_VERSION").exists()
}

/// Makes a data folder with our database in it.
pub(in crate::server) async fn make(
    installation: &Installation,
    data: &Path,
    user: Option<&ServerUser>,
) -> Result<(), ServerError> {
    let mut failure = String::new();
    // C.UTF-8 is not a locale of every system; C is.
    for locale in ["C.UTF-8", "C"] {
        let output = program(&installation.program("initdb"), user)
            .args(INITDB)
            .arg(format!("--locale={locale}"))
            .arg(data)
            .kill_on_drop(true)
            .output()
            .await;
        match output {
            Ok(output) if output.status.success() => return create_database(installation, data, user).await,
            Ok(output) => failure = format!(":\n{}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => failure = format!(": {error}"),
        }
    }
    Err(ServerError::NoDataFolder { engine: Engine::Postgres, said: failure })
}

/// Creates our database in a data folder that no server runs on, in single-user mode (PostgreSQL manual, `postgres`).
async fn create_database(
    installation: &Installation,
    data: &Path,
    user: Option<&ServerUser>,
) -> Result<(), ServerError> {
    let path = installation.program("postgres");
    let failed = |reason: String| ServerError::Program { program: path.display().to_string(), reason };
    let mut process = program(&path, user)
        .args(["--single", "-c", "fsync=off", "-D"])
        .arg(data)
        .arg("postgres")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    if let Some(mut stdin) = process.stdin.take() {
        let statement = format!("CREATE DATABASE {DATABASE};\n");
        stdin.write_all(statement.as_bytes()).await.map_err(|error| failed(error.to_string()))?;
    }
    let output = process.wait_with_output().await.map_err(|error| failed(error.to_string()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() && !said.contains("ERROR:") {
        return Ok(());
    }
    Err(failed(said.into_owned()))
}
