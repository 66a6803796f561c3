//! What the server says to a command, and where that ends: it depends on the command and on what was said before.
//!
//! Source: MySQL source documentation, "Command Phase", "Text Resultset", "Binary Protocol Resultset",
//! "COM_STMT_PREPARE Response"; MariaDB documentation, "Result Set Packets", "ERR_Packet" (progress reports).

use mysql_common::constants::{CapabilityFlags, StatusFlags};
use mysql_common::io::ParseBuf;
use mysql_common::packets::{
    CommonOkPacket, ErrPacket, OkPacket, OkPacketDeserializer, OldEofPacket, ResultSetTerminator, ServerError,
};

use super::frame::FULL;
use super::greeting::Agreed;
use crate::observe::mysql::watch::{Answer, Outcome};
use crate::run::SqlError;

const OK: u8 = 0x00;
const FILE_REQUEST: u8 = 0xfb;
const EOF: u8 = 0xfe;
const ERROR: u8 = 0xff;
/// The number of an error that is none, but a report of MariaDB's how far a statement has come.
const PROGRESS: u16 = 0xffff;

/// What the server will say next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    /// Nothing: it is the client's turn.
    Nothing,
    /// Whatever the account's plugin says, until the login is granted or not.
    Login,
    /// The first packet of a result.
    Result,
    /// So many descriptions of columns.
    Columns(u64),
    /// The end of the descriptions.
    ColumnsEnd,
    /// Rows, until their end.
    Rows,
    /// The id of a prepared statement.
    Prepared,
    /// So many descriptions of a prepared statement's parameters and columns, and their ends.
    Descriptions(u64),
    /// One packet.
    Single,
    /// A stream without an end, in which either side may speak.
    Stream,
}

/// What a packet of an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The answer goes on.
    GoesOn,
    /// It ended with this packet.
    Ended,
    /// The client has to send a file now; then the answer goes on.
    File,
    /// A statement was prepared, and has this id.
    Prepared(u32),
}

/// Follows a server's answers.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) expect: Expect,
    pub(super) agreed: Agreed,
    rows: u64,
    answer: Answer,
}

impl Reply {
    pub(super) fn new() -> Self {
        Self { expect: Expect::Nothing, agreed: Agreed::NOTHING, rows: 0, answer: Answer::default() }
    }

    /// How many packets may be passed on without a look into them, unless one [`Self::stops`].
    pub(super) fn unseen(&self) -> u64 {
        match self.expect {
            Expect::Columns(left) | Expect::Descriptions(left) => left,
            Expect::Nothing | Expect::Rows | Expect::Stream => u64::MAX,
            Expect::Login | Expect::Result | Expect::ColumnsEnd | Expect::Prepared | Expect::Single => 0,
        }
    }

    /// Whether a packet of this length that begins so has to be seen. The length of a value may look like the end of
    /// the rows, but only that of a value that fills more than one packet.
    pub(super) fn stops(&self, length: usize, first: Option<u8>) -> bool {
        self.expect == Expect::Rows
            && match first {
                Some(ERROR) => true,
                Some(EOF) => length < if self.agreed.no_eof() { FULL } else { 9 },
                _ => false,
            }
    }

    /// So many packets were passed on without a look into them.
    pub(super) fn passed(&mut self, packets: u64) {
        match &mut self.expect {
            Expect::Rows => self.rows += packets,
            Expect::Columns(left) => {
                *left -= packets;
                if *left == 0 {
                    self.expect = self.after_columns();
                }
            }
            Expect::Descriptions(left) => {
                *left -= packets;
                if *left == 0 {
                    self.expect = Expect::Nothing;
                }
            }
            _ => {}
        }
    }

    fn after_columns(&self) -> Expect {
        if self.agreed.no_eof() { Expect::Rows } else { Expect::ColumnsEnd }
    }

    /// Takes note of a packet that has to be seen.
    pub(super) fn takes(&mut self, payload: &[u8]) -> std::io::Result<Turn> {
        let first = payload.first().copied();
        if first == Some(ERROR) {
            return self.error(payload);
        }
        match (self.expect, first) {
            (Expect::Login, Some(OK)) | (Expect::Single, _) => {
                // What is no OK packet (statistics are a text) says nothing about the transaction.
                if let Ok(ok) = self.ok(payload) {
                    self.answer.in_transaction = ok.status_flags().contains(StatusFlags::SERVER_STATUS_IN_TRANS);
                }
                Ok(self.end())
            }
            (Expect::Result, Some(OK)) => {
                let ok = self.ok(payload)?;
                let info = ok.info_str().unwrap_or_default().into_owned();
                self.answer.outcomes.push(Outcome::Done { affected: ok.affected_rows(), info });
                Ok(self.statement_ended(ok.status_flags()))
            }
            (Expect::Result, Some(FILE_REQUEST)) => Ok(Turn::File),
            (Expect::Result, Some(_)) => {
                let mut rest = ParseBuf(payload);
                let columns = rest.checked_eat_lenenc_int().ok_or(std::io::ErrorKind::InvalidData)?;
                let described = !self.agreed.optional_metadata() || rest.0.first() != Some(&0);
                self.rows = 0;
                self.expect = if described && columns > 0 { Expect::Columns(columns) } else { self.after_columns() };
                Ok(Turn::GoesOn)
            }
            (Expect::ColumnsEnd, Some(EOF)) => {
                if self.end_status(payload)?.contains(StatusFlags::SERVER_STATUS_CURSOR_EXISTS) {
                    return self.rows_ended(payload);
                }
                self.expect = Expect::Rows;
                Ok(Turn::GoesOn)
            }
            (Expect::Rows, Some(EOF)) => self.rows_ended(payload),
            (Expect::Prepared, Some(OK)) => self.prepared(payload),
            (Expect::Login, _) => Ok(Turn::GoesOn),
            _ => Err(std::io::ErrorKind::InvalidData.into()),
        }
    }

    fn ok<'a>(&self, payload: &'a [u8]) -> std::io::Result<OkPacket<'a>> {
        let ok = ParseBuf(payload).parse::<OkPacketDeserializer<'_, CommonOkPacket>>(self.agreed.capabilities)?;
        Ok(ok.into_inner())
    }

    fn error(&mut self, payload: &[u8]) -> std::io::Result<Turn> {
        let code = payload.get(1..3).map(|code| u16::from_le_bytes([code[0], code[1]]));
        if code == Some(PROGRESS) {
            return Ok(Turn::GoesOn);
        }
        if let ErrPacket::Error(error) = ParseBuf(payload).parse(CapabilityFlags::CLIENT_PROTOCOL_41)? {
            self.answer.outcomes.push(Outcome::Error(sql_error(&error)));
        }
        Ok(self.end())
    }

    fn rows_ended(&mut self, payload: &[u8]) -> std::io::Result<Turn> {
        let status = self.end_status(payload)?;
        self.answer.outcomes.push(Outcome::Rows(self.rows));
        Ok(self.statement_ended(status))
    }

    /// The status that the end of columns or rows carries.
    fn end_status(&self, payload: &[u8]) -> std::io::Result<StatusFlags> {
        let capabilities = self.agreed.capabilities;
        let packet = if payload.len() == 5 {
            ParseBuf(payload).parse::<OkPacketDeserializer<'_, OldEofPacket>>(capabilities)?.into_inner()
        } else {
            ParseBuf(payload).parse::<OkPacketDeserializer<'_, ResultSetTerminator>>(capabilities)?.into_inner()
        };
        Ok(packet.status_flags())
    }

    fn statement_ended(&mut self, status: StatusFlags) -> Turn {
        self.answer.in_transaction = status.contains(StatusFlags::SERVER_STATUS_IN_TRANS);
        self.rows = 0;
        if status.contains(StatusFlags::SERVER_MORE_RESULTS_EXISTS) {
            self.expect = Expect::Result;
            return Turn::GoesOn;
        }
        self.end()
    }

    fn prepared(&mut self, payload: &[u8]) -> std::io::Result<Turn> {
        let Some(fixed) = payload.first_chunk::<9>() else { return Err(std::io::ErrorKind::InvalidData.into()) };
        let [_, id @ .., columns, columns_high, parameters, parameters_high] = *fixed;
        let described = !self.agreed.optional_metadata() || payload.get(12) != Some(&0);
        let packets = [[parameters, parameters_high], [columns, columns_high]]
            .map(|count| u64::from(u16::from_le_bytes(count)))
            .map(|count| count + u64::from(count > 0 && !self.agreed.no_eof()));
        let packets = if described { packets.iter().sum() } else { 0 };
        self.expect = if packets > 0 { Expect::Descriptions(packets) } else { Expect::Nothing };
        Ok(Turn::Prepared(u32::from_le_bytes(id)))
    }

    fn end(&mut self) -> Turn {
        self.expect = Expect::Nothing;
        Turn::Ended
    }

    /// The answer that ended. An error says nothing about the transaction: then it stands as it was said last.
    pub(super) fn take_answer(&mut self) -> Answer {
        let in_transaction = self.answer.in_transaction;
        std::mem::replace(&mut self.answer, Answer { in_transaction, ..Answer::default() })
    }
}

fn sql_error(error: &ServerError<'_>) -> SqlError {
    SqlError {
        sqlstate: error.sql_state_ref().map(|state| state.as_str().into_owned()).unwrap_or_default(),
        code: Some(error.error_code().into()),
        message: error.message_str().into_owned(),
        ..SqlError::default()
    }
}

#[cfg(test)]
mod tests {
    use mysql_common::constants::CapabilityFlags;

    use super::*;

    const OK_DONE: &[u8] = b"\0\x03\0\x02\0\0\0";
    const OK_IN_TRANSACTION: &[u8] = b"\0\x03\0\x03\0\0\0";
    const OK_AND_MORE: &[u8] = b"\0\x01\0\x0a\0\0\0";
    const EOF_DONE: &[u8] = b"\xfe\0\0\x02\0";
    const EOF_AND_MORE: &[u8] = b"\xfe\0\0\x0a\0";
    const EOF_CURSOR: &[u8] = b"\xfe\0\0\x42\0";
    const END_AS_OK: &[u8] = b"\xfe\0\0\x02\0\0\0";
    const DUPLICATE: &[u8] = b"\xff\x26\x04#23000Duplicate entry";

    fn reply(expect: Expect, capabilities: CapabilityFlags) -> Reply {
        let mut reply = Reply::new();
        reply.agreed.capabilities = capabilities | CapabilityFlags::CLIENT_PROTOCOL_41;
        reply.expect = expect;
        reply
    }

    /// What each packet that has to be seen means; those that may pass, do.
    fn turns(reply: &mut Reply, packets: &[&[u8]]) -> Vec<Turn> {
        let mut turns = Vec::new();
        for packet in packets {
            if reply.unseen() > 0 && !reply.stops(packet.len(), packet.first().copied()) {
                reply.passed(1);
            } else {
                turns.push(reply.takes(packet).expect("the protocol"));
            }
        }
        turns
    }

    fn outcomes(reply: &mut Reply, packets: &[&[u8]]) -> Vec<Outcome> {
        let turns = turns(reply, packets);
        let (last, before) = turns.split_last().expect("turns");
        assert_eq!((*last, reply.expect), (Turn::Ended, Expect::Nothing));
        assert!(before.iter().all(|turn| *turn == Turn::GoesOn), "{before:?}");
        reply.take_answer().outcomes
    }

    fn done(affected: u64) -> Outcome {
        Outcome::Done { affected, info: String::new() }
    }

    #[test]
    fn rows_end_as_was_agreed() {
        let mut with_eof = reply(Expect::Result, CapabilityFlags::empty());
        let packets = [b"\x02", &b"\x03def"[..], b"\x03def", EOF_DONE, b"\x01a\x01b", b"\xfb\xfb", EOF_DONE];
        assert_eq!(outcomes(&mut with_eof, &packets), [Outcome::Rows(2)]);
        let mut without = reply(Expect::Result, CapabilityFlags::CLIENT_DEPRECATE_EOF);
        let packets = [b"\x01", &b"\x03def"[..], b"\x01a", END_AS_OK];
        assert_eq!(outcomes(&mut without, &packets), [Outcome::Rows(1)]);
    }

    #[test]
    fn a_value_so_long_that_its_row_begins_like_an_end_is_a_row() {
        for capabilities in [CapabilityFlags::empty(), CapabilityFlags::CLIENT_DEPRECATE_EOF] {
            let rows = reply(Expect::Rows, capabilities);
            assert!(!rows.stops(FULL, Some(EOF)));
            assert!(rows.stops(5, Some(EOF)) && rows.stops(30, Some(ERROR)));
        }
        assert!(!reply(Expect::Columns(3), CapabilityFlags::empty()).stops(5, Some(EOF)));
    }

    #[test]
    fn each_statement_of_a_packet_has_its_outcome_up_to_the_first_error() {
        let mut reply = reply(Expect::Result, CapabilityFlags::empty());
        let packets = [OK_AND_MORE, b"\x01", b"\x03def", EOF_AND_MORE, b"\x01a", EOF_AND_MORE, DUPLICATE];
        let error = SqlError {
            sqlstate: "23000".to_owned(),
            code: Some(1062),
            message: "Duplicate entry".to_owned(),
            ..SqlError::default()
        };
        assert_eq!(outcomes(&mut reply, &packets), [done(1), Outcome::Rows(1), Outcome::Error(error)]);
    }

    #[test]
    fn an_error_leaves_the_transaction_as_it_was_said_to_be() {
        let mut reply = reply(Expect::Result, CapabilityFlags::empty());
        turns(&mut reply, &[OK_IN_TRANSACTION]);
        assert!(reply.take_answer().in_transaction);
        reply.expect = Expect::Result;
        turns(&mut reply, &[DUPLICATE]);
        assert!(reply.take_answer().in_transaction);
        reply.expect = Expect::Single;
        turns(&mut reply, &[OK_DONE]);
        assert!(!reply.take_answer().in_transaction);
    }

    #[test]
    fn a_cursor_that_is_opened_sends_no_rows() {
        let mut with_eof = reply(Expect::Result, CapabilityFlags::empty());
        assert_eq!(outcomes(&mut with_eof, &[b"\x01", b"\x03def", EOF_CURSOR]), [Outcome::Rows(0)]);
        let mut fetch = reply(Expect::Rows, CapabilityFlags::empty());
        assert_eq!(outcomes(&mut fetch, &[b"\0\0\x01", b"\0\0\x02", EOF_CURSOR]), [Outcome::Rows(2)]);
    }

    #[test]
    fn a_report_of_progress_is_no_error() {
        let mut reply = reply(Expect::Result, CapabilityFlags::empty());
        let progress = b"\xff\xff\xff\x01\x01\x02\x10\x27\0\x05stage";
        assert_eq!(outcomes(&mut reply, &[progress, progress, OK_DONE]), [done(3)]);
    }

    #[test]
    fn a_file_is_asked_for_before_the_outcome() {
        let mut reply = reply(Expect::Result, CapabilityFlags::empty());
        assert_eq!(turns(&mut reply, &[b"\xfb/tmp/load.tsv", OK_DONE]), [Turn::File, Turn::Ended]);
        assert_eq!(reply.take_answer().outcomes, [done(3)]);
    }

    #[test]
    fn columns_that_are_not_described_are_not_waited_for() {
        let capabilities = CapabilityFlags::CLIENT_OPTIONAL_RESULTSET_METADATA;
        let packets = [b"\x02\0", EOF_DONE, b"\x01a\x01b", EOF_DONE];
        assert_eq!(outcomes(&mut reply(Expect::Result, capabilities), &packets), [Outcome::Rows(1)]);
        let packets = [b"\x01\x01", &b"\x03def"[..], EOF_DONE, b"\x01a", EOF_DONE];
        assert_eq!(outcomes(&mut reply(Expect::Result, capabilities), &packets), [Outcome::Rows(1)]);
    }

    #[test]
    fn the_descriptions_of_a_prepared_statement_are_counted() {
        let prepared = b"\0\x09\0\0\0\x01\0\x02\0\0\0\0";
        let mut with_eof = reply(Expect::Prepared, CapabilityFlags::empty());
        assert_eq!(turns(&mut with_eof, &[prepared]), [Turn::Prepared(9)]);
        assert_eq!(with_eof.expect, Expect::Descriptions(5));
        with_eof.passed(4);
        with_eof.passed(1);
        assert_eq!(with_eof.expect, Expect::Nothing);
        let mut without = reply(Expect::Prepared, CapabilityFlags::CLIENT_DEPRECATE_EOF);
        turns(&mut without, &[prepared]);
        assert_eq!(without.expect, Expect::Descriptions(3));
        let mut nothing = reply(Expect::Prepared, CapabilityFlags::empty());
        turns(&mut nothing, &[b"\0\x09\0\0\0\0\0\0\0\0\0\0"]);
        assert_eq!(nothing.expect, Expect::Nothing);
    }

    #[test]
    fn what_is_not_the_protocol_is_an_error_and_no_guess() {
        assert!(reply(Expect::Rows, CapabilityFlags::empty()).takes(b"\x05hello").is_err());
        assert!(reply(Expect::ColumnsEnd, CapabilityFlags::empty()).takes(b"\x01a").is_err());
        assert!(reply(Expect::Result, CapabilityFlags::empty()).takes(b"\0\x03").is_err());
        assert!(reply(Expect::Result, CapabilityFlags::empty()).takes(b"").is_err());
    }
}
