//! A file system of our own, where that of the cache folder cannot clone by reference: XFS in a file.
//!
//! Takes Linux, root, `mkfs.xfs`, `losetup` and `mount`. The file is sparse, and its loop device reads and writes it
//! directly: a buffered one caches everything twice, and distorts by a factor of two what is measured on it. The device is
//! marked to go with its mount, so a mount is all there is to undo.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::unistd::Uid;

use crate::server::owner::{cache_folder, volume_folder};
use crate::snapshot::store::lock::Lock;

/// How many bytes the file may grow to, as a share of what is free when it is made.
const SHARE: f64 = 0.9;
/// Below this, XFS cannot be made, or nothing large fits in.
const LEAST: u64 = 1 << 30;
/// What it takes.
const PROGRAMS: [&str; 3] = ["mkfs.xfs", "losetup", "mount"];

/// Mounts the volume, which is made if there is none yet, and says where.
///
/// # Errors
/// Why there cannot be one here, in words.
pub(crate) fn open() -> Result<PathBuf, String> {
    possible()?;
    let (cache, folder, file) = (cache_folder(), volume_folder(), file());
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let lock = Lock::try_alone(&cache.join("volume.lock"));
    let lock = match lock {
        Ok(Some(lock)) => lock,
        // Whoever has it is about to mount it: that is waited for.
        Ok(None) => waited(&cache.join("volume.lock"))?,
        Err(error) => return Err(format!("{}: {error}", cache.display())),
    };
    if !is_mounted(&folder) {
        if !file.exists() {
            make(&file)?;
        }
        mount(&file, &folder)?;
    }
    drop(lock);
    Ok(folder)
}

/// Mounts the volume if it was made before, so that what is in it can be seen; says where.
pub(crate) fn open_if_made() -> Option<PathBuf> {
    if is_mounted(&volume_folder()) {
        return Some(volume_folder());
    }
    if file().exists() { open().ok() } else { None }
}

/// Unmounts the volume and removes its file; `false` when it is in use.
pub(crate) fn remove() -> bool {
    let folder = volume_folder();
    if is_mounted(&folder) && run("umount", &[folder.as_os_str()]).is_err() {
        return false;
    }
    let _ = fs::remove_file(file());
    let _ = fs::remove_dir(&folder);
    let _ = fs::remove_file(cache_folder().join("volume.lock"));
    true
}

/// Gives the disk back what was freed in the volume.
pub(crate) fn trim() {
    if is_mounted(&volume_folder())
        && let Err(error) = run("fstrim", &[volume_folder().as_os_str()])
    {
        tracing::debug!(%error, "what was freed in the volume stays taken on the disk");
    }
}

/// Whether there can be one here.
///
/// # Errors
/// What is in the way, and what to do, in words.
pub(crate) fn possible() -> Result<(), String> {
    if !cfg!(target_os = "linux") {
        return Err("this is not Linux".to_owned());
    }
    if !Uid::effective().is_root() {
        return Err("it takes root to mount a file system".to_owned());
    }
    let lacking: Vec<&str> = PROGRAMS.into_iter().filter(|name| program(name).is_none()).collect();
    if lacking.is_empty() {
        return Ok(());
    }
    Err(format!("{} is not there (Debian: apt-get install xfsprogs mount)", lacking.join(", ")))
}

/// Whether something is mounted on a folder: it is then on another device than the one that it is in.
pub(crate) fn is_mounted(folder: &Path) -> bool {
    let device = |path: &Path| fs::metadata(path).map(|about| about.dev()).ok();
    match (device(folder), folder.parent().and_then(device)) {
        (Some(inside), Some(outside)) => inside != outside,
        _ => false,
    }
}

fn file() -> PathBuf {
    cache_folder().join("volume.xfs")
}

fn waited(path: &Path) -> Result<Lock, String> {
    for _ in 0..600 {
        std::thread::sleep(std::time::Duration::from_millis(50));
        if let Some(lock) = Lock::try_alone(path).map_err(|error| error.to_string())? {
            return Ok(lock);
        }
    }
    Err(format!("{} is held by another run", path.display()))
}

fn make(file: &Path) -> Result<(), String> {
    let folder = file.parent().unwrap_or(file);
    let free = nix::sys::statvfs::statvfs(folder).map_err(|error| error.to_string())?;
    let free = free.blocks_available() as f64 * free.fragment_size() as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes of a disk")]
    let size = (free * SHARE) as u64;
    if size < LEAST {
        return Err(format!("{} has less than 1 GB free", folder.display()));
    }
    let making = file.with_extension("making");
    let failed = |error: std::io::Error| format!("{}: {error}", making.display());
    let new = File::create(&making).map_err(failed)?;
    new.set_len(size).map_err(failed)?;
    let made =
        run("mkfs.xfs", &["-q".as_ref(), "-f".as_ref(), "-m".as_ref(), "reflink=1".as_ref(), making.as_os_str()]);
    let made = made.and_then(|_| fs::rename(&making, file).map_err(failed));
    if made.is_err() {
        let _ = fs::remove_file(&making);
    }
    made
}

fn mount(file: &Path, folder: &Path) -> Result<(), String> {
    let options = ["--find", "--show", "--direct-io=on"];
    let arguments: Vec<_> = options.iter().map(std::ffi::OsStr::new).chain([file.as_os_str()]).collect();
    let device = run("losetup", &arguments)?;
    let device = device.trim().to_owned();
    let mounted = run(
        "mount",
        &["-t".as_ref(), "xfs".as_ref(), "-o".as_ref(), "noatime".as_ref(), device.as_ref(), folder.as_os_str()],
    );
    // Of a device that is mounted, this says only that it is to go with the mount.
    let _ = run("losetup", &["--detach".as_ref(), device.as_ref()]);
    mounted?;
    // Those that servers run as must come through to the folders that are theirs.
    let open = fs::set_permissions(folder, fs::Permissions::from_mode(0o755));
    open.map_err(|error| format!("{}: {error}", folder.display()))
}

fn program(name: &str) -> Option<PathBuf> {
    // Not every PATH has the folders of an administrator's programs.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Runs a program; its standard output, or what it said against it.
fn run(name: &str, arguments: &[&std::ffi::OsStr]) -> Result<String, String> {
    let path = program(name).ok_or_else(|| format!("{name} is not there"))?;
    let output = Command::new(path).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{name}: {}", said.lines().next().unwrap_or("failed")))
}
