//! Wishes that cannot be fulfilled: each error says where the scenario asked for it and what to do.

use rehearsal::scenario::{ColumnWish, TableWish};

use crate::lab::{Lab, Place, range, table, values, with, with_server};

const SCHEMA: &str = "
CREATE TABLE small (id smallint PRIMARY KEY);
CREATE TABLE parents (id int PRIMARY KEY);
CREATE TABLE children (id int PRIMARY KEY, parent int NOT NULL REFERENCES parents);
CREATE TABLE chicken (id int PRIMARY KEY, egg int NOT NULL);
CREATE TABLE eggs (id int PRIMARY KEY, chicken int NOT NULL REFERENCES chicken);
ALTER TABLE chicken ADD FOREIGN KEY (egg) REFERENCES eggs;
CREATE TABLE checked (id int PRIMARY KEY, status text NOT NULL CHECK (md5(status) = status));
CREATE TABLE required (id int PRIMARY KEY, area regclass NOT NULL);
CREATE TABLE kinds (kind boolean PRIMARY KEY);
CREATE TABLE excluded (id int, EXCLUDE USING btree (id WITH =));
CREATE TABLE codes (code varchar(2) PRIMARY KEY);
CREATE TABLE held (id int PRIMARY KEY, at timestamptz, note text);
CREATE VIEW seen AS SELECT 1;
CREATE MATERIALIZED VIEW kept AS SELECT 1;
CREATE SCHEMA other;
CREATE TABLE other.twin (id int);
CREATE SCHEMA another;
CREATE TABLE another.twin (id int);
INSERT INTO held VALUES (1, now(), 'x');
";

fn cases() -> Vec<(TableWish, &'static [&'static str])> {
    let held = |column: &str, wish: ColumnWish| with(table("held", 10), column, wish);
    let distinct = |count| ColumnWish { distinct: Some(count), ..ColumnWish::default() };
    let nulls = |share| ColumnWish { null_fraction: Some(share), ..ColumnWish::default() };
    vec![
        (table("small", 100_000), &["column id", "smallint", "32767", "fewer rows"]),
        (table("codes", 100_000), &["column code", "too short", "fewer rows"]),
        (table("hold", 10), &["no such table", "held"]),
        (table("a.b.c", 10), &["not the name of a table"]),
        (table("twin", 10), &["several tables", "another.twin", "other.twin"]),
        (table("seen", 10), &["view", "only tables"]),
        (table("kept", 10), &["materialized view"]),
        (held("nite", nulls(0.1)), &["no column nite", "note"]),
        (held("id", nulls(0.1)), &["column id", "NOT NULL"]),
        (held("at", values(&[("yesterday noon", 1.0)])), &["column at", "yesterday noon", "timestamp"]),
        (held("at", range("2024-02-01", "2024-01-01")), &["column at", "empty"]),
        (held("note", range("a", "b")), &["column note", "no meaning"]),
        (with(table("kinds", 5), "kind", distinct(3)), &["kinds_pkey", "unique"]),
        (table("kinds", 5), &["room for 2 more rows"]),
        (table("children", 10), &["children_parent_fkey", "parents", "empty", "grow public.parents"]),
        (table("checked", 10), &["checked_status_check", "`values`", "status"]),
        (table("required", 10), &["column area", "regclass", "`values`"]),
        (
            with(table("children", 5), "parent", values(&[("9", 1.0)])),
            &["children_parent_fkey", "not all in", "parents"],
        ),
    ]
}

#[test]
fn what_cannot_be_grown_is_refused_with_its_line_and_advice() {
    with_server(Place::Local, async |lab: &Lab| {
        let database = lab.database().await;
        database.run(SCHEMA).await;
        for (wish, words) in cases() {
            let name = format!("{} {:?}", wish.name, wish.columns);
            let error = lab.prepare(&database, &[], vec![wish.clone()], 1).await.expect_err(&name);
            let text = error.to_string();
            for word in words.iter().copied().chain(["shop.toml:7: table ", &*wish.name]) {
                assert!(text.contains(word), "{name}: {word:?} is not in {text:?}");
            }
            assert!(error.is_the_scenarios(), "{name}: {text}");
        }
        let rows: i64 = database.get("SELECT (SELECT count(*) FROM small) + (SELECT count(*) FROM children)").await;
        assert_eq!(rows, 0, "a refused table has no rows");
    });
}

#[test]
fn a_table_is_wished_for_once() {
    with_server(Place::Local, async |lab: &Lab| {
        let database = lab.database().await;
        database.run(SCHEMA).await;
        let twice = lab.prepare(&database, &[], vec![table("held", 5), table("public.held", 6)], 1).await;
        let text = twice.expect_err("one table has two wishes").to_string();
        assert!(text.contains("named twice"), "{text}");
    });
}

#[test]
fn rows_that_the_server_refuses_leave_the_table_as_it_was() {
    with_server(Place::Local, async |lab: &Lab| {
        let database = lab.database().await;
        database.run(SCHEMA).await;
        database.run("INSERT INTO excluded VALUES (1), (2); CREATE INDEX plain ON excluded (id)").await;
        let before = lab.text_of(&database, &[]).await;
        let error =
            lab.prepare(&database, &[], vec![table("excluded", 50_000)], 1).await.expect_err("the values repeat");
        assert!(error.to_string().contains("exclusion constraint"), "{error}");
        assert_eq!(lab.text_of(&database, &[]).await, before);
    });
}
