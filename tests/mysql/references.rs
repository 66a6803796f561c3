//! Foreign keys of every shape in tables without rows: no new row refers to one that is not there.

use pretty_assertions::assert_eq;

use rehearsal::scenario::{ColumnWish, Distribution};

use crate::grow::{filled, grow, table, with};
use crate::lab::on_each;

const SCHEMA: &str = "
CREATE TABLE parents (id int PRIMARY KEY, code varchar(20) NOT NULL UNIQUE);
INSERT INTO parents WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 500)
  SELECT n * 7, concat('p', n) FROM n WHERE n % 3 <> 0;
CREATE TABLE children (id bigint AUTO_INCREMENT PRIMARY KEY, parent int NOT NULL, code varchar(20),
  FOREIGN KEY (parent) REFERENCES parents (id), FOREIGN KEY (code) REFERENCES parents (code));
CREATE TABLE regions (country char(2), code int, PRIMARY KEY (country, code));
CREATE TABLE cities (id bigint PRIMARY KEY, country char(2) NOT NULL, region int NOT NULL, name varchar(20) NOT NULL,
  UNIQUE (country, region, name), FOREIGN KEY (country, region) REFERENCES regions (country, code));
CREATE TABLE nodes (id int PRIMARY KEY, parent int, must int NOT NULL,
  FOREIGN KEY (parent) REFERENCES nodes (id), FOREIGN KEY (must) REFERENCES nodes (id));
CREATE TABLE staff (tenant int, id int, boss int NOT NULL, mentor int, PRIMARY KEY (tenant, id),
  FOREIGN KEY (tenant) REFERENCES parents (id), FOREIGN KEY (tenant, boss) REFERENCES staff (tenant, id),
  FOREIGN KEY (tenant, mentor) REFERENCES staff (tenant, id));
CREATE TABLE crew (tenant int NOT NULL, id int AUTO_INCREMENT PRIMARY KEY, boss int, chief int NOT NULL, UNIQUE (tenant, id),
  FOREIGN KEY (tenant) REFERENCES parents (id), FOREIGN KEY (tenant, boss) REFERENCES crew (tenant, id),
  FOREIGN KEY (tenant, chief) REFERENCES crew (tenant, id));
CREATE TABLE authors (id int PRIMARY KEY, best_book int);
CREATE TABLE books (id int PRIMARY KEY, author int NOT NULL, FOREIGN KEY (author) REFERENCES authors (id));
ALTER TABLE authors ADD CONSTRAINT best FOREIGN KEY (best_book) REFERENCES books (id);
CREATE TABLE left_ (id int PRIMARY KEY, other int NOT NULL);
CREATE TABLE right_ (id int PRIMARY KEY, other int NOT NULL, FOREIGN KEY (other) REFERENCES left_ (id));
INSERT INTO left_ VALUES (1, 1); INSERT INTO right_ VALUES (1, 1);
ALTER TABLE left_ ADD FOREIGN KEY (other) REFERENCES right_ (id);
CREATE TABLE visits (id bigint PRIMARY KEY, parent int NOT NULL, code varchar(20), followed int, first int NOT NULL);
CREATE TABLE tokens (id char(36) PRIMARY KEY, parent char(36) NOT NULL,
  CONSTRAINT above FOREIGN KEY (parent) REFERENCES tokens (id))";

#[test]
fn composite_self_referring_and_cyclic_keys_hold_in_tables_without_rows() {
    on_each(async |lab| {
        let place = lab.place;
        let database = filled(lab, SCHEMA).await;
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
        let notes = grow(&database, tables.map(|(name, rows)| table(name, rows)).into(), 1).await;
        let notes = notes.unwrap_or_else(|error| panic!("{place:?}: {error}")).join("\n");
        for (name, rows) in tables {
            assert_eq!(database.count(name).await, rows, "{place:?}: {name}");
        }
        for orphans in [
            "children c LEFT JOIN parents p ON p.id = c.parent WHERE p.id IS NULL",
            "children c LEFT JOIN parents p ON p.code = c.code WHERE c.code IS NOT NULL AND p.code IS NULL",
            "cities c LEFT JOIN regions p ON p.country = c.country AND p.code = c.region WHERE p.code IS NULL",
            "nodes c LEFT JOIN nodes p ON p.id = c.parent WHERE c.id > 1 AND p.id IS NULL",
            "nodes c LEFT JOIN nodes p ON p.id = c.must WHERE p.id IS NULL",
            "staff c LEFT JOIN parents p ON p.id = c.tenant WHERE p.id IS NULL",
            "staff c LEFT JOIN staff p ON p.tenant = c.tenant AND p.id = c.boss WHERE p.id IS NULL",
            "staff c LEFT JOIN staff p ON p.tenant = c.tenant AND p.id = c.mentor WHERE p.id IS NULL AND c.mentor IS NOT NULL",
            "crew c LEFT JOIN crew p ON p.tenant = c.tenant AND p.id = c.chief WHERE p.id IS NULL",
            "books c LEFT JOIN authors p ON p.id = c.author WHERE p.id IS NULL",
            "left_ c LEFT JOIN right_ p ON p.id = c.other WHERE p.id IS NULL",
            "right_ c LEFT JOIN left_ p ON p.id = c.other WHERE p.id IS NULL",
        ] {
            assert_eq!(database.count(orphans).await, 0, "{place:?}: {orphans}");
        }
        assert!(database.get::<u64>("SELECT count(DISTINCT parent) FROM nodes").await > 300, "{place:?}");
        assert!(database.get::<u64>("SELECT count(DISTINCT parent) FROM children").await > 300, "{place:?}");
        for note in ["best_book of authors is NULL in all new rows: foreign key best", "boss of crew is NULL"] {
            assert!(notes.contains(note), "{place:?}: {note}: {notes}");
        }
        let error = grow(&database, vec![table("tokens", 5)], 1).await.expect_err("no row can be first");
        assert!(error.to_string().contains("above: it refers to the table itself"), "{place:?}: {error}");
    });
}

/// A column that refers to another one, in the scenario and not in the schema.
fn referring(to: &str) -> ColumnWish {
    ColumnWish { references: Some(to.to_owned()), ..ColumnWish::default() }
}

#[test]
fn references_of_the_scenario_are_kept_like_those_of_the_schema() {
    on_each(async |lab| {
        let place = lab.place;
        let database = filled(lab, SCHEMA).await;
        let mut visits =
            with(table("visits", 3_000), "parent", ColumnWish { distinct: Some(10), ..referring("parents.id") });
        for (column, to) in [("code", "PARENTS.code"), ("followed", "children.parent"), ("first", "visits.id")] {
            visits = with(visits, column, referring(to));
        }
        let zipf = ColumnWish { distribution: Some(Distribution::Zipf), ..referring("children.parent") };
        let visits = with(visits, "followed", zipf);
        let grown = grow(&database, vec![visits, table("children", 500)], 1).await;
        grown.unwrap_or_else(|error| panic!("{place:?}: {error}"));
        for orphans in [
            "visits WHERE parent NOT IN (SELECT id FROM parents)",
            "visits WHERE code NOT IN (SELECT code FROM parents) OR code IS NULL",
            "visits WHERE followed NOT IN (SELECT parent FROM children) OR followed IS NULL",
            "visits WHERE first NOT IN (SELECT id FROM visits)",
        ] {
            assert_eq!(database.count(orphans).await, 0, "{orphans}");
        }
        assert_eq!(database.get::<u64>("SELECT count(DISTINCT parent) FROM visits").await, 10);
        let most = "SELECT count(*) FROM visits GROUP BY followed ORDER BY count(*) DESC LIMIT 1";
        // 3000 rows by 1/1 + 1/2 + … + 1/500, and where parents are referred to twice, a little more.
        assert!((350..700).contains(&database.get::<u64>(most).await));
        for (to, words) in [
            ("parent.id", "there is no table parent; is parents meant?"),
            ("parents.idd", "has no column idd; is id meant?"),
        ] {
            let wish = with(table("visits", 4_000), "parent", referring(to));
            let error = grow(&database, vec![wish], 1).await.expect_err(words).to_string();
            assert!(error.contains("table visits: column parent: `references`") && error.contains(words), "{error}");
        }
        let zipf = ColumnWish { distribution: Some(Distribution::Zipf), ..ColumnWish::default() };
        let wish = with(table("visits", 4_000), "code", zipf);
        let error = grow(&database, vec![wish], 1).await.expect_err("of what is not said").to_string();
        assert!(error.contains("column code: `distribution` needs `distinct`"), "{error}");
        let wish = with(table("children", 4_000), "parent", referring("nodes.id"));
        let error = grow(&database, vec![wish], 1).await.expect_err("it has a key").to_string();
        assert!(error.contains("column parent: it has a foreign key"), "{error}");
    });
}

const CIRCLES: &str = "
CREATE TABLE cities (id int AUTO_INCREMENT PRIMARY KEY, name varchar(20) NOT NULL);
CREATE TABLE stores (id int AUTO_INCREMENT PRIMARY KEY, manager smallint unsigned NOT NULL UNIQUE, city int NOT NULL,
  FOREIGN KEY (city) REFERENCES cities (id));
CREATE TABLE staff (id smallint unsigned PRIMARY KEY, store int NOT NULL, city int NOT NULL,
  FOREIGN KEY (store) REFERENCES stores (id), FOREIGN KEY (city) REFERENCES cities (id));
ALTER TABLE stores ADD FOREIGN KEY (manager) REFERENCES staff (id);
CREATE TABLE rentals (id bigint AUTO_INCREMENT PRIMARY KEY, staff smallint unsigned NOT NULL, store int NOT NULL,
  FOREIGN KEY (staff) REFERENCES staff (id), FOREIGN KEY (store) REFERENCES stores (id));
CREATE TABLE ping (id char(36) PRIMARY KEY, pong char(36) NOT NULL);
CREATE TABLE pong (id char(36) PRIMARY KEY, ping char(36) NOT NULL, FOREIGN KEY (ping) REFERENCES ping (id));
ALTER TABLE ping ADD FOREIGN KEY (pong) REFERENCES pong (id)";

#[test]
fn tables_that_need_each_other_grow_though_all_of_them_are_empty() {
    on_each(async |lab| {
        let place = lab.place;
        let database = filled(lab, CIRCLES).await;
        let tables = [("rentals", 5_000), ("stores", 40), ("staff", 200), ("cities", 30)];
        let grown = grow(&database, tables.map(|(name, rows)| table(name, rows)).into(), 1).await;
        grown.unwrap_or_else(|error| panic!("{place:?}: {error}"));
        for (name, rows) in tables {
            assert_eq!(database.count(name).await, rows, "{place:?}: {name}");
        }
        for orphans in [
            "stores c LEFT JOIN staff p ON p.id = c.manager WHERE p.id IS NULL",
            "staff c LEFT JOIN stores p ON p.id = c.store WHERE p.id IS NULL",
            "rentals c LEFT JOIN staff p ON p.id = c.staff WHERE p.id IS NULL",
        ] {
            assert_eq!(database.count(orphans).await, 0, "{place:?}: {orphans}");
        }
        assert!(database.get::<u64>("SELECT count(DISTINCT store) FROM staff").await > 30, "{place:?}");
        let error = grow(&database, vec![table("ping", 5), table("pong", 5)], 1).await.expect_err("random keys");
        assert!(error.to_string().contains("ping, pong refer to each other and are all empty"), "{place:?}: {error}");
    });
}

const TENANTS: &str = "
CREATE TABLE tenants (id int PRIMARY KEY, name varchar(20) NOT NULL);
CREATE TABLE customers (tenant int, id bigint, PRIMARY KEY (tenant, id), FOREIGN KEY (tenant) REFERENCES tenants (id));
CREATE TABLE products (id bigint, tenant int, PRIMARY KEY (id, tenant), FOREIGN KEY (tenant) REFERENCES tenants (id));
CREATE TABLE orders (tenant int, id bigint, customer bigint NOT NULL, referrer bigint, PRIMARY KEY (tenant, id),
  FOREIGN KEY (tenant) REFERENCES tenants (id), FOREIGN KEY (tenant, customer) REFERENCES customers (tenant, id),
  FOREIGN KEY (tenant, referrer) REFERENCES customers (tenant, id));
CREATE TABLE `lines` (id bigint AUTO_INCREMENT PRIMARY KEY, tenant int NOT NULL, orders bigint NOT NULL, product bigint NOT NULL,
  FOREIGN KEY (tenant) REFERENCES tenants (id), FOREIGN KEY (tenant, orders) REFERENCES orders (tenant, id),
  FOREIGN KEY (product, tenant) REFERENCES products (id, tenant))";

#[test]
fn foreign_keys_that_share_a_tenant_fit_each_other() {
    on_each(async |lab| {
        let place = lab.place;
        let database = filled(lab, TENANTS).await;
        // Fewer customers and products than tenants: some tenants have none, and so no orders or no lines.
        let tables = [("tenants", 60), ("customers", 40), ("products", 30), ("orders", 500), ("`lines`", 3_000)];
        let grown = grow(&database, tables.map(|(name, rows)| table(name, rows)).into(), 1).await;
        grown.unwrap_or_else(|error| panic!("{place:?}: {error}"));
        for (name, rows) in tables {
            assert_eq!(database.count(name).await, rows, "{place:?}: {name}");
        }
        for orphans in [
            "orders c LEFT JOIN customers p ON p.tenant = c.tenant AND p.id = c.customer WHERE p.id IS NULL",
            "orders c LEFT JOIN customers p ON p.tenant = c.tenant AND p.id = c.referrer WHERE p.id IS NULL",
            "orders c LEFT JOIN tenants p ON p.id = c.tenant WHERE p.id IS NULL",
            "`lines` c LEFT JOIN orders p ON p.tenant = c.tenant AND p.id = c.orders WHERE p.id IS NULL",
            "`lines` c LEFT JOIN products p ON p.tenant = c.tenant AND p.id = c.product WHERE p.id IS NULL",
        ] {
            assert_eq!(database.count(orphans).await, 0, "{place:?}: {orphans}");
        }
    });
}
