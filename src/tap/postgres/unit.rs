//! What a client sends, as units: everything that the server answers with one ready-for-query.
//!
//! In the simple protocol a unit is one message, however many statements are in it. In the extended protocol it is
//! everything up to a `Sync`: mostly one `Execute`, in a pipeline several.
//! Source: PostgreSQL 18 manual, 54.2.2 "Simple Query", 54.2.3 "Extended Query".

use std::collections::HashMap;
use std::time::Instant;

use super::frame::{Message, text};

/// What a client waits to have answered.
#[derive(Debug)]
pub(super) struct Unit {
    /// The statements that are executed in it; none where the client only prepares or describes.
    pub(super) sql: Vec<String>,
    /// When its first byte was forwarded.
    pub(super) began: Instant,
    /// Whether the extended protocol is spoken, in which `Sync` and not the end of COPY data asks for the answer.
    pub(super) extended: bool,
}

/// Follows a client's messages.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    prepared: HashMap<String, String>,
    portals: HashMap<String, String>,
    building: Option<Unit>,
}

impl Tracker {
    /// Takes note of a message that is about to be forwarded. Gives the unit if the message completes one.
    pub(super) fn client_sends(&mut self, message: &Message, now: Instant) -> Option<Unit> {
        match message.tag() {
            b'Q' => Some(Unit { sql: vec![text(message.body()).0], began: now, extended: false }),
            // A function call: the protocol's oldest corner, answered like a query.
            b'F' => Some(Unit { sql: Vec::new(), began: now, extended: false }),
            b'S' => Some(self.building.take().unwrap_or(Unit { sql: Vec::new(), began: now, extended: true })),
            b'P' => {
                let (name, rest) = text(message.body());
                self.prepared.insert(name, text(rest).0);
                self.part(now);
                None
            }
            b'B' => {
                let (portal, rest) = text(message.body());
                let sql = self.prepared.get(&text(rest).0).cloned().unwrap_or_default();
                self.portals.insert(portal, sql);
                self.part(now);
                None
            }
            b'E' => {
                let sql = self.portals.get(&text(message.body()).0).cloned().unwrap_or_default();
                self.part(now).sql.push(sql);
                None
            }
            b'C' => {
                let (kind, name) = message.body().split_first().unwrap_or((&b'?', &[]));
                match kind {
                    b'S' => self.prepared.remove(&text(name).0),
                    _ => self.portals.remove(&text(name).0),
                };
                self.part(now);
                None
            }
            b'D' | b'H' => {
                self.part(now);
                None
            }
            _ => None,
        }
    }

    fn part(&mut self, now: Instant) -> &mut Unit {
        self.building.get_or_insert(Unit { sql: Vec::new(), began: now, extended: true })
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::{Frame, Framer};
    use super::*;

    fn message(tag: u8, body: &[u8]) -> Message {
        let mut framer = Framer::new(b"");
        framer.buffer.extend_from_slice(&[tag]);
        framer.buffer.extend_from_slice(&u32::try_from(body.len() + 4).expect("short").to_be_bytes());
        framer.buffer.extend_from_slice(body);
        let Ok(Some(Frame::Message(message))) = framer.next() else { panic!("not a message") };
        message
    }

    fn units(messages: &[(u8, &[u8])]) -> Vec<Vec<String>> {
        let mut tracker = Tracker::default();
        messages
            .iter()
            .filter_map(|(tag, body)| tracker.client_sends(&message(*tag, body), Instant::now()))
            .map(|unit| unit.sql)
            .collect()
    }

    #[test]
    fn a_simple_query_is_a_unit() {
        assert_eq!(units(&[(b'Q', b"SELECT 1; SELECT 2\0")]), [["SELECT 1; SELECT 2"]]);
    }

    #[test]
    fn preparing_alone_executes_nothing() {
        let nothing: [Vec<String>; 1] = [Vec::new()];
        assert_eq!(units(&[(b'P', b"s1\0SELECT 1\0\0\0"), (b'D', b"Ss1\0"), (b'S', b"")]), nothing);
    }

    #[test]
    fn an_execute_is_known_by_its_portal_and_statement() {
        let messages: &[(u8, &[u8])] = &[
            (b'P', b"s1\0SELECT 1\0\0\0"),
            (b'S', b""),
            (b'B', b"p1\0s1\0\0\0\0\0\0\0"),
            (b'E', b"p1\0\0\0\0\0"),
            (b'S', b""),
        ];
        assert_eq!(units(messages), [vec![], vec!["SELECT 1".to_owned()]]);
    }

    #[test]
    fn a_pipeline_up_to_one_sync_is_one_unit() {
        let messages: &[(u8, &[u8])] = &[
            (b'P', b"\0SELECT 1\0\0\0"),
            (b'B', b"\0\0\0\0\0\0\0\0"),
            (b'E', b"\0\0\0\0\0"),
            (b'P', b"\0SELECT 2\0\0\0"),
            (b'B', b"\0\0\0\0\0\0\0\0"),
            (b'E', b"\0\0\0\0\0"),
            (b'S', b""),
        ];
        assert_eq!(units(messages), [["SELECT 1", "SELECT 2"]]);
    }
}
