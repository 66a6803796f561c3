//! Claims about how a file is sent.

use pretty_assertions::assert_eq;

use super::*;

fn plan(sql: &str, mode: TransactionMode) -> Result<Plan, PlanError> {
    super::plan(sql, mode, None, &ServerWish::default())
}

/// Each group as a word: its commands, in brackets if they are one transaction.
fn shape(sql: &str, mode: TransactionMode) -> String {
    let plan = plan(sql, mode).expect("the file can be sent");
    let group = |group: &Group| {
        let commands: Vec<_> = group.statements.iter().map(|statement| statement.command.as_str()).collect();
        let commands = commands.join(", ");
        if group.transaction { format!("[{commands}]") } else { commands }
    };
    plan.groups.iter().map(group).collect::<Vec<_>>().join(" | ")
}

fn notes(sql: &str) -> String {
    plan(sql, TransactionMode::File).expect("the file can be sent").notes.join(" ")
}

fn error(sql: &str) -> String {
    plan(sql, TransactionMode::File).expect_err("the file cannot be sent").to_string()
}

const MIXED: &str = "ALTER TABLE t ADD a int; UPDATE t SET a = 1;
    CREATE INDEX CONCURRENTLY i ON t (a); VACUUM t; COMMENT ON TABLE t IS 'CONCURRENTLY'";

#[test]
fn statements_are_grouped_by_mode_and_never_wrapped_when_the_server_refuses_it() {
    for (mode, expected) in [
        (TransactionMode::File, "[ALTER TABLE, UPDATE] | CREATE INDEX, VACUUM | [COMMENT]"),
        (TransactionMode::Statement, "[ALTER TABLE] | [UPDATE] | CREATE INDEX, VACUUM | [COMMENT]"),
        (TransactionMode::None, "ALTER TABLE, UPDATE, CREATE INDEX, VACUUM, COMMENT"),
    ] {
        assert_eq!(shape(MIXED, mode), expected);
    }
}

#[test]
fn a_file_that_is_broken_up_is_noted_with_the_line() {
    let said = plan(MIXED, TransactionMode::File).expect("whole").notes;
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("Line 2: this CREATE INDEX cannot run in a transaction."), "{said:?}");
    assert_eq!(plan(MIXED, TransactionMode::None).expect("whole").notes, Vec::<String>::new());
    assert_eq!(notes("CREATE INDEX CONCURRENTLY i ON t (a)"), "", "a file of its own breaks nothing up");
}

#[test]
fn a_comment_before_the_first_statement_decides() {
    for (head, expected) in [
        ("-- rehearsal: no-transaction\n", "SELECT, UPDATE"),
        ("/* x */ --rehearsal:transaction=none\n", "SELECT, UPDATE"),
        ("-- about it\n\n--   rehearsal: transaction = statement\n", "[SELECT] | [UPDATE]"),
        ("-- rehearsal: transaction=file\n-- rehearsal: transaction=file\n", "[SELECT, UPDATE]"),
        ("/*\n-- rehearsal: no-transaction\n*/", "[SELECT, UPDATE]"),
        ("-- see rehearsal: no-transaction\n", "[SELECT, UPDATE]"),
    ] {
        let sql = format!("{head}SELECT '-- rehearsal: x'; UPDATE t SET a = 1;");
        assert_eq!(shape(&sql, TransactionMode::File), expected, "{head}");
    }
}

#[test]
fn a_comment_that_would_have_no_effect_is_an_error() {
    for (sql, expected) in [
        ("-- rehearsal: no-transactions\nSELECT 1", "line 1: `-- rehearsal: no-transactions` is unknown"),
        ("\n-- rehearsal: transaction=all\nSELECT 1", "line 2: `-- rehearsal: transaction=all` is unknown"),
        ("SELECT 1;\n-- rehearsal: no-transaction", "line 2: a `-- rehearsal:` comment has to stand before"),
        ("SELECT 1 -- rehearsal: no-transaction", "line 1: a `-- rehearsal:` comment has to stand before"),
        (
            "-- rehearsal: transaction=none\n-- rehearsal: transaction=file\nSELECT 1",
            "line 2: this `-- rehearsal:` comment contradicts",
        ),
    ] {
        assert!(error(sql).starts_with(expected), "{sql}: {}", error(sql));
    }
}

#[test]
fn a_file_with_transactions_of_its_own_is_sent_as_it_is() {
    let sql = "SET lock_timeout = '2s';\nBEGIN; ALTER TABLE t ADD a int; COMMIT; CREATE INDEX CONCURRENTLY i ON t (a)";
    for mode in [TransactionMode::File, TransactionMode::Statement, TransactionMode::None] {
        assert_eq!(shape(sql, mode), "SET, BEGIN, ALTER TABLE, COMMIT, CREATE INDEX");
    }
    assert_eq!(notes(sql), "Line 2: BEGIN is the file's own; it is sent as it is written, in no other transaction.");
    assert_eq!(shape("SELECT 1; COMMIT; SELECT 2", TransactionMode::File), "SELECT, COMMIT, SELECT");
}

#[test]
fn savepoints_and_bodies_are_no_transactions_of_its_own() {
    let sql = "SAVEPOINT s; ROLLBACK TO s; RELEASE s; DO $$ BEGIN COMMIT; END $$; SELECT 'BEGIN'";
    assert_eq!(shape(sql, TransactionMode::File), "[SAVEPOINT, ROLLBACK, RELEASE, DO, SELECT]");
}

#[test]
fn a_transaction_that_is_left_open_is_an_error() {
    for (sql, line) in [("SELECT 1;\nBEGIN; SELECT 1", 2), ("BEGIN;\nCOMMIT AND CHAIN;", 2)] {
        let expected = format!("line {line}: the transaction that begins here is not ended");
        assert!(error(sql).starts_with(&expected), "{sql}: {}", error(sql));
    }
}

#[test]
fn psql_commands_without_effect_are_left_out_and_noted() {
    let sql = "\\restrict abc\n\\set ON_ERROR_STOP on\n\\echo starting; now\nSELECT 1;\n\\timing\n\\unrestrict abc\n";
    assert_eq!(shape(sql, TransactionMode::File), "[SELECT]");
    assert!(notes(sql).contains("`\\echo starting; now` in line 3"), "{}", notes(sql));
}

#[test]
fn psql_commands_with_an_effect_are_errors() {
    for command in [
        "\\i other.sql",
        "\\! rm -rf /",
        "\\c other",
        "\\copy t FROM STDIN",
        "\\set ON_ERROR_STOP off",
        "\\set x 1",
        "\\echo `id`",
        "\\echo done \\\\ DROP TABLE t;",
        "\\\\echo x; DROP TABLE t;",
        "SELECT 1 \\gexec",
        "SELECT 1 \\echo",
    ] {
        let sql = format!("SELECT 1;\n{command}\n;");
        let shown = &command[command.find('\\').expect("it has one")..];
        assert!(error(&sql).starts_with(&format!("line 2: `{shown}` is a psql command")), "{}", error(&sql));
    }
}

#[test]
fn of_a_file_with_both_ways_only_the_way_forward_is_sent() {
    for sql in [
        "-- migrate:up\nSELECT 1;\n-- migrate:down\nDROP TABLE t;",
        "-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n-- +goose StatementEnd\n-- +goose Down\nDROP TABLE t;\n\\i x\n",
        "-- +migrate Down\nDROP TABLE t;\n-- +migrate Up\nSELECT 1;",
    ] {
        assert_eq!(shape(sql, TransactionMode::File), "[SELECT]", "{sql}");
        assert!(notes(sql).contains("is the way back; it is not sent"), "{sql}");
    }
    for sql in [
        "-- migrate:up transaction:false\nSELECT 1;",
        "-- +goose NO TRANSACTION\n-- +goose Up\nSELECT 1;",
        "-- +migrate Up notransaction\nSELECT 1;",
        "-- no-transaction\nSELECT 1;",
    ] {
        assert_eq!(shape(sql, TransactionMode::File), "SELECT", "{sql}");
    }
    let open = "-- migrate:up\nSELECT 1\n-- migrate:down\nDROP TABLE t;";
    assert!(error(open).starts_with("line 3: `-- migrate:down` stands within a statement"), "{}", error(open));
}

#[test]
fn a_file_of_a_tool_that_keeps_it_in_one_transaction_is_kept_so() {
    const CONCURRENT: &str = "UPDATE t SET a = 1;\nCREATE INDEX CONCURRENTLY i ON t (a);\n";
    for (marker, remedy) in [
        ("-- migrate:up", "dbmate runs the file in one; write `-- migrate:up transaction:false`"),
        ("-- +goose Up", "goose runs the file in one; add `-- +goose NO TRANSACTION`"),
        ("-- +migrate Up", "sql-migrate runs the file in one; write `-- +migrate Up notransaction`"),
    ] {
        let sql = format!("{marker}\n{CONCURRENT}");
        assert_eq!(shape(&sql, TransactionMode::File), "[UPDATE, CREATE INDEX]", "{sql}");
        assert_eq!(notes(&sql), format!("Line 3: this CREATE INDEX cannot run in a transaction, and {remedy}."));
        assert_eq!(shape(&sql, TransactionMode::Statement), "[UPDATE] | CREATE INDEX", "the scenario says otherwise");
        let own = format!("-- rehearsal: transaction=file\n{sql}");
        assert_eq!(shape(&own, TransactionMode::None), "[UPDATE] | CREATE INDEX", "a comment to us says otherwise");
    }
    let by = |tool, sql| {
        let plan = super::plan(sql, TransactionMode::File, Some(tool), &ServerWish::default()).expect("it can be sent");
        plan.groups.iter().map(|group| (group.transaction, group.statements.len())).collect::<Vec<_>>()
    };
    for tool in [Strict::Diesel, Strict::Prisma] {
        assert_eq!(by(tool, CONCURRENT), [(true, 2)]);
    }
    let alone = "CREATE INDEX CONCURRENTLY i ON t (a)";
    assert_eq!(by(Strict::Diesel, alone), [(true, 1)]);
    assert_eq!(by(Strict::Prisma, alone), [(false, 1)], "one statement in a message is in no transaction");
}

#[test]
fn a_file_without_a_statement_is_no_error() {
    for sql in ["", "-- nothing yet\n", "-- migrate:up\n-- migrate:down\nDROP TABLE t;"] {
        assert_eq!(shape(sql, TransactionMode::File), "");
        assert!(notes(sql).contains("no statement to send"), "{sql}");
    }
}

#[test]
fn copy_data_goes_with_its_statement() {
    let plan = plan("COPY t FROM STDIN;\n1\tBEGIN;\n\\.\nSELECT 1;", TransactionMode::File).expect("whole");
    assert_eq!(plan.groups.len(), 1);
    assert_eq!(plan.groups[0].statements[0].copy_data.as_deref(), Some(&b"1\tBEGIN;\n"[..]));
}
