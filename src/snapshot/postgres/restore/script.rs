//! Restoring a plain dump: SQL text, sent over a connection of our own.
//!
//! psql is never started, so its commands reach no shell: those that matter are followed, those that only concern what psql
//! shows are skipped, all others stop the restore. Statements run as they would in psql, each in a transaction of its own, except
//! that neighbouring INSERTs share one for speed. Functions and DO blocks of a dump run with the rights of the scratch server.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::SinkExt;
use tokio::sync::mpsc;
use tokio_postgres::{Client, Config};

use super::extensions::Extensions;
use super::meta::{self, Action};
use super::recovery::{self, LeftOut, Recovery};
use super::{QUIET, RestoreError, connect, has_triggers, quiet_note, standard_strings};
use crate::snapshot::dump::{DumpError, Input, Tail};
use crate::snapshot::postgres::grow::{quote, server_says};
use crate::snapshot::{Listen, Progress, Work};
use crate::sql::Statement;
use crate::sql::postgres::scanner::{Item, MetaCommand, ScanError, Scanner};
use crate::sql::postgres::transaction::{Control, control};

/// What a dump begins with, and ends with (`pg_backup_archiver.c`, `pg_dumpall.c`).
const DUMP: &[u8] = b"-- PostgreSQL database dump";
const CLUSTER: &[u8] = b"-- PostgreSQL database cluster dump";
const COMPLETE: &[u8] = b"dump complete";

/// INSERTs share a transaction up to so many bytes of text.
const BATCH: usize = 256 << 10;
/// So many items may wait for the server.
const AHEAD: usize = 64;
/// So many bytes are read on from an extension that the server lacks, to say what needs it.
const READ_ON: usize = 64 << 20;
/// How often the listener is told of bytes that are on their way.
const TICK: Duration = Duration::from_millis(100);
/// A statement may name so many roles that are not there.
const ROLES: usize = 50;

/// Restores a script; gives what a reader should know.
pub(crate) async fn restore(
    config: &Config,
    file: &Path,
    input: Input,
    listen: Listen<'_>,
) -> Result<Vec<String>, RestoreError> {
    let Input { reader, head, done, total, running, .. } = input;
    // pg_dump and pg_dumpall say at their end that they are complete; what is written by hand says neither.
    let is_dump = [DUMP, CLUSTER].iter().any(|words| head.windows(words.len()).any(|found| found == *words));
    let tail = Tail::default();
    let (client, connection) = connect(config, file).await?;
    let standard_strings = standard_strings(&client).await;
    let standard_strings = standard_strings.map_err(|source| RestoreError::Server { file: file.to_owned(), source })?;
    let mut items = scan(BufReader::with_capacity(256 << 10, tail.of(reader)), standard_strings);
    let mut script = Script {
        client: &client,
        file: file.to_owned(),
        notes: Vec::new(),
        roles: Vec::new(),
        batch: Vec::new(),
        batched: 0,
        in_transaction: false,
        database: None,
        began: false,
        quiet: false,
    };
    if is_dump && has_triggers(&client).await.map_err(|source| script.server(source))? {
        script.quiet = true;
        script.keep_quiet().await?;
        script.notes.push(quiet_note(file));
    }
    let sent = async {
        while let Some(item) = items.recv().await {
            let item = item.map_err(|source| not_scanned(file, source))?;
            script.take(item, &mut items).await?;
        }
        script.flush().await
    };
    // The rows of a table are one item, however many they are.
    let mut tick = tokio::time::interval(TICK);
    let mut sent = Box::pin(sent);
    loop {
        tokio::select! {
            sent = &mut sent => break sent?,
            _ = tick.tick() => {
                listen(Progress::Bytes { work: Work::Restore, file, done: done.load(Ordering::Relaxed), total });
            }
        }
    }
    drop(sent);
    listen(Progress::Bytes { work: Work::Restore, file, done: done.load(Ordering::Relaxed), total });
    if is_dump && !tail.has(COMPLETE) {
        let what = "its last line (`-- PostgreSQL database dump complete`) is missing, so rows or statements may be missing \
                    too (a script made from a dump by hand should not begin as one: take out the line `-- PostgreSQL \
                    database dump`)";
        return Err(RestoreError::Dump { file: file.to_owned(), source: DumpError::CutShort(what.to_owned()) });
    }
    let notes = script.finish();
    drop((client, running));
    // The connection ends once its client is gone; what it says then was already told to the client.
    let _ = connection.await;
    Ok(notes)
}

/// Why the text ended too early: what it is unpacked from knows better than its line does.
fn not_scanned(file: &Path, source: ScanError) -> RestoreError {
    match source {
        ScanError::Read { source, .. } => RestoreError::Dump { file: file.to_owned(), source: DumpError::of(source) },
        source => RestoreError::Scan { file: file.to_owned(), source },
    }
}

/// Scans in a thread of its own, as far ahead as the channel lets it.
fn scan(reader: impl BufRead + Send + 'static, standard_strings: bool) -> mpsc::Receiver<Result<Item, ScanError>> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let mut scanner = Scanner::new(reader).standard_strings(standard_strings);
        while let Some(item) = scanner.next_item().transpose() {
            let is_last = item.is_err();
            if sender.blocking_send(item).is_err() || is_last {
                break;
            }
        }
    });
    receiver
}

/// Makes a role that a dump names, if it is not there; says whether it did. Those of the server's own have names that nobody
/// can give to another.
pub(crate) async fn make_role(client: &Client, role: &str) -> Result<bool, tokio_postgres::Error> {
    let known = client.query_one("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", &[&role]).await?;
    if known.get(0) || role.starts_with("pg_") {
        return Ok(false);
    }
    client.batch_execute(&format!("CREATE ROLE {} NOLOGIN", quote(role))).await?;
    Ok(true)
}

struct Script<'a> {
    client: &'a Client,
    file: PathBuf,
    notes: Vec<String>,
    /// Roles that were made.
    roles: Vec<String>,
    /// INSERTs that were not sent yet, and their bytes.
    batch: Vec<Statement>,
    batched: usize,
    /// Whether the script opened a transaction.
    in_transaction: bool,
    /// The database that the script says it is of.
    database: Option<String>,
    /// Whether anything was made so far.
    began: bool,
    /// Whether what was there before is kept from running.
    quiet: bool,
}

impl Script<'_> {
    async fn take(
        &mut self,
        item: Item,
        items: &mut mpsc::Receiver<Result<Item, ScanError>>,
    ) -> Result<(), RestoreError> {
        match item {
            Item::Statement(statement) if statement.command == "INSERT" => {
                self.began = true;
                self.batched += statement.text.len();
                self.batch.push(statement);
                if self.batched >= BATCH { self.flush().await } else { Ok(()) }
            }
            Item::Statement(statement) => {
                self.flush().await?;
                match self.statement(&statement).await {
                    Err(RestoreError::NoExtensions { place, what }) => {
                        let what = self.lacking(&statement, items).await.unwrap_or(what);
                        Err(RestoreError::NoExtensions { place, what })
                    }
                    done => done,
                }
            }
            Item::CopyStart(statement) => {
                self.flush().await?;
                self.began = true;
                self.copy(&statement, items).await
            }
            Item::Meta(command) => {
                self.flush().await?;
                self.meta(&command).await
            }
            // Both are taken by `copy`.
            Item::CopyData(_) | Item::CopyEnd => Ok(()),
        }
    }

    async fn statement(&mut self, statement: &Statement) -> Result<(), RestoreError> {
        match recovery::left_out(statement) {
            Some(LeftOut::ServerFile) => {
                return Err(RestoreError::ServerFile { file: self.file.clone(), line: statement.line });
            }
            Some(LeftOut::Database) => {
                self.note(&format!("{} was left out: the dump is restored into a scratch database", statement.command));
                return Ok(());
            }
            Some(LeftOut::Tablespace) => {
                let name = statement.text.split_whitespace().nth(2).unwrap_or_default();
                self.note(&format!("the tablespace {name} was left out"));
                return Ok(());
            }
            None => {}
        }
        self.began |= recovery::makes_something(statement);
        self.run(statement).await?;
        match control(statement) {
            Some(Control::Begin) => self.in_transaction = true,
            Some(Control::Commit { chain } | Control::Rollback { chain }) => self.in_transaction = chain,
            Some(Control::Prepare) => self.in_transaction = false,
            _ => {}
        }
        Ok(())
    }

    /// Runs a statement, making the roles that it lacks.
    async fn run(&mut self, statement: &Statement) -> Result<(), RestoreError> {
        for _ in 0..ROLES {
            let Err(source) = self.send(&statement.text, control(statement).is_some()).await else { return Ok(()) };
            let recovery = source
                .as_db_error()
                .map_or(Recovery::Stop, |error| recovery::of(statement, error.code().code(), error.message()));
            match recovery {
                Recovery::GoOn => return Ok(()),
                Recovery::Note(note) => {
                    self.note(&note);
                    return Ok(());
                }
                Recovery::MakeRole(role) if !self.roles.contains(&role) => {
                    make_role(self.client, &role).await.map_err(|source| self.server(source))?;
                    self.roles.push(role);
                }
                Recovery::NoExtension => {
                    let place = format!("{}:{}", self.file.display(), statement.line);
                    return Err(RestoreError::NoExtensions { place, what: format!("it: {}", server_says(&source)) });
                }
                Recovery::MakeRole(_) | Recovery::Stop => return Err(self.failed(statement, source)),
            }
        }
        Ok(())
    }

    /// Reads on from an extension that the server does not have: which others it lacks, and what needs them.
    async fn lacking(
        &self,
        statement: &Statement,
        items: &mut mpsc::Receiver<Result<Item, ScanError>>,
    ) -> Option<String> {
        let mut extensions = Extensions::default();
        extensions.take(statement);
        let mut read = 0;
        while let Some(Ok(item)) = items.recv().await
            && read < READ_ON
        {
            match item {
                Item::Statement(statement) => {
                    extensions.take(&statement);
                    read += statement.text.len();
                }
                Item::CopyData(rows) => read += rows.len(),
                _ => {}
            }
        }
        extensions.lacking(self.client).await.ok().flatten()
    }

    /// Sends SQL. Within a transaction of the script it can fail without failing the transaction.
    async fn send(&self, sql: &str, is_control: bool) -> Result<(), tokio_postgres::Error> {
        if !self.in_transaction || is_control {
            return self.client.batch_execute(sql).await;
        }
        self.client.batch_execute("SAVEPOINT rehearsal").await?;
        let sent = self.client.batch_execute(sql).await;
        let back = if sent.is_ok() { "" } else { "ROLLBACK TO SAVEPOINT rehearsal; " };
        self.client.batch_execute(&format!("{back}RELEASE SAVEPOINT rehearsal")).await?;
        sent
    }

    /// Sends the INSERTs that wait. One that fails undoes all of them, and is then found by sending them one by one.
    async fn flush(&mut self) -> Result<(), RestoreError> {
        let batch = std::mem::take(&mut self.batch);
        self.batched = 0;
        if batch.is_empty() {
            return Ok(());
        }
        let texts: Vec<&str> = batch.iter().map(|statement| statement.text.as_str()).collect();
        if self.send(&texts.join(";\n"), false).await.is_ok() {
            return Ok(());
        }
        for statement in &batch {
            self.run(statement).await?;
        }
        Ok(())
    }

    async fn copy(
        &mut self,
        statement: &Statement,
        items: &mut mpsc::Receiver<Result<Item, ScanError>>,
    ) -> Result<(), RestoreError> {
        let sink = self.client.copy_in::<_, Bytes>(&statement.text).await;
        let mut sink = pin!(sink.map_err(|source| self.failed(statement, source))?);
        // The channel closes after an error, which the sink then takes for a copy that is given up.
        while let Some(item) = items.recv().await {
            match item.map_err(|source| not_scanned(&self.file, source))? {
                Item::CopyData(chunk) => {
                    sink.send(chunk).await.map_err(|source| self.failed(statement, source))?;
                }
                _ => break,
            }
        }
        sink.finish().await.map_err(|source| self.failed(statement, source))?;
        Ok(())
    }

    async fn meta(&mut self, command: &MetaCommand) -> Result<(), RestoreError> {
        match meta::judge(&command.text) {
            Action::Skip => Ok(()),
            Action::Encoding(name) => {
                let sql = format!("SET client_encoding = '{}'", name.replace('\'', "''"));
                self.client.batch_execute(&sql).await.map_err(|source| self.server(source))
            }
            Action::Connect(to) => self.connect(to, command.line).await,
            Action::Refuse => Err(RestoreError::Meta {
                file: self.file.clone(),
                line: command.line,
                text: command.text.trim().to_owned(),
            }),
        }
    }

    /// Follows `\connect`: not to another database, but to a session as fresh as it would be there.
    async fn connect(&mut self, to: Option<String>, line: u32) -> Result<(), RestoreError> {
        if let Some(database) = to.filter(|to| self.database.as_ref() != Some(to)) {
            if self.began {
                return Err(RestoreError::SeveralDatabases { file: self.file.clone(), line, database });
            }
            self.note(&format!("\\connect {database} was not followed: the dump is restored into a scratch database"));
            self.database = Some(database);
        }
        self.client.batch_execute("RESET ALL").await.map_err(|source| self.server(source))?;
        self.keep_quiet().await
    }

    async fn keep_quiet(&self) -> Result<(), RestoreError> {
        if !self.quiet {
            return Ok(());
        }
        self.client.batch_execute(&format!("SET {QUIET}")).await.map_err(|source| self.server(source))
    }

    fn note(&mut self, note: &str) {
        let note = format!("{}: {note}", self.file.display());
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn finish(mut self) -> Vec<String> {
        if !self.roles.is_empty() {
            self.note(&format!("made the roles {}, which the dump names", self.roles.join(", ")));
        }
        self.notes
    }

    fn server(&self, source: tokio_postgres::Error) -> RestoreError {
        RestoreError::Server { file: self.file.clone(), source }
    }

    fn failed(&self, statement: &Statement, source: tokio_postgres::Error) -> RestoreError {
        let (file, line, mut text) = self.place(statement);
        // Which row of a COPY it was, the server says only here.
        if let Some(context) = source.as_db_error().and_then(tokio_postgres::error::DbError::where_)
            && statement.command == "COPY"
        {
            text = format!("{text}\n  {context}");
        }
        RestoreError::Statement { file, line, statement: text, source }
    }

    fn place(&self, statement: &Statement) -> (PathBuf, u32, String) {
        let first = statement.text.lines().next().unwrap_or_default();
        (self.file.clone(), statement.line, first.chars().take(200).collect())
    }
}
