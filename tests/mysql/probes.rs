//! Probes feel a lock for as long as the session that holds it says it held it, and nothing where nobody is shut out.

use std::time::{Duration, Instant};

use rehearsal::observe::probe::{Probes, Stall};
use rehearsal::run::Millis;
use rehearsal::server::Access;

use crate::lab::{Lab, Place, with_own_server};

/// Longer than what a busy machine does to a probe by chance.
const HELD: Duration = Duration::from_millis(1500);

const SCHEMA: [&str; 7] = [
    "CREATE TABLE orders (id INT PRIMARY KEY, status VARCHAR(20) NOT NULL)",
    "CREATE TABLE `Order Lines` (order_id INT, line VARCHAR(9), PRIMARY KEY (order_id, line))",
    "CREATE TABLE fired (at DATETIME)",
    "CREATE TRIGGER fire BEFORE DELETE ON orders FOR EACH ROW INSERT INTO fired VALUES (now())",
    "CREATE VIEW seen AS SELECT * FROM orders",
    "INSERT INTO orders WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i, 'new' FROM n",
    "INSERT INTO `Order Lines` VALUES (1, 'it''s'), (2, 'b'), (3, 'c')",
];

/// What is felt on both tables while a session does this and waits for a while before it ends it; and for how long it did by
/// its own clock.
async fn felt(lab: &Lab, begin: &str, end: &str) -> (Stall, Stall, Duration) {
    let access = lab.server.access(rehearsal::server::DATABASE);
    let tables = ["orders", "`Order Lines`", "seen", "gone"].map(str::to_owned);
    let session = lab.open(rehearsal::server::DATABASE).await;
    let probes = Probes::start(&access, &tables).await.expect("the probes start");
    for sql in begin.split("; ") {
        session.run(sql).await;
    }
    let from = Instant::now();
    tokio::time::sleep(HELD).await;
    session.run(end).await;
    let held = from.elapsed();
    let stalls = probes.stop().await;
    let [orders, lines] = <[Stall; 2]>::try_from(stalls).expect("views and what is not there are not probed");
    (orders, lines, held)
}

/// Whether a wait is the lock's, and no other.
fn is(wait: Millis, held: Duration) -> bool {
    wait.0 > held.mul_f64(0.9) && wait.0 < held.mul_f64(1.5)
}

fn is_nothing(wait: Millis, held: Duration) -> bool {
    wait.0 < held.mul_f64(0.5)
}

async fn waits_are_the_locks(lab: &Lab) {
    assert!(matches!(lab.server.access("x"), Access::Mysql(_)));
    let session = lab.open(rehearsal::server::DATABASE).await;
    for sql in SCHEMA {
        session.run(sql).await;
    }

    let (orders, lines, held) = felt(lab, "LOCK TABLES orders WRITE", "UNLOCK TABLES").await;
    assert!(is(orders.reads, held) && is(orders.writes, held), "{orders:?} {held:?}");
    assert!(is_nothing(lines.reads, held) && is_nothing(lines.writes, held), "{lines:?} {held:?}");

    let (orders, _, held) = felt(lab, "LOCK TABLES orders READ", "UNLOCK TABLES").await;
    assert!(is_nothing(orders.reads, held) && is(orders.writes, held), "{orders:?} {held:?}");

    let update = "START TRANSACTION; UPDATE orders SET status = 'paid' WHERE id = 900";
    let (orders, _, held) = felt(lab, update, "ROLLBACK").await;
    assert!(is_nothing(orders.reads, held) && is(orders.writes, held), "{orders:?} {held:?}");

    let delete = "START TRANSACTION; DELETE FROM `Order Lines` WHERE order_id = 1";
    let (_, lines, held) = felt(lab, delete, "ROLLBACK").await;
    assert!(is_nothing(lines.reads, held) && is(lines.writes, held), "{lines:?} {held:?}");

    let (orders, lines, held) = felt(lab, "START TRANSACTION; SELECT count(*) FROM orders", "ROLLBACK").await;
    let all = [orders.reads, orders.writes, lines.reads, lines.writes];
    assert!(all.iter().all(|wait| is_nothing(*wait, held)), "{all:?} {held:?}");

    assert_eq!(session.get::<u64>("SELECT count(*) FROM fired").await, 0, "a probe fires no trigger");
    assert_eq!(session.get::<u64>("SELECT count(*) FROM orders").await, 900, "a probe changes nothing");
}

#[test]
fn what_probes_wait_is_what_the_lock_was_held_on_mysql() {
    with_own_server(Place::Mysql("9.7"), &[], waits_are_the_locks);
}

#[test]
fn what_probes_wait_is_what_the_lock_was_held_on_mariadb() {
    with_own_server(Place::Local, &[], waits_are_the_locks);
}
