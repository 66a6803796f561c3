//! CHECK constraints of tables without rows: rows are made that keep them, or it is said which cannot be kept.

use pretty_assertions::assert_eq;

use rehearsal::scenario::{ColumnWish, Pattern, TableWish};

use crate::lab::{Lab, Place, range, table, values, with, with_server};

const SCHEMA: &str = "
CREATE DOMAIN percent AS numeric(5, 2) CHECK (VALUE >= 0 AND VALUE <= 100);
CREATE TABLE held (
    id int PRIMARY KEY CHECK (id > 1000),
    code varchar(20) NOT NULL UNIQUE CHECK (length(code) <= 8),
    email text NOT NULL UNIQUE CHECK (email LIKE '%@%.%'),
    status text NOT NULL DEFAULT 'new' CHECK (status IN ('new', 'it''s paid', 'shipped')),
    kind varchar(9) NOT NULL CHECK (kind = ANY (ARRAY['a', 'b'])),
    score int NOT NULL CHECK (score BETWEEN 0 AND 100),
    rating smallint NOT NULL CHECK (rating IN (1, 2, 5)),
    cold numeric(6, 2) NOT NULL CHECK (cold < -10),
    ratio double precision NOT NULL CHECK (ratio >= 0 AND ratio < 1),
    share percent NOT NULL,
    born date NOT NULL CHECK (born < '1990-01-01'::date AND born >= '1950-01-01'),
    short text NOT NULL CHECK (char_length(short) = 3),
    iso text NOT NULL CHECK (iso ~ '^[A-Z]{2}[0-9]{4}$'),
    named text NOT NULL CHECK (named <> '' AND named LIKE 'N%'),
    upper_ text NOT NULL CHECK (upper(upper_) = upper_ AND length(upper_) > 2),
    begins timestamptz NOT NULL, ends timestamptz NOT NULL, CHECK (begins < ends),
    net int, gross int NOT NULL CHECK (gross > 0), CHECK (net IS NULL OR net <= gross),
    plate varchar(8) NOT NULL UNIQUE CHECK (plate ~ '^[A-Z]{3}-[0-9]{3}$'), wished varchar(5) NOT NULL UNIQUE, often text,
    card text, cash int, CONSTRAINT one_way CHECK ((card IS NULL) <> (cash IS NULL)),
    doubled int GENERATED ALWAYS AS (score * 2) STORED CHECK (doubled >= 0)
);
CREATE TABLE never (id int PRIMARY KEY, word text NOT NULL CONSTRAINT hash CHECK (md5(word) LIKE '000000%'));
CREATE TABLE narrow (id int PRIMARY KEY CONSTRAINT small CHECK (id BETWEEN 5 AND 20));
CREATE TABLE followed (id int PRIMARY KEY CHECK (id < 500), a int NOT NULL, b int NOT NULL, CHECK (a * a = b));
INSERT INTO followed SELECT n, n, n * n FROM generate_series(1, 50) AS n;
CREATE TABLE given (id int PRIMARY KEY, state text NOT NULL CONSTRAINT known CHECK (state IN ('on', 'off')));
";

/// The table with a pattern for a column that is unique and for one that is not.
fn patterned(name: &str, rows: u64) -> TableWish {
    let pattern = |text: &str| ColumnWish { pattern: Pattern::parse(text).ok(), ..ColumnWish::default() };
    let often = ColumnWish { null_fraction: Some(0.5), ..pattern("(a|b)[0-9]") };
    with(with(table(name, rows), "wished", pattern("W[0-9]{4}")), "often", often)
}

#[test]
fn made_rows_keep_every_check_and_are_not_all_alike() {
    with_server(Place::Local, async |lab: &Lab| {
        let database = lab.database().await;
        database.run(SCHEMA).await;
        let wishes = vec![patterned("held", 5_000), table("narrow", 16), table("followed", 400)];
        lab.prepare(&database, &[], wishes, 1).await.expect("they grow");
        assert_eq!(database.count("held").await, 5_000);
        for (column, least) in [
            ("status", 3),
            ("kind", 2),
            ("score", 90),
            ("rating", 3),
            ("cold", 500),
            ("ratio", 2_000),
            ("share", 500),
            ("born", 1_000),
            ("short", 20),
            ("iso", 500),
            ("named", 50),
            ("upper_", 50),
            ("begins", 1_000),
            ("ends", 1_000),
            ("net", 500),
            ("gross", 500),
            ("card", 20),
            ("cash", 500),
        ] {
            let different: i64 = database.get(&format!("SELECT count(DISTINCT {column}) FROM held")).await;
            assert!(different >= least, "{column} has {different} different values");
        }
        assert_eq!(database.get::<String>("SELECT min(id) || '-' || max(id) FROM held").await, "1001-6000");
        assert_eq!(database.get::<String>("SELECT min(id) || '-' || max(id) FROM narrow").await, "5-20");
        assert_eq!(database.get::<String>("SELECT min(score) || '-' || max(score) FROM held").await, "0-100");
        assert_eq!(database.count("held WHERE wished !~ '^W[0-9]{4}$' OR often !~ '^[ab][0-9]$'").await, 0);
        assert_eq!(database.get::<i64>("SELECT count(DISTINCT often) FROM held").await, 20);
        let example = database.count("held WHERE email LIKE '%@example.___'").await;
        assert_eq!(example, 5_000, "an email is one by its column's name");
    });
}

#[test]
fn a_check_that_cannot_be_kept_is_told_before_anything_is_loaded() {
    with_server(Place::Local, async |lab: &Lab| {
        let database = lab.database().await;
        database.run(SCHEMA).await;
        for (wish, words) in [
            (table("never", 5), ["CHECK constraint hash (", "what word may hold"]),
            (table("narrow", 17), ["CHECK constraint small (", "which 17 rows cannot be"]),
            (patterned("held", 10_001), ["column wished: it must be different", "describes 10000 texts"]),
            (table("followed", 500), ["followed_id_check", "which 450 rows cannot be"]),
            (with(table("given", 9), "state", values(&[("on", 1.0), ("lost", 1.0)])), ["known", "what state may hold"]),
            (with(table("held", 9), "score", range("90", "200")), ["held_score_check", "what score may hold"]),
        ] {
            let error = lab.prepare(&database, &[], vec![wish], 1).await.expect_err(words[0]).to_string();
            for word in words.into_iter().chain(["shop.toml:7: table "]) {
                assert!(error.contains(word), "{word}: {error}");
            }
        }
    });
}
