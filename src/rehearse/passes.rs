//! Whether the migrations are applied a second time.

use super::second_pass::Touched;
use crate::scenario::SnapshotWish;
use crate::server::Server;
use crate::server::clone::Means;
use crate::snapshot::store;

/// How often the migrations are applied. The second pass feels how long readers and writers wait, and takes messages of
/// several statements apart, on a server that is filled alike.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Passes {
    /// Twice where the second server has its data in a moment, and where there is something that only it can tell.
    #[default]
    IfCheap,
    /// Once.
    One,
    /// Twice, whatever it takes.
    Two,
}

impl Passes {
    /// Whether there is to be a second pass after the first, which touched this. It depends on what was wished and seen, not
    /// on how fast this machine is: a scenario has as many passes everywhere where its data is cloned alike.
    pub(super) fn again(self, second_is_cheap: bool, touched: &[Touched]) -> bool {
        match self {
            Self::One => false,
            Self::Two => !touched.is_empty(),
            Self::IfCheap => second_is_cheap && Touched::leave_questions(touched),
        }
    }
}

/// Whether another server that is filled as this one is had in a moment.
pub(super) fn is_cheap(server: &Server, wish: &SnapshotWish) -> bool {
    match server.cloned() {
        // There is one of somebody else's, which would have to be emptied first.
        _ if !server.is_ours() => false,
        Some((Means::Reflink, _)) => true,
        Some((Means::Copy, _)) => !store::is_copied_long(wish),
        None => !store::is_large(wish),
    }
}
