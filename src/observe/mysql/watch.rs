//! Watches one connection: the tap tells where units begin and end, and the server stands still at their ends.
//!
//! A unit is one command of the client: a text query (of one or several statements), the execution of a prepared
//! statement, or anything else that the server answers.

use std::sync::Arc;
use std::time::Instant;

use super::Observer;
use crate::run::SqlError;

/// What the server said to one statement of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// An OK packet.
    Done {
        /// Rows that it says were touched.
        affected: u64,
        /// Its human-readable text (`Records: 5  Duplicates: 0  Warnings: 0`).
        info: String,
    },
    /// A result set with so many rows.
    Rows(u64),
    /// An error, after which nothing more of the unit is run.
    Error(SqlError),
}

/// What the server said to one unit.
#[derive(Debug, Default)]
pub struct Answer {
    /// One for each statement that was answered.
    pub outcomes: Vec<Outcome>,
    /// Whether a transaction is open now (`SERVER_STATUS_IN_TRANS` of the last packet).
    pub in_transaction: bool,
}

/// Watches one connection.
#[derive(Debug)]
pub struct Watch {
    _observer: Arc<Observer>,
}

impl Watch {
    /// Watches a new connection.
    pub fn new(observer: &Arc<Observer>) -> Self {
        Self { _observer: Arc::clone(observer) }
    }

    /// The server told the connection id, in its greeting.
    pub fn connected(&mut self, _connection_id: u32) {}

    /// A unit with this text is about to be forwarded; the client waits until this returns. What has to be read before a
    /// statement (the definition of the table that it alters) is read here, outside the clock.
    #[expect(clippy::unused_async, reason = "it will ask the server")]
    pub async fn begins(&mut self, _sql: &str) {}

    /// Its first byte was forwarded.
    pub fn begun(&mut self, _began: Instant) {}

    /// The server answered, completely, with the last byte arriving at `ended`; the client sees nothing of the last packet
    /// until this returns.
    #[expect(clippy::unused_async, reason = "it will ask the server")]
    pub async fn ended(&mut self, _answer: Answer, _ended: Instant) {}

    /// The connection is closed; `lost` where an answer was outstanding.
    pub fn closed(&mut self, _lost: bool) {}
}
