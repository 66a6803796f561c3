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

/// One of each; every place is looked at where dumps are read (`src/snapshot/dump/tests.rs`).
#[test]
fn a_damaged_dump_is_an_error_that_names_it() {
    with_server(Place::Local, async |lab: &Lab| {
        let source = Source::new(lab).await;
        let plain = source.dump(lab, "plain").await;
        let mut files: Vec<PathBuf> = PACKERS
            .map(|(packer, end)| lab.file(&format!("plain.{end}"), output(packer, &["-c"], &plain)))
            .into_iter()
            .collect();
        lab.file("plain.sha256", output("sha256sum", &[], &plain));
        files.push(plain);
        for file in files {
            let whole = std::fs::read(&file).expect("the dump can be read");
            let mut changed = whole.clone();
            changed[whole.len() / 2] ^= 1;
            for bytes in [&whole[..whole.len() - 1], &changed] {
                std::fs::write(&file, bytes).expect("it can be written");
                let error = restored(lab, file.clone().into()).await.err().expect("it is damaged").to_string();
                assert!(error.contains(&*file.to_string_lossy()), "{error}");
            }
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

/// Tables that refer to each other, rows that are in no order, and what would change rows that have been through it.
const TRIGGERS: &str = "
    CREATE TABLE a_child (id int PRIMARY KEY, parent int NOT NULL, name text);
    CREATE TABLE parent (id int PRIMARY KEY, child int REFERENCES a_child DEFERRABLE, at timestamptz DEFAULT now());
    ALTER TABLE a_child ADD FOREIGN KEY (parent) REFERENCES parent;
    CREATE TABLE elsewhere (id int);
    ALTER TABLE a_child DISABLE TRIGGER ALL;
    INSERT INTO a_child SELECT n, n, 'name' FROM generate_series(1, 100) AS n;
    ALTER TABLE a_child ENABLE TRIGGER ALL;
    INSERT INTO parent SELECT n, 101 - n FROM generate_series(1, 100) AS n;
    CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name := NEW.name || '!'; RETURN NEW; END $$;
    CREATE TRIGGER again BEFORE INSERT ON a_child FOR EACH ROW EXECUTE FUNCTION again();
    CREATE RULE away AS ON INSERT TO parent DO INSTEAD INSERT INTO elsewhere VALUES (NEW.id);
";

#[test]
fn rows_that_come_after_their_schema_are_the_same() {
    with_server(Place::Local, async |lab: &Lab| {
        let source = lab.database().await;
        source.run(TRIGGERS).await;
        let text = lab.text_of(&source, &[]).await;
        let source = Source { database: source, text };
        for rows in ["--data-only", "--data-only --inserts", "--data-only --format=custom", "--data-only --format=tar"]
        {
            let mut restore = Vec::new();
            for (name, form) in [("schema", "--schema-only"), ("rows", rows)] {
                let form: Vec<&str> = form.split(' ').collect();
                let dump = lab.program("pg_dump", &[&["-d", &source.database.name], &form[..]].concat(), None).await;
                restore.push(Dump::from(lab.file(name, dump)));
            }
            let ours = lab.database().await;
            let wish = SnapshotWish { restore, ..SnapshotWish::default() };
            let prepared = prepare(&ours.access(), &wish, &lab.server, &|_| ()).await;
            let prepared = prepared.unwrap_or_else(|error| panic!("{rows}: {error}"));
            assert_eq!(lab.text_of(&ours, &[]).await, source.text, "{rows}");
            assert!(prepared.notes.iter().any(|note| note.contains("without running the triggers")), "{prepared:?}");
        }
    });
}

/// An extension of this machine's, under a name that no server knows.
#[test]
fn an_extension_that_the_server_lacks_is_named_with_what_needs_it() {
    with_server(Place::Local, async |lab: &Lab| {
        let source = lab.database().await;
        source
            .run(
                "CREATE EXTENSION hstore; CREATE EXTENSION pg_trgm;
                 CREATE TABLE shops (id int PRIMARY KEY, name text, tags hstore);
                 CREATE INDEX shops_tags ON shops USING gist (tags gist_hstore_ops (siglen = 32));
                 CREATE INDEX shops_name ON shops USING gin (name gin_trgm_ops);
                 CREATE VIEW open AS SELECT id, akeys(tags) FROM shops",
            )
            .await;
        for form in ["plain", "custom", "tar", "directory"] {
            let path = lab.place(form);
            let (to, format) = (format!("--file={}", path.display()), format!("--format={form}"));
            // What is compressed is not its table of contents.
            lab.program("pg_dump", &["-d", &source.name, &format, &to], None).await;
            let toc = if form == "directory" { path.join("toc.dat") } else { path.clone() };
            let mut bytes = std::fs::read(&toc).expect("the dump can be read");
            while let Some(at) = bytes.windows(6).position(|found| found == b"hstore") {
                bytes[at] = b'q';
            }
            std::fs::write(&toc, bytes).expect("it can be written");
            let database = lab.database().await;
            let error = lab.prepare(&database, &[path], vec![], 1).await.expect_err("no such extension").to_string();
            let expected = "does not have the extension qstore (needed by column tags of public.shops (public.qstore), view \
                            public.open (public.akeys), index shops_tags (public.gist_qstore_ops)); use a server or an image";
            assert!(error.contains(expected), "{form}: {error}");
            assert!(error.contains(form), "{error}");
            assert_eq!(database.count("pg_class WHERE relname = 'shops'").await, 0, "{form}");
        }
    });
}

#[test]
fn roles_are_made_and_tablespaces_left_out_in_every_form() {
    with_server(Place::Local, async |lab: &Lab| {
        let role = Lab::name("The Boss");
        let source = lab.database().await;
        source.run(&format!("CREATE ROLE \"{role}\"; SET allow_in_place_tablespaces = on")).await;
        source.run("CREATE TABLESPACE \"Fast Disk\" LOCATION ''").await;
        source
            .run(&format!(
                "CREATE TABLE t (n int) TABLESPACE \"Fast Disk\"; ALTER TABLE t OWNER TO \"{role}\";
                 CREATE TABLE u (n int); GRANT SELECT ON u TO \"{role}\"; SELECT lo_from_bytea(7, 'x'); ALTER LARGE OBJECT 7 OWNER TO \"{role}\""
            ))
            .await;
        let expected = lab.text_of(&source, &["--no-tablespaces"]).await;
        let mut dumps = Vec::new();
        for form in ["plain", "custom", "tar", "directory"] {
            let path = lab.place(form);
            let (to, format) = (format!("--file={}", path.display()), format!("--format={form}"));
            lab.program("pg_dump", &["-d", &source.name, &format, &to], None).await;
            dumps.push(path);
        }
        lab.forget(source, &format!("\"{role}\"")).await;
        lab.sql("DROP TABLESPACE \"Fast Disk\"").await;
        for path in dumps {
            let ours = lab.database().await;
            let prepared = lab.prepare(&ours, std::slice::from_ref(&path), vec![], 1).await;
            let notes = prepared.unwrap_or_else(|error| panic!("{}: {error}", path.display())).notes.join("\n");
            assert_eq!(lab.text_of(&ours, &["--no-tablespaces"]).await, expected, "{}", path.display());
            assert!(notes.contains(&format!("made the roles {role}")), "{notes}");
            assert!(notes.contains("Fast Disk") && notes.contains("left out"), "{notes}");
            lab.forget(ours, &format!("\"{role}\"")).await;
        }
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
