//! Restoring dumps into a scratch database: scripts of `mysqldump`, `mariadb-dump` or anybody, as they are or compressed with
//! gzip, zstd, lz4 or xz (`script`), and folders of `mydumper` (`folder`).
//!
//! A dump may be of a database of any name; it must be of one. Where a statement calls it by name and
//! the server refuses that, the name is replaced; in bodies of stored programs, which no server looks into before they run,
//! it is not.

mod accounts;
mod error;
mod folder;
mod format;
mod recovery;
mod script;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Opts, OptsBuilder};

pub use error::RestoreError;

use crate::scenario::{Dump, DumpSource};
use crate::snapshot::{Listen, Progress, dump};

/// The largest packet that the protocol has, 1 GiB (MySQL 9.7 manual, `max_allowed_packet`): a dump of a server with a higher
/// limit than this one's may have statements that are longer.
const LARGEST_PACKET: usize = 1 << 30;

/// Where dumps go, and what is known of them so far.
#[derive(Debug)]
struct Target {
    /// For what the dump's own session cannot be used.
    side: Conn,
    /// The database to restore into.
    database: String,
    /// The one that the dumps say they are of.
    dump_of: Option<String>,
    /// What a reader should know.
    notes: Vec<String>,
    /// Accounts that were made, as `user@host`.
    accounts: Vec<String>,
    /// Tablespaces that were made.
    tablespaces: Vec<String>,
}

impl Target {
    fn note(&mut self, note: &str) {
        if !self.notes.iter().any(|found| found == note) {
            self.notes.push(note.to_owned());
        }
    }
}

/// Restores dumps in this order, each over a new connection, and gives what a reader should know.
///
/// `opts` must be a superuser's, and name the database to restore into, which must be empty. The server's event scheduler is
/// off from then on, also after a restart: events of a dump would change the data while they are measured.
pub async fn restore(opts: &Opts, dumps: &[Dump], listen: Listen<'_>) -> Result<Vec<String>, RestoreError> {
    let Some(first) = dumps.first().map(dump::name) else { return Ok(Vec::new()) };
    let failed = |source| RestoreError::Server { file: first.clone(), source };
    let (mut target, packet) = prepare(opts).await.map_err(failed)?;
    let restored = restore_all(opts, &mut target, dumps, listen).await;
    // As it was, also after a failure: the limit is part of what is measured.
    let put_back = target.side.query_drop(format!("SET GLOBAL max_allowed_packet = {packet}")).await;
    restored?;
    put_back.map_err(failed)?;
    finish(target).await.map_err(failed)
}

/// Connects, and sets the server so that any dump will do. Gives the `max_allowed_packet` that it had.
async fn prepare(opts: &Opts) -> Result<(Target, u64), Error> {
    let mut side = Conn::new(opts.clone()).await?;
    let packet: Option<u64> = side.query_first("SELECT @@GLOBAL.max_allowed_packet").await?;
    let version: Option<String> = side.query_first("SELECT VERSION()").await?;
    // MariaDB knows no PERSIST, and has the scheduler off unless its settings say otherwise.
    let scope = if version.is_some_and(|version| version.contains("MariaDB")) { "GLOBAL" } else { "PERSIST" };
    side.query_drop(format!("SET {scope} event_scheduler = OFF")).await?;
    side.query_drop(format!("SET GLOBAL max_allowed_packet = {LARGEST_PACKET}")).await?;
    let target = Target {
        side,
        database: opts.db_name().unwrap_or(crate::server::DATABASE).to_owned(),
        dump_of: None,
        notes: Vec::new(),
        accounts: Vec::new(),
        tablespaces: Vec::new(),
    };
    Ok((target, packet.unwrap_or(LARGEST_PACKET as u64)))
}

async fn restore_all(opts: &Opts, target: &mut Target, dumps: &[Dump], listen: Listen<'_>) -> Result<(), RestoreError> {
    for dump in dumps {
        match &dump.from {
            DumpSource::File(folder) if folder.is_dir() => {
                let total = Some(dump::size(folder));
                let mut before = 0;
                for part in folder::files(folder)? {
                    let of_all = |progress: Progress<'_>| match progress {
                        Progress::Bytes { work, done, .. } => {
                            listen(Progress::Bytes { work, file: folder, done: before + done, total });
                        }
                        other => listen(other),
                    };
                    let size = dump::size(&part);
                    restore_one(opts, target, &Dump::from(part), true, &of_all).await?;
                    before += size;
                }
            }
            _ => restore_one(opts, target, dump, false, listen).await?,
        }
    }
    Ok(())
}

async fn restore_one(
    opts: &Opts,
    target: &mut Target,
    dump: &Dump,
    from_folder: bool,
    listen: Listen<'_>,
) -> Result<(), RestoreError> {
    let file = dump::name(dump);
    let file = file.as_path();
    let input = dump::open(dump).await.map_err(|source| RestoreError::dump(file, source))?;
    format::of(&input.head).map_err(|what| RestoreError::Unsupported { file: file.to_owned(), what })?;
    let failed = |source| RestoreError::Server { file: file.to_owned(), source };
    let opts = OptsBuilder::from_opts(opts.clone())
        .db_name(Some(target.database.as_str()))
        .max_allowed_packet(Some(LARGEST_PACKET));
    let mut connection = Conn::new(opts).await.map_err(failed)?;
    // `SET NAMES` gives the server's own default collation, as its client does; the driver's handshake gives another.
    for sql in
        ["SET NAMES utf8mb4", "SET SESSION foreign_key_checks = 0, unique_checks = 0, sql_log_bin = 0, autocommit = 0"]
    {
        connection.query_drop(sql).await.map_err(failed)?;
    }
    let restored = script::restore(target, &mut connection, file, input, from_folder, listen).await;
    // It has nothing more to say: what went wrong was told in answer to a statement.
    let _ = connection.disconnect().await;
    restored
}

/// What can only be done and said once everything is there.
async fn finish(mut target: Target) -> Result<Vec<String>, Error> {
    for account in accounts::missing(&mut target.side, &target.database).await? {
        accounts::make(&mut target.side, &account, &target.database).await?;
        target.accounts.push(account);
    }
    if !target.accounts.is_empty() {
        let note = format!(
            "made the accounts {}, which the dump names as DEFINER: locked, with all rights on the scratch database",
            target.accounts.join(", ")
        );
        target.note(&note);
    }
    let sql = "SELECT COUNT(*) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ?";
    let events: Option<u64> = target.side.exec_first(sql, (&target.database,)).await?;
    if let Some(events @ 1..) = events {
        target.note(&format!("{events} events were restored and do not run: the event scheduler is off"));
    }
    let sql = "SELECT CAST(TABLE_NAME AS CHAR), CAST(ENGINE AS CHAR) FROM information_schema.TABLES
        WHERE TABLE_SCHEMA = ? AND TABLE_TYPE <> 'VIEW' AND ENGINE <> 'InnoDB' ORDER BY TABLE_NAME";
    let others: Vec<(String, String)> = target.side.exec(sql, (&target.database,)).await?;
    for (table, engine) in others {
        target.note(&format!("the table {table} is of the storage engine {engine}, and was kept so: what is said of InnoDB does not hold for it"));
    }
    target.side.disconnect().await?;
    Ok(target.notes)
}
