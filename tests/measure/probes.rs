//! Probes feel a lock for as long as the session that holds it says it held it, and nothing where nobody is shut out.

use std::time::{Duration, Instant};

use rehearsal::observe::probe::{Probes, Stall};
use rehearsal::run::Millis;
use rehearsal::scenario::ProviderWish;
use rehearsal::server::session::Session;
use rehearsal::server::{DATABASE, Server};

use crate::rig::{alone, figure, server};

/// Longer than what a busy machine does to a probe by chance.
const HELD: Duration = Duration::from_millis(1500);

const SCHEMA: &str = "CREATE TABLE orders (id integer PRIMARY KEY, status text NOT NULL); \
    CREATE TABLE \"Order Lines\" (order_id integer, line integer, PRIMARY KEY (order_id, line)); \
    CREATE TABLE fired (at timestamptz); \
    CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO fired VALUES (now()); RETURN NULL; END'; \
    CREATE TRIGGER fire AFTER DELETE ON orders EXECUTE FUNCTION fire(); \
    CREATE VIEW seen AS SELECT * FROM orders; \
    INSERT INTO orders SELECT i, 'new' FROM generate_series(1, 1000) AS i; \
    INSERT INTO \"Order Lines\" SELECT i, 1 FROM generate_series(1, 10) AS i";

/// What is felt on both tables while a session does this in a transaction that it leaves open for a while; and for how long
/// it did by its own clock.
async fn felt(server: &Server, sql: &str) -> (Stall, Stall, Duration) {
    let tables = ["public.orders", "public.\"Order Lines\"", "public.seen", "public.gone"].map(str::to_owned);
    let session = Session::open(&server.config(DATABASE)).await.expect("a session");
    let probes = Probes::start(&server.access(DATABASE), &tables).await.expect("the probes start");
    session.client.batch_execute(&format!("BEGIN; {sql}")).await.expect("it works");
    let began = Instant::now();
    tokio::time::sleep(HELD).await;
    session.client.batch_execute("ROLLBACK").await.expect("it ends");
    let held = began.elapsed();
    let stalls = probes.stop().await;
    let [orders, lines] = <[Stall; 2]>::try_from(stalls).expect("views and what is not there are not probed");
    figure(&format!("{sql}: held {held:?}, felt {orders:?} and {lines:?}"));
    (orders, lines, held)
}

/// Whether a wait is the lock's, and no other.
fn is(wait: Millis, held: Duration) -> bool {
    wait.0 > held.mul_f64(0.9) && wait.0 < held.mul_f64(1.5)
}

fn is_nothing(wait: Millis, held: Duration) -> bool {
    wait.0 < held.mul_f64(0.5)
}

#[test]
fn what_probes_wait_is_what_the_lock_was_held() {
    alone(async {
        let server = server(15, ProviderWish::Local).await;
        let session = Session::open(&server.config(DATABASE)).await.expect("a session");
        session.client.batch_execute(SCHEMA).await.expect("the schema is made");

        let (orders, lines, held) = felt(&server, "LOCK TABLE orders IN ACCESS EXCLUSIVE MODE").await;
        assert!(is(orders.reads, held) && is(orders.writes, held), "{orders:?} {held:?}");
        assert!(is_nothing(lines.reads, held) && is_nothing(lines.writes, held), "{lines:?} {held:?}");

        let (orders, _, held) = felt(&server, "LOCK TABLE orders IN SHARE MODE").await;
        assert!(is_nothing(orders.reads, held) && is(orders.writes, held), "{orders:?} {held:?}");

        let (orders, _, held) = felt(&server, "UPDATE orders SET status = 'paid' WHERE id = 1000").await;
        assert!(is_nothing(orders.reads, held) && is(orders.writes, held), "{orders:?} {held:?}");

        let (_, lines, held) = felt(&server, "DELETE FROM \"Order Lines\" WHERE order_id = 1").await;
        assert!(is_nothing(lines.reads, held) && is(lines.writes, held), "{lines:?} {held:?}");

        let (orders, lines, held) = felt(&server, "SELECT count(*) FROM orders").await;
        let all = [orders.reads, orders.writes, lines.reads, lines.writes];
        assert!(all.iter().all(|wait| is_nothing(*wait, held)), "{all:?} {held:?}");

        let row = session.client.query_one("SELECT count(*) FROM fired", &[]).await.expect("it is asked");
        assert_eq!(row.get::<_, i64>(0), 0, "a probe fires no trigger");
        let row = session.client.query_one("SELECT count(*) FROM orders", &[]).await.expect("it is asked");
        assert_eq!(row.get::<_, i64>(0), 1000, "a probe changes nothing");
        drop(session);
        server.stop().await.expect("the server stops");
    });
}
