//! Who owns a scratch server, so that what a killed run left behind can be told from what is in use.
//!
//! An owner is a process: its id, and when it began, since ids are used again. Limits: where the system does not
//! tell when a process began (anything but Linux), the id alone decides.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::kill;
use nix::unistd::{Pid, Uid, User};
use serde::{Deserialize, Serialize};

use crate::scenario::Engine;

/// The process that owns a server, a container or a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    /// Its process id.
    pub pid: i32,
    /// Clock ticks between the machine's boot and its start (`/proc/PID/stat`, field 22), where the system tells.
    pub began: Option<u64>,
    /// The machine's boot (`/proc/sys/kernel/random/boot_id`) and host name, for containers on a shared engine.
    pub host: String,
}

impl Owner {
    /// This process.
    pub(crate) fn myself() -> Self {
        let pid = Pid::this().as_raw();
        Self { pid, began: began(pid), host: host() }
    }

    /// Whether the owner is still running. An owner on another machine cannot be asked and counts as running.
    pub(crate) fn is_alive(&self) -> bool {
        if self.host != host() {
            return true;
        }
        is_running(self.pid) && (self.began.is_none() || self.began == began(self.pid))
    }

    /// As it is written on a label.
    pub(crate) fn to_label(&self) -> String {
        format!("{}/{}/{}", self.host, self.pid, self.began.map_or_else(String::new, |ticks| ticks.to_string()))
    }

    /// Reads it back from a label.
    pub(crate) fn from_label(label: &str) -> Option<Self> {
        let mut parts = label.rsplitn(3, '/');
        let began = parts.next()?.parse().ok();
        let pid = parts.next()?.parse().ok()?;
        Some(Self { pid, began, host: parts.next()?.to_owned() })
    }
}

/// Whether there is a process of this id, whosever it is.
pub(crate) fn is_running(pid: i32) -> bool {
    !matches!(kill(Pid::from_raw(pid), None), Err(nix::errno::Errno::ESRCH))
}

fn began(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may hold anything, parentheses included.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

fn host() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let name = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    format!("{name}:{}", boot.trim())
}

/// The user that servers run as: nobody changes when we are not root; as root, which every engine refuses to run as,
/// the system's user for that engine, else `nobody`.
#[derive(Debug, Clone)]
pub(crate) struct ServerUser {
    /// Its name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

impl ServerUser {
    /// The names that it may have, the best first.
    pub(crate) fn names(engine: Engine) -> [&'static str; 2] {
        match engine {
            Engine::Postgres => ["postgres", "nobody"],
            Engine::Mysql | Engine::Mariadb => ["mysql", "nobody"],
        }
    }

    /// `None` when servers run as ourselves.
    pub(crate) fn drop_to(engine: Engine) -> Option<Self> {
        if !Uid::effective().is_root() {
            return None;
        }
        Self::names(engine).iter().find_map(|name| {
            let user = User::from_name(name).ok().flatten()?;
            Some(Self { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw() })
        })
    }
}

/// Where servers and what is kept between runs live: `REHEARSAL_CACHE_DIR`, else `/var/cache/rehearsal` for root
/// (a home folder that only root can enter is no place for a server that runs as somebody else), else the user's
/// cache folder by the XDG convention.
pub(crate) fn cache_folder() -> PathBuf {
    if let Some(folder) = std::env::var_os("REHEARSAL_CACHE_DIR").filter(|value| !value.is_empty()) {
        return PathBuf::from(folder);
    }
    if Uid::effective().is_root() {
        return PathBuf::from("/var/cache/rehearsal");
    }
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    std::env::var_os("XDG_CACHE_HOME")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
        .or_else(home)
        .unwrap_or_else(std::env::temp_dir)
        .join("rehearsal")
}

/// The folders below which there are folders of servers: the cache folder, and the volume that may be mounted in it.
pub(crate) fn roots() -> [PathBuf; 2] {
    [cache_folder(), volume_folder()]
}

/// Where a file system of our own is mounted, if there is one.
pub(crate) fn volume_folder() -> PathBuf {
    cache_folder().join("volume")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_its_label_says_so() {
        let owner = Owner::myself();
        assert!(owner.is_alive());
        assert_eq!(Owner::from_label(&owner.to_label()), Some(owner));
    }

    #[test]
    fn an_id_that_is_used_again_is_not_the_owner() {
        let mut owner = Owner::myself();
        owner.began = Some(1);
        assert!(!owner.is_alive());
    }

    #[test]
    fn a_process_that_ended_is_not_alive() {
        let mut child = std::process::Command::new("true").spawn().expect("true starts");
        let pid = i32::try_from(child.id()).expect("a process id");
        child.wait().expect("true ends");
        assert!(!Owner { pid, began: None, host: host() }.is_alive());
    }
}
