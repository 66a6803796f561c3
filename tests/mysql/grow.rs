//! Tables grown on real servers: types, keys, words of the scenario, mistakes.

use std::collections::BTreeMap;

use pretty_assertions::assert_eq;
use rehearsal::scenario::{ColumnWish, TableWish};
use rehearsal::snapshot::mysql::grow::GrowError;

use crate::lab::{Database, Lab, on_each};

const TYPES: &str = include_str!("../../fixtures/snapshot-mysql/types.sql");
const SHOP: &str = include_str!("../../fixtures/snapshot-mysql/shop.sql");

/// A new database with what the fixture makes in it.
pub(crate) async fn filled(lab: &Lab, fixture: &str) -> Database {
    let database = lab.database().await;
    database.run(fixture).await;
    database
}

pub(crate) async fn grow(database: &Database, tables: Vec<TableWish>, seed: u64) -> Result<Vec<String>, GrowError> {
    rehearsal::snapshot::mysql::grow::grow(database.opts(), &tables, None, seed, &|_| ()).await.map(|grown| grown.notes)
}

/// A number for all rows of a table, the same for the same rows.
async fn checksum(database: &Database, table: &str) -> u64 {
    database.get::<(String, u64)>(&format!("CHECKSUM TABLE {table}")).await.1
}

/// A table that shall have so many rows, asked for on line 7 of a scenario.
pub(crate) fn table(name: &str, rows: u64) -> TableWish {
    TableWish { name: name.to_owned(), rows, columns: BTreeMap::new(), file: "shop.toml".into(), line: 7 }
}

pub(crate) fn with(mut table: TableWish, column: &str, wish: ColumnWish) -> TableWish {
    table.columns.insert(column.to_owned(), wish);
    table
}

pub(crate) fn values(values: &[(&str, f64)]) -> ColumnWish {
    let values = values.iter().map(|(value, weight)| ((*value).to_owned(), *weight)).collect();
    ColumnWish { values: Some(values), ..ColumnWish::default() }
}

pub(crate) fn range(low: &str, high: &str) -> ColumnWish {
    ColumnWish { range: Some((low.to_owned(), high.to_owned())), ..ColumnWish::default() }
}

#[test]
fn every_type_of_an_empty_table_grows_within_its_limits() {
    on_each(async |lab| {
        let place = lab.place;
        let database = filled(lab, TYPES).await;
        let grown = grow(&database, vec![table("everything", 2_000), table("bare", 10)], 1).await;
        assert_eq!(grown.unwrap_or_else(|error| panic!("{place:?}: {error}")), Vec::<String>::new());
        assert_eq!(database.count("everything").await, 2_000);
        assert_eq!(database.count("bare WHERE a = 3 AND b IS NULL").await, 10);
        for limit in [
            "id BETWEEN 1 AND 2000",
            "char_length(n_varchar) BETWEEN 1 AND 3",
            "n_bool IN (0, 1) AND n_bit < 1024 AND n_decimal_2_2 < 1",
            "n_enum IN ('small', 'it''s large', 'a,b') AND n_enum_latin1 IN ('groß', 'klein')",
            "n_utf16 REGEXP '^[a-z ]+$' AND n_latin1 REGEXP '^[a-z ]+$'",
            "n_date BETWEEN '2023-01-01' AND '2025-12-31'",
            "n_timestamp_2 BETWEEN '2022-12-31' AND '2026-01-01' AND n_datetime BETWEEN '2023-01-01' AND '2026-01-01'",
            "json_valid(n_json) AND json_extract(n_json, '$.count') < 1000",
            "ST_X(n_point) BETWEEN -80 AND 80 AND ST_AsText(n_geometry) LIKE 'POINT%'",
            "length(n_binary) = 6 AND length(n_varbinary) = 7 AND length(n_blob) = 16",
            "n_line IS NULL AND kept = n_tiny + 1 AND virtual_ = concat(n_varchar, '!')",
            "checked BETWEEN 4 AND 6 AND char_length(n_expression) > 0",
        ] {
            assert_eq!(database.count(&format!("everything WHERE NOT ({limit})")).await, 0, "{place:?}: {limit}");
        }
        let columns: Vec<String> = database
            .rows(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = database()
                 AND table_name = 'everything' AND column_name NOT IN ('n_line', 'checked')",
            )
            .await;
        for column in columns {
            let different: u64 = database.get(&format!("SELECT COUNT(DISTINCT HEX({column})) FROM everything")).await;
            assert!(different >= 2, "{place:?}: {column} has {different} different values");
        }
        let kept = "information_schema.statistics WHERE table_schema = database() AND index_name LIKE 'by_%'";
        assert_eq!(database.count(kept).await, 2, "{place:?}: the indexes are back");
    });
}

#[test]
fn grown_rows_keep_every_key_and_what_they_follow() {
    on_each(async |lab| {
        let place = lab.place;
        let database = filled(lab, SHOP).await;
        let tables =
            [("order_lines", 4_000), ("favourites", 900), ("orders", 3_000), ("customers", 1_000), ("events", 500)];
        let grown = grow(&database, tables.map(|(name, rows)| table(name, rows)).into(), 1).await;
        grown.unwrap_or_else(|error| panic!("{place:?}: {error}"));
        for (name, rows) in tables {
            assert_eq!(database.count(name).await, rows, "{place:?}: {name}");
        }
        for orphans in [
            "customers c LEFT JOIN countries p ON p.code = c.country WHERE p.code IS NULL",
            "customers c LEFT JOIN customers p ON p.id = c.referred_by WHERE c.referred_by IS NOT NULL AND p.id IS NULL",
            "orders c LEFT JOIN customers p ON p.id = c.customer_id WHERE p.id IS NULL",
            "order_lines c LEFT JOIN orders p USING (customer_id, number) WHERE p.number IS NULL",
            "favourites c LEFT JOIN countries p USING (code) WHERE p.code IS NULL",
        ] {
            assert_eq!(database.count(orphans).await, 0, "{place:?}: {orphans}");
        }
        // What a row holds is what one of the rows that were there held, whatever letters it has.
        let same = "HEX(o.note) <=> HEX(n.note) AND HEX(o.photo) <=> HEX(n.photo) AND HEX(o.name) <=> HEX(n.name)
            AND o.attributes <=> n.attributes AND HEX(o.place) = HEX(n.place) AND o.flags = n.flags AND o.born = n.born";
        let strange = format!(
            "customers n WHERE NOT EXISTS (SELECT 1 FROM (SELECT * FROM customers WHERE id <= 3) o WHERE {same})"
        );
        assert_eq!(database.count(&strange).await, 0, "{place:?}: {strange}");
        for limit in ["token REGEXP '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'", "name_length = char_length(name)"] {
            assert_eq!(database.count(&format!("customers WHERE NOT ({limit})")).await, 0, "{place:?}: {limit}");
        }
        assert_eq!(database.count("audit").await, 0, "{place:?}: the trigger did not fire");
        database
            .run(
                "INSERT INTO customers (email, token, country, born, name, place, flags)
                 VALUES ('new', uuid(), 'de', '2000-01-01', 'x', ST_GeomFromText('POINT(1 1)'), 0)",
            )
            .await;
        assert_eq!(database.get::<String>("SELECT what FROM audit").await, "ä1001", "{place:?}: and is there again");
    });
}

/// The table `measured`, with a word on every column.
async fn measured(lab: &Lab, seed: u64) -> Database {
    let place = lab.place;
    let database = filled(lab, TYPES).await;
    let distinct = |count| ColumnWish { distinct: Some(count), ..ColumnWish::default() };
    let maybe = ColumnWish { null_fraction: Some(0.25), ..ColumnWish::default() };
    let wish = [
        ("STATUS", values(&[("new", 1.0), ("it's paid\t\\", 8.0), ("never", 0.0), ("shipped", 1.0)])),
        ("state", values(&[("on", 9.0), ("off", 1.0)])),
        ("grade", values(&[("groß", 1.0)])),
        ("maybe", maybe),
        ("few", distinct(5)),
        ("few_texts", ColumnWish { null_fraction: Some(0.5), ..distinct(20) }),
        ("low_high", range("-3", "3")),
        ("price", range("0.98", "1.02")),
        ("day", range("2024-02-28", "2024-03-01")),
        ("moment", range("2024-01-01 00:00:00", "2024-01-02 00:00:00")),
        ("hour", range("08:00", "09:30")),
        ("ratio", range("-0.5", "0.5")),
        ("bits", values(&[("5", 1.0), ("6", 1.0)])),
        ("made", range("1999", "2001")),
        ("doc", values(&[("{\"a\": \"ä\"}", 1.0)])),
    ];
    let wish = wish.into_iter().fold(table("measured", 10_000), |all, (column, wish)| with(all, column, wish));
    grow(&database, vec![wish], seed).await.unwrap_or_else(|error| panic!("{place:?}: {error}"));
    database
}

#[test]
fn a_column_holds_what_the_scenario_says_of_it() {
    on_each(async |lab| {
        let place = lab.place;
        let database = measured(lab, 1).await;
        // Ten standard deviations on either side.
        for (condition, low, high) in [
            ("status = 'new'", 700, 1_300),
            ("status = 'it''s paid\\t\\\\'", 7_600, 8_400),
            ("status NOT IN ('new', 'it''s paid\\t\\\\', 'shipped')", 0, 0),
            ("state = 'off'", 700, 1_300),
            ("grade = 'groß'", 10_000, 10_000),
            ("maybe IS NULL", 2_067, 2_933),
            ("few_texts IS NULL", 4_500, 5_500),
            ("low_high = -3", 1_079, 1_778),
            ("price NOT BETWEEN 0.98 AND 1.02", 0, 0),
            ("day = '2024-02-29'", 2_862, 3_805),
            ("moment NOT BETWEEN '2024-01-01' AND '2024-01-02'", 0, 0),
            ("hour NOT BETWEEN '08:00' AND '09:30'", 0, 0),
            ("ratio NOT BETWEEN -0.5 AND 0.5", 0, 0),
            ("ratio < 0", 4_500, 5_500),
            ("bits = 5", 4_500, 5_500),
            ("bits = 6", 4_500, 5_500),
            ("made = 2000", 2_862, 3_805),
            ("json_extract(doc, '$.a') = 'ä'", 10_000, 10_000),
            ("id BETWEEN 1 AND 10000", 10_000, 10_000),
        ] {
            let found = database.count(&format!("measured WHERE {condition}")).await;
            assert!((low..=high).contains(&found), "{place:?}: {condition}: {found} rows");
        }
        for (column, different) in [("few", 5), ("few_texts", 20), ("low_high", 7), ("price", 5), ("day", 3)] {
            let found: u64 = database.get(&format!("SELECT COUNT(DISTINCT {column}) FROM measured")).await;
            assert_eq!(found, different, "{place:?}: {column}");
        }
    });
}

#[test]
fn the_same_seed_grows_the_same_rows() {
    on_each(async |lab| {
        let place = lab.place;
        let mut sums = BTreeMap::new();
        for (name, seed) in [("first", 1), ("again", 1), ("another seed", 2)] {
            let database = filled(lab, SHOP).await;
            grow(&database, vec![table("customers", 12_000), table("orders", 3_000)], seed).await.expect("they grow");
            // A large table is sampled, and so it is the same rows again that are followed.
            grow(&database, vec![table("customers", 13_000)], seed).await.expect("it grows");
            sums.insert(name, [checksum(&database, "customers").await, checksum(&database, "orders").await]);
        }
        assert_eq!(sums["first"], sums["again"], "{place:?}");
        assert_ne!(sums["first"], sums["another seed"], "{place:?}");
    });
}

#[test]
fn what_cannot_be_made_is_refused_with_its_line_and_what_to_do() {
    on_each(async |lab| {
        let place = lab.place;
        let database = filled(lab, &format!("{SHOP}{TYPES}")).await;
        database
            .run(
                "SET SESSION sql_mode = DEFAULT; CREATE VIEW v AS SELECT 1 AS x;
             CREATE TABLE tiny (id tinyint NOT NULL PRIMARY KEY);
             CREATE TABLE listed (a int NOT NULL) PARTITION BY LIST (a) (PARTITION p VALUES IN (1));
             CREATE TABLE lonely (a tinyint NOT NULL, CONSTRAINT to_tiny FOREIGN KEY (a) REFERENCES tiny (id));
             CREATE TABLE short (code varchar(3) NOT NULL, UNIQUE KEY (code));
             CREATE TABLE line (l linestring NOT NULL);
             CREATE TABLE tight (a int NOT NULL, CONSTRAINT tight_a CHECK (sin(a) > 2))",
            )
            .await;
        let one = |name: &str, rows| vec![table(name, rows)];
        let with_value = |name, column, value| vec![with(table(name, 50), column, values(&[(value, 1.0)]))];
        for (wish, expected) in [
            (one("custommers", 9), vec!["there is no such table", "is customers"]),
            (one("v", 9), vec!["this is a view"]),
            (one("a.b.c", 9), vec!["this is not the name of a table"]),
            (vec![table("tiny", 5), table("tiny", 6)], vec!["this table is named twice"]),
            (one("tiny", 500), vec!["column id", "its greatest is 127", "wish for fewer rows"]),
            (one("lonely", 5), vec!["foreign key to_tiny needs rows of", "tiny"]),
            (one("listed", 5), vec!["column a", "decides on the partition"]),
            (one("short", 5_000), vec!["column code", "too short", "they take 5 letters"]),
            (one("line", 5), vec!["column l", "none can be made up for type linestring"]),
            (one("tight", 5), vec!["tight_a", "say with `values`, `range` or `pattern` what a may hold"]),
            (one("favourites", 10_000), vec!["PRIMARY", "it has room for 9 more rows"]),
            (with_value("orders", "stat", "x"), vec!["there is no column stat", "is state meant?"]),
            (with_value("orders", "state", "lost"), vec!["column state", "does not take `lost` for enum"]),
            (with_value("orders", "placed", "2024-02-31"), vec!["column placed", "does not take `2024-02-31`"]),
            (with_value("customers", "country", "xx"), vec!["customers_country", "not all in", "countries"]),
            (with_value("events", "happened", "2031-01-01"), vec!["no partition for value 2031"]),
        ] {
            let error = grow(&database, wish, 1).await.expect_err(expected[0]).to_string();
            assert!(error.starts_with("shop.toml:7: table "), "{place:?}: {error}");
            for part in expected {
                assert!(error.contains(part), "{place:?}: `{part}` is not in: {error}");
            }
        }
    });
}

#[test]
fn a_unique_text_differs_from_all_others_in_the_eyes_of_its_collation() {
    on_each(async |lab| {
        let place = lab.place;
        for collation in
            ["utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_bin", "utf8mb4_danish_ci", "latin1_german2_ci"]
        {
            let set = collation.split('_').next().expect("a character set");
            let fixture = format!(
                "CREATE TABLE t (name varchar(30) CHARACTER SET {set} COLLATE {collation} NOT NULL, UNIQUE KEY (name));
                 INSERT INTO t VALUES ('Ann'), ('Bob-1'), ('ß'), ('Ä'), ('a@b.c')"
            );
            let database = filled(lab, &fixture).await;
            grow(&database, vec![table("t", 5_000)], 1)
                .await
                .unwrap_or_else(|error| panic!("{place:?}: {collation}: {error}"));
            let different: u64 = database.get("SELECT COUNT(DISTINCT name) FROM t").await;
            assert_eq!(different, 5_000, "{place:?}: {collation}");
        }
    });
}
