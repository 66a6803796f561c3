//! The folders of local servers: made for the user that the server runs as, and removed whatever happens.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::server::ServerError;
use crate::server::clone::{Means, clone_folder};
use crate::server::owner::{Owner, ServerUser};

/// How long files may appear in a folder that is being removed.
const REMOVE_LIMIT: Duration = Duration::from_secs(1);

/// The folders of one server: removed when dropped.
#[derive(Debug)]
pub(in crate::server) struct Folders {
    /// Has `owner.json`, `data` and `log`.
    pub(in crate::server) home: PathBuf,
    /// Has the socket: in the temporary folder, since a socket's path must be shorter than 108 bytes.
    pub(super) socket: PathBuf,
}

impl Drop for Folders {
    fn drop(&mut self) {
        for folder in [&self.socket, &self.home] {
            remove_folder(folder);
        }
    }
}

impl Folders {
    /// Makes them, with the owner's name beside the data. `kept` is for whoever sweeps.
    pub(in crate::server) fn create(root: &Path, user: Option<&ServerUser>, kept: bool) -> Result<Self, ServerError> {
        let root = servers_folder(root);
        fs::create_dir_all(&root).map_err(ServerError::file(&root))?;
        let home = new_folder(&root)?;
        let socket = tempfile::Builder::new().prefix("rehearsal-").tempdir();
        let socket = socket.map_err(ServerError::file(&std::env::temp_dir()))?.keep();
        let folders = Self { home, socket };
        own(&folders.home, user)?;
        own(&folders.socket, user)?;
        let owner = folders.home.join("owner.json");
        let record = serde_json::json!({ "owner": Owner::myself(), "socket": folders.socket, "kept": kept });
        fs::write(&owner, record.to_string()).map_err(ServerError::file(&owner))?;
        Ok(folders)
    }

    /// Makes the data folder a clone of one that was kept. What had to be copied is on the disk when this returns: it would
    /// be in the way of what is measured.
    pub(in crate::server) async fn clone_data(&self, kept: &Path) -> Result<(Means, Duration), ServerError> {
        let began = Instant::now();
        let (from, to, home) = (kept.to_path_buf(), self.home.join("data"), self.home.clone());
        let clone = move || {
            let means = clone_folder(&from, &to)?;
            flush(&home).map_err(ServerError::file(&home))?;
            Ok::<Means, ServerError>(means)
        };
        let cloned = tokio::task::spawn_blocking(clone).await;
        let means = cloned.map_err(|error| ServerError::file(&self.home)(std::io::Error::other(error)))??;
        tracing::debug!(?means, took = ?began.elapsed(), "cloned a data folder");
        Ok((means, began.elapsed()))
    }
}

/// Waits until everything that was written to the file system of a folder is on the disk.
pub(super) fn flush(folder: &Path) -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    nix::unistd::syncfs(fs::File::open(folder)?)?;
    #[cfg(not(target_os = "linux"))]
    {
        let _ = folder;
        nix::unistd::sync();
    }
    Ok(())
}

/// Where the folders of running servers are, below the cache folder or another root.
pub(in crate::server) fn servers_folder(root: &Path) -> PathBuf {
    root.join("servers")
}

/// A folder that begins with our process id, by which [`sweep`](crate::server::sweep) knows it before it has an owner. A
/// server that was kept may have one of the same name, from a process that had our id before.
fn new_folder(root: &Path) -> Result<PathBuf, ServerError> {
    let pid = std::process::id();
    for count in 0_u32.. {
        let folder = root.join(format!("{pid}-{count}"));
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(ServerError::file(&folder)(error)),
        }
    }
    unreachable!("a folder has a name that is free")
}

/// Gives a file or folder to the server's user, and to nobody else.
pub(in crate::server) fn own(path: &Path, user: Option<&ServerUser>) -> Result<(), ServerError> {
    if let Some(user) = user {
        chown(path, Some(user.uid), Some(user.gid)).map_err(ServerError::file(path))?;
    }
    if path.is_dir() {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(ServerError::file(path))?;
    }
    Ok(())
}

/// Removes a folder with all it holds. Processes that were killed a moment ago may still put files into it.
pub(in crate::server) fn remove_folder(folder: &Path) {
    let began = Instant::now();
    while let Err(error) = fs::remove_dir_all(folder) {
        if error.kind() == std::io::ErrorKind::NotFound {
            return;
        }
        if began.elapsed() > REMOVE_LIMIT {
            tracing::warn!(folder = %folder.display(), %error, "a folder of a scratch server could not be removed");
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
