//! Foreign keys of every shape in tables without rows: no new row refers to one that is not there.

use pretty_assertions::assert_eq;

use crate::keys::orphans;
use crate::lab::{Lab, Place, table, with_server};

const SCHEMA: &str = "
CREATE TABLE parents (id int PRIMARY KEY, code text NOT NULL UNIQUE);
INSERT INTO parents SELECT n * 7, 'p' || n FROM generate_series(1, 500) AS n WHERE n % 3 <> 0;
CREATE TABLE children (id uuid PRIMARY KEY, parent int NOT NULL REFERENCES parents, code text REFERENCES parents (code));
CREATE TABLE regions (country char(2), code int, PRIMARY KEY (country, code));
CREATE TABLE cities (id bigint PRIMARY KEY, country char(2) NOT NULL, region int NOT NULL, name varchar(20) NOT NULL,
                     UNIQUE (country, region, name), FOREIGN KEY (country, region) REFERENCES regions);
CREATE TABLE nodes (id int PRIMARY KEY, parent int REFERENCES nodes, must int NOT NULL REFERENCES nodes);
CREATE TABLE staff (tenant int REFERENCES parents, id int, boss int NOT NULL, mentor int, PRIMARY KEY (tenant, id),
                    FOREIGN KEY (tenant, boss) REFERENCES staff, FOREIGN KEY (tenant, mentor) REFERENCES staff);
CREATE TABLE crew (tenant int NOT NULL REFERENCES parents, id serial PRIMARY KEY, boss int, chief int NOT NULL,
                   UNIQUE (tenant, id), FOREIGN KEY (tenant, boss) REFERENCES crew (tenant, id),
                   FOREIGN KEY (tenant, chief) REFERENCES crew (tenant, id));
CREATE TABLE authors (id int PRIMARY KEY, best_book int);
CREATE TABLE books (id int PRIMARY KEY, author int NOT NULL REFERENCES authors);
ALTER TABLE authors ADD CONSTRAINT best FOREIGN KEY (best_book) REFERENCES books;
CREATE TABLE left_ (id int PRIMARY KEY, other int NOT NULL);
CREATE TABLE right_ (id int PRIMARY KEY, other int NOT NULL REFERENCES left_ DEFERRABLE);
INSERT INTO left_ VALUES (1, 1); INSERT INTO right_ VALUES (1, 1);
ALTER TABLE left_ ADD FOREIGN KEY (other) REFERENCES right_ DEFERRABLE;
CREATE TABLE uuids (id uuid PRIMARY KEY, parent uuid NOT NULL REFERENCES uuids);
";

#[test]
fn composite_self_referring_and_cyclic_keys_hold_in_tables_without_rows() {
    with_server(Place::Local, async |lab: &Lab| {
        let database = lab.database().await;
        database.run(SCHEMA).await;
        let tables = [
            ("children", 2_000),
            ("cities", 3_000),
            ("regions", 200),
            ("nodes", 1_000),
            ("staff", 800),
            ("crew", 400),
            ("books", 900),
            ("authors", 300),
            ("left_", 500),
            ("right_", 700),
        ];
        let wishes = tables.iter().map(|(name, rows)| table(name, *rows)).collect();
        let prepared = lab.prepare(&database, &[], wishes, 1).await.expect("all of them grow");
        assert_eq!(orphans(&database).await, "");
        for (name, rows) in tables {
            assert_eq!(u64::try_from(database.count(name).await), Ok(rows), "{name}");
        }
        // A tree has one root, and leaves on more than a few branches.
        assert_eq!(database.count("nodes WHERE parent IS NULL OR must > id").await, 1);
        assert!(database.get::<i64>("SELECT count(DISTINCT parent) FROM nodes").await > 300);
        assert!(database.get::<i64>("SELECT count(DISTINCT parent) FROM children").await > 300);
        assert!(database.get::<i64>("SELECT count(DISTINCT other) FROM right_").await > 100);
        let notes = prepared.notes.join("\n");
        for note in ["best_book of authors is NULL in all new rows: foreign key best", "boss of crew is NULL"] {
            assert!(notes.contains(note), "{note}: {notes}");
        }
        let error = lab.prepare(&database, &[], vec![table("uuids", 5)], 1).await.expect_err("no row can be first");
        assert!(error.to_string().contains("uuids_parent_fkey: it refers to the table itself"), "{error}");
    });
}
