//! What a query did: the facts that are compared.

use std::time::Duration;

use super::digest::Digest;
use crate::run::Column;

/// What a query did.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The columns of its result.
    pub(super) columns: Vec<Column>,
    /// What its rows say.
    pub(super) digest: Digest,
    /// From sending it to its last row.
    pub(super) duration: Duration,
}
