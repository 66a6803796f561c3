//! The server around the filling: its settings, what is left when the filling is cancelled, and very many tables.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use pretty_assertions::assert_eq;
use rehearsal::scenario::SnapshotWish;
use rehearsal::snapshot::prepare;
use serde_json::Value;

use crate::lab::{Database, Lab, Place, table, with_server};

/// Far longer than anything here takes: what is not done by then hangs.
const HANGS: Duration = Duration::from_secs(60);

const SETTINGS: &str = "SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings
    WHERE name IN ('fsync', 'full_page_writes', 'max_wal_size', 'synchronous_commit')";

/// Rehearses with the program: the dump keeps the settings that it met, and the migration fails unless those were the
/// fast ones and its own are `measured`.
fn rehearse(lab: &Lab, provider: &str, settings: &str, measured: &str) -> Value {
    lab.file("dump.sql", format!("CREATE TABLE filled AS {SETTINGS};\nCREATE TABLE t (id bigserial PRIMARY KEY);\n"));
    lab.file(
        "0001_check.sql",
        format!(
            "DO $$ DECLARE now text := ({SETTINGS}); filled text := (SELECT string_agg FROM filled); BEGIN
                 ASSERT filled = 'fsync=off full_page_writes=off max_wal_size=65536 synchronous_commit=off', filled;
                 ASSERT now = '{measured}', now;
                 ASSERT (SELECT count(*) FROM t) = 1000, 'rows';
             END $$;\n"
        ),
    );
    let scenario = lab.file(
        "scenario.toml",
        format!(
            "title = \"settings\"\nengine = \"postgres\"\n[server]\nsettings = {{ {settings} }}\n[snapshot]\n\
             restore = \"dump.sql\"\n[[snapshot.table]]\nname = \"t\"\nrows = 1000\n[migrations]\npath = \"0001_check.sql\"\n"
        ),
    );
    let mut program = Command::new(env!("CARGO_BIN_EXE_rehearsal"));
    program.arg("run").arg(scenario).args(["--provider", provider, "--report", "json=-"]);
    let output = program.output().expect("the program starts");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{err}\n{out}", output.status);
    serde_json::from_str(&out).expect("JSON on standard output")
}

fn settings_are_measured_ones_after_filling(place: Place, provider: &str) {
    with_server(place, async |lab: &Lab| {
        let usual = "fsync=on full_page_writes=on max_wal_size=8192 synchronous_commit=on";
        let run = rehearse(lab, provider, "", usual);
        for (name, value) in
            [("fsync", "on"), ("full_page_writes", "on"), ("synchronous_commit", "on"), ("max_wal_size", "8GB")]
        {
            assert_eq!(run.pointer(&format!("/server/settings/{name}")), Some(&Value::from(value)), "{name}");
        }
        let wished = "max_wal_size = \"2GB\", synchronous_commit = \"local\"";
        rehearse(lab, provider, wished, "fsync=on full_page_writes=on max_wal_size=2048 synchronous_commit=local");
    });
}

#[test]
fn filling_is_fast_and_the_measured_server_is_durable_on_this_machine() {
    settings_are_measured_ones_after_filling(Place::Local, "local");
}

#[test]
fn filling_is_fast_and_the_measured_server_is_durable_in_a_container() {
    settings_are_measured_ones_after_filling(Place::Container("18"), "container");
}

/// A table whose rows take the server long to load, and the rows.
const SLOW: &str = "
CREATE FUNCTION public.slow(n integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_sleep(0.02); RETURN true; END $$;
CREATE TABLE public.t (n integer CHECK (public.slow(n)));
";

/// Sessions of a database that are in the middle of a COPY.
fn copying(database: &Database) -> String {
    format!("pg_stat_activity WHERE datname = '{}' AND state = 'active' AND query LIKE 'COPY %'", database.name)
}

fn cancelled_while_loading(place: Place, custom: bool) {
    with_server(place, async |lab: &Lab| {
        let slow = lab.database().await;
        slow.run(SLOW).await;
        slow.run("INSERT INTO t SELECT n FROM generate_series(1, 200) AS n").await;
        let format = if custom { "--format=custom" } else { "--format=plain" };
        let bytes = lab.program("pg_dump", &["-d", &slow.name, format], None).await;
        let restoring = SnapshotWish { restore: vec![lab.file("slow.dump", bytes).into()], ..SnapshotWish::default() };
        cancelled(lab, &lab.database().await, restoring).await;
    });
}

/// Drops the preparation in the middle of loading a table, and then uses the server.
async fn cancelled(lab: &Lab, database: &Database, wish: SnapshotWish) {
    let loads = async {
        while database.count(&copying(database)).await == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let access = database.access();
    tokio::select! {
        done = prepare(&access, &wish, &lab.server, &|_| ()) => panic!("it ended before it was stopped: {done:?}"),
        () = loads => {}
        () = tokio::time::sleep(HANGS) => panic!("no row was ever loaded"),
    }
    let ends = async {
        while database.count(&copying(database)).await > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(HANGS, ends).await.expect("the load ends once nobody waits for it");
    assert!(lab.server.answers().await);
    let fresh = lab.database().await;
    fresh.run("CREATE TABLE u (id int PRIMARY KEY)").await;
    lab.prepare(&fresh, &[], vec![table("u", 100)], 1).await.expect("the server can be filled again");
}

#[test]
fn a_plain_restore_that_is_cancelled_leaves_the_server_usable() {
    cancelled_while_loading(Place::Local, false);
}

#[test]
fn a_custom_restore_that_is_cancelled_leaves_the_server_usable() {
    cancelled_while_loading(Place::Local, true);
}

/// Cancels growing in the middle of it.
pub(crate) async fn growing_is_cancelled_on(lab: &Lab) {
    let database = lab.database().await;
    database.run("CREATE TABLE t (id bigint PRIMARY KEY, a text); CREATE INDEX plain ON t (a)").await;
    let growing = SnapshotWish { tables: vec![table("t", 1_000_000_000)], ..SnapshotWish::default() };
    cancelled(lab, &database, growing).await;
    assert_eq!(database.count("t").await, 0, "a table that was not grown to the end has none of the rows");
    assert_eq!(database.count("pg_class WHERE relname = 'plain'").await, 1);
}

#[test]
fn growing_that_is_cancelled_leaves_the_server_usable() {
    with_server(Place::Local, growing_is_cancelled_on);
}

#[test]
fn a_server_is_stopped_in_the_middle_of_a_load() {
    with_server(Place::Local, async |_: &Lab| {
        let server = crate::lab::start(Place::Local).await;
        let access = server.access(rehearsal::server::DATABASE);
        let config = server.config(rehearsal::server::DATABASE);
        let session = rehearsal::server::session::Session::open(&config).await.expect("it takes connections");
        session.client.batch_execute("CREATE TABLE t (id bigint)").await.expect("a table is made");
        let growing = SnapshotWish { tables: vec![table("t", 1_000_000_000)], ..SnapshotWish::default() };
        let begun = tokio::sync::Notify::new();
        let listen = |_: rehearsal::snapshot::Progress<'_>| begun.notify_one();
        tokio::select! {
            done = prepare(&access, &growing, &server, &listen) => panic!("it ended: {done:?}"),
            () = begun.notified() => {}
        }
        tokio::time::timeout(HANGS, server.stop()).await.expect("it stops").expect("it stops well");
    });
}

#[test]
fn a_dump_of_thousands_of_tables_is_restored() {
    with_server(Place::Local, async |lab: &Lab| {
        let mut dump = String::new();
        for n in 0..2_000 {
            write!(
                dump,
                "CREATE TABLE public.t{n} (\n    id integer NOT NULL,\n    name text\n);\n\n\
                 ALTER TABLE public.t{n} OWNER TO postgres;\n\nCOPY public.t{n} (id, name) FROM stdin;\n1\tone\n\\.\n\n\
                 ALTER TABLE ONLY public.t{n}\n    ADD CONSTRAINT t{n}_pkey PRIMARY KEY (id);\n\n"
            )
            .expect("text can be written to");
        }
        let database = lab.database().await;
        let file = lab.file("many.sql", dump);
        let prepared = lab.prepare(&database, &[file], vec![], 1).await.expect("it is restored");
        assert_eq!(prepared.tables.len(), 2_000);
        assert!(prepared.tables.iter().all(|fact| fact.rows == Some(1)));
    });
}
