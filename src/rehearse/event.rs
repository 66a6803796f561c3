//! What happens during a rehearsal, as the stages tell it. Progress bars and the builder of the record both only listen.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::observe::probe::Stall;
use crate::run::{Migration, Millis, Overhead, QueryResult, ServerFacts, SnapshotFacts, Statement};

/// A stage of the rehearsal, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Starting the scratch server.
    Server,
    /// Restoring and growing the data.
    Snapshot,
    /// Applying migrations, with the query sets before, between and after.
    Migrations,
    /// Applying them again on a fresh server, with probes that feel how long others wait.
    SecondPass,
    /// Stopping the server and removing what was made for it.
    Cleanup,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A stage began.
    Begun(Stage),
    /// It ended well, after this long.
    Ended(Stage, Duration),
    /// Something that a reader of the figures should know.
    Note(String),
    /// The server is left running: how to reach it, which is for the terminal and no record, since it may hold a password.
    Kept(String),
    /// The server answers.
    Server(ServerFacts),
    /// How far the data is.
    Filling {
        /// What is being done (`restoring shop.dump`).
        what: String,
        /// Bytes or rows done.
        done: u64,
        /// Of how many, where that is known beforehand.
        total: Option<u64>,
    },
    /// The data is there.
    Snapshot(SnapshotFacts),
    /// The pending migrations, none of them run yet.
    Pending(Vec<Migration>),
    /// The migration of this index began.
    MigrationBegun(usize),
    /// A statement of it was sent.
    StatementBegun(String),
    /// The server has answered.
    StatementEnded(Duration),
    /// The migration of this index is over: everything that is known of it.
    MigrationEnded(usize, Box<Migration>),
    /// Queries are being run at this point.
    QueriesBegun(String),
    /// What came of them.
    Queries(Vec<QueryResult>),
    /// What measuring cost.
    Overhead(Overhead),
    /// The statements of the migration of this index as the second pass saw them, with messages taken apart.
    TakenApart {
        /// Which migration.
        migration: usize,
        /// Its statements.
        statements: Vec<Statement>,
    },
    /// What probes felt while the migration of this index ran in the second pass; waits below the noise floor are what the
    /// machine does by itself.
    Stalled {
        /// Which migration.
        migration: usize,
        /// What was felt, by table.
        stalls: Vec<Stall>,
        /// The noise floor.
        noise_floor: Millis,
    },
}

/// Where stages send their events. Sending never waits and never fails: a listener that is gone misses them.
#[derive(Debug, Clone)]
pub struct Events(UnboundedSender<Event>);

impl Events {
    /// Sends to this channel.
    pub fn new(sender: UnboundedSender<Event>) -> Self {
        Self(sender)
    }

    /// Tells the listeners.
    pub fn send(&self, event: Event) {
        let _ = self.0.send(event);
    }

    /// Tells a note.
    pub fn note(&self, text: impl Into<String>) {
        self.send(Event::Note(text.into()));
    }
}
