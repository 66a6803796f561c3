//! Packets of the MySQL wire protocol: three bytes of length, one of sequence, the payload.
//!
//! A payload of 2^24 - 1 bytes or more is sent in pieces, each with a header of its own; all but the last are full, and
//! the last may be empty. What is of no interest is handed on as it comes, and many packets at once.
//! Source: MySQL source documentation, "MySQL Packets"; MariaDB documentation, "0 - Packet".

use bytes::{Bytes, BytesMut};

/// Bytes of length and sequence.
const HEADER: usize = 4;
/// The length of a piece after which another one of the same packet comes.
pub(super) const FULL: usize = 0x00ff_ffff;
/// So much is read at once.
const READ: usize = 64 * 1024;

/// Cuts a stream into packets.
#[derive(Debug)]
pub(super) struct Framer {
    /// What was read and not yet given.
    pub(super) buffer: BytesMut,
    /// Bytes that are still to come of the piece that has been given in part.
    left: usize,
    /// Whether that piece is full, so that the packet goes on after it.
    goes_on: bool,
    /// Whether a packet has been given in part.
    inside: bool,
    full: usize,
}

/// The beginning of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head<'a> {
    /// The length of the payload, or of its first piece.
    pub(super) length: usize,
    /// As much of the payload as was asked for, or all of the first piece where it has no more.
    pub(super) bytes: &'a [u8],
}

impl Framer {
    pub(super) fn new() -> Self {
        Self { buffer: BytesMut::with_capacity(READ), left: 0, goes_on: false, inside: false, full: FULL }
    }

    /// Makes room for what is read next: a full buffer would grow by a few bytes at a time.
    pub(super) fn make_room(&mut self) {
        if self.buffer.capacity() - self.buffer.len() < READ / 4 {
            self.buffer.reserve(READ);
        }
    }

    /// Whether a packet has been given in part.
    pub(super) fn inside(&self) -> bool {
        self.inside
    }

    /// The beginning of the next packet, when so much of it is there. Not to be asked inside of one.
    pub(super) fn head(&self, wanted: usize) -> Option<Head<'_>> {
        let length = length(self.buffer.get(..HEADER)?);
        let bytes = self.buffer.get(HEADER..HEADER + length.min(wanted))?;
        Some(Head { length, bytes })
    }

    /// The payload of the next packet, which has to be there, to be changed.
    pub(super) fn payload(&mut self) -> &mut [u8] {
        let length = length(&self.buffer);
        &mut self.buffer[HEADER..HEADER + length]
    }

    /// Gives what is there of the next packets, at most `limit` of them and up to one at which `stops` says so, which is
    /// given its length and, if it has one, its first byte. Says how many came to their end.
    pub(super) fn run(&mut self, limit: u64, stops: impl Fn(usize, Option<u8>) -> bool) -> (Bytes, u64) {
        let mut at = 0;
        let mut finished = 0;
        while finished < limit {
            let part = self.left.min(self.buffer.len() - at);
            at += part;
            self.left -= part;
            if self.left > 0 {
                break;
            }
            if self.inside && !self.goes_on {
                self.inside = false;
                finished += 1;
                continue;
            }
            let Some(header) = self.buffer.get(at..at + HEADER) else { break };
            let length = length(header);
            if !self.inside {
                let first = if length == 0 { None } else { self.buffer.get(at + HEADER).copied() };
                if (length > 0 && first.is_none()) || stops(length, first) {
                    break;
                }
            }
            self.inside = true;
            self.goes_on = length == self.full;
            self.left = HEADER + length;
        }
        (self.buffer.split_to(at).freeze(), finished)
    }

    /// Gives what is there of the packet that was begun, or of the next one.
    pub(super) fn part(&mut self) -> Bytes {
        self.run(1, |_, _| false).0
    }
}

fn length(header: &[u8]) -> usize {
    usize::from(header[0]) | usize::from(header[1]) << 8 | usize::from(header[2]) << 16
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Payloads as they are sent, in pieces of at most `full` bytes.
    fn sent(payloads: &[Vec<u8>], full: usize) -> Vec<u8> {
        let mut stream = Vec::new();
        for payload in payloads {
            let mut rest = payload.as_slice();
            for sequence in 0.. {
                let (piece, after) = rest.split_at(rest.len().min(full));
                stream.extend_from_slice(&u32::try_from(piece.len()).expect("short").to_le_bytes()[..3]);
                stream.push(sequence);
                stream.extend_from_slice(piece);
                rest = after;
                if piece.len() < full {
                    break;
                }
            }
        }
        stream
    }

    fn framer(full: usize) -> Framer {
        Framer { full, ..Framer::new() }
    }

    proptest! {
        #[test]
        fn bytes_out_are_bytes_in_wherever_the_stream_is_cut(
            payloads in vec(vec(any::<u8>(), 0..20), 0..12),
            cuts in vec(1_usize..30, 1..40),
            limit in 1_u64..4,
        ) {
            let stream = sent(&payloads, 5);
            let mut framer = framer(5);
            let (mut out, mut finished) = (Vec::new(), 0);
            let mut rest = stream.as_slice();
            for cut in cuts.iter().cycle() {
                let (part, after) = rest.split_at(rest.len().min(*cut));
                framer.buffer.extend_from_slice(part);
                loop {
                    let (bytes, ended) = framer.run(limit, |_, _| false);
                    prop_assert!(ended <= limit);
                    if bytes.is_empty() && ended == 0 {
                        break;
                    }
                    out.extend_from_slice(&bytes);
                    finished += ended;
                }
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(out, stream);
            prop_assert_eq!(finished, payloads.len() as u64);
            prop_assert!(!framer.inside());
        }

        #[test]
        fn a_packet_that_stops_is_found_wherever_the_stream_is_cut(
            before in vec(vec(0_u8..0xf0, 1..20), 0..12),
            cut in 0_usize..200,
        ) {
            let rows = sent(&before, 5);
            let mut stream = rows.clone();
            stream.extend_from_slice(&sent(&[vec![0xfe, 1, 2]], 5));
            let mut framer = framer(5);
            let mut out = Vec::new();
            let (first, second) = stream.split_at(cut.min(stream.len()));
            for part in [first, second] {
                framer.buffer.extend_from_slice(part);
                out.extend_from_slice(&framer.run(u64::MAX, |_, first| first == Some(0xfe)).0);
            }
            prop_assert_eq!(out, rows);
            prop_assert!(!framer.inside());
            prop_assert_eq!(framer.head(usize::MAX), Some(Head { length: 3, bytes: &[0xfe, 1, 2] }));
        }
    }

    #[test]
    fn a_full_piece_goes_on_even_if_nothing_follows() {
        let mut framer = framer(5);
        framer.buffer.extend_from_slice(&sent(&[b"12345".to_vec(), b"x".to_vec()], 5));
        assert_eq!(framer.run(1, |_, _| false), (Bytes::from_static(b"\x05\0\0\x0012345\0\0\0\x01"), 1));
        assert_eq!(framer.head(1), Some(Head { length: 1, bytes: b"x" }));
    }

    #[test]
    fn a_head_is_there_when_all_that_was_asked_for_is_there() {
        let mut framer = Framer::new();
        framer.buffer.extend_from_slice(b"\x05\0\0\0\x03SE");
        assert_eq!(framer.head(4), None);
        assert_eq!(framer.head(2), Some(Head { length: 5, bytes: b"\x03S" }));
        framer.buffer.extend_from_slice(b"T;");
        assert_eq!(framer.head(1000), Some(Head { length: 5, bytes: b"\x03SET;" }));
    }
}
