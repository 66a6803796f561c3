//! What a client sends, as units: everything that the server answers with one ready-for-query.
//!
//! In the simple protocol a unit is one message, however many statements are in it. In the extended protocol it is
//! everything up to a `Sync`: mostly one `Execute`, in a pipeline several.
//! Source: PostgreSQL 18 manual, 54.2.2 "Simple Query", 54.2.3 "Extended Query".

use std::collections::HashMap;
use std::time::Instant;

use bytes::Buf;

use super::frame::{Message, text};
use crate::sql::history;
use crate::sql::postgres::pieces;

/// No statement by which a tool keeps its history is longer.
const LONGEST_ENTRY: usize = 10_000;

/// What a client waits to have answered.
#[derive(Debug)]
pub(super) struct Unit {
    /// The statements that are executed in it; none where the client only prepares or describes.
    pub(super) sql: Vec<String>,
    /// The version that a migration tool writes into its history by parameters of these statements.
    pub(super) version: Option<String>,
    /// When its first byte was forwarded.
    pub(super) began: Instant,
    /// Whether the extended protocol is spoken, in which `Sync` and not the end of COPY data asks for the answer.
    pub(super) extended: bool,
}

/// A statement that is ready to be executed.
#[derive(Debug, Clone, Default)]
struct Portal {
    sql: String,
    version: Option<String>,
}

/// Follows a client's messages.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    prepared: HashMap<String, String>,
    portals: HashMap<String, Portal>,
    building: Option<Unit>,
}

impl Tracker {
    /// Takes note of a message that is about to be forwarded. Gives the unit if the message completes one.
    pub(super) fn client_sends(&mut self, message: &Message, now: Instant) -> Option<Unit> {
        match message.tag() {
            b'Q' => Some(Unit { sql: vec![text(message.body()).0], ..Unit::empty(now, false) }),
            // A function call: the protocol's oldest corner, answered like a query.
            b'F' => Some(Unit::empty(now, false)),
            b'S' => Some(self.building.take().unwrap_or(Unit::empty(now, true))),
            b'P' => {
                let (name, rest) = text(message.body());
                self.prepared.insert(name, text(rest).0);
                self.part(now);
                None
            }
            b'B' => {
                let (portal, rest) = text(message.body());
                let (name, rest) = text(rest);
                let sql = self.prepared.get(&name).cloned().unwrap_or_default();
                let version = written_down(&sql, rest);
                self.portals.insert(portal, Portal { sql, version });
                self.part(now);
                None
            }
            b'E' => {
                let Portal { sql, version } = self.portals.get(&text(message.body()).0).cloned().unwrap_or_default();
                let unit = self.part(now);
                unit.sql.push(sql);
                unit.version = version.or(unit.version.take());
                None
            }
            b'C' => {
                let (kind, name) = message.body().split_first().unwrap_or((&b'?', &[]));
                match kind {
                    b'S' => drop(self.prepared.remove(&text(name).0)),
                    _ => drop(self.portals.remove(&text(name).0)),
                }
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

    /// Whether a unit was begun that no `Sync` has ended.
    pub(super) fn is_building(&self) -> bool {
        self.building.is_some()
    }

    fn part(&mut self, now: Instant) -> &mut Unit {
        self.building.get_or_insert(Unit::empty(now, true))
    }
}

impl Unit {
    /// A simple query.
    pub(super) fn of(sql: &str) -> Self {
        Self { sql: vec![sql.to_owned()], ..Self::empty(Instant::now(), false) }
    }

    fn empty(began: Instant, extended: bool) -> Self {
        Self { sql: Vec::new(), version: None, began, extended }
    }
}

/// What a statement writes into a migration tool's history by the parameters in the rest of a Bind message.
fn written_down(sql: &str, bound: &[u8]) -> Option<String> {
    if sql.len() > LONGEST_ENTRY || !sql.contains('$') {
        return None;
    }
    let pieces = pieces(sql);
    history::entry(&pieces, &[])?;
    history::entry(&pieces, &parameters(bound).unwrap_or_default())?.version
}

/// The parameters of a Bind message, from behind its two names on, as texts; `None` where it is cut short. One that is null,
/// or of a binary form that is neither text nor a whole number, is `None` itself.
fn parameters(mut bound: &[u8]) -> Option<Vec<Option<String>>> {
    let formats = usize::from(bound.try_get_u16().ok()?);
    let formats: Vec<u16> = (0..formats).map(|_| bound.try_get_u16().ok()).collect::<Option<_>>()?;
    let count = usize::from(bound.try_get_u16().ok()?);
    let mut values = Vec::with_capacity(count);
    for at in 0..count {
        let length = bound.try_get_i32().ok()?;
        let Ok(length) = usize::try_from(length) else {
            values.push(None);
            continue;
        };
        let (value, rest) = bound.split_at_checked(length)?;
        bound = rest;
        // None: all are texts; one: it is for all.
        let binary = formats.get(at).or(formats.first().filter(|_| formats.len() == 1)) == Some(&1);
        values.push(if binary { readable(value) } else { String::from_utf8(value.to_vec()).ok() });
    }
    Some(values)
}

/// A value in its binary form: of a text that is the text, of a whole number its bytes from the highest on.
fn readable(value: &[u8]) -> Option<String> {
    let printable = |text: &&str| !text.chars().any(char::is_control);
    if let Some(text) = std::str::from_utf8(value).ok().filter(printable) {
        return Some(text.to_owned());
    }
    match *value {
        [a, b] => Some(i16::from_be_bytes([a, b]).to_string()),
        [a, b, c, d] => Some(i32::from_be_bytes([a, b, c, d]).to_string()),
        _ => Some(i64::from_be_bytes(value.try_into().ok()?).to_string()),
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
    fn a_version_that_is_bound_is_read_in_either_form() {
        let version = |bound: &[u8]| {
            let mut tracker = Tracker::default();
            let mut send = |tag, body: &[u8]| tracker.client_sends(&message(tag, body), Instant::now());
            send(b'P', b"s\0INSERT INTO _sqlx_migrations (version, note) VALUES ($1, $2)\0\0\0");
            send(b'B', &[b"\0s\0", bound].concat());
            send(b'E', b"\0\0\0\0\0");
            send(b'S', b"").expect("a unit").version
        };
        assert_eq!(version(b"\0\0\0\x02\0\0\0\x022a\xff\xff\xff\xff\0\0").as_deref(), Some("2a"));
        let number = b"\0\x01\0\x01\0\x02\0\0\0\x08\0\0\0\0\0\0\x01\x02\0\0\0\x01x\0\0";
        assert_eq!(version(number).as_deref(), Some("258"));
        assert_eq!(version(b"\0\x02\0\x01\0\0\0\x02\0\0\0\x02ab\0\0\0\x01x\0\0").as_deref(), Some("ab"));
        assert_eq!(version(b"\0\0\0\x02\0\0"), None, "cut short");
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
