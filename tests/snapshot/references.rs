//! Foreign keys of every shape in tables without rows: no new row refers to one that is not there.

use pretty_assertions::assert_eq;

use crate::keys::orphans;
use rehearsal::scenario::{ColumnWish, Distribution};

use crate::lab::{Lab, Place, table, with, with_server};

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
CREATE TABLE visits (id bigint PRIMARY KEY, parent int NOT NULL, code text, followed int, first int NOT NULL);
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

/// A column that refers to another one, in the scenario and not in the schema.
fn referring(to: &str) -> ColumnWish {
    ColumnWish { references: Some(to.to_owned()), ..ColumnWish::default() }
}

#[test]
fn references_of_the_scenario_are_kept_like_those_of_the_schema() {
    with_server(Place::Local, async |lab: &Lab| {
        let database = lab.database().await;
        database.run(SCHEMA).await;
        let mut visits =
            with(table("visits", 3_000), "parent", ColumnWish { distinct: Some(10), ..referring("parents.id") });
        for (column, to) in [("code", "PARENTS.code"), ("followed", "children.parent"), ("first", "visits.id")] {
            visits = with(visits, column, referring(to));
        }
        let zipf = ColumnWish { distribution: Some(Distribution::Zipf), ..referring("children.parent") };
        let visits = with(visits, "followed", zipf);
        let grown = lab.prepare(&database, &[], vec![visits, table("children", 500)], 1).await;
        grown.expect("they grow");
        for orphans in [
            "visits WHERE parent NOT IN (SELECT id FROM parents)",
            "visits WHERE code NOT IN (SELECT code FROM parents) OR code IS NULL",
            "visits WHERE followed NOT IN (SELECT parent FROM children) OR followed IS NULL",
            "visits WHERE first NOT IN (SELECT id FROM visits)",
        ] {
            assert_eq!(database.count(orphans).await, 0, "{orphans}");
        }
        assert_eq!(database.get::<i64>("SELECT count(DISTINCT parent) FROM visits").await, 10);
        let most = "SELECT count(*) FROM visits GROUP BY followed ORDER BY count(*) DESC LIMIT 1";
        // 3000 rows by 1/1 + 1/2 + … + 1/500, and where parents are referred to twice, a little more.
        assert!((350..700).contains(&database.get::<i64>(most).await));
        for (to, words) in [
            ("parent.id", "there is no table parent; is parents meant?"),
            ("parents.idd", "has no column idd; is id meant?"),
            ("parents.code", "are of another kind"),
        ] {
            let wish = with(table("visits", 4_000), "parent", referring(to));
            let error = lab.prepare(&database, &[], vec![wish], 1).await.expect_err(words).to_string();
            assert!(error.contains("table visits: column parent: `references`") && error.contains(words), "{error}");
        }
        let zipf = ColumnWish { distribution: Some(Distribution::Zipf), ..ColumnWish::default() };
        let wish = with(table("visits", 4_000), "code", zipf);
        let error = lab.prepare(&database, &[], vec![wish], 1).await.expect_err("of what is not said").to_string();
        assert!(error.contains("column code: `distribution` needs `distinct`"), "{error}");
        let wish = with(table("children", 4_000), "parent", referring("nodes.id"));
        let error = lab.prepare(&database, &[], vec![wish], 1).await.expect_err("it has a key").to_string();
        assert!(error.contains("column parent: it has a foreign key"), "{error}");
    });
}

const CIRCLES: &str = "
CREATE TABLE cities (id serial PRIMARY KEY, name text NOT NULL);
CREATE TABLE stores (id serial PRIMARY KEY, manager smallint NOT NULL UNIQUE, city int NOT NULL REFERENCES cities);
CREATE TABLE staff (id smallint PRIMARY KEY, store int NOT NULL REFERENCES stores, city int NOT NULL REFERENCES cities);
ALTER TABLE stores ADD FOREIGN KEY (manager) REFERENCES staff DEFERRABLE INITIALLY DEFERRED;
CREATE TABLE rentals (id bigserial PRIMARY KEY, staff int NOT NULL REFERENCES staff, store bigint NOT NULL REFERENCES stores);
CREATE TABLE a (id int PRIMARY KEY, next int NOT NULL);
CREATE TABLE b (id int PRIMARY KEY, next int NOT NULL REFERENCES a);
CREATE TABLE c (id int PRIMARY KEY, next int NOT NULL REFERENCES b);
ALTER TABLE a ADD FOREIGN KEY (next) REFERENCES c DEFERRABLE;
CREATE TABLE ping (id uuid PRIMARY KEY, pong uuid NOT NULL);
CREATE TABLE pong (id uuid PRIMARY KEY, ping uuid NOT NULL REFERENCES ping);
ALTER TABLE ping ADD FOREIGN KEY (pong) REFERENCES pong DEFERRABLE;
";

#[test]
fn tables_that_need_each_other_grow_though_all_of_them_are_empty() {
    with_server(Place::Local, async |lab: &Lab| {
        let database = lab.database().await;
        database.run(CIRCLES).await;
        let tables =
            [("rentals", 5_000), ("stores", 40), ("staff", 200), ("cities", 30), ("a", 300), ("b", 200), ("c", 100)];
        let wishes = tables.iter().map(|(name, rows)| table(name, *rows)).collect();
        lab.prepare(&database, &[], wishes, 1).await.expect("all of them grow");
        assert_eq!(orphans(&database).await, "");
        for (name, rows) in tables {
            assert_eq!(u64::try_from(database.count(name).await), Ok(rows), "{name}");
        }
        assert!(database.get::<i64>("SELECT count(DISTINCT store) FROM staff").await > 30);
        assert!(database.get::<i64>("SELECT count(DISTINCT next) FROM a").await > 60);
        let wishes = vec![table("ping", 5), table("pong", 5)];
        let error = lab.prepare(&database, &[], wishes, 1).await.expect_err("random keys are not known beforehand");
        assert!(error.to_string().contains("ping, pong refer to each other and are all empty"), "{error}");
    });
}

const TENANTS: &str = "
CREATE TABLE tenants (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE customers (tenant int REFERENCES tenants, id bigint, PRIMARY KEY (tenant, id));
CREATE TABLE products (id bigint, tenant int REFERENCES tenants, PRIMARY KEY (id, tenant));
CREATE TABLE orders (tenant int REFERENCES tenants, id bigint, customer bigint NOT NULL, referrer bigint, PRIMARY KEY (tenant, id),
    FOREIGN KEY (tenant, customer) REFERENCES customers, FOREIGN KEY (tenant, referrer) REFERENCES customers);
CREATE TABLE lines (id bigserial PRIMARY KEY, tenant int NOT NULL REFERENCES tenants, orders bigint NOT NULL, product bigint NOT NULL,
    FOREIGN KEY (tenant, orders) REFERENCES orders, FOREIGN KEY (product, tenant) REFERENCES products (id, tenant));
";

#[test]
fn foreign_keys_that_share_a_tenant_fit_each_other() {
    with_server(Place::Local, async |lab: &Lab| {
        let database = lab.database().await;
        database.run(TENANTS).await;
        // Fewer customers and products than tenants: some tenants have none, and so no orders or no lines.
        let tables = [("tenants", 60), ("customers", 40), ("products", 30), ("orders", 500), ("lines", 3_000)];
        let wishes = tables.iter().map(|(name, rows)| table(name, *rows)).collect();
        let prepared = lab.prepare(&database, &[], wishes, 1).await.expect("all of them grow");
        assert_eq!(orphans(&database).await, "");
        for (name, rows) in tables {
            assert_eq!(u64::try_from(database.count(name).await), Ok(rows), "{name}");
        }
        assert_eq!(prepared.notes.iter().filter(|note| note.contains("NULL")).count(), 0, "{:?}", prepared.notes);
        let tenants = "(SELECT DISTINCT tenant FROM orders INTERSECT SELECT tenant FROM products) t";
        let lines = "(SELECT DISTINCT tenant FROM lines) t";
        assert_eq!(database.count(lines).await, database.count(tenants).await);
        let few = lab.database().await;
        few.run(TENANTS).await;
        few.run(
            "INSERT INTO tenants VALUES (1, 'a'), (2, 'b'); INSERT INTO customers VALUES (1, 1);
                 INSERT INTO orders VALUES (1, 1, 1); INSERT INTO products VALUES (1, 2)",
        )
        .await;
        let error = lab.prepare(&few, &[], vec![table("lines", 5)], 1).await.expect_err("no tenant has both");
        assert!(error.to_string().contains("shares a column with another key, and no keys of both"), "{error}");
    });
}
