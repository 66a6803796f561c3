//! Costs that do not depend on the machine: equal in every run on the same data, and equal to what the server's own
//! `pg_stat_statements` says of each statement.

use rehearsal::run::{Scan, Statement};
use rehearsal::scenario::{ProviderWish, ServerWish};
use rehearsal::server::session::Session;
use rehearsal::server::{DATABASE, Server};

use crate::rig::{Rig, VERSIONS, figure, test};

const SCHEMA: &str = "
    CREATE TABLE parent (id bigint PRIMARY KEY, name text);
    INSERT INTO parent SELECT g, 'p' || g FROM generate_series(1, 2000) g;
    CREATE TABLE t (id bigint PRIMARY KEY, a int NOT NULL, b int, s varchar(50), note text);
    INSERT INTO t SELECT g, g % 2000 + 1, g, md5(g::text), repeat(md5(g::text), 3) FROM generate_series(1, 20000) g;
    CREATE INDEX t_a ON t (a);
    CREATE TABLE part (id bigint NOT NULL, v int) PARTITION BY RANGE (id);
    CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (5000);
    INSERT INTO part SELECT g, g FROM generate_series(0, 4999) g;";

/// Ten statements in a transaction of their own, and three outside one.
const STATEMENTS: [&str; 10] = [
    "CREATE INDEX t_b ON t (b, s)",
    "ALTER TABLE t ALTER a TYPE bigint",
    "UPDATE t SET b = b + 1 WHERE id <= 5000",
    "ALTER TABLE t ADD CONSTRAINT fk FOREIGN KEY (a) REFERENCES parent (id)",
    "ALTER TABLE t ADD z int NOT NULL DEFAULT 5",
    "ALTER TABLE t ALTER s SET NOT NULL",
    "DELETE FROM t WHERE id > 15000",
    "INSERT INTO parent SELECT g, 'q' || g FROM generate_series(10001, 12000) g",
    "CREATE INDEX part_v ON part (v)",
    "REINDEX TABLE parent",
];
const ALONE: [&str; 3] =
    ["CREATE INDEX CONCURRENTLY t_note ON t (note)", "CREATE INDEX t_s ON t (s, note)", "VACUUM FULL parent"];

/// What has to be equal.
#[derive(Debug, PartialEq, Eq)]
struct Cost {
    sql: String,
    rows: Option<u64>,
    scans: Option<Vec<Scan>>,
    wal_bytes: Option<u64>,
    page_image_bytes: Option<u64>,
    blocks: Option<u64>,
    temp_bytes: Option<u64>,
}

impl Cost {
    fn of(statement: &Statement) -> Self {
        let Statement { counters, scans, .. } = statement;
        let blocks = counters.blocks_read.flatten().zip(counters.blocks_hit.flatten());
        Self {
            sql: statement.sql.clone(),
            rows: statement.rows,
            scans: scans.clone(),
            wal_bytes: counters.wal_bytes.flatten(),
            page_image_bytes: counters.page_image_bytes.flatten(),
            blocks: blocks.map(|(read, hit)| read + hit),
            temp_bytes: counters.temp_bytes.flatten(),
        }
    }
}

#[test]
fn costs_are_equal_in_three_runs_on_15() {
    repeat(VERSIONS[0]);
}

#[test]
fn costs_are_equal_in_three_runs_on_18() {
    repeat(VERSIONS[2]);
}

fn repeat((version, provider): (u32, ProviderWish)) {
    test(async {
        let mut runs = Vec::new();
        for _ in 1..=3 {
            runs.push(run(version, provider).await);
        }
        for cost in &runs[0] {
            figure(&format!("PostgreSQL {version}: {cost:?}"));
        }
        assert_eq!(runs[0], runs[1]);
        assert_eq!(runs[0], runs[2]);
    });
}

/// What the statements cost on a server that was made for them, with the same data and numbers of relations each time.
async fn run(version: u32, provider: ProviderWish) -> Vec<Cost> {
    // Workers of a statement read blocks that are not counted as its own, and sort each on their own.
    let settings = [
        ("shared_preload_libraries", "pg_stat_statements"),
        ("pg_stat_statements.track_planning", "on"),
        ("max_parallel_maintenance_workers", "0"),
        ("max_parallel_workers_per_gather", "0"),
        ("maintenance_work_mem", "1MB"),
        ("fsync", "off"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let wish = ServerWish { version: Some(version.to_string()), settings, ..ServerWish::default() };
    let server = Server::start(&wish, Some(provider), false).await.expect("a server");
    let admin = Session::open(&server.config(DATABASE)).await.expect("a session");
    for prepare in [
        "CREATE EXTENSION pg_stat_statements",
        SCHEMA,
        "VACUUM ANALYZE",
        "CHECKPOINT",
        "SELECT pg_stat_statements_reset()",
    ] {
        admin.client.batch_execute(prepare).await.expect("prepared");
    }
    let costs = measured(&server, &admin).await;
    server.stop().await.expect("the server stops");
    costs
}

async fn measured(server: &Server, admin: &Session) -> Vec<Cost> {
    let rig = Rig::new(server, DATABASE).await;
    let tool = rig.tapped().await;
    for sql in STATEMENTS {
        for part in ["BEGIN", sql, "COMMIT"] {
            tool.client.batch_execute(part).await.expect("the migration runs");
        }
    }
    for sql in ALONE {
        tool.client.batch_execute(sql).await.expect("the migration runs");
    }
    drop(tool);
    let observation = rig.end().await;
    let statements = observation.statements.iter().filter(|statement| !is_frame(&statement.sql));
    let costs: Vec<Cost> = statements.map(Cost::of).collect();
    for (cost, sql) in costs.iter().zip(STATEMENTS) {
        let (counted, written) = (counted(admin, sql).await, cost.wal_bytes.expect("a figure"));
        if is_data(sql) {
            // The server counts planning and execution, and not the analysis before them, which may prune a page of a catalog.
            assert!((counted..counted + 16_384).contains(&written), "{sql}: {written} bytes, {counted} counted");
        } else {
            assert_eq!(written, counted, "{sql}");
        }
    }
    costs
}

fn is_frame(sql: &str) -> bool {
    ["BEGIN", "COMMIT"].contains(&sql)
}

fn is_data(sql: &str) -> bool {
    ["UPDATE", "DELETE", "INSERT"].iter().any(|verb| sql.starts_with(verb))
}

/// The bytes of the log that the server itself counted for a statement.
async fn counted(admin: &Session, sql: &str) -> u64 {
    // Constants are taken out of what is not a utility command.
    let what = if is_data(sql) { format!("{} %", &sql[..6]) } else { sql.to_owned() };
    let found = "SELECT wal_bytes::int8 FROM pg_stat_statements WHERE query LIKE $1";
    let bytes: i64 = admin.client.query_one(found, &[&what]).await.expect("one statement").get(0);
    u64::try_from(bytes).expect("a number of bytes")
}
