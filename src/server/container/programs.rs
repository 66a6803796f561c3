//! Running programs in a container: `pg_restore` over a dump that is sent there, and small ones.

use std::path::Path;

use futures_util::StreamExt;
use testcontainers::bollard::container::LogOutput;
use testcontainers::bollard::exec::{CreateExecOptions, StartExecResults};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio_util::io::InspectWriter;

use super::{ContainerServer, engine, engine_failed};
use crate::server::{HearRestore, ProgramOutput, RestoreWord, ServerError, USER};

/// Where a dump is put inside the container; not in the image's volume.
const DUMP: &str = "/tmp/rehearsal.dump";
/// Runs a program, and says every now and then how many bytes `pg_restore` has read from files. The program is what is waited
/// for; what watches it is told by a file that it is over, and waited for as well. Nothing may be left behind here: a process
/// without a parent becomes a child of the container's first one, and PostgreSQL takes a child that a signal ended for a
/// backend that crashed (`HandleChildCrash`, postmaster.c), and starts again.
const WATCHED: &str = r#"
over=/tmp/rehearsal.over
rm -f "$over"
(turn=0
while [ ! -e "$over" ]; do
    sleep 0.1
    turn=$((turn + 1))
    [ $((turn % 5)) = 0 ] || continue
    sum=0
    for process in /proc/[0-9]*; do
        { read -r name <"$process/comm" && [ "$name" = pg_restore ]; } 2>/dev/null || continue
        while read -r key value; do [ "$key" != rchar: ] || sum=$((sum + value)); done 2>/dev/null <"$process/io"
    done
    echo "$sum"
done) 2>/dev/null &
watch=$!
"$@"
code=$?
: >"$over"
wait "$watch"
rm -f "$over"
exit "$code"
"#;

impl ContainerServer {
    /// Streams the dump into the container, so that a remote engine works too, and runs `pg_restore` there.
    pub(in crate::server) async fn pg_restore(
        &self,
        dump: &Path,
        arguments: &[String],
        listen: HearRestore<'_>,
    ) -> Result<ProgramOutput, ServerError> {
        let mut copied = self.copied.lock().await;
        if copied.as_deref() != Some(dump) {
            let put = put(dump);
            let output = self.run(&["sh", "-c", &put], Some(dump), listen).await?;
            if !output.success {
                return Ok(output);
            }
            *copied = Some(dump.to_path_buf());
        }
        // A script on standard output has none of these numbers in it.
        let is_script = arguments.iter().any(|argument| argument == "--file=-");
        let mut command = if is_script { Vec::new() } else { vec!["sh", "-c", WATCHED, "sh"] };
        command.extend(["pg_restore", "-U", USER]);
        command.extend(arguments.iter().map(String::as_str));
        command.push(DUMP);
        self.run(&command, None, listen).await
    }

    /// Removes the dump from the container.
    pub(in crate::server) async fn forget_dump(&self) -> Result<(), ServerError> {
        if self.copied.lock().await.take().is_some() {
            self.exec(&["rm", "-rf", DUMP]).await?;
        }
        Ok(())
    }

    /// Runs a program to its end.
    pub(super) async fn exec(&self, command: &[&str]) -> Result<ProgramOutput, ServerError> {
        self.run(command, None, &|_| ()).await
    }

    async fn run(
        &self,
        command: &[&str],
        input: Option<&Path>,
        listen: HearRestore<'_>,
    ) -> Result<ProgramOutput, ServerError> {
        let failed = engine_failed::<testcontainers::bollard::errors::Error>("run a program in the container");
        let docker = engine().await?;
        let options = CreateExecOptions {
            cmd: Some(command.to_vec()),
            // What it says is looked at.
            env: Some(vec!["LC_ALL=C"]),
            attach_stdin: Some(input.is_some()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..CreateExecOptions::default()
        };
        let exec = docker.create_exec(self.container.id(), options).await.map_err(&failed)?;
        let started = docker.start_exec(&exec.id, None).await.map_err(&failed)?;
        let StartExecResults::Attached { mut output, input: mut stdin } = started else {
            let stderr = "the engine did not attach to the program".to_owned();
            return Ok(ProgramOutput { stderr, ..ProgramOutput::default() });
        };
        if let Some(path) = input {
            send(path, &mut stdin, listen).await.map_err(ServerError::file(path))?;
        }
        let is_watched = command.contains(&WATCHED);
        let (mut stdout, mut stderr, mut told) = (Vec::new(), String::new(), 0);
        while let Some(part) = output.next().await {
            match part.map_err(&failed)? {
                LogOutput::StdErr { message } => stderr.push_str(&String::from_utf8_lossy(&message)),
                other => stdout.extend_from_slice(&other.into_bytes()),
            }
            while let Some((line, _)) = stderr[told..].split_once('\n') {
                listen(RestoreWord::Said(line));
                told += line.len() + 1;
            }
            if is_watched && let Some(read) = last_number(&stdout) {
                listen(RestoreWord::Read(read));
                stdout.clear();
            }
        }
        let exit = docker.inspect_exec(&exec.id).await.map_err(&failed)?.exit_code;
        Ok(ProgramOutput { success: exit == Some(0), stdout, stderr })
    }
}

/// The number on the last whole line; 0 is what the watcher says when it was let see nothing.
fn last_number(output: &[u8]) -> Option<u64> {
    let line = std::str::from_utf8(output).ok()?.strip_suffix('\n')?.lines().next_back()?;
    line.parse().ok().filter(|read| *read > 0)
}

/// A command that puts what it is sent by [`send`] where the dump belongs.
fn put(dump: &Path) -> String {
    if dump.is_dir() {
        format!("rm -rf {DUMP} && mkdir {DUMP} && tar -x -C {DUMP}")
    } else {
        format!("rm -rf {DUMP} && cat > {DUMP}")
    }
}

/// Sends a file as it is, a folder as a tar archive.
async fn send(
    path: &Path,
    stdin: &mut (impl AsyncWrite + Unpin + Send),
    listen: HearRestore<'_>,
) -> std::io::Result<()> {
    let mut sent = 0;
    let mut stdin = InspectWriter::new(stdin, |bytes: &[u8]| {
        sent += bytes.len() as u64;
        listen(RestoreWord::Sent(sent));
    });
    if path.is_dir() {
        let mut archive = tokio_tar::Builder::new_non_terminated(&mut stdin);
        archive.append_dir_all(".", path).await?;
        archive.into_inner().await?;
    } else {
        tokio::io::copy(&mut tokio::fs::File::open(path).await?, &mut stdin).await?;
    }
    stdin.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_that_say_something_count() {
        for (text, expected) in
            [("", None), ("12", None), ("12\n", Some(12)), ("12\n3456\n", Some(3456)), ("0\n", None)]
        {
            assert_eq!(last_number(text.as_bytes()), expected, "{text:?}");
        }
    }
}
