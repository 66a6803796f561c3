//! The check sums of dumps, remembered so that a large one is not read for every rehearsal.
//!
//! A sum is believed while the file is the same to the file system: size, time of its last change, inode and device. One
//! that was changed a moment before it was read is not remembered, since a second change could bear the same time.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::snapshot::{Listen, Progress, Work};

/// How old a change must be to be told from the next: the coarsest file systems count in two seconds.
const SETTLED: Duration = Duration::from_secs(3);

/// The sums that are known, by the absolute path of the file.
pub(super) struct Sums<'a> {
    path: PathBuf,
    known: BTreeMap<PathBuf, Known>,
    is_changed: bool,
    listen: Listen<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    inode: u64,
    device: u64,
    sha256: String,
}

impl<'a> Sums<'a> {
    /// Reads what is remembered in a file; nothing where it cannot be read. Whoever listens is told how far each sum is.
    pub(super) fn load(path: PathBuf, listen: Listen<'a>) -> Self {
        let known = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Self { path, known, is_changed: false, listen }
    }

    /// The sum of a file, or of a folder: of the names and the sums of all that it holds.
    pub(super) fn of(&mut self, path: &Path) -> io::Result<String> {
        let path = path.canonicalize()?;
        let about = fs::metadata(&path)?;
        if about.is_dir() { self.of_folder(&path) } else { self.of_file(path, &about) }
    }

    fn of_folder(&mut self, folder: &Path) -> io::Result<String> {
        let mut entries: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        let mut sum = Sha256::new();
        for entry in entries {
            let name = entry.file_name();
            let name = name.as_encoded_bytes();
            sum.update((name.len() as u64).to_le_bytes());
            sum.update(name);
            sum.update(self.of(&entry.path())?);
        }
        Ok(format!("{:x}", sum.finalize()))
    }

    fn of_file(&mut self, path: PathBuf, about: &Metadata) -> io::Result<String> {
        if let Some(known) = self.known.get(&path)
            && *known == Known::new(about, known.sha256.clone())
        {
            return Ok(known.sha256.clone());
        }
        let sha256 = self.read(&path, about.len())?;
        let age = about.modified().ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
        if age.is_some_and(|age| age > SETTLED) {
            self.known.insert(path, Known::new(about, sha256.clone()));
            self.is_changed = true;
        }
        Ok(sha256)
    }

    fn read(&self, file: &Path, total: u64) -> io::Result<String> {
        let mut opened = File::open(file)?;
        let (mut sum, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
        loop {
            match opened.read(&mut buffer)? {
                0 => return Ok(format!("{:x}", sum.finalize())),
                count => sum.update(&buffer[..count]),
            }
            let done = opened.stream_position()?;
            (self.listen)(Progress::Bytes { work: Work::Check, file, done, total: Some(total) });
        }
    }

    /// Writes down what was learnt. It is only remembered: where it cannot be written, it is learnt again.
    pub(super) fn save(mut self) {
        if !self.is_changed {
            return;
        }
        self.known.retain(|path, _| path.exists());
        let Some(folder) = self.path.parent() else { return };
        let write = || -> io::Result<()> {
            fs::create_dir_all(folder)?;
            let file = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer(&file, &self.known)?;
            file.persist(&self.path)?;
            Ok(())
        };
        if let Err(error) = write() {
            tracing::debug!(path = %self.path.display(), %error, "check sums are not remembered");
        }
    }
}

impl Known {
    fn new(about: &Metadata, sha256: String) -> Self {
        Self {
            size: about.len(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
            inode: about.ino(),
            device: about.dev(),
            sha256,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set_age(path: &Path, seconds: u64) {
        let time = SystemTime::now() - Duration::from_secs(seconds);
        File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }

    #[test]
    fn a_file_that_has_settled_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let (dump, sums) = (folder.path().join("dump"), folder.path().join("sums.json"));
        fs::write(&dump, "one").unwrap();
        set_age(&dump, 60);
        let mut first = Sums::load(sums.clone(), &|_| ());
        let sum = first.of(&dump).unwrap();
        first.save();
        let mut second = Sums::load(sums, &|_| ());
        assert_eq!(second.of(&dump).unwrap(), sum);
        assert!(!second.is_changed);
        fs::write(&dump, "two").unwrap();
        set_age(&dump, 30);
        assert_ne!(second.of(&dump).unwrap(), sum);
    }

    #[test]
    fn a_file_that_was_changed_just_now_is_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let dump = folder.path().join("dump");
        fs::write(&dump, "one").unwrap();
        let mut sums = Sums::load(folder.path().join("sums.json"), &|_| ());
        sums.of(&dump).unwrap();
        assert!(!sums.is_changed);
    }

    #[test]
    fn a_folder_has_the_sum_of_its_names_and_files() {
        let folder = tempfile::tempdir().unwrap();
        let mut sums = Sums::load(folder.path().join("sums.json"), &|_| ());
        let dump = folder.path().join("dump");
        fs::create_dir(&dump).unwrap();
        fs::write(dump.join("a"), "1").unwrap();
        let before = sums.of(&dump).unwrap();
        fs::rename(dump.join("a"), dump.join("b")).unwrap();
        let renamed = sums.of(&dump).unwrap();
        fs::write(dump.join("b"), "2").unwrap();
        let rewritten = sums.of(&dump).unwrap();
        assert!(before != renamed && renamed != rewritten, "{before} {renamed} {rewritten}");
    }
}
