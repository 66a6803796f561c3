//! The tap for PostgreSQL's protocol: one relay for each connection of the tool.

mod apart;
mod ask;
mod frame;
#[cfg(test)]
mod fuzz;
mod refusal;
mod unit;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::either::Either;

use super::Messages;
use crate::observe::postgres::Observer;
use crate::observe::postgres::watch::{Answer, TransactionStatus, Watch};
use crate::server::Endpoint;
use apart::Apart;
use ask::Backend;
use frame::{Frame, Framer, Message, text};
use refusal::sql_error;
use unit::{Tracker, Unit};

/// A connection to the server.
type ServerStream = Either<UnixStream, TcpStream>;

/// What the server sends in bulk: rows and COPY data.
const SERVER_BULK: &[u8] = b"Dd";
/// What the client sends in bulk: COPY data.
const CLIENT_BULK: &[u8] = b"d";
/// As much is read from one side ahead of what the other side takes, or may be sent yet; then it has to wait. A message that is
/// longer is read to its end.
const AHEAD: usize = 1 << 20;
/// How long a client that has left is waited for to be heard by the server.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Codes that take the place of a protocol version in a first packet (manual, 54.7).
const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
/// A first packet longer than this is not PostgreSQL's (`MAX_STARTUP_PACKET_LENGTH`).
const FIRST_PACKET_LIMIT: usize = 10_000;

/// Why a connection ended other than by its client's wish.
#[derive(Debug, thiserror::Error)]
pub(super) enum RelayError {
    #[error("the tap's connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Garbled(String),
    #[error("a client's first packet is not PostgreSQL's")]
    NotPostgres,
    /// Its answer may still come, and the client would take it for its own.
    #[error("the server did not answer a question of the tap, so the connection was given up")]
    Unanswered,
    #[error("the server refused the tap's `{sql}`: {why}")]
    Refused { sql: String, why: String },
}

/// Relays one connection until one side closes it.
pub(super) async fn relay(
    mut client: TcpStream,
    endpoint: &Endpoint,
    observer: &Arc<Observer>,
    messages: Messages,
) -> Result<(), RelayError> {
    client.set_nodelay(true)?;
    let first = match first_packet(&mut client).await? {
        First::Packet(first) => first,
        First::Left { refused } => {
            if refused {
                observer.encryption_was_refused();
            }
            return Ok(());
        }
    };
    let mut server = connect(endpoint).await?;
    server.write_all(&first.bytes).await?;
    if first.code == CANCEL_REQUEST {
        // The server answers a cancel request by closing the connection, when it has acted on it.
        let _ = server.read(&mut [0; 1]).await;
        return Ok(());
    }
    let (from, to) = client.into_split();
    let mut relay = Relay {
        client: from,
        client_writer: to,
        from_client: Framer::new(CLIENT_BULK),
        backend: Backend::new(server, Framer::new(SERVER_BULK)),
        tracker: Tracker::default(),
        awaiting: VecDeque::new(),
        copy: Copy::No,
        answer: Answer::default(),
        watch: Watch::new(observer),
        to_client: BytesMut::new(),
        status: TransactionStatus::Idle,
        conforming: true,
        apart_wanted: messages == Messages::Apart,
        apart: None,
    };
    let result = relay.run().await;
    let _ = tokio::time::timeout(LAST_WORDS, relay.hear_out()).await;
    let lost = relay.awaiting.pop_front().map(|unit| unit.sql);
    relay.watch.closed(lost.is_some());
    result
}

struct FirstPacket {
    code: u32,
    bytes: Vec<u8>,
}

/// What comes first from a client.
enum First {
    Packet(FirstPacket),
    /// Nothing that is to be forwarded. `refused`: it asked for TLS, and left when it was told that there is none.
    Left {
        refused: bool,
    },
}

/// Reads packets until one that is to be forwarded: requests for encryption are answered with no.
async fn first_packet(client: &mut TcpStream) -> Result<First, RelayError> {
    let mut refused = false;
    loop {
        let mut head = [0; 8];
        if client.read_exact(&mut head).await.is_err() {
            return Ok(First::Left { refused });
        }
        let (length, code) = ((&head[..4]).get_u32() as usize, (&head[4..]).get_u32());
        if !(head.len()..=FIRST_PACKET_LIMIT).contains(&length) {
            return Err(RelayError::NotPostgres);
        }
        let mut bytes = head.to_vec();
        bytes.resize(length, 0);
        client.read_exact(&mut bytes[head.len()..]).await?;
        if code == SSL_REQUEST || code == GSS_REQUEST {
            client.write_all(b"N").await?;
            refused |= code == SSL_REQUEST;
            continue;
        }
        return Ok(First::Packet(FirstPacket { code, bytes }));
    }
}

async fn connect(endpoint: &Endpoint) -> io::Result<ServerStream> {
    Ok(match endpoint {
        Endpoint::Unix { folder, port } => {
            Either::Left(UnixStream::connect(folder.join(format!(".s.PGSQL.{port}"))).await?)
        }
        Endpoint::Tcp { host, port } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            stream.set_nodelay(true)?;
            Either::Right(stream)
        }
    })
}

/// Whether the client is sending COPY data, during which it speaks although an answer is outstanding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copy {
    No,
    /// The server asked for data.
    Sending,
    /// The client said that it has no more.
    Done,
}

struct Relay {
    client: OwnedReadHalf,
    client_writer: OwnedWriteHalf,
    from_client: Framer,
    backend: Backend,
    tracker: Tracker,
    /// Units whose answer is outstanding. More than one only if the client sent ahead before it was made to wait.
    awaiting: VecDeque<Unit>,
    copy: Copy,
    answer: Answer,
    watch: Watch,
    to_client: BytesMut,
    /// As the server said it last.
    status: TransactionStatus,
    /// Whether a backslash in a string is one, as the server said it last.
    conforming: bool,
    /// Whether messages of several statements are sent in parts.
    apart_wanted: bool,
    /// The one that is.
    apart: Option<Apart>,
}

impl Relay {
    /// Reads from whoever speaks and writes to whoever listens. Neither waits for the other: a server that cannot get
    /// rid of its notices takes no COPY data, and a client that cannot get rid of its data may read nothing.
    async fn run(&mut self) -> Result<(), RelayError> {
        loop {
            let Backend { reader, writer, framer, to_server, .. } = &mut self.backend;
            let enough = AHEAD.max(self.from_client.wanted());
            let may_read_client = self.from_client.buffer.len() < enough && to_server.len() < AHEAD;
            let may_read_server = self.to_client.len() < AHEAD;
            tokio::select! {
                read = reader.read_buf(&mut framer.buffer), if may_read_server => {
                    let now = Instant::now();
                    if read? == 0 {
                        self.client_writer.write_all(&self.to_client).await?;
                        return Ok(());
                    }
                    self.server_spoke(now).await?;
                }
                read = self.client.read_buf(&mut self.from_client.buffer), if may_read_client => {
                    if read? == 0 {
                        let _ = tokio::time::timeout(LAST_WORDS, writer.write_all_buf(to_server)).await;
                        return Ok(());
                    }
                    self.client_spoke().await?;
                }
                wrote = writer.write_buf(to_server), if !to_server.is_empty() => { wrote?; }
                wrote = self.client_writer.write_buf(&mut self.to_client), if !self.to_client.is_empty() => { wrote?; }
            }
        }
    }

    /// Whether the client's next message may reach the server. While an answer is outstanding it may not: the
    /// server must stand still at the boundary when the observer asks.
    fn client_may_speak(&self) -> bool {
        self.awaiting.is_empty() || self.copy == Copy::Sending
    }

    /// Forwards what the client has sent, as far as it may speak.
    async fn client_spoke(&mut self) -> Result<(), RelayError> {
        while self.client_may_speak() {
            match self.from_client.next().map_err(garbled)? {
                None => break,
                Some(Frame::Bulk(part)) => self.backend.to_server.extend_from_slice(&part),
                Some(Frame::Message(message)) => {
                    if self.takes_apart(&message).await? {
                        continue;
                    }
                    self.client_sends(&message);
                    self.backend.to_server.extend_from_slice(message.bytes());
                }
            }
        }
        Ok(())
    }

    fn client_sends(&mut self, message: &Message) {
        if self.copy == Copy::Sending {
            let extended = self.awaiting.front().is_some_and(|unit| unit.extended);
            match message.tag() {
                b'c' | b'f' if !extended => self.copy = Copy::Done,
                // In the extended protocol a Sync follows the end of the data; one before it is not heard.
                b'S' if extended => self.copy = Copy::Done,
                _ => {}
            }
            return;
        }
        if let Some(unit) = self.tracker.client_sends(message, Instant::now()) {
            if !unit.sql.is_empty() {
                self.watch.begun(&unit.sql, unit.version.clone(), unit.began);
            }
            self.awaiting.push_back(unit);
        }
    }

    /// A client that was told an error may leave before the server is ready again, and the statement has failed all the same:
    /// what is still to come of its answer is read for the record.
    async fn hear_out(&mut self) -> Result<(), RelayError> {
        while self.answer.error.is_some() && !self.awaiting.is_empty() {
            self.copy = Copy::No;
            if self.backend.reader.read_buf(&mut self.backend.framer.buffer).await? == 0 {
                break;
            }
            self.server_spoke(Instant::now()).await?;
        }
        Ok(())
    }

    /// Forwards what the server has sent, and stops at each boundary to observe.
    async fn server_spoke(&mut self, now: Instant) -> Result<(), RelayError> {
        while let Some(frame) = self.backend.framer.next().map_err(garbled)? {
            match frame {
                Frame::Bulk(part) => self.to_client.extend_from_slice(&part),
                Frame::Message(message) => {
                    match message.tag() {
                        b'K' => self.watch.backend(process_id(message.body())),
                        b'C' => {
                            self.answer.tags.push(text(message.body()).0);
                            if let Some(message) = self.completed(message) {
                                self.to_client.extend_from_slice(message.bytes());
                            }
                            continue;
                        }
                        b'S' => self.reported(message.body()),
                        b'E' => self.answer.error = Some(sql_error(message.body())),
                        b'G' | b'W' => self.copy = Copy::Sending,
                        b'Z' => {
                            self.ready(&message, now).await?;
                            continue;
                        }
                        _ => {}
                    }
                    self.to_client.extend_from_slice(message.bytes());
                }
            }
        }
        // What the client sent ahead may be waiting for this boundary.
        self.client_spoke().await
    }

    /// Observes, and tells the client that the server is ready, if it is for the client.
    async fn ready(&mut self, message: &Message, now: Instant) -> Result<(), RelayError> {
        self.copy = Copy::No;
        let status = TransactionStatus::from_byte(message.body().first().copied().unwrap_or(b'I'));
        self.status = status;
        let answer = std::mem::take(&mut self.answer);
        let Some(unit) = self.awaiting.front() else {
            self.to_client.extend_from_slice(message.bytes());
            return Ok(());
        };
        if unit.sql.is_empty() {
            self.watch.passed(status);
            self.awaiting.pop_front();
            self.to_client.extend_from_slice(message.bytes());
            return Ok(());
        }
        self.finish_bulk().await?;
        let failed = answer.error.is_some();
        let mut asked = self.backend.ask(&mut self.to_client);
        self.watch.ended(answer, status, now, &mut asked).await;
        if self.backend.unanswered {
            return Err(RelayError::Unanswered);
        }
        if self.apart.is_some() {
            return self.part_ended(failed, message).await;
        }
        self.awaiting.pop_front();
        self.to_client.extend_from_slice(message.bytes());
        Ok(())
    }

    /// The server reported a setting.
    fn reported(&mut self, body: &[u8]) {
        let (name, rest) = text(body);
        if name == "standard_conforming_strings" {
            self.conforming = text(rest).0 == "on";
        }
    }

    /// A COPY that failed is answered while the client still sends data. A question must not come between the parts of
    /// a message.
    async fn finish_bulk(&mut self) -> Result<(), RelayError> {
        while let Some(part) = self.from_client.rest_of_bulk() {
            self.backend.to_server.extend_from_slice(&part);
            if self.from_client.in_bulk() && self.client.read_buf(&mut self.from_client.buffer).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
        Ok(())
    }
}

/// The process that serves a connection, of the server's key data; 0 where it does not say.
fn process_id(body: &[u8]) -> u32 {
    body.first_chunk().map_or(0, |id| u32::from_be_bytes(*id))
}

fn garbled(error: impl std::fmt::Display) -> RelayError {
    RelayError::Garbled(error.to_string())
}
