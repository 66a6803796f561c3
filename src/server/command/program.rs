//! One of the two programs of `[server.command]`, run to its end.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use super::CommandError;
use crate::scenario::{Engine, ServerWish};

/// How long a program may take to end once it was asked to.
const GRACE: Duration = Duration::from_secs(10);

/// What a program said beside what it printed.
#[derive(Debug)]
pub(super) struct Said {
    /// The end of its standard error, set off line by line.
    pub(super) stderr: String,
}

/// A program of the team's.
#[derive(Debug)]
pub(super) struct Program {
    which: &'static str,
    command: String,
    process: Command,
}

impl Program {
    /// `which` is its key in the scenario.
    pub(super) fn new(which: &'static str, command: &str, wish: &ServerWish, folder: &Path) -> Self {
        let engine = match wish.engine {
            Engine::Postgres => "postgres",
            Engine::Mysql => "mysql",
            Engine::Mariadb => "mariadb",
        };
        Self::of(which, command, engine, wish.version.as_deref().unwrap_or_default(), folder)
    }

    pub(super) fn of(which: &'static str, command: &str, engine: &str, version: &str, folder: &Path) -> Self {
        let mut process = Command::new("sh");
        process.arg("-c").arg(command).current_dir(if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
        process.env("REHEARSAL_ENGINE", engine).env("REHEARSAL_VERSION", version);
        process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        Self { which, command: command.to_owned(), process }
    }

    pub(super) fn with_url(mut self, url: &str) -> Self {
        self.process.env("REHEARSAL_URL", url);
        self
    }

    /// Runs it to its end. Stopped by time or by being dropped, it is asked to end, and has [`GRACE`] for it. `heard` is told
    /// each line that it prints as soon as it is printed.
    pub(super) async fn run(
        mut self,
        limit: Duration,
        input: String,
        mut heard: impl FnMut(&str),
    ) -> Result<Said, CommandError> {
        let (which, command) = (self.which, self.command);
        let not_started = |source| CommandError::NotStarted { which, command: command.clone(), source };
        let child = self.process.spawn().map_err(not_started)?;
        let mut group = Group { pid: child.id().and_then(|id| i32::try_from(id).ok()), child };
        let (stdin, stdout, stderr) = (group.child.stdin.take(), group.child.stdout.take(), group.child.stderr.take());
        let talk = async {
            let write = async {
                if let Some(mut stdin) = stdin {
                    // It need not read what it is given.
                    let _ = stdin.write_all(input.as_bytes()).await;
                }
            };
            let mut err = Vec::new();
            let read_out = async {
                let Some(pipe) = stdout else { return };
                let (mut pipe, mut line) = (BufReader::new(pipe), Vec::new());
                while let Ok(1..) = pipe.read_until(b'\n', &mut line).await {
                    heard(&String::from_utf8_lossy(&std::mem::take(&mut line)));
                }
            };
            let read_err = async {
                if let Some(mut pipe) = stderr {
                    let _ = pipe.read_to_end(&mut err).await;
                }
            };
            tokio::join!(write, read_out, read_err);
            let status = group.child.wait().await;
            (status, err)
        };
        let Ok((status, err)) = tokio::time::timeout(limit, talk).await else {
            return Err(CommandError::TooLong { which, command, seconds: limit.as_secs(), output: String::new() });
        };
        group.pid = None;
        let said = Said { stderr: set_off(&String::from_utf8_lossy(&err)) };
        match status {
            Ok(status) if ExitStatus::success(&status) => Ok(said),
            Ok(status) => Err(CommandError::Failed { which, command, status: status.to_string(), output: said.stderr }),
            Err(source) => Err(CommandError::NotStarted { which, command, source }),
        }
    }
}

/// A program with everything that it started. Dropping it ends them.
struct Group {
    pid: Option<i32>,
    child: Child,
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(pid) = self.pid.map(Pid::from_raw) else { return };
        let _ = killpg(pid, Signal::SIGTERM);
        let began = std::time::Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && began.elapsed() < GRACE {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = killpg(pid, Signal::SIGKILL);
    }
}

/// The last lines of an output, each on a line of its own behind a bar.
fn set_off(output: &str) -> String {
    let lines: Vec<&str> = output.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(12)..];
    last.iter().fold(String::new(), |text, line| text + "\n  | " + line)
}
