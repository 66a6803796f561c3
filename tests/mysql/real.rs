//! Databases of real people in every form of a dump. They are no part of the project: whoever has some names their folder,
//!
//! ```sh
//! REHEARSAL_TEST_DATABASES=FOLDER cargo test --test mysql real -- --ignored --nocapture
//! ```
//!
//! in which `NAME-mysql.sql` are scripts for the client.

use std::path::{Path, PathBuf};
use std::process::Command;

use pretty_assertions::assert_eq;
use rehearsal::scenario::{Dump, DumpSource, Engine};
use rehearsal::server::Endpoint;
use rehearsal::server::access::socket;
use rehearsal::snapshot::mysql::restore::restore;

use crate::lab::{Database, Lab, on_each};

/// What the dumper is called with: one call for each dump of a list.
const FORMS: [&[&[&str]]; 6] = [
    &[&[]],
    &[&["--skip-extended-insert", "--complete-insert"]],
    &[&["--databases"]],
    &[&["--skip-opt", "--create-options"]],
    &[&["--compact"]],
    &[&["--no-data"], &["--no-create-info", "--skip-triggers", "--skip-routines", "--skip-events"]],
];
const PACKERS: [&str; 4] = ["gzip -c", "zstd -qc", "lz4 -qc", "xz -c"];

/// The scripts in the folder.
fn scripts() -> Vec<PathBuf> {
    let folder = std::env::var_os("REHEARSAL_TEST_DATABASES").expect("REHEARSAL_TEST_DATABASES names a folder");
    let entries = std::fs::read_dir(folder).expect("the folder can be read");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let found: Vec<PathBuf> = paths.filter(|path| path.to_string_lossy().ends_with("-mysql.sql")).collect();
    assert!(!found.is_empty(), "the folder has no `NAME-mysql.sql`");
    found
}

/// All of a database as text, and what the server says of its tables' rows.
async fn content(lab: &Lab, database: &Database) -> (String, Vec<(String, u64, Option<u64>)>) {
    let arguments = ["--routines", "--events", "--triggers", "--hex-blob", "--skip-comments", &database.name];
    let dump = String::from_utf8_lossy(&lab.program(lab.dumper(), &arguments, None).await).into_owned();
    let text = dump.lines().filter(|line| !line.contains("GTID_PURGED")).collect::<Vec<_>>().join("\n");
    let sql =
        "SELECT CAST(TABLE_NAME AS CHAR) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1";
    let mut sums = Vec::new();
    for table in database.rows::<String>(sql).await {
        let (_, sum) = database.get::<(String, Option<u64>)>(&format!("CHECKSUM TABLE `{table}`")).await;
        let rows = database.count(&format!("`{table}`")).await;
        sums.push((table, rows, sum));
    }
    (text, sums)
}

#[expect(clippy::print_stdout, reason = "what was compared is what somebody runs this for")]
async fn every_form_on(lab: &Lab) {
    for script in scripts() {
        let source = lab.database().await;
        // The database that it makes itself is left out, as it would be here.
        let text = std::fs::read_to_string(&script).expect("a script");
        let is_ours =
            |line: &&str| !["USE ", "CREATE DATABASE", "DROP DATABASE"].iter().any(|word| line.starts_with(word));
        let text = text.lines().filter(is_ours).collect::<Vec<_>>().join("\n");
        lab.program(lab.client(), &[&source.name], Some(&lab.file("source.sql", text))).await;
        let expected = content(lab, &source).await;
        let assert_restores = async |dumps: Vec<Dump>, what: &str| {
            let database = lab.database().await;
            restore(database.opts(), &dumps, &|_| ()).await.unwrap_or_else(|error| panic!("{what}: {error}"));
            let found = content(lab, &database).await;
            assert_eq!(found.1, expected.1, "{:?}: {what}", lab.place);
            assert_eq!(found.0, expected.0, "{:?}: {what}", lab.place);
            database.run(&format!("DROP DATABASE `{}`", database.name)).await;
        };
        let (place, tables) = (lab.place, expected.1.len());
        assert_restores(vec![script.clone().into()], "its own script").await;
        for form in FORMS {
            let mut files = Vec::new();
            for (number, arguments) in form.iter().enumerate() {
                let mut all = vec!["--routines", "--events", "--triggers", "--hex-blob"];
                if lab.place.engine() == Engine::Mysql {
                    all.push("--set-gtid-purged=OFF");
                }
                all.extend(*arguments);
                all.push(&source.name);
                let dump = lab.program(lab.dumper(), &all, None).await;
                files.push(lab.file(&format!("dump{number}"), dump));
            }
            assert_restores(files.iter().cloned().map(Dump::from).collect(), &format!("{form:?}")).await;
            let of_command = files.iter().map(|file| {
                let command = format!("cat {}", file.display());
                Dump { from: DumpSource::Command { command, folder: PathBuf::from("/") }, sha256: None }
            });
            assert_restores(of_command.collect(), &format!("{form:?} of a command")).await;
            for packer in PACKERS {
                let packed = files.iter().enumerate().map(|(number, file)| {
                    let output = Command::new("sh").arg("-c").arg(format!("{packer} {}", file.display())).output();
                    Dump::from(lab.file(&format!("packed{number}"), output.expect("it can be packed").stdout))
                });
                assert_restores(packed.collect(), &format!("{form:?}, {packer}")).await;
            }
            println!("{place:?}: {form:?}, {tables} tables: the same, also of a command, and packed by {PACKERS:?}");
        }
        // One that is linked with MariaDB's client library cannot log in to MySQL 9.
        if lab.place.engine() == Engine::Mariadb {
            for arguments in [&[][..], &["--compress"], &["--rows", "500"]] {
                let folder = mydumper(lab, &source, arguments);
                assert_restores(vec![folder.path().join("dump").into()], &format!("mydumper {arguments:?}")).await;
                println!("{place:?}: mydumper {arguments:?}, {tables} tables: the same");
            }
        }
    }
}

/// A folder with a dump of mydumper in it.
fn mydumper(lab: &Lab, source: &Database, arguments: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder for the dump");
    let mut program = Command::new("mydumper");
    match lab.server.endpoint() {
        Endpoint::Unix { folder, port } => program.arg("--socket").arg(socket(&folder, port)),
        Endpoint::Tcp { port, .. } => program.args(["--host", "127.0.0.1", "--port", &port.to_string()]),
    };
    program.args(["--user", "root", "--password", lab.server.password().unwrap_or_default()]);
    program.args(["--database", &source.name, "--routines", "--events", "--triggers"]).args(arguments);
    let output = program.arg("--outputdir").arg(Path::new(folder.path()).join("dump")).output();
    let output = output.expect("mydumper starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder
}

#[test]
#[ignore = "takes databases that are no part of the project: REHEARSAL_TEST_DATABASES names their folder"]
fn real_databases_come_out_of_every_form() {
    on_each(every_form_on);
}
