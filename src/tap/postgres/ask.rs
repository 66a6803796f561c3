//! Asking the tool's own backend, between two of the tool's statements, what nobody outside its transaction can see.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

use super::ServerStream;
use super::frame::{Frame, Framer, Message, query};
use crate::observe::postgres::ask::{Ask, AskError, Row};
use crate::run::SqlError;

/// How long a question may take. It reads catalogs only, which nobody locks in a way that it would wait for.
const LIMIT: Duration = Duration::from_secs(30);

/// The tap's connection to the server.
pub(super) struct Backend {
    pub(super) reader: ReadHalf<ServerStream>,
    pub(super) writer: WriteHalf<ServerStream>,
    pub(super) framer: Framer,
    /// What is to be sent.
    pub(super) to_server: BytesMut,
    /// Whether a question was given up before its answer had come to an end. Nothing more can be said then.
    pub(super) unanswered: bool,
}

impl Backend {
    pub(super) fn new(stream: ServerStream, framer: Framer) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self { reader, writer, framer, to_server: BytesMut::new(), unanswered: false }
    }

    /// A way to ask, with the place where messages that are meant for the client go.
    pub(super) fn ask<'a>(&'a mut self, to_client: &'a mut BytesMut) -> Asking<'a> {
        Asking { backend: self, to_client }
    }
}

pub(super) struct Asking<'a> {
    backend: &'a mut Backend,
    to_client: &'a mut BytesMut,
}

impl Ask for Asking<'_> {
    async fn ask(&mut self, sql: &str) -> Result<Vec<Row>, AskError> {
        let (rows, error) = tokio::time::timeout(LIMIT, self.exchange(sql)).await.map_err(|_| AskError::TooSlow)??;
        error.map_or(Ok(rows), |error| Err(AskError::Refused(error.message)))
    }
}

impl Asking<'_> {
    /// Sends a query of the tap's own, whatever it is; gives the error with which the server refused it.
    pub(super) async fn refusal(&mut self, sql: &str) -> Result<Option<SqlError>, AskError> {
        Ok(tokio::time::timeout(LIMIT, self.exchange(sql)).await.map_err(|_| AskError::TooSlow)??.1)
    }

    async fn exchange(&mut self, sql: &str) -> Result<(Vec<Row>, Option<SqlError>), AskError> {
        if std::mem::replace(&mut self.backend.unanswered, true) {
            return Err(AskError::Gone);
        }
        let Backend { reader, writer, framer, to_server, unanswered } = &mut *self.backend;
        // Rows are of interest here, so the messages are cut by a framer that keeps them whole.
        let mut whole = Framer::new(b"");
        std::mem::swap(&mut whole.buffer, &mut framer.buffer);
        to_server.extend_from_slice(&query(sql));
        writer.write_all_buf(to_server).await?;
        let mut rows = Vec::new();
        let mut error = None;
        loop {
            while let Some(Frame::Message(message)) = whole.next().map_err(|_| AskError::Garbled)? {
                match message.tag() {
                    b'D' => rows.push(row(&message).ok_or(AskError::Garbled)?),
                    b'E' => error = Some(super::sql_error(message.body())),
                    b'Z' => {
                        std::mem::swap(&mut whole.buffer, &mut framer.buffer);
                        *unanswered = false;
                        return Ok((rows, error));
                    }
                    // Notices, parameters and notifications may come at any time, and are the client's.
                    b'N' | b'S' | b'A' => self.to_client.extend_from_slice(message.bytes()),
                    _ => {}
                }
            }
            if reader.read_buf(&mut whole.buffer).await? == 0 {
                return Err(AskError::Gone);
            }
        }
    }
}

/// The fields of a row in text form; `None` if it is not one.
pub(super) fn row(message: &Message) -> Option<Row> {
    let mut body = message.body();
    let count = body.try_get_u16().ok()?;
    let mut fields = Row::new();
    for _ in 0..count {
        let field = match usize::try_from(body.try_get_i32().ok()?) {
            Ok(length) => {
                let (value, rest) = body.split_at_checked(length)?;
                body = rest;
                Some(String::from_utf8_lossy(value).into_owned())
            }
            Err(_) => None,
        };
        fields.push(field);
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_tells_null_from_the_empty_text() {
        let mut framer = Framer::new(b"");
        framer.buffer.extend_from_slice(b"D\0\0\0\x13\0\x03\0\0\0\x01x\xff\xff\xff\xff\0\0\0\0");
        let Ok(Some(Frame::Message(message))) = framer.next() else { panic!("not a message") };
        assert_eq!(row(&message), Some(vec![Some("x".to_owned()), None, Some(String::new())]));
    }
}
