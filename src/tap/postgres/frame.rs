//! Messages of the PostgreSQL wire protocol, version 3: one byte of type, four bytes of length, the body.
//!
//! Source: PostgreSQL 18 manual, 54.7 "Message Formats".

use bytes::{Buf, Bytes, BytesMut};

/// A piece of a stream, to be forwarded as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    /// A whole message.
    Message(Message),
    /// Bytes of a message whose content is of no interest (rows, COPY data).
    Bulk(Bytes),
}

/// A whole message with its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message(Bytes);

impl Message {
    pub(super) fn tag(&self) -> u8 {
        self.0[0]
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.0[HEADER..]
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Bytes of type and length.
const HEADER: usize = 5;
/// No server takes or sends a longer message (`PQ_LARGE_MESSAGE_LIMIT`).
const LONGEST: usize = (1 << 30) - 1;
/// Room is made for no more of a message before its bytes are there.
const ROOM: usize = 1 << 20;

/// Cuts a stream into frames.
#[derive(Debug)]
pub(super) struct Framer {
    /// What was read and not yet cut.
    pub(super) buffer: BytesMut,
    /// Bytes of a bulk message that are still to come.
    bulk_left: usize,
    /// Bytes of the message that is there in part, and of interest as a whole.
    wanted: usize,
    /// Types of messages whose content is of no interest.
    bulk: &'static [u8],
}

/// The stream is not what the protocol says.
#[derive(Debug, thiserror::Error)]
#[error("a message of type {tag:?} says that it is {length} bytes long, which is not the PostgreSQL protocol")]
pub(super) struct FrameError {
    tag: char,
    length: usize,
}

impl Framer {
    pub(super) fn new(bulk: &'static [u8]) -> Self {
        Self { buffer: BytesMut::with_capacity(64 * 1024), bulk_left: 0, wanted: 0, bulk }
    }

    /// The next frame; `None` until more is read into the buffer.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        if self.bulk_left == 0 {
            if self.buffer.len() < HEADER {
                return Ok(None);
            }
            let tag = self.buffer[0];
            let length = (&self.buffer[1..HEADER]).get_u32() as usize;
            if !(4..=LONGEST).contains(&length) {
                return Err(FrameError { tag: char::from(tag), length });
            }
            let total = length + 1;
            if !self.bulk.contains(&tag) {
                if self.buffer.len() < total {
                    self.buffer.reserve((total - self.buffer.len()).min(ROOM));
                    self.wanted = total;
                    return Ok(None);
                }
                self.wanted = 0;
                return Ok(Some(Frame::Message(Message(self.buffer.split_to(total).freeze()))));
            }
            self.bulk_left = total;
        }
        if self.buffer.is_empty() {
            return Ok(None);
        }
        Ok(self.rest_of_bulk().map(Frame::Bulk))
    }

    /// How many bytes have to be in the buffer before there is a next frame, if that is known.
    pub(super) fn wanted(&self) -> usize {
        self.wanted
    }

    /// Whether a bulk message has been given in part.
    pub(super) fn in_bulk(&self) -> bool {
        self.bulk_left > 0
    }

    /// What is there of a bulk message that has been given in part; `None` when there is no such message.
    pub(super) fn rest_of_bulk(&mut self) -> Option<Bytes> {
        if !self.in_bulk() {
            return None;
        }
        let part = self.buffer.split_to(self.bulk_left.min(self.buffer.len()));
        self.bulk_left -= part.len();
        Some(part.freeze())
    }
}

/// A zero-terminated string at the head of `body`, and what follows it. A missing end is taken as the end of the body.
pub(super) fn text(body: &[u8]) -> (String, &[u8]) {
    let end = body.iter().position(|byte| *byte == 0).unwrap_or(body.len());
    (String::from_utf8_lossy(&body[..end]).into_owned(), body.get(end + 1..).unwrap_or_default())
}

/// A simple query message.
pub(super) fn query(sql: &str) -> Vec<u8> {
    let mut message = vec![b'Q'];
    let length = u32::try_from(sql.len() + 5).unwrap_or(u32::MAX);
    message.extend_from_slice(&length.to_be_bytes());
    message.extend_from_slice(sql.as_bytes());
    message.push(0);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(framer: &mut Framer) -> Vec<Frame> {
        std::iter::from_fn(|| framer.next().expect("the protocol")).collect()
    }

    #[test]
    fn a_message_is_given_when_its_last_byte_is_there() {
        let message = query("SELECT 1");
        let mut framer = Framer::new(b"d");
        for byte in &message[..message.len() - 1] {
            framer.buffer.extend_from_slice(&[*byte]);
            assert_eq!(frames(&mut framer), []);
        }
        framer.buffer.extend_from_slice(&message[message.len() - 1..]);
        let Some(Frame::Message(whole)) = framer.next().expect("the protocol") else { panic!("no message") };
        assert_eq!((whole.tag(), whole.body()), (b'Q', &b"SELECT 1\0"[..]));
        assert_eq!(whole.bytes(), message);
    }

    #[test]
    fn bulk_is_passed_on_as_it_comes_and_the_next_message_is_found() {
        let mut framer = Framer::new(b"d");
        framer.buffer.extend_from_slice(b"d\0\0\0\x08ab");
        assert_eq!(frames(&mut framer), [Frame::Bulk(Bytes::from_static(b"d\0\0\0\x08ab"))]);
        assert!(framer.in_bulk());
        framer.buffer.extend_from_slice(b"cdS\0\0\0\x04");
        let rest = frames(&mut framer);
        assert_eq!(rest[0], Frame::Bulk(Bytes::from_static(b"cd")));
        assert_eq!(framer.rest_of_bulk(), None);
        assert!(matches!(&rest[1], Frame::Message(message) if message.tag() == b'S'));
    }

    #[test]
    fn a_length_that_cannot_be_is_an_error() {
        let mut framer = Framer::new(b"d");
        framer.buffer.extend_from_slice(b"HTTP/1.1 200 OK");
        framer.buffer[1..5].copy_from_slice(&[0, 0, 0, 1]);
        assert!(framer.next().is_err());
    }
}
