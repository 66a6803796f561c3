//! Rows for tables that have none: by type, and by what the scenario says of columns.

use std::collections::BTreeMap;

use pretty_assertions::assert_eq;
use rehearsal::scenario::ColumnWish;

use crate::lab::{Database, Lab, Place, range, table, values, with, with_server};

const ROWS: u64 = 2_000;

/// Grows an empty table with a column of every type.
pub(crate) async fn every_type_grows_on(lab: &Lab) {
    let database = lab.fixture("types.sql").await;
    let prepared = lab.prepare(&database, &[], vec![table("everything", ROWS), table("bare", 10)], 1).await;
    let prepared = prepared.expect("both grow");
    assert_eq!(prepared.origin, "grown");
    assert_eq!(database.count("everything").await, 2_000);
    assert_eq!(database.count("bare").await, 10);
    every_column_has_values(&database).await;
    for limit in [
        "length(n_varchar_2) <= 2",
        "octet_length(char_5) = 5",
        "length(code) <= 4 AND length(code_of_code) <= 4",
        "abs(n_numeric_3_1) < 100",
        "abs(n_numeric_2_2) < 1",
        "json ->> 'name' <> '' AND jsonb ? 'name'",
        "n_date BETWEEN '2023-01-01' AND '2025-12-31'",
        "NOT EXISTS (SELECT FROM unnest(n_varchars) AS v WHERE length(v) > 3)",
        "n_class = 'pg_class'::regclass AND snapshot IS NULL",
        "(n_address).street <> '' AND (n_address).\"no.\" >= 0 AND (n_address).vague IS NULL",
        "length(n_tsvector) > 0 AND NOT isempty(n_int4range)",
        "octet_length(n_bytea) > 0",
        "host(n_inet) LIKE '10.%'",
    ] {
        let bad = database.count(&format!("everything WHERE NOT ({limit})")).await;
        assert_eq!(bad, 0, "{limit}");
    }
}

#[test]
fn every_type_of_an_empty_table_grows_within_its_limits() {
    with_server(Place::Local, every_type_grows_on);
}

/// Each column that values are made for has several different ones.
async fn every_column_has_values(database: &Database) {
    let columns: Vec<String> = database
        .get(
            "SELECT array_agg(quote_ident(attname) ORDER BY attnum) FROM pg_attribute
              WHERE attrelid = 'everything'::regclass AND attnum > 0 AND attname NOT IN ('snapshot', 'n_class')",
        )
        .await;
    for column in columns {
        let different: i64 = database.get(&format!("SELECT count(DISTINCT {column}::text) FROM everything")).await;
        assert!(different >= 2, "{column} has {different} different values");
    }
}

/// The table `measured`, with a word on every column.
async fn measured(lab: &Lab, seed: u64) -> Database {
    let database = lab.fixture("types.sql").await;
    let distinct = |count| ColumnWish { distinct: Some(count), ..ColumnWish::default() };
    let maybe = ColumnWish { null_fraction: Some(0.25), ..ColumnWish::default() };
    let wish = [
        ("status", values(&[("new", 1.0), ("it's paid", 8.0), ("never", 0.0), ("shipped", 1.0)])),
        ("maybe", maybe),
        ("few", distinct(5)),
        ("few_texts", ColumnWish { null_fraction: Some(0.5), ..distinct(20) }),
        ("low_high", range("-3", "3")),
        ("price", range("0.98", "1.02")),
        ("day", range("2024-02-28", "2024-03-01")),
        ("moment", range("2024-01-01 00:00:00+00", "2024-01-02 00:00:00+00")),
        ("hour", range("08:00", "09:30")),
        ("ratio", range("-0.5", "0.5")),
    ];
    let wish = wish.into_iter().fold(table("measured", 10_000), |all, (column, wish)| with(all, column, wish));
    lab.prepare(&database, &[], vec![wish], seed).await.expect("it grows");
    database
}

#[test]
fn a_column_holds_what_the_scenario_says_of_it() {
    with_server(Place::Local, async |lab: &Lab| {
        let database = measured(lab, 1).await;
        let count = async |condition: &str| database.count(&format!("measured WHERE {condition}")).await;
        // Ten standard deviations on either side.
        for (condition, low, high) in [
            ("status = 'new'", 700, 1_300),
            ("status = 'it''s paid'", 7_600, 8_400),
            ("status NOT IN ('new', 'it''s paid', 'shipped')", 0, 0),
            ("maybe IS NULL", 2_067, 2_933),
            ("few_texts IS NULL", 4_500, 5_500),
            ("low_high = -3", 1_079, 1_778),
            ("low_high = 3", 1_079, 1_778),
            ("price NOT BETWEEN 0.98 AND 1.02", 0, 0),
            ("day = '2024-02-29'", 2_862, 3_805),
            ("moment NOT BETWEEN '2024-01-01 00:00:00+00' AND '2024-01-02 00:00:00+00'", 0, 0),
            ("hour NOT BETWEEN '08:00' AND '09:30'", 0, 0),
            ("ratio NOT BETWEEN -0.5 AND 0.5", 0, 0),
            ("ratio < 0", 4_500, 5_500),
            ("id BETWEEN 1 AND 10000", 10_000, 10_000),
        ] {
            let found = count(condition).await;
            assert!((low..=high).contains(&found), "{condition}: {found} rows");
        }
        for (column, different) in [("few", 5), ("few_texts", 20), ("low_high", 7), ("price", 5), ("day", 3)] {
            let found: i64 = database.get(&format!("SELECT count(DISTINCT {column}) FROM measured")).await;
            assert_eq!(found, different, "{column}");
        }
    });
}

#[test]
fn the_same_seed_grows_the_same_rows() {
    with_server(Place::Local, async |lab: &Lab| {
        let mut rows = BTreeMap::new();
        for (name, seed) in [("first", 1), ("again", 1), ("another seed", 2)] {
            let database = measured(lab, seed).await;
            let sum: String = database.get("SELECT md5(string_agg(m::text, '|' ORDER BY id)) FROM measured AS m").await;
            rows.insert(name, sum);
        }
        assert_eq!(rows["first"], rows["again"]);
        assert_ne!(rows["first"], rows["another seed"]);
    });
}
