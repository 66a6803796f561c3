//! How fast rows are made: growing a table to 1,000,000 rows beside LOAD DATA LOCAL of a ready CSV file with the same rows.
//!
//! Not a test that fails on a figure: `tests/bench-generate.sh` runs it and prints what it found.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use rehearsal::server::Endpoint;

use crate::grow::{filled, grow, table};
use crate::lab::{Lab, Place, container, with_own_server};

const ROWS: u64 = 1_000_000;
const RUNS: usize = 5;
const ORDERS: &str = "
CREATE TABLE orders (id int NOT NULL AUTO_INCREMENT PRIMARY KEY, customer int NOT NULL, note varchar(60) NOT NULL,
                     placed datetime NOT NULL, total decimal(10,2) NOT NULL);
SET SESSION cte_max_recursion_depth = 5000;
INSERT INTO orders (customer, note, placed, total)
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
SELECT i % 997, rpad(sha2(i, 256), 45 + i % 15, 'x'), '2024-01-01' + INTERVAL i MINUTE, i / 7 FROM n";

/// As the fastest client would set its session, so that nothing is compared but the way of the rows.
const LOAD: &str = "SET foreign_key_checks = 0, unique_checks = 0, sql_log_bin = 0;
LOAD DATA LOCAL INFILE '/tmp/rows.csv' INTO TABLE ready FIELDS TERMINATED BY ','";

#[test]
#[ignore = "a measurement that takes minutes: tests/bench-generate.sh"]
fn growing_takes_no_longer_than_loading_a_ready_file() {
    with_own_server(Place::Mysql("9.7"), &[], async |lab| {
        let database = filled(lab, ORDERS).await;
        let (mut grown, mut loaded) = (Vec::new(), Vec::new());
        database.run("CREATE TABLE first_rows AS SELECT * FROM orders").await;
        for run in 0..RUNS {
            let start = Instant::now();
            grow(&database, vec![table("orders", ROWS)], 1).await.expect("it grows");
            grown.push(start.elapsed().as_secs_f64());
            if run == 0 {
                let sql = "SELECT id, customer, note, placed, total FROM orders";
                let rows = lab.program("mysql", &["-N", "-q", "-e", sql, &database.name], None).await;
                let rows: Vec<u8> = rows.into_iter().map(|byte| if byte == b'\t' { b',' } else { byte }).collect();
                copy_in(lab, &lab.file("rows.csv", rows));
            }
            database.run("CREATE TABLE ready LIKE orders").await;
            let client = ["--protocol=tcp", "--local-infile=1", &database.name, "-e", LOAD];
            let start = Instant::now();
            lab.program("mysql", &client, None).await;
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

/// Puts the rows where the client in the container finds them.
fn copy_in(lab: &Lab, file: &Path) {
    let Endpoint::Tcp { port, .. } = lab.server.endpoint() else { panic!("a container has a port") };
    let copy = Command::new("docker").arg("cp").arg(file).arg(format!("{}:/tmp/rows.csv", container(port))).output();
    assert!(copy.expect("docker starts").status.success());
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}
