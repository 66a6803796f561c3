//! Dumps made by the servers' own programs, restored.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use mysql_async::prelude::FromRow;
use rehearsal::run::TableFacts;
use rehearsal::scenario::{Dump, DumpSource};
use rehearsal::server::Endpoint;
use rehearsal::snapshot::mysql::facts;
use rehearsal::snapshot::mysql::restore::{RestoreError, restore};
use rehearsal::snapshot::{DumpError, Progress};

use crate::lab::{Database, Lab, Place, with_own_server, with_servers};

const EVERYTHING: &str = include_str!("../../fixtures/snapshot-mysql/everything.sql");
/// The fixture's accounts.
const DEFINERS: &str = "'gone'@'10.0.%', 'also_gone'@'%'";
const MYSQL: Place = Place::Mysql("9.7");
const MARIADB: Place = Place::Mariadb("11.8");
const OLD_MARIADB: Place = Place::Mariadb("10.11");

/// A server of one test, whose accounts and settings it changes, and a session in it.
struct Shop<'lab> {
    lab: &'lab Lab,
    root: Database,
}

fn with(place: Place, test: impl AsyncFnOnce(&Shop<'_>)) {
    with_own_server(place, &[], async |lab| test(&Shop::new(lab).await).await);
}

impl<'lab> Shop<'lab> {
    async fn new(lab: &'lab Lab) -> Self {
        Self { lab, root: lab.open("mysql").await }
    }

    /// A new, empty database of this name.
    async fn database(&self, name: &str) -> Database {
        self.run(&format!("CREATE DATABASE {name}")).await;
        self.lab.open(name).await
    }

    async fn run(&self, sql: &str) {
        self.root.run(sql).await;
    }

    async fn get<T: FromRow + Send + 'static>(&self, sql: &str) -> Vec<T> {
        self.root.rows(sql).await
    }

    /// Makes the accounts that the fixture's views need before they can be dumped.
    async fn make_definers(&self) {
        self.run(&format!("CREATE USER IF NOT EXISTS {DEFINERS}")).await;
        self.run(&format!("GRANT ALL ON shop_production.* TO {DEFINERS}")).await;
    }

    /// A database that holds the fixture, and its dump.
    async fn dump(&self, arguments: &[&str]) -> Vec<u8> {
        self.make_definers().await;
        let known = self.get::<String>("SHOW DATABASES LIKE 'shop_production'").await;
        if known.is_empty() {
            self.run("SET GLOBAL event_scheduler = OFF").await;
            self.database("shop_production").await;
            let everything = self.lab.file("everything.sql", EVERYTHING);
            self.lab.program(self.lab.client(), &["--binary-mode", "shop_production"], Some(&everything)).await;
        }
        self.dump_of("shop_production", arguments).await
    }

    async fn dump_of(&self, database: &str, arguments: &[&str]) -> Vec<u8> {
        let all = [&["--routines", "--events", "--triggers", "--hex-blob", "--skip-dump-date"], arguments].concat();
        self.lab.program(self.lab.dumper(), &[&all[..], &[database]].concat(), None).await
    }

    /// A dump, restored into a database of this name on a server without the fixture's accounts.
    async fn restored(&self, name: &str, file: &Path) -> Result<Vec<String>, RestoreError> {
        self.run(&format!("DROP USER IF EXISTS {DEFINERS}")).await;
        restore(self.database(name).await.opts(), &[file.to_owned().into()], &|_| ()).await
    }

    /// That a database holds what the fixture's does.
    async fn assert_same(&self, name: &str) {
        self.make_definers().await;
        let text = async |database| {
            let dump = String::from_utf8_lossy(&self.dump_of(database, &["--skip-comments"]).await).into_owned();
            dump.lines().filter(|line| !line.contains("GTID_PURGED")).collect::<Vec<_>>().join("\n")
        };
        pretty_assertions::assert_eq!(text(name).await, text("shop_production").await);
    }
}

fn packed(program: &str, arguments: &[&str], file: &Path) -> Vec<u8> {
    let output =
        Command::new(program).args(arguments).arg(file).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

async fn a_dump_is_restored_whole_on(shop: &Shop<'_>) {
    let dump = shop.dump(&[]).await;
    let plain = shop.lab.file("plain.sql", &dump);
    // Binary strings as they are, every row a statement, and names of the database.
    let raw = shop.dump(&["--skip-hex-blob", "--skip-extended-insert", "--databases"]).await;
    let raw = shop.lab.file("raw.sql", raw);
    let gzip = packed("gzip", &["-c"], &plain);
    let zstd = packed("zstd", &["-c"], &plain);
    let (lz4, xz) = (packed("lz4", &["-c"], &plain), packed("xz", &["-c"], &plain));
    let twice = |half: &[u8]| half.to_vec();
    let (first, second) = dump.split_at(dump.len() / 2);
    let halves = [shop.lab.file("first", first), shop.lab.file("second", second)];
    let frames: Vec<u8> = halves.iter().flat_map(|half| twice(&packed("zstd", &["-c"], half))).collect();
    let members: Vec<u8> = halves.iter().flat_map(|half| twice(&packed("gzip", &["-c"], half))).collect();
    for (name, file) in [
        ("of_plain", plain),
        ("of_raw", raw),
        ("of_gzip", shop.lab.file("dump.gz", gzip)),
        ("of_zstd", shop.lab.file("dump.zst", zstd)),
        ("of_lz4", shop.lab.file("dump.lz4", lz4)),
        ("of_xz", shop.lab.file("dump.xz", xz)),
        ("of_zstd_frames", shop.lab.file("frames.zst", frames)),
        ("of_gzip_members", shop.lab.file("members.gz", members)),
    ] {
        let notes = shop.restored(name, &file).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        shop.assert_same(name).await;
        let said = notes.join("\n");
        for word in ["gone@10.0.%", "also_gone@%", "1 events", "old_log is of the storage engine MyISAM"] {
            assert!(said.contains(word), "{word}: {said}");
        }
        assert_eq!(said.contains("binary log"), shop.lab.place == MYSQL, "{said}");
        assert_eq!(said.contains("`shop_production` was restored"), name == "of_raw", "{said}");
    }
}

async fn what_is_defined_by_others_can_be_used_on(shop: &Shop<'_>) {
    let dump = shop.lab.file("definers.sql", shop.dump(&[]).await);
    shop.run("SET GLOBAL event_scheduler = ON").await;
    shop.restored("of_definers", &dump).await.expect("it is restored");
    let gross: Vec<Option<f64>> = shop.get("SELECT CAST(SUM(gross) AS DOUBLE) FROM of_definers.m_calls").await;
    assert!(gross[0].is_some_and(|gross| gross > 0.0));
    let rows: Vec<u64> = shop.get("SELECT COUNT(*) FROM of_definers.a_view").await;
    assert!(rows[0] > 0);
    shop.run("INSERT INTO of_definers.orders (customer_id, ordered, status, net) VALUES (1, NOW(), 'new', 2000000)")
        .await;
    let capped: Vec<u64> = shop.get("SELECT COUNT(*) FROM of_definers.orders WHERE net = 1000000").await;
    assert_eq!(capped, [1]);
    // The event that would delete it every second does not run.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(shop.get::<u64>("SELECT COUNT(*) FROM of_definers.old_log").await, [1]);
}

async fn a_dump_that_was_cut_short_is_an_error_on(shop: &Shop<'_>) {
    for (style, arguments) in [("with comments", &[][..]), ("without", &["--skip-comments"])] {
        let dump = shop.dump(arguments).await;
        let whole = dump.iter().rposition(|byte| *byte == b';').expect("statements");
        let last = dump[..whole].iter().rposition(|byte| *byte == b';').expect("statements");
        let insert = dump.windows(11).position(|text| text == b"INSERT INTO").expect("rows");
        for at in [dump.len() / 5, insert + 30, dump.len() / 2, dump.len() * 4 / 5, last - 10, last + 1] {
            shop.run("DROP DATABASE IF EXISTS of_cut").await;
            let cut = shop.lab.file("cut.sql", &dump[..at]);
            let error = shop.restored("of_cut", &cut).await.expect_err("its end is missing").to_string();
            assert!(error.contains("cut.sql"), "{style}, {at}: {error}");
        }
        let file = shop.lab.file("whole.sql", &dump);
        for (program, name) in [("gzip", "cut.gz"), ("zstd", "cut.zst"), ("lz4", "cut.lz4"), ("xz", "cut.xz")] {
            let packed = packed(program, &["-c"], &file);
            for at in [packed.len() - 1, packed.len() / 2] {
                shop.run("DROP DATABASE IF EXISTS of_cut").await;
                let cut = shop.lab.file(name, &packed[..at]);
                let error = shop.restored("of_cut", &cut).await.expect_err("its end is missing");
                assert!(
                    matches!(error, RestoreError::Dump { source: DumpError::CutShort(_) | DumpError::Damaged(_), .. }),
                    "{name}, {at}: {error}"
                );
            }
        }
    }
    a_changed_bit_is_an_error_on(shop).await;
    a_command_that_fails_is_an_error_on(shop).await;
    let compact = ["--compact", "shop_production", "customers"];
    let compact = shop.lab.program(shop.lab.dumper(), &compact, None).await;
    shop.run("DROP DATABASE IF EXISTS of_cut").await;
    let notes = shop.restored("of_cut", &shop.lab.file("compact.sql", compact)).await.expect("it is whole");
    assert!(notes.iter().any(|note| note.contains("--compact")), "{notes:?}");
}

/// One of each form that has a check sum; every place is looked at where dumps are read (`src/snapshot/dump/tests.rs`).
async fn a_changed_bit_is_an_error_on(shop: &Shop<'_>) {
    let bare = shop.lab.file("bare.sql", shop.dump(&[]).await);
    shop.lab.file("bare.sql.sha256", packed("sha256sum", &[], &bare));
    for program in ["", "gzip", "zstd", "lz4", "xz"] {
        let mut bytes =
            if program.is_empty() { std::fs::read(&bare).expect("a dump") } else { packed(program, &["-c"], &bare) };
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        let file = shop.lab.file(if program.is_empty() { "bare.sql" } else { "changed" }, bytes);
        shop.run("DROP DATABASE IF EXISTS of_changed").await;
        // In a bare dump the server may stumble over it before its end is reached, where the check sum is.
        let error = shop.restored("of_changed", &file).await.expect_err("a bit was changed").to_string();
        assert!(error.contains(&*file.to_string_lossy()), "{program}: {error}");
    }
}

async fn a_command_that_fails_is_an_error_on(shop: &Shop<'_>) {
    let whole = shop.lab.file("whole.sql", shop.dump(&[]).await);
    let folder = whole.parent().expect("a folder").to_owned();
    for (command, works) in [
        ("gzip -c whole.sql", true),
        ("cat whole.sql; echo no such bucket >&2; exit 3", false),
        ("head -n 99 whole.sql", false),
    ] {
        shop.run("DROP DATABASE IF EXISTS of_command").await;
        shop.run(&format!("DROP USER IF EXISTS {DEFINERS}")).await;
        let from = DumpSource::Command { command: command.to_owned(), folder: folder.clone() };
        let dump = Dump { from, sha256: None };
        let restored = restore(shop.database("of_command").await.opts(), &[dump], &|_| ()).await;
        match restored {
            Ok(_) => {
                assert!(works, "{command}");
                shop.assert_same("of_command").await;
            }
            Err(error) => {
                let error = error.to_string();
                assert!(!works && error.contains(command), "{error}");
                assert!(!command.contains("bucket") || error.contains("\n  | no such bucket"), "{error}");
            }
        }
    }
}

async fn what_must_not_be_restored_is_one_clear_error_on(shop: &Shop<'_>) {
    shop.run("CREATE DATABASE IF NOT EXISTS other").await;
    for (number, (text, words)) in [
        ("SELECT 1;\nsystem touch /tmp/x\n", &["refused.sql:2", "system touch", "never runs it"][..]),
        ("\\! touch /tmp/x\n", &["refused.sql:1", "touch"]),
        ("source other.sql\n", &["source other.sql"]),
        (
            "CREATE TABLE t (a INT);\nLOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE t;",
            &["refused.sql:2", "LOAD DATA"],
        ),
        ("USE shop;\nCREATE TABLE t (a INT);\nUSE other;\n", &["refused.sql:3", "`other`", "`shop`"]),
        ("CREATE DATABASE mysql;\n", &["`mysql`", "server's own"]),
        (
            "CREATE TABLE t (a INT PRIMARY KEY);\n\nINSERT INTO t\nVALUES (1), (1);\n",
            &["refused.sql:3", "Duplicate entry", "1062", "INSERT INTO t"],
        ),
        ("CREATE TABLE t (a TEXT) COLLATE=klingon_ci;\n", &["klingon_ci", "does not have it", "utf8mb4_unicode_ci"]),
    ]
    .into_iter()
    .enumerate()
    {
        let file = shop.lab.file("refused.sql", text);
        let error = shop.restored(&format!("refused_{number}"), &file).await.expect_err(text).to_string();
        for word in words {
            assert!(error.contains(word), "{word}: {error}");
        }
    }
}

async fn a_script_by_hand_is_restored_on(shop: &Shop<'_>) {
    let schema = shop.lab.file(
        "schema.sql",
        "DROP DATABASE IF EXISTS `Hand`;\nCREATE DATABASE `Hand` CHARACTER SET latin1 COLLATE latin1_bin;\nUSE `Hand`;\n\
         SET sql_mode = 'STRICT_TRANS_TABLES,NO_AUTO_CREATE_USER';\n\
         CREATE TABLE t (a VARCHAR(20) PRIMARY KEY);\nSTART TRANSACTION;\nINSERT INTO t VALUES ('undone');\nROLLBACK;\n",
    );
    let long = "x".repeat(20 << 20);
    let rows = format!(
        "USE Hand;\nINSERT INTO t VALUES ('a');\nROLLBACK;\nCREATE TABLE l (a LONGTEXT);\nINSERT INTO l VALUES ('{long}');"
    );
    let rows = shop.lab.file("rows.sql", rows);
    let database = shop.database("by_hand").await;
    shop.run("SET GLOBAL max_allowed_packet = 4194304").await;
    let seen = Mutex::new(Vec::new());
    let listen = |progress: Progress<'_>| {
        if let Progress::Bytes { done, total, .. } = progress {
            seen.lock().expect("nobody fails").push((done, total));
        }
    };
    let notes = restore(database.opts(), &[schema.into(), rows.into()], &listen).await.expect("it is restored");
    assert_eq!(notes.iter().filter(|note| note.contains("`Hand`")).count(), 1, "{notes:?}");
    let (done, total) = *seen.lock().expect("nobody fails").last().expect("progress");
    assert_eq!(Some(done), total);
    // As in the client, where every statement is a transaction unless the script opens one.
    assert_eq!(shop.get::<String>("SELECT a FROM by_hand.t").await, ["a"]);
    assert_eq!(shop.get::<u64>("SELECT LENGTH(a) FROM by_hand.l").await, [20 << 20]);
    assert_eq!(shop.get::<u64>("SELECT @@GLOBAL.max_allowed_packet").await, [4_194_304]);
    let collation = "SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'by_hand'";
    assert_eq!(shop.get::<String>(collation).await, ["latin1_bin"]);

    let mut connection = database.session().await;
    facts::settle(&mut connection, "by_hand").await.expect("it comes to rest");
    let tables = facts::table_facts(&mut connection, "by_hand").await.expect("facts");
    let names: Vec<(&str, Option<u64>)> =
        tables.iter().map(|TableFacts { name, rows, .. }| (name.as_str(), *rows)).collect();
    // Of the database that was restored into, a table is named without it.
    assert_eq!(names, [("l", Some(1)), ("t", Some(1))]);
    assert!(tables[0].bytes > 20 << 20, "{tables:?}");
}

async fn a_folder_of_mydumper_is_restored_on(shop: &Shop<'_>) {
    shop.dump(&[]).await;
    let folder = tempfile::tempdir().expect("a folder for the dumps");
    let Endpoint::Tcp { port, .. } = shop.lab.server.endpoint() else { panic!("a container has a port") };
    for (name, arguments) in [("plain", &[][..]), ("gz", &["--compress"])] {
        shop.make_definers().await;
        let folder = folder.path().join(name);
        let (port, password) = (port.to_string(), shop.lab.server.password().unwrap_or_default());
        let mut mydumper = Command::new("mydumper");
        mydumper.args(["--host", "127.0.0.1", "--port", &port, "--user", "root", "--password", password]);
        mydumper.args(["--database", "shop_production", "--routines", "--events", "--triggers", "--rows", "20"]);
        // Version 0.10 fails on a name with a backtick in it.
        mydumper.args(arguments).args(["--regex", "^(?!shop_production\\.odd)"]).arg("--outputdir").arg(&folder);
        let output = mydumper.output().expect("mydumper starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let name = format!("of_mydumper_{name}");
        let notes = shop.restored(&name, &folder).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(notes.iter().filter(|note| note.contains("`shop_production` was restored")).count(), 1, "{notes:?}");
        for table in ["customers", "orders", "old_log", "parts"] {
            let sums: Vec<(String, u64)> =
                shop.get(&format!("CHECKSUM TABLE shop_production.{table}, {name}.{table}")).await;
            assert_eq!(sums[0].1, sums[1].1, "{table}");
        }
        shop.make_definers().await;
        let gross = |database: &str| {
            format!("SELECT SUM(gross) + (SELECT COUNT(*) FROM {database}.a_view) FROM {database}.m_calls")
        };
        assert_eq!(shop.get::<f64>(&gross(&name)).await, shop.get::<f64>(&gross("shop_production")).await);
        shop.run(&format!("CALL {name}.refill()")).await;
        std::fs::rename(folder.join("metadata"), folder.join("metadata.partial")).expect("it can be renamed");
        shop.run("DROP DATABASE IF EXISTS of_cut").await;
        let error = shop.restored("of_cut", &folder).await.expect_err("its end is missing");
        assert!(matches!(error, RestoreError::CutShort { .. }), "{error}");
    }
}

async fn everything_on(shop: &Shop<'_>) {
    a_dump_is_restored_whole_on(shop).await;
    what_is_defined_by_others_can_be_used_on(shop).await;
    a_dump_that_was_cut_short_is_an_error_on(shop).await;
    what_must_not_be_restored_is_one_clear_error_on(shop).await;
    a_script_by_hand_is_restored_on(shop).await;
}

#[test]
fn mysql_restores_dumps() {
    with(MYSQL, everything_on);
}

/// mydumper that is linked with MariaDB's client library cannot log in to MySQL 9.
async fn everything_on_mariadb(shop: &Shop<'_>) {
    everything_on(shop).await;
    a_folder_of_mydumper_is_restored_on(shop).await;
}

#[test]
fn mariadb_restores_dumps() {
    with(MARIADB, everything_on_mariadb);
}

#[test]
fn an_older_mariadb_restores_dumps() {
    with(OLD_MARIADB, everything_on_mariadb);
}

#[test]
fn a_dump_of_the_other_engine_is_restored_or_its_collation_is_named() {
    with_servers([MYSQL, MARIADB, OLD_MARIADB], async |[mysql, mariadb, old_mariadb]| {
        for (from, to, collation, works) in [
            (mysql, mariadb, "utf8mb4_0900_ai_ci", true),
            (mysql, old_mariadb, "utf8mb4_unicode_ci", true),
            (mysql, old_mariadb, "utf8mb4_0900_ai_ci", false),
            (mariadb, mysql, "utf8mb4_unicode_ci", true),
            (mariadb, mysql, "utf8mb4_uca1400_ai_ci", false),
        ] {
            let source = from.database().await;
            let table = format!("CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(9)) COLLATE {collation}");
            source.run(&format!("{table}; INSERT INTO t VALUES (1, 'é')")).await;
            let dump = from.program(from.dumper(), &["--hex-blob", "--skip-dump-date", &source.name], None).await;
            let (file, target) = (to.file("other.sql", dump), to.database().await);
            match restore(target.opts(), &[file.into()], &|_| ()).await {
                Ok(_) => {
                    assert!(works, "{collation} into {:?}", to.place);
                    assert_eq!(target.rows::<String>("SELECT b FROM t").await, ["é"]);
                }
                Err(error) => {
                    assert!(!works, "{collation} into {:?}: {error}", to.place);
                    let error = error.to_string();
                    assert!(error.contains(collation) && error.contains("does not have it"), "{error}");
                }
            }
        }
    });
}
