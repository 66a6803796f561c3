//! Whatever either side sends, in whatever pieces: what goes out is what came in, and nothing panics.

use std::time::Instant;

use super::super::garbled::{Chance, inputs};
use super::ask::row;
use super::frame::{Frame, Framer, Message};
use super::unit::Tracker;
use super::{CLIENT_BULK, SERVER_BULK, process_id, sql_error};

/// Types of messages of both sides.
const TAGS: &[u8] = b"QPBEDCHSFXpdcfRKZTDNAGHWIns123tEv";
/// Bodies that mean something.
const BODIES: [&[u8]; 9] = [
    b"SELECT 1\0",
    b"s1\0SELECT 1\0\0\0",
    b"p1\0s1\0\0\0\0\0\0\0",
    b"\0\0\0\0\0\0\0\0",
    b"Ss1\0",
    b"SERROR\0C42601\0Mno\0Dbecause\0\0",
    b"\0\x02\0\0\0\x01x\xff\xff\xff\xff",
    b"INSERT 0 5\0",
    b"I",
];

fn stream(chance: &mut Chance) -> Vec<u8> {
    let mut stream = Vec::new();
    for _ in 0..=chance.below(4) {
        let mut body = if chance.below(3) == 0 { chance.bytes(40) } else { chance.one_of(&BODIES).to_vec() };
        if chance.below(4) == 0 {
            chance.garble(&mut body);
        }
        stream.push(*chance.one_of(TAGS));
        stream.extend_from_slice(&u32::try_from(body.len() + 4).expect("short").to_be_bytes());
        stream.extend_from_slice(&body);
    }
    chance.garble(&mut stream);
    stream
}

/// Sends a stream in pieces through a framer, and what is whole to whoever reads it. Gives what comes out.
fn passed(chance: &mut Chance, bulk: &'static [u8], stream: &[u8], mut heard: impl FnMut(&Message)) -> Vec<u8> {
    let mut framer = Framer::new(bulk);
    let mut out = Vec::new();
    'stream: for part in chance.cut(stream) {
        framer.buffer.extend_from_slice(part);
        loop {
            match framer.next() {
                Ok(Some(Frame::Bulk(bytes))) => out.extend_from_slice(&bytes),
                Ok(Some(Frame::Message(message))) => {
                    heard(&message);
                    out.extend_from_slice(message.bytes());
                }
                Ok(None) => break,
                // The connection is given up.
                Err(_) => break 'stream,
            }
        }
    }
    assert!(framer.buffer.capacity() < 4 << 20, "a length is not believed before the bytes are there");
    out
}

#[test]
fn fuzzed_streams_go_through_as_they_are() {
    let mut chance = Chance::new(1);
    for input in 0..inputs() {
        let stream = stream(&mut chance);
        let mut tracker = Tracker::default();
        let sent = passed(&mut chance, CLIENT_BULK, &stream, |message| {
            tracker.client_sends(message, Instant::now());
        });
        let answered = passed(&mut chance, SERVER_BULK, &stream, |message| {
            sql_error(message.body());
            process_id(message.body());
        });
        let asked = passed(&mut chance, b"", &stream, |message| {
            let _ = row(message);
        });
        for out in [sent, answered, asked] {
            assert!(stream.starts_with(&out), "input {input}: {stream:?} became {out:?}");
        }
    }
}
