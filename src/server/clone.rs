//! Cloning a folder with all it holds: by reference where the file system can (XFS, btrfs, APFS), else byte by byte.

use std::fs::{self, Metadata};
use std::path::Path;

use std::os::unix::fs::{MetadataExt, chown};

use nix::unistd::Uid;

use super::ServerError;

/// By which means a folder was cloned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Means {
    /// Every file shares its blocks with the original until one of them is written.
    Reflink,
    /// Files were copied, some of them at least.
    Copy,
}

/// Clones a folder to a place that is free: the same bytes, modes and (for root) owners.
///
/// What is neither a file nor a folder is an error: a link would lead both to the same bytes, and a data folder that was
/// left properly has no socket.
pub(crate) fn clone_folder(from: &Path, to: &Path) -> Result<Means, ServerError> {
    let about = fs::metadata(from).map_err(ServerError::file(from))?;
    fs::create_dir(to).map_err(ServerError::file(to))?;
    let mut means = Means::Reflink;
    for entry in fs::read_dir(from).map_err(ServerError::file(from))? {
        let entry = entry.map_err(ServerError::file(from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let about = entry.metadata().map_err(ServerError::file(&source))?;
        let done = if about.is_dir() {
            clone_folder(&source, &target)?
        } else if about.is_file() {
            // `Some` is the number of bytes that had to be copied.
            let copied = reflink_copy::reflink_or_copy(&source, &target).map_err(ServerError::file(&target))?;
            give(&target, &about)?;
            if copied.is_some() { Means::Copy } else { Means::Reflink }
        } else {
            return Err(ServerError::file(&source)(std::io::Error::other("neither a file nor a folder")));
        };
        if done == Means::Copy {
            means = Means::Copy;
        }
    }
    // Last, since a folder need not be one that its owner may write into.
    give(to, &about)?;
    Ok(means)
}

/// Whether files in a folder are cloned by reference.
pub(crate) fn is_reflinked(folder: &Path) -> bool {
    let Ok(probe) = tempfile::Builder::new().prefix("probe-").tempdir_in(folder) else { return false };
    let (from, to) = (probe.path().join("from"), probe.path().join("to"));
    fs::write(&from, [0; 4096]).is_ok() && reflink_copy::reflink(&from, &to).is_ok()
}

/// Gives a file the owner (where we may) and the mode of another.
fn give(path: &Path, like: &Metadata) -> Result<(), ServerError> {
    if Uid::effective().is_root() {
        chown(path, Some(like.uid()), Some(like.gid())).map_err(ServerError::file(path))?;
    }
    fs::set_permissions(path, like.permissions()).map_err(ServerError::file(path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_clone_has_the_same_bytes_and_modes() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("from"), root.path().join("to"));
        fs::create_dir_all(from.join("base/1")).unwrap();
        fs::write(from.join("base/1/2619"), [7; 9000]).unwrap();
        fs::write(from.join("empty"), []).unwrap();
        fs::set_permissions(from.join("empty"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(from.join("base"), fs::Permissions::from_mode(0o500)).unwrap();
        let means = clone_folder(&from, &to).unwrap();
        assert_eq!(means == Means::Reflink, is_reflinked(root.path()));
        assert_eq!(fs::read(to.join("base/1/2619")).unwrap(), [7; 9000]);
        let mode = |path: &str| fs::metadata(to.join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("empty"), mode("base")), (0o600, 0o500));
    }

    #[test]
    fn a_link_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let from = root.path().join("from");
        fs::create_dir(&from).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", from.join("link")).unwrap();
        let error = clone_folder(&from, &root.path().join("to")).unwrap_err();
        assert!(error.to_string().contains("link: neither"), "{error}");
    }
}
