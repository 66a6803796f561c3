//! The relay between a client and a server that both follow a script, so that every byte and every moment is known.

use std::sync::{Arc, Mutex};

use mysql_common::constants::{CapabilityFlags, StatusFlags};
use mysql_common::packets::HandshakePacket;
use mysql_common::proto::MySerialize;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::frame::FULL;
use super::*;
use crate::observe::mysql::watch::Outcome;
use crate::scenario::Engine;
use crate::server::{DATABASE, Login};

const SOON: Duration = Duration::from_secs(10);
const OK: &[u8] = b"\0\0\0\x02\0\0\0";
const EOF: &[u8] = b"\xfe\0\0\x02\0";

/// What the relay told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    Connected(u32),
    Begins(String),
    Ended(Vec<Outcome>),
    Closed { lost: bool },
}

#[derive(Clone)]
pub(super) struct Recorder {
    pub(super) told: Arc<Mutex<Vec<Told>>>,
    /// A permit for each unit that may end.
    pub(super) ends: Arc<Semaphore>,
}

impl Recorder {
    fn tell(&self, told: Told) {
        self.told.lock().unwrap().push(told);
    }
}

impl Witness for Recorder {
    fn connected(&mut self, connection_id: u32) {
        self.tell(Told::Connected(connection_id));
    }

    async fn begins(&mut self, sql: &str, _version: Option<String>) {
        self.tell(Told::Begins(sql.to_owned()));
    }

    fn begun(&mut self, _began: Instant) {}

    async fn ended(&mut self, answer: Answer, _ended: Instant) {
        self.tell(Told::Ended(answer.outcomes));
        self.ends.acquire().await.unwrap().forget();
    }

    fn closed(&mut self, lost: bool) {
        self.tell(Told::Closed { lost });
    }
}

/// A client and a server with the relay between them.
struct Stage {
    client: TcpStream,
    server: TcpStream,
    recorder: Recorder,
    relay: JoinHandle<Result<(), RelayError>>,
}

impl Stage {
    async fn set(units: usize) -> Self {
        let (servers, clients) = (listener().await, listener().await);
        let endpoint = Endpoint::Tcp { host: "127.0.0.1".to_owned(), port: servers.local_addr().unwrap().port() };
        let recorder = Recorder { told: Arc::default(), ends: Arc::new(Semaphore::new(units)) };
        let client = TcpStream::connect(clients.local_addr().unwrap()).await.unwrap();
        client.set_nodelay(true).unwrap();
        let witness = recorder.clone();
        let access = Access::new(Engine::Mysql, &endpoint, &Login::superuser(Engine::Mysql, None), DATABASE);
        let accepted = clients.accept().await.unwrap().0;
        let relay = tokio::spawn(async move { Relay::new(accepted, &endpoint, access, witness).await?.relay().await });
        let server = servers.accept().await.unwrap().0;
        server.set_nodelay(true).unwrap();
        Self { client, server, recorder, relay }
    }

    /// Logged in, with the packets of the login out of the way.
    async fn logged_in(units: usize) -> Self {
        let mut stage = Self::set(units).await;
        let greeting = packet(0, &greeting(CapabilityFlags::all()));
        stage.server.write_all(&greeting).await.unwrap();
        let offered = received(&mut stage.client, greeting.len()).await;
        assert_ne!(offered, greeting);
        let answer = packet(1, &[&CapabilityFlags::CLIENT_PROTOCOL_41.bits().to_le_bytes()[..], &[0; 40]].concat());
        stage.client_says(&answer).await;
        stage.server_says(&packet(2, OK)).await;
        stage
    }

    async fn client_says(&mut self, bytes: &[u8]) {
        self.client.write_all(bytes).await.unwrap();
        assert_eq!(received(&mut self.server, bytes.len()).await, bytes);
    }

    async fn server_says(&mut self, bytes: &[u8]) {
        self.server.write_all(bytes).await.unwrap();
        assert_eq!(received(&mut self.client, bytes.len()).await, bytes);
    }

    /// What was told, when all is over.
    async fn told(self) -> Vec<Told> {
        let Self { client, server, recorder, relay } = self;
        drop(client);
        tokio::time::timeout(SOON, relay).await.expect("the relay ends").unwrap().expect("in good order");
        drop(server);
        recorder.told.lock().unwrap().clone()
    }
}

async fn listener() -> TcpListener {
    TcpListener::bind(("127.0.0.1", 0)).await.unwrap()
}

fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
    [&length[..3], &[sequence], payload].concat()
}

fn packets(first: u8, payloads: &[&[u8]]) -> Vec<u8> {
    (first..).zip(payloads).flat_map(|(sequence, payload)| packet(sequence, payload)).collect()
}

fn greeting(capabilities: CapabilityFlags) -> Vec<u8> {
    let (version, plugin) = (&b"9.7.4"[..], Some(&b"mysql_native_password"[..]));
    let scramble = Some(&b"123456789012\0"[..]);
    let status = StatusFlags::SERVER_STATUS_AUTOCOMMIT;
    let mut payload = Vec::new();
    HandshakePacket::new(10, version, 77, *b"12345678", scramble, capabilities, 255, status, plugin)
        .serialize(&mut payload);
    payload
}

async fn received(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    tokio::time::timeout(SOON, stream.read_exact(&mut bytes)).await.expect("it arrives").unwrap();
    bytes
}

/// Whether nothing arrives for a while.
async fn silent(stream: &mut TcpStream) -> bool {
    tokio::time::timeout(Duration::from_millis(50), stream.read(&mut [0; 1])).await.is_err()
}

fn begins(sql: &str) -> Told {
    Told::Begins(sql.to_owned())
}

fn done() -> Told {
    Told::Ended(vec![Outcome::Done { affected: 0, info: String::new() }])
}

#[tokio::test]
async fn a_unit_is_told_and_other_commands_are_not() {
    let mut stage = Stage::logged_in(2).await;
    stage.client_says(&packet(0, b"\x03SELECT 1")).await;
    stage.server_says(&packets(1, &[b"\x01", b"\x03def", EOF, b"\x011", EOF])).await;
    stage.client_says(&packet(0, b"\x0e")).await;
    stage.server_says(&packet(1, OK)).await;
    stage.client_says(&packet(0, b"\x16DELETE FROM t")).await;
    stage.server_says(&packet(1, b"\0\x05\0\0\0\0\0\0\0\0\0\0")).await;
    stage.client_says(&packet(0, b"\x17\x05\0\0\0\0\x01\0\0\0")).await;
    stage.server_says(&packet(1, OK)).await;
    stage.client_says(&packets(0, &[b"\x19\x05\0\0\0"])).await;
    stage.client_says(&packet(0, b"\x01")).await;
    let told = [
        Told::Connected(77),
        begins("SELECT 1"),
        Told::Ended(vec![Outcome::Rows(1)]),
        begins("DELETE FROM t"),
        done(),
        Told::Closed { lost: false },
    ];
    assert_eq!(stage.told().await, told);
}

#[tokio::test]
async fn only_the_last_packet_of_an_answer_is_held_back() {
    let mut stage = Stage::logged_in(0).await;
    stage.client_says(&packet(0, b"\x03SELECT 1")).await;
    let (rows, end) = (packets(1, &[b"\x01", b"\x03def", EOF, b"\x011"]), packet(5, EOF));
    stage.server_says(&rows).await;
    stage.server.write_all(&end).await.unwrap();
    assert!(silent(&mut stage.client).await);
    stage.recorder.ends.add_permits(1);
    assert_eq!(received(&mut stage.client, end.len()).await, end);
}

#[tokio::test]
async fn what_is_sent_ahead_waits_for_the_boundary() {
    let mut stage = Stage::logged_in(2).await;
    let (first, second) = (packet(0, b"\x03SELECT 1"), packet(0, b"\x03SELECT 2"));
    stage.client.write_all(&[&first[..], &second].concat()).await.unwrap();
    assert_eq!(received(&mut stage.server, first.len()).await, first);
    assert!(silent(&mut stage.server).await);
    stage.server_says(&packet(1, OK)).await;
    assert_eq!(received(&mut stage.server, second.len()).await, second);
    stage.server_says(&packet(1, OK)).await;
    let told = stage.told().await;
    assert_eq!(told[1..5], [begins("SELECT 1"), done(), begins("SELECT 2"), done()]);
}

#[tokio::test]
async fn the_pieces_in_which_bytes_arrive_make_no_difference() {
    let query = packet(0, b"\x03SELECT 1; LOAD DATA LOCAL INFILE 'f' INTO TABLE t; SELECT 2");
    let more: &[u8] = b"\xfe\0\0\x0a\0";
    let rows = packets(1, &[b"\x02", b"\x03def", b"\x03def", more, b"\x011\xfb", b"\0\0", more, b"\xfbf"]);
    let file = packets(9, &[b"1\t2\n", b"3\t4\n", b""]);
    let rest = packets(12, &[b"\0\x02\0\x0a\0\0\0", b"\xff\x7a\x04#42S02no such table"]);
    let mut seen = Vec::new();
    for size in [1, 2, 3, 7, 64, 4096] {
        let mut stage = Stage::logged_in(1).await;
        for (from_client, bytes) in [(true, &query), (false, &rows), (true, &file), (false, &rest)] {
            for piece in bytes.chunks(size) {
                let from = if from_client { &mut stage.client } else { &mut stage.server };
                from.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            let to = if from_client { &mut stage.server } else { &mut stage.client };
            assert_eq!(received(to, bytes.len()).await, *bytes);
        }
        seen.push(stage.told().await);
    }
    assert_eq!(seen[0].len(), 4);
    let Told::Ended(outcomes) = &seen[0][2] else { panic!("{:?}", seen[0]) };
    assert!(matches!(outcomes[..], [Outcome::Rows(2), Outcome::Done { affected: 2, .. }, Outcome::Error(_)]));
    assert!(seen.iter().all(|told| *told == seen[0]), "{seen:?}");
}

#[tokio::test]
async fn a_packet_in_many_pieces_is_streamed_and_its_beginning_is_its_text() {
    let mut stage = Stage::logged_in(1).await;
    let mut text = b"\x03INSERT INTO t VALUES ('".to_vec();
    text.resize(FULL, b'x');
    let first = packet(0, &text);
    let (most, rest) = first.split_at(first.len() - 1000);
    let sent = stage.client.write_all(most);
    // The server has what the client has sent, although there is more to come.
    let (sent, arrived) = tokio::join!(sent, received(&mut stage.server, most.len()));
    sent.unwrap();
    assert!(arrived == most);
    let rest = [rest, &packet(1, b"end')")].concat();
    stage.client_says(&rest).await;
    stage.server_says(&packet(2, OK)).await;
    let told = stage.told().await;
    let Told::Begins(sql) = &told[1] else { panic!("{told:?}") };
    assert!(sql.len() <= command::TEXT_LIMIT + 10 && sql.ends_with("xxx …"));
    assert_eq!(told[2], done());
}

#[tokio::test]
async fn a_file_that_the_server_has_refused_meanwhile_is_no_command() {
    let mut stage = Stage::logged_in(2).await;
    stage.client_says(&packet(0, b"\x03LOAD DATA LOCAL INFILE 'f' INTO TABLE t")).await;
    stage.server_says(&packet(1, b"\xfbf")).await;
    stage.client_says(&packet(2, b"\x03SELECT 'not a command'")).await;
    stage.server_says(&packet(3, b"\xff\x25\x05#70100killed")).await;
    stage.client_says(&packets(3, &[b"\x03SELECT 'neither'", b""])).await;
    stage.client_says(&packet(0, b"\x03SELECT 2")).await;
    stage.server_says(&packet(1, OK)).await;
    let told = stage.told().await;
    assert_eq!(told.len(), 6, "{told:?}");
    assert_eq!(told[3..5], [begins("SELECT 2"), done()]);
}

#[tokio::test]
async fn an_answer_that_never_comes_is_told() {
    for client_leaves in [true, false] {
        let mut stage = Stage::logged_in(0).await;
        stage.client_says(&packet(0, b"\x03SELECT 1")).await;
        let Stage { mut client, server, recorder, relay } = stage;
        if client_leaves {
            drop(client);
        } else {
            drop(server);
            assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
        }
        tokio::time::timeout(SOON, relay).await.expect("the relay ends").unwrap().expect("in good order");
        assert_eq!(recorder.told.lock().unwrap().last(), Some(&Told::Closed { lost: true }));
    }
}

#[tokio::test]
async fn a_server_that_takes_no_more_connections_is_heard() {
    let mut stage = Stage::set(0).await;
    stage.server_says(&packet(0, b"\xff\x10\x04Too many connections")).await;
    assert_eq!(stage.told().await, [Told::Closed { lost: false }]);
}

#[tokio::test]
async fn what_the_tap_does_not_understand_ends_the_connection() {
    let mut stage = Stage::logged_in(0).await;
    stage.client_says(&packet(0, b"\x03SELECT 1")).await;
    stage.server.write_all(&packets(1, &[b"\x01", b"\x03def", b"\x011"])).await.unwrap();
    let ended = tokio::time::timeout(SOON, stage.relay).await.expect("the relay ends").unwrap();
    assert!(matches!(ended, Err(RelayError::Garbled(start)) if start == "02 00 00 03 01 31"));
    assert_eq!(stage.recorder.told.lock().unwrap().last(), Some(&Told::Closed { lost: true }));
}
