//! A program of the user's that writes a dump to its standard output.
//!
//! Its output ends well only if it ended well itself: one that fails after half of the dump makes reading fail.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::DumpError;

/// So many bytes of its standard error are kept.
const KEPT: usize = 8 << 10;
/// How often it is looked whether it has ended, once it writes no more.
const LOOK: Duration = Duration::from_millis(5);

/// Starts a program with `sh -c` in a folder.
pub(super) fn start(command: &str, folder: &Path) -> Result<(Running, Output), DumpError> {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).current_dir(if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = shell.spawn().map_err(DumpError::NotStarted)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let said = std::thread::spawn(move || stderr.map(last_of).unwrap_or_default());
    let child = Arc::new(Mutex::new(Some(child)));
    let output = Output { stdout, said: Some(said), child: Arc::clone(&child) };
    Ok((Running(child), output))
}

/// A program with everything that it started. Dropping it ends them.
#[derive(Debug)]
pub(crate) struct Running(Arc<Mutex<Option<Child>>>);

impl Drop for Running {
    fn drop(&mut self) {
        let Some(mut child) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        if let Ok(pid) = i32::try_from(child.id()) {
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
        }
        let _ = child.wait();
    }
}

/// What it writes.
pub(super) struct Output {
    stdout: Option<ChildStdout>,
    said: Option<JoinHandle<String>>,
    child: Arc<Mutex<Option<Child>>>,
}

impl Read for Output {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(stdout) = &mut self.stdout else { return Ok(0) };
        let read = stdout.read(buffer)?;
        if read > 0 || buffer.is_empty() {
            return Ok(read);
        }
        self.stdout = None;
        loop {
            // Not kept while waiting, so that dropping `Running` can end it.
            let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(running) = child.as_mut() else { return Err(io::Error::other("the command was stopped")) };
            if let Some(status) = running.try_wait()? {
                *child = None;
                if status.success() {
                    return Ok(0);
                }
                let said = self.said.take().and_then(|said| said.join().ok()).unwrap_or_default();
                return Err(io::Error::other(DumpError::Command { status: status.to_string(), said }));
            }
            drop(child);
            std::thread::sleep(LOOK);
        }
    }
}

/// The last lines of an output, each on a line of its own behind a bar.
fn last_of(mut output: impl Read) -> String {
    let (mut kept, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = output.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..read]);
        let more = kept.len().saturating_sub(KEPT);
        kept.drain(..more);
    }
    let text = String::from_utf8_lossy(&kept);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(12)..];
    last.iter().fold(String::new(), |text, line| text + "\n  | " + line)
}
