//! A profile is taken of a table of skewed, correlated, partly null data, and a table is made after it.

use std::path::Path;
use std::time::Duration;

use rehearsal::profile::Keep;
use rehearsal::profile::postgres::{SchemaSource, Wish, profile};
use rehearsal::run::RowSource;
use rehearsal::scenario::{ProfileWish, SnapshotWish};
use rehearsal::server::session::Session;
use rehearsal::snapshot::prepare;

use crate::lab::{Database, Lab, Place, with_server};

const TABLES: &str = "
CREATE TABLE people (id bigint PRIMARY KEY, name text NOT NULL);
INSERT INTO people SELECT n, 'Person ' || md5(n::text) FROM generate_series(1, 10000) n;
CREATE TABLE orders (
    id bigint PRIMARY KEY, person bigint NOT NULL REFERENCES people, status text NOT NULL, channel int,
    at timestamptz NOT NULL, note text, total numeric(10,2) NOT NULL);
INSERT INTO orders
SELECT n, 1 + (power(random(), 3) * 9999)::int,
       (ARRAY['delivered', 'delivered', 'delivered', 'delivered', 'delivered', 'shipped', 'shipped', 'paid', 'paid',
              'cancelled'])[1 + (random() * 9.99)::int % 10],
       CASE WHEN random() < 0.7 THEN (power(random(), 2) * 20)::int END,
       '2024-01-01'::timestamptz + n * interval '1 minute' + random() * interval '1 day',
       CASE WHEN random() < 0.4 THEN repeat(md5(n::text) || ' ', 1 + (random() * 3)::int) END,
       round((exp(random() * 6))::numeric, 2)
FROM generate_series(1, 200000) n;
CREATE INDEX orders_person ON orders (person);
CREATE INDEX orders_at ON orders (at);
CREATE INDEX orders_status ON orders (status);
CREATE INDEX orders_total ON orders (total);";

/// Texts that stand in the statistics of the tables.
const TEXTS: [&str; 5] = ["delivered", "shipped", "cancelled", "Person ", "c4ca4238a0b923820dcc509a6f75849b"];

async fn original(lab: &Lab) -> Database {
    let original = lab.database().await;
    original.session.client.batch_execute(&format!("SELECT setseed(0.5); {TABLES}")).await.expect("tables");
    original.session.client.batch_execute("VACUUM (ANALYZE)").await.expect("statistics");
    original
}

fn wish() -> Wish {
    Wish { keep: Keep::Numbers, tables: Vec::new(), timeout: Duration::from_secs(30), schema: SchemaSource::PgDump }
}

fn made_after(path: &Path, scale: f64) -> SnapshotWish {
    let profile = ProfileWish { path: path.to_owned(), scale, file: "shop.toml".into(), line: 1 };
    SnapshotWish { profile: Some(profile), ..SnapshotWish::default() }
}

/// What the two are compared by: figures of tables, indexes and columns, by name.
async fn figures(database: &Database) -> Vec<(String, f64)> {
    let sql = "
        SELECT 'rows ' || relname, reltuples::float8 FROM pg_class WHERE relname IN ('people', 'orders')
        UNION ALL SELECT 'pages ' || relname, pg_relation_size(oid) / 8192.0::float8 FROM pg_class
                  WHERE relname IN ('people', 'orders')
        UNION ALL SELECT 'index ' || relname, pg_relation_size(oid) / 8192.0::float8 FROM pg_class
                  WHERE relkind = 'i' AND relnamespace = 'public'::regnamespace
        UNION ALL SELECT 'distinct person', count(DISTINCT person) FROM orders
        UNION ALL SELECT 'distinct status', count(DISTINCT status) FROM orders
        UNION ALL SELECT 'distinct channel', count(DISTINCT channel) FROM orders
        UNION ALL SELECT 'distinct note', count(DISTINCT note) FROM orders
        UNION ALL SELECT 'distinct total', count(DISTINCT total) FROM orders
        UNION ALL SELECT 'null channel', avg((channel IS NULL)::int)::float8 FROM orders
        UNION ALL SELECT 'null note', avg((note IS NULL)::int)::float8 FROM orders
        UNION ALL SELECT 'correlation ' || attname, correlation FROM pg_stats
                  WHERE tablename = 'orders' AND attname IN ('id', 'at', 'person', 'total')
        UNION ALL (SELECT 'top status ' || row_number() OVER (ORDER BY count(*) DESC), count(*) / 200000.0::float8
                   FROM orders GROUP BY status ORDER BY count(*) DESC LIMIT 10)
        UNION ALL (SELECT 'top channel ' || row_number() OVER (ORDER BY count(*) DESC), count(*) / 200000.0::float8
                   FROM orders WHERE channel IS NOT NULL GROUP BY channel ORDER BY count(*) DESC LIMIT 10)
        UNION ALL (SELECT 'top person ' || row_number() OVER (ORDER BY count(*) DESC), count(*) / 200000.0::float8
                   FROM orders GROUP BY person ORDER BY count(*) DESC LIMIT 10)
        ORDER BY 1";
    let rows = database.session.client.query(sql, &[]).await.expect("figures");
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[test]
fn what_is_made_after_a_profile_is_like_the_original() {
    with_server(Place::Local, async |lab: &Lab| {
        let original = original(lab).await;
        let profile = profile(&original.config, &wish()).await.expect("a profile");
        let text = profile.to_text();
        for value in TEXTS {
            assert!(!text.contains(value), "{value} is in the profile");
        }
        let path = lab.file("shop.profile", &text);
        let made = lab.database().await;
        let access = lab.server.access(&made.name);
        let prepared = prepare(&access, &made_after(&path, 1.0), &lab.server, &|_| {}).await.expect("tables");

        assert_eq!(prepared.origin, "made after a profile");
        let orders = prepared.tables.iter().find(|table| table.name == "public.orders").expect("the table");
        assert_eq!(orders.source, Some(RowSource::Made));
        let likeness = orders.likeness.as_ref().expect("how close it comes");
        assert!(likeness.pages_percent.is_some_and(|percent| percent.abs() <= 5), "{likeness:?}");

        let (is, shall) = (figures(&made).await, figures(&original).await);
        let names = |figures: &[(String, f64)]| figures.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&is), names(&shall));
        let mut wrong = Vec::new();
        for ((name, is), (_, shall)) in is.iter().zip(&shall) {
            let off = match name.split(' ').next() {
                Some("null" | "top") => (is - shall).abs() / 0.02,
                Some("correlation") => (is - shall).abs() / 0.1,
                Some("rows") => (is / shall - 1.0).abs() / 0.01,
                Some("pages") => (is / shall - 1.0).abs() / 0.05,
                _ => (is / shall - 1.0).abs() / 0.1,
            };
            if off > 1.0 {
                wrong.push(format!("{name}: {is} and not {shall}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    });
}

#[test]
fn a_scale_makes_fewer_rows_whose_references_hold() {
    with_server(Place::Local, async |lab: &Lab| {
        let original = original(lab).await;
        let profile = profile(&original.config, &wish()).await.expect("a profile");
        let path = lab.file("shop.profile", profile.to_text());
        let made = lab.database().await;
        let access = lab.server.access(&made.name);
        prepare(&access, &made_after(&path, 0.1), &lab.server, &|_| {}).await.expect("tables");
        let sql = "SELECT (SELECT count(*) FROM people), (SELECT count(*) FROM orders),
                          (SELECT count(*) FROM orders JOIN people ON people.id = orders.person)";
        let row = made.session.client.query_one(sql, &[]).await.expect("counts");
        assert_eq!([row.get::<_, i64>(0), row.get(1), row.get(2)], [1_000, 20_000, 20_000]);
    });
}

#[test]
fn a_reader_profiles_under_load_with_access_share_alone_and_waits_no_longer_than_told() {
    with_server(Place::Local, async |lab: &Lab| {
        let original = original(lab).await;
        let role = Lab::name("reader");
        let sql = format!(
            "CREATE ROLE {role} LOGIN; GRANT SELECT ON orders, people TO {role}; CREATE TABLE secrets (id int)"
        );
        original.session.client.batch_execute(&sql).await.expect("a role");
        let mut config = original.config.clone();
        config.user(&role);

        let watcher = Session::open(&original.config).await.expect("a second session");
        let sql = "SELECT DISTINCT l.mode FROM pg_locks l JOIN pg_stat_activity a USING (pid)
                   WHERE a.application_name IN ('rehearsal profile', 'pg_dump') AND l.locktype = 'relation'";
        let mut seen = std::collections::BTreeSet::new();
        let wish_of_reader = wish();
        let mut profiling = Box::pin(profile(&config, &wish_of_reader));
        let taken = loop {
            tokio::select! {
                taken = &mut profiling => break taken.expect("a profile"),
                rows = watcher.client.query(sql, &[]) => {
                    seen.extend(rows.expect("locks").iter().map(|row| row.get::<_, String>(0)));
                }
            }
        };
        assert_eq!(taken.tables.len(), 2);
        assert!(taken.notes.iter().any(|note| note.contains("secrets")), "{:?}", taken.notes);
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["AccessShareLock"]);

        original
            .session
            .client
            .batch_execute("BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
            .await
            .expect("a lock");
        let hasty = Wish { timeout: Duration::from_millis(200), ..wish() };
        let error = profile(&config, &hasty).await.expect_err("it cannot have the lock").to_string();
        assert!(error.contains("timeout"), "{error}");
        original.session.client.batch_execute("ROLLBACK").await.expect("the lock is given back");
        lab.sql("SELECT 1").await;
        original
            .session
            .client
            .batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
            .await
            .expect("no role");
    });
}
