//! Processes that got away from the guard that started them: found by what they were started with or work in, and ended.
//!
//! A limit: only Linux tells of other processes' folders and variables. Elsewhere none is found, and what got away ends
//! when it next talks to its server.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long processes that were killed may take to be gone.
const ENDING_LIMIT: Duration = Duration::from_secs(5);

/// Ends the processes that work in a folder: servers of every engine work in their data folder (seen on MySQL 9.7 and
/// MariaDB 10.11 too), and those of PostgreSQL that compute do not notice that their postmaster is gone.
pub(crate) fn end_those_in(folder: &Path) {
    // The kernel's own name of the folder, which is what the links in /proc say.
    let Ok(folder) = folder.canonicalize() else { return };
    end(|process| fs::read_link(process.join("cwd")).is_ok_and(|works| works.starts_with(&folder)));
}

/// Ends the processes that were started with this variable in their environment; says how many there were.
pub(crate) fn end_those_with(variable: &str, value: &str) -> usize {
    let wanted = format!("{variable}={value}");
    end(|process| {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes())
    })
}

/// How many bytes a process and its children have read from files, as the kernel counts them (`rchar` in proc_pid_io(5), which
/// leaves out what sockets bring); `None` where it does not.
pub(crate) fn bytes_read(pid: u32) -> Option<u64> {
    let read = |process: &Path| {
        let text = fs::read_to_string(process.join("io")).ok()?;
        text.lines().find_map(|line| line.strip_prefix("rchar: ")?.parse::<u64>().ok())
    };
    let own = read(&Path::new("/proc").join(pid.to_string()))?;
    let is_child = |process: &Path| {
        let parent = stat(process).and_then(|stat| stat.split(' ').nth(1)?.parse().ok());
        parent == Some(pid)
    };
    let entries = fs::read_dir("/proc").ok()?.flatten();
    let processes = entries.filter(|entry| entry.file_name().as_encoded_bytes()[0].is_ascii_digit());
    let children = processes.map(|entry| entry.path()).filter(|process| is_child(process));
    Some(own + children.filter_map(|process| read(&process)).sum::<u64>())
}

fn end(unwanted: impl Fn(&Path) -> bool) -> usize {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = entries.filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())));
    let mut ending = Vec::new();
    for (pid, process) in processes {
        if pid != Pid::this().as_raw() && unwanted(&process) && kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok() {
            ending.push(process);
        }
    }
    // A large one takes a moment to give back its memory and its files.
    let began = Instant::now();
    while ending.iter().any(|process| is_alive(process)) && began.elapsed() < ENDING_LIMIT {
        std::thread::sleep(Duration::from_millis(2));
    }
    ending.len()
}

/// Whether a process is more than an entry that waits for its parent to ask how it ended.
fn is_alive(process: &Path) -> bool {
    stat(process).is_some_and(|stat| !stat.starts_with(['Z', 'X']))
}

/// What the kernel tells of a process, from its state on: the name before it, in parentheses, may hold anything.
fn stat(process: &Path) -> Option<String> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_is_known_by_a_variable_that_no_other_has() {
        let mark = format!("{}-{:?}", std::process::id(), std::thread::current().id());
        let mut child =
            Command::new("sleep").arg("600").env("REHEARSAL_TEST_MARK", &mark).spawn().expect("sleep starts");
        // The variable is there from the moment on at which the child has become `sleep`.
        while end_those_with("REHEARSAL_TEST_MARK", &mark) == 0 {
            std::thread::yield_now();
        }
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&child.wait().expect("our child")), Some(9));
        assert_eq!(end_those_with("REHEARSAL_TEST_MARK", &mark), 0);
    }

    #[test]
    fn a_process_is_known_by_the_folder_that_it_works_in() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = Command::new("sleep").arg("600").current_dir(folder.path()).spawn().expect("sleep starts");
        end_those_in(folder.path());
        assert!(!is_alive(&Path::new("/proc").join(child.id().to_string())), "it is gone once that returns");
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&child.wait().expect("our child")), Some(9));
    }
}
