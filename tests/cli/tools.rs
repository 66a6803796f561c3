//! Real migration tools through the tap, each none the wiser: it ends, says and leaves behind what it does without the tap,
//! and its statements are on record with its own versions. `tests/run.sh --setup` installs the tools.

mod heavy;
mod mariadb;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use pretty_assertions::assert_eq;
use serde_json::Value;

use crate::sandbox::Sandbox;

const ADD: &str = "ALTER TABLE orders ADD COLUMN status text;\n";
const FILL: &str = "UPDATE orders SET status = 'new';\n";
const INDEX: &str = "CREATE INDEX CONCURRENTLY orders_status ON orders (status);\n";

/// A tool with a project for it, in which one migration adds and fills a column, and another one puts an index on it.
struct Case {
    tool: &'static str,
    /// Run by `sh` in the project; `$VENV` has the tools of Python.
    script: &'static str,
    files: &'static [(&'static str, &'static str)],
    /// What the tool calls its two migrations; nothing where it has no history.
    versions: Option<[&'static str; 2]>,
    /// Whether the first migration is one message, so that its statements are on record as one.
    whole: bool,
}

const ALEMBIC_INI: &str = "[alembic]\nscript_location = %(here)s/alembic\n\
    [loggers]\nkeys = root,alembic\n[handlers]\nkeys = console\n[formatters]\nkeys = plain\n\
    [logger_root]\nlevel = WARNING\nhandlers = console\n\
    [logger_alembic]\nlevel = INFO\nhandlers =\nqualname = alembic\n\
    [handler_console]\nclass = StreamHandler\nargs = (sys.stderr,)\nformatter = plain\n\
    [formatter_plain]\nformat = %(levelname)s [%(name)s] %(message)s\n";
/// With a connection pool, as an application has it, of whichever driver.
const ALEMBIC_ENV: &str = r#"
import asyncio, os
from alembic import context
from logging.config import fileConfig
from sqlalchemy import URL, create_engine
from sqlalchemy.ext.asyncio import create_async_engine

fileConfig(context.config.config_file_name)
driver = os.environ["DRIVER"]
url = URL.create("postgresql+" + driver, username=os.environ["PGUSER"], host=os.environ["PGHOST"],
                 port=int(os.environ["PGPORT"]), database=os.environ["PGDATABASE"])

def migrate(connection):
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()

async def main():
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()

if driver == "asyncpg":
    asyncio.run(main())
else:
    with create_engine(url).connect() as connection:
        migrate(connection)
"#;
const ALEMBIC: &[(&str, &str)] = &[
    ("alembic.ini", ALEMBIC_INI),
    ("alembic/env.py", ALEMBIC_ENV),
    (
        "alembic/versions/a1_status.py",
        "from alembic import op\n\nrevision = 'a1'\ndown_revision = None\n\n\ndef upgrade():\n    \
         op.execute('ALTER TABLE orders ADD COLUMN status text')\n    \
         op.execute(\"UPDATE orders SET status = 'new'\")\n",
    ),
    (
        "alembic/versions/b2_index.py",
        "from alembic import op\n\nrevision = 'b2'\ndown_revision = 'a1'\n\n\ndef upgrade():\n    \
         with op.get_context().autocommit_block():\n        \
         op.create_index('orders_status', 'orders', ['status'], postgresql_concurrently=True)\n",
    ),
];

const MANAGE: &str = r#"
import os, sys
from django.conf import settings
from django.core.management import execute_from_command_line

of = os.environ
settings.configure(INSTALLED_APPS=["shop"], DATABASES={"default": {
    "ENGINE": "django.db.backends.postgresql", "HOST": of["PGHOST"], "PORT": of["PGPORT"], "USER": of["PGUSER"],
    "NAME": of["PGDATABASE"]}})
execute_from_command_line(sys.argv)
"#;
const DJANGO: &[(&str, &str)] = &[
    ("manage.py", MANAGE),
    ("shop/__init__.py", ""),
    ("shop/migrations/__init__.py", ""),
    (
        "shop/migrations/0001_status.py",
        "from django.db import migrations\n\n\nclass Migration(migrations.Migration):\n    operations = [\n        \
         migrations.RunSQL('ALTER TABLE orders ADD COLUMN status text'),\n        \
         migrations.RunSQL(\"UPDATE orders SET status = 'new'\"),\n    ]\n",
    ),
    (
        "shop/migrations/0002_index.py",
        "from django.db import migrations\n\n\nclass Migration(migrations.Migration):\n    atomic = False\n    \
         dependencies = [('shop', '0001_status')]\n    operations = [\n        \
         migrations.RunSQL('CREATE INDEX CONCURRENTLY orders_status ON orders (status)'),\n    ]\n",
    ),
];

const RAILS: &[(&str, &str)] = &[
    (
        "migrate.rb",
        "require 'logger'\nrequire 'active_record'\n\
         ActiveRecord::Base.establish_connection(adapter: 'postgresql', host: ENV['PGHOST'], port: ENV['PGPORT'],\n  \
         username: ENV['PGUSER'], database: ENV['PGDATABASE'])\n\
         ActiveRecord::MigrationContext.new('changes', ActiveRecord::SchemaMigration).migrate\n",
    ),
    (
        "changes/20240101000000_status.rb",
        "class Status < ActiveRecord::Migration[6.1]\n  def up\n    \
         execute 'ALTER TABLE orders ADD COLUMN status text'\n    \
         execute \"UPDATE orders SET status = 'new'\"\n  end\nend\n",
    ),
    (
        "changes/20240102000000_index.rb",
        "class Index < ActiveRecord::Migration[6.1]\n  disable_ddl_transaction!\n  def up\n    \
         execute 'CREATE INDEX CONCURRENTLY orders_status ON orders (status)'\n  end\nend\n",
    ),
];

const SQITCH: &[(&str, &str)] = &[
    ("sqitch.conf", "[core]\n\tengine = pg\n[user]\n\tname = T\n\temail = t@example.com\n"),
    (
        "sqitch.plan",
        "%syntax-version=1.0.0\n%project=shop\n\nstatus 2024-01-01T00:00:00Z T <t@example.com> # status\n\
         index [status] 2024-01-02T00:00:00Z T <t@example.com> # index\n",
    ),
    (
        "deploy/status.sql",
        "BEGIN;\nALTER TABLE orders ADD COLUMN status text;\nUPDATE orders SET status = 'new';\nCOMMIT;\n",
    ),
    ("deploy/index.sql", INDEX),
];

const DBMATE: &[(&str, &str)] = &[
    (
        "changes/20240101000000_status.sql",
        "-- migrate:up\nALTER TABLE orders ADD COLUMN status text;\nUPDATE orders SET status = 'new';\n\
         -- migrate:down\nDROP TABLE orders;\n",
    ),
    (
        "changes/20240102000000_index.sql",
        "-- migrate:up transaction:false\nCREATE INDEX CONCURRENTLY orders_status ON orders (status);\n\
         -- migrate:down\nDROP TABLE orders;\n",
    ),
];

/// What JDBC's driver does as well: BEGIN goes with the first statement in one message.
const PIPELINE: &[(&str, &str)] = &[(
    "pipeline.py",
    "import psycopg\n\nwith psycopg.connect('') as connection:\n    with connection.pipeline() as pipeline:\n        \
     connection.execute('ALTER TABLE orders ADD COLUMN status text')\n        pipeline.sync()\n        \
     connection.execute(\"UPDATE orders SET status = 'new'\")\n\
     with psycopg.connect('', autocommit=True) as connection:\n    \
     connection.execute('CREATE INDEX CONCURRENTLY orders_status ON orders (status)')\n",
)];

const CHANGES: &[(&str, &str)] = &[("add.sql", ADD), ("fill.sql", FILL), ("index.sql", INDEX)];

const fn case(tool: &'static str, script: &'static str, files: &'static [(&'static str, &'static str)]) -> Case {
    Case { tool, script, files, versions: None, whole: false }
}

const CASES: [Case; 11] = [
    Case {
        versions: Some(["a1", "b2"]),
        ..case("Alembic with psycopg2", "DRIVER=psycopg2 \"$VENV/alembic\" upgrade head", ALEMBIC)
    },
    Case {
        versions: Some(["a1", "b2"]),
        ..case("Alembic with psycopg 3", "DRIVER=psycopg \"$VENV/alembic\" upgrade head", ALEMBIC)
    },
    Case {
        versions: Some(["a1", "b2"]),
        ..case("Alembic with asyncpg", "DRIVER=asyncpg \"$VENV/alembic\" upgrade head", ALEMBIC)
    },
    Case {
        versions: Some(["shop.0001_status", "shop.0002_index"]),
        ..case("Django", "\"$VENV/python\" manage.py migrate --no-input --no-color", DJANGO)
    },
    Case { versions: Some(["20240101000000", "20240102000000"]), ..case("Rails", "ruby migrate.rb", RAILS) },
    Case { versions: Some(["status", "index"]), ..case("sqitch", "sqitch deploy \"db:pg:$PGDATABASE\"", SQITCH) },
    Case {
        versions: Some(["20240101000000", "20240102000000"]),
        whole: true,
        ..case(
            "dbmate",
            "case $PGHOST in\n/*) url=\"postgres://$PGUSER@/$PGDATABASE?socket=$PGHOST\" ;;\n\
             *) url=\"postgres://$PGUSER@$PGHOST:$PGPORT/$PGDATABASE?sslmode=disable\" ;;\nesac\n\
             \"$VENV/dbmate\" --url \"$url\" --no-dump-schema --migrations-dir changes up",
            DBMATE,
        )
    },
    case("psycopg 3 in a pipeline", "\"$VENV/python\" pipeline.py", PIPELINE),
    // A client that prefers encryption is told that there is none here, and goes on without.
    case("psql -f", "PGSSLMODE=prefer psql -X -v ON_ERROR_STOP=1 -f add.sql -f fill.sql -f index.sql", CHANGES),
    case("psql -1", "psql -X -v ON_ERROR_STOP=1 -1 -f add.sql -f fill.sql && psql -X -f index.sql", CHANGES),
    Case {
        whole: true,
        ..case("psql -c", "psql -X -c \"$(cat add.sql fill.sql)\" && psql -X -c \"$(cat index.sql)\"", CHANGES)
    },
];

fn venv() -> PathBuf {
    let named = std::env::var_os("REHEARSAL_TEST_VENV").map(PathBuf::from);
    let venv = named.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/test-venv"));
    assert!(venv.join("bin/dbmate").exists(), "no dbmate in {}: tests/run.sh --setup installs it", venv.display());
    venv.join("bin")
}

/// Whether a word has a time of day in it.
fn is_time(word: &str) -> bool {
    let digits = |part: &str| part.len() >= 2 && part.as_bytes()[..2].iter().all(u8::is_ascii_digit);
    word.matches(':').count() >= 2 && word.split(':').skip(1).take(2).all(digits)
}

/// What a tool left behind and said, with its exit code.
#[derive(Debug, PartialEq)]
struct Left {
    said: String,
    schema: String,
}

impl Left {
    fn read(project: &Path, database: &str) -> Self {
        let read =
            |name: &str| fs::read_to_string(project.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let timeless = |word: &str| {
            let bare = word.trim_matches(['(', ')']);
            let is_duration = bare.starts_with(|c: char| c.is_ascii_digit()) && bare.ends_with('s');
            if is_duration || is_time(bare) { "TIME".to_owned() } else { word.replace(database, "DATABASE") }
        };
        let said = read("said.txt").replace(&project.display().to_string(), "PROJECT");
        let said = said.lines().map(|line| line.split(' ').map(timeless).collect::<Vec<_>>().join(" "));
        // Newer ones of pg_dump guard their output with a word made up each time.
        let schema = read("schema.sql");
        let schema = schema.lines().filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
        Self { said: said.collect::<Vec<_>>().join("\n"), schema: schema.collect::<Vec<_>>().join("\n") }
    }
}

/// A project in which `tool.sh` migrates: it is run after `setup`, what it says and how it ends is kept, and the schema is
/// dumped past the tap from the socket in `$SOCKET`.
fn project(setup: &str, script: &str) -> Sandbox {
    let dump = "SOCKET=${SOCKET:-$(dirname \"$(find \"$TMPDIR\" -name '.s.PGSQL.5432' | tail -n 1)\")}\n\
                PGHOST=$SOCKET PGPORT=5432 pg_dump -s >schema.sql && exit $code\n";
    Sandbox::migrated_by("sh run.sh").with("tool.sh", script).with("run.sh", &said_and_dumped(setup, dump))
}

/// A script that runs `tool.sh` and then `dump`, with how that ended in `$code`.
fn said_and_dumped(setup: &str, dump: &str) -> String {
    format!("{setup}; sh tool.sh >said.txt 2>&1; code=$?; cat said.txt; echo \"ended with $code\" >>said.txt\n{dump}")
}

/// Makes a database on the server at `socket` that looks like the scratch server's.
fn template(socket: &Path, database: &str) {
    let sql = format!("CREATE DATABASE {database} TEMPLATE rehearsal");
    let mut psql = Command::new("psql");
    psql.arg("-XqAth").arg(socket).args(["-U", "postgres", "-d", "postgres", "-c", &sql]);
    assert!(psql.status().expect("psql is installed").success(), "{sql}");
}

impl Case {
    fn sandbox(&self) -> Sandbox {
        let sandbox = project(&format!("export VENV='{}'", venv().display()), self.script);
        self.files.iter().fold(sandbox, |sandbox, (path, text)| sandbox.with(path, text))
    }

    /// What the tool does in a database that looks like the scratch server's, on the server at `socket`.
    fn directly(&self, socket: &Path) -> Left {
        let sandbox = self.sandbox();
        let database = format!("direct {}", self.tool).to_lowercase().replace([' ', '-'], "_");
        template(socket, &database);
        let mut tool = Command::new("sh");
        tool.arg("run.sh").current_dir(sandbox.path("")).env("SOCKET", socket).env("PGHOST", socket);
        tool.envs([("PGPORT", "5432"), ("PGUSER", "postgres"), ("PGDATABASE", &database)]).process_group(0);
        tool.stdout(Stdio::null()).status().expect("the shell is there");
        Left::read(&sandbox.path(""), &database)
    }

    /// Whether a second pass sends what the tool does otherwise than the tool did: in parts, or in a transaction.
    fn is_passed_twice(&self) -> bool {
        self.whole || self.tool == "psql -f"
    }

    /// The same through a rehearsal, with what is on record.
    fn check(&self, socket: &Path) {
        let sandbox = self.sandbox();
        // What is left of two passes is the second's.
        let passes = if self.is_passed_twice() { "2" } else { "1" };
        let ended = sandbox.run(&["run", "scenario.toml", "--out", "out", "--passes", passes]);
        let through = Left::read(&sandbox.path(""), "rehearsal");
        assert_eq!(through, self.directly(socket), "{}", self.tool);
        assert_eq!(ended.code, Some(0), "{}: {}{}", self.tool, ended.stdout, ended.stderr);
        self.check_record(&sandbox.record(), &ended.stdout);
        sandbox.assert_clean();
    }

    fn check_record(&self, record: &Value, report: &str) {
        let tool = self.tool;
        let statements = record["migrations"][0]["statements"].as_array().expect("a migration has statements");
        let find = |part: &str| {
            let is_it = |statement: &&Value| statement["sql"].as_str().is_some_and(|sql| sql.contains(part));
            statements.iter().find(is_it).unwrap_or_else(|| panic!("{tool}: no {part} in {statements:#?}"))
        };
        let [add, fill, index] = ["ADD COLUMN status", "UPDATE orders", "CREATE INDEX CONCURRENTLY"].map(find);
        assert_eq!(add == fill, self.whole, "{tool}");
        assert_eq!(fill["rows"], 1000, "{tool}");
        assert_eq!(index["in_transaction"], false, "{tool}");
        for statement in [add, fill, index] {
            assert_eq!((&statement["status"], &statement["bookkeeping"]), (&"ok".into(), &Value::Null), "{tool}");
        }
        let exact = |lock: &Value| {
            lock["relation"] == "public.orders" && lock["mode"] == "AccessExclusiveLock" && lock["how"] == "exact"
        };
        assert!(self.whole || add["sql"].as_str().is_some_and(|sql| sql.starts_with("ALTER TABLE")), "{tool}: {add:#}");
        let add = if self.whole {
            let parts = add["parts"].as_array().unwrap_or_else(|| panic!("{tool}: it was not taken apart: {add:#}"));
            let part = |of: &str| {
                let is_it = |part: &&Value| part["sql"].as_str().is_some_and(|sql| sql.starts_with(of));
                parts.iter().find(is_it).unwrap_or_else(|| panic!("{tool}: no {of} in {parts:#?}"))
            };
            assert_eq!(part("UPDATE orders")["rows"], 1000, "{tool}");
            part("ALTER TABLE")
        } else {
            add
        };
        // In autocommit it may be over before it is seen in a first pass.
        if add["in_transaction"] == true || self.is_passed_twice() {
            assert!(add["locks"].as_array().is_some_and(|locks| locks.iter().any(exact)), "{tool}: {add:#}");
        }
        if let Some(versions) = self.versions {
            let of = [add, fill, index].map(|statement| statement["version"].as_str().unwrap_or("none"));
            assert_eq!(of, [versions[0], versions[0], versions[1]], "{tool}");
            let headings = versions.map(|version| report.contains(&format!("\n version {version}\n")));
            assert_eq!(headings, [true, true], "{tool}: {report}");
            assert!(statements.iter().any(|statement| statement["bookkeeping"] == true), "{tool}");
            assert!(!report.contains("schema_migrations") && !report.contains("sqitch."), "{tool}: {report}");
        }
    }
}

#[test]
fn each_tool_is_measured_and_ends_says_and_leaves_what_it_does_without_the_tap() {
    let idle = Sandbox::migrated_by("psql -qXc 'SELECT 1'");
    idle.run(&["run", "scenario.toml", "--keep"]);
    let kept = fs::read_dir(idle.path("tmp")).expect("our own folder").flatten().find(|entry| entry.path().is_dir());
    let socket = kept.expect("a server was kept").path();
    // Two at a time: mostly they wait.
    for pair in CASES.chunks(2) {
        thread::scope(|scope| pair.iter().for_each(|case| drop(scope.spawn(|| case.check(&socket)))));
    }
    idle.run(&["sweep"]).expect(0);
}
