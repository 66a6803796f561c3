//! A server run from this machine's own binaries: a data folder of its own, a unix socket and no TCP port.
//!
//! A fresh data folder is kept for each version and copied, so that a start takes a fraction of a second.

mod folders;
mod template;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use super::binaries::{self, Installation};
use super::clone::{Means, clone_folder};
use super::owner::{ServerUser, cache_folder};
use super::{
    Access, DATABASE, Endpoint, HearRestore, Login, ProgramOutput, ServerError, Start, USER, libpq, mysql, postgres,
    processes, tail, wait_until_ready,
};
use crate::scenario::{Engine, ServerWish};
pub(super) use folders::{Folders, own, servers_folder};
pub(super) use template::{MAKING, templates_folder};

/// How long a server may take to end after it was told to; PostgreSQL kills its children itself after 5 s.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// How long it may take to end properly, with everything written; the most was written before it was told to.
const PROPER_STOP_LIMIT: Duration = Duration::from_secs(120);
/// How long a server that answers no more is waited for to end.
const ENDING_LIMIT: Duration = Duration::from_secs(1);
/// How often it is looked whether the server still runs.
const WATCH_INTERVAL: Duration = Duration::from_millis(100);

/// A server that runs from local binaries. Dropping it kills it and removes its folders.
#[derive(Debug)]
pub struct LocalServer {
    /// The binaries that it runs from.
    pub installation: Installation,
    process: Mutex<Child>,
    pid: Pid,
    folders: Folders,
    /// How its data folder was cloned from one that was kept.
    pub(super) cloned: Option<(Means, Duration)>,
}

/// The binaries that a server would be run from, and who would run it.
#[derive(Debug)]
pub(super) struct Choice {
    installation: Installation,
    user: Option<ServerUser>,
}

impl Choice {
    /// See [`Chosen::identity`](super::Chosen::identity).
    pub(super) fn identity(&self) -> String {
        let Installation { engine, version, server, .. } = &self.installation;
        let user = self.user.as_ref().map_or("self", |user| user.name.as_str());
        format!("local {engine} {version} {} as {user}", server.display())
    }
}

/// Chooses binaries of the version wished for, or else the newest there are.
pub(super) fn choose(wish: &ServerWish) -> Result<Choice, ServerError> {
    let installation = installation(wish)?;
    match ServerUser::drop_to(wish.engine) {
        None if nix::unistd::Uid::effective().is_root() => Err(ServerError::NoUser { engine: wish.engine }),
        user => Ok(Choice { installation, user }),
    }
}

impl LocalServer {
    /// Starts a server on a clone of the data that it is given, or else on a fresh data folder.
    pub(super) async fn start(wish: &ServerWish, choice: &Choice, start: Start<'_>) -> Result<Self, ServerError> {
        let Choice { installation, user } = choice;
        let (installation, user) = (installation.clone(), user.as_ref());
        let folders = Folders::create(start.root, user, start.kept)?;
        let data = folders.home.join("data");
        let cloned = if let Some(kept) = start.data {
            Some(folders.clone_data(&kept.path).await?)
        } else {
            let template = template::template(&installation, user, wish).await?;
            clone_folder(&template, &data)?;
            None
        };
        if wish.engine != Engine::Postgres {
            mysql::link_socket(&data, &folders.socket).map_err(ServerError::file(&folders.socket))?;
        }
        let began = Instant::now();
        let log_path = folders.home.join("log");
        let log = fs::File::create(&log_path).map_err(ServerError::file(&log_path))?;
        let mut command = program(&installation.server, user);
        command
            .args(match wish.engine {
                Engine::Postgres => postgres::arguments(&data, &folders.socket, wish, start.only_filled),
                Engine::Mysql | Engine::Mariadb => mysql::arguments(&data, &folders.socket, wish, start.only_filled),
            })
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true);
        let process = command.spawn().map_err(|error| ServerError::Program {
            program: installation.server.display().to_string(),
            reason: error.to_string(),
        })?;
        let pid = Pid::from_raw(process.id().and_then(|id| i32::try_from(id).ok()).unwrap_or_default());
        let mut server = Self { installation, process: Mutex::new(process), pid, folders, cloned };
        let access = Access::new(wish.engine, &server.endpoint(), &Login::superuser(wish.engine, None), DATABASE);
        let process = server.process();
        let ready = wait_until_ready(&access, async || match process.try_wait() {
            Ok(Some(status)) => Some(format!("it ended at once ({status})")),
            _ => None,
        })
        .await;
        tracing::debug!(took = ?began.elapsed(), "the server answers");
        match ready {
            Ok(()) => Ok(server),
            Err(reason) => Err(ServerError::NotStarted { engine: wish.engine, reason, log: server.log_tail() }),
        }
    }

    fn process(&mut self) -> &mut Child {
        self.process.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the server has ended by itself, and ends those of its processes that have not noticed.
    pub(super) async fn ended(&self) {
        let running = || matches!(self.process.lock().unwrap_or_else(PoisonError::into_inner).try_wait(), Ok(None));
        while running() {
            tokio::time::sleep(WATCH_INTERVAL).await;
        }
        processes::end_those_in(&self.folders.home);
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        let port = match self.installation.engine {
            Engine::Postgres => postgres::PORT,
            Engine::Mysql | Engine::Mariadb => mysql::PORT,
        };
        // Each server has a folder of its own, so the number in the socket's name need not differ.
        Endpoint::Unix { folder: self.folders.socket.clone(), port }
    }

    pub(super) fn log(&self) -> String {
        let log = fs::read(self.folders.home.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    fn log_tail(&self) -> String {
        tail(&self.log())
    }

    /// Whether it ended by SIGKILL. It answers no more, and may take a moment to end.
    pub(super) async fn was_killed(&self) -> bool {
        let began = Instant::now();
        loop {
            let status = self.process.lock().unwrap_or_else(PoisonError::into_inner).try_wait();
            match status {
                Ok(Some(status)) => return status.signal() == Some(Signal::SIGKILL as i32),
                Ok(None) if began.elapsed() < ENDING_LIMIT => tokio::time::sleep(Duration::from_millis(5)).await,
                _ => return false,
            }
        }
    }

    pub(super) async fn pg_restore(
        &self,
        dump: &Path,
        arguments: &[String],
        listen: HearRestore<'_>,
    ) -> Result<ProgramOutput, ServerError> {
        let path = self.installation.program("pg_restore");
        // As ourselves and not as the server's user, who need not be able to read the dump.
        let mut program = Command::new(&path);
        libpq::forget(&mut program)
            .args(["-h", &self.folders.socket.display().to_string(), "-p", &postgres::PORT.to_string(), "-U", USER])
            .args(arguments)
            .arg(dump);
        let output = postgres::restore::run(program, listen).await;
        output.map_err(|error| ServerError::Program { program: path.display().to_string(), reason: error.to_string() })
    }

    /// Waits until everything that was written to the data folder's file system is on the disk.
    pub(super) async fn flush_disk(&self) -> Result<(), ServerError> {
        let home = self.folders.home.clone();
        let flushed = tokio::task::spawn_blocking(move || folders::flush(&home)).await.map_err(std::io::Error::other);
        flushed.flatten().map_err(ServerError::file(&self.folders.home))
    }

    /// The signal that ends it without a checkpoint, which nothing here is worth: SIGQUIT is PostgreSQL's immediate shutdown,
    /// which ends its children too; MySQL has no children, and takes its time for every signal that it can catch.
    fn stop_signal(&self) -> Signal {
        match self.installation.engine {
            Engine::Postgres => Signal::SIGQUIT,
            Engine::Mysql | Engine::Mariadb => Signal::SIGKILL,
        }
    }

    /// Ends it so that everything is written and nothing is to be recovered, and moves its data folder.
    pub(super) async fn give_up_data(mut self, to: &Path) -> Result<(), ServerError> {
        let signal = match self.installation.engine {
            // The fast shutdown, with a checkpoint (PostgreSQL manual, 18.5).
            Engine::Postgres => Signal::SIGINT,
            Engine::Mysql | Engine::Mariadb => Signal::SIGTERM,
        };
        let _ = kill(self.pid, signal);
        let reason = match tokio::time::timeout(PROPER_STOP_LIMIT, self.process().wait()).await {
            Ok(Ok(status)) if status.success() => None,
            Ok(Ok(status)) => Some(format!("it ended with {status}")),
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("it still ran {} s after it was told to end", PROPER_STOP_LIMIT.as_secs())),
        };
        if let Some(reason) = reason {
            let engine = self.installation.engine;
            return Err(ServerError::NotStopped { engine, reason, log: self.log_tail() });
        }
        let data = self.folders.home.join("data");
        fs::rename(&data, to).map_err(ServerError::file(&data))
    }

    pub(super) async fn stop(mut self) -> Result<(), ServerError> {
        let _ = kill(self.pid, self.stop_signal());
        if tokio::time::timeout(STOP_LIMIT, self.process().wait()).await.is_err() {
            let _ = self.process().kill().await;
            processes::end_those_in(&self.folders.home);
        }
        Ok(())
    }
}

impl Drop for LocalServer {
    fn drop(&mut self) {
        // Killing PostgreSQL's postmaster alone would leave its children writing into folders that are being removed: it is
        // asked to end them, and killed only if it does not.
        let began = Instant::now();
        let (pid, signal) = (self.pid, self.stop_signal());
        let mut running = || matches!(self.process().try_wait(), Ok(None));
        if running() {
            let _ = kill(pid, signal);
            while running() && began.elapsed() < STOP_LIMIT {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

fn installation(wish: &ServerWish) -> Result<Installation, ServerError> {
    let engine = wish.engine;
    let found = binaries::installations(engine);
    let Some(newest) = found.first() else {
        return Err(ServerError::NoBinaries { engine, looked_in: binaries::places(engine) });
    };
    let Some(wished) = &wish.version else { return Ok(newest.clone()) };
    let fits = |installation: &&Installation| installation.is_version(wished);
    found.iter().find(fits).cloned().ok_or_else(|| ServerError::NoSuchVersion {
        engine,
        wished: wished.clone(),
        found: found.iter().map(|installation| installation.version.as_str()).collect::<Vec<_>>().join(", "),
    })
}

/// A program of the server's, run as the server's user and in a folder that this user can enter.
pub(super) fn program(path: &Path, user: Option<&ServerUser>) -> Command {
    let mut command = Command::new(path);
    command.current_dir("/");
    libpq::forget(&mut command);
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid);
    }
    command
}

/// The user that servers of an engine run as, where that is not ourselves.
pub fn runs_as(engine: Engine) -> Option<String> {
    ServerUser::drop_to(engine).map(|user| user.name)
}

/// Where data folders of running servers are, and fresh ones.
pub fn kept_in() -> PathBuf {
    cache_folder()
}
