//! Databases of real people in every form of a dump. They are no part of the project: whoever has some names their folder,
//!
//! ```sh
//! REHEARSAL_TEST_DATABASES=FOLDER cargo test --test snapshot real -- --ignored --nocapture
//! ```
//!
//! in which `NAME-postgresql*.sql` are scripts for psql (of several, those with `schema` in their name come first).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use pretty_assertions::assert_eq;
use rehearsal::scenario::{Dump, DumpSource, SnapshotWish};
use rehearsal::snapshot::prepare;

use crate::lab::{Database, Lab, Place, with_server};

/// What `pg_dump` is called with: one call for each dump of a list.
const FORMS: [&[&[&str]]; 15] = [
    &[&[]],
    &[&["--inserts"]],
    &[&["--column-inserts", "--rows-per-insert=100"]],
    &[&["--clean", "--if-exists", "--create"]],
    &[&["--no-owner", "--no-privileges", "--quote-all-identifiers"]],
    &[&["--schema-only"], &["--data-only"]],
    &[&["--schema-only"], &["--data-only", "--inserts"]],
    &[&["--schema-only"], &["--data-only", "--disable-triggers"]],
    &[&["--section=pre-data"], &["--section=data"], &["--section=post-data"]],
    &[&["--schema-only", "--format=custom"], &["--data-only", "--format=custom"]],
    &[&["--format=custom"]],
    &[&["--format=custom", "--compress=0"]],
    &[&["--format=tar"]],
    &[&["--format=directory"]],
    &[&["--format=directory", "--compress=0"]],
];
/// From version 16 on.
const NEWER_FORMS: [&[&[&str]]; 4] = [
    &[&["--format=custom", "--compress=zstd"]],
    &[&["--format=custom", "--compress=lz4"]],
    &[&["--format=directory", "--compress=zstd"]],
    &[&["--format=directory", "--compress=lz4"]],
];
/// What `pg_dump` is called with for what is compared as text. Rows may stand in another order where autovacuum found room for them.
const DEFINITIONS: [&str; 3] = ["--schema-only", "--no-owner", "--no-privileges"];
const PACKERS: [&str; 4] = ["gzip -c", "zstd -qc", "lz4 -qc", "xz -c"];

/// The scripts of each database in the folder, by name.
fn databases() -> BTreeMap<String, Vec<PathBuf>> {
    let folder = std::env::var_os("REHEARSAL_TEST_DATABASES").expect("REHEARSAL_TEST_DATABASES names a folder");
    let mut found: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some((database, _)) = name.split_once("-postgresql")
            && path.extension().is_some_and(|extension| extension == "sql")
        {
            found.entry(database.to_owned()).or_default().push(path);
        }
    }
    for scripts in found.values_mut() {
        scripts.sort_by_key(|path| (!path.to_string_lossy().contains("schema"), path.clone()));
    }
    assert!(!found.is_empty(), "the folder has no `NAME-postgresql*.sql`");
    found
}

/// A dump in one form, and what it is called.
async fn dump(lab: &Lab, source: &Database, arguments: &[&str], number: usize) -> PathBuf {
    let path = lab.place(&format!("dump{number}"));
    // One of another form may be there.
    let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
    let all = [&["-d", source.name.as_str()], arguments].concat();
    if !arguments.contains(&"--format=directory") {
        std::fs::write(&path, lab.program("pg_dump", &all, None).await).expect("a file can be written");
        return path;
    }
    let Some(container) = lab.container() else {
        let to = format!("--file={}", path.display());
        lab.program("pg_dump", &[&all[..], &[&to]].concat(), None).await;
        return path;
    };
    let inside = format!("/tmp/{}", Lab::name("dump"));
    lab.program("pg_dump", &[&all[..], &["--file", &inside]].concat(), None).await;
    let copied = Command::new("docker").args(["cp", &format!("{container}:{inside}")]).arg(&path).status();
    assert!(copied.expect("docker starts").success());
    path
}

async fn assert_restores(lab: &Lab, dumps: Vec<Dump>, expected: &(String, BTreeMap<String, String>), what: &str) {
    let database = lab.database().await;
    let wish = SnapshotWish { restore: dumps, ..SnapshotWish::default() };
    prepare(&database.access(), &wish, &lab.server, &|_| ()).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(lab.text_of(&database, &DEFINITIONS).await, expected.0, "{what}");
    assert_eq!(content(&database).await, expected.1, "{what}");
    lab.drop(database).await;
}

/// The number of rows and a check sum of each table and view, and the state of each sequence.
async fn content(database: &Database) -> BTreeMap<String, String> {
    let names: String = database
        .get(
            "SELECT coalesce(string_agg(relkind::text || oid::regclass, chr(10)), '') FROM pg_class
             WHERE relkind IN ('r', 'p', 'v', 'm', 'S') AND relnamespace <> 'pg_catalog'::regnamespace
                 AND relnamespace <> 'information_schema'::regnamespace AND relnamespace::regnamespace::text !~ '^pg_'",
        )
        .await;
    let mut content = BTreeMap::new();
    for line in names.lines() {
        let (kind, name) = line.split_at(1);
        let sql = match kind {
            "S" => format!("SELECT last_value || ', ' || is_called FROM {name}"),
            // What a view puts together may come in any order.
            "v" => format!("SELECT count(*)::text FROM {name}"),
            _ => {
                let only = if kind == "m" { "" } else { "ONLY " };
                let rows = "coalesce(md5(string_agg(t::text, chr(10) ORDER BY t::text)), '')";
                format!("SELECT count(*) || ' ' || {rows} FROM {only}{name} AS t")
            }
        };
        content.insert(name.to_owned(), database.get(&sql).await);
    }
    content
}

#[expect(clippy::print_stdout, reason = "what was compared is what somebody runs this for")]
async fn every_form_on(lab: &Lab) {
    for (name, scripts) in databases() {
        let source = lab.database().await;
        for script in &scripts {
            // The database that it makes itself is left out, as it would be here.
            let text = std::fs::read_to_string(script).expect("a script");
            let is_ours =
                |line: &&str| !["\\c", "CREATE DATABASE", "DROP DATABASE"].iter().any(|word| line.starts_with(word));
            let text = text.lines().filter(is_ours).collect::<Vec<_>>().join("\n");
            let file = lab.file("source.sql", text);
            let arguments = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &source.name];
            lab.program("psql", &arguments, Some(&file)).await;
        }
        source.run("VACUUM ANALYZE").await;
        let expected = (lab.text_of(&source, &DEFINITIONS).await, content(&source).await);
        let raw = scripts.iter().cloned().map(Dump::from).collect();
        assert_restores(lab, raw, &expected, &format!("{name}: its own scripts")).await;
        let newer: i32 = source.get("SELECT current_setting('server_version_num')::int").await;
        let newer = if newer >= 160_000 { &NEWER_FORMS[..] } else { &[] };
        for form in FORMS.iter().chain(newer) {
            let mut files = Vec::new();
            for (number, arguments) in form.iter().enumerate() {
                files.push(dump(lab, &source, arguments, number).await);
            }
            let what = format!("{name}: {form:?}");
            let dumps = files.iter().cloned().map(Dump::from).collect();
            assert_restores(lab, dumps, &expected, &what).await;
            let sizes: Vec<u64> = files.iter().map(|file| size(file)).collect();
            println!("{name}: {form:?}: {sizes:?} bytes, {} relations: the same", expected.1.len());
            if files.iter().any(|file| file.is_dir()) {
                continue;
            }
            let of_command = |command: &str| {
                let of = |file: &PathBuf| {
                    let command = format!("{command} {}", file.display());
                    Dump { from: DumpSource::Command { command, folder: lab.place("") }, sha256: None }
                };
                files.iter().map(of).collect::<Vec<_>>()
            };
            assert_restores(lab, of_command("cat"), &expected, &format!("{what} of a command")).await;
            for packer in PACKERS {
                let packed = files.iter().enumerate().map(|(number, file)| {
                    let output = Command::new("sh").arg("-c").arg(format!("{packer} {}", file.display())).output();
                    Dump::from(lab.file(&format!("packed{number}"), output.expect("it can be packed").stdout))
                });
                assert_restores(lab, packed.collect(), &expected, &format!("{what}, {packer}")).await;
            }
            println!("  and of a command, and packed by {PACKERS:?}: the same");
        }
    }
}

fn size(path: &Path) -> u64 {
    let of = |path: &Path| std::fs::metadata(path).map_or(0, |about| about.len());
    match std::fs::read_dir(path) {
        Ok(entries) => entries.flatten().map(|entry| of(&entry.path())).sum(),
        Err(_) => of(path),
    }
}

#[test]
#[ignore = "takes databases that are no part of the project: REHEARSAL_TEST_DATABASES names their folder"]
fn real_databases_come_out_of_every_form_on_this_machine() {
    with_server(Place::Local, every_form_on);
}

#[test]
#[ignore = "takes databases that are no part of the project: REHEARSAL_TEST_DATABASES names their folder"]
fn real_databases_come_out_of_every_form_in_a_container() {
    for version in ["17", "18"] {
        with_server(Place::Container(version), every_form_on);
    }
}
