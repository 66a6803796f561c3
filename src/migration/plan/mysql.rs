//! Files of MySQL and MariaDB: one group, sent as it is written.
//!
//! Every change of the schema commits the transaction that is open before it, and cannot be rolled back itself (MySQL 9.7
//! manual, 15.3.3). A `START TRANSACTION` of the file is kept all the same, since it holds for the rows between.

use super::{Group, PlanError};
use crate::sql::Statement;
use crate::sql::mysql::transaction::{Control, commits_implicitly, control};

/// Statements that begin a transaction by themselves where autocommit is off.
const CHANGES: [&str; 6] = ["CALL", "DELETE", "INSERT", "LOAD DATA", "REPLACE", "UPDATE"];

/// What is open after a statement, and since which line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Begun(u32),
    Changed(u32),
}

/// The statements of a file as its only group. Notes where a transaction of the file ends before it says so; fails where one
/// is left open, since the server would roll it back at the end of the session.
pub(super) fn groups(statements: Vec<Statement>, notes: &mut Vec<String>) -> Result<Vec<Group>, PlanError> {
    let mut open = Open::Nothing;
    let mut autocommit = true;
    for statement in &statements {
        let (text, line) = (&statement.text, statement.line);
        if commits_implicitly(text) {
            if let Open::Begun(begun) = open {
                notes.push(format!(
                    "Line {line}: this {} commits the transaction that begins in line {begun}; no ROLLBACK can undo what \
                     comes before it.",
                    statement.command
                ));
            }
            open = Open::Nothing;
        }
        match control(text) {
            Some(Control::Begin) => open = Open::Begun(line),
            Some(Control::Commit { chain } | Control::Rollback { chain }) => {
                open = if chain { Open::Begun(line) } else { Open::Nothing };
            }
            Some(Control::Autocommit(on)) => {
                if on && !autocommit {
                    open = Open::Nothing;
                }
                autocommit = on;
            }
            None if !autocommit && open == Open::Nothing && CHANGES.contains(&statement.command.as_str()) => {
                open = Open::Changed(line);
            }
            None => {}
        }
    }
    match open {
        Open::Nothing => Ok(vec![Group { transaction: false, statements }]),
        Open::Begun(line) => Err(PlanError::LeftOpen { line }),
        Open::Changed(line) => Err(PlanError::Uncommitted { line }),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use crate::migration::plan::{Plan, PlanError, plan};
    use crate::scenario::{Engine, ServerWish, TransactionMode};

    fn planned(sql: &str) -> Result<Plan, PlanError> {
        plan(sql, TransactionMode::None, None, &server())
    }

    fn server() -> ServerWish {
        ServerWish { engine: Engine::Mysql, ..ServerWish::default() }
    }

    /// The commands of a file in the order in which they are sent; none of them in a transaction of ours.
    fn shape(sql: &str) -> String {
        let plan = planned(sql).expect("the file can be sent");
        assert!(plan.groups.iter().all(|group| !group.transaction));
        let statements = plan.groups.iter().flat_map(|group| &group.statements);
        statements.map(|statement| statement.command.as_str()).collect::<Vec<_>>().join(", ")
    }

    fn notes(sql: &str) -> String {
        planned(sql).expect("the file can be sent").notes.join(" ")
    }

    fn error(sql: &str) -> String {
        planned(sql).expect_err("the file cannot be sent").to_string()
    }

    #[test]
    fn a_file_is_sent_as_it_is_written() {
        for (sql, expected) in [
            ("SET FOREIGN_KEY_CHECKS=0; DROP TABLE t; UPDATE u SET a = 1;", "SET, DROP TABLE, UPDATE"),
            (
                "START TRANSACTION; UPDATE t SET a = 1; COMMIT; ALTER TABLE t ADD b int",
                "START TRANSACTION, UPDATE, COMMIT, ALTER TABLE",
            ),
            ("-- rehearsal: no-transaction\nALTER TABLE t ADD b int", "ALTER TABLE"),
            ("-- rehearsal: transaction=statement\nALTER TABLE t ADD b int", "ALTER TABLE"),
            (
                "DELIMITER //\nCREATE PROCEDURE p() BEGIN SELECT 1; END//\nDELIMITER ;\nCALL p();",
                "CREATE PROCEDURE, CALL",
            ),
            ("CREATE PROCEDURE p() BEGIN SELECT 1; END;\nCALL p();", "CREATE PROCEDURE, CALL"),
            (
                "-- +goose Up\n-- +goose StatementBegin\nCREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW BEGIN SET NEW.a = 1; END;\n-- +goose StatementEnd\n-- +goose Down\nDROP TRIGGER t;",
                "CREATE TRIGGER",
            ),
            ("USE rehearsal;\nwarnings;\nSELECT 1;", "USE, SELECT"),
            ("-- nothing yet\n", ""),
        ] {
            assert_eq!(shape(sql), expected, "{sql}");
        }
    }

    #[test]
    fn quotes_mean_what_the_server_is_set_to() {
        let mut server = server();
        server.settings.insert("sql_mode".to_owned(), "NO_BACKSLASH_ESCAPES".to_owned());
        let statements = |server: &ServerWish| {
            let plan = plan(r"SELECT '\'; SELECT '';", TransactionMode::None, None, server);
            plan.map(|plan| plan.groups[0].statements.len()).map_err(|error| error.to_string())
        };
        assert_eq!(statements(&server), Ok(2));
        assert!(statements(&self::server()).expect_err("it is cut short").starts_with("line 1: the quoted string"));
    }

    #[test]
    fn a_transaction_that_a_change_of_the_schema_commits_is_noted() {
        let sql = "BEGIN;\nUPDATE t SET a = 1;\nALTER TABLE t ADD b int;\nROLLBACK;";
        assert_eq!(
            notes(sql),
            "Line 3: this ALTER TABLE commits the transaction that begins in line 1; no ROLLBACK can undo what comes before it."
        );
        assert_eq!(notes("BEGIN; UPDATE t SET a = 1; COMMIT; ALTER TABLE t ADD b int"), "");
        assert_eq!(notes("BEGIN; CREATE TEMPORARY TABLE x (a int); COMMIT"), "");
    }

    #[test]
    fn what_would_be_rolled_back_at_the_end_is_an_error() {
        for (sql, expected) in [
            ("SELECT 1;\nBEGIN; UPDATE t SET a = 1;", "line 2: the transaction that begins here is not ended"),
            ("BEGIN; COMMIT AND CHAIN", "line 1: the transaction that begins here is not ended"),
            ("SET autocommit = 0;\nUPDATE t SET a = 1;\nUPDATE t SET a = 2", "line 2: autocommit is off"),
        ] {
            assert!(error(sql).starts_with(expected), "{sql}: {}", error(sql));
        }
        for sql in [
            "BEGIN; UPDATE t SET a = 1; ALTER TABLE t ADD b int",
            "SET autocommit = 0; UPDATE t SET a = 1; SET autocommit = 1",
            "SET autocommit = 0; UPDATE t SET a = 1; COMMIT",
        ] {
            assert!(planned(sql).is_ok(), "{sql}");
        }
    }

    #[test]
    fn what_has_no_meaning_is_an_error() {
        for (sql, expected) in [
            ("-- rehearsal: transaction=file\nSELECT 1", "line 1: a file cannot be one transaction on MySQL"),
            ("SELECT 1;\nsource other.sql", "line 2: `source other.sql` is a mysql command"),
            ("\\. other.sql", "line 1: `\\. other.sql` is a mysql command"),
            ("system rm -rf /;", "line 1: `system rm -rf /` is a mysql command"),
            ("tee x.log", "line 1: `tee x.log` is a mysql command"),
            ("\\W \\! ls", "line 1: `\\W \\! ls` is a mysql command"),
            ("SELECT 1 \\W\n;", "line 1: `\\W` is a mysql command"),
            ("exit", "line 1: `exit` is a mysql command"),
            ("CREATE PROCEDURE p()\nBEGIN SELECT 1;", "line 2: the body of a stored routine"),
        ] {
            assert!(error(sql).starts_with(expected), "{sql}: {}", error(sql));
        }
    }
}
