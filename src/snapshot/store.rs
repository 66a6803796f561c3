//! Prepared snapshots: data folders that were filled once, kept, and cloned for every rehearsal that wishes the same data.
//!
//! An entry is a folder named by its digest, `data` and `entry.json` in it; the latter is written last, so a
//! folder without it is none. Entries are below the cache folder, or, where large ones would have to be copied, in a
//! volume that clones by reference.

mod digest;
mod limit;
pub(crate) mod lock;
mod sums;
pub(crate) mod volume;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{Listen, Prepared};
use crate::run::{Cloning, Millis, ServerFacts};
use crate::scenario::{Scenario, ServerWish, SnapshotWish};
use crate::server::clone::{Means, is_reflinked};
use crate::server::owner::{Owner, cache_folder, is_running, roots};
use crate::server::{DataFolder, Inside};
pub(crate) use digest::{is_copied_long, is_large};
pub use limit::LIMIT_VARIABLE;
use lock::Lock;
use sums::Sums;

/// From how many bytes on data is not copied for each rehearsal if there is another way.
const LARGE: u64 = 256 << 20;
/// What the name of a folder begins with that is not an entry yet, before the id of the process that makes it.
const MAKING: &str = "making-";

/// Why a prepared snapshot could not be kept or used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or folder of the store, or a dump.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A limit that is none.
    #[error("{LIMIT_VARIABLE} is `{0}`: write a size, as in `50GB`")]
    Limit(String),
}

impl StoreError {
    fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |source| Self::File { path, source }
    }
}

/// Where entries are, and the servers that run on clones of them.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    /// Has `snapshots` and `servers`: all that is cloned stays on one file system.
    pub(crate) root: PathBuf,
    is_volume: bool,
}

/// What is known of an entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The scenario that it was made for: its title.
    pub title: String,
    /// The server that filled it.
    pub server: ServerFacts,
    /// When it was made.
    pub made: SystemTime,
    /// How long that took.
    pub took: Millis,
    /// Bytes that it takes on the disk.
    pub bytes: u64,
    /// What the data is.
    pub(crate) prepared: Prepared,
    /// What a container takes to run on it.
    pub(crate) inside: Option<Inside>,
}

/// A prepared snapshot.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What names it: hexadecimal.
    pub digest: String,
    /// Where it is.
    pub folder: PathBuf,
    /// What is known of it.
    pub about: About,
    /// When it was last used, or made.
    pub used: SystemTime,
}

impl Entry {
    /// The data, for a server to get a clone of.
    pub(crate) fn data(&self) -> DataFolder {
        DataFolder { path: self.folder.join("data"), inside: self.about.inside.clone() }
    }

    /// As it is shown to people and taken from them.
    pub fn short(&self) -> &str {
        &self.digest[..12]
    }

    fn read(folder: PathBuf) -> Option<Self> {
        let digest = folder.file_name()?.to_str()?.to_owned();
        let about = fs::read(folder.join("entry.json")).ok()?;
        let about = serde_json::from_slice(&about).ok()?;
        let used = fs::metadata(folder.join("used")).and_then(|used| used.modified());
        let used = used.or_else(|_| fs::metadata(folder.join("entry.json"))?.modified()).ok()?;
        (digest.len() == 64).then_some(Self { digest, folder, about, used })
    }
}

/// An entry that is being made: removed when dropped, unless it was [finished](Making::finish).
#[derive(Debug)]
pub(crate) struct Making {
    folder: PathBuf,
}

impl Drop for Making {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Making {
    /// Where the data folder is to be moved to.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Makes it an entry. The lock of the digest must be held alone.
    pub(crate) fn finish(self, store: &Store, digest: &str, mut about: About) -> Result<Entry, StoreError> {
        about.bytes = allocated(&self.folder);
        let path = self.folder.join("entry.json");
        let write = || -> std::io::Result<()> {
            let file = private(&path)?;
            serde_json::to_writer(&file, &about)?;
            file.sync_all()
        };
        write().map_err(StoreError::file(&path))?;
        let folder = store.folder(digest);
        if folder.exists() {
            // What is there is no entry, or it would have been used.
            fs::remove_dir_all(&folder).map_err(StoreError::file(&folder))?;
        }
        fs::rename(&self.folder, &folder).map_err(StoreError::file(&folder))?;
        let used = about.made;
        Ok(Entry { digest: digest.to_owned(), folder, about, used })
    }
}

impl Store {
    /// The store for data of about this size: the best there is here. A volume is made for large data, and then used for
    /// all.
    pub(crate) fn for_wish(wish: &SnapshotWish) -> Result<Self, StoreError> {
        let root = cache_folder();
        Self::at(root.clone(), false)?;
        if is_reflinked(&root) {
            return Self::at(root, false);
        }
        let volume = if is_copied_long(wish) {
            let opened = volume::open();
            opened.inspect_err(|reason| tracing::debug!(%reason, "large data is copied for each rehearsal")).ok()
        } else {
            volume::open_if_made()
        };
        volume.map_or_else(|| Self::at(root, false), |volume| Self::at(volume, true))
    }

    fn at(root: PathBuf, is_volume: bool) -> Result<Self, StoreError> {
        let snapshots = root.join("snapshots");
        fs::create_dir_all(&snapshots).map_err(StoreError::file(&snapshots))?;
        Ok(Self { root, is_volume })
    }

    /// The store that has the entry of a digest: this one, or another of this machine.
    pub(crate) fn having(self, digest: &str) -> Self {
        if self.get(digest).is_some() || !self.is_volume {
            return self;
        }
        let other = Self { root: cache_folder(), is_volume: false };
        if other.get(digest).is_some() { other } else { self }
    }

    /// The digest of a wish, if there is one. Reads the dumps that are not remembered, and tells how far that is.
    pub(crate) fn digest(
        identity: &str,
        server: &ServerWish,
        wish: &SnapshotWish,
        listen: Listen<'_>,
    ) -> Result<Option<String>, StoreError> {
        let mut sums = Sums::load(cache_folder().join("snapshots").join("sums.json"), listen);
        let digest = digest::digest(identity, server, wish, &mut sums);
        sums.save();
        digest.map_err(|(path, source)| StoreError::File { path, source })
    }

    /// The entry of a digest, if there is one.
    pub(crate) fn get(&self, digest: &str) -> Option<Entry> {
        Entry::read(self.folder(digest))
    }

    /// The entry of a digest, locked against removal; `None` too while another run is making it.
    pub(crate) fn get_locked(&self, digest: &str) -> Result<Option<(Entry, Lock)>, StoreError> {
        if self.get(digest).is_none() {
            return Ok(None);
        }
        let path = self.lock_path(digest);
        let lock = Lock::try_shared(&path).map_err(StoreError::file(&path))?;
        Ok(lock.and_then(|lock| Some((self.get(digest)?, lock))))
    }

    /// Waits for the lock of a digest. `waiting` is called once if another run has it.
    pub(crate) async fn lock(&self, digest: &str, waiting: impl FnOnce()) -> Result<Lock, StoreError> {
        let path = self.lock_path(digest);
        Lock::alone(&path, waiting).await.map_err(StoreError::file(&path))
    }

    /// A folder for a new entry.
    pub(crate) fn begin(&self) -> Result<Making, StoreError> {
        let root = self.root.join("snapshots");
        let prefix = format!("{MAKING}{}-", std::process::id());
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(&root).map_err(StoreError::file(&root))?;
        Ok(Making { folder: folder.keep() })
    }

    /// Notes that an entry was used, and how it was cloned.
    pub(crate) fn used(&self, entry: &Entry, means: Means) -> Cloning {
        let path = entry.folder.join("used");
        if let Err(error) = File::create(&path).and_then(|file| file.set_modified(SystemTime::now())) {
            tracing::debug!(path = %path.display(), %error, "when a snapshot was used is not remembered");
        }
        match means {
            Means::Copy => Cloning::Copy,
            Means::Reflink if self.is_volume => Cloning::ReflinkVolume,
            Means::Reflink => Cloning::Reflink,
        }
    }

    fn folder(&self, digest: &str) -> PathBuf {
        self.root.join("snapshots").join(digest)
    }

    fn lock_path(&self, digest: &str) -> PathBuf {
        self.root.join("snapshots").join(format!("{digest}.lock"))
    }
}

/// What is written into an entry beside its data.
pub(crate) fn about(scenario: &Scenario, server: ServerFacts, prepared: Prepared, took: Millis) -> About {
    let title = scenario.title.clone();
    About { title, server, made: SystemTime::now(), took, bytes: 0, prepared, inside: None }
}

/// Every entry of this machine, the one used last first.
pub fn list() -> Vec<Entry> {
    mount();
    let folders = roots().into_iter().filter_map(|root| fs::read_dir(root.join("snapshots")).ok()).flatten();
    let mut entries: Vec<Entry> = folders.flatten().filter_map(|folder| Entry::read(folder.path())).collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.used));
    entries
}

/// Removes an entry, unless a run is using it.
pub fn remove(entry: &Entry) -> Result<bool, StoreError> {
    let path = entry.folder.with_extension("lock");
    let Some(lock) = Lock::try_alone(&path).map_err(StoreError::file(&path))? else { return Ok(false) };
    // First what makes it an entry: half a data folder must not be taken for a whole one.
    let about = entry.folder.join("entry.json");
    fs::remove_file(&about).map_err(StoreError::file(&about))?;
    fs::remove_dir_all(&entry.folder).map_err(StoreError::file(&entry.folder))?;
    lock.retire();
    Ok(true)
}

/// Mounts the file system that entries may be in, if there is one, so that what is in it is seen.
pub(crate) fn mount() {
    let _ = volume::open_if_made();
}

/// Unmounts and removes the file system that entries may be in; `false` when it is in use.
pub fn remove_volume() -> bool {
    volume::remove()
}

/// By which means large data is cloned here, and what would make it faster, for `rehearsal doctor`.
pub fn describe() -> String {
    let root = cache_folder();
    // The nearest folder that is there tells what the file system can do.
    let there = root.ancestors().find(|folder| folder.is_dir()).unwrap_or(&root);
    if is_reflinked(there) {
        return format!("reflink, which the file system of {} has", root.display());
    }
    match volume::possible() {
        Ok(()) => "reflink, in an XFS file system of our own (unless mounting is refused to us)".to_owned(),
        Err(reason) => format!(
            "copied file by file: the file system of {} has no reflinks, and one of our own cannot be had, since {reason}\n    \
             faster: REHEARSAL_CACHE_DIR on XFS (reflink=1), btrfs or APFS",
            root.display()
        ),
    }
}

/// How many bytes all entries may take together.
pub(crate) fn limit() -> Result<u64, StoreError> {
    limit::from_environment()
}

/// Removes the least recently used entries until all are within a limit, but `but`. Returns those that were removed.
pub(crate) fn keep_within(limit: u64, but: &Entry) -> Result<Vec<Entry>, StoreError> {
    let mut removed = Vec::new();
    for entry in limit::beyond(list(), limit, &but.digest) {
        if remove(&entry)? {
            removed.push(entry);
        }
    }
    if !removed.is_empty() {
        volume::trim();
    }
    Ok(removed)
}

/// Removes what runs left that were killed while they made or removed an entry. Returns what was removed, a line each.
pub(crate) fn sweep() -> Vec<String> {
    let folders = roots().into_iter().filter_map(|root| fs::read_dir(root.join("snapshots")).ok()).flatten();
    let mut removed = Vec::new();
    for folder in folders.flatten().map(|folder| folder.path()) {
        let Some(name) = folder.file_name().and_then(|name| name.to_str()) else { continue };
        if let Some(rest) = name.strip_prefix(MAKING) {
            let maker = rest.split('-').next().and_then(|pid| pid.parse::<i32>().ok());
            if maker.is_some_and(|pid| pid != Owner::myself().pid && !is_running(pid))
                && fs::remove_dir_all(&folder).is_ok()
            {
                removed.push(format!("half of a prepared snapshot in {}", folder.display()));
            }
        } else if let Some(digest) = name.strip_suffix(".lock") {
            let entry = folder.with_file_name(digest);
            if Entry::read(entry.clone()).is_none()
                && let Ok(Some(lock)) = Lock::try_alone(&folder)
            {
                if fs::remove_dir_all(&entry).is_ok() {
                    removed.push(format!("half of a prepared snapshot in {}", entry.display()));
                }
                lock.retire();
            }
        }
    }
    removed
}

/// A new file that only its owner may read.
fn private(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// The bytes that a folder takes on the disk, its holes left out.
fn allocated(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(about) if about.is_dir() => allocated(&entry.path()),
        Ok(about) => about.blocks() * 512,
        Err(_) => 0,
    });
    sizes.sum()
}
