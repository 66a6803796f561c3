//! CHECK constraints of tables without rows: rows are made that keep them, or it is said which cannot be kept.

use pretty_assertions::assert_eq;

use rehearsal::scenario::{ColumnWish, Pattern, TableWish};

use crate::grow::{filled, grow, range, table, values, with};
use crate::lab::on_each;

const SCHEMA: &str = "
CREATE TABLE held (
    id int PRIMARY KEY, CHECK (id > 1000),
    code varchar(20) NOT NULL UNIQUE, CHECK (char_length(code) <= 8),
    email varchar(80) NOT NULL UNIQUE, CHECK (email LIKE '%@%.%'),
    status varchar(20) NOT NULL DEFAULT 'new', CHECK (status IN ('new', 'it''s paid', 'back\\\\slash')),
    score int NOT NULL, CHECK (score BETWEEN 0 AND 100),
    rating smallint NOT NULL, CHECK (rating IN (1, 2, 5)),
    cold decimal(6, 2) NOT NULL, CHECK (cold < -10),
    ratio double NOT NULL, CHECK (ratio >= 0 AND ratio < 1),
    born date NOT NULL, CHECK (born < '1990-01-01' AND born >= '1950-01-01'),
    short varchar(9) NOT NULL, CHECK (char_length(short) = 3),
    iso varchar(9) NOT NULL, CHECK (iso REGEXP '^[A-Z]{2}[0-9]{4}$'),
    named varchar(20) NOT NULL, CHECK (named <> '' AND named LIKE 'N%'),
    begins datetime NOT NULL, ends datetime(3) NOT NULL, CHECK (begins < ends),
    net int, gross int NOT NULL, CHECK (gross > 0), CHECK (net IS NULL OR net <= gross),
    plate varchar(8) NOT NULL UNIQUE, CHECK (plate REGEXP '^[A-Z]{3}-[0-9]{3}$'),
    wished varchar(5) NOT NULL UNIQUE, often varchar(9),
    card varchar(20), cash int, CONSTRAINT one_way CHECK ((card IS NULL) <> (cash IS NULL)),
    details json NOT NULL
);
CREATE TABLE never (id int PRIMARY KEY, word varchar(20) NOT NULL, CONSTRAINT hashed CHECK (sin(char_length(word)) > 2));
CREATE TABLE narrow (id int PRIMARY KEY, CONSTRAINT small CHECK (id BETWEEN 5 AND 20));
CREATE TABLE followed (id int PRIMARY KEY, CONSTRAINT few CHECK (id < 500), a int NOT NULL, b int NOT NULL, CHECK (a * a = b));
INSERT INTO followed WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 50) SELECT n, n, n * n FROM n;
CREATE TABLE given (id int PRIMARY KEY, state varchar(9) NOT NULL, CONSTRAINT known CHECK (state IN ('on', 'off')))";

/// The table with a pattern for a column that is unique and for one that is not.
fn patterned(name: &str, rows: u64) -> TableWish {
    let pattern = |text: &str| ColumnWish { pattern: Pattern::parse(text).ok(), ..ColumnWish::default() };
    let often = ColumnWish { null_fraction: Some(0.5), ..pattern("(a|b)[0-9]") };
    with(with(table(name, rows), "wished", pattern("W[0-9]{4}")), "often", often)
}

#[test]
fn made_rows_keep_every_check_and_are_not_all_alike() {
    on_each(async |lab| {
        let place = lab.place;
        let database = filled(lab, SCHEMA).await;
        let grown =
            grow(&database, vec![patterned("held", 5_000), table("narrow", 16), table("followed", 400)], 1).await;
        grown.unwrap_or_else(|error| panic!("{place:?}: {error}"));
        assert_eq!(database.count("held").await, 5_000, "{place:?}");
        for (column, least) in [
            ("status", 3),
            ("score", 90),
            ("rating", 3),
            ("cold", 500),
            ("ratio", 2_000),
            ("born", 1_000),
            ("short", 20),
            ("iso", 500),
            ("named", 50),
            ("begins", 1_000),
            ("ends", 1_000),
            ("net", 500),
            ("gross", 500),
            ("card", 20),
            ("cash", 500),
            ("details", 1_000),
        ] {
            let different: u64 = database.get(&format!("SELECT count(DISTINCT {column}) FROM held")).await;
            assert!(different >= least, "{place:?}: {column} has {different} different values");
        }
        let ends = |table: &str, column: &str| format!("SELECT min({column}), max({column}) FROM {table}");
        assert_eq!(database.get::<(i32, i32)>(&ends("held", "id")).await, (1_001, 6_000), "{place:?}");
        assert_eq!(database.get::<(i32, i32)>(&ends("narrow", "id")).await, (5, 20), "{place:?}");
        assert_eq!(database.get::<(i32, i32)>(&ends("held", "score")).await, (0, 100), "{place:?}");
        assert_eq!(database.count("held WHERE email LIKE '%@example.___'").await, 5_000, "{place:?}");

        let strange = "held WHERE NOT (wished REGEXP '^W[0-9]{4}$' AND (often IS NULL OR often REGEXP '^[ab][0-9]$'))";
        assert_eq!(database.count(strange).await, 0, "{place:?}");

        let database = filled(lab, SCHEMA).await;
        for (wish, words) in [
            (table("never", 5), ["CHECK constraint hashed (", "what word may hold"]),
            (table("narrow", 17), ["CHECK constraint small (", "which 17 rows cannot be"]),
            (patterned("held", 10_001), ["column wished: it must be different", "describes 10000 texts"]),
            (table("followed", 500), ["CHECK constraint few (", "which 450 rows cannot be"]),
            (with(table("given", 9), "state", values(&[("on", 1.0), ("lost", 1.0)])), ["known", "what state may hold"]),
            (with(table("held", 9), "score", range("90", "200")), ["", "what score may hold"]),
        ] {
            let error = grow(&database, vec![wish], 1).await.expect_err(words[0]).to_string();
            for word in words.into_iter().chain(["shop.toml:7: table "]) {
                assert!(error.contains(word), "{place:?}: {word}: {error}");
            }
        }
    });
}
