//! How a run ends when something is wrong: the exit code, and that the error says what to do.

use insta::assert_snapshot;

use super::{BOTH, migrated_by, shop};
use crate::lab::Place;
use crate::sandbox::Sandbox;

const RUN: &[&str] = &["run", "scenario.toml"];

/// With a limit for each migration.
fn limited(place: Place) -> Sandbox {
    shop(place).replacing("scenario.toml", "path = \"migrations\"", "path = \"migrations\"\ntimeout = \"2s\"")
}

#[test]
fn a_migration_in_a_file_of_one_transaction_is_not_a_key_of_this_family() {
    let sandbox = shop(Place::Local).replacing(
        "scenario.toml",
        "[migrations]",
        "[migrations.tool.sql]\ntransaction = \"file\"\n[migrations]",
    );
    assert_snapshot!(sandbox.run(RUN).expect(2).stderr, @r#"
    error: `migrations.tool.sql.transaction` cannot be `file` on MariaDB, where every change of the schema commits
     --> scenario.toml:8:15
      |
    8 | transaction = "file"
      |               ^^^^^^
      = help: remove it: files are sent as they are written, statement by statement; a START TRANSACTION of their own is kept

    error: 1 problem in scenario.toml
    "#);
}

#[test]
fn a_missing_dump_is_shown_with_its_neighbour() {
    let sandbox = shop(Place::Local).replacing("scenario.toml", "staging.sql", "stagin.sql");
    let ended = sandbox.run(RUN).expect(2);
    assert!(ended.stderr.contains("help: did you mean `staging.sql`?"), "{}", ended.stderr);
}

#[test]
fn two_migrations_of_one_version_are_told_before_a_server_is_started() {
    let sandbox = shop(Place::Local).with("migrations/001_add_more.sql", "SELECT 1;\n");
    assert_snapshot!(sandbox.run(RUN).expect(2).stderr, @"error: migrations/001_add_more.sql and migrations/001_add_status.sql have the same version, 001; rename one of them");
}

#[test]
fn mysql_where_only_mariadb_is_installed_ends_with_3() {
    let sandbox = shop(Place::Local).replacing("scenario.toml", "mariadb", "mysql");
    let ended = sandbox.run(RUN).expect(3);
    assert!(
        ended.stderr.starts_with("error: no MySQL server was found on this machine (looked in "),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.stderr.matches("error: ").count(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("set REHEARSAL_MYSQL_BIN to the folder that has `mysqld`"), "{}", ended.stderr);
}

#[test]
fn a_setting_that_the_server_does_not_know_ends_with_3_and_its_own_words() {
    for place in [Place::Local, Place::Mysql("9.7"), Place::Mariadb("10.11")] {
        let sandbox = shop(place).replacing(
            "scenario.toml",
            "provider =",
            "settings = { innodb_bufer_pool_size = \"1G\" }\nprovider =",
        );
        let ended = sandbox.run(RUN).expect(3);
        assert!(ended.stderr.contains("unknown variable 'innodb_bufer_pool_size=1G'"), "{place:?}: {}", ended.stderr);
        assert!(!ended.stderr.contains("[Note]"), "nothing but errors: {}", ended.stderr);
        sandbox.assert_clean();
    }
}

#[test]
fn a_dump_that_was_cut_short_ends_with_3() {
    let cut = "-- MariaDB dump 10.19\n/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;\nCREATE TABLE orders (id int);\n";
    let statement = format!("{cut}INSERT INTO orders VALUES (1), (2");
    for (dump, said) in [
        (cut.to_owned(), "cannot restore staging.sql: what mysqldump writes at the end is missing"),
        (statement, "; the statement ends too early: if the dump was cut short, make it again, or copy it again"),
    ] {
        let sandbox = shop(Place::Local).with("staging.sql", &dump);
        let ended = sandbox.rehearse().expect(3);
        assert!(ended.error().contains(said), "{}", ended.stderr);
        assert!(ended.stdout.contains("NO VERDICT"), "{}", ended.stdout);
        assert!(sandbox.record()["completion"]["failed"].is_string());
        sandbox.assert_clean();
    }
}

#[test]
fn wrong_sql_in_the_second_file_keeps_the_first_ones_result_and_spares_the_third() {
    let sandbox = shop(Place::Local)
        .with("migrations/002_wrong.sql", "SELECT 1;\n\nALTER TABLE order ADD COLUMN note text;\n")
        .with("migrations/003_never.sql", "CREATE TABLE never (id int);\n");
    let ended = sandbox.rehearse().expect(1);
    assert!(ended.stdout.contains("error[migration-failed] migrations/002_wrong.sql:3"), "{}", ended.stdout);
    let record = sandbox.record();
    let status = |index: usize| record["migrations"][index]["status"].as_str().expect("every migration has a status");
    assert_eq!([status(0), status(1), status(2)], ["applied", "failed", "not_run"]);
    assert_eq!(record["migrations"][0]["statements"][0]["algorithm"], "instant");
    assert_eq!(record["migrations"][2]["statements"].as_array().map(Vec::len), Some(0));
    sandbox.assert_clean();
}

#[test]
fn a_tool_with_a_wrong_password_fails_in_its_own_words() {
    let wrong = "mariadb -h 127.0.0.1 -P $MYSQL_TCP_PORT -u app -phunter2 rehearsal -e \"SELECT 1\"";
    for place in BOTH {
        let sandbox = migrated_by(place, wrong);
        let ended = sandbox.rehearse().expect(1);
        assert!(ended.stdout.contains("| ERROR 1045 (28000): Access denied for user 'app'@'"), "{}", ended.stdout);
        assert_eq!(sandbox.record()["verdict"]["status"], "fail");
        sandbox.assert_clean();
    }
}

#[test]
fn a_migration_that_sleeps_is_stopped_at_its_limit() {
    for place in BOTH {
        let sandbox = shop(place).with("migrations/002_slow.sql", "SELECT SLEEP(600);\n");
        let ended = sandbox.run(&["run", "scenario.toml", "--out", "out", "--timeout", "2s"]).expect(1);
        assert!(ended.stdout.contains("error[migration-failed] migrations/002_slow.sql:1"), "{}", ended.stdout);
        let why = "stopped, since it had not ended after 2 s (--timeout)";
        assert!(ended.stdout.contains(why), "{}", ended.stdout);
        assert_eq!(sandbox.record()["completion"], "complete");
        sandbox.assert_clean();
    }
}

#[test]
fn a_migration_that_waits_for_a_lock_in_vain_is_stopped_at_its_limit_and_has_removed_nothing() {
    // A transaction that is prepared holds its locks when its session is gone.
    let prepare = "XA START 'a';\nINSERT INTO orders (id, total) VALUES (5000, 1);\nXA END 'a';\nXA PREPARE 'a';\n";
    for place in BOTH {
        let sandbox = limited(place)
            .with("migrations/002_prepare.sql", prepare)
            .with("migrations/003_wait.sql", "ALTER TABLE orders ADD COLUMN note text;\n");
        let ended = sandbox.rehearse().expect(1);
        assert!(ended.stdout.contains("error[migration-failed] migrations/003_wait.sql:1"), "{}", ended.stdout);
        assert!(!ended.stdout.contains("gone"), "{}", ended.stdout);
        let record = sandbox.record();
        assert_eq!(record["completion"], "complete");
        assert_eq!(record["migrations"][2]["status"], "failed");
        assert_eq!(record["migrations"][2].get("removed").and_then(|removed| removed.get(0)), None);
        sandbox.assert_clean();
    }
}
