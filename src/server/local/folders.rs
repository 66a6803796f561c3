//! The folders of local servers: made for the user that the server runs as, and removed whatever happens.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::server::ServerError;
use crate::server::owner::{Owner, ServerUser, cache_folder};

/// How long files may appear in a folder that is being removed.
const REMOVE_LIMIT: Duration = Duration::from_secs(1);

/// The folders of one server: removed when dropped.
#[derive(Debug)]
pub(super) struct Folders {
    /// Has `owner.json`, `data` and `log`.
    pub(super) home: PathBuf,
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
    pub(super) fn create(user: Option<&ServerUser>, kept: bool) -> Result<Self, ServerError> {
        let root = servers_folder();
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
}

/// Where the folders of running servers are.
pub(in crate::server) fn servers_folder() -> PathBuf {
    cache_folder().join("servers")
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

fn make_folder(folder: &Path, user: Option<&ServerUser>) -> Result<(), ServerError> {
    fs::create_dir_all(folder).map_err(ServerError::file(folder))?;
    own(folder, user)
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
pub(super) fn remove_folder(folder: &Path) {
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

/// Copies a folder with all it holds. The system clones files where the file system can (`copy_file_range`).
pub(super) fn copy_folder(from: &Path, to: &Path, user: Option<&ServerUser>) -> Result<(), ServerError> {
    make_folder(to, user)?;
    for entry in fs::read_dir(from).map_err(ServerError::file(from))? {
        let entry = entry.map_err(ServerError::file(from))?;
        let target = to.join(entry.file_name());
        if entry.file_type().map_err(ServerError::file(from))?.is_dir() {
            copy_folder(&entry.path(), &target, user)?;
        } else {
            fs::copy(entry.path(), &target).map_err(ServerError::file(&target))?;
            own(&target, user)?;
        }
    }
    Ok(())
}
