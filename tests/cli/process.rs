//! Processes, as Linux tells of them in /proc.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Waits until something is so. The limit is for a program that hangs, not a measure of anything.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn signal(pid: i32, signal: Signal) {
    assert!(pid > 0);
    let _ = kill(Pid::from_raw(pid), signal);
}

/// Whether a process runs; one that ended and was not waited for does not.
pub(crate) fn is_running(pid: i32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != "Z" && state != "X")
}

/// Whether a signal was sent that the process has not taken yet.
pub(crate) fn has_pending(pid: i32, signal: Signal) -> bool {
    is_in_mask(pid, "ShdPnd:", signal) || is_in_mask(pid, "SigPnd:", signal)
}

/// Whether the process has a handler of its own for a signal.
pub(crate) fn catches(pid: i32, signal: Signal) -> bool {
    is_in_mask(pid, "SigCgt:", signal)
}

fn is_in_mask(pid: i32, mask: &str, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix(mask)?.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (signal as i32 - 1)) != 0)
}

/// The command line, which PostgreSQL's processes change to tell what they do.
pub(crate) fn title(pid: i32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ").trim().to_owned()
}

pub(crate) fn children(parent: i32) -> Vec<i32> {
    all().filter(|pid| stat(*pid).is_some_and(|(_, of)| of == parent)).collect()
}

/// The processes that name a folder in their command lines.
pub(crate) fn naming(folder: &Path) -> Vec<i32> {
    let name = folder.display().to_string();
    all().filter(|pid| *pid != Pid::this().as_raw() && title(*pid).contains(&name)).collect()
}

/// The processes that work in a folder or name it in their command lines.
pub(crate) fn in_folder(folder: &Path) -> Vec<String> {
    let name = folder.display().to_string();
    all()
        .filter(|pid| is_running(*pid) && *pid != Pid::this().as_raw())
        .filter(|pid| {
            let works = fs::read_link(format!("/proc/{pid}/cwd"));
            title(*pid).contains(&name) || works.is_ok_and(|works| works.starts_with(folder))
        })
        .map(|pid| format!("process {pid}: {}", title(pid)))
        .collect()
}

fn all() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").expect("this is Linux").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// State and parent.
fn stat(pid: i32) -> Option<(String, i32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}
