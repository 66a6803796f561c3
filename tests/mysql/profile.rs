//! A profile is taken of a table of skewed, partly null data on MySQL, and a table is made after it.

use std::process::Command;
use std::time::Duration;

use mysql_async::OptsBuilder;
use pretty_assertions::assert_eq;
use rehearsal::profile::mysql::{Wish, profile};
use rehearsal::profile::{Keep, Profile};
use rehearsal::run::RowSource;
use rehearsal::scenario::{Engine, ProfileWish, SnapshotWish};
use rehearsal::server::{Access, Endpoint, reach};
use rehearsal::snapshot::prepare;

use crate::lab::{Database, Lab, Place, container, with_server};

const MYSQL: Place = Place::Mysql("9.7");

const TABLES: &str = "
SET SESSION cte_max_recursion_depth = 100000;
CREATE TABLE people (id bigint unsigned PRIMARY KEY, name varchar(80) NOT NULL, born date);
INSERT INTO people WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 5000)
  SELECT n, concat('Person ', left(sha2(n, 256), 10 + n % 20)), '1970-01-01' + INTERVAL n DAY FROM n;
CREATE TABLE orders (
  id bigint PRIMARY KEY, person bigint unsigned NOT NULL, status enum('new', 'paid', 'shipped') NOT NULL, channel int,
  code varchar(20), note text, total decimal(10,2) NOT NULL, at datetime(3) NOT NULL);
INSERT INTO orders WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 60000)
  SELECT n, 1 + floor(pow(rand(1), 3) * 4999),
         elt(1 + floor(rand(2) * 10), 'new', 'paid', 'paid', 'shipped', 'shipped', 'shipped', 'shipped', 'shipped', 'shipped',
             'shipped'),
         if(rand(3) < 0.7, floor(pow(rand(4), 2) * 20), NULL), elt(1 + floor(rand(5) * 3), 'webshop', 'branch', 'Müller'),
         if(rand(6) < 0.4, repeat(concat(sha2(n, 256), ' '), 1 + floor(rand(7) * 3)), NULL),
         round(exp(rand(8) * 6), 2), '2024-01-01' + INTERVAL n MINUTE + INTERVAL floor(rand(9) * 86400) SECOND FROM n;
ALTER TABLE orders ADD KEY person (person), ADD FOREIGN KEY (person) REFERENCES people (id);
ALTER TABLE orders ADD KEY total (total), ADD KEY at (at), ADD KEY status (status);
ANALYZE TABLE people, orders;
ANALYZE TABLE people UPDATE HISTOGRAM ON name, born;
ANALYZE TABLE orders UPDATE HISTOGRAM ON person, status, channel, code, note, total, at";

/// Texts that stand in the histograms of the tables.
const TEXTS: [&str; 5] = ["webshop", "branch", "Müller", "Person ", "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa2"];

fn wish() -> Wish {
    Wish { keep: Keep::Numbers, tables: Vec::new(), timeout: Duration::from_secs(30) }
}

async fn original(lab: &Lab) -> Database {
    let original = lab.database().await;
    original.run(TABLES).await;
    original
}

/// What the two are compared by, by name.
async fn figures(database: &Database) -> Vec<(String, f64)> {
    let name = &database.name;
    let sizes = format!(
        "SELECT concat('size ', index_name), CAST(stat_value AS DOUBLE) FROM mysql.innodb_index_stats
         WHERE database_name = '{name}' AND table_name = 'orders' AND stat_name = 'n_leaf_pages' ORDER BY index_name"
    );
    let mut figures: Vec<(String, f64)> = database.rows(&sizes).await;
    for column in ["person", "status", "channel", "code", "note", "total", "at"] {
        let sql = format!(
            "SELECT CAST(count(DISTINCT {column}) AS DOUBLE), CAST(avg({column} IS NULL) AS DOUBLE) FROM orders"
        );
        let (distinct, nulls): (f64, f64) = database.get(&sql).await;
        figures.extend([(format!("distinct {column}"), distinct), (format!("null {column}"), nulls)]);
        let sql = format!(
            "SELECT CAST(count(*) / (SELECT count(*) FROM orders) AS DOUBLE) FROM orders WHERE {column} IS NOT NULL
             GROUP BY {column} ORDER BY count(*) DESC LIMIT 10"
        );
        let top: Vec<f64> = database.rows(&sql).await;
        figures.extend(top.into_iter().enumerate().map(|(nth, share)| (format!("top {nth} {column}"), share)));
    }
    figures
}

#[test]
fn what_is_made_after_a_profile_is_like_the_original() {
    with_server(MYSQL, async |lab: &Lab| {
        let original = original(lab).await;
        let taken = profile(original.opts(), &wish()).await.expect("a profile");
        let text = taken.to_text();
        for value in TEXTS {
            assert!(!text.contains(value), "{value} is in the profile");
        }
        assert_eq!(Profile::parse(&text).expect("a profile"), taken);
        let path = lab.file("shop.profile", &text);
        let made = lab.database().await;
        let wish = ProfileWish { path, scale: 1.0, file: "shop.toml".into(), line: 1 };
        let wish = SnapshotWish { profile: Some(wish), ..SnapshotWish::default() };
        let prepared = prepare(&made.access(), &wish, &lab.server, &|_| {}).await.expect("tables");

        assert_eq!(prepared.origin, "made after a profile");
        let orders = prepared.tables.iter().find(|table| table.name == "orders").expect("the table");
        assert_eq!(orders.source, Some(RowSource::Made));
        let likeness = orders.likeness.as_ref().expect("how close it comes");
        assert!(likeness.pages_percent.is_some_and(|percent| percent.abs() <= 5), "{likeness:?}");
        let dangling = "SELECT count(*) FROM orders LEFT JOIN people ON people.id = person WHERE people.id IS NULL";
        assert_eq!(made.get::<u64>(dangling).await, 0);

        let (is, shall) = (figures(&made).await, figures(&original).await);
        let names = |figures: &[(String, f64)]| figures.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&is), names(&shall));
        let off = |name: &str, is: f64, shall: f64| match name.split(' ').next() {
            Some("null" | "top") => (is - shall).abs() / 0.02,
            _ if name == "size PRIMARY" => (is / shall - 1.0).abs() / 0.05,
            _ => (is / shall - 1.0).abs() / 0.1,
        };
        let pairs = is.iter().zip(&shall).filter(|((name, is), (_, shall))| off(name, *is, *shall) > 1.0);
        let wrong: Vec<String> =
            pairs.map(|((name, is), (_, shall))| format!("{name}: {is} and not {shall}")).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    });
}

#[test]
fn a_reader_profiles_what_it_may_read_even_while_others_lock_it() {
    with_server(MYSQL, async |lab: &Lab| {
        let original = original(lab).await;
        let (reader, name) = (Lab::name("reader"), original.name.clone());
        original
            .run(&format!(
                "CREATE TABLE secrets (id int); CREATE USER '{reader}' IDENTIFIED BY 'pw';
                 GRANT SELECT ON {name}.orders TO '{reader}'; GRANT SELECT ON {name}.people TO '{reader}'"
            ))
            .await;
        let opts = OptsBuilder::from_opts(original.opts().clone()).user(Some(reader.clone())).pass(Some("pw"));
        let opts = opts.into();
        let taken = profile(&opts, &wish()).await.expect("a profile");
        let names: Vec<&str> = taken.tables.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names, ["orders", "people"]);
        assert!(taken.notes.iter().any(|note| note.contains("innodb_index_stats")), "{:?}", taken.notes);
        let total = taken.tables[0].columns.iter().find(|column| column.name == "total").expect("the column");
        assert!(total.bounds.as_ref().is_some_and(|bounds| bounds.len() > 50), "{total:?}");

        // Nobody may read the table now, and a profile does not.
        original.run("LOCK TABLES orders WRITE").await;
        let hasty = Wish { timeout: Duration::from_secs(1), ..wish() };
        profile(&opts, &hasty).await.expect("a profile of a locked table");
        original.run("UNLOCK TABLES").await;
        original.run(&format!("DROP USER '{reader}'")).await;
    });
}

#[test]
fn production_is_spoken_to_with_tls_and_believed_by_its_authority() {
    with_server(MYSQL, async |lab: &Lab| {
        let database = lab.database().await;
        database.run("CREATE TABLE t (id int PRIMARY KEY)").await;
        let folder = database.rows::<String>("SELECT @@datadir").await.remove(0);
        let Endpoint::Tcp { host, port } = lab.server.endpoint() else { panic!("a container has a port") };
        let authority = lab.file("ca.pem", "");
        let source = format!("{}:{folder}ca.pem", container(port));
        let copied = Command::new("docker").args(["cp", &source]).arg(&authority).output();
        assert!(copied.expect("docker starts").status.success());
        let reader = Lab::name("reader");
        database.run(&format!("CREATE USER '{reader}' IDENTIFIED BY 'p@ss' REQUIRE SSL")).await;
        database.run(&format!("GRANT SELECT ON {}.* TO '{reader}'", database.name)).await;
        let url = |rest: &str| format!("mysql://{reader}:p%40ss@{host}:{port}/{}?{rest}", database.name);
        let reached = async |rest: &str| match reach(Engine::Mysql, &url(rest)).await {
            Ok(reached) => match &reached.access {
                Access::Mysql(opts) => {
                    profile(opts, &wish()).await.map(|made| made.tables.len()).map_err(|e| e.to_string())
                }
                Access::Postgres(_) => panic!("another engine"),
            },
            Err(error) => Err(error),
        };
        assert_eq!(reached("ssl-mode=REQUIRED").await, Ok(1));
        // Its certificate has no name of a machine in it, and is by an authority of its own.
        for (rest, words) in [
            ("ssl-mode=VERIFY_IDENTITY".to_owned(), "cannot be reached"),
            (format!("ssl-ca={}", authority.display()), "cannot be reached"),
            ("ssl-mode=DISABLED".to_owned(), "denied"),
        ] {
            let error = reached(&rest).await.expect_err(&rest);
            assert!(error.to_lowercase().contains(words) && !error.contains("p@ss"), "{rest}: {error}");
        }
    });
}
