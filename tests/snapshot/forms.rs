//! Every form of a dump, made with the real tools: whole, cut short, and with a changed byte.

use std::path::{Path, PathBuf};
use std::process::Command;

use pretty_assertions::assert_eq;
use rehearsal::scenario::{Dump, DumpSource, SnapshotWish};
use rehearsal::snapshot::{SnapshotError, prepare};

use crate::lab::{Database, Lab, Place, with_server};

const SMALL: &str = "
    CREATE TABLE t (n int PRIMARY KEY, a text);
    INSERT INTO t SELECT n, md5(n::text) FROM generate_series(1, 3000) AS n;
    CREATE TABLE last (a text);
    INSERT INTO last VALUES ('the last row');
    SELECT lo_from_bytea(4242, '\\x00ff5c2e0a');
";

/// What packs a dump, with the end of its name.
const PACKERS: [(&str, &str); 4] = [("gzip", "gz"), ("zstd", "zst"), ("lz4", "lz4"), ("xz", "xz")];

/// A small database, what it is as text, and the folder for its dumps.
struct Source {
    database: Database,
    text: String,
}

impl Source {
    async fn new(lab: &Lab) -> Self {
        let database = lab.database().await;
        database.run(SMALL).await;
        let text = lab.text_of(&database, &[]).await;
        Self { database, text }
    }

    /// A dump in a form of `pg_dump`.
    async fn dump(&self, lab: &Lab, form: &str) -> PathBuf {
        let path = lab.place(form);
        let (to, format) = (format!("--file={}", path.display()), format!("--format={form}"));
        lab.program("pg_dump", &["-d", &self.database.name, &format, &to], None).await;
        path
    }

    /// That a dump is restored as it was.
    async fn assert_restores(&self, lab: &Lab, dump: Dump, what: &str) {
        let restored = restored(lab, dump).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(lab.text_of(&restored, &[]).await, self.text, "{what}");
    }

    /// That a damaged dump is an error, unless the damage changed nothing.
    async fn assert_not_silent(&self, lab: &Lab, file: &Path, what: &str) {
        match restored(lab, file.to_owned().into()).await {
            Ok(restored) => assert_eq!(lab.text_of(&restored, &[]).await, self.text, "{what}"),
            Err(error) => assert!(error.to_string().contains(&*file.to_string_lossy()), "{what}: {error}"),
        }
    }

    /// Cuts `part`, which is a file or one of a folder's, at 20 places, and changes 20 bytes in it one at a time.
    async fn sweep(&self, lab: &Lab, file: &Path, part: &Path) {
        let whole = std::fs::read(part).expect("the dump can be read");
        for nth in 1..=20 {
            let cut = if nth == 20 { whole.len() - 1 } else { whole.len() * nth / 20 };
            let mut changed = whole.clone();
            changed[whole.len() * (2 * nth + 1) / 42] ^= 1 << (nth % 8);
            for (what, bytes) in [("cut", &whole[..cut]), ("changed", &changed)] {
                std::fs::write(part, bytes).expect("it can be written");
                self.assert_not_silent(lab, file, &format!("{}: {what}, {nth}", part.display())).await;
            }
        }
        std::fs::write(part, &whole).expect("it can be written");
    }
}

async fn restored(lab: &Lab, dump: Dump) -> Result<Database, SnapshotError> {
    let database = lab.database().await;
    let wish = SnapshotWish { restore: vec![dump], ..SnapshotWish::default() };
    prepare(&database.access(), &wish, &lab.server, &|_| ()).await?;
    Ok(database)
}

fn output(program: &str, arguments: &[&str], file: &Path) -> Vec<u8> {
    let output = Command::new(program).args(arguments).arg(file).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn command(lab: &Lab, command: &str) -> Dump {
    Dump { from: DumpSource::Command { command: command.to_owned(), folder: lab.place("") }, sha256: None }
}

#[test]
fn every_form_gives_the_same_database() {
    with_server(Place::Local, async |lab: &Lab| {
        let source = Source::new(lab).await;
        for form in ["plain", "custom", "tar", "directory"] {
            let dump = source.dump(lab, form).await;
            source.assert_restores(lab, dump.clone().into(), form).await;
            if form == "directory" {
                continue;
            }
            source.assert_restores(lab, command(lab, &format!("cat {form}")), "a command").await;
            for (packer, end) in PACKERS {
                let file = lab.file(&format!("{form}.{end}"), output(packer, &["-c"], &dump));
                source.assert_restores(lab, file.into(), &format!("{form}, {packer}")).await;
            }
        }
    });
}

#[test]
fn a_packed_dump_that_was_cut_or_changed_is_never_taken_for_whole() {
    with_server(Place::Local, async |lab: &Lab| {
        let source = Source::new(lab).await;
        let plain = source.dump(lab, "plain").await;
        for (packer, end) in PACKERS {
            let file = lab.file(&format!("plain.{end}"), output(packer, &["-c"], &plain));
            source.sweep(lab, &file, &file).await;
        }
    });
}

#[test]
fn an_archive_that_was_cut_or_changed_is_never_taken_for_whole() {
    with_server(Place::Local, async |lab: &Lab| {
        let source = Source::new(lab).await;
        let custom = source.dump(lab, "custom").await;
        source.sweep(lab, &custom, &custom).await;
        let folder = source.dump(lab, "directory").await;
        let files = std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("a file").path());
        let largest = files.max_by_key(|path| std::fs::metadata(path).map_or(0, |file| file.len()));
        source.sweep(lab, &folder, &largest.expect("a file")).await;
    });
}

/// These have no check sum of their own.
#[test]
fn a_changed_byte_in_a_bare_dump_is_found_by_its_sha256() {
    with_server(Place::Local, async |lab: &Lab| {
        let source = Source::new(lab).await;
        for form in ["plain", "tar"] {
            let file = source.dump(lab, form).await;
            let sum = output("sha256sum", &[], &file);
            lab.file(&format!("{form}.sha256"), &sum);
            source.assert_restores(lab, file.clone().into(), form).await;
            source.sweep(lab, &file, &file).await;
            let sha256 = Some("0".repeat(64));
            let other = Dump { from: DumpSource::File(file.clone()), sha256 };
            let error = restored(lab, other).await.err().expect("another SHA-256").to_string();
            assert!(error.contains("the scenario says 000"), "{error}");
            lab.file(&format!("{form}.sha256"), "none");
            let error = restored(lab, file.into()).await.err().expect("no SHA-256");
            assert!(error.is_the_scenarios() && error.to_string().contains("sha256sum"), "{error}");
        }
    });
}

#[test]
fn a_command_that_fails_is_an_error_however_much_it_wrote() {
    with_server(Place::Local, async |lab: &Lab| {
        let source = Source::new(lab).await;
        for form in ["plain", "custom"] {
            source.dump(lab, form).await;
            for half in ["cat", "head -c 9000"] {
                let text = format!("{half} {form}; echo no such bucket >&2; exit 3");
                let error = restored(lab, command(lab, &text)).await.err().expect("it failed").to_string();
                assert!(error.contains(&text), "{error}");
                assert!(half != "cat" || error.contains("3)\n  | no such bucket"), "{error}");
            }
        }
        let error = restored(lab, command(lab, "true")).await.err().expect("nothing was written").to_string();
        assert!(error.contains("`true`") && error.contains("empty"), "{error}");
    });
}

#[test]
fn scripts_run_after_restoring_and_before_growing() {
    with_server(Place::Local, async |lab: &Lab| {
        let source = Source::new(lab).await;
        let (dump, database) = (source.dump(lab, "custom").await, lab.database().await);
        let mask = lab.file("mask.sql", "UPDATE t SET a = 'masked';\n");
        let wish = SnapshotWish {
            restore: vec![dump.into()],
            after: vec![mask],
            tables: vec![crate::lab::table("t", 4000)],
            ..SnapshotWish::default()
        };
        prepare(&database.access(), &wish, &lab.server, &|_| ()).await.expect("it is prepared");
        assert_eq!(database.count("t WHERE a = 'masked'").await, 4000);
    });
}
