//! A disk that is full: the machine's failure, and not the migration's.

use super::RehearseError;
use crate::run::Statement;
use crate::server::Server;

/// The errno ENOSPC, as PostgreSQL, MySQL and MariaDB put it into their logs.
const WORDS: &str = "No space left on device";

/// The failure of the machine that made the last statement fail, if it was that one.
pub(super) async fn full(statements: &[Statement], server: &Server) -> Option<RehearseError> {
    let error = statements.iter().rev().find_map(|statement| statement.error.as_ref())?;
    // PostgreSQL's disk_full says so itself. The others, ER_DISK_FULL, ER_GET_ERRNO (what MariaDB makes of it in a bulk load) and
    // ER_RECORD_FILE_FULL, have further causes, so the log has to say so too.
    let told = error.sqlstate == "53100"
        || matches!(error.code, Some(3 | 14 | 20 | 1021 | 1030 | 1114)) && server.log().await.contains(WORDS);
    told.then(|| RehearseError::DiskFull { place: server.disk() })
}

/// A segment of PostgreSQL's write-ahead log: a server that cannot make the next one ends itself, and takes away what it has of it.
const SEGMENT: u64 = 16 << 20;

/// The failure of the machine that took the server with it, if it was that one, by the server's whole log. That may have found
/// no room on the same disk, so the disk is looked at as well.
pub(super) fn ended(server: &Server, log: &str) -> Option<RehearseError> {
    let told = log.contains(WORDS) || server.free_bytes().is_some_and(|free| free < SEGMENT);
    told.then(|| RehearseError::DiskFull { place: server.disk() })
}
