//! Whatever either side sends, in whatever pieces: what goes out is what came in, nothing panics and nothing hangs.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use mysql_common::constants::{CapabilityFlags, StatusFlags};
use mysql_common::packets::HandshakePacket;
use mysql_common::proto::MySerialize;

use super::super::garbled::{Chance, inputs};
use super::conversation::Conversation;
use super::greeting::curb;
use super::{Answer, Witness};
use crate::scenario::Engine;
use crate::server::{Access, DATABASE, Endpoint, Login};

/// Commands: queries, prepared statements, files, resets.
const COMMANDS: [&[u8]; 16] = [
    b"\x03SELECT 1",
    b"\x03\0\x01SELECT 1",
    b"\x03LOAD DATA LOCAL INFILE 'f' INTO TABLE t",
    b"\x16SELECT ?",
    b"\x16INSERT INTO schema_migrations VALUES (?)",
    b"\x17\x05\0\0\0\0\x01\0\0\0\0\x01\xfe\0\x022a",
    b"\x17\x05\0\0\0\0\x01\0\0\0",
    b"\x17\xff\xff\xff\xff\0\x01\0\0\0",
    b"\xfa\x05\0\0\0\0\0",
    b"\x18\x05\0\0\0\0\0x",
    b"\x19\x05\0\0\0",
    b"\x1c\x05\0\0\0\x01\0\0\0",
    b"\x04t\0",
    b"\x0e",
    b"\x11root\0",
    b"1\t2\n",
];
/// Parts of answers: OK, errors, ends of rows, rows, requests for files, prepared statements.
const ANSWERS: [&[u8]; 14] = [
    b"\0\0\0\x02\0\0\0",
    b"\0\x01\0\x0a\0\0\0",
    b"\xff\x7a\x04#42S02no such table",
    b"\xff\xff\xff\x01\x01\0\0\0",
    b"\xfe\0\0\x02\0",
    b"\xfe\0\0\x0a\0",
    b"\xfe\0\0\x02\0\0\0",
    b"\x01",
    b"\x02\0",
    b"\x03def",
    b"\x011\xfb",
    b"\xfbf",
    b"\0\x05\0\0\0\x01\0\x01\0\0\0\0",
    b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff",
];

/// Hears of all, and says nothing.
struct Nobody;

impl Witness for Nobody {
    fn connected(&mut self, _connection_id: u32) {}

    async fn begins(&mut self, _sql: &str, _version: Option<String>) {}

    fn begun(&mut self, _began: Instant) {}

    async fn ended(&mut self, _answer: Answer, _ended: Instant) {}

    fn closed(&mut self, _lost: bool) {}
}

/// Goes through what waits for nobody.
fn at_once<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the tap waits for something, which is not there"),
    }
}

fn packet(stream: &mut Vec<u8>, sequence: u8, payload: &[u8]) {
    stream.extend_from_slice(&u32::try_from(payload.len()).expect("short").to_le_bytes()[..3]);
    stream.push(sequence);
    stream.extend_from_slice(payload);
}

/// Packets of one side that follow each other.
fn packets(chance: &mut Chance, stream: &mut Vec<u8>, bodies: &[&[u8]]) {
    for sequence in 0..=u8::try_from(chance.below(6)).expect("small") {
        let mut body = match chance.below(8) {
            0 => chance.bytes(40),
            1 => Vec::new(),
            _ => chance.one_of(bodies).to_vec(),
        };
        if chance.below(4) == 0 {
            chance.garble(&mut body);
        }
        packet(stream, sequence, &body);
    }
}

/// What a server that greets and a client that answers say first: mostly what leads on.
fn first(chance: &mut Chance) -> (Vec<u8>, Vec<u8>) {
    let base = CapabilityFlags::CLIENT_PROTOCOL_41 | CapabilityFlags::CLIENT_PLUGIN_AUTH;
    let more = [
        CapabilityFlags::CLIENT_DEPRECATE_EOF,
        CapabilityFlags::CLIENT_OPTIONAL_RESULTSET_METADATA,
        CapabilityFlags::CLIENT_QUERY_ATTRIBUTES,
        CapabilityFlags::CLIENT_SESSION_TRACK,
        CapabilityFlags::CLIENT_SSL | CapabilityFlags::CLIENT_COMPRESS,
    ];
    let offered = more.into_iter().filter(|_| chance.below(2) == 0).fold(base, CapabilityFlags::union);
    let wished = more[..4].iter().filter(|_| chance.below(2) == 0).fold(base, |all, one| all.union(*one));
    let (version, plugin) = (&b"9.7.4"[..], Some(&b"mysql_native_password"[..]));
    let status = StatusFlags::SERVER_STATUS_AUTOCOMMIT;
    let mut greeting = Vec::new();
    HandshakePacket::new(10, version, 7, *b"12345678", Some(&b"123456789012\0"[..]), offered, 255, status, plugin)
        .serialize(&mut greeting);
    let answer = [&wished.bits().to_le_bytes()[..], &[0; 40]].concat();
    let (mut server, mut client) = (Vec::new(), Vec::new());
    packet(&mut server, 0, &greeting);
    packet(&mut client, 1, &answer);
    for stream in [&mut server, &mut client] {
        if chance.below(20) == 0 {
            chance.garble(stream);
        }
    }
    packet(&mut server, 2, ANSWERS[0]);
    (server, client)
}

/// What the server said, as the client is to have it: with the greeting curbed.
fn curbed(stream: &[u8]) -> Vec<u8> {
    let mut stream = stream.to_vec();
    if let Some(header) = stream.get(..3) {
        let length = usize::from(header[0]) | usize::from(header[1]) << 8 | usize::from(header[2]) << 16;
        // An error comes in its place.
        if let Some(greeting) = stream.get_mut(4..4 + length).filter(|greeting| greeting.first() != Some(&0xff)) {
            let _ = curb(greeting);
        }
    }
    stream
}

#[test]
fn fuzzed_conversations_go_through_as_they_are() {
    let mut chance = Chance::new(1);
    let nowhere = Endpoint::Tcp { host: "127.0.0.1".to_owned(), port: 1 };
    let access = Access::new(Engine::Mysql, &nowhere, &Login::superuser(Engine::Mysql, None), DATABASE);
    let (mut whole, mut given_up) = (0, 0);
    for input in 0..inputs() {
        let (mut server, mut client) = first(&mut chance);
        packets(&mut chance, &mut client, &COMMANDS);
        packets(&mut chance, &mut server, &ANSWERS);
        if chance.below(3) == 0 {
            chance.garble(&mut client);
            chance.garble(&mut server);
        }
        let mut conversation = Conversation::new(access.clone(), Nobody);
        let (mut of_client, mut of_server) = (chance.cut(&client).into_iter(), chance.cut(&server).into_iter());
        loop {
            // Either side speaks, while it has something to say.
            let client_speaks = of_server.len() == 0 || (of_client.len() > 0 && chance.below(2) == 0);
            let passed = if client_speaks {
                let Some(part) = of_client.next() else { break };
                conversation.from_client.buffer.extend_from_slice(part);
                at_once(conversation.client_spoke())
            } else {
                let Some(part) = of_server.next() else { break };
                conversation.from_server.buffer.extend_from_slice(part);
                at_once(conversation.server_spoke(Instant::now()))
            };
            if passed.is_err() {
                given_up += 1;
                break;
            }
        }
        let (to_server, to_client) = (&conversation.to_server, &conversation.to_client);
        assert!(client.starts_with(to_server), "input {input}: {client:?} became {to_server:?}");
        assert!(curbed(&server).starts_with(to_client), "input {input}: {server:?} became {to_client:?}");
        whole += u64::from(to_server.len() == client.len() && to_client.len() == server.len());
        let room = conversation.from_client.buffer.capacity() + conversation.from_server.buffer.capacity();
        assert!(room < 4 << 20, "a length is not believed before the bytes are there");
        conversation.closed();
    }
    // Not all of them end where they begin.
    assert!(whole > 0 && given_up > 0, "{whole} went through to their end, {given_up} were given up");
}
