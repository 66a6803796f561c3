//! Restoring one script: its statements, sent as the bytes that they are over a connection of our own.
//!
//! The client of the server is never started, so its commands reach no shell: all but `DELIMITER` and `USE` stop the restore.
//! Statements run as they would in the client, one by one, except that neighbouring ones share a transaction for speed.
//! Stored programs of a dump, and what it sets, run with the rights of the scratch server.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};
use tokio::sync::mpsc;

use super::recovery::{self, Fate, Recovery};
use super::{RestoreError, Target, accounts};
use crate::snapshot::dump::{DumpError, Input};
use crate::snapshot::{Listen, Progress, Work};
use crate::sql::mysql::modes::Modes;
use crate::sql::mysql::name::quote;
use crate::sql::mysql::scanner::{Item, RawStatement, ScanError, Scanner};
use crate::sql::mysql::transaction::{Control, control};

/// A transaction that the script did not open itself is committed after so many bytes of text.
const BATCH: usize = 4 << 20;
/// So many statements may wait for the server.
const AHEAD: usize = 16;
/// A statement may be tried again so often, each time after something was made that it lacks.
const TRIES: usize = 50;
/// The server's own databases.
const SYSTEM: [&str; 4] = ["information_schema", "mysql", "performance_schema", "sys"];

/// Restores a script over a new connection. mydumper writes stored programs without `DELIMITER`.
pub(super) async fn restore(
    target: &mut Target,
    connection: &mut Conn,
    file: &Path,
    input: Input,
    from_folder: bool,
    listen: Listen<'_>,
) -> Result<(), RestoreError> {
    let failed = |source| RestoreError::Server { file: file.to_owned(), source };
    let modes: Option<String> = connection.query_first("SELECT @@SESSION.sql_mode").await.map_err(failed)?;
    let Input { reader, done, total, running, .. } = input;
    let scanner = Scanner::new(reader).in_modes(Modes::of(&modes.unwrap_or_default()));
    let mut items = scan(if from_folder { scanner.know_bodies() } else { scanner });
    let mut script =
        Script { target, connection, file: file.to_owned(), batched: 0, in_transaction: false, open: false };
    let mut has_mark = false;
    let mut is_compact = false;
    while let Some(item) = items.recv().await {
        match item.map_err(|source| script.not_scanned(source))? {
            Item::Statement(statement) => {
                if let Some(begins) = recovery::mark(&statement) {
                    has_mark |= begins;
                    script.open = begins;
                }
                is_compact |= statement.text.windows(9).any(|text| text == b"@saved_cs") && statement.command == "SET";
                script.take(statement).await?;
            }
            Item::Meta(meta) => {
                return Err(RestoreError::Meta {
                    file: script.file,
                    line: meta.line,
                    text: meta.text.trim().to_owned(),
                });
            }
        }
        listen(Progress::Bytes { work: Work::Restore, file, done: done.load(Ordering::Relaxed), total });
    }
    script.commit().await?;
    if script.open {
        let what = "what mysqldump writes at the end is missing (`SET SQL_NOTES=…`, `-- Dump completed`)".to_owned();
        return Err(RestoreError::CutShort { file: script.file, what });
    }
    if is_compact && !has_mark {
        script.note("made with --compact, it does not say where it ends; if it was cut between two statements, nobody can see it");
    }
    drop(running);
    Ok(())
}

/// Scans in a thread of its own, as far ahead as the channel lets it.
fn scan<R: std::io::BufRead + Send + 'static>(mut scanner: Scanner<R>) -> mpsc::Receiver<Result<Item, ScanError>> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        while let Some(item) = scanner.next_item().transpose() {
            let is_last = item.is_err();
            if sender.blocking_send(item).is_err() || is_last {
                break;
            }
        }
    });
    receiver
}

struct Script<'a> {
    target: &'a mut Target,
    connection: &'a mut Conn,
    file: PathBuf,
    /// Bytes of statements since the last commit.
    batched: usize,
    /// Whether the script opened a transaction itself.
    in_transaction: bool,
    /// Whether what the dump says at its beginning has not been met by what it says at its end.
    open: bool,
}

impl Script<'_> {
    async fn take(&mut self, mut statement: RawStatement) -> Result<(), RestoreError> {
        match recovery::fate(&statement) {
            Fate::Send => {}
            Fate::LeftOut(what) => {
                self.note(&format!("left out {what}"));
                return Ok(());
            }
            Fate::OtherFile => {
                let (line, command) = (statement.line, statement.command);
                return Err(RestoreError::OtherFile { file: self.file.clone(), line, command });
            }
            Fate::Database { name, options } => {
                if let Some(name) = name {
                    self.is_of(name, statement.line)?;
                }
                if options.is_empty() {
                    return Ok(());
                }
                let ours = format!("ALTER DATABASE {} ", quote(&self.target.database));
                statement.text = [ours.into_bytes(), options].concat();
            }
        }
        let control = control(&statement.text);
        let ends = matches!(control, Some(Control::Commit { .. } | Control::Rollback { .. }));
        if !self.in_transaction && (ends || self.batched >= BATCH) {
            self.commit().await?;
        }
        self.batched += statement.text.len();
        self.run(statement).await?;
        match control {
            Some(Control::Begin) => self.in_transaction = true,
            Some(Control::Commit { chain, .. } | Control::Rollback { chain, .. }) => self.in_transaction = chain,
            _ => {}
        }
        Ok(())
    }

    /// Follows a word about a database, as long as it is always the same one.
    fn is_of(&mut self, name: String, line: u32) -> Result<(), RestoreError> {
        let before = match &self.target.dump_of {
            _ if SYSTEM.iter().any(|system| name.eq_ignore_ascii_case(system)) => None,
            Some(before) if *before != name => Some(before.clone()),
            Some(_) => return Ok(()),
            None => {
                self.note(&format!("the database `{name}` was restored into the scratch database"));
                self.target.dump_of = Some(name);
                return Ok(());
            }
        };
        Err(RestoreError::SeveralDatabases { file: self.file.clone(), line, database: name, before })
    }

    async fn commit(&mut self) -> Result<(), RestoreError> {
        self.batched = 0;
        self.connection.query_drop("COMMIT").await.map_err(|source| self.server(source))
    }

    /// Runs a statement, making what it lacks.
    async fn run(&mut self, mut statement: RawStatement) -> Result<(), RestoreError> {
        for _ in 0..TRIES {
            let Err(source) = self.connection.query_drop(statement.text.as_slice()).await else {
                return self.heed_warnings(&statement).await;
            };
            let recovery = self.recovery(&statement, &source);
            match recovery {
                Recovery::GoOn => return Ok(()),
                Recovery::Note(note) => {
                    self.note(&note);
                    return Ok(());
                }
                Recovery::Instead(text, note) if text != statement.text => {
                    self.note(note);
                    statement.text = text;
                }
                Recovery::MakeAccount(account) if !self.target.accounts.contains(&account) => {
                    let made = accounts::make(&mut self.target.side, &account, &self.target.database).await;
                    made.map_err(|source| self.server(source))?;
                    self.target.accounts.push(account);
                }
                Recovery::MakeTablespace(name) if !self.target.tablespaces.contains(&name) => {
                    let number = self.target.tablespaces.len();
                    let sql = format!("CREATE TABLESPACE {} ADD DATAFILE 'rehearsal_{number}.ibd'", quote(&name));
                    self.target.side.query_drop(sql).await.map_err(|source| self.server(source))?;
                    self.note(&format!("made the tablespace `{name}`, which the dump names"));
                    self.target.tablespaces.push(name);
                }
                Recovery::Stop(help) => {
                    let source = self.in_full(&statement, source).await;
                    return Err(self.failed(&statement, source, help));
                }
                _ => return Err(self.failed(&statement, source, "")),
            }
        }
        Ok(())
    }

    fn recovery(&self, statement: &RawStatement, source: &Error) -> Recovery {
        let Error::Server(error) = source else { return Recovery::Stop("") };
        let renamed = self
            .target
            .dump_of
            .as_ref()
            .and_then(|from| recovery::renamed(statement, error.code, &error.message, from, &self.target.database));
        match renamed {
            Some(text) => Recovery::Instead(text, "names of the dump's database in statements were replaced"),
            None => recovery::of(statement, error.code, &error.message),
        }
    }

    /// MariaDB fills an empty table in bulk while unique_checks are off, and then says of a row that it cannot take no more than
    /// "Got error 1 during COMMIT" (1180, seen on 10.11 and 11.8). With the checks on it says which; the restore has failed either way.
    async fn in_full(&mut self, statement: &RawStatement, source: Error) -> Error {
        /// ER_ERROR_DURING_COMMIT
        const DURING_COMMIT: u16 = 1180;
        if !matches!(&source, Error::Server(error) if error.code == DURING_COMMIT)
            || self.connection.query_drop("SET SESSION unique_checks = 1").await.is_err()
        {
            return source;
        }
        self.connection.query_drop(statement.text.as_slice()).await.err().unwrap_or(source)
    }

    /// A table that the server made with another storage engine than the dump has it says so in a warning.
    async fn heed_warnings(&mut self, statement: &RawStatement) -> Result<(), RestoreError> {
        /// ER_WARN_USING_OTHER_HANDLER
        const OTHER_ENGINE: u16 = 1266;
        if statement.command != "CREATE TABLE" || self.connection.get_warnings() == 0 {
            return Ok(());
        }
        let warnings = self.connection.query("SHOW WARNINGS").await;
        let warnings: Vec<(String, u16, String)> = warnings.map_err(|source| self.server(source))?;
        for (_, code, message) in warnings {
            if code == OTHER_ENGINE {
                self.note(&format!("the server does not have the storage engine of the dump: {message}"));
            }
        }
        Ok(())
    }

    fn note(&mut self, note: &str) {
        self.target.note(&format!("{}: {note}", self.file.display()));
    }

    fn server(&self, source: Error) -> RestoreError {
        RestoreError::Server { file: self.file.clone(), source }
    }

    fn failed(&self, statement: &RawStatement, source: Error, help: &'static str) -> RestoreError {
        let beginning: String = statement.shown().lines().next().unwrap_or_default().chars().take(200).collect();
        let (file, line, source) = (self.file.clone(), statement.line, Box::new(source));
        RestoreError::Statement { file, line, statement: beginning, help, source }
    }

    fn not_scanned(&self, source: ScanError) -> RestoreError {
        let file = self.file.clone();
        match source {
            ScanError::Read { source, .. } => RestoreError::dump(&file, DumpError::of(source)),
            source => RestoreError::Scan { file, source },
        }
    }
}
