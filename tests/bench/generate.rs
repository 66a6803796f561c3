//! How fast rows are made: growing a table to 1,000,000 rows beside LOAD DATA LOCAL of a ready CSV file with the same rows,
//! in turn, on MySQL. Prints both medians and their ratio (`tests/bench-generate.sh`).

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]
// Tests are handed to the lab as they are written.
#![allow(clippy::needless_pass_by_value)]

#[path = "../mysql/grow.rs"]
#[allow(dead_code, unused_imports)]
mod grow;
#[path = "../mysql/lab.rs"]
#[allow(dead_code)]
mod lab;

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::Instant;

use futures_util::{StreamExt, stream};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};

use grow::{filled, grow, table};
use lab::{Place, with_own_server};

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
async fn load(opts: &Opts, file: &Path) {
    let mut file = std::fs::File::open(file).expect("the file is there");
    let mut conn = Conn::new(opts.clone()).await.expect("the server takes connections");
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

fn main() {
    with_own_server(Place::Mysql("9.7"), &[], async |lab| {
        let database = filled(lab, ORDERS).await;
        let (mut grown, mut loaded) = (Vec::new(), Vec::new());
        let mut file = None;
        database.run("CREATE TABLE first_rows AS SELECT * FROM orders").await;
        for _ in 0..RUNS {
            let start = Instant::now();
            grow(&database, vec![table("orders", ROWS)], 1).await.expect("it grows");
            grown.push(start.elapsed().as_secs_f64());
            if file.is_none() {
                let sql = "SELECT id, customer, note, placed, total FROM orders";
                let rows = lab.program("mysql", &["-N", "-q", "-e", sql, &database.name], None).await;
                let rows: Vec<u8> = rows.into_iter().map(|byte| if byte == b'\t' { b',' } else { byte }).collect();
                file = Some(lab.file("rows.csv", rows));
            }
            database.run("CREATE TABLE ready LIKE orders").await;
            let start = Instant::now();
            load(database.opts(), file.as_ref().expect("it was written")).await;
            loaded.push(start.elapsed().as_secs_f64());
            assert_eq!(database.count("ready").await, ROWS);
            assert_eq!(database.count("orders").await, ROWS);
            database.run("DROP TABLE ready; TRUNCATE orders; INSERT INTO orders SELECT * FROM first_rows").await;
        }
        let (grown, loaded) = (median(grown), median(loaded));
        let ratio = grown / loaded;
        let mut out = std::io::stdout();
        writeln!(
            out,
            "{ROWS} rows, medians of {RUNS}: grown in {grown:.2} s, LOAD DATA LOCAL of a ready file {loaded:.2} s, ratio {ratio:.2}"
        )
        .expect("standard output can be written to");
    });
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}
