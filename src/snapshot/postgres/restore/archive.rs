//! Restoring a dump in custom, directory or tar format, with the `pg_restore` of the scratch server.
//!
//! Roles that own something, have grants or are named by policies are made first. Tablespaces are left out: they are disks of
//! another machine. Extensions that the server does not have are an error before anything is restored. An account that is no
//! superuser makes no roles, so owners and grants are left out then.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio_postgres::{Client, Config};

use super::needs::Needs;
use super::script::make_role;
use super::{QUIET, RestoreError, connect, has_triggers, quiet_note};
use crate::server::{HearRestore, ProgramOutput, RestoreWord, Server};
use crate::snapshot::dump::size;
use crate::snapshot::{Listen, Progress, Work};

/// A dump that `pg_restore` can read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Archive<'a> {
    /// What it is called in messages.
    pub(crate) name: &'a Path,
    /// The file or folder.
    pub(crate) path: &'a Path,
    /// Whether its format lets several jobs read it.
    pub(crate) is_parallel: bool,
}

/// What is done with the database that it is restored into.
#[derive(Debug, Clone, Copy)]
struct Way<'a> {
    database: &'a str,
    jobs: usize,
    /// Whether owners and grants are restored.
    with_owners: bool,
    /// Whether triggers, rules and foreign keys that are there are kept from running.
    quiet: bool,
}

impl Way<'_> {
    /// What `pg_restore` is called with.
    fn arguments(self) -> Vec<String> {
        let mut arguments = vec!["--no-tablespaces", "--exit-on-error", "--verbose"];
        if !self.with_owners {
            arguments.extend(["--no-owner", "--no-privileges"]);
        }
        let mut arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
        if self.jobs > 1 {
            arguments.push(format!("--jobs={}", self.jobs));
        }
        let name = self.database.replace('\\', "\\\\").replace('\'', "\\'");
        let options = if self.quiet { format!(" options='-c {QUIET}'") } else { String::new() };
        arguments.push(format!("--dbname=dbname='{name}'{options}"));
        arguments
    }
}

/// Restores a dump; gives what a reader should know.
pub(crate) async fn restore(
    config: &Config,
    archive: Archive<'_>,
    server: &Server,
    listen: Listen<'_>,
) -> Result<Vec<String>, RestoreError> {
    let name = archive.name;
    let hearing =
        Hearing { file: name, listen, bytes: size(archive.path), indexes: AtomicU64::new(0), made: AtomicU64::new(0) };
    let hear = |word: RestoreWord<'_>| hearing.hear(word);
    server.forget_dump().await.map_err(|source| RestoreError::Run { file: name.to_owned(), source })?;
    // Not `--schema-only`, which leaves out whose large objects are.
    let schema = ["--section=pre-data", "--section=post-data", "--file=-"].map(str::to_owned);
    let needs = Needs::of(&run(server, archive, &schema, &hear).await?.stdout);
    hearing.indexes.store(needs.indexes, Ordering::Relaxed);
    let (client, connection) = connect(config, name).await?;
    let failed = |source| RestoreError::Server { file: name.to_owned(), source };
    if let Some(what) = needs.extensions.lacking(&client).await.map_err(failed)? {
        return Err(RestoreError::NoExtensions { place: format!("cannot restore {}", name.display()), what });
    }
    let way = Way {
        database: config.get_dbname().unwrap_or("postgres"),
        jobs: if archive.is_parallel { std::thread::available_parallelism().map_or(1, usize::from) } else { 1 },
        with_owners: is_superuser(&client).await.map_err(failed)?,
        quiet: has_triggers(&client).await.map_err(failed)?,
    };
    let mut notes = Vec::new();
    if way.with_owners {
        let mut made = BTreeSet::new();
        for role in &needs.roles {
            if make_role(&client, role).await.map_err(failed)? {
                made.insert(role.as_str());
            }
        }
        notes.extend(note_of(name, "made the roles", made, "the dump names"));
    } else {
        notes.push(format!("{}: owners and grants were left out, since the account is no superuser", name.display()));
    }
    let tablespaces = needs.tablespaces.iter().map(String::as_str).collect();
    notes.extend(note_of(name, "left out the tablespaces", tablespaces, "the dump names"));
    if way.quiet {
        notes.push(quiet_note(name));
    }
    drop(client);
    // The connection ends once its client is gone; what it says then was already told to the client.
    let _ = connection.await;
    run(server, archive, &way.arguments(), &hear).await?;
    Ok(notes)
}

fn note_of(name: &Path, what: &str, names: BTreeSet<&str>, why: &str) -> Option<String> {
    let list = names.into_iter().collect::<Vec<_>>().join(", ");
    (!list.is_empty()).then(|| format!("{}: {what} {list}, which {why}", name.display()))
}

async fn is_superuser(client: &Client) -> Result<bool, tokio_postgres::Error> {
    Ok(client.query_one("SELECT current_setting('is_superuser')::bool", &[]).await?.get(0))
}

/// What the listener is told of what `pg_restore` does: bytes of the dump while there are rows in it, then indexes.
struct Hearing<'a> {
    file: &'a Path,
    listen: Listen<'a>,
    bytes: u64,
    indexes: AtomicU64,
    made: AtomicU64,
}

impl Hearing<'_> {
    fn hear(&self, word: RestoreWord<'_>) {
        let file = self.file;
        match word {
            RestoreWord::Sent(done) => self.bytes(Work::Send, done),
            RestoreWord::Read(done) if self.made.load(Ordering::Relaxed) == 0 => self.bytes(Work::Restore, done),
            RestoreWord::Said(line) if makes_index(line) => {
                let done = self.made.fetch_add(1, Ordering::Relaxed) + 1;
                let total = self.indexes.load(Ordering::Relaxed).max(done);
                (self.listen)(Progress::Indexes { file, done, total });
            }
            RestoreWord::Read(_) | RestoreWord::Said(_) => {}
        }
    }

    /// Several jobs read its table of contents more than once, and a tar archive is a little larger than what it holds.
    fn bytes(&self, work: Work, done: u64) {
        (self.listen)(Progress::Bytes { work, file: self.file, done: done.min(self.bytes), total: Some(self.bytes) });
    }
}

/// Whether a line of `pg_restore --verbose` says that it is making an index or a constraint (one job) or that it has made
/// one (several), as those of version 15 to 18 do.
fn makes_index(line: &str) -> bool {
    let Some(said) = line.strip_prefix("pg_restore: ") else { return false };
    let finished = || said.strip_prefix("finished item ")?.split_once(' ').map(|(_, kind)| kind);
    let kind = said.strip_prefix("creating ").or_else(finished).unwrap_or_default();
    ["INDEX ", "CONSTRAINT ", "FK CONSTRAINT "].iter().any(|index| kind.starts_with(index))
        && !kind.starts_with("INDEX ATTACH ")
}

async fn run(
    server: &Server,
    archive: Archive<'_>,
    arguments: &[String],
    listen: HearRestore<'_>,
) -> Result<ProgramOutput, RestoreError> {
    let dump = archive.name;
    let output = server.pg_restore(archive.path, arguments, listen).await;
    let output = output.map_err(|source| RestoreError::Run { file: dump.to_owned(), source })?;
    if output.success {
        return Ok(output);
    }
    if let Some(version) =
        archive_version(archive.path).filter(|version| output.stderr.contains(&format!("({version})")))
    {
        return Err(RestoreError::NewerDump { file: dump.to_owned(), archive: version });
    }
    let lines: Vec<&str> = output.stderr.lines().filter(|line| is_trouble(line)).collect();
    let message = lines[lines.len().saturating_sub(20)..].join("\n");
    Err(RestoreError::PgRestore { file: dump.to_owned(), message })
}

/// The version of a dump's own format, which follows its magic in two bytes. `pg_restore` names it in parentheses only to
/// say that it does not know it, which is told apart so because the words around it are in the user's language.
fn archive_version(dump: &Path) -> Option<String> {
    let mut head = [0; 7];
    let dump = if dump.is_dir() { &dump.join("toc.dat") } else { dump };
    File::open(dump).ok()?.read_exact(&mut head).ok()?;
    Some(format!("{}.{}", head[5], head[6]))
}

/// Whether a line of `pg_restore --verbose` is about what went wrong, and not about what it is doing.
fn is_trouble(line: &str) -> bool {
    const TROUBLE: [&str; 6] = ["error:", "warning:", "detail:", "hint:", "while ", "from TOC entry"];
    line.strip_prefix("pg_restore: ").is_none_or(|said| TROUBLE.iter().any(|word| said.starts_with(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_job_is_not_asked_for_and_any_name_is_one_word() {
        let way = Way { database: "it's \\ mine", jobs: 1, with_owners: true, quiet: false };
        let arguments = way.arguments();
        assert!(!arguments.iter().any(|argument| argument.starts_with("--jobs") || argument == "--no-owner"));
        assert_eq!(arguments.last().map(String::as_str), Some(r"--dbname=dbname='it\'s \\ mine'"));
        let way = Way { database: "d", jobs: 2, with_owners: false, quiet: true };
        let expected = [
            "--no-owner",
            "--no-privileges",
            "--jobs=2",
            "--dbname=dbname='d' options='-c session_replication_role=replica'",
        ];
        assert_eq!(way.arguments()[3..], expected);
    }

    #[test]
    fn what_pg_restore_says_is_understood() {
        for (line, index, trouble) in [
            ("pg_restore: creating INDEX \"public.shops_place\"", true, false),
            ("pg_restore: finished item 3210 CONSTRAINT shops shops_pkey", true, false),
            ("pg_restore: finished item 3215 FK CONSTRAINT shops shops_owner_fkey", true, false),
            ("pg_restore: launching item 3215 FK CONSTRAINT shops shops_owner_fkey", false, false),
            ("pg_restore: finished item 3220 INDEX ATTACH public.a", false, false),
            ("pg_restore: processing data for table \"public.shops\"", false, false),
            ("pg_restore: error: could not execute query: ERROR:  no", false, true),
            ("pg_restore: from TOC entry 3210; 2606 16392 CONSTRAINT shops shops_pkey", false, true),
            ("Command was: CREATE INDEX", false, true),
        ] {
            assert_eq!((makes_index(line), is_trouble(line)), (index, trouble), "{line}");
        }
    }
}
