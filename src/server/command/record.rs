//! What is known of a server that a program made, on disk, so that it is given back even if this process is killed.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::folder;
use super::program::Program;
use crate::scenario::{CommandWish, ServerWish};
use crate::server::ServerError;
use crate::server::owner::Owner;

/// A server that a program made, or is making.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    owner: Owner,
    kept: bool,
    down: String,
    folder: PathBuf,
    engine: String,
    version: String,
    timeout_s: u64,
    /// All that `up` printed.
    said: String,
    #[serde(skip)]
    file: PathBuf,
}

impl Record {
    /// Writes one for a server that is about to be made.
    pub(super) fn write(wish: &ServerWish, wished: &CommandWish, kept: bool) -> Result<Self, ServerError> {
        let root = folder();
        fs::create_dir_all(&root).map_err(ServerError::file(&root))?;
        let absolute = std::path::absolute(&wished.folder).map_err(ServerError::file(&wished.folder))?;
        let name = format!("{}-{:08x}.json", std::process::id(), rand::random::<u32>());
        let record = Self {
            owner: Owner::myself(),
            kept,
            down: wished.down.clone(),
            folder: absolute,
            engine: wish.engine.to_string().to_lowercase().replace("postgresql", "postgres"),
            version: wish.version.clone().unwrap_or_default(),
            timeout_s: wished.timeout.as_secs().max(1),
            said: String::new(),
            file: root.join(name),
        };
        record.save()?;
        Ok(record)
    }

    /// Notes a line that `up` printed.
    pub(super) fn heard(&mut self, line: &str) -> Result<(), ServerError> {
        self.said.push_str(line);
        self.save()
    }

    /// The URL among what `up` printed.
    pub(super) fn url(&self) -> Option<String> {
        let is_url = |line: &&str| line.contains("://") && !line.contains(char::is_whitespace);
        self.said.lines().map(str::trim).find(is_url).map(str::to_owned)
    }

    pub(super) fn is_kept(&self) -> bool {
        self.kept
    }

    /// Whole or not at all. What it says may have a password, so it is for nobody else to read.
    fn save(&self) -> Result<(), ServerError> {
        let part = self.file.with_extension("part");
        let write = || {
            let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
            file.write_all(&serde_json::to_vec(self)?)?;
            fs::rename(&part, &self.file)
        };
        write().map_err(ServerError::file(&self.file))
    }

    /// Gives the server back. The record stays where that fails, for another try.
    pub(super) async fn down(self) -> Result<(), ServerError> {
        let url = self.url().unwrap_or_default();
        let program = Program::of("down", &self.down, &self.engine, &self.version, &self.folder).with_url(&url);
        program.run(Duration::from_secs(self.timeout_s), self.said.clone(), |_| {}).await?;
        fs::remove_file(&self.file).map_err(ServerError::file(&self.file))
    }

    /// The same where nothing can be awaited: in a thread with a runtime of its own.
    pub(super) fn down_blocking(self) -> Result<(), ServerError> {
        let file = self.file.clone();
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(ServerError::file(&self.file.clone()))?.block_on(self.down())
        };
        std::thread::spawn(run)
            .join()
            .unwrap_or_else(|_| Err(ServerError::file(&file)(std::io::Error::other("it panicked"))))
    }
}

/// Gives back the servers whose owner is no longer running, and `kept` ones too if it is asked for. A line for each.
pub(in crate::server) async fn sweep(kept: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(folder()).into_iter().flatten().flatten() {
        let Some(record) = read(&entry.path()) else { continue };
        if record.owner.is_alive() || (record.kept && !kept) {
            continue;
        }
        let pid = record.owner.pid;
        match record.down().await {
            Ok(()) => lines.push(format!("server that `up` made for process {pid}")),
            Err(error) => tracing::warn!(%error, "a server that `up` made for process {pid} was not given back"),
        }
    }
    lines
}

fn read(file: &Path) -> Option<Record> {
    let record: Record = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    Some(Record { file: file.to_owned(), ..record })
}
