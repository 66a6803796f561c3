//! A server run from this machine's own binaries: a data folder of its own, a unix socket and no TCP port.
//!
//! A fresh data folder is kept for each version and copied, so that a start takes a fraction of a second.

mod folders;
mod template;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use super::binaries::{self, Installation};
use super::owner::{ServerUser, cache_folder};
use super::{
    Access, DATABASE, Endpoint, Login, ProgramOutput, ServerError, USER, libpq, mysql, postgres, processes, tail,
    wait_until_ready,
};
use crate::scenario::{Engine, ServerWish};
use folders::{Folders, copy_folder};
pub(super) use folders::{own, servers_folder};
pub(super) use template::{MAKING, templates_folder};

/// How long a server may take to end after it was told to; PostgreSQL kills its children itself after 5 s.
const STOP_LIMIT: Duration = Duration::from_secs(10);
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
}

impl LocalServer {
    /// Starts a server of the version wished for, or else the newest there is.
    pub(super) async fn start(wish: &ServerWish, kept: bool) -> Result<Self, ServerError> {
        let installation = choose(wish)?;
        let user = match ServerUser::drop_to(wish.engine) {
            None if nix::unistd::Uid::effective().is_root() => return Err(ServerError::NoUser { engine: wish.engine }),
            user => user,
        };
        let template = template::template(&installation, user.as_ref(), wish).await?;
        let folders = Folders::create(user.as_ref(), kept)?;
        let data = folders.home.join("data");
        let began = Instant::now();
        copy_folder(&template, &data, user.as_ref())?;
        tracing::debug!(took = ?began.elapsed(), "copied a fresh data folder");
        let log_path = folders.home.join("log");
        let log = fs::File::create(&log_path).map_err(ServerError::file(&log_path))?;
        let mut command = program(&installation.server, user.as_ref());
        command
            .args(match wish.engine {
                Engine::Postgres => postgres::arguments(&data, &folders.socket, wish),
                Engine::Mysql | Engine::Mariadb => mysql::arguments(&data, &folders.socket, wish),
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
        let mut server = Self { installation, process: Mutex::new(process), pid, folders };
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

    pub(super) fn log_tail(&self) -> String {
        let log = fs::read(self.folders.home.join("log")).unwrap_or_default();
        tail(&String::from_utf8_lossy(&log))
    }

    pub(super) async fn pg_restore(&self, dump: &Path, arguments: &[String]) -> Result<ProgramOutput, ServerError> {
        let path = self.installation.program("pg_restore");
        // As ourselves and not as the server's user, who need not be able to read the dump.
        let output = libpq::forget(&mut Command::new(&path))
            .args(["-h", &self.folders.socket.display().to_string(), "-p", &postgres::PORT.to_string(), "-U", USER])
            .args(arguments)
            .arg(dump)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| ServerError::Program { program: path.display().to_string(), reason: error.to_string() })?;
        Ok(ProgramOutput {
            success: output.status.success(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Waits until everything that was written to the data folder's file system is on the disk.
    pub(super) async fn flush_disk(&self) -> Result<(), ServerError> {
        let home = self.folders.home.clone();
        let flush = move || -> std::io::Result<()> {
            #[cfg(target_os = "linux")]
            nix::unistd::syncfs(fs::File::open(&home)?)?;
            #[cfg(not(target_os = "linux"))]
            nix::unistd::sync();
            Ok(())
        };
        let flushed = tokio::task::spawn_blocking(flush).await.map_err(std::io::Error::other);
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

fn choose(wish: &ServerWish) -> Result<Installation, ServerError> {
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
