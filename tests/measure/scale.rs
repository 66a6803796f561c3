//! What observing costs in a database with many tables.

use rehearsal::server::session::Session;

use crate::rig::{Rig, VERSIONS, alone, figure, server};

/// Each has an index, and a TOAST table with one of its own: 20,000 relations.
const MANY: &str = "DO $$ BEGIN FOR i IN 1..5000 LOOP \
    EXECUTE format('CREATE TABLE many_%s (id int PRIMARY KEY, note text)', i); \
    IF i % 500 = 0 THEN COMMIT; END IF; END LOOP; END $$";

/// More than that is not acceptable for a statement; it is ten times what it takes on a machine at rest, since no
/// test may depend on how busy a machine is.
const LIMIT_MS: f64 = 1000.0;

#[test]
fn five_thousand_tables_can_be_observed() {
    alone(async {
        let server = server(VERSIONS[0].0, VERSIONS[0].1).await;
        let admin = Session::open(&server.config("postgres")).await.expect("a session");
        for quick in ["ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()"] {
            admin.client.batch_execute(quick).await.expect("a server that need not last");
        }
        let rig = Rig::with(&server, MANY).await;
        let tool = rig.tapped().await;
        let held_back = || rig.observer.overhead().held_back_ms.expect("statements").as_f64();
        for (what, statements) in [
            ("BEGIN", vec!["BEGIN"]),
            (
                "ALTER TABLE in a transaction",
                (1..=10).map(|_| "ALTER TABLE many_1 ADD COLUMN IF NOT EXISTS a int").collect(),
            ),
            (
                "INSERT in a transaction",
                (1..=10).map(|_| "INSERT INTO many_2 VALUES (1) ON CONFLICT DO NOTHING").collect(),
            ),
            ("COMMIT", vec!["COMMIT"]),
            ("ALTER TABLE in autocommit", vec!["ALTER TABLE many_3 ADD a int"; 1]),
            ("CREATE INDEX in autocommit", vec!["CREATE INDEX ON many_3 (note)"; 5]),
            ("INSERT in autocommit", vec!["INSERT INTO many_4 VALUES (1) ON CONFLICT DO NOTHING"; 10]),
        ] {
            let before = if what == "BEGIN" { 0.0 } else { held_back() };
            for statement in &statements {
                tool.client.batch_execute(statement).await.expect("it runs");
            }
            let each = (held_back() - before) / statements.len() as f64;
            figure(&format!("5,000 tables: a reply is held back {each:.1} ms after {what}"));
            assert!(each < LIMIT_MS, "{what}: {each} ms");
        }
        rig.end().await;
        server.stop().await.expect("the server stops");
    });
}
