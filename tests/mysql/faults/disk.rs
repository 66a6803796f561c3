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

/// A shop whose server needs little room, and a disk for it.
fn on_a_small_disk(rows: u32) -> (Sandbox, Disk) {
    let settings = "settings = { innodb_log_file_size = \"16M\" }\nprovider =";
    let grown = format!("restore = \"staging.sql\"\n[[snapshot.table]]\nname = \"orders\"\nrows = {rows}\n");
    let sandbox = shop(Place::Local).replacing("scenario.toml", "provider =", settings).replacing(
        "scenario.toml",
        "restore = \"staging.sql\"\n",
        &grown,
    );
    let disk = Disk::of(&sandbox, 280);
    (sandbox, disk)
}

#[test]
fn a_disk_that_is_full_while_a_table_is_grown() {
    let (sandbox, _disk) = on_a_small_disk(50_000_000);
    let ended = sandbox.rehearse().expect(3);
    assert_eq!(ended.stderr.matches("rror: ").count(), 1, "{}", ended.stderr);
    assert!(ended.error().contains("orders"), "{}", ended.stderr);
    assert!(ended.error().contains("full"), "{}", ended.stderr);
    sandbox.assert_clean();
}

#[test]
fn a_disk_that_is_full_while_a_table_is_copied() {
    let (sandbox, _disk) = on_a_small_disk(20_000);
    let sandbox = sandbox.with(
        "migrations/002_copy.sql",
        "ALTER TABLE orders ADD COLUMN big longtext AS (repeat('x', 20000)) STORED;\n",
    );
    let ended = sandbox.rehearse().expect(3);
    assert_eq!(ended.stderr.matches("rror: ").count(), 1, "{}", ended.stderr);
    assert!(
        ended.error().starts_with("error: the disk of the scratch server is full: make room on "),
        "{}",
        ended.stderr
    );
    assert!(!ended.stdout.contains("error[migration-failed]"), "{}", ended.stdout);
    let record = sandbox.record();
    assert!(record["completion"]["failed"].as_str().is_some_and(|why| why.contains("full")));
    assert_eq!(record["migrations"][0]["status"], "applied");
    assert_eq!(record["migrations"][1]["statements"][0]["status"], "error", "{record:#}");
    sandbox.assert_clean();
}
