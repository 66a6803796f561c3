//! Statements that cannot be queries of a set on MySQL and MariaDB, because a rollback would not undo them.
//!
//! Only what is known to be undone is let through. What hides behind a `CALL` is not seen here: the server itself refuses
//! to commit in the transaction that a query is run in (see `execute.rs`).

/// Every statement that a query may be, by its first word. `DESC` and its like only read.
const ACCEPTED: &[&str] = &[
    "SELECT", "WITH", "TABLE", "VALUES", "INSERT", "REPLACE", "UPDATE", "DELETE", "CALL", "DO", "SHOW", "EXPLAIN",
    "DESCRIBE", "DESC", "CHECKSUM",
];

/// Of those, the ones that change nothing.
const READING: &[&str] = &["SELECT", "TABLE", "VALUES", "SHOW", "EXPLAIN", "DESCRIBE", "DESC", "CHECKSUM"];

/// Whether a statement with these words (in capitals) may change a table by itself.
pub(super) fn may_write(words: &[String]) -> bool {
    // `WITH … SELECT` reads, `WITH … DELETE` does not.
    match words.first().map(String::as_str) {
        Some("WITH") => words.iter().any(|word| word == "UPDATE" || word == "DELETE"),
        Some(first) => !READING.contains(&first),
        None => false,
    }
}

/// Why a statement with these words (in capitals) cannot be a query of a set.
pub(in crate::query) fn refusal(words: &[String]) -> Option<&'static str> {
    let first = words.first().map_or("", String::as_str);
    if words.windows(2).any(|pair| pair[0] == "INTO" && (pair[1] == "OUTFILE" || pair[1] == "DUMPFILE")) {
        return Some("it writes a file on the server, which no rollback removes; give the SELECT alone");
    }
    if ACCEPTED.contains(&first) {
        return None;
    }
    Some(match first {
        "BEGIN" | "START" | "COMMIT" | "END" | "ROLLBACK" | "SAVEPOINT" | "RELEASE" | "XA" => {
            "each query is run in a transaction of its own that is rolled back, so leave transactions out"
        }
        "PREPARE" | "EXECUTE" | "DEALLOCATE" => "queries are prepared for you; give the statement itself",
        "LOAD" => "its data goes another way than a result's; give an INSERT in its place",
        "SET" | "USE" | "RESET" => "what it sets outlives the transaction in which each query is run; leave it out",
        "CREATE" | "ALTER" | "DROP" | "RENAME" | "TRUNCATE" | "LOCK" | "UNLOCK" | "FLUSH" | "GRANT" | "REVOKE"
        | "ANALYZE" | "OPTIMIZE" | "REPAIR" | "CHECK" | "INSTALL" | "UNINSTALL" | "IMPORT" | "CACHE" => {
            "the server commits before it runs, so it cannot be undone; queries must leave the data as it is"
        }
        _ => {
            "it is not known to be undone by a rollback; a query is a SELECT, WITH, TABLE, VALUES, INSERT, REPLACE, UPDATE, \
             DELETE, CALL, DO, SHOW or EXPLAIN"
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(sql: &str) -> Vec<String> {
        sql.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn what_would_commit_is_refused_with_the_reason() {
        for (sql, reason) in [
            ("ALTER TABLE T", "the server commits"),
            ("TRUNCATE T", "the server commits"),
            ("LOCK TABLES T WRITE", "the server commits"),
            ("COMMIT", "leave transactions out"),
            ("SET NAMES", "outlives the transaction"),
            ("LOAD DATA", "another way"),
            ("SELECT A INTO OUTFILE", "writes a file"),
            ("HANDLER T OPEN", "not known"),
        ] {
            let why = refusal(&words(sql)).expect(sql);
            assert!(why.contains(reason), "{sql}: {why}");
        }
        for sql in ["SELECT 1", "WITH A AS", "REPLACE INTO T", "CALL P"] {
            assert_eq!(refusal(&words(sql)), None, "{sql}");
        }
    }

    #[test]
    fn writers_are_told_from_readers() {
        for (sql, writes) in [
            ("SELECT 1", false),
            ("WITH A AS SELECT", false),
            ("WITH A AS DELETE FROM T", true),
            ("INSERT INTO T", true),
            ("CALL P", true),
        ] {
            assert_eq!(may_write(&words(sql)), writes, "{sql}");
        }
    }
}
