//! The wire proxy between a migration tool and the scratch server: it marks where statements begin and end.
//!
//! A [`Tap`] listens on a loopback port that the system chose. Each connection's bytes are forwarded unchanged, unless [`Messages::Apart`] is wished; at
//! statement boundaries the observer is told, and at those where the server waits for the client anyway, the reply is
//! held back while the observer looks. Limits: TLS and GSS encryption are answered with no (the hop is loopback).

#[cfg(test)]
mod garbled;
pub mod mysql;
pub mod postgres;

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::observe::Observer;
use crate::server::{Access, Endpoint};

/// What is done with a message of several statements (PostgreSQL; MySQL has an event for each of them anyway).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Messages {
    /// It is forwarded as it is, and is one statement to the observer.
    Whole,
    /// Its statements are sent one by one, where the client cannot tell; each is observed by itself.
    Apart,
}

/// A listening tap. Dropping it closes every connection that goes through it.
#[derive(Debug)]
pub struct Tap {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Tap {
    /// Listens on a loopback port and relays to `server`, which `access` has an account of, telling `observer`.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(
        server: Endpoint,
        access: Access,
        observer: Observer,
        messages: Messages,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, server, access, observer, messages));
        Ok(Self { address, task })
    }

    /// The address to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, server: Endpoint, access: Access, observer: Observer, messages: Messages) {
    // Owned here, so that aborting this task drops the set and with it every relay.
    let mut relays = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    let (server, access, observer) = (server.clone(), access.clone(), observer.clone());
                    relays.spawn(async move {
                        let ended = match &observer {
                            Observer::Postgres(observer) => {
                                postgres::relay(client, &server, observer, messages).await.map_err(|error| error.to_string())
                            }
                            Observer::Mysql(observer) => {
                                mysql::relay(client, &server, access, observer).await.map_err(|error| error.to_string())
                            }
                        };
                        if let Err(error) = ended {
                            tracing::debug!(error, "a connection through the tap ended");
                        }
                    });
                }
                Err(error) => tracing::warn!(%error, "the tap could not accept a connection"),
            },
            Some(_) = relays.join_next() => {}
        }
    }
}
