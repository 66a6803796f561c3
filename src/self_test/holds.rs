//! The locks that are held: which statements take them, which let them go, and who has to wait meanwhile.

use std::time::Duration;

use super::client::{Client, SelfTestError};
use crate::scenario::Engine;
use crate::server::Access;

/// For how long the session that took a lock does nothing. Much longer than what a machine does to a session by chance, and
/// short enough for some rounds of every lock.
pub(super) const HELD: Duration = Duration::from_millis(250);

/// A lock that is held for a while.
pub(super) struct Hold {
    /// As people write it.
    pub(super) name: &'static str,
    /// Statements that take it.
    pub(super) take: &'static [&'static str],
    /// Statements that let it go after [`HELD`]; none where the last of `take` holds it for as long as it works.
    pub(super) let_go: &'static [&'static str],
    /// What makes it as it was.
    pub(super) undo: &'static [&'static str],
    /// The tables that are looked at.
    pub(super) tables: &'static [&'static str],
    /// Who has to wait, if the probes shall feel it: readers; writers, of the table or of a row.
    pub(super) felt: Option<(bool, bool)>,
    /// Whether it is a lock of a row, which is none of the table's.
    pub(super) is_row: bool,
}

const POSTGRES: [Hold; 5] = [
    Hold {
        name: "ACCESS EXCLUSIVE",
        take: &["BEGIN", "LOCK TABLE orders IN ACCESS EXCLUSIVE MODE"],
        let_go: &["COMMIT"],
        undo: &[],
        tables: &["orders"],
        felt: Some((true, true)),
        is_row: false,
    },
    Hold {
        name: "SHARE",
        take: &["BEGIN", "LOCK TABLE orders IN SHARE MODE"],
        let_go: &["COMMIT"],
        undo: &[],
        tables: &["orders"],
        felt: Some((false, true)),
        is_row: false,
    },
    Hold {
        name: "SHARE ROW EXCLUSIVE (foreign key)",
        take: &["BEGIN", "ALTER TABLE orders ADD CONSTRAINT fk FOREIGN KEY (customer) REFERENCES customers (id)"],
        let_go: &["COMMIT"],
        undo: &["ALTER TABLE orders DROP CONSTRAINT fk"],
        tables: &["orders", "customers"],
        felt: None,
        is_row: false,
    },
    Hold {
        name: "ACCESS EXCLUSIVE (autocommit)",
        take: &["ALTER TABLE one ALTER a TYPE bigint USING napping(a)"],
        let_go: &[],
        undo: &["ALTER TABLE one ALTER a TYPE int"],
        tables: &["one"],
        felt: None,
        is_row: false,
    },
    Hold {
        name: "a row",
        take: &["BEGIN", "UPDATE orders SET amount = 0 WHERE id = 1000"],
        let_go: &["ROLLBACK"],
        undo: &[],
        tables: &["orders"],
        felt: Some((false, true)),
        is_row: true,
    },
];

const POSTGRES_TABLES: [&str; 10] = [
    "CREATE TABLE customers (id int PRIMARY KEY, name text)",
    "INSERT INTO customers SELECT g, 'customer ' || g FROM generate_series(1, 1000) g",
    "CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL, amount int NOT NULL)",
    "INSERT INTO orders SELECT g, g, g FROM generate_series(1, 1000) g",
    "CREATE TABLE one (a int)",
    "INSERT INTO one VALUES (1)",
    "CREATE FUNCTION napping(int) RETURNS bigint LANGUAGE sql AS 'SELECT $1::bigint FROM pg_sleep(0.25)'",
    "CREATE TABLE copy_1 AS SELECT * FROM orders",
    "CREATE TABLE copy_2 AS SELECT * FROM orders",
    "CREATE TABLE copy_3 AS SELECT * FROM orders",
];

const MYSQL: [Hold; 5] = [
    Hold {
        name: "SHARED_NO_READ_WRITE",
        take: &["LOCK TABLES orders WRITE"],
        let_go: &["UNLOCK TABLES"],
        undo: &[],
        tables: &["orders"],
        felt: Some((true, true)),
        is_row: false,
    },
    Hold {
        name: "SHARED_READ_ONLY",
        take: &["LOCK TABLES orders READ"],
        let_go: &["UNLOCK TABLES"],
        undo: &[],
        tables: &["orders"],
        felt: Some((false, true)),
        is_row: false,
    },
    Hold {
        name: "SHARED_NO_WRITE (a copy)",
        take: &["ALTER TABLE few ADD COLUMN hash char(128) AS (sha2(repeat(id, 8000000), 512)) STORED, LOCK = SHARED"],
        let_go: &[],
        undo: &["ALTER TABLE few DROP COLUMN hash"],
        tables: &["few"],
        felt: None,
        is_row: false,
    },
    Hold {
        name: "EXCLUSIVE (a copy)",
        take: &[
            "ALTER TABLE few ADD COLUMN hash char(128) AS (sha2(repeat(id, 8000000), 512)) STORED, LOCK = EXCLUSIVE",
        ],
        let_go: &[],
        undo: &["ALTER TABLE few DROP COLUMN hash"],
        tables: &["few"],
        felt: None,
        is_row: false,
    },
    Hold {
        name: "a row",
        take: &["START TRANSACTION", "UPDATE orders SET amount = 0 WHERE id = 1000"],
        let_go: &["ROLLBACK"],
        undo: &[],
        tables: &["orders"],
        felt: Some((false, true)),
        is_row: true,
    },
];

const MYSQL_TABLES: [&str; 10] = [
    "CREATE TABLE orders (id int PRIMARY KEY, amount int NOT NULL)",
    "INSERT INTO orders WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT i, i FROM n",
    "CREATE TABLE few (id int PRIMARY KEY)",
    "INSERT INTO few SELECT id FROM orders WHERE id <= 10",
    "CREATE TABLE copy_1 (id int PRIMARY KEY, amount int NOT NULL)",
    "CREATE TABLE copy_2 (id int PRIMARY KEY, amount int NOT NULL)",
    "CREATE TABLE copy_3 (id int PRIMARY KEY, amount int NOT NULL)",
    "INSERT INTO copy_1 SELECT * FROM orders",
    "INSERT INTO copy_2 SELECT * FROM orders",
    "INSERT INTO copy_3 SELECT * FROM orders",
];

/// The locks of an engine.
pub(super) fn of(engine: Engine) -> &'static [Hold] {
    match engine {
        Engine::Postgres => &POSTGRES,
        Engine::Mysql | Engine::Mariadb => &MYSQL,
    }
}

/// Makes the tables.
pub(super) async fn prepare(access: &Access, engine: Engine) -> Result<(), SelfTestError> {
    let mut client = Client::open(access).await?;
    match engine {
        Engine::Postgres => {
            client.run_all(&POSTGRES_TABLES).await?;
            // What is written in the background would be in the way.
            client.run_all(&["VACUUM ANALYZE", "CHECKPOINT"]).await
        }
        Engine::Mysql | Engine::Mariadb => client.run_all(&MYSQL_TABLES).await,
    }
}
