//! Removing what killed runs left: local servers and their folders, containers.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;

use super::local::{MAKING, servers_folder, templates_folder};
use super::owner::{self, Owner, roots};
use super::processes;
use super::{command, container};

/// The file beside a local server's data that says whose it is.
#[derive(Deserialize)]
struct OwnerFile {
    owner: Owner,
    socket: PathBuf,
    kept: bool,
}

/// Removes local servers whose owner is no longer running.
fn sweep_local(kept: bool) -> Vec<String> {
    let entries = roots().into_iter().filter_map(|root| fs::read_dir(servers_folder(&root)).ok()).flatten();
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let home = entry.path();
            let Ok(text) = fs::read_to_string(home.join("owner.json")) else { return unowned(&home) };
            let file: OwnerFile = serde_json::from_str(&text).ok()?;
            if file.owner.is_alive() || (file.kept && !kept) {
                return None;
            }
            end_postmaster(&home.join("data"));
            processes::end_those_in(&home);
            let _ = fs::remove_dir_all(&file.socket);
            fs::remove_dir_all(&home).ok()?;
            Some(format!("local server of process {} in {}", file.owner.pid, home.display()))
        })
        .collect()
}

/// Removes the folder of a run that was killed before it wrote whose it is: its name begins with the run's process id.
fn unowned(home: &Path) -> Option<String> {
    let pid: i32 = home.file_name()?.to_str()?.split('-').next()?.parse().ok()?;
    if owner::is_running(pid) {
        return None;
    }
    fs::remove_dir_all(home).ok()?;
    Some(format!("folder of process {pid} in {}", home.display()))
}

/// Removes folders in which the making of a data folder was interrupted: none takes an hour.
fn sweep_templates() {
    let old = |entry: &fs::DirEntry| {
        let age = entry.metadata().and_then(|data| data.modified()).ok().and_then(|made| made.elapsed().ok());
        age.is_some_and(|age| age > Duration::from_secs(3600))
    };
    let entries = fs::read_dir(templates_folder()).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(MAKING)).filter(old) {
        let _ = fs::remove_dir_all(entry.path());
    }
}

/// Ends the server of a data folder, if it is running: the first line of `postmaster.pid` is its process id
/// (PostgreSQL manual, 73.1 "Database File Layout"). The id is only believed if that process was started on the folder.
fn end_postmaster(data: &Path) {
    let Ok(text) = fs::read_to_string(data.join("postmaster.pid")) else { return };
    let Some(pid) = text.lines().next().and_then(|line| line.trim().parse::<i32>().ok()) else { return };
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    if String::from_utf8_lossy(&command).contains(&*data.to_string_lossy()) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGQUIT);
        for _ in 0..100 {
            if !Path::new(&format!("/proc/{pid}")).exists() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

/// Removes everything whose owner is no longer running, containers included. A server that was kept on purpose
/// (`--keep`) is removed only if `kept` says so. Returns what was removed, a line each, and why containers could not be
/// looked at, if they could not.
pub async fn sweep(kept: bool) -> (Vec<String>, Option<String>) {
    sweep_templates();
    // Containers first: they write into folders that are removed after them.
    let (mut removed, reason) = match container::sweep(kept).await {
        Ok(containers) => (containers, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    removed.extend(sweep_local(kept));
    removed.extend(command::sweep(kept).await);
    (removed, reason)
}
