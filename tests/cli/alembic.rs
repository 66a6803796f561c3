//! A real migration tool, unchanged and none the wiser: Alembic with psycopg2, from the environment that
//! `tests/run.sh --setup` makes.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::sandbox::Sandbox;

const ENV: &str = r#"
import os
from alembic import context
from sqlalchemy import create_engine
from logging.config import fileConfig

fileConfig(context.config.config_file_name)
with create_engine(os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg2:")).connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"#;

const INI: &str = "[alembic]\nscript_location = %(here)s/alembic\n\
    [loggers]\nkeys = root,alembic\n[handlers]\nkeys = console\n[formatters]\nkeys = plain\n\
    [logger_root]\nlevel = WARNING\nhandlers = console\n\
    [logger_alembic]\nlevel = INFO\nhandlers =\nqualname = alembic\n\
    [handler_console]\nclass = StreamHandler\nargs = (sys.stderr,)\nformatter = plain\n\
    [formatter_plain]\nformat = %(levelname)s [%(name)s] %(message)s\n";

fn revision(id: &str, after: Option<&str>, body: &str) -> String {
    let after = after.map_or("None".to_owned(), |after| format!("'{after}'"));
    format!(
        "from alembic import op\nimport sqlalchemy as sa\n\nrevision = '{id}'\ndown_revision = {after}\n\n\ndef upgrade():\n{body}"
    )
}

fn venv() -> PathBuf {
    let named = std::env::var_os("REHEARSAL_TEST_VENV").map(PathBuf::from);
    let venv = named.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/test-venv"));
    assert!(venv.join("bin/alembic").exists(), "no Alembic in {}: tests/run.sh --setup installs it", venv.display());
    venv
}

/// A project of three revisions: a backfill in a transaction, an index built outside of one, and `third`.
fn project(third: &str) -> Sandbox {
    let first = "    op.add_column('orders', sa.Column('status', sa.Text()))\n    \
                 op.execute(\"UPDATE orders SET status = 'new'\")\n    \
                 op.alter_column('orders', 'total', type_=sa.Numeric(12, 2))\n";
    let second = "    with op.get_context().autocommit_block():\n        \
                  op.create_index('orders_status', 'orders', ['status'], postgresql_concurrently=True)\n";
    let alembic = venv().join("bin/alembic");
    let command = format!(
        "{0} upgrade head > said.txt 2>&1; code=$?; {0} current > current.txt 2>/dev/null; cat said.txt; exit $code",
        alembic.display()
    );
    Sandbox::migrated_by(&command)
        .with("alembic.ini", INI)
        .with("alembic/env.py", ENV)
        .with("alembic/versions/a1_backfill.py", &revision("a1", None, first))
        .with("alembic/versions/b2_index.py", &revision("b2", Some("a1"), second))
        .with("alembic/versions/c3_third.py", &revision("c3", Some("b2"), third))
}

fn statement<'a>(record: &'a Value, beginning: &str) -> &'a Value {
    let statements = record["migrations"][0]["statements"].as_array().expect("a migration has statements");
    let begins = |statement: &&Value| statement["sql"].as_str().is_some_and(|sql| sql.starts_with(beginning));
    statements.iter().find(begins).unwrap_or_else(|| panic!("no {beginning} among {statements:#?}"))
}

fn locks(statement: &Value) -> Vec<(&str, &str)> {
    let locks = statement["locks"].as_array().unwrap_or_else(|| panic!("no locks: {statement:#}"));
    locks.iter().map(|lock| (lock["relation"].as_str().unwrap(), lock["mode"].as_str().unwrap())).collect()
}

/// What Alembic says on a server without a tap before it.
fn directly(sandbox: &Sandbox) -> (String, String) {
    let idle = Sandbox::migrated_by("psql -qXc 'SELECT 1'");
    idle.run(&["run", "scenario.toml", "--keep"]);
    let socket = fs::read_dir(idle.path("tmp")).expect("our own folder").flatten().find(|entry| entry.path().is_dir());
    let url = format!("postgresql://postgres@/rehearsal?host={}", socket.expect("it was kept").path().display());
    let alembic = |arguments: &[&str]| {
        let mut alembic = Command::new(venv().join("bin/alembic"));
        let output = alembic.args(arguments).current_dir(sandbox.path("")).env("DATABASE_URL", &url).output();
        let output = output.expect("Alembic is installed");
        (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let said = (alembic(&["upgrade", "head"]).1, alembic(&["current"]).0);
    idle.run(&["sweep"]).expect(0);
    said
}

#[test]
fn each_statement_of_three_revisions_is_measured_and_alembic_is_none_the_wiser() {
    let sandbox = project("    op.create_table('notes', sa.Column('id', sa.BigInteger(), primary_key=True))\n");
    let ended = sandbox.rehearse().expect(0);
    let record = sandbox.record();

    let add = statement(&record, "ALTER TABLE orders ADD COLUMN status");
    assert_eq!(locks(add)[0], ("public.orders", "AccessExclusiveLock"));
    assert_eq!(add["in_transaction"], true);
    let update = statement(&record, "UPDATE orders SET status");
    assert_eq!(update["rows"], 1000);
    assert!(locks(update).contains(&("public.orders", "RowExclusiveLock")), "{update:#}");
    let retype = statement(&record, "ALTER TABLE orders ALTER COLUMN total TYPE NUMERIC(12, 2)");
    assert_eq!(retype["rewrites"][0]["relation"], "public.orders");
    let index = statement(&record, "CREATE INDEX CONCURRENTLY orders_status");
    assert_eq!(index["in_transaction"], false);
    let create = statement(&record, "\nCREATE TABLE notes");
    assert!(locks(create).iter().all(|(relation, _)| relation.starts_with("public.notes")), "{create:#}");
    let blocking = record["migrations"][0]["blocking"].as_array().expect("the first revision blocks");
    assert!(blocking.iter().any(|blocking| blocking["table"] == "public.orders"), "{blocking:#?}");

    for (beginning, version) in [("ALTER TABLE orders", "a1"), ("CREATE INDEX", "b2"), ("\nCREATE TABLE notes", "c3")] {
        assert_eq!(statement(&record, beginning)["version"], version);
    }
    assert_eq!(statement(&record, "\nCREATE TABLE alembic_version")["bookkeeping"], true);
    assert_eq!(statement(&record, "UPDATE alembic_version")["version"], "b2");
    assert!(ended.stdout.contains("\n version b2\n CREATE INDEX"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("alembic_version"), "{}", ended.stdout);
    assert!(ended.stdout.contains(" statements that the migration tool sent for itself are not shown"));

    let said = ["said.txt", "current.txt"].map(|file| fs::read_to_string(sandbox.path(file)).expect("written"));
    assert!(said[0].contains("Running upgrade b2 -> c3"), "{}", said[0]);
    assert!(said[1].contains("c3 (head)"), "{}", said[1]);
    let (upgraded, current) = directly(&sandbox);
    assert_eq!(said, [upgraded, current]);
}

#[test]
fn a_revision_that_fails_on_the_data_is_told_with_the_statement_and_the_rest_is_measured() {
    let sandbox = project("    op.create_check_constraint('small', 'orders', 'total < 500')\n");
    let ended = sandbox.rehearse().expect(1);
    assert!(ended.stdout.contains("error[fails-on-data] migration command"), "{}", ended.stdout);
    let record = sandbox.record();
    let failing = statement(&record, "ALTER TABLE orders ADD CONSTRAINT small");
    assert_eq!(failing["error"]["sqlstate"], "23514");
    assert_eq!(statement(&record, "UPDATE orders")["status"], "ok");
    let said = fs::read_to_string(sandbox.path("said.txt")).expect("written");
    assert!(said.contains("CheckViolation"), "{said}");
    let current = fs::read_to_string(sandbox.path("current.txt")).expect("written");
    assert!(current.contains("b2") && !current.contains("c3"), "{current}");
}
