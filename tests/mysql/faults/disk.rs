//! A disk that is full: while the data is grown, and while a migration copies it.

use std::path::PathBuf;
use std::process::Command;

use super::shop;
use crate::lab::Place;
use crate::sandbox::Sandbox;

/// A file system of its own in a sandbox, for the servers and what is kept.
struct Disk(PathBuf);

impl Disk {
    /// Makes the cache of a sandbox as small as this. Takes root, as the machine that runs the tests has it.
    fn of(sandbox: &Sandbox, megabytes: u32) -> Self {
        let cache = sandbox.path("cache");
        let fresh = std::fs::read_link(cache.join("fresh")).expect("it was linked");
        let size = format!("size={megabytes}m,mode=755");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&cache).output();
        let mount = mount.expect("mount is everywhere");
        assert!(mount.status.success(), "{}", String::from_utf8_lossy(&mount.stderr));
        std::os::unix::fs::symlink(fresh, cache.join("fresh")).expect("there is room for that");
        Self(cache)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// What a run on a full disk has to show for itself.
#[track_caller]
fn assert_full(sandbox: &Sandbox, code: i32) -> String {
    let ended = sandbox.rehearse().expect(code);
    eprintln!("{}\n---\n{}", ended.stdout, ended.stderr);
    sandbox.assert_clean();
    ended.stdout + &ended.stderr
}

#[test]
fn a_disk_that_is_full_while_a_table_is_grown() {
    let grown = "restore = \"staging.sql\"\n[[snapshot.table]]\nname = \"orders\"\nrows = 50_000_000\n";
    let sandbox = shop(Place::Local).replacing("scenario.toml", "restore = \"staging.sql\"\n", grown);
    let disk = Disk::of(&sandbox, 220);
    let said = assert_full(&sandbox, 3);
    assert!(said.contains("full"), "{said}");
    drop(disk);
}

#[test]
fn a_disk_that_is_full_while_a_table_is_copied() {
    let sandbox = shop(Place::Local);
    let disk = Disk::of(&sandbox, 220);
    let said = assert_full(&sandbox, 1);
    assert!(said.contains("full"), "{said}");
    drop(disk);
}
