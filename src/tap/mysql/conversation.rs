//! What the two sides of a connection say, apart from how it is carried: what may be handed on, and where units begin and end.

use std::time::Instant;

use bytes::BytesMut;

use super::answer::{Expect, Reply, Turn};
use super::command::{Tracker, needed};
use super::frame::{FULL, Framer};
use super::greeting::{Agreed, curb};
use super::{RelayError, Witness};
use crate::server::Access;

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

/// What has been read of the two sides, and is to be written to them.
pub(super) struct Conversation<W> {
    pub(super) from_client: Framer,
    pub(super) to_client: BytesMut,
    pub(super) from_server: Framer,
    pub(super) to_server: BytesMut,
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

impl<W: Witness> Conversation<W> {
    pub(super) fn new(access: Access, witness: W) -> Self {
        Self {
            from_client: Framer::new(),
            to_client: BytesMut::new(),
            from_server: Framer::new(),
            to_server: BytesMut::new(),
            acquaintance: Acquaintance::None,
            tracker: Tracker::default(),
            reply: Reply::new(),
            unit: false,
            file: false,
            access,
            witness,
        }
    }

    /// Nobody says anything any more.
    pub(super) fn closed(&mut self) {
        self.witness.closed(self.unit);
    }

    /// Forwards what the client has sent, as far as it may speak. While an answer is outstanding it may not: the server
    /// must stand still at the boundary when the observer looks.
    pub(super) async fn client_spoke(&mut self) -> Result<(), RelayError> {
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
            self.witness.begins(&sql, command.version).await;
            self.witness.begun(Instant::now());
        }
        true
    }

    /// Forwards what the server has sent, and stops at the end of each unit to observe.
    pub(super) async fn server_spoke(&mut self, now: Instant) -> Result<(), RelayError> {
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
