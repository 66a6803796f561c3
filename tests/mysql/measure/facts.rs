//! The algorithm of every ALTER in `fixtures/measured-mysql/alters.toml`, and whether writers could work meanwhile, are what
//! the server itself says of an identical table: by forced clauses and by `TABLE_ID`.

use std::collections::BTreeMap;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};
use rehearsal::run::{Algorithm, StatementStatus};
use rehearsal::scenario::Engine;
use serde::Deserialize;

use super::rig::{Rig, alone};
use crate::lab::Place;

#[derive(Deserialize)]
struct Fixture {
    rows: u32,
    tables: BTreeMap<String, String>,
    alter: Vec<Alter>,
}

#[derive(Debug, Deserialize)]
struct Alter {
    table: String,
    clause: String,
    mysql: Option<Algorithm>,
    mariadb: Option<Algorithm>,
    only: Option<String>,
    #[serde(default)]
    unforced: bool,
    #[serde(default)]
    row_versions: u32,
}

/// What is asked of the server, and what is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Truth {
    algorithm: Algorithm,
    writers_work: Option<bool>,
}

async fn every_alter(place: Place, opts: &Opts) {
    let fixture: Fixture =
        toml::from_str(include_str!("../../../fixtures/measured-mysql/alters.toml")).expect("a fixture");
    let is_mysql = place.engine() == Engine::Mysql;
    let engine = if is_mysql { "mysql" } else { "mariadb" };
    let mut wrong = Vec::new();
    let mut checked = 0;
    let cases = fixture.alter.iter().filter(|alter| alter.only.as_ref().is_none_or(|only| only == engine));
    for alter in cases {
        let label = format!("{} {} ({} versions)", alter.table, alter.clause, alter.row_versions);
        let setup = setup(&fixture, alter);
        let statements: Vec<&str> = setup.iter().map(String::as_str).collect();
        let truth = match truth(opts, &statements, &alter.clause, is_mysql).await {
            Ok(truth) => truth,
            Err(refused) => {
                wrong.push(refused);
                continue;
            }
        };
        let noted = if is_mysql { alter.mysql } else { alter.mariadb };
        let told = is_mysql || !alter.unforced;
        let right =
            |seen: Option<Truth>| (!told || seen == truth) && noted.is_none_or(|noted| algorithm(seen) == Some(noted));
        let mut tries = vec![observed(opts, &statements, alter, truth).await];
        let first = tries[0].0;
        if !right(first) && first.is_some_and(|seen| seen.writers_work == Some(false)) {
            // A machine that stands still after the last lock is taken, before the server says what for, makes one stretch of
            // the two. It does not do that twice.
            tries.push(observed(opts, &statements, alter, truth).await);
        }
        if !tries.iter().any(|(seen, _)| right(*seen)) {
            wrong.push(format!("{label}: the server says {truth:?}, noted {noted:?}, seen {tries:?}"));
        }
        checked += 1;
    }
    assert!(wrong.is_empty(), "{place:?}: {} of {checked} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(checked >= 45, "{place:?}: only {checked} were checked");
}

fn algorithm(truth: Option<Truth>) -> Option<Algorithm> {
    truth.map(|truth| truth.algorithm)
}

/// Runs the ALTER watched. What was seen of what `truth` has, and what it is concluded from.
async fn observed(opts: &Opts, setup: &[&str], alter: &Alter, truth: Option<Truth>) -> (Option<Truth>, String) {
    let mut rig = Rig::new(opts, "obs_facts", setup).await;
    rig.run(&format!("ALTER TABLE t {}", alter.clause)).await;
    let observation = rig.observe().await;
    assert_eq!(rig.observer.trouble(), None, "{alter:?}");
    let statement = observation.statements.last().expect("a statement");
    assert_eq!(statement.status, StatementStatus::Ok, "{alter:?}: {:?}", statement.error);
    let writes = observation.blocking.iter().find(|blocking| blocking.table == "obs_facts.t").map(|b| &b.writes);
    // In one stretch from the first lock to the last, or with a gap in between.
    let has_gap = writes.map(|writes| writes.total_ms > writes.held_ms);
    let seen = statement
        .algorithm
        .map(|algorithm| Truth { algorithm, writers_work: truth.and_then(|truth| truth.writers_work).and(has_gap) });
    (seen, format!("writes {writes:?}, locks {:?}", statement.locks))
}

fn setup(fixture: &Fixture, alter: &Alter) -> Vec<String> {
    let mut setup = vec![
        "CREATE TABLE parent (id INT PRIMARY KEY)".to_owned(),
        "SET SESSION cte_max_recursion_depth = 100000".to_owned(),
        "SET SESSION max_recursive_iterations = 100000".to_owned(),
    ];
    let series = |from: &str| {
        format!(
            "INSERT INTO {from} WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {}) ",
            fixture.rows
        )
    };
    setup.push(format!("{}SELECT n FROM s", series("parent (id)")));
    setup.push(fixture.tables[&alter.table].clone());
    setup.push(format!("{}SELECT n, n FROM s", series("t (id, a)")));
    // Each pair of ADD and DROP uses two row versions.
    for _ in 0..alter.row_versions / 2 {
        setup.push("ALTER TABLE t ADD COLUMN gone INT, ALGORITHM=INSTANT".to_owned());
        setup.push("ALTER TABLE t DROP COLUMN gone, ALGORITHM=INSTANT".to_owned());
    }
    if alter.row_versions % 2 == 1 {
        setup.push("ALTER TABLE t ADD COLUMN stays INT, ALGORITHM=INSTANT".to_owned());
    }
    setup
}

/// Asks the server: which algorithm it takes on an identical table, and whether it takes it beside writers.
async fn truth(opts: &Opts, setup: &[&str], clause: &str, is_mysql: bool) -> Result<Option<Truth>, String> {
    let algorithms: &[(&str, Algorithm)] = if is_mysql {
        &[("INSTANT", Algorithm::Instant), ("INPLACE", Algorithm::Inplace), ("COPY", Algorithm::Copy)]
    } else {
        &[
            ("INSTANT", Algorithm::Instant),
            ("NOCOPY", Algorithm::Inplace),
            ("INPLACE", Algorithm::InplaceRebuild),
            ("COPY", Algorithm::Copy),
        ]
    };
    let mut twin = twin(opts, setup).await;
    for (word, algorithm) in algorithms {
        let before = ids(&mut twin, is_mysql).await;
        // What is about partitions as a whole stands behind everything else, without a comma.
        let comma = if clause.starts_with("PARTITION BY") || clause.starts_with("REMOVE") { "" } else { "," };
        let forced = format!("ALTER TABLE t ALGORITHM={word}{comma} {clause}");
        match twin.query_drop(&forced).await {
            Ok(()) => {}
            // It does not do that; or has no row version left.
            Err(mysql_async::Error::Server(error)) if matches!(error.code, 1845 | 1846 | 4092) => continue,
            Err(error) => return Err(format!("{forced}: {error}")),
        }
        let after = ids(&mut twin, is_mysql).await;
        let rebuilt = is_mysql
            && *algorithm == Algorithm::Inplace
            && after.iter().any(|(name, id)| before.get(name).is_some_and(|old| old != id));
        let algorithm = if rebuilt { Algorithm::InplaceRebuild } else { *algorithm };
        let writers_work = match algorithm {
            Algorithm::Instant => None,
            _ => Some(takes_beside_writers(opts, setup, &format!("{word}, LOCK=NONE{comma} {clause}")).await),
        };
        // What only changes the dictionary has no time in which writers could work.
        return Ok(Some(Truth { algorithm, writers_work }));
    }
    Ok(None)
}

async fn takes_beside_writers(opts: &Opts, setup: &[&str], clauses: &str) -> bool {
    let mut twin = twin(opts, setup).await;
    twin.query_drop(format!("ALTER TABLE t ALGORITHM={clauses}")).await.is_ok()
}

async fn twin(opts: &Opts, setup: &[&str]) -> Conn {
    let mut conn = Conn::new(opts.clone()).await.expect("a session");
    for sql in ["DROP DATABASE IF EXISTS obs_twin", "CREATE DATABASE obs_twin", "USE obs_twin"].iter().chain(setup) {
        conn.query_drop(*sql).await.unwrap_or_else(|error| ignore_unknown_variable(sql, &error));
    }
    conn
}

fn ignore_unknown_variable(sql: &str, error: &mysql_async::Error) {
    assert!(sql.starts_with("SET SESSION"), "{sql}: {error}");
}

async fn ids(conn: &mut Conn, is_mysql: bool) -> BTreeMap<String, u64> {
    let view = if is_mysql { "INNODB_TABLES" } else { "INNODB_SYS_TABLES" };
    let sql = format!("SELECT NAME, TABLE_ID FROM information_schema.{view} WHERE NAME LIKE 'obs\\_twin/t%'");
    conn.query::<(String, u64), _>(sql).await.expect("ids").into_iter().collect()
}

#[test]
fn alters_are_carried_out_on_mysql_as_it_says_itself() {
    let place = Place::Mysql("9.7");
    alone(place, async |opts| every_alter(place, opts).await);
}

#[test]
fn alters_are_carried_out_on_mariadb_11_8_as_it_says_itself() {
    let place = Place::Mariadb("11.8");
    alone(place, async |opts| every_alter(place, opts).await);
}

#[test]
fn alters_are_carried_out_on_mariadb_10_11_as_it_says_itself() {
    let place = Place::Local;
    alone(place, async |opts| every_alter(place, opts).await);
}
