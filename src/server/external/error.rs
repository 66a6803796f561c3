//! Why a server that somebody else started is not rehearsed on.

use crate::server::DATABASE;

/// Why a server that somebody else started is not rehearsed on.
#[derive(Debug, thiserror::Error)]
pub enum ExternalError {
    /// The variable with the URL is not there.
    #[error(
        "the variable {name}, which `[server.external]` takes the URL from, is not set: put the URL of a scratch server into it"
    )]
    NoVariable {
        /// Its name.
        name: String,
    },
    /// The URL cannot be used. The URL itself is not told: it may have a password.
    #[error("the URL of {of} cannot be used: {why}")]
    Url {
        /// Where it was found.
        of: String,
        /// What is wrong with it.
        why: String,
    },
    /// In place, but where?
    #[error(
        "the URL of {place} names no database, and `in_place` means the one that it names: write it behind the last `/`"
    )]
    NoDatabase {
        /// The server.
        place: String,
    },
    /// No session.
    #[error("the scratch server at {place} cannot be used: {why}")]
    NotReached {
        /// The server.
        place: String,
        /// What it, or the network, said.
        why: String,
    },
    /// Another server than the scenario says.
    #[error(
        "the server at {place} is {found}, and the scenario wants {wished}: change `[server] version` or `engine`, or the URL"
    )]
    Other {
        /// The server.
        place: String,
        /// What it is.
        found: String,
        /// What was wished for.
        wished: String,
    },
    /// Somebody works there.
    #[error(
        "others are connected to {place}, so it may not be scratch: {who}\n  nothing was done to it; end those sessions, or allow \
         them with `shared = true` beside the URL (what they do is then in the figures)"
    )]
    Shared {
        /// The server and database.
        place: String,
        /// The first of them.
        who: String,
    },
    /// It has something in it.
    #[error(
        "{place} is not empty, so it may not be scratch: it has {what}\n  nothing was done to it; name an empty database, or, if \
         this data is the snapshot and may be migrated, say `in_place = true` beside the URL"
    )]
    NotEmpty {
        /// The server and database.
        place: String,
        /// The first objects.
        what: String,
    },
    /// The name that we would use is taken.
    #[error(
        "the server at {place} has a database `{DATABASE}` already that no rehearsal made; rename it, or rehearse on it with its \
         name in the URL and `in_place = true`"
    )]
    Taken {
        /// The server.
        place: String,
    },
    /// Another run.
    #[error("another rehearsal is using the server at {place}; wait for its end")]
    InUse {
        /// The server.
        place: String,
    },
    /// It lacks what observing takes.
    #[error("the server at {place} cannot be observed: {why}")]
    NotObservable {
        /// The server.
        place: String,
        /// What is missing, and what to do.
        why: String,
    },
}

impl ExternalError {
    /// Whether the command line, its environment or the scenario has to be changed, and not the server.
    pub(crate) fn is_usage(&self) -> bool {
        matches!(self, Self::NoVariable { .. } | Self::Url { .. } | Self::NoDatabase { .. })
    }
}
