//! How fast rows are made: growing a table to 1,000,000 rows beside LOAD DATA LOCAL of a ready CSV file with the same rows.
//!
//! Not a test that fails on a figure: `tests/bench-generate.sh` runs it and prints what it found.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::Instant;

use futures_util::{StreamExt, stream};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use tempfile::TempDir;

use crate::grow::{Database, MYSQL, PASSWORD, RUNTIME, table};

const ROWS: u64 = 1_000_000;
const RUNS: usize = 5;
const ORDERS: &str = "
CREATE TABLE orders (id int NOT NULL AUTO_INCREMENT PRIMARY KEY, customer int NOT NULL, note varchar(60) NOT NULL,
                     placed datetime NOT NULL, total decimal(10,2) NOT NULL);
SET SESSION cte_max_recursion_depth = 5000;
INSERT INTO orders (customer, note, placed, total)
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
SELECT i % 997, rpad(sha2(i, 256), 45 + i % 15, 'x'), '2024-01-01' + INTERVAL i MINUTE, i / 7 FROM n";

/// As the fastest client would set its session, so that nothing is compared but where the rows come from.
const FAST: &str = "SET foreign_key_checks = 0, unique_checks = 0, sql_log_bin = 0";
const LOAD: &str = "LOAD DATA LOCAL INFILE 'rows.csv' INTO TABLE ready FIELDS TERMINATED BY ','";

/// The file goes to the server on the way that made rows go: from this side of the container's port.
async fn load(database: &Database, file: &Path) {
    let mut file = std::fs::File::open(file).expect("the file is there");
    let mut conn = Conn::new(database.opts.clone()).await.expect("the server takes connections");
    conn.query_drop(FAST).await.expect("it can be set");
    let chunks = std::iter::from_fn(move || {
        let mut chunk = Vec::with_capacity(256 << 10);
        let read = (&mut file).take(256 << 10).read_to_end(&mut chunk);
        read.map(|bytes| (bytes > 0).then(|| chunk.into())).transpose()
    });
    conn.set_infile_handler(async move { Ok(stream::iter(chunks).boxed()) });
    conn.query_drop(LOAD).await.expect("it loads");
    conn.disconnect().await.expect("it ends");
}

#[test]
#[ignore = "a measurement that takes minutes: tests/bench-generate.sh"]
fn growing_takes_no_longer_than_loading_a_ready_file() {
    RUNTIME.block_on(async {
        let mut database = Database::new(MYSQL, ORDERS).await;
        let name: String = database.get("SELECT database()").await;
        let folder = TempDir::new().expect("a folder for the file");
        let file = folder.path().join("rows.csv");
        let (mut grown, mut loaded) = (Vec::new(), Vec::new());
        database.run("CREATE TABLE first_rows AS SELECT * FROM orders").await;
        for run in 0..RUNS {
            let start = Instant::now();
            database.grow(vec![table("orders", ROWS)], 1).await.expect("it grows");
            grown.push(start.elapsed().as_secs_f64());
            if run == 0 {
                let sql = "SELECT id, customer, note, placed, total FROM orders";
                let password = format!("-p{PASSWORD}");
                let rows = database.in_container(&["mysql", "-uroot", &password, "-N", "-q", "-e", sql, &name]);
                std::fs::write(&file, rows.replace('\t', ",") + "\n").expect("a file in a temporary folder can be written");
            }
            database.run("CREATE TABLE ready LIKE orders").await;
            let start = Instant::now();
            load(&database, &file).await;
            loaded.push(start.elapsed().as_secs_f64());
            assert_eq!(database.count("ready").await, ROWS);
            assert_eq!(database.count("orders").await, ROWS);
            database.run("DROP TABLE ready; TRUNCATE orders; INSERT INTO orders SELECT * FROM first_rows").await;
        }
        let (grown, loaded) = (median(grown), median(loaded));
        let mut out = std::io::stdout();
        writeln!(out, "{ROWS} rows, medians of {RUNS}: grown in {grown:.2} s, LOAD DATA LOCAL of a ready file {loaded:.2} s, ratio {:.2}", grown / loaded)
            .expect("standard output can be written to");
    });
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}
