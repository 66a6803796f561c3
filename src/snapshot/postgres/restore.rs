//! Restoring dumps into a scratch database.
//!
//! Plain dumps are sent over a connection of our own (`script`), those in custom format with the server's `pg_restore`
//! (`custom`). Directory and tar format and compressed files are refused by name.

mod custom;
mod error;
mod format;
mod meta;
mod recovery;
mod script;

use std::path::{Path, PathBuf};

use tokio_postgres::{Config, NoTls};

pub use error::RestoreError;

use crate::server::Server;
use crate::snapshot::Listen;
use format::Format;

/// Restores dumps in this order, each over a new connection, and gives what a reader should know.
///
/// `config` must be a superuser's, of the database to restore into, which must be empty.
pub async fn restore(
    config: &Config,
    files: &[PathBuf],
    server: &Server,
    listen: Listen<'_>,
) -> Result<Vec<String>, RestoreError> {
    let mut notes = Vec::new();
    for file in files {
        notes.extend(restore_one(config, file, server, listen).await?);
    }
    Ok(notes)
}

async fn restore_one(
    config: &Config,
    file: &Path,
    server: &Server,
    listen: Listen<'_>,
) -> Result<Vec<String>, RestoreError> {
    let kind = format::of(file).map_err(|source| RestoreError::Read { file: file.to_owned(), source })?;
    let kind = kind.map_err(|what| RestoreError::Unsupported { file: file.to_owned(), what })?;
    let failed = |source| RestoreError::Server { file: file.to_owned(), source };
    // What the server says is looked at, so it must be in English.
    let mut config = config.clone();
    let options = format!("{} -c lc_messages=C", config.get_options().unwrap_or_default());
    config.options(options.trim());
    let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
    let connection = tokio::spawn(connection);
    let restored = match kind {
        Format::Plain => script::restore(&client, file, listen).await,
        Format::Custom => {
            let jobs = std::thread::available_parallelism().map_or(1, usize::from);
            let database = config.get_dbname().unwrap_or("postgres");
            custom::restore(&client, file, database, server, jobs).await
        }
    };
    drop(client);
    // The connection ends once its client is gone; what it says then was already told to the client.
    let _ = connection.await;
    restored
}
