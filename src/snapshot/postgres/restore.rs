//! Restoring dumps into a scratch database.
//!
//! Plain dumps are sent over a connection of our own (`script`); those in custom, directory and tar format are restored with the
//! server's `pg_restore` (`archive`). Each may be packed, and may be what a program writes. `pg_restore` needs a file, so an
//! archive that is none is first written to one.

mod archive;
mod error;
mod folder;
mod format;
mod meta;
mod recovery;
mod script;

use std::path::{Path, PathBuf};

use tokio_postgres::{Config, NoTls};

pub use error::RestoreError;

use crate::scenario::{Dump, DumpSource};
use crate::server::{Server, scratch_folder};
use crate::snapshot::Listen;
use crate::snapshot::dump::{self, DumpError, Input};
use archive::Archive;
use format::Format;

/// Restores dumps in this order, each over a new connection, and gives what a reader should know.
///
/// `config` must be a superuser's, of the database to restore into, which must be empty.
pub async fn restore(
    config: &Config,
    dumps: &[Dump],
    server: &Server,
    listen: Listen<'_>,
) -> Result<Vec<String>, RestoreError> {
    let mut notes = Vec::new();
    for dump in dumps {
        notes.extend(restore_one(config, dump, server, listen).await?);
    }
    Ok(notes)
}

async fn restore_one(
    config: &Config,
    dump: &Dump,
    server: &Server,
    listen: Listen<'_>,
) -> Result<Vec<String>, RestoreError> {
    let name = dump::name(dump);
    let unreadable = |source| RestoreError::Dump { file: name.clone(), source };
    let unsupported = |what| RestoreError::Unsupported { file: name.clone(), what };
    if let DumpSource::File(path) = &dump.from
        && path.is_dir()
    {
        format::of_folder(path).map_err(unsupported)?;
        let to_check = path.clone();
        // Beside restoring, since it reads and unpacks all of it.
        let check = async {
            let checked = tokio::task::spawn_blocking(move || folder::check(&to_check)).await;
            checked.map_err(|error| DumpError::Read(std::io::Error::other(error))).flatten().map_err(unreadable)
        };
        let archive = Archive { name: &name, path, is_parallel: true };
        let ((), notes) = tokio::try_join!(check, archive::restore(config, archive, server))?;
        return Ok(notes);
    }
    let input = dump::open(dump).await.map_err(unreadable)?;
    let format = format::of(&input.head).map_err(unsupported)?;
    if format == Format::Plain {
        return script::restore(config, &name, input, listen).await;
    }
    let is_parallel = format == Format::Custom;
    match &dump.from {
        DumpSource::File(path) if input.is_bare_file => {
            if input.has_sum {
                spool(input, None).await.map_err(unreadable)?;
            }
            let archive = Archive { name: &name, path, is_parallel };
            archive::restore(config, archive, server).await
        }
        _ => {
            let folder = scratch_folder().map_err(|source| RestoreError::Run { file: name.clone(), source })?;
            let path = folder.path().join("dump");
            spool(input, Some(path.clone())).await.map_err(unreadable)?;
            let archive = Archive { name: &name, path: &path, is_parallel };
            archive::restore(config, archive, server).await
        }
    }
}

/// Reads a dump to its end, into a file if there is one to be made.
async fn spool(input: Input, file: Option<PathBuf>) -> Result<(), DumpError> {
    let Input { mut reader, running, .. } = input;
    let copy = move || -> std::io::Result<u64> {
        match file {
            Some(file) => std::io::copy(&mut reader, &mut std::fs::File::create(file)?),
            None => std::io::copy(&mut reader, &mut std::io::sink()),
        }
    };
    let copied = tokio::task::spawn_blocking(copy).await.map_err(std::io::Error::other);
    drop(running);
    copied.flatten().map(drop).map_err(DumpError::of)
}

/// Connects so that what the server says is in English, since it is looked at.
async fn connect(
    config: &Config,
    file: &Path,
) -> Result<(tokio_postgres::Client, tokio::task::JoinHandle<Result<(), tokio_postgres::Error>>), RestoreError> {
    let mut config = config.clone();
    let options = format!("{} -c lc_messages=C", config.get_options().unwrap_or_default());
    config.options(options.trim());
    let connected = config.connect(NoTls).await;
    let (client, connection) = connected.map_err(|source| RestoreError::Server { file: file.to_owned(), source })?;
    Ok((client, tokio::spawn(connection)))
}
