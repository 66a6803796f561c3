//! Dumps made by the servers' own programs, restored.
//!
//! Servers are containers of `mysql:9.7`, `mariadb:10.11` and `mariadb:11.8`; one that is missing fails.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Conn, Opts, OptsBuilder};
use rehearsal::run::TableFacts;
use rehearsal::snapshot::Progress;
use rehearsal::snapshot::mysql::facts;
use rehearsal::snapshot::mysql::restore::{RestoreError, restore};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const EVERYTHING: &str = include_str!("../../fixtures/snapshot-mysql/everything.sql");
const PASSWORD: &str = "rehearsal";
/// The fixture's accounts.
const DEFINERS: &str = "'gone'@'10.0.%', 'also_gone'@'%'";
const MYSQL: &str = "mysql:9.7";
const MARIADB: &str = "mariadb:11.8";
const OLD_MARIADB: &str = "mariadb:10.11";

/// A server of one test, and a folder for its files.
struct Lab {
    image: &'static str,
    id: String,
    opts: Opts,
    files: TempDir,
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rm", "-f", "-v", &self.id]).stdout(Stdio::null()).status();
    }
}

fn with(image: &'static str, test: impl AsyncFnOnce(&Lab)) {
    Runtime::new().expect("a runtime starts").block_on(async { test(&Lab::start(image).await).await });
}

fn said(command: &mut Command) -> String {
    let output = command.output().expect("docker starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

impl Lab {
    async fn start(image: &'static str) -> Self {
        let password = format!("{}_ROOT_PASSWORD={PASSWORD}", if image == MYSQL { "MYSQL" } else { "MARIADB" });
        let id = said(Command::new("docker").args(["run", "-d", "-e", &password, "-p", "127.0.0.1::3306", image]));
        let files = TempDir::new().expect("a folder for the dumps");
        let port = said(Command::new("docker").args(["port", &id, "3306/tcp"]));
        let port = port.lines().next().and_then(|line| line.rsplit_once(':')).expect("a port").1.parse();
        let opts = OptsBuilder::default().ip_or_hostname("127.0.0.1").tcp_port(port.expect("a number"));
        let opts = opts.user(Some("root")).pass(Some(PASSWORD)).prefer_socket(false).into();
        let lab = Self { image, id, opts, files };
        for _ in 0..600 {
            if let Ok(connection) = Conn::new(lab.opts.clone()).await {
                connection.disconnect().await.expect("it ends");
                return lab;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{image} does not answer");
    }

    /// A new, empty database.
    async fn database(&self, name: &str) -> Opts {
        self.run(&format!("CREATE DATABASE {name}")).await;
        OptsBuilder::from_opts(self.opts.clone()).db_name(Some(name)).into()
    }

    async fn run(&self, sql: &str) {
        let mut connection = Conn::new(self.opts.clone()).await.expect("the server takes connections");
        connection.query_drop(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    async fn get<T: FromRow + Send + 'static>(&self, sql: &str) -> Vec<T> {
        let mut connection = Conn::new(self.opts.clone()).await.expect("the server takes connections");
        connection.query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Runs one of the server's own programs and gives its standard output; it must end well.
    fn program(&self, name: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let mut command = Command::new("docker");
        command.args(["exec", "-i", &self.id, name, "-uroot", &format!("-p{PASSWORD}")]).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("docker starts");
        child.stdin.take().expect("a pipe").write_all(input).expect("it reads its input");
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
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
            let client = if self.image == MYSQL { "mysql" } else { "mariadb" };
            self.program(client, &["--binary-mode", "shop_production"], EVERYTHING.as_bytes());
        }
        self.dump_of("shop_production", arguments)
    }

    fn dump_of(&self, database: &str, arguments: &[&str]) -> Vec<u8> {
        let program = if self.image == MYSQL { "mysqldump" } else { "mariadb-dump" };
        let all = [&["--routines", "--events", "--triggers", "--hex-blob", "--skip-dump-date"], arguments].concat();
        self.program(program, &[&all[..], &[database]].concat(), b"")
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.files.path().join(name);
        std::fs::write(&path, content).expect("a file in a temporary folder can be written");
        path
    }

    /// A dump, restored into a database of this name on a server without the fixture's accounts.
    async fn restored(&self, name: &str, file: &Path) -> Result<Vec<String>, RestoreError> {
        self.run(&format!("DROP USER IF EXISTS {DEFINERS}")).await;
        restore(&self.database(name).await, &[file.to_owned()], &|_| ()).await
    }

    /// That a database holds what the fixture's does.
    async fn assert_same(&self, name: &str) {
        self.make_definers().await;
        let text = |database| String::from_utf8_lossy(&self.dump_of(database, &["--skip-comments"])).into_owned();
        let without_gtid =
            |text: String| text.lines().filter(|line| !line.contains("GTID_PURGED")).collect::<Vec<_>>().join("\n");
        pretty_assertions::assert_eq!(without_gtid(text(name)), without_gtid(text("shop_production")));
    }
}

fn packed(program: &str, arguments: &[&str], file: &Path) -> Vec<u8> {
    let output =
        Command::new(program).args(arguments).arg(file).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

async fn a_dump_is_restored_whole_on(lab: &Lab) {
    let dump = lab.dump(&[]).await;
    let plain = lab.file("plain.sql", &dump);
    // Binary strings as they are, every row a statement, and names of the database.
    let raw = lab.dump(&["--skip-hex-blob", "--skip-extended-insert", "--databases"]).await;
    let raw = lab.file("raw.sql", raw);
    let gzip = packed("gzip", &["-c"], &plain);
    let zstd = packed("zstd", &["-c"], &plain);
    let twice = |half: &[u8]| half.to_vec();
    let (first, second) = dump.split_at(dump.len() / 2);
    let halves = [lab.file("first", first), lab.file("second", second)];
    let frames: Vec<u8> = halves.iter().flat_map(|half| twice(&packed("zstd", &["-c"], half))).collect();
    let members: Vec<u8> = halves.iter().flat_map(|half| twice(&packed("gzip", &["-c"], half))).collect();
    for (name, file) in [
        ("of_plain", plain),
        ("of_raw", raw),
        ("of_gzip", lab.file("dump.gz", gzip)),
        ("of_zstd", lab.file("dump.zst", zstd)),
        ("of_zstd_frames", lab.file("frames.zst", frames)),
        ("of_gzip_members", lab.file("members.gz", members)),
    ] {
        let notes = lab.restored(name, &file).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        lab.assert_same(name).await;
        let said = notes.join("\n");
        for word in ["gone@10.0.%", "also_gone@%", "1 events", "old_log is of the storage engine MyISAM"] {
            assert!(said.contains(word), "{word}: {said}");
        }
        assert_eq!(said.contains("binary log"), lab.image == MYSQL, "{said}");
        assert_eq!(said.contains("`shop_production` was restored"), name == "of_raw", "{said}");
    }
}

async fn what_is_defined_by_others_can_be_used_on(lab: &Lab) {
    let dump = lab.file("definers.sql", lab.dump(&[]).await);
    lab.run("SET GLOBAL event_scheduler = ON").await;
    lab.restored("of_definers", &dump).await.expect("it is restored");
    let gross: Vec<Option<f64>> = lab.get("SELECT CAST(SUM(gross) AS DOUBLE) FROM of_definers.m_calls").await;
    assert!(gross[0].is_some_and(|gross| gross > 0.0));
    let rows: Vec<u64> = lab.get("SELECT COUNT(*) FROM of_definers.a_view").await;
    assert!(rows[0] > 0);
    lab.run("INSERT INTO of_definers.orders (customer_id, ordered, status, net) VALUES (1, NOW(), 'new', 2000000)")
        .await;
    let capped: Vec<u64> = lab.get("SELECT COUNT(*) FROM of_definers.orders WHERE net = 1000000").await;
    assert_eq!(capped, [1]);
    // The event that would delete it every second does not run.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(lab.get::<u64>("SELECT COUNT(*) FROM of_definers.old_log").await, [1]);
}

async fn a_dump_that_was_cut_short_is_an_error_on(lab: &Lab) {
    for (style, arguments) in [("with comments", &[][..]), ("without", &["--skip-comments"])] {
        let dump = lab.dump(arguments).await;
        let whole = dump.iter().rposition(|byte| *byte == b';').expect("statements");
        let last = dump[..whole].iter().rposition(|byte| *byte == b';').expect("statements");
        let insert = dump.windows(11).position(|text| text == b"INSERT INTO").expect("rows");
        for at in [dump.len() / 5, insert + 30, dump.len() / 2, dump.len() * 4 / 5, last - 10, last + 1] {
            lab.run("DROP DATABASE IF EXISTS of_cut").await;
            let cut = lab.file("cut.sql", &dump[..at]);
            let error = lab.restored("of_cut", &cut).await.expect_err("its end is missing").to_string();
            assert!(error.contains("cut.sql"), "{style}, {at}: {error}");
        }
        let file = lab.file("whole.sql", &dump);
        for (program, name) in [("gzip", "cut.gz"), ("zstd", "cut.zst")] {
            let packed = packed(program, &["-c"], &file);
            for at in [packed.len() - 1, packed.len() - 5, packed.len() / 2, 30] {
                lab.run("DROP DATABASE IF EXISTS of_cut").await;
                let cut = lab.file(name, &packed[..at]);
                let error = lab.restored("of_cut", &cut).await.expect_err("its end is missing");
                assert!(matches!(error, RestoreError::CutShort { .. }), "{name}, {at}: {error}");
            }
        }
    }
    let program = if lab.image == MYSQL { "mysqldump" } else { "mariadb-dump" };
    let compact = lab.program(program, &["--compact", "shop_production", "customers"], b"");
    lab.run("DROP DATABASE IF EXISTS of_cut").await;
    let notes = lab.restored("of_cut", &lab.file("compact.sql", compact)).await.expect("it is whole");
    assert!(notes.iter().any(|note| note.contains("--compact")), "{notes:?}");
}

async fn what_must_not_be_restored_is_one_clear_error_on(lab: &Lab) {
    lab.run("CREATE DATABASE IF NOT EXISTS other").await;
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
        let file = lab.file("refused.sql", text);
        let error = lab.restored(&format!("refused_{number}"), &file).await.expect_err(text).to_string();
        for word in words {
            assert!(error.contains(word), "{word}: {error}");
        }
    }
}

async fn a_script_by_hand_is_restored_on(lab: &Lab) {
    let schema = lab.file(
        "schema.sql",
        "DROP DATABASE IF EXISTS `Hand`;\nCREATE DATABASE `Hand` CHARACTER SET latin1 COLLATE latin1_bin;\nUSE `Hand`;\n\
         SET sql_mode = 'STRICT_TRANS_TABLES,NO_AUTO_CREATE_USER';\n\
         CREATE TABLE t (a VARCHAR(20) PRIMARY KEY);\nSTART TRANSACTION;\nINSERT INTO t VALUES ('undone');\nROLLBACK;\n",
    );
    let long = "x".repeat(20 << 20);
    let rows = format!(
        "USE Hand;\nINSERT INTO t VALUES ('a');\nROLLBACK;\nCREATE TABLE l (a LONGTEXT);\nINSERT INTO l VALUES ('{long}');"
    );
    let rows = lab.file("rows.sql", rows);
    let opts = lab.database("by_hand").await;
    lab.run("SET GLOBAL max_allowed_packet = 4194304").await;
    let seen = Mutex::new(Vec::new());
    let listen = |progress: Progress<'_>| {
        if let Progress::Bytes { done, total, .. } = progress {
            seen.lock().expect("nobody fails").push((done, total));
        }
    };
    let notes = restore(&opts, &[schema, rows], &listen).await.expect("it is restored");
    assert_eq!(notes.iter().filter(|note| note.contains("`Hand`")).count(), 1, "{notes:?}");
    let (done, total) = *seen.lock().expect("nobody fails").last().expect("progress");
    assert_eq!(done, total);
    // As in the client, where every statement is a transaction unless the script opens one.
    assert_eq!(lab.get::<String>("SELECT a FROM by_hand.t").await, ["a"]);
    assert_eq!(lab.get::<u64>("SELECT LENGTH(a) FROM by_hand.l").await, [20 << 20]);
    assert_eq!(lab.get::<u64>("SELECT @@GLOBAL.max_allowed_packet").await, [4_194_304]);
    let collation = "SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'by_hand'";
    assert_eq!(lab.get::<String>(collation).await, ["latin1_bin"]);

    let mut connection = Conn::new(opts).await.expect("the server takes connections");
    facts::settle(&mut connection, "by_hand").await.expect("it comes to rest");
    let tables = facts::table_facts(&mut connection, "by_hand").await.expect("facts");
    let names: Vec<(&str, Option<u64>)> =
        tables.iter().map(|TableFacts { name, rows, .. }| (name.as_str(), *rows)).collect();
    assert_eq!(names, [("by_hand.l", Some(1)), ("by_hand.t", Some(1))]);
    assert!(tables[0].bytes > 20 << 20, "{tables:?}");
}

async fn a_folder_of_mydumper_is_restored_on(lab: &Lab) {
    lab.dump(&[]).await;
    for (name, arguments) in [("plain", &[][..]), ("gz", &["--compress"])] {
        lab.make_definers().await;
        let folder = lab.files.path().join(name);
        let port = lab.opts.tcp_port().to_string();
        let mut mydumper = Command::new("mydumper");
        mydumper.args(["--host", "127.0.0.1", "--port", &port, "--user", "root", "--password", PASSWORD]);
        mydumper.args(["--database", "shop_production", "--routines", "--events", "--triggers", "--rows", "20"]);
        // Version 0.10 fails on a name with a backtick in it.
        mydumper.args(arguments).args(["--regex", "^(?!shop_production\\.odd)"]).arg("--outputdir").arg(&folder);
        said(&mut mydumper);
        let name = format!("of_mydumper_{name}");
        let notes = lab.restored(&name, &folder).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(notes.iter().filter(|note| note.contains("`shop_production` was restored")).count(), 1, "{notes:?}");
        for table in ["customers", "orders", "old_log", "parts"] {
            let sums: Vec<(String, u64)> =
                lab.get(&format!("CHECKSUM TABLE shop_production.{table}, {name}.{table}")).await;
            assert_eq!(sums[0].1, sums[1].1, "{table}");
        }
        lab.make_definers().await;
        let gross = |database: &str| {
            format!("SELECT SUM(gross) + (SELECT COUNT(*) FROM {database}.a_view) FROM {database}.m_calls")
        };
        assert_eq!(lab.get::<f64>(&gross(&name)).await, lab.get::<f64>(&gross("shop_production")).await);
        lab.run(&format!("CALL {name}.refill()")).await;
        std::fs::rename(folder.join("metadata"), folder.join("metadata.partial")).expect("it can be renamed");
        lab.run("DROP DATABASE IF EXISTS of_cut").await;
        let error = lab.restored("of_cut", &folder).await.expect_err("its end is missing");
        assert!(matches!(error, RestoreError::CutShort { .. }), "{error}");
    }
}

async fn everything_on(lab: &Lab) {
    a_dump_is_restored_whole_on(lab).await;
    what_is_defined_by_others_can_be_used_on(lab).await;
    a_dump_that_was_cut_short_is_an_error_on(lab).await;
    what_must_not_be_restored_is_one_clear_error_on(lab).await;
    a_script_by_hand_is_restored_on(lab).await;
}

#[test]
fn mysql_restores_dumps() {
    with(MYSQL, everything_on);
}

/// mydumper that is linked with MariaDB's client library cannot log in to MySQL 9.
async fn everything_on_mariadb(lab: &Lab) {
    everything_on(lab).await;
    a_folder_of_mydumper_is_restored_on(lab).await;
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
    let dump = |lab: &Lab, collation: &str| {
        let client = if lab.image == MYSQL { "mysql" } else { "mariadb" };
        let table = format!(
            "CREATE DATABASE shop_production; USE shop_production; CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(9)) COLLATE {collation}; INSERT INTO t VALUES (1, 'é');"
        );
        lab.program(client, &["--default-character-set=utf8mb4"], table.as_bytes());
        let dump = lab.dump_of("shop_production", &[]);
        lab.program(client, &[], b"DROP DATABASE shop_production");
        dump
    };
    with(MYSQL, async |mysql: &Lab| {
        let mariadb = Lab::start(MARIADB).await;
        let old_mariadb = Lab::start(OLD_MARIADB).await;
        for (from, to, collation, works) in [
            (mysql, &mariadb, "utf8mb4_0900_ai_ci", true),
            (mysql, &old_mariadb, "utf8mb4_unicode_ci", true),
            (mysql, &old_mariadb, "utf8mb4_0900_ai_ci", false),
            (&mariadb, mysql, "utf8mb4_unicode_ci", true),
            (&mariadb, mysql, "utf8mb4_uca1400_ai_ci", false),
        ] {
            let file = to.file("other.sql", dump(from, collation));
            to.run("DROP DATABASE IF EXISTS of_other").await;
            match to.restored("of_other", &file).await {
                Ok(_) => {
                    assert!(works, "{collation} into {}", to.image);
                    assert_eq!(to.get::<String>("SELECT b FROM of_other.t").await, ["é"]);
                }
                Err(error) => {
                    assert!(!works, "{collation} into {}: {error}", to.image);
                    let error = error.to_string();
                    assert!(error.contains(collation) && error.contains("does not have it"), "{error}");
                }
            }
        }
    });
}
