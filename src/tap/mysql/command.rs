//! What a client asks for: one command in each of its packets, and for each what the server will say.
//!
//! Source: MySQL source documentation, "Command Phase"; MariaDB documentation, "Clientserver Protocol".

use std::collections::HashMap;

use mysql_common::constants::{ColumnFlags, ColumnType};
use mysql_common::io::ParseBuf;
use mysql_common::value::{BinValue, ValueDeserializer};

use super::answer::Expect;
use super::frame::Head;
use super::greeting::Agreed;
use super::parameters::{LONGEST_ENTRY, written_down};

/// So much of a statement's text is read before it is forwarded, and told. What is longer is data, mostly.
pub(super) const TEXT_LIMIT: usize = 1 << 20;
/// MariaDB's id of the statement that was prepared last, whose own id the client has not been told yet.
const LAST: u32 = u32::MAX;

/// A command that is about to be forwarded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// The text of what it executes; none where nothing is executed.
    pub(super) sql: Option<String>,
    /// The version that a migration tool writes into its history by parameters of that.
    pub(super) version: Option<String>,
    /// What the server will say.
    pub(super) expect: Expect,
}

/// How much of a packet has to be there to know its command, from its first byte on.
pub(super) fn needed(first: Option<u8>) -> usize {
    match first {
        Some(code::QUERY | code::STMT_PREPARE) => TEXT_LIMIT,
        Some(code::STMT_EXECUTE) => LONGEST_ENTRY,
        Some(code::STMT_BULK_EXECUTE | code::STMT_CLOSE) => 5,
        _ => 1,
    }
}

/// Follows a client's commands.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    prepared: HashMap<u32, String>,
    /// The text that is being prepared, or was last.
    last: String,
}

impl Tracker {
    /// Takes note of a command.
    pub(super) fn client_sends(&mut self, head: &Head<'_>, agreed: Agreed) -> Command {
        let (first, body) = head.bytes.split_first().map_or((None, &[][..]), |(first, body)| (Some(*first), body));
        let expect = match first {
            Some(code::QUERY) => {
                let sql = Some(shown(query(body, agreed), head));
                return Command { sql, version: None, expect: Expect::Result };
            }
            Some(code @ (code::STMT_EXECUTE | code::STMT_BULK_EXECUTE)) => {
                let id = id(body);
                let known = if id == LAST { Some(&self.last) } else { self.prepared.get(&id) };
                let single = known.filter(|_| code == code::STMT_EXECUTE).zip(body.get(4..));
                let version = single.and_then(|(sql, bound)| written_down(sql, bound, agreed));
                return Command { sql: known.cloned(), version, expect: Expect::Result };
            }
            Some(code::STMT_PREPARE) => {
                self.last = shown(body, head);
                Expect::Prepared
            }
            Some(code::STMT_CLOSE) => {
                self.prepared.remove(&id(body));
                Expect::Nothing
            }
            Some(code::STMT_SEND_LONG_DATA | code::QUIT) => Expect::Nothing,
            Some(code::STMT_FETCH | code::FIELD_LIST) => Expect::Rows,
            Some(code::PROCESS_INFO) => Expect::Result,
            Some(code::CHANGE_USER) => {
                self.prepared.clear();
                Expect::Login
            }
            Some(code::RESET_CONNECTION) => {
                self.prepared.clear();
                Expect::Single
            }
            Some(code::BINLOG_DUMP | code::BINLOG_DUMP_GTID | code::TABLE_DUMP | code::CLONE) => Expect::Stream,
            _ => Expect::Single,
        };
        Command { sql: None, version: None, expect }
    }

    /// The server gave the statement that was prepared this id.
    pub(super) fn prepared(&mut self, id: u32) {
        self.prepared.insert(id, self.last.clone());
    }
}

/// The first bytes of commands.
mod code {
    pub(super) const QUIT: u8 = 0x01;
    pub(super) const QUERY: u8 = 0x03;
    pub(super) const FIELD_LIST: u8 = 0x04;
    pub(super) const PROCESS_INFO: u8 = 0x0a;
    pub(super) const CHANGE_USER: u8 = 0x11;
    pub(super) const BINLOG_DUMP: u8 = 0x12;
    pub(super) const TABLE_DUMP: u8 = 0x13;
    pub(super) const STMT_PREPARE: u8 = 0x16;
    pub(super) const STMT_EXECUTE: u8 = 0x17;
    pub(super) const STMT_SEND_LONG_DATA: u8 = 0x18;
    pub(super) const STMT_CLOSE: u8 = 0x19;
    pub(super) const STMT_FETCH: u8 = 0x1c;
    pub(super) const BINLOG_DUMP_GTID: u8 = 0x1e;
    pub(super) const RESET_CONNECTION: u8 = 0x1f;
    pub(super) const CLONE: u8 = 0x20;
    pub(super) const STMT_BULK_EXECUTE: u8 = 0xfa;
}

fn id(body: &[u8]) -> u32 {
    body.first_chunk().map_or(0, |id| u32::from_le_bytes(*id))
}

/// The text in the body of a query: behind the query's attributes, where the client sends such.
fn query(body: &[u8], agreed: Agreed) -> &[u8] {
    if agreed.query_attributes() { after_attributes(body).unwrap_or(body) } else { body }
}

/// Source: MySQL source documentation, "COM_QUERY".
fn after_attributes(body: &[u8]) -> Option<&[u8]> {
    let mut rest = ParseBuf(body);
    let count = usize::try_from(rest.checked_eat_lenenc_int()?).ok()?;
    let _sets = rest.checked_eat_lenenc_int()?;
    if count == 0 {
        return Some(rest.0);
    }
    let nulls = rest.checked_eat(count.div_ceil(8))?;
    let _bound = rest.checked_eat_u8()?;
    let mut types = Vec::new();
    for _ in 0..count {
        let kind = rest.checked_eat(2)?;
        let _name = rest.checked_eat_lenenc_str()?;
        types.push((kind[0], kind[1] & 0x80 != 0));
    }
    for (index, (kind, unsigned)) in types.into_iter().enumerate() {
        if nulls[index / 8] & (1 << (index % 8)) == 0 {
            let kind = ColumnType::try_from(kind).ok()?;
            let flags = if unsigned { ColumnFlags::UNSIGNED_FLAG } else { ColumnFlags::empty() };
            rest.parse::<ValueDeserializer<BinValue>>((kind, flags)).ok()?;
        }
    }
    Some(rest.0)
}

/// The text as it is put on record: with a mark where it goes on.
fn shown(text: &[u8], head: &Head<'_>) -> String {
    if head.bytes.len() == head.length {
        return String::from_utf8_lossy(text).into_owned();
    }
    // A character that is cut in two is left out.
    let whole = text.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let text = if text.len() - whole.len() < 4 { whole.into() } else { String::from_utf8_lossy(text) };
    format!("{text} …")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(bytes: &[u8]) -> Head<'_> {
        Head { length: bytes.len(), bytes }
    }

    fn with_attributes() -> Agreed {
        let mut agreed = Agreed::NOTHING;
        agreed.capabilities |= mysql_common::constants::CapabilityFlags::CLIENT_QUERY_ATTRIBUTES;
        agreed
    }

    fn sql(tracker: &mut Tracker, bytes: &[u8]) -> Option<String> {
        tracker.client_sends(&head(bytes), Agreed::NOTHING).sql
    }

    #[test]
    fn a_query_is_known_by_its_text() {
        let mut tracker = Tracker::default();
        assert_eq!(sql(&mut tracker, b"\x03SELECT 1; SELECT 2").as_deref(), Some("SELECT 1; SELECT 2"));
        assert_eq!(sql(&mut tracker, b"\x0e"), None);
        assert_eq!(sql(&mut tracker, b""), None);
    }

    #[test]
    fn an_execution_is_known_by_what_was_prepared() {
        let mut tracker = Tracker::default();
        assert_eq!(sql(&mut tracker, b"\x16INSERT INTO t VALUES (?)"), None);
        assert_eq!(sql(&mut tracker, b"\x17\xff\xff\xff\xff\0").as_deref(), Some("INSERT INTO t VALUES (?)"));
        tracker.prepared(7);
        assert_eq!(sql(&mut tracker, b"\x16SELECT 2"), None);
        tracker.prepared(8);
        assert_eq!(sql(&mut tracker, b"\x17\x07\0\0\0\0").as_deref(), Some("INSERT INTO t VALUES (?)"));
        assert_eq!(sql(&mut tracker, b"\xfa\x08\0\0\0\0").as_deref(), Some("SELECT 2"));
        assert_eq!(sql(&mut tracker, b"\x19\x07\0\0\0"), None);
        assert_eq!(sql(&mut tracker, b"\x17\x07\0\0\0\0"), None);
    }

    #[test]
    fn the_text_behind_attributes_is_found() {
        let agreed = with_attributes();
        let mut tracker = Tracker::default();
        let mut text = |bytes: &[u8]| tracker.client_sends(&head(bytes), agreed).sql;
        assert_eq!(text(b"\x03\0\x01SELECT 1").as_deref(), Some("SELECT 1"));
        // A text, a null and an unsigned number.
        let three = b"\x03\x03\x01\x02\x01\xfe\0\x01a\x06\0\x01b\x08\x80\x01c\x02hi\x01\0\0\0\0\0\0\0SELECT 2";
        assert_eq!(text(three).as_deref(), Some("SELECT 2"));
    }

    #[test]
    fn a_text_that_goes_on_says_so() {
        let mut tracker = Tracker::default();
        let cut = Head { length: 1000, bytes: "\u{3}SELECT 'ä".as_bytes() };
        let cut = Head { bytes: &cut.bytes[..cut.bytes.len() - 1], ..cut };
        let command = tracker.client_sends(&cut, Agreed::NOTHING);
        assert_eq!(command.sql.as_deref(), Some("SELECT ' …"));
    }
}
