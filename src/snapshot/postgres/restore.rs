//! Restoring dumps into a scratch database.
//!
//! Plain dumps are sent over a connection of our own (`script`); those in custom, directory and tar format are restored with the
//! server's `pg_restore` (`archive`). Each may be packed, and may be what a program writes. `pg_restore` needs a file, so an
//! archive that is none is first written to one.
//!
//! Rows go in as they are: where a dump of rows alone follows one of the schema, triggers, rules and foreign keys are there
//! already, and would change rows that have been through them, or refuse some that only come before others.

mod archive;
mod error;
mod extensions;
mod folder;
mod format;
mod meta;
mod needs;
mod recovery;
mod script;

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_postgres::{Client, Config, NoTls};

pub use error::RestoreError;

use crate::scenario::{Dump, DumpSource};
use crate::server::{Server, scratch_folder};
use crate::snapshot::dump::{self, DumpError, Input};
use crate::snapshot::{Listen, Progress, Work};
use crate::sql::postgres::command;
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
        let ((), notes) = tokio::try_join!(check, archive::restore(config, archive, server, listen))?;
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
                spool(input, None, &name, listen).await.map_err(unreadable)?;
            }
            let archive = Archive { name: &name, path, is_parallel };
            archive::restore(config, archive, server, listen).await
        }
        _ => {
            let folder = scratch_folder().map_err(|source| RestoreError::Run { file: name.clone(), source })?;
            let path = folder.path().join("dump");
            spool(input, Some(path.clone()), &name, listen).await.map_err(unreadable)?;
            let archive = Archive { name: &name, path: &path, is_parallel };
            archive::restore(config, archive, server, listen).await
        }
    }
}

/// How often it is told how far a dump is read.
const TELL: Duration = Duration::from_millis(200);

/// Reads a dump to its end, into a file if there is one to be made.
async fn spool(input: Input, file: Option<PathBuf>, name: &Path, listen: Listen<'_>) -> Result<(), DumpError> {
    let Input { mut reader, running, done, total, .. } = input;
    let work = if file.is_some() { Work::Copy } else { Work::Check };
    let copy = move || -> std::io::Result<u64> {
        match file {
            Some(file) => std::io::copy(&mut reader, &mut std::fs::File::create(file)?),
            None => std::io::copy(&mut reader, &mut std::io::sink()),
        }
    };
    let mut copying = tokio::task::spawn_blocking(copy);
    let copied = loop {
        match tokio::time::timeout(TELL, &mut copying).await {
            Ok(copied) => break copied.map_err(std::io::Error::other),
            Err(_) => listen(Progress::Bytes { work, file: name, done: done.load(Ordering::Relaxed), total }),
        }
    };
    drop(running);
    copied.flatten().map(drop).map_err(DumpError::of)
}

/// Keeps triggers, rules and foreign keys from running for rows that are loaded (PostgreSQL manual, 20.11.1,
/// `session_replication_role`).
const QUIET: &str = "session_replication_role=replica";

/// Whether the session begins with `standard_conforming_strings`.
async fn standard_strings(client: &Client) -> Result<bool, tokio_postgres::Error> {
    let setting: String = client.query_one(&format!("SHOW {}", command::SETTING), &[]).await?.get(0);
    Ok(command::begins_with_standard_strings(Some(&setting)))
}

/// Whether the database has something that would run for rows of a dump, and this account may keep it from running.
async fn has_triggers(client: &Client) -> Result<bool, tokio_postgres::Error> {
    // The objects of a fresh database have numbers below 16384 (`FirstNormalObjectId`); rules of type 1 are views.
    let sql = "SELECT current_setting('is_superuser')::bool AND (EXISTS (SELECT FROM pg_trigger)
        OR EXISTS (SELECT FROM pg_rewrite WHERE ev_type <> '1' AND ev_class >= 16384))";
    Ok(client.query_one(sql, &[]).await?.get(0))
}

/// What is said where there is.
fn quiet_note(file: &Path) -> String {
    format!(
        "{}: its rows were loaded without running the triggers, rules and foreign keys that were there before it",
        file.display()
    )
}

/// Connects so that what the server says is in English, since it is looked at.
async fn connect(
    config: &Config,
    file: &Path,
) -> Result<(Client, tokio::task::JoinHandle<Result<(), tokio_postgres::Error>>), RestoreError> {
    let mut config = config.clone();
    let options = format!("{} -c lc_messages=C", config.get_options().unwrap_or_default());
    config.options(options.trim());
    let connected = config.connect(NoTls).await;
    let (client, connection) = connected.map_err(|source| RestoreError::Server { file: file.to_owned(), source })?;
    Ok((client, tokio::spawn(connection)))
}
