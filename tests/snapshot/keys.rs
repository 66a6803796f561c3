//! Growing tables by their keys: nothing repeats that must not, nothing is an orphan, and what was there stays.

use pretty_assertions::assert_eq;
use rehearsal::snapshot::Prepared;

use crate::lab::{Database, Lab, Place, fixture, range, table, values, with, with_own_server, with_server};

const LINES: &str = "\"Order \"\"Lines\"\" 😀\"";

/// Every table of `keys.sql`, grown, children named before their parents.
async fn grown(lab: &Lab, seed: u64) -> (Database, Prepared) {
    let database = lab.fixture("keys.sql").await;
    let tables = vec![
        table(LINES, 12_000),
        table("memberships", 1_500),
        table("profiles", 300),
        table("tree", 500),
        table("addresses", 1_000),
        table("users", 3_000),
        table("public.tenants", 300),
        table("days", 2_000),
        table("amounts", 5_000),
        table("moments", 3_000),
        table("tokens", 1_000),
        table("nowhere", 1_000),
    ];
    let prepared = lab.prepare(&database, &[], tables, seed).await.expect("all of them grow");
    (database, prepared)
}

/// Rows of any table that refer to a row that is not there, by foreign key.
pub(crate) async fn orphans(database: &Database) -> String {
    database
        .run(
            "
CREATE FUNCTION orphans(OUT lost text) LANGUAGE plpgsql AS $$
DECLARE key record; many bigint;
BEGIN
    lost := '';
    FOR key IN
        SELECT conname, conrelid::regclass AS child,
               CASE relkind WHEN 'p' THEN '' ELSE 'ONLY ' END || confrelid::regclass AS parent,
               string_agg(format('p.%I = c.%I', p.attname, c.attname), ' AND ') AS equal,
               string_agg(format('c.%I IS NOT NULL', c.attname), ' AND ') AS whole
        FROM pg_constraint JOIN pg_class r ON r.oid = confrelid, unnest(conkey, confkey) AS pair(own, other)
        JOIN pg_attribute c ON true JOIN pg_attribute p ON true
        WHERE contype = 'f' AND c.attrelid = conrelid AND c.attnum = own AND p.attrelid = confrelid AND p.attnum = other
        GROUP BY conname, conrelid, confrelid, relkind
    LOOP
        EXECUTE format('SELECT count(*) FROM %s AS c WHERE %s AND NOT EXISTS (SELECT FROM %s AS p WHERE %s)',
                       key.child, key.whole, key.parent, key.equal) INTO many;
        IF many > 0 THEN lost := lost || format('%s: %s orphans; ', key.conname, many); END IF;
    END LOOP;
END $$",
        )
        .await;
    database.get("SELECT orphans()").await
}

/// Grows tables with keys of every design, and looks whether the keys hold.
pub(crate) async fn keys_hold_on(lab: &Lab) {
    let (database, prepared) = grown(lab, 1).await;
    assert_eq!(orphans(&database).await, "");
    assert_eq!(prepared.notes, [""; 0]);
    for (name, rows) in [(LINES, 12_000), ("memberships", 1_500), ("tree", 500), ("users", 3_000), ("tenants", 300)] {
        assert_eq!(database.count(name).await, rows, "{name}");
        let fact = prepared.tables.iter().find(|fact| fact.name == format!("public.{name}"));
        assert_eq!(fact.map(|fact| fact.rows), Some(u64::try_from(rows).ok()), "{name}");
    }
    // References reach new parents, and the partial key allows one main address for each tenant.
    let reached: i64 = database.get("SELECT count(DISTINCT tenant) FROM addresses WHERE tenant > 40").await;
    assert!(reached > 200, "{reached} of 260 new tenants have addresses");
    assert_eq!(database.count("addresses WHERE main").await, 40);
    assert_eq!(database.count("users WHERE twice <> score * 2").await, 0);
    assert_eq!(database.count("users WHERE score < 1 OR email NOT LIKE '%@example.org'").await, 0);
    let managed = database.count("users WHERE manager IS NOT NULL").await;
    assert!((700..1_300).contains(&managed), "a third of the rows had a manager, now {managed} of 3000");
}

#[test]
fn no_grown_row_is_an_orphan() {
    with_server(Place::Local, keys_hold_on);
}

#[test]
fn the_same_seed_grows_the_same_keys() {
    with_server(Place::Local, async |lab: &Lab| {
        let mut texts = Vec::new();
        for seed in [5, 5, 6] {
            let (database, _) = grown(lab, seed).await;
            texts.push(lab.text_of(&database, &[]).await);
        }
        assert!(texts[0] == texts[1], "the same seed made other rows");
        assert!(texts[0] != texts[2], "another seed made the same rows");
    });
}

#[test]
fn the_next_insert_gets_a_free_number() {
    with_server(Place::Local, async |lab: &Lab| {
        let (database, _) = grown(lab, 1).await;
        for (insert, expected) in [
            ("INSERT INTO tenants (name) VALUES ('next') RETURNING id", 301),
            ("INSERT INTO tree (name) VALUES ('next') RETURNING id", 501),
            ("INSERT INTO users (tenant, email, score) VALUES (1, 'next', 1) RETURNING id::int", 3_001),
        ] {
            assert_eq!(database.get::<i32>(insert).await, expected, "{insert}");
        }
    });
}

#[test]
fn a_grown_table_keeps_its_indexes_and_their_comments() {
    with_server(Place::Local, async |lab: &Lab| {
        let role = Lab::name("clerk");
        let database = lab.database().await;
        database.run(&fixture("shop.sql").replace("clerk", &role)).await;
        database
            .run(
                "CREATE INDEX plain ON customers USING hash (email) WITH (fillfactor = 50);
                  COMMENT ON INDEX plain IS 'it''s plain';
                  CREATE INDEX counted ON customers ((id + 1));
                  ALTER INDEX counted ALTER COLUMN 1 SET STATISTICS 500;
                  CREATE INDEX ordered ON customers (seen);
                  ALTER TABLE customers CLUSTER ON ordered",
            )
            .await;
        let before = lab.text_of(&database, &["--schema-only"]).await;
        lab.prepare(&database, &[], vec![table("customers", 5_000)], 1).await.expect("it grows");
        assert_eq!(lab.text_of(&database, &["--schema-only"]).await, before);
        assert_eq!(database.count("customers").await, 5_000);
        assert_eq!(database.count("pg_index WHERE NOT (indisvalid AND indisready)").await, 0);
        // `GENERATED ALWAYS` counts on in steps of five from ten.
        let range: String = database.get("SELECT min(id) || '-' || count(DISTINCT lower(email)) FROM customers").await;
        assert_eq!(range, "10-5000");
        database.run("INSERT INTO customers (email, seen) VALUES ('next@example.org', now())").await;
    });
}

#[test]
fn an_empty_table_is_loaded_frozen_and_keeps_its_constraints() {
    with_server(Place::Local, async |lab: &Lab| {
        let database = lab.database().await;
        database
            .run(
                "CREATE EXTENSION pg_visibility;
                  CREATE TABLE p (id int PRIMARY KEY, code text NOT NULL, at timestamptz NOT NULL,
                                  CONSTRAINT late UNIQUE (code) DEFERRABLE INITIALLY DEFERRED);
                  CREATE UNIQUE INDEX named ON p (at) INCLUDE (code);
                  ALTER TABLE p REPLICA IDENTITY USING INDEX named;
                  ALTER TABLE p CLUSTER ON p_pkey;
                  COMMENT ON CONSTRAINT late ON p IS 'checked late';
                  CREATE TABLE c (id int PRIMARY KEY, p int NOT NULL REFERENCES p ON DELETE CASCADE)",
            )
            .await;
        let before = lab.text_of(&database, &["--schema-only"]).await;
        lab.prepare(&database, &[], vec![table("c", 20_000), table("p", 10_000)], 1).await.expect("they grow");
        assert_eq!(lab.text_of(&database, &["--schema-only"]).await, before);
        assert_eq!(database.count("pg_index WHERE NOT (indisvalid AND indisready AND indislive)").await, 0);
        assert_eq!(orphans(&database).await, "");
        for (name, rows) in [("p", 10_000), ("c", 20_000)] {
            assert_eq!(database.count(name).await, rows);
            let pages: i64 = database.get(&format!("SELECT pg_relation_size('{name}') / 8192")).await;
            let frozen: i64 =
                database.get(&format!("SELECT all_frozen FROM pg_visibility_map_summary('{name}')")).await;
            assert_eq!(frozen, pages, "{name}");
        }
        let by_index: bool = database
            .get("SELECT count(*) = 10000 FROM (SELECT code FROM p GROUP BY code HAVING count(*) = 1) AS once")
            .await;
        assert!(by_index);
    });
}

#[test]
fn an_empty_table_that_rows_stand_beside_takes_none_of_them() {
    with_server(Place::Local, async |lab: &Lab| {
        let database = lab.database().await;
        database
            .run(
                "CREATE TABLE p (id int PRIMARY KEY);
                  CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p);
                  INSERT INTO c VALUES (1, NULL)",
            )
            .await;
        lab.prepare(&database, &[], vec![table("p", 100)], 1).await.expect("it grows");
        assert_eq!((database.count("p").await, database.count("c").await), (100, 1));
    });
}

#[test]
fn triggers_do_not_fire_and_heirs_and_partitions_share_the_rows() {
    with_server(Place::Local, async |lab: &Lab| {
        let role = Lab::name("clerk");
        let database = lab.database().await;
        database.run(&fixture("shop.sql").replace("clerk", &role)).await;
        database.run("UPDATE people SET name = 'x'; ALTER TABLE people ENABLE ALWAYS TRIGGER shout").await;
        let lines = "\"Back Office\".\"Order \"\"Lines\"\" 😀\"";
        let tables = vec![table("people", 300), table("events", 2_000), table(lines, 5_000)];
        let prepared = lab.prepare(&database, &[], tables, 1).await.expect("they grow");
        assert_eq!(database.count("ONLY people").await, 200);
        assert_eq!(database.count("staff").await, 100);
        assert!(prepared.notes.iter().any(|note| note.contains("people")), "{:?}", prepared.notes);
        assert_eq!(database.count("events").await, 2_000);
        for partition in ["events_2024", "events_later"] {
            assert!(database.count(partition).await > 600, "{partition}");
        }
        assert_eq!(database.count(lines).await, 5_000);
        assert_eq!(orphans(&database).await, "");
    });
}

#[test]
fn a_partitioned_table_without_rows_takes_its_key_from_the_scenario() {
    with_server(Place::Local, async |lab: &Lab| {
        let database = lab.database().await;
        database
            .run("CREATE TABLE e (at date NOT NULL, kind text NOT NULL) PARTITION BY RANGE (at);
                  CREATE TABLE e_1 PARTITION OF e FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
                  CREATE TABLE e_2 PARTITION OF e FOR VALUES FROM ('2024-02-01') TO ('2024-03-01') PARTITION BY LIST (kind);
                  CREATE TABLE e_2_a PARTITION OF e_2 FOR VALUES IN ('a');
                  CREATE TABLE e_2_b PARTITION OF e_2 FOR VALUES IN ('b')")
            .await;
        let error = lab.prepare(&database, &[], vec![table("e", 100)], 1).await.expect_err("no key is known");
        assert!(error.to_string().contains("column at") && error.to_string().contains("`range`"), "{error}");
        let wish = with(table("e", 1_000), "at", range("2024-01-01", "2024-02-29"));
        let wish = with(wish, "kind", values(&[("a", 1.0), ("b", 1.0)]));
        lab.prepare(&database, &[], vec![wish], 1).await.expect("it grows");
        for partition in ["e_1", "e_2_a", "e_2_b"] {
            assert!(database.count(partition).await > 150, "{partition}");
        }
    });
}

#[test]
fn a_grown_table_is_at_rest() {
    // What other databases of the server commit at the same time would bear on what VACUUM can mark.
    with_own_server(Place::Local, async |lab: &Lab| {
        let (database, _) = grown(lab, 1).await;
        let sql = "SELECT coalesce(string_agg(format('%s: %s rows, %s of %s pages', relname, reltuples, relallvisible, relpages), '; '), '')
                   FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
                     AND (relallvisible <> relpages OR reltuples <= 0)";
        assert_eq!(database.get::<String>(sql).await, "");
        let stale = "SELECT count(*) FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
                     WHERE c.relname IN ('users', 'tenants') AND c.relkind = 'r' AND NOT EXISTS (
                         SELECT FROM pg_statistic WHERE starelid = c.oid AND staattnum = a.attnum)";
        assert_eq!(database.get::<i64>(stale).await, 0, "columns without statistics");
    });
}

#[test]
fn a_table_grown_twice_grows_on() {
    with_server(Place::Local, async |lab: &Lab| {
        let (database, _) = grown(lab, 1).await;
        let tables = vec![table("users", 6_000), table("moments", 6_000), table("tokens", 2_000), table(LINES, 20_000)];
        lab.prepare(&database, &[], tables, 1).await.expect("they grow on");
        assert_eq!(database.count("users").await, 6_000);
        assert_eq!(orphans(&database).await, "");
    });
}

#[test]
fn a_table_that_has_more_rows_is_left_alone_with_a_note() {
    with_server(Place::Local, async |lab: &Lab| {
        let database = lab.fixture("keys.sql").await;
        let prepared = lab.prepare(&database, &[], vec![table("tenants", 10), table("users", 100)], 1).await;
        let notes = prepared.expect("nothing to do").notes;
        assert_eq!(notes, ["tenants has 40 rows already, more than the 10 wished for; it was left alone"]);
        assert_eq!(database.count("tenants").await, 40);
    });
}
