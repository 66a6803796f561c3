//! How a statement bears on transactions: whether it controls them, and whether it commits the one that is open.
//!
//! Judged by keywords. What a stored procedure does that is called is out of reach.

use super::command::name_of;
use super::cursor::Cursor;

/// What a statement does to the transaction it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// `BEGIN`, `START TRANSACTION`. One that is open is committed first.
    Begin,
    /// `COMMIT`; with `AND CHAIN` a new transaction begins at once.
    Commit {
        /// Whether it has `AND CHAIN`.
        chain: bool,
    },
    /// `ROLLBACK`; with `AND CHAIN` a new transaction begins at once.
    Rollback {
        /// Whether it has `AND CHAIN`.
        chain: bool,
    },
    /// `SET autocommit`: with 0, transactions begin by themselves from now on; with 1 after 0, what is open is committed.
    Autocommit(bool),
}

/// What a statement does to the transaction it is in; `None` if it is not about transactions. (Savepoints neither begin nor
/// end one.)
pub fn control(sql: impl AsRef<[u8]>) -> Option<Control> {
    let sql = sql.as_ref();
    let mut tokens = Cursor::new(sql);
    match name_of(sql).as_str() {
        "BEGIN" | "START TRANSACTION" => Some(Control::Begin),
        "COMMIT" => Some(Control::Commit { chain: chains(tokens) }),
        "ROLLBACK" => {
            tokens.next();
            tokens.eat("WORK");
            (!tokens.eat("TO")).then(|| Control::Rollback { chain: chains(tokens) })
        }
        "SET" => autocommit(tokens).map(Control::Autocommit),
        _ => None,
    }
}

/// `AND CHAIN`, and not `AND NO CHAIN`.
fn chains(mut tokens: Cursor<'_>) -> bool {
    tokens.any(|token| token.is("AND")) && tokens.eat("CHAIN")
}

/// What the session's `autocommit` is set to, if it is.
fn autocommit(mut tokens: Cursor<'_>) -> Option<bool> {
    tokens.next();
    let mut set = None;
    let mut is_global = false;
    while let Some(token) = tokens.next() {
        if token.is_any(&["GLOBAL", "PERSIST", "PERSIST_ONLY"]) {
            is_global = true;
        } else if token.is_symbol(b',') {
            is_global = false;
        } else if token.is("AUTOCOMMIT") && !is_global {
            let assigned = tokens.find(|token| token.is_symbol(b'=')).and_then(|_| tokens.next());
            set = assigned.map(|value| !(value.text == b"0" || value.is_any(&["OFF", "FALSE"]))).or(set);
        }
    }
    set
}

/// Whether a statement commits the transaction that is open before it, without being a `COMMIT` itself. It does so before it
/// is carried out, and so also where it then fails (but not if it cannot be understood at all).
///
/// Source: MySQL 9.7 manual, 15.3.3 "Statements That Cause an Implicit Commit"; MariaDB documentation, "SQL statements That
/// Cause an Implicit Commit". `UNLOCK TABLES` does so only where `LOCK TABLES` was sent before, which
/// began with a commit, and `SET autocommit = 1` only where it was 0 ([`Control::Autocommit`]).
pub fn commits_implicitly(sql: impl AsRef<[u8]>) -> bool {
    let sql = sql.as_ref();
    let command = name_of(sql);
    let (verb, object) = command.split_once(' ').unwrap_or((&command, ""));
    match (verb, object) {
        // Of temporary tables, only these two leave the transaction alone.
        ("CREATE" | "DROP", "TABLE" | "TABLE AS") => !is_temporary(sql),
        ("DROP", "PREPARE") => false,
        (
            "ALTER" | "CHANGE" | "CREATE" | "DROP" | "FLUSH" | "GRANT" | "INSTALL" | "RENAME" | "REVOKE" | "UNINSTALL",
            _,
        ) => true,
        ("BEGIN", what) => what.is_empty(),
        ("ANALYZE" | "CHECK" | "OPTIMIZE" | "REPAIR" | "TRUNCATE", kind) => matches!(kind, "TABLE" | "VIEW"),
        ("START" | "STOP", what) => matches!(what, "TRANSACTION" | "REPLICA" | "SLAVE"),
        ("CACHE" | "LOAD", what) => what == "INDEX",
        ("LOCK", what) => what == "TABLES",
        ("SET", what) => what == "PASSWORD",
        ("RESET", what) => what != "PERSIST",
        _ => false,
    }
}

/// Whether a statement changes the schema, or accounts, in a way that is there once it is done, and stays.
pub fn changes_schema(sql: impl AsRef<[u8]>) -> bool {
    let sql = sql.as_ref();
    let command = name_of(sql);
    let verb = command.split(' ').next().unwrap_or_default();
    matches!(verb, "ALTER" | "CREATE" | "DROP" | "GRANT" | "OPTIMIZE" | "RENAME" | "REVOKE" | "TRUNCATE")
        && commits_implicitly(sql)
}

/// The savepoint that a statement makes, or (true) goes back to; in capitals, since its name knows none.
pub fn savepoint(sql: impl AsRef<[u8]>) -> Option<(String, bool)> {
    let mut tokens = Cursor::new(sql.as_ref());
    let back = tokens.eat("ROLLBACK");
    if back {
        tokens.eat("WORK");
        if !tokens.eat("TO") {
            return None;
        }
        tokens.eat("SAVEPOINT");
    } else if !tokens.eat("SAVEPOINT") {
        return None;
    }
    tokens.next().map(|name| (name.upper().trim_matches('`').to_owned(), back))
}

/// `CREATE [OR REPLACE] TEMPORARY TABLE`, `DROP TEMPORARY TABLE`.
fn is_temporary(sql: &[u8]) -> bool {
    Cursor::new(sql).take_while(|token| !token.is_any(&["TABLE", "TABLES"])).any(|token| token.is("TEMPORARY"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_of_transactions_is_told_apart() {
        for (sql, expected) in [
            ("begin", Some(Control::Begin)),
            ("START TRANSACTION WITH CONSISTENT SNAPSHOT", Some(Control::Begin)),
            ("COMMIT WORK AND CHAIN", Some(Control::Commit { chain: true })),
            ("COMMIT AND NO CHAIN", Some(Control::Commit { chain: false })),
            ("ROLLBACK", Some(Control::Rollback { chain: false })),
            ("ROLLBACK WORK TO SAVEPOINT s", None),
            ("SAVEPOINT s", None),
            ("SET autocommit=0", Some(Control::Autocommit(false))),
            ("SET NAMES utf8, @@session.autocommit := ON", Some(Control::Autocommit(true))),
            ("SET GLOBAL autocommit=0", None),
            ("BEGIN NOT ATOMIC COMMIT; END", None),
            ("SELECT 'COMMIT'", None),
        ] {
            assert_eq!(control(sql), expected, "{sql}");
        }
    }

    #[test]
    fn what_commits_an_open_transaction_is_known() {
        for sql in [
            "ALTER TABLE t ADD a int",
            "CREATE INDEX i ON t (a)",
            "/*!50003 CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW SET @a=1 */",
            "CREATE TABLE t SELECT 1",
            "DROP TABLE t",
            "RENAME TABLE a TO b",
            "TRUNCATE t",
            "ANALYZE TABLE t",
            "OPTIMIZE TABLE t",
            "FLUSH TABLES",
            "GRANT SELECT ON t TO u",
            "SET PASSWORD = 'x'",
            "LOCK TABLES t WRITE",
            "BEGIN",
            "START TRANSACTION",
        ] {
            assert!(commits_implicitly(sql), "{sql}");
        }
        for sql in [
            "CREATE TEMPORARY TABLE temporary_t (a int)",
            "DROP TEMPORARY TABLE t",
            "UPDATE t SET a = 1",
            "COMMIT",
            "SET autocommit = 1",
            "SET foreign_key_checks = 0",
            "SAVEPOINT s",
            "CALL p()",
            "LOAD DATA INFILE 'x' INTO TABLE t",
            "SELECT 'ALTER TABLE'",
        ] {
            assert!(!commits_implicitly(sql), "{sql}");
        }
        assert!(commits_implicitly("DROP TABLE temporary"));
    }
}
