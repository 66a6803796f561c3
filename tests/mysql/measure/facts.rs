//! For now: prints.
use super::rig::{PLACES, Rig, opts};

#[tokio::test]
async fn try_out() {
    for (place, variable) in PLACES {
        let Some(opts) = opts(variable) else { continue };
        println!("==== {place}");
        let setup = [
            "CREATE TABLE ob_p (id INT PRIMARY KEY, x INT)",
            "INSERT INTO ob_p VALUES (1,1),(2,2)",
            "CREATE TABLE ob (id INT PRIMARY KEY AUTO_INCREMENT, a INT, b VARCHAR(60), p INT, KEY (a))",
            "INSERT INTO ob (a, b, p) SELECT s1.id, REPEAT('x', 40), 1 FROM ob_p s1, ob_p s2, ob_p s3, ob_p s4, ob_p s5, ob_p s6, ob_p s7, ob_p s8, ob_p s9, ob_p s10, ob_p s11, ob_p s12, ob_p s13, ob_p s14",
        ];
        let mut rig = Rig::new(&opts, "obs_try", &setup).await;
        for sql in [
            "ALTER TABLE ob MODIFY a BIGINT",
            "CREATE INDEX ib ON ob (b)",
            "ALTER TABLE ob FORCE",
            "ALTER TABLE ob ADD COLUMN n INT",
            "ALTER TABLE ob ALTER a SET DEFAULT 5",
            "ALTER TABLE ob DROP INDEX ib",
            "ALTER TABLE ob ADD CONSTRAINT fk1 FOREIGN KEY (p) REFERENCES ob_p (id)",
            "ALTER TABLE ob_p MODIFY x BIGINT",
            "ALTER TABLE ob ADD FULLTEXT (b)",
            "UPDATE ob SET a = 7",
            "SELECT 1",
            "INSERT INTO ob (a) VALUES (1); ALTER TABLE ob ADD z INT; ALTER TABLE nope ADD z INT; SELECT 1",
            "LOCK TABLES ob WRITE",
            "UNLOCK TABLES",
            "TRUNCATE ob",
            "DROP TABLE ob",
            "OPTIMIZE TABLE ob_p",
        ] {
            rig.run(sql).await;
            let seen = rig.observe().await;
            for s in seen.statements {
                println!(
                    "## {:?} {} {} rows {:?} alg {:?} rv {:?} lwt {:?} rewrites {:?} scans {:?} counters {:?} {:?}",
                    s.sql,
                    s.command,
                    s.duration_ms,
                    s.rows,
                    s.algorithm,
                    s.row_versions.map(|v| v.used),
                    s.lock_wait_timeout_s,
                    s.rewrites.map(|r| r.into_iter().map(|r| (r.relation, r.bytes)).collect::<Vec<_>>()),
                    s.scans.map(|s| s.len()),
                    (s.counters.redo_bytes, s.counters.binlog_bytes, s.counters.pages_created),
                    s.error
                );
                match s.locks {
                    None => println!("     locks None"),
                    Some(locks) => {
                        for l in locks {
                            println!(
                                "     {} {} waited {:?} held {:?} {:?} {:?}",
                                l.relation,
                                l.mode,
                                l.waited_ms.map(|m| m.as_f64()),
                                l.held_ms.map(|m| m.as_f64()),
                                l.blocks,
                                l.how
                            );
                        }
                    }
                }
            }
            for b in seen.blocking {
                println!(
                    "   > {} rows {:?} new {} reads {:?} writes {:?}",
                    b.table,
                    b.rows,
                    b.new,
                    b.reads.held_ms.map(|m| m.as_f64()),
                    b.writes.held_ms.map(|m| m.as_f64())
                );
            }
        }
        println!("trouble {:?} overhead {:?}", rig.observer.trouble(), rig.observer.overhead());
    }
}
