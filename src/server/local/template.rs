//! The data folder that servers begin with: made by `initdb` once for each version and user, and copied.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::AsyncWriteExt;

use super::folders::{own, remove_folder};
use super::program;
use crate::server::binaries::Installation;
use crate::server::owner::{ServerUser, cache_folder};
use crate::server::{DATABASE, ServerError, USER};

/// What the name of a folder begins with in which `initdb` works.
pub(in crate::server) const MAKING: &str = "making-";
/// Arguments of `initdb` that decide what the data folder looks like.
const INITDB: [&str; 6] = ["--encoding=UTF8", "--auth=trust", "--no-sync", "--no-instructions", "-U", USER];

/// Where a data folder fresh from `initdb` is kept for each version.
pub(in crate::server) fn templates_folder() -> PathBuf {
    cache_folder().join("initdb")
}

/// A data folder fresh from `initdb` with our database in it, made once for each version and user.
pub(super) async fn template(installation: &Installation, user: Option<&ServerUser>) -> Result<PathBuf, ServerError> {
    let who = user.map_or("self", |user| user.name.as_str());
    let root = templates_folder();
    let kept = root.join(format!("{}-{who}-with-{DATABASE}", installation.version));
    if kept.join("PG_VERSION").exists() {
        return Ok(kept);
    }
    fs::create_dir_all(&root).map_err(ServerError::file(&root))?;
    let making = tempfile::Builder::new().prefix(MAKING).tempdir_in(&root).map_err(ServerError::file(&root))?;
    let making = Making(making.keep());
    own(&making.0, user)?;
    let data = making.0.join("data");
    let mut failure = String::new();
    // C.UTF-8 is not a locale of every system; C is.
    for locale in ["C.UTF-8", "C"] {
        let output = program(&installation.program("initdb"), user)
            .args(INITDB)
            .arg(format!("--locale={locale}"))
            .arg(&data)
            .kill_on_drop(true)
            .output()
            .await;
        match output {
            Ok(output) if output.status.success() => {
                create_database(installation, &data, user).await?;
                // Whoever is first keeps his; the result is the same.
                let _ = fs::rename(&data, &kept);
                return Ok(kept);
            }
            Ok(output) => failure = String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => failure = error.to_string(),
        }
    }
    Err(ServerError::Initdb(failure))
}

/// A folder in which `initdb` works: removed when dropped.
struct Making(PathBuf);

impl Drop for Making {
    fn drop(&mut self) {
        remove_folder(&self.0);
    }
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
