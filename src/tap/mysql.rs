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
mod conversation;
mod frame;
#[cfg(test)]
mod fuzz;
mod greeting;
mod parameters;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::either::Either;

use crate::observe::mysql::Observer;
use crate::observe::mysql::watch::{Answer, Watch};
use crate::server::access::socket;
use crate::server::{Access, Endpoint};
use conversation::Conversation;

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
    async fn begins(&mut self, sql: &str, version: Option<String>);
    fn begun(&mut self, began: Instant);
    async fn ended(&mut self, answer: Answer, ended: Instant);
    fn closed(&mut self, lost: bool);
}

impl Witness for Watch {
    fn connected(&mut self, connection_id: u32) {
        Watch::connected(self, connection_id);
    }

    async fn begins(&mut self, sql: &str, version: Option<String>) {
        Watch::begins(self, sql, version).await;
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

struct Relay<W> {
    client: OwnedReadHalf,
    client_writer: OwnedWriteHalf,
    server: ReadHalf<ServerStream>,
    server_writer: WriteHalf<ServerStream>,
    conversation: Conversation<W>,
}

impl<W: Witness> Relay<W> {
    async fn new(client: TcpStream, endpoint: &Endpoint, access: Access, witness: W) -> Result<Self, RelayError> {
        client.set_nodelay(true)?;
        let (client, client_writer) = client.into_split();
        let (server, server_writer) = tokio::io::split(connect(endpoint).await?);
        Ok(Self { client, client_writer, server, server_writer, conversation: Conversation::new(access, witness) })
    }

    async fn relay(mut self) -> Result<(), RelayError> {
        let result = self.run().await;
        self.conversation.closed();
        result
    }

    /// Reads from whoever speaks and writes to whoever listens. Neither waits for the other.
    async fn run(&mut self) -> Result<(), RelayError> {
        let Self { client, client_writer, server, server_writer, conversation } = self;
        loop {
            let may_read_client = conversation.from_client.buffer.len() < AHEAD && conversation.to_server.len() < AHEAD;
            let may_read_server = conversation.to_client.len() < AHEAD;
            conversation.from_client.make_room();
            conversation.from_server.make_room();
            tokio::select! {
                read = server.read_buf(&mut conversation.from_server.buffer), if may_read_server => {
                    let now = Instant::now();
                    if read? == 0 {
                        client_writer.write_all(&conversation.to_client).await?;
                        return Ok(());
                    }
                    conversation.server_spoke(now).await?;
                }
                read = client.read_buf(&mut conversation.from_client.buffer), if may_read_client => {
                    if read? == 0 {
                        let last_words = server_writer.write_all_buf(&mut conversation.to_server);
                        let _ = tokio::time::timeout(LAST_WORDS, last_words).await;
                        return Ok(());
                    }
                    conversation.client_spoke().await?;
                }
                wrote = server_writer.write_buf(&mut conversation.to_server), if !conversation.to_server.is_empty() => {
                    wrote?;
                }
                wrote = client_writer.write_buf(&mut conversation.to_client), if !conversation.to_client.is_empty() => {
                    wrote?;
                }
            }
        }
    }
}
