//! Sending to MySQL and MariaDB: one statement a packet, in one session, by the text protocol, as the `mysql` client does.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::stream::{self, StreamExt};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder};
use tokio::io::AsyncReadExt;

use super::SendError;
use crate::migration::plan::Plan;
use crate::sql::Statement;

/// The largest packet of the protocol's limit for `max_allowed_packet` (1 GB). The server refuses what is too large for it.
const LARGEST_PACKET: usize = 1 << 30;
/// Seconds after which the driver would ask whether the server is still there; the server's own default.
const WAIT: usize = 28_800;
/// A file is sent in pieces of this size.
const PIECE: usize = 64 * 1024;

/// Applies one file on a connection of its own, as [`super::apply`] does.
pub(super) async fn apply(
    opts: &Opts,
    plan: &Plan,
    folder: &Path,
    at_line: impl Fn(Option<u32>),
) -> Result<(), SendError> {
    let connected = connect(opts, folder).await;
    let mut connection = connected.map_err(|error| SendError::Connect(error.into()))?;
    let mut result = Ok(());
    for statement in plan.groups.iter().flat_map(|group| &group.statements) {
        at_line(Some(statement.line));
        if let Err(error) = send(&mut connection, statement).await {
            result = Err(SendError::Statement { line: statement.line, source: error.into() });
            break;
        }
    }
    if result.is_ok() {
        at_line(None);
    }
    // Nothing can be lost any more: every statement was answered. Where the server is gone, that was said.
    let _ = connection.disconnect().await;
    result
}

/// Opens a session in which nothing is sent that is not in the file: the driver would ask for two settings.
pub(in crate::migration) async fn connect(opts: &Opts, folder: &Path) -> Result<Conn, mysql_async::Error> {
    let folder = folder.to_owned();
    let opts = OptsBuilder::from_opts(opts.clone())
        .max_allowed_packet(Some(LARGEST_PACKET))
        .wait_timeout(Some(WAIT))
        .local_infile_handler(Some(move |name: &[u8]| {
            let path = folder.join(String::from_utf8_lossy(name).as_ref());
            async move { read_file(path).await.map_err(mysql_async::LocalInfileError::from) }.boxed()
        }));
    Conn::new(opts).await
}

/// Sends a statement and drops its results, all of them.
pub(in crate::migration) async fn send(connection: &mut Conn, statement: &Statement) -> Result<(), mysql_async::Error> {
    connection.query_iter(statement.text.as_str()).await?.drop_result().await
}

/// The content of a file that `LOAD DATA LOCAL` asks for, in pieces.
async fn read_file(path: PathBuf) -> std::io::Result<mysql_async::InfileData> {
    let named = |error: std::io::Error| {
        std::io::Error::new(error.kind(), format!("cannot read {} for LOAD DATA LOCAL: {error}", path.display()))
    };
    let file = tokio::fs::File::open(&path).await.map_err(named)?;
    let pieces = stream::unfold(Some(file), async |file| {
        let mut file = file?;
        let mut piece = Vec::with_capacity(PIECE);
        match (&mut file).take(PIECE as u64).read_to_end(&mut piece).await {
            Ok(0) => None,
            Ok(_) => Some((Ok(Bytes::from(piece)), Some(file))),
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(pieces.boxed())
}

/// An error in a sentence: the server's message with its number and SQLSTATE, and not the driver's words around it.
pub(super) fn message(error: &mysql_async::Error) -> String {
    match error {
        mysql_async::Error::Server(error) => format!("{} [{}, {}]", error.message, error.code, error.state),
        mysql_async::Error::Io(error) => format!("the connection to the scratch server was lost: {error}"),
        mysql_async::Error::Driver(mysql_async::DriverError::ConnectionClosed) => {
            "the connection to the scratch server was lost".to_owned()
        }
        _ => error.to_string(),
    }
}
