//! The tap for MySQL's protocol: one relay for each connection of the tool.
//!
//! Bytes are forwarded unchanged, but for the greeting, which offers neither encryption nor compression. A unit is a
//! query or the execution of a prepared statement; other commands pass without a word, and so do logins, whatever the
//! account's plugin. Limit: a client proves a password of `caching_sha2_password` without encryption only to a server that
//! has seen it since its last start or `FLUSH PRIVILEGES`. So a login of our own goes before each login to a server of
//! MySQL's own. An account that we do not know has to be one of another plugin, or its client to ask for the server's key.

mod answer;
#[cfg(test)]
mod clients;
mod command;
mod frame;
mod greeting;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::either::Either;

use crate::observe::mysql::Observer;
use crate::observe::mysql::watch::{Answer, Watch};
use crate::server::access::socket;
use crate::server::{Access, Endpoint};
use answer::{Expect, Reply, Turn};
use command::{Tracker, needed};
use frame::{FULL, Framer};
use greeting::{Agreed, curb};

/// A connection to the server.
type ServerStream = Either<UnixStream, TcpStream>;

/// As much is read from one side ahead of what the other side takes, or may be sent yet; then it has to wait. More than
/// the text of a statement that has to be there before the statement is forwarded.
const AHEAD: usize = 2 * command::TEXT_LIMIT;
/// How long a client that has left is waited for to be heard by the server.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why a connection ended other than by its client's wish.
#[derive(Debug, thiserror::Error)]
pub(super) enum RelayError {
    #[error("the tap's connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("a first packet is not of MySQL's protocol 4.1")]
    NotMysql,
    #[error("a client insists on encryption or compression, which it was not offered")]
    Insists,
    #[error("the server said what the tap does not understand: {0}")]
    Garbled(String),
}

/// Who is told where units begin and end.
trait Witness {
    fn connected(&mut self, connection_id: u32);
    async fn begins(&mut self, sql: &str);
    fn begun(&mut self, began: Instant);
    async fn ended(&mut self, answer: Answer, ended: Instant);
    fn closed(&mut self, lost: bool);
}

impl Witness for Watch {
    fn connected(&mut self, connection_id: u32) {
        Watch::connected(self, connection_id);
    }

    async fn begins(&mut self, sql: &str) {
        Watch::begins(self, sql).await;
    }

    fn begun(&mut self, began: Instant) {
        Watch::begun(self, began);
    }

    async fn ended(&mut self, answer: Answer, ended: Instant) {
        Watch::ended(self, answer, ended).await;
    }

    fn closed(&mut self, lost: bool) {
        Watch::closed(self, lost);
    }
}

/// Relays one connection until one side closes it.
pub(super) async fn relay(
    client: TcpStream,
    endpoint: &Endpoint,
    access: Access,
    observer: &Arc<Observer>,
) -> Result<(), RelayError> {
    Relay::new(client, endpoint, access, Watch::new(observer)).await?.relay().await
}

async fn connect(endpoint: &Endpoint) -> io::Result<ServerStream> {
    Ok(match endpoint {
        Endpoint::Unix { folder, port } => Either::Left(UnixStream::connect(socket(folder, *port)).await?),
        Endpoint::Tcp { host, port } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            stream.set_nodelay(true)?;
            Either::Right(stream)
        }
    })
}

/// How far the two sides have come to know each other.
#[derive(Debug, Clone, Copy)]
enum Acquaintance {
    /// The server has not greeted yet.
    None,
    /// It has, and offered this.
    Greeted(Agreed),
    /// The client has answered.
    Made,
}

struct Relay<W> {
    client: OwnedReadHalf,
    client_writer: OwnedWriteHalf,
    from_client: Framer,
    to_client: BytesMut,
    server: ReadHalf<ServerStream>,
    server_writer: WriteHalf<ServerStream>,
    from_server: Framer,
    to_server: BytesMut,
    acquaintance: Acquaintance,
    tracker: Tracker,
    reply: Reply,
    /// Whether the answer that is outstanding is that of a unit.
    unit: bool,
    /// Whether the client sends a file, up to an empty packet, and speaks although an answer is outstanding.
    file: bool,
    /// An account of the server.
    access: Access,
    witness: W,
}

impl<W: Witness> Relay<W> {
    async fn new(client: TcpStream, endpoint: &Endpoint, access: Access, witness: W) -> Result<Self, RelayError> {
        client.set_nodelay(true)?;
        let (client, client_writer) = client.into_split();
        let (server, server_writer) = tokio::io::split(connect(endpoint).await?);
        Ok(Self {
            client,
            client_writer,
            from_client: Framer::new(),
            to_client: BytesMut::new(),
            server,
            server_writer,
            from_server: Framer::new(),
            to_server: BytesMut::new(),
            acquaintance: Acquaintance::None,
            tracker: Tracker::default(),
            reply: Reply::new(),
            unit: false,
            file: false,
            access,
            witness,
        })
    }

    async fn relay(mut self) -> Result<(), RelayError> {
        let result = self.run().await;
        self.witness.closed(self.unit);
        result
    }

    /// Reads from whoever speaks and writes to whoever listens. Neither waits for the other.
    async fn run(&mut self) -> Result<(), RelayError> {
        loop {
            let may_read_client = self.from_client.buffer.len() < AHEAD && self.to_server.len() < AHEAD;
            let may_read_server = self.to_client.len() < AHEAD;
            self.from_client.make_room();
            self.from_server.make_room();
            tokio::select! {
                read = self.server.read_buf(&mut self.from_server.buffer), if may_read_server => {
                    let now = Instant::now();
                    if read? == 0 {
                        self.client_writer.write_all(&self.to_client).await?;
                        return Ok(());
                    }
                    self.server_spoke(now).await?;
                }
                read = self.client.read_buf(&mut self.from_client.buffer), if may_read_client => {
                    if read? == 0 {
                        let last_words = self.server_writer.write_all_buf(&mut self.to_server);
                        let _ = tokio::time::timeout(LAST_WORDS, last_words).await;
                        return Ok(());
                    }
                    self.client_spoke().await?;
                }
                wrote = self.server_writer.write_buf(&mut self.to_server), if !self.to_server.is_empty() => { wrote?; }
                wrote = self.client_writer.write_buf(&mut self.to_client), if !self.to_client.is_empty() => { wrote?; }
            }
        }
    }

    /// Forwards what the client has sent, as far as it may speak. While an answer is outstanding it may not: the server
    /// must stand still at the boundary when the observer looks.
    async fn client_spoke(&mut self) -> Result<(), RelayError> {
        loop {
            if self.from_client.inside() {
                self.to_server.extend_from_slice(&self.from_client.part());
                if self.from_client.inside() {
                    return Ok(());
                }
            }
            if let Acquaintance::Greeted(offered) = self.acquaintance {
                let Some(head) = self.from_client.head(32) else { return Ok(()) };
                self.reply.agreed = Agreed::answered(offered, head.bytes)?;
                self.acquaintance = Acquaintance::Made;
            } else if self.file {
                let (part, _) = self.from_client.run(u64::MAX, |length, _| length == 0);
                self.to_server.extend_from_slice(&part);
                let empty = self.from_client.head(0).is_some_and(|head| head.length == 0);
                if self.from_client.inside() || !empty {
                    return Ok(());
                }
                self.file = false;
            } else if matches!(self.reply.expect, Expect::Login | Expect::Stream) {
                let (part, _) = self.from_client.run(u64::MAX, |_, _| false);
                self.to_server.extend_from_slice(&part);
                return Ok(());
            } else if self.reply.expect == Expect::Nothing && !self.file {
                if !self.command().await {
                    return Ok(());
                }
            } else {
                return Ok(());
            }
            self.to_server.extend_from_slice(&self.from_client.part());
        }
    }

    /// Takes note of the command that the client sends next, if enough of it is there.
    async fn command(&mut self) -> bool {
        let Some(first) = self.from_client.head(1).map(|head| head.bytes.first().copied()) else { return false };
        let Some(head) = self.from_client.head(needed(first)) else { return false };
        let command = self.tracker.client_sends(&head, self.reply.agreed);
        self.reply.expect = command.expect;
        if let Some(sql) = command.sql {
            self.unit = true;
            self.witness.begins(&sql).await;
            self.witness.begun(Instant::now());
        }
        true
    }

    /// Forwards what the server has sent, and stops at the end of each unit to observe.
    async fn server_spoke(&mut self, now: Instant) -> Result<(), RelayError> {
        loop {
            // The greeting has to be seen.
            let greeted = !matches!(self.acquaintance, Acquaintance::None);
            let unseen = if greeted { self.reply.unseen() } else { 0 };
            if unseen > 0 || self.from_server.inside() {
                let (part, packets) =
                    self.from_server.run(unseen.max(1), |length, first| self.reply.stops(length, first));
                self.to_client.extend_from_slice(&part);
                self.reply.passed(packets);
                if self.from_server.inside() {
                    break;
                }
                if self.reply.unseen() != unseen {
                    continue;
                }
            }
            let Some(head) = self.from_server.head(FULL) else { break };
            if head.length == FULL {
                return Err(self.garbled());
            }
            if greeted {
                let turn = self.reply.takes(head.bytes).map_err(|_| self.garbled())?;
                self.turn(turn, now).await;
            } else {
                self.greeting().await?;
            }
            self.to_client.extend_from_slice(&self.from_server.part());
        }
        // What the client sent ahead may be waiting for this boundary.
        self.client_spoke().await
    }

    async fn turn(&mut self, turn: Turn, now: Instant) {
        match turn {
            Turn::GoesOn => {}
            Turn::File => self.file = true,
            Turn::Prepared(id) => self.tracker.prepared(id),
            Turn::Ended => {
                let answer = self.reply.take_answer();
                if self.unit {
                    self.witness.ended(answer, now).await;
                    self.unit = false;
                }
            }
        }
    }

    async fn greeting(&mut self) -> Result<(), RelayError> {
        let payload = self.from_server.payload();
        // The server may say at once that it takes no more connections.
        if payload.first() == Some(&0xff) {
            self.acquaintance = Acquaintance::Made;
            return Ok(());
        }
        let greeting = curb(payload)?;
        self.witness.connected(greeting.connection_id);
        self.reply.expect = Expect::Login;
        self.acquaintance = Acquaintance::Greeted(greeting.offered);
        if greeting.remembers_logins
            && let Err(reason) = self.access.ask().await
        {
            tracing::debug!(reason, "the tap could not log in before a client");
        }
        Ok(())
    }

    fn garbled(&self) -> RelayError {
        let start = self.from_server.buffer.iter().take(16).map(|byte| format!("{byte:02x} "));
        RelayError::Garbled(start.collect::<String>().trim_end().to_owned())
    }
}
