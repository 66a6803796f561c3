//! Running `pg_restore` on this machine, and telling how far it is.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

use crate::server::processes;

/// What a program of the server's said.
#[derive(Debug, Default)]
pub(crate) struct ProgramOutput {
    /// Whether it ended well.
    pub(crate) success: bool,
    /// What it wrote to standard output.
    pub(crate) stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub(crate) stderr: String,
}

/// A word on how far it is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RestoreWord<'a> {
    /// So many bytes of the dump were sent to where it runs.
    Sent(u64),
    /// It has read so many bytes of it, about.
    Read(u64),
    /// It said this on standard error.
    Said(&'a str),
}

/// Who is told.
pub(crate) type HearRestore<'a> = &'a (dyn Fn(RestoreWord<'_>) + Send + Sync);

/// How often it is looked how much was read of the dump.
const LOOK: Duration = Duration::from_millis(250);

/// Runs it to its end. Dropping the future ends it.
pub(in crate::server) async fn run(mut program: Command, listen: HearRestore<'_>) -> io::Result<ProgramOutput> {
    // Its words are looked at, so they must not be in the user's language.
    program.env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = program.kill_on_drop(true).spawn()?;
    let pid = child.id();
    let (Some(mut output), Some(said)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(io::Error::other("its output cannot be read"));
    };
    let mut stdout = Vec::new();
    let mut stderr = String::new();
    let mut lines = BufReader::new(said).split(b'\n');
    let hear = async {
        while let Some(line) = lines.next_segment().await? {
            let line = String::from_utf8_lossy(&line);
            listen(RestoreWord::Said(&line));
            stderr.push_str(&line);
            stderr.push('\n');
        }
        io::Result::Ok(())
    };
    let ended = async { tokio::try_join!(output.read_to_end(&mut stdout), hear) };
    let look = async {
        loop {
            tokio::time::sleep(LOOK).await;
            if let Some(read) = pid.and_then(processes::bytes_read) {
                listen(RestoreWord::Read(read));
            }
        }
    };
    tokio::select! {
        ended = ended => ended?,
        () = look => unreachable!("it is looked for ever"),
    };
    Ok(ProgramOutput { success: child.wait().await?.success(), stdout, stderr })
}
