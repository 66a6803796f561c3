//! The same for tools that are too heavy for every day: `tests/tools.sh` gets them and runs these tests. The project of each
//! is in `fixtures/tools`: a migration that adds and fills a column and makes a trigger, another that builds an index, and (in
//! `failing`) a third that the data refuses.

use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use pretty_assertions::assert_eq;
use serde_json::Value;

use super::{Left, project, template};
use crate::sandbox::{Ended, Sandbox};

/// A tool, and what it leaves in a record.
struct Heavy {
    /// The folder of its project.
    tool: &'static str,
    /// What it calls its two migrations.
    versions: [&'static str; 2],
    /// A table of its history.
    history: &'static str,
    /// Whether the first migration is one message.
    whole: bool,
}

pub(super) fn tools() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/tools")
}

pub(super) fn folder(tool: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/tools").join(tool)
}

/// A server as it is, by TCP: what comes is passed on to this socket of its. The tools that know no sockets go there without a tap.
pub(super) fn by_tcp(socket: &Path) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let socket = socket.to_owned();
    let pass_on = |client: TcpStream, socket: &Path| -> io::Result<()> {
        let server = UnixStream::connect(socket)?;
        let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
        thread::spawn(move || {
            let _ = io::copy(&mut from_client, &mut to_server);
            let _ = to_server.shutdown(std::net::Shutdown::Write);
        });
        let (mut from_server, mut to_client) = (server, client);
        thread::spawn(move || {
            let _ = io::copy(&mut from_server, &mut to_client);
            let _ = to_client.shutdown(std::net::Shutdown::Both);
        });
        Ok(())
    };
    thread::spawn(move || listener.incoming().flatten().for_each(|client| drop(pass_on(client, &socket))));
    port
}

/// Every file of a folder, with its path in it.
pub(super) fn files(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())).flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(below, text)| (format!("{name}/{below}"), text)));
        } else {
            found.push((name, fs::read_to_string(&path).expect("a text")));
        }
    }
    found
}

/// As all of them write it.
pub(super) fn plain(statement: &Value) -> String {
    let sql = statement["sql"].as_str().expect("it has a text").to_lowercase().replace(['"', '`'], "");
    sql.replace("public.", "").split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Heavy {
    fn files(&self, fails: bool) -> Vec<(String, String)> {
        let all = files(&folder(self.tool)).into_iter().filter(|(path, _)| !path.starts_with("mariadb/"));
        let (more, mut files): (Vec<_>, Vec<_>) = all.partition(|(path, _)| path.starts_with("failing/"));
        if fails {
            files.retain(|(path, _)| !more.iter().any(|(other, _)| other.strip_prefix("failing/") == Some(path)));
            files.extend(more.into_iter().map(|(path, text)| (path.replacen("failing/", "", 1), text)));
        }
        files
    }

    fn sandbox(&self, fails: bool) -> Sandbox {
        let setup = format!("export TOOLS='{}'", tools().display());
        let sandbox = project(&setup, "");
        fs::remove_dir_all(sandbox.path("migrations")).expect("the shop has some of its own");
        // How long somebody waits depends on the machine.
        let limits = "[limits]\nreads_blocked = \"1h\"\nwrites_blocked = \"1h\"\n\n[queries]";
        let sandbox = sandbox.replacing("scenario.toml", "[queries]", limits);
        self.files(fails).iter().fold(sandbox, |sandbox, (path, text)| sandbox.with(path, text))
    }

    /// What the tool does without a tap, in a database like the scratch server's.
    fn directly(&self, socket: &Path, fails: bool) -> Left {
        let sandbox = self.sandbox(fails);
        let database = format!("direct_{}_{fails}", self.tool).replace('-', "_");
        template(socket, &database);
        let port = by_tcp(&socket.join(".s.PGSQL.5432")).to_string();
        let mut tool = Command::new("sh");
        tool.arg("run.sh").current_dir(sandbox.path("")).env("SOCKET", socket);
        tool.env("DATABASE_URL", format!("postgresql://postgres@127.0.0.1:{port}/{database}?sslmode=disable"));
        tool.envs([("PGHOST", "127.0.0.1"), ("PGUSER", "postgres"), ("PGSSLMODE", "disable")]);
        tool.envs([("PGPORT", &port), ("PGDATABASE", &database)]);
        let url = format!("jdbc:postgresql://127.0.0.1:{port}/{database}?sslmode=disable");
        tool.envs([("LIQUIBASE_COMMAND_URL", url.as_str()), ("LIQUIBASE_COMMAND_USERNAME", "postgres")]);
        tool.envs([("FLYWAY_URL", url.as_str()), ("FLYWAY_USER", "postgres")]);
        tool.stdout(Stdio::null()).status().expect("the shell is there");
        Left::read(&sandbox.path(""), &database)
    }

    fn through(&self, fails: bool, passes: &str) -> (Sandbox, Ended, Left) {
        let sandbox = self.sandbox(fails);
        let ended = sandbox.run(&["run", "scenario.toml", "--out", "out", "--passes", passes]);
        let left = Left::read(&sandbox.path(""), "rehearsal");
        sandbox.assert_clean();
        (sandbox, ended, left)
    }

    fn check(&self) {
        assert!(tools().is_dir(), "no {}: tests/tools.sh gets it", tools().display());
        let idle = Sandbox::migrated_by("psql -qXc 'SELECT 1'");
        idle.run(&["run", "scenario.toml", "--keep"]);
        let kept = fs::read_dir(idle.path("tmp")).expect("our own").flatten().find(|entry| entry.path().is_dir());
        let socket = kept.expect("a server was kept").path();
        let directly = [false, true].map(|fails| self.directly(&socket, fails));
        idle.run(&["sweep"]).expect(0);
        let [works, fails] = &directly;
        assert!(works.said.ends_with("ended with 0"), "{}", works.said);

        for passes in ["1", "2"] {
            let (sandbox, ended, left) = self.through(false, passes);
            assert_eq!(&left, works, "{passes} passes");
            let ended = ended.expect(0);
            self.check_record(&sandbox.record(), &ended.stdout, passes == "2");
        }

        let (sandbox, ended, left) = self.through(true, "1");
        assert_eq!(&left, fails);
        let code = fails.said.rsplit(' ').next().expect("how it ended");
        let ended = ended.expect(1);
        check_failure(&sandbox.record(), &ended.stdout, code);

        // With a password, which the server wants to have by SCRAM.
        let container =
            self.sandbox(false).replacing("run.sh", "sh tool.sh >said.txt 2>&1; code=$?", "sh tool.sh; exit $?");
        let ended = container.in_container();
        let report = ended.rehearse().expect(0);
        self.check_record(&ended.record(), &report.stdout, false);
    }

    fn check_record(&self, record: &Value, report: &str, taken_apart: bool) {
        let statements = record["migrations"][0]["statements"].as_array().expect("a migration has statements");
        let find = |part: &str| {
            let found = statements.iter().find(|statement| plain(statement).contains(part));
            found.unwrap_or_else(|| panic!("no {part} in {statements:#?}"))
        };
        let [add, fill, index] = ["add column status", "update orders set status", "create index"].map(find);
        assert_eq!(add == fill, self.whole);
        assert_eq!(fill["rows"], 1000);
        assert_eq!(index["in_transaction"], !plain(index).contains("concurrently"));
        for (statement, version) in [(add, 0), (fill, 0), (index, 1)] {
            assert_eq!((&statement["status"], &statement["bookkeeping"]), (&"ok".into(), &Value::Null));
            assert_eq!(statement["version"], self.versions[version], "{statement:#}");
        }
        if add["in_transaction"] == true {
            let locks = add["locks"].as_array().expect("they were seen");
            let exact = |lock: &Value| {
                lock["relation"] == "public.orders" && lock["mode"] == "AccessExclusiveLock" && lock["how"] == "exact"
            };
            assert!(locks.iter().any(exact), "{add:#}");
        }
        if self.whole && taken_apart {
            let parts = add["parts"].as_array().unwrap_or_else(|| panic!("no parts: {add:#}"));
            let of_parts: Vec<_> = parts.iter().map(|part| part["command"].as_str().expect("it has one")).collect();
            assert_eq!(of_parts, ["ALTER TABLE", "UPDATE", "CREATE FUNCTION", "CREATE TRIGGER"]);
            assert_eq!(parts[1]["rows"], 1000);
        }
        let of_history: Vec<_> =
            statements.iter().filter(|it| plain(it).contains(&self.history.to_lowercase().replace('"', ""))).collect();
        assert!(of_history.len() > 2, "{statements:#?}");
        assert!(of_history.iter().all(|statement| statement["bookkeeping"] == true), "{of_history:#?}");
        for version in self.versions {
            assert!(report.contains(&format!("\n version {version}\n")), "{report}");
        }
        assert!(!report.contains("of no version that is known") && !report.contains(self.history), "{report}");
    }
}

/// The failure is the statement's, and what the tool said of it is there to be read.
fn check_failure(record: &Value, report: &str, code: &str) {
    let finding = &record["findings"][0];
    assert_eq!(finding["code"], "fails-on-data", "{report}");
    let message = finding["message"].as_str().expect("it has one");
    assert!(message.contains("check constraint \"small\" of relation \"orders\" is violated by some row"), "{message}");
    assert!(message.contains(&format!("the tool ended with exit status: {code}\n  | ")), "{message}");
    assert!(report.contains(&format!("exit status: {code}")), "{report}");
}

/// A test for each tool.
macro_rules! tools {
    ($($test:ident: $tool:expr, $history:expr, $versions:expr, $whole:expr;)*) => {
        $(
            #[test]
            #[ignore = "needs the tool: tests/tools.sh gets it"]
            fn $test() {
                Heavy { tool: $tool, versions: $versions, history: $history, whole: $whole }.check();
            }
        )*
    };
}

tools! {
    liquibase: "liquibase", "databasechangelog", ["changelog.sql::status::t", "changelog.sql::index::t"], false;
    flyway: "flyway", "flyway_schema_history", ["1", "2"], false;
    golang_migrate: "golang-migrate", "schema_migrations", ["1", "2"], true;
    goose: "goose", "goose_db_version", ["1", "2"], false;
    sqlx: "sqlx", "_sqlx_migrations", ["20240101000000", "20240102000000"], true;
    diesel: "diesel", "__diesel_schema_migrations", ["20240101000000", "20240102000000"], true;
    refinery: "refinery", "refinery_schema_history", ["1", "2"], true;
    sql_migrate: "sql-migrate", "gorp_migrations", ["1_status.sql", "2_index.sql"], false;
    prisma: "prisma", "_prisma_migrations", ["20240101000000_status", "20240102000000_index"], false;
    knex: "knex", "knex_migrations", ["20240101000000_status.js", "20240102000000_index.js"], false;
    node_pg_migrate: "node-pg-migrate", "pgmigrations", ["20240101000000000_status", "20240102000000000_index"], true;
    sequelize: "sequelize", "SequelizeMeta", ["20240101000000-status.js", "20240102000000-index.js"], false;
    typeorm: "typeorm", "\"migrations\"", ["Status1704067200000", "Index1704153600000"], false;
    drizzle: "drizzle", "__drizzle_migrations", ["1704067200000", "1704153600000"], false;
    yoyo: "yoyo", "_yoyo_migration", ["0001.status", "0002.index"], false;
}
