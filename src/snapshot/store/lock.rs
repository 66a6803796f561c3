//! One run at a time makes, replaces or removes a prepared snapshot; many may clone it.
//!
//! The lock is the kernel's (`flock`): it is gone with the process that had it, however that ended. Its file is removed
//! with the snapshot, so whoever gets a lock looks whether the file is still the one of that name.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a lock is tried for that another run has.
const TRY_INTERVAL: Duration = Duration::from_millis(50);

/// A lock that is held until this is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Holds a lock with others that share it, unless one has it alone.
    pub(crate) fn try_shared(path: &Path) -> io::Result<Option<Self>> {
        Self::attempt(path, File::try_lock_shared)
    }

    /// Holds a lock alone, unless somebody has it.
    pub(crate) fn try_alone(path: &Path) -> io::Result<Option<Self>> {
        Self::attempt(path, File::try_lock)
    }

    /// Waits until it holds a lock alone. `waiting` is called once if others have it.
    pub(crate) async fn alone(path: &Path, waiting: impl FnOnce()) -> io::Result<Self> {
        let mut waiting = Some(waiting);
        loop {
            if let Some(lock) = Self::try_alone(path)? {
                return Ok(lock);
            }
            if let Some(waiting) = waiting.take() {
                waiting();
            }
            tokio::time::sleep(TRY_INTERVAL).await;
        }
    }

    /// Removes the file of a lock that is held alone.
    pub(crate) fn retire(self) {
        let _ = std::fs::remove_file(&self.path);
    }

    fn attempt(path: &Path, lock: impl Fn(&File) -> Result<(), TryLockError>) -> io::Result<Option<Self>> {
        loop {
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
            match lock(&file) {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            let (ours, named) = (file.metadata()?.ino(), std::fs::metadata(path).map(|about| about.ino()).ok());
            if named == Some(ours) {
                return Ok(Some(Self { path: path.to_path_buf(), _file: file }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_share_it_or_one_has_it_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        let first = Lock::try_shared(&path).unwrap();
        let second = Lock::try_shared(&path).unwrap();
        assert!(first.is_some() && second.is_some());
        assert!(Lock::try_alone(&path).unwrap().is_none());
        drop((first, second));
        let alone = Lock::try_alone(&path).unwrap();
        assert!(alone.is_some() && Lock::try_shared(&path).unwrap().is_none());
    }

    #[test]
    fn a_file_that_was_removed_meanwhile_locks_nobody_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        let old = Lock::try_alone(&path).unwrap().unwrap();
        std::fs::remove_file(&path).unwrap();
        let new = Lock::try_alone(&path).unwrap().expect("its name is free");
        drop(old);
        assert!(Lock::try_alone(&path).unwrap().is_none(), "the new one is held");
        new.retire();
        assert!(!path.exists());
    }
}
