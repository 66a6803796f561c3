//! Real migration tools, unchanged and none the wiser: Alembic with three drivers, Django, dbmate (which sends a file as one
//! packet, and the version that it writes down as a parameter), and the clients `mysql` and
//! `mariadb`, all of them in one rehearsal on each engine. The Python ones are of the environment that
//! `tests/run.sh --setup` makes; the clients are of the server's image, as CI images have them.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use rehearsal::server::Endpoint;
use serde_json::Value;

use crate::lab::{self, Place};
use crate::sandbox::Sandbox;

const STAGING: [&str; 2] = [
    "CREATE TABLE orders (id bigint PRIMARY KEY AUTO_INCREMENT, total int NOT NULL)",
    "INSERT INTO orders (total) VALUES (1), (2), (3), (4), (5), (6), (7), (8)",
];
const DRIVERS: [&str; 3] = ["pymysql", "mysqldb", "mysqlconnector"];

const INI: &str = "[alembic]\nscript_location = %(here)s/alembic\n\
    [loggers]\nkeys = root,alembic\n[handlers]\nkeys = console\n[formatters]\nkeys = plain\n\
    [logger_root]\nlevel = WARNING\nhandlers = console\n\
    [logger_alembic]\nlevel = INFO\nhandlers =\nqualname = alembic\n\
    [handler_console]\nclass = StreamHandler\nargs = (sys.stderr,)\nformatter = plain\n\
    [formatter_plain]\nformat = %(levelname)s [%(name)s] %(message)s\n";

const ENV: &str = r#"
import os
from alembic import context
from sqlalchemy import create_engine
from logging.config import fileConfig

fileConfig(context.config.config_file_name)
driver = os.environ["DRIVER"]
with create_engine(os.environ["DATABASE_URL"].replace("mysql:", f"mysql+{driver}:")).connect() as connection:
    context.configure(connection=connection, version_table="version_" + driver, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"#;

/// A column of the driver's own with a backfill, then an index on it.
const REVISIONS: [(&str, &str); 2] = [
    (
        "alembic/versions/a1_column.py",
        "import os\nfrom alembic import op\nimport sqlalchemy as sa\n\nrevision = 'a1'\ndown_revision = None\n\n\n\
         def upgrade():\n    column = 'by_' + os.environ['DRIVER']\n    \
         op.add_column('orders', sa.Column(column, sa.String(20)))\n    \
         op.execute(f\"UPDATE orders SET {column} = 'new'\")\n",
    ),
    (
        "alembic/versions/b2_index.py",
        "import os\nfrom alembic import op\n\nrevision = 'b2'\ndown_revision = 'a1'\n\n\n\
         def upgrade():\n    column = 'by_' + os.environ['DRIVER']\n    \
         op.create_index('orders_' + column, 'orders', [column])\n",
    ),
];

const SETTINGS: &str = r#"
import os

INSTALLED_APPS = ["shop"]
SECRET_KEY = "none"
DATABASES = {"default": {
    "ENGINE": "django.db.backends.mysql", "NAME": os.environ["MYSQL_DATABASE"], "USER": os.environ["MYSQL_USER"],
    "PASSWORD": os.environ.get("MYSQL_PASSWORD", ""), "HOST": os.environ["MYSQL_HOST"], "PORT": os.environ["MYSQL_PORT"],
}}
"#;

const DJANGO: &str = r#"
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel("Note", [("id", models.BigAutoField(primary_key=True)), ("text", models.CharField(max_length=50))]),
        migrations.AddIndex("Note", models.Index(fields=["text"], name="note_text")),
    ]
"#;

const DBMATE: &str = "-- migrate:up\nALTER TABLE orders ADD COLUMN by_dbmate varchar(40);\n\
                      UPDATE orders SET by_dbmate = 'one; or two';\n\
                      CREATE PROCEDURE touch() BEGIN UPDATE orders SET total = total; SELECT 1; END;\n\
                      -- migrate:down\nDROP TABLE orders;\n";

const CLIENT: &str = "ALTER TABLE orders ADD COLUMN by_client int;\n\
                      UPDATE orders SET by_client = 3;\n\
                      SELECT count(*), sum(by_client) FROM orders;\n";

fn venv() -> PathBuf {
    let named = std::env::var_os("REHEARSAL_TEST_VENV").map(PathBuf::from);
    let venv = named.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/test-venv"));
    assert!(
        venv.join("bin/django-admin").exists(),
        "no Django in {}: tests/run.sh --setup installs it",
        venv.display()
    );
    venv
}

/// Runs every tool; what each said and how it ended goes to `said.txt`.
fn all_tools(image: &str) -> String {
    let client = image.split(':').next().unwrap();
    format!(
        "exec >said.txt 2>&1\nexport PYTHONDONTWRITEBYTECODE=1\n\
         for DRIVER in {drivers}; do export DRIVER; {bin}/alembic upgrade head; echo ended with $?; done\n\
         {bin}/django-admin migrate --settings settings --pythonpath .; echo ended with $?\n\
         {bin}/dbmate --url \"$DATABASE_URL\" --no-dump-schema --migrations-dir changes up >dbmate.txt; echo ended with $?\n\
         sed 's/ in [0-9.]*[a-z]*$//' dbmate.txt\n\
         docker run --rm -i --network host -e MYSQL_PWD -e MYSQL_HOST -e MYSQL_TCP_PORT -e MYSQL_HOME \
         -v \"$MYSQL_HOME:$MYSQL_HOME:ro\" --entrypoint {client} {image} \"$MYSQL_DATABASE\" <client.sql; echo ended with $?\n",
        drivers = DRIVERS.join(" "),
        bin = venv().join("bin").display(),
    )
}

fn project(engine: &str, server: &str, tools: &str) -> Sandbox {
    let scenario = format!(
        "title = \"Tools\"\nengine = \"{engine}\"\n\n[server]\n{server}\n\n[snapshot]\nrestore = \"staging.sql\"\n\n\
         [migrations.tool.command]\ncommand = \"sh tools.sh\"\n\n[queries]\nold = \"queries.sql\"\nnew = \"queries.sql\"\n"
    );
    let sandbox = Sandbox::empty()
        .with("scenario.toml", &scenario)
        .with("staging.sql", &format!("{};\n", STAGING.join(";\n")))
        .with("queries.sql", "-- name: orders\nSELECT id, total FROM orders;\n")
        .with("alembic.ini", INI)
        .with("alembic/env.py", ENV)
        .with("settings.py", SETTINGS)
        .with("shop/__init__.py", "")
        .with("shop/migrations/__init__.py", "")
        .with("shop/migrations/0001_initial.py", DJANGO)
        .with("client.sql", CLIENT)
        .with("changes/20240101000000_status.sql", DBMATE)
        .with("own/my.cnf", "[client]\nuser=root\n")
        .with("tools.sh", tools);
    REVISIONS.iter().fold(sandbox, |sandbox, (path, text)| sandbox.with(path, text))
}

/// What the tools say on a server without a tap before it.
fn directly(sandbox: &Sandbox, place: Place) -> String {
    lab::with_server(place, async |lab| {
        let database = lab.database().await;
        for sql in STAGING {
            database.run(sql).await;
        }
        let Endpoint::Tcp { port, .. } = lab.server.endpoint() else { panic!("a container has a port") };
        let (password, port) = (lab.server.password().unwrap(), port.to_string());
        let mut tools = Command::new("sh");
        tools.arg("tools.sh").current_dir(sandbox.path("")).env("MYSQL_HOME", sandbox.path("own"));
        tools.env("DATABASE_URL", format!("mysql://root:{password}@127.0.0.1:{port}/{}", database.name));
        tools.envs([
            ("MYSQL_HOST", "127.0.0.1"),
            ("MYSQL_PORT", &port),
            ("MYSQL_TCP_PORT", &port),
            ("MYSQL_USER", "root"),
        ]);
        tools.envs([("MYSQL_PWD", password), ("MYSQL_PASSWORD", password), ("MYSQL_DATABASE", &database.name)]);
        let status = tokio::task::spawn_blocking(move || tools.status()).await.expect("the tools' thread ends");
        assert!(status.expect("the tools start").success());
    });
    fs::read_to_string(sandbox.path("said.txt")).expect("written")
}

fn statement<'a>(record: &'a Value, part: &str) -> &'a Value {
    let statements = record["migrations"][0]["statements"].as_array().expect("a migration has statements");
    let is_it = |statement: &&Value| statement["sql"].as_str().is_some_and(|sql| sql.contains(part));
    statements.iter().find(is_it).unwrap_or_else(|| panic!("no {part} among {statements:#?}"))
}

#[track_caller]
fn assert_lock(statement: &Value, relation: &str, mode: &str) {
    let locks = statement["locks"].as_array().unwrap_or_else(|| panic!("no locks: {statement:#}"));
    assert!(locks.iter().any(|lock| lock["relation"] == relation && lock["mode"] == mode), "{statement:#}");
}

fn each_tool_is_measured_and_none_the_wiser(engine: &str, place: Place, version: &'static str) {
    let server = format!("provider = \"container\"\nversion = \"{version}\"");
    let sandbox = project(engine, &server, &all_tools(&format!("{engine}:{version}")));
    let ended = sandbox.rehearse().expect(0);
    assert!(ended.stdout.starts_with("PASS"), "{}", ended.stdout);
    let record = sandbox.record();

    let mut connections = BTreeSet::new();
    for driver in DRIVERS {
        let add = statement(&record, &format!("ADD COLUMN by_{driver}"));
        assert_eq!(add["algorithm"], "instant");
        assert_lock(add, "orders", "EXCLUSIVE");
        assert!(add["duration_ms"].as_f64().is_some_and(|took| took > 0.0), "{add:#}");
        let index = statement(&record, &format!("CREATE INDEX orders_by_{driver}"));
        assert_eq!(index["algorithm"], "inplace");
        assert_lock(index, "orders", "EXCLUSIVE");
        let fill = statement(&record, &format!("UPDATE orders SET by_{driver}"));
        assert_eq!((&fill["rows"], &fill["in_transaction"]), (&8.into(), &true.into()));
        assert_lock(fill, "orders", "SHARED_WRITE");
        let first = statement(&record, &format!("INSERT INTO version_{driver}"));
        assert_lock(first, &format!("version_{driver}"), "SHARED_WRITE");
        let second = statement(&record, &format!("UPDATE version_{driver} SET version_num='b2'"));
        assert_eq!(second["rows"], 1);
        let of_one = [add, index, fill, first, second].map(|statement| statement["connection"].as_u64().unwrap());
        assert_eq!(of_one, [of_one[0]; 5]);
        connections.insert(of_one[0]);
    }
    let index = statement(&record, "CREATE INDEX `note_text`");
    assert_eq!(index["algorithm"], "inplace");
    assert_eq!(statement(&record, "INSERT INTO `django_migrations`")["rows"], 1);
    connections.insert(index["connection"].as_u64().unwrap());
    let add = statement(&record, "ADD COLUMN by_dbmate");
    assert_eq!((&add["algorithm"], &add["version"]), (&"instant".into(), &"20240101000000".into()));
    assert_lock(add, "orders", "EXCLUSIVE");
    assert_eq!(statement(&record, "UPDATE orders SET by_dbmate")["rows"], 8);
    assert_eq!(statement(&record, "insert into `schema_migrations`")["bookkeeping"], true);
    connections.insert(add["connection"].as_u64().unwrap());
    let add = statement(&record, "ADD COLUMN by_client");
    assert_eq!(add["algorithm"], "instant");
    assert_lock(add, "orders", "EXCLUSIVE");
    assert_eq!(statement(&record, "UPDATE orders SET by_client")["rows"], 8);
    connections.insert(add["connection"].as_u64().unwrap());
    assert_eq!(connections.len(), DRIVERS.len() + 3);

    let said = fs::read_to_string(sandbox.path("said.txt")).expect("written");
    assert_eq!(said.matches("ended with 0").count(), DRIVERS.len() + 3, "{said}");
    assert_eq!(said, directly(&sandbox, place));
}

#[test]
fn tools_that_migrate_mysql_are_measured_and_none_the_wiser() {
    each_tool_is_measured_and_none_the_wiser("mysql", Place::Mysql("9.7"), "9.7");
}

/// The client of 11.8 insists on TLS, which the tap does not speak.
#[test]
fn tools_that_migrate_mariadb_are_measured_and_none_the_wiser() {
    each_tool_is_measured_and_none_the_wiser("mariadb", Place::Mariadb("11.8"), "11.8");
}

#[test]
fn a_file_that_fails_in_the_client_is_told_with_the_statement_and_with_what_stayed() {
    // Drivers of Rust ask the server for its socket, and go on there if they find it: past the tap.
    let tools = "socket=$(mariadb --skip-column-names --execute 'SELECT @@socket')\n\
                 test -n \"$socket\" && ! test -e \"$socket\" && mariadb \"$MYSQL_DATABASE\" <client.sql\n";
    let failing = "ALTER TABLE orders ADD COLUMN state int;\nUPDATE orders SET state = 1;\n\
                   ALTER TABLE orders ADD UNIQUE (state);\n";
    let sandbox = project("mariadb", "provider = \"local\"", tools).with("client.sql", failing);
    let ended = sandbox.rehearse().expect(1);
    assert!(ended.stdout.contains("error[fails-on-data]"), "{}", ended.stdout);
    assert!(ended.stdout.contains("half-applied"), "{}", ended.stdout);
    let record = sandbox.record();
    assert_eq!(statement(&record, "ADD UNIQUE")["error"]["code"], 1062);
    assert_eq!(statement(&record, "UPDATE orders")["status"], "ok");
    let said = record["migrations"][0]["error"].as_str().expect("why it failed");
    assert!(said.contains("ERROR 1062 (23000) at line 3"), "{said}");
    sandbox.assert_clean();
}
