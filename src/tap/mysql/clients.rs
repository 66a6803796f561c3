//! A real client and a real server with the relay between them. Each claim is held against each server.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, Row};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::Relay;
use super::tests::{Recorder, Told};
use crate::observe::mysql::watch::Outcome;
use crate::scenario::{Engine, ProviderWish, ServerWish};
use crate::server::{Access, DATABASE, Endpoint, Login, Server};

const SOON: Duration = Duration::from_secs(30);
const MANY: usize = 1000;

#[tokio::test]
async fn real_clients_go_through_to_mysql_in_a_container() {
    hold_claims(Engine::Mysql, "9.7", ProviderWish::Container).await;
}

#[tokio::test]
async fn real_clients_go_through_to_mariadb_in_a_container() {
    hold_claims(Engine::Mariadb, "11.8", ProviderWish::Container).await;
}

#[tokio::test]
async fn real_clients_go_through_to_mariadb_on_a_unix_socket() {
    hold_claims(Engine::Mariadb, "10.11", ProviderWish::Local).await;
}

async fn hold_claims(engine: Engine, version: &str, provider: ProviderWish) {
    let wish = ServerWish { engine, version: Some(version.to_owned()), ..ServerWish::default() };
    let server = match Server::start(&wish, Some(provider), false).await {
        Ok(server) => server,
        Err(error) => panic!("{engine:?} {version}, which this test needs, did not start: {error}"),
    };
    let place = Place { engine, endpoint: server.endpoint(), login: server.login().clone() };
    place.hold_claims().await;
    server.stop().await.expect("the server stops");
}

struct Place {
    engine: Engine,
    endpoint: Endpoint,
    login: Login,
}

impl Place {
    async fn hold_claims(&self) {
        self.a_password_that_the_server_has_not_seen_yet_is_taken().await;
        self.a_prepared_statement_is_known_by_its_text().await;
        self.the_statements_of_a_packet_are_run_up_to_the_first_error().await;
        self.a_file_of_the_clients_is_loaded().await;
        self.a_packet_of_20_megabytes_goes_both_ways().await;
        self.a_kill_from_another_connection_is_an_error_of_the_statement().await;
        self.a_connection_that_is_killed_is_lost().await;
        self.a_client_that_leaves_is_lost().await;
        self.a_wrong_password_is_the_servers_own_error().await;
    }

    /// A relay for one connection: who hears of it, and how to connect.
    async fn tap(&self) -> (Recorder, OptsBuilder) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let recorder = Recorder { told: Arc::default(), ends: Arc::new(Semaphore::new(MANY)) };
        let (endpoint, witness) = (self.endpoint.clone(), recorder.clone());
        let access = Access::new(self.engine, &endpoint, &self.login, DATABASE);
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let client = listener.accept().await.unwrap().0;
            let relay = Relay::new(client, &endpoint, access, witness).await.unwrap();
            let _ = relay.relay().await;
        });
        let Access::Mysql(opts) = Access::through_tap(self.engine, address, &self.login, DATABASE) else {
            unreachable!("not PostgreSQL")
        };
        (recorder, OptsBuilder::from_opts(opts).max_allowed_packet(Some(64 << 20)))
    }

    async fn tapped(&self) -> (Recorder, Conn) {
        let (recorder, opts) = self.tap().await;
        let connection = Conn::new(opts).await.expect("a session through the tap");
        // What the driver asks the server for itself.
        recorder.told.lock().unwrap().clear();
        (recorder, connection)
    }

    async fn direct(&self) -> Conn {
        let Access::Mysql(opts) = Access::new(self.engine, &self.endpoint, &self.login, DATABASE) else {
            unreachable!("not PostgreSQL")
        };
        Conn::new(opts).await.expect("a direct session")
    }

    async fn a_password_that_the_server_has_not_seen_yet_is_taken(&self) {
        self.direct().await.query_drop("FLUSH PRIVILEGES").await.unwrap();
        let (_, mut connection) = self.tapped().await;
        connection.ping().await.unwrap();
    }

    async fn a_prepared_statement_is_known_by_its_text(&self) {
        let (recorder, mut connection) = self.tapped().await;
        connection.query_drop("CREATE TABLE prepared (a int)").await.unwrap();
        let statement = connection.prep("INSERT INTO prepared VALUES (?), (?)").await.unwrap();
        connection.exec_drop(&statement, (1, 2)).await.unwrap();
        let rows: Vec<i32> = connection.exec("SELECT a FROM prepared WHERE a > ?", (0,)).await.unwrap();
        assert_eq!(rows, [1, 2]);
        connection.reset().await.unwrap();
        let told = recorder.told.lock().unwrap().clone();
        let texts = [
            "CREATE TABLE prepared (a int)",
            "INSERT INTO prepared VALUES (?), (?)",
            "SELECT a FROM prepared WHERE a > ?",
        ];
        assert_eq!(begun(&told), texts);
        let ended: Vec<_> = ended(&told).collect();
        assert!(
            matches!(
                ended[..],
                [Outcome::Done { affected: 0, .. }, Outcome::Done { affected: 2, .. }, Outcome::Rows(2)]
            ),
            "{ended:?}"
        );
    }

    async fn the_statements_of_a_packet_are_run_up_to_the_first_error(&self) {
        let (recorder, mut connection) = self.tapped().await;
        let packet = "CREATE TABLE several (a int PRIMARY KEY); INSERT INTO several VALUES (1), (2); SELECT * FROM several; \
                      INSERT INTO several VALUES (1); DROP TABLE several";
        connection.query_drop(packet).await.unwrap_err();
        let count: Option<i64> = connection.query_first("SELECT count(*) FROM several").await.unwrap();
        assert_eq!(count, Some(2));
        let told = recorder.told.lock().unwrap().clone();
        let Some(Told::Ended(outcomes)) = told.get(1) else { panic!("{told:?}") };
        let [Outcome::Done { .. }, Outcome::Done { affected: 2, info }, Outcome::Rows(2), Outcome::Error(error)] =
            &outcomes[..]
        else {
            panic!("{outcomes:?}")
        };
        assert!(info.starts_with("Records: 2"), "{info}");
        assert_eq!((error.code, error.sqlstate.as_str()), (Some(1062), "23000"));
    }

    async fn a_file_of_the_clients_is_loaded(&self) {
        let (recorder, mut connection) = self.tapped().await;
        connection.query_drop("CREATE TABLE loaded (a int, b varchar(100))").await.unwrap();
        for (rows, parts) in [(0, 0), (30_000, 30)] {
            let rows_of =
                |part: usize| (0..1000).map(|row| format!("{part}\t{row} a row\n")).collect::<Vec<_>>().concat();
            let content: Vec<_> = (0..parts).map(|number| Ok(rows_of(number).into())).collect();
            connection.set_infile_handler(async move { Ok(stream::iter(content).boxed()) });
            connection.query_drop("LOAD DATA LOCAL INFILE 'any' INTO TABLE loaded").await.unwrap();
            let told = recorder.told.lock().unwrap().clone();
            let Some(Outcome::Done { affected, .. }) = ended(&told).last() else { panic!("{told:?}") };
            assert_eq!(affected, rows);
        }
    }

    async fn a_packet_of_20_megabytes_goes_both_ways(&self) {
        let mut direct = self.direct().await;
        direct.query_drop("SET GLOBAL max_allowed_packet = 67108864").await.unwrap();
        let (recorder, mut connection) = self.tapped().await;
        let value = "y".repeat(20_000_000);
        let back: Option<String> = connection.query_first(format!("SELECT '{value}'")).await.unwrap();
        assert!(back.is_some_and(|back| back == value));
        let row: Option<Row> = connection.exec_first("SELECT ?, 1", (&value,)).await.unwrap();
        assert!(row.is_some_and(|row| row.get::<String, _>(0) == Some(value)));
        let told = recorder.told.lock().unwrap().clone();
        assert_eq!(ended(&told).collect::<Vec<_>>(), [Outcome::Rows(1), Outcome::Rows(1)]);
    }

    async fn a_kill_from_another_connection_is_an_error_of_the_statement(&self) {
        let (recorder, mut connection) = self.tapped().await;
        let kill = format!("KILL QUERY {}", connection.id());
        let (mut direct, asleep) = (self.direct().await, "SELECT sleep(60) FROM information_schema.engines");
        let wake = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            direct.query_drop(kill).await.unwrap();
        };
        let asleep = tokio::time::timeout(SOON, async { tokio::join!(connection.query_drop(asleep), wake) });
        asleep.await.expect("it wakes").0.unwrap_err();
        connection.ping().await.expect("the session goes on");
        let told = recorder.told.lock().unwrap().clone();
        let Some(Outcome::Error(error)) = ended(&told).next() else { panic!("{told:?}") };
        assert_eq!(error.code, Some(1317));
    }

    async fn a_connection_that_is_killed_is_lost(&self) {
        let (recorder, mut connection) = self.tapped().await;
        let kill = format!("KILL {}", connection.id());
        let mut direct = self.direct().await;
        let cut = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            direct.query_drop(kill).await.unwrap();
        };
        let asleep = connection.query_drop("SELECT sleep(60) FROM information_schema.engines");
        let asleep = tokio::time::timeout(SOON, async { tokio::join!(asleep, cut) }).await;
        asleep.expect("it ends").0.unwrap_err();
        drop(connection);
        let last = last(&recorder).await;
        // MariaDB says why, MySQL says nothing.
        let told = recorder.told.lock().unwrap().clone();
        assert_eq!(last, Told::Closed { lost: ended(&told).next().is_none() });
    }

    async fn a_client_that_leaves_is_lost(&self) {
        let (recorder, mut connection) = self.tapped().await;
        let asleep = connection.query_drop("SELECT sleep(2)");
        tokio::time::timeout(Duration::from_millis(300), asleep).await.unwrap_err();
        drop(connection);
        assert_eq!(last(&recorder).await, Told::Closed { lost: true });
    }

    async fn a_wrong_password_is_the_servers_own_error(&self) {
        let (recorder, opts) = self.tap().await;
        let refused = Conn::new(opts.pass(Some("wrong"))).await.expect_err("the password is wrong");
        let mysql_async::Error::Server(error) = refused else { panic!("{refused}") };
        assert_eq!(error.code, 1045);
        assert_eq!(last(&recorder).await, Told::Closed { lost: false });
    }
}

fn begun(told: &[Told]) -> Vec<&str> {
    told.iter().filter_map(|told| if let Told::Begins(sql) = told { Some(sql.as_str()) } else { None }).collect()
}

fn ended(told: &[Told]) -> impl Iterator<Item = Outcome> {
    told.iter()
        .filter_map(|told| if let Told::Ended(outcomes) = told { Some(outcomes.clone()) } else { None })
        .flatten()
}

/// What was told last, when the connection is closed.
async fn last(recorder: &Recorder) -> Told {
    let closed = async {
        loop {
            if let Some(told @ Told::Closed { .. }) = recorder.told.lock().unwrap().last() {
                break told.clone();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, closed).await.expect("the connection is closed")
}
