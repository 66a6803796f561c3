//! Real clients through the tap, in the simple protocol: `psql`, as people and many tools use it.

use std::process::Stdio;
use std::time::Duration;

use rehearsal::run::StatementStatus;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use crate::rig::{Rig, VERSIONS, one, server, test, within};

/// What `psql` did.
pub(crate) struct Output {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Starts `psql` with these arguments, quiet and without a person's settings.
pub(crate) fn psql(url: &str, arguments: &[&str]) -> Child {
    let mut command = Command::new("psql");
    command.args(["-X", "-q", "-A", "-t"]).arg(url).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.spawn().expect("psql, which these tests need, is installed")
}

/// Feeds `psql` and waits for it.
pub(crate) async fn finish(mut psql: Child, input: &str) -> Output {
    let mut stdin = psql.stdin.take().expect("a pipe");
    let feed = async {
        stdin.write_all(input.as_bytes()).await.expect("psql reads");
        drop(stdin);
    };
    let both = async { tokio::join!(feed, psql.wait_with_output()) };
    let ((), output) = within(Duration::from_secs(30), "psql", both).await;
    let output = output.expect("psql ends");
    Output {
        success: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn psql_sends_a_script_and_each_statement_is_on_record() {
    test(async {
        let server = server(VERSIONS[0].0, VERSIONS[0].1).await;
        let rig = Rig::with(&server, "CREATE TABLE t (id int)").await;
        let script = "BEGIN;\nALTER TABLE t ADD a int;\nINSERT INTO t VALUES (1, 2);\nCOMMIT;\nSELECT a FROM t;\n";
        let output = finish(psql(&rig.url(), &["-f", "-"]), script).await;
        assert_eq!((output.success, output.stdout.as_str(), output.stderr.as_str()), (true, "2\n", ""));
        let observation = rig.end().await;
        let commands: Vec<(&str, bool, Option<u64>)> = observation
            .statements
            .iter()
            .map(|statement| (statement.command.as_str(), statement.in_transaction, statement.rows))
            .collect();
        assert_eq!(
            commands,
            [
                ("BEGIN", true, None),
                ("ALTER TABLE", true, None),
                ("INSERT", true, Some(1)),
                ("COMMIT", true, None),
                ("SELECT", false, Some(1)),
            ]
        );
        server.stop().await.expect("the server stops");
    });
}

#[test]
fn several_statements_in_one_message_are_one_unit_with_all_tags() {
    test(async {
        let server = server(VERSIONS[0].0, VERSIONS[0].1).await;
        let rig = Rig::with(&server, "CREATE TABLE t (id int)").await;
        let both = "ALTER TABLE t ADD a int; INSERT INTO t SELECT g, g FROM generate_series(1, 3) g";
        let output = finish(psql(&rig.url(), &["-c", both]), "").await;
        assert_eq!((output.success, output.stderr.as_str()), (true, ""));
        let fails = "INSERT INTO t VALUES (4, 4); SELECT 1 / 0; DROP TABLE t";
        let output = finish(psql(&rig.url(), &["-c", fails]), "").await;
        assert!(!output.success && output.stderr.contains("division by zero"), "{}", output.stderr);
        let observation = rig.end().await;
        let [first, second] = observation.statements.as_slice() else { panic!("two units: {observation:#?}") };
        assert_eq!((first.command.as_str(), first.rows, first.sql.as_str()), ("ALTER TABLE; INSERT", Some(3), both));
        assert_eq!((second.status, second.command.as_str()), (StatementStatus::Error, "INSERT; INSERT"));
        assert_eq!(second.error.as_ref().map(|error| error.sqlstate.as_str()), Some("22012"));
        server.stop().await.expect("the server stops");
    });
}

#[test]
fn copy_goes_through_in_both_directions() {
    test(async {
        let server = server(VERSIONS[0].0, VERSIONS[0].1).await;
        let rig = Rig::with(&server, "CREATE TABLE t (id int, note text)").await;
        let file = tempfile::NamedTempFile::new().expect("a file");
        let path = file.path().display().to_string();
        let rows = "1\tnote\n".repeat(50_000);
        let script = format!(
            "COPY t FROM stdin;\n{rows}\\.\n\\copy t to '{path}'\n\\copy t from '{path}'\nSELECT count(*) FROM t;\n\
             COPY t FROM stdin;\nnot a number\tx\n\\.\nSELECT 'still here';\n"
        );
        let output = finish(psql(&rig.url(), &["-f", "-"]), &script).await;
        assert_eq!((output.success, output.stdout.as_str()), (true, "100000\nstill here\n"), "{}", output.stderr);
        assert!(output.stderr.contains("invalid input syntax"), "{}", output.stderr);
        let observation = rig.end().await;
        let copies: Vec<(Option<u64>, StatementStatus)> = observation
            .statements
            .iter()
            .filter(|statement| statement.command == "COPY")
            .map(|statement| (statement.rows, statement.status))
            .collect();
        let ok = (Some(50_000), StatementStatus::Ok);
        assert_eq!(copies, [ok, ok, ok, (None, StatementStatus::Error)]);
        server.stop().await.expect("the server stops");
    });
}

#[test]
fn a_flood_of_notices_during_copy_does_not_stop_both_sides() {
    test(async {
        let server = server(VERSIONS[0].0, VERSIONS[0].1).await;
        let rig = Rig::with(
            &server,
            "CREATE TABLE t (id int);
             CREATE FUNCTION noisy() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN RAISE NOTICE ''%'', repeat(''x'', 400); RETURN NEW; END';
             CREATE TRIGGER noisy BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION noisy()",
        )
        .await;
        let rows = format!("{:0>100}\n", 7).repeat(40_000);
        let output = finish(psql(&rig.url(), &["-f", "-"]), &format!("COPY t FROM stdin;\n{rows}\\.\n")).await;
        assert!(output.success);
        assert_eq!(output.stderr.matches("NOTICE").count(), 40_000);
        assert_eq!(one(&rig.end().await.statements, "COPY").rows, Some(40_000));
        server.stop().await.expect("the server stops");
    });
}

#[test]
fn a_client_that_prefers_encryption_is_answered_with_no() {
    test(async {
        let server = server(VERSIONS[0].0, VERSIONS[0].1).await;
        let rig = Rig::with(&server, "").await;
        let prefers = format!("{}?sslmode=prefer&gssencmode=prefer", rig.url());
        let output = finish(psql(&prefers, &["-c", "SELECT 'in'"]), "").await;
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("in\n", ""));
        let requires = format!("{}?sslmode=require", rig.url());
        let output = finish(psql(&requires, &["-c", "SELECT 'in'"]), "").await;
        assert!(!output.success && output.stderr.contains("does not support SSL"), "{}", output.stderr);
        server.stop().await.expect("the server stops");
    });
}
