//! Dumps as files of the real packers: whole, cut short and with a changed bit. What is found here is an error of every engine's
//! restore, which reads a dump to its end.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use super::*;

/// A file in a folder, and what it holds once it is unpacked.
struct Packed {
    _folder: tempfile::TempDir,
    path: PathBuf,
    text: Vec<u8>,
}

impl Packed {
    /// By a program that packs what its last argument names; as it is by `cat`.
    fn by(packer: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (text, path) = (folder.path().join("text"), folder.path().join("packed"));
        let rows = (0..6000_u32).fold(String::new(), |mut text, n| {
            writeln!(text, "{n}\t{:08x}\tan order", n.wrapping_mul(2_654_435_761)).unwrap();
            text
        });
        std::fs::write(&text, &rows).unwrap();
        let output = Command::new(packer[0]).args(&packer[1..]).arg(&text).output();
        std::fs::write(&path, output.unwrap_or_else(|error| panic!("{packer:?}: {error}")).stdout).unwrap();
        Self { _folder: folder, path, text: rows.into_bytes() }
    }

    async fn read(&self, sha256: Option<String>) -> Result<Vec<u8>, DumpError> {
        let mut text = Vec::new();
        open(&Dump { from: DumpSource::File(self.path.clone()), sha256 })
            .await?
            .reader
            .read_to_end(&mut text)
            .map_err(DumpError::of)?;
        Ok(text)
    }

    /// Cuts it at 20 places and changes 20 bits, one at a time: reading it is an error, or gives what was packed.
    async fn assert_never_silent(&self, sha256: Option<&str>) {
        let whole = std::fs::read(&self.path).unwrap();
        let read = async || self.read(sha256.map(str::to_owned)).await;
        assert_eq!(read().await.unwrap(), self.text);
        let mut errors = 0;
        for nth in 1..=20 {
            let cut = if nth == 20 { whole.len() - 1 } else { whole.len() * nth / 20 };
            std::fs::write(&self.path, &whole[..cut]).unwrap();
            assert!(read().await.is_err(), "cut at {cut}");
            let mut changed = whole.clone();
            changed[whole.len() * (2 * nth + 1) / 42] ^= 1 << (nth % 8);
            std::fs::write(&self.path, &changed).unwrap();
            match read().await {
                Ok(text) => assert!(text == self.text, "changed, {nth}"),
                Err(_) => errors += 1,
            }
        }
        // Bits that nothing depends on are few: the time in the head of gzip, say.
        assert!(errors >= 19, "{errors} of 20 changes were found");
        std::fs::write(&self.path, &whole).unwrap();
    }
}

#[tokio::test]
async fn a_packed_dump_that_was_cut_or_changed_is_never_taken_for_whole() {
    for packer in [&["gzip", "-c"][..], &["zstd", "-qc"], &["lz4", "-qc"], &["xz", "-c"]] {
        Packed::by(packer).assert_never_silent(None).await;
    }
}

#[tokio::test]
async fn a_bare_dump_that_was_cut_or_changed_has_another_sha256() {
    let bare = Packed::by(&["cat"]);
    let sum = String::from_utf8(Command::new("sha256sum").arg(&bare.path).output().unwrap().stdout).unwrap();
    bare.assert_never_silent(sum.split(' ').next()).await;
    let sidecar = bare.path.with_extension("sha256");
    std::fs::write(&sidecar, sum).unwrap();
    bare.assert_never_silent(None).await;
    let error = bare.read(Some("0".repeat(64))).await.expect_err("another SHA-256").to_string();
    assert!(error.contains("the scenario says 000"), "{error}");
    std::fs::write(&sidecar, "none").unwrap();
    let error = bare.read(None).await.expect_err("no SHA-256");
    assert!(error.is_the_scenarios() && error.to_string().contains("sha256sum"), "{error}");
}
