//! Statements that cannot be queries of a set on PostgreSQL.

/// Why a statement that begins with this word (in capitals) cannot be a query of a set.
pub(in crate::query) fn refusal(first: &str) -> Option<&'static str> {
    match first {
        "BEGIN" | "START" | "COMMIT" | "END" | "ROLLBACK" | "ABORT" | "SAVEPOINT" | "RELEASE" => {
            Some("each query is run in a transaction of its own that is rolled back, so leave transactions out")
        }
        "PREPARE" | "EXECUTE" | "DEALLOCATE" | "DISCARD" => {
            Some("queries are prepared for you; give the statement itself")
        }
        "COPY" => Some("its data goes another way than a result's; give the SELECT or the INSERT in its place"),
        _ => None,
    }
}
