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
        detail: None,
    }
}
