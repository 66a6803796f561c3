//! A server that somebody else started (`[server.external]`): looked at before anything is done to it, and left as it was.

use mysql_async::prelude::Queryable;
use rehearsal::server::Endpoint;

use crate::faults::shop;
use crate::lab::{Lab, Place, with_own_server};
use crate::sandbox::{Ended, Sandbox, ended};

fn url(lab: &Lab, database: &str) -> String {
    let Endpoint::Tcp { host, port } = lab.server.endpoint() else { panic!("containers have a port") };
    format!("mysql://root:{}@{host}:{port}/{database}", lab.server.password().unwrap_or_default())
}

fn elsewhere(place: Place, more: &str) -> Sandbox {
    let sandbox = shop(place);
    let text = std::fs::read_to_string(sandbox.path("scenario.toml")).unwrap();
    let (head, _) = text.split_once("[server]").expect("it has a server");
    sandbox.with("scenario.toml", &format!("{head}[server.external]\nurl = \"env:SCRATCH_URL\"\n{more}"))
}

fn rehearse(lab: &Lab, sandbox: &Sandbox, url: &str) -> Ended {
    let ended = ended(sandbox.command(&["run", "scenario.toml", "--out", "out"]).env("SCRATCH_URL", url));
    let secret = lab.server.password().unwrap_or_default();
    assert!(!ended.stdout.contains(secret) && !ended.stderr.contains(secret), "{}{}", ended.stdout, ended.stderr);
    ended
}

/// All that a rehearsal could leave there.
async fn state(lab: &Lab) -> Vec<String> {
    let sql = "SELECT CONCAT_WS(' ', SCHEMA_NAME) FROM information_schema.SCHEMATA UNION ALL \
               SELECT CONCAT(CAST(User AS CHAR), '@', CAST(Host AS CHAR)) FROM mysql.user UNION ALL \
               SELECT CONCAT(TABLE_NAME) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'app' UNION ALL \
               SELECT CONCAT(@@global.local_infile, @@global.innodb_flush_log_at_trx_commit)";
    lab.open("mysql").await.rows(sql).await
}

async fn is_left_as_it_was(lab: &Lab) {
    lab.open("mysql").await.run("DROP DATABASE rehearsal").await;
    lab.open("mysql").await.run("CREATE DATABASE app CHARACTER SET latin1").await;
    let before = state(lab).await;
    let view = "CREATE DEFINER = `keeper`@`%` VIEW seen AS SELECT id FROM orders;\n";
    let dump = |sandbox: Sandbox| sandbox.replacing("staging.sql", "INSERT INTO", &format!("{view}INSERT INTO"));
    let grown = "[[snapshot.table]]\nname = \"orders\"\nrows = 2_000\n";
    let sandbox = dump(elsewhere(lab.place, grown));
    rehearse(lab, &sandbox, &url(lab, "app")).expect(0);
    let record = sandbox.record();
    assert_eq!(record["server"]["provider"], "external");
    assert_eq!(record["migrations"][0]["blocking"][0]["table"], "orders");
    assert_eq!(state(lab).await, before);

    let refused = async |url: &str, code: i32, why: &str| {
        let before = state(lab).await;
        let ended = rehearse(lab, &sandbox, url).expect(code);
        assert!(ended.error().contains(why), "{}", ended.stderr);
        assert_eq!(state(lab).await, before);
    };
    refused("postgresql://root@db/app", 2, "does not begin with mysql://").await;
    refused("mysql://root:wrong@127.0.0.1:1/app", 3, "cannot be used: ").await;
    let mut session = lab.open("app").await.session().await;
    refused(&url(lab, "app"), 3, "others are connected to ").await;
    session.query_drop("CREATE TABLE precious (id INT)").await.unwrap();
    session.disconnect().await.unwrap();
    lab.open("mysql").await.run("DO SLEEP(0.2)").await;
    refused(&url(lab, "app"), 3, "it has the table precious").await;
    lab.open("mysql").await.run("CREATE DATABASE rehearsal").await;
    refused(&url(lab, ""), 3, "has a database `rehearsal` already that no rehearsal made").await;
    lab.open("mysql").await.run("DROP DATABASE rehearsal").await;
    let mistaken = std::fs::read_to_string(sandbox.path("scenario.toml")).unwrap();
    let (ours, other) = if mistaken.contains("\"mysql\"") { ("mysql", "mariadb") } else { ("mariadb", "mysql") };
    let mistaken = elsewhere(lab.place, "").replacing("scenario.toml", &format!("\"{ours}\""), &format!("\"{other}\""));
    let ended = rehearse(lab, &mistaken, &url(lab, "")).expect(3);
    assert!(ended.error().contains("and the scenario wants "), "{}", ended.stderr);

    // The data is there, and is migrated where it is.
    let app = lab.open("app").await;
    app.run("CREATE TABLE orders (id bigint PRIMARY KEY, total int NOT NULL)").await;
    app.run("INSERT INTO orders VALUES (1, 1), (2, 2)").await;
    let place = elsewhere(lab.place, "in_place = true\nshared = true\n");
    let place = place.replacing("scenario.toml", "restore = \"staging.sql\"\n", "");
    rehearse(lab, &place, &url(lab, "app")).expect(0);
    assert_eq!(place.record()["migrations"][0]["blocking"][0]["table"], "orders");
    assert_eq!(app.get::<u64>("SELECT COUNT(*) + COUNT(status) FROM orders").await, 2);
    assert!(!state(lab).await.iter().any(|name| name.contains("rehearsal")), "{:?}", state(lab).await);
}

#[test]
fn a_mysql_server_of_somebody_elses_is_left_as_it_was() {
    with_own_server(Place::Mysql("9.7"), &[("local_infile", "OFF")], is_left_as_it_was);
}

#[test]
fn a_mariadb_server_of_somebody_elses_is_left_as_it_was() {
    with_own_server(Place::Mariadb("11.8"), &[("local_infile", "OFF")], is_left_as_it_was);
}
