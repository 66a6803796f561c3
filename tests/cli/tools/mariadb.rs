//! Heavier tools on MariaDB, with and without the tap: `tests/tools.sh` gets them and runs these tests.

use std::fs;
use std::process::{Command, Stdio};

use pretty_assertions::assert_eq;
use serde_json::Value;

use super::heavy::{by_tcp, files, folder, plain, tools};
use super::{Left, said_and_dumped};
use crate::sandbox::Sandbox;

const SCENARIO: &str = "title = \"Tools\"\nengine = \"mariadb\"\n\n[server]\nprovider = \"local\"\n\n\
    [snapshot]\nrestore = \"staging.sql\"\n\n[migrations.tool.command]\ncommand = \"sh run.sh\"\n\n\
    [queries]\nold = \"queries.sql\"\nnew = \"queries.sql\"\n\n[limits]\nreads_blocked = \"1h\"\nwrites_blocked = \"1h\"\n";
const STAGING: &str = "CREATE TABLE orders (id bigint PRIMARY KEY, total int NOT NULL);\n\
    INSERT INTO orders SELECT seq, seq FROM seq_1_to_1000;\n";

fn sandbox(tool: &str) -> Sandbox {
    let dump = "SOCKET=${SOCKET:-$(find \"$TMPDIR\" -name 'mysqld.3306.sock' | tail -n 1)}\n\
                mariadb-dump --no-defaults --socket \"$SOCKET\" --user root --no-data --skip-comments \
                \"$MYSQL_DATABASE\" >schema.sql && exit $code\n";
    let sandbox = Sandbox::empty()
        .with("scenario.toml", SCENARIO)
        .with("staging.sql", STAGING)
        .with("queries.sql", "-- name: orders\nSELECT id, total FROM orders;\n")
        .with("run.sh", &said_and_dumped(&format!("export TOOLS='{}'", tools().display()), dump));
    let (own, mut all): (Vec<_>, Vec<_>) =
        files(&folder(tool)).into_iter().partition(|(path, _)| path.starts_with("mariadb/"));
    let own: Vec<_> = own.into_iter().map(|(path, text)| (path.replacen("mariadb/", "", 1), text)).collect();
    all.retain(|(path, _)| !path.starts_with("failing/") && !own.iter().any(|(other, _)| other == path));
    all.iter().chain(&own).fold(sandbox, |sandbox, (path, text)| sandbox.with(path, text))
}

/// What the tool does without a tap, in the database of a server that was kept.
fn directly(tool: &str) -> Left {
    let idle = "mariadb --no-defaults -u$MYSQL_USER --protocol=tcp -h $MYSQL_HOST -P $MYSQL_TCP_PORT -e 'SELECT 1'";
    let idle = Sandbox::empty()
        .with("scenario.toml", &SCENARIO.replace("sh run.sh", idle))
        .with("staging.sql", STAGING)
        .with("queries.sql", "-- name: orders\nSELECT id, total FROM orders;\n");
    idle.run(&["run", "scenario.toml", "--keep"]);
    let kept = fs::read_dir(idle.path("tmp")).expect("our own").flatten().find(|entry| entry.path().is_dir());
    let socket = kept.expect("a server was kept").path().join("mysqld.3306.sock");
    let (sandbox, port) = (sandbox(tool), by_tcp(&socket).to_string());
    let mut run = Command::new("sh");
    run.arg("run.sh").current_dir(sandbox.path("")).env("SOCKET", &socket).stdout(Stdio::null());
    let place = format!("127.0.0.1:{port}/rehearsal");
    run.env("DATABASE_URL", format!("mysql://root@{place}")).env("MYSQL_DATABASE", "rehearsal");
    run.env("LIQUIBASE_COMMAND_URL", format!("jdbc:mariadb://{place}")).env("LIQUIBASE_COMMAND_USERNAME", "root");
    run.env("LIQUIBASE_COMMAND_PASSWORD", "");
    run.status().expect("the shell is there");
    let left = Left::read(&sandbox.path(""), "rehearsal");
    idle.run(&["sweep"]).expect(0);
    left
}

fn check(tool: &str, history: &str, versions: [&str; 2]) {
    assert!(tools().is_dir(), "no {}: tests/tools.sh gets it", tools().display());
    let works = directly(tool);
    assert!(works.said.ends_with("ended with 0"), "{}", works.said);
    let sandbox = sandbox(tool);
    let ended = sandbox.run(&["run", "scenario.toml", "--out", "out", "--passes", "1"]).expect(0);
    assert_eq!(Left::read(&sandbox.path(""), "rehearsal"), works);
    let record = sandbox.record();
    let statements = record["migrations"][0]["statements"].as_array().expect("a migration has statements");
    let find = |part: &str| {
        let found = statements.iter().find(|statement| plain(statement).contains(part));
        found.unwrap_or_else(|| panic!("no {part} in {statements:#?}"))
    };
    let index = if tool == "knex" { "add index orders_status" } else { "create index orders_status" };
    let [add, fill, index] = ["add column status", "update orders set status", index].map(find);
    assert_eq!((&add["algorithm"], &index["algorithm"]), (&"instant".into(), &"inplace".into()));
    assert_eq!(fill["rows"], 1000);
    let exclusive = |lock: &Value| lock["relation"] == "orders" && lock["mode"] == "EXCLUSIVE";
    for (statement, version) in [(add, 0), (fill, 0), (index, 1)] {
        assert_eq!((&statement["version"], &statement["bookkeeping"]), (&versions[version].into(), &Value::Null));
        let locked = statement["locks"].as_array().is_some_and(|locks| locks.iter().any(exclusive));
        assert_eq!(locked, statement != fill, "{statement:#}");
    }
    let of_history: Vec<_> = statements.iter().filter(|it| plain(it).contains(history)).collect();
    assert!(of_history.len() > 2 && of_history.iter().all(|it| it["bookkeeping"] == true), "{of_history:#?}");
    let report = ended.stdout.to_lowercase();
    assert!(!report.contains(history) && !report.contains("of no version that is known"), "{report}");
    sandbox.assert_clean();
}

#[test]
#[ignore = "needs the tool: tests/tools.sh gets it"]
fn liquibase() {
    check("liquibase", "databasechangelog", ["changelog.sql::status::t", "changelog.sql::index::t"]);
}

#[test]
#[ignore = "needs the tool: tests/tools.sh gets it"]
fn sqlx() {
    check("sqlx", "_sqlx_migrations", ["20240101000000", "20240102000000"]);
}

#[test]
#[ignore = "needs the tool: tests/tools.sh gets it"]
fn refinery() {
    check("refinery", "refinery_schema_history", ["1", "2"]);
}

#[test]
#[ignore = "needs the tool: tests/tools.sh gets it"]
fn knex() {
    check("knex", "knex_migrations", ["20240101000000_status.js", "20240102000000_index.js"]);
}
