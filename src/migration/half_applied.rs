//! What a migration that failed left behind on an engine that cannot roll all of it back, and where a second try fails.
//!
//! What stayed is told from the statements that were observed, connection by connection: a change of the schema stays, and so
//! do rows that were changed in autocommit or whose transaction was committed, be it by a change of the schema. What was
//! in an open transaction does not. Limits: rows of tables whose engine knows no transactions (MyISAM) stay whatever is
//! told here, and a procedure that commits or changes the schema is taken for one that only changes rows.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::plan::Plan;
use super::sql::mysql;
use crate::run::{Rerun, SqlError, Statement, StatementStatus};
use crate::server::Access;
use crate::sql::mysql::command::name_of;
use crate::sql::mysql::transaction::{Control, changes_schema, commits_implicitly, control, savepoint};

/// A second try that takes longer than this tells nothing.
const LIMIT: Duration = Duration::from_secs(60);
/// A statement that cannot be understood does nothing at all, and so commits nothing (`ER_PARSE_ERROR`).
const NOT_UNDERSTOOD: u32 = 1064;
/// Statements that change rows.
const CHANGES_OF_ROWS: [&str; 7] = ["CALL", "DELETE", "INSERT", "LOAD DATA", "LOAD XML", "REPLACE", "UPDATE"];

/// A session: what it has changed and not committed, and the savepoints between.
#[derive(Debug, Default)]
struct Session {
    in_transaction: bool,
    no_autocommit: bool,
    uncommitted: Vec<usize>,
    savepoints: Vec<(String, usize)>,
}

/// The statements (as indexes) whose effects stayed once every session was over.
pub fn kept(statements: &[Statement]) -> Vec<usize> {
    let mut sessions: BTreeMap<u32, Session> = BTreeMap::new();
    let mut kept = Vec::new();
    for (index, statement) in statements.iter().enumerate() {
        sessions.entry(statement.connection).or_default().take(index, statement, &mut kept);
    }
    kept.sort_unstable();
    kept
}

impl Session {
    fn take(&mut self, index: usize, statement: &Statement, kept: &mut Vec<usize>) {
        let sql = &statement.sql;
        let code = statement.error.as_ref().and_then(|error| error.code);
        if commits_implicitly(sql) && code != Some(NOT_UNDERSTOOD) {
            self.commit(false, kept);
        }
        if statement.status != StatementStatus::Ok {
            return;
        }
        match control(sql) {
            Some(Control::Begin) => self.in_transaction = true,
            Some(Control::Commit { chain }) => self.commit(chain, kept),
            Some(Control::Rollback { chain }) => {
                self.uncommitted.clear();
                self.commit(chain, kept);
            }
            Some(Control::Autocommit(on)) => {
                if on && self.no_autocommit {
                    self.commit(false, kept);
                }
                self.no_autocommit = !on;
            }
            None if changes_schema(sql) => kept.push(index),
            None if CHANGES_OF_ROWS.contains(&name_of(sql).as_str()) && statement.rows != Some(0) => {
                if self.in_transaction || self.no_autocommit {
                    self.uncommitted.push(index);
                } else {
                    kept.push(index);
                }
            }
            None => self.savepoint(sql),
        }
    }

    fn commit(&mut self, chain: bool, kept: &mut Vec<usize>) {
        kept.append(&mut self.uncommitted);
        self.savepoints.clear();
        self.in_transaction = chain;
    }

    /// `SAVEPOINT` takes note of how much is uncommitted, and `ROLLBACK TO` goes back there.
    fn savepoint(&mut self, sql: &str) {
        let Some((name, back)) = savepoint(sql) else { return };
        if back {
            let earlier = self.savepoints.iter().rev().find(|(known, _)| *known == name);
            self.uncommitted.truncate(earlier.map_or(usize::MAX, |(_, length)| *length));
        } else {
            self.savepoints.push((name, self.uncommitted.len()));
        }
    }
}

/// Tries a file once more on a session of its own, up to the first statement that fails; gives that where it comes before the
/// statement at `failed` (its place in the plan), at which the first try ended.
///
/// The database is not to be used for anything after this.
pub async fn second_try(access: &Access, plan: &Plan, folder: &Path, failed: usize) -> Option<Rerun> {
    let Access::Mysql(opts) = access else { return None };
    let attempt = async {
        let mut connection = mysql::connect(opts, folder).await.ok()?;
        let statements = plan.groups.iter().flat_map(|group| &group.statements);
        let mut rerun = None;
        for statement in statements.take(failed) {
            match mysql::send(&mut connection, statement).await {
                Ok(()) => {}
                Err(mysql_async::Error::Server(error)) => {
                    let error = SqlError {
                        sqlstate: error.state,
                        code: Some(error.code.into()),
                        message: error.message,
                        ..SqlError::default()
                    };
                    rerun = Some(Rerun { line: statement.line, error });
                    break;
                }
                // The connection is gone, which says nothing about the file.
                Err(_) => return None,
            }
        }
        let _ = connection.disconnect().await;
        rerun
    };
    tokio::time::timeout(LIMIT, attempt).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Statements as they come on record: `!` before one says that it failed, `?` that it could not be understood.
    fn record(sql: &[&str]) -> Vec<Statement> {
        let one = |sql: &&str| {
            let (status, code) = match sql.as_bytes()[0] {
                b'!' => (StatementStatus::Error, Some(1060)),
                b'?' => (StatementStatus::Error, Some(NOT_UNDERSTOOD)),
                _ => (StatementStatus::Ok, None),
            };
            let error = code.map(|code| SqlError { code: Some(code), ..SqlError::default() });
            statement(sql.trim_start_matches(['!', '?']), status, error)
        };
        sql.iter().map(one).collect()
    }

    fn statement(sql: &str, status: StatementStatus, error: Option<SqlError>) -> Statement {
        let none = serde_json::json!({
            "line": 1, "connection": 1, "sql": sql, "command": "", "status": "ok", "in_transaction": false,
            "duration_ms": 1.0, "locks": null, "rewrites": null, "scans": null, "counters": {}
        });
        let plain: Statement = serde_json::from_value(none).expect("a record");
        Statement { status, error, ..plain }
    }

    #[test]
    fn what_stays_is_what_nothing_rolled_back() {
        for (statements, expected) in [
            (&["ALTER TABLE t ADD n int", "CREATE TABLE m (a int)", "!ALTER TABLE t ADD UNIQUE (b)"][..], &[0, 1][..]),
            (&["SET foreign_key_checks = 0", "UPDATE t SET a = 1", "SELECT 1", "!UPDATE t SET b = 1"], &[1]),
            (&["BEGIN", "UPDATE t SET a = 1", "!UPDATE t SET b = 1"], &[]),
            (&["BEGIN", "UPDATE t SET a = 1", "!ALTER TABLE t ADD n int"], &[1]),
            (&["BEGIN", "UPDATE t SET a = 1", "?ALTER TABEL t ADD n int"], &[]),
            (
                &["BEGIN", "UPDATE t SET a = 1", "ALTER TABLE t ADD n int", "UPDATE t SET b = 1", "!SELECT x"],
                &[1, 2, 3],
            ),
            (&["BEGIN", "UPDATE t SET a = 1", "ROLLBACK", "DELETE FROM t", "!SELECT x"], &[3]),
            (&["BEGIN", "UPDATE t SET a = 1", "COMMIT AND CHAIN", "DELETE FROM t", "!SELECT x"], &[1]),
            (&["SET autocommit=0", "INSERT INTO t VALUES (1)", "COMMIT", "DELETE FROM t", "!SELECT x"], &[1]),
            (&["SET autocommit=0", "DELETE FROM t", "SET autocommit=1", "!SELECT x"], &[1]),
            (&["BEGIN", "DELETE FROM t", "SET autocommit=1", "!SELECT x"], &[]),
            (
                &[
                    "BEGIN",
                    "DELETE FROM t",
                    "SAVEPOINT a",
                    "DELETE FROM u",
                    "ROLLBACK TO a",
                    "DELETE FROM v",
                    "COMMIT",
                    "!SELECT x",
                ],
                &[1, 5],
            ),
            (&["CREATE TEMPORARY TABLE t (a int)", "TRUNCATE u", "FLUSH TABLES", "!SELECT x"], &[1]),
        ] {
            assert_eq!(kept(&record(statements)), expected, "{statements:?}");
        }
    }

    #[test]
    fn rows_that_were_not_there_are_no_effect_and_sessions_are_apart() {
        let mut statements =
            record(&["BEGIN", "DELETE FROM t", "DELETE FROM t", "ALTER TABLE u ADD a int", "!SELECT x"]);
        statements[2].rows = Some(0);
        statements[2].connection = 2;
        statements[3].connection = 2;
        assert_eq!(kept(&statements), [3]);
    }
}
