//! The tap for MySQL's protocol: one relay for each connection of the tool.

use std::sync::Arc;

use tokio::net::TcpStream;

use crate::observe::mysql::Observer;
use crate::server::Endpoint;

/// Why a connection ended other than by its client's wish.
#[derive(Debug, thiserror::Error)]
pub(super) enum RelayError {
    #[error("the tap's connection failed: {0}")]
    Io(#[from] std::io::Error),
}

/// Relays one connection until one side closes it.
#[expect(clippy::unused_async, reason = "it will relay")]
pub(super) async fn relay(
    _client: TcpStream,
    _endpoint: &Endpoint,
    _observer: &Arc<Observer>,
) -> Result<(), RelayError> {
    unimplemented!("the tap for MySQL")
}
