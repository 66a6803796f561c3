//! The SQL that findings give is applied, each step as a migration of its own: then the finding is gone, and the table is what the
//! statement that was found would have made of it.

use std::fs;

use pretty_assertions::assert_eq;
use serde_json::Value;

use crate::faults::shop;
use crate::lab::Place;

const STAGING: &str = "CREATE TABLE customers (id bigint PRIMARY KEY);\nINSERT INTO customers VALUES (1), (2);\n\
    CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint, total int NOT NULL, note varchar(40));\n\
    INSERT INTO orders SELECT a.i * 1000 + b.i, a.i % 2 + 1, a.i, 'n' FROM \
    (WITH RECURSIVE n AS (SELECT 0 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 19) SELECT i FROM n) a, \
    (WITH RECURSIVE n AS (SELECT 0 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 999) SELECT i FROM n) b;\n";

/// Statements, what is found of each, and how it ends: indexed columns and foreign keys of the table.
const CASES: [(&str, &[&str], [u32; 2]); 4] = [
    (
        "ALTER TABLE orders ADD COLUMN status varchar(20) DEFAULT 'a, b', ADD INDEX by_total (total, note(10)), ADD UNIQUE (note, id), \
         ADD CONSTRAINT fk FOREIGN KEY (customer_id) REFERENCES customers (id)",
        &["copy-algorithm", "metadata-lock-unbounded"],
        [6, 1],
    ),
    ("ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers (id)", &["copy-algorithm"], [2, 1]),
    ("ALTER TABLE orders ADD COLUMN status varchar(20)", &["metadata-lock-unbounded"], [1, 0]),
    // Which would copy the table without what was set before it.
    (
        "SET SESSION foreign_key_checks = 0;\nALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers (id)",
        &["metadata-lock-unbounded"],
        [2, 1],
    ),
];

/// A query that fails unless the table has so many indexed columns and foreign keys.
fn ends_with([indexed, keys]: [u32; 2]) -> String {
    let count = |from: &str, schema: &str| {
        format!(
            "(SELECT count(*) FROM information_schema.{from} WHERE {schema}_schema = database() AND table_name = 'orders')"
        )
    };
    let (statistics, references) = (count("statistics", "table"), count("referential_constraints", "constraint"));
    format!(
        "-- name: the_end\nSELECT IF({statistics} = {indexed} AND {references} = {keys}, 'as it should', (SELECT 1 UNION SELECT 2));\n"
    )
}

fn walk(place: Place) {
    for (sql, codes, end) in CASES {
        let sandbox = shop(place)
            .with("staging.sql", STAGING)
            .with("migrations/001_add_status.sql", &format!("{sql};\n"))
            .with("queries/old.sql", "-- name: orders\nSELECT id, total FROM orders WHERE id < 10;\n")
            .with("queries/new.sql", &ends_with(end));
        let ended = sandbox.run(&["run", "scenario.toml", "--out", "out"]);
        assert!(ended.code.is_some_and(|code| code < 2), "{sql}: {}", ended.stderr);
        let bad = sandbox.record();
        let mut steps: Option<Value> = None;
        for code in codes {
            let found =
                finding(&bad, code).unwrap_or_else(|| panic!("{sql}: {code} is not found: {:#}", bad["findings"]));
            let given = &found["instead"];
            assert!(given.as_array().is_some_and(|given| !given.is_empty()), "{sql}: {found:#}");
            assert_eq!(steps.get_or_insert_with(|| given.clone()), given, "{sql}");
        }
        fs::remove_file(sandbox.path("migrations/001_add_status.sql")).expect("our own file");
        for (number, step) in steps.iter().filter_map(|steps| steps.as_array()).flatten().enumerate() {
            let lines: Vec<&str> = step["sql"].as_array().expect("lines").iter().filter_map(Value::as_str).collect();
            let file = format!("migrations/00{}_step.sql", number + 1);
            fs::write(sandbox.path(&file), lines.join(";\n") + ";\n").expect("our own file");
        }
        let ended = sandbox.run(&["run", "scenario.toml", "--out", "out"]);
        assert!(ended.code.is_some_and(|code| code < 2), "{sql}: {}", ended.stderr);
        let good = sandbox.record();
        for code in codes {
            assert!(finding(&good, code).is_none(), "{sql}: {code} is still there: {:#}", good["findings"]);
        }
        assert!(finding(&good, "copy-algorithm").is_none(), "{sql}: {:#}", good["findings"]);
        assert_eq!((ends(&bad), ends(&good)), ("ok", "ok"), "{sql}: it ends elsewhere");
        sandbox.assert_clean();
    }
}

fn finding<'a>(record: &'a Value, code: &str) -> Option<&'a Value> {
    record["findings"].as_array()?.iter().find(|found| found["code"] == code)
}

/// How the query of the new application ended after the last migration.
fn ends(record: &Value) -> &str {
    let queries = record["queries"].as_array().expect("queries");
    let last = queries.iter().rfind(|query| query["name"] == "the_end").expect("it was run");
    last["status"].as_str().expect("a status")
}

#[test]
fn what_is_advised_makes_the_finding_go_away_on_mariadb() {
    walk(Place::Local);
}

#[test]
fn what_is_advised_makes_the_finding_go_away_on_mysql() {
    walk(Place::Mysql("9.7"));
}
