//! `migration-failed`: a migration failed, and not because of the rows.

use super::cause::Cause;
use super::{Rule, failure, server_version};
use crate::run::{Finding, Run, Severity, StatementStatus};
use crate::scenario::Engine;

const CODE: &str = "migration-failed";

pub(super) const RULE: Rule = Rule {
    code: CODE,
    title: "the migration failed",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: tests::CASES,
};

const EXPLAIN: &str = "\
A pending migration did not reach its end: the server refused a statement for a reason other
than the data, the connection was lost, or the migration tool itself failed or ran out of time.
Failures because of the rows are fails-on-data. Migrations after it were not run, and the
queries that were to run after them are missing from the record.

How it is measured
  The server's error to the last statement that failed, word for word; where no statement tells,
  what the tool said. Errors that only follow from one before (25P02) are not taken for the
  cause.

Why it hurts in production
  The same tool would have stopped at the same place, with whatever it had committed by then in
  place: with MySQL and MariaDB every schema change before it (half-applied).

What to do instead
  Run it again once mended. Often the snapshot is not where production is: check
  migrations.applied_through, and that the extensions, roles and schemas that the migration
  names are in the dump. Statements that refuse to run in a transaction (25001, CREATE INDEX
  CONCURRENTLY) go into a file of their own that begins with:
      -- rehearsal: no-transaction
  A lock_timeout (55P03; 1205 of MySQL) is met by trying again, not by a longer one:
      SET lock_timeout = '2s';                         -- PostgreSQL
      SET SESSION lock_wait_timeout = 5;               -- MySQL, MariaDB
  ALGORITHM=INSTANT or LOCK=NONE that the server refuses (1845, 1846, 4092) has done its work:
  without it the table would have been copied or rebuilt.
";

fn judge(run: &Run) -> Vec<Finding> {
    let explained = |failure: &failure::Failure<'_>| {
        let (_, statement) = failure.statement?;
        server_version::elsewhere(run, &statement.sql, failure.error()?)
    };
    let others = failure::failures(run).filter(|failure| !failure.is_on_data() && explained(failure).is_none());
    others
        .map(|failure| {
            let error = failure.error();
            let finding = Finding::new(CODE, Severity::Error, message(&failure))
                .in_migration(failure.migration, failure.statement.map(|(index, _)| index))
                .evidence("tool", &failure.migration.error)
                .on_error(error)
                .evidence("detail", error.and_then(|error| error.detail.as_deref()));
            let finding = match failure.statement {
                Some((_, statement)) => finding.at_error_of(statement),
                None => finding,
            };
            let is_lost = failure.statement.is_some_and(|(_, statement)| statement.status == StatementStatus::Lost);
            let unsaid = if is_lost { LOST } else { TOOL };
            finding.help(error.map_or(unsaid, |error| help(run.engine(), Cause::of(error))))
        })
        .collect()
}

const LOST: &str = "see whether it waited for a lock that another session of the migration holds; else split the work, or \
                    give it longer (--timeout, [migrations] timeout)";
const TOOL: &str = "the log of the tool may say more; mend it and rehearse again";

fn message(failure: &failure::Failure<'_>) -> String {
    let name = &failure.migration.name;
    match (failure.statement, failure.error(), &failure.migration.error) {
        (Some((_, statement)), Some(error), _) => {
            format!("{} failed: {}{}", statement.command, failure::told(error), failure.said())
        }
        (Some((_, statement)), None, Some(error)) if statement.status == StatementStatus::Lost => {
            format!("{} failed after {}: {error}", statement.command, statement.duration_ms)
        }
        (Some((_, statement)), None, None) if statement.status == StatementStatus::Lost => {
            format!("the connection was lost {} into {}", statement.duration_ms, statement.command)
        }
        (_, _, Some(error)) => format!("{name} failed: {error}"),
        (_, _, None) => format!("{name} failed, and neither the server nor the tool said why"),
    }
}

fn help(engine: Engine, cause: Cause) -> &'static str {
    match (engine, cause) {
        (_, Cause::InTransaction) => "put it in a file of its own that begins with `-- rehearsal: no-transaction`",
        (Engine::Postgres, Cause::LockTimeout) => {
            "another session of the migration holds the lock: see which, or retry with a short lock_timeout"
        }
        (_, Cause::LockTimeout) => {
            "another session of the migration holds the lock: see which, or retry with a short lock_wait_timeout"
        }
        (_, Cause::Cancelled) => "it was cancelled: raise the timeout of the migration, or split the work into batches",
        (_, Cause::Guard) => {
            "the guard did its work: without ALGORITHM or LOCK the table would be copied or rebuilt; leave it to gh-ost, \
             pt-online-schema-change or spirit, or allow it in a quiet hour"
        }
        (_, Cause::Exists) => {
            "it is there already: check migrations.applied_through, or make the statement IF NOT EXISTS"
        }
        (_, Cause::NoTable | Cause::NoColumn | Cause::NoRoutine) => {
            "it is misspelt, or not in the snapshot: check migrations.applied_through and what the dump leaves out"
        }
        (_, Cause::Storage) => {
            "the server could not write, mostly since its disk is full: a copy of the table needs as much room again; free \
             space where the scratch server keeps its data, or rehearse fewer rows (--rows-scale)"
        }
        (_, Cause::Privilege) => "the role of the rehearsal may not do this: check who owns the objects of the dump",
        (Engine::Mysql | Engine::Mariadb, Cause::Syntax) => {
            "mend the statement and rehearse again; a routine whose body was cut at a `;` needs DELIMITER around it"
        }
        _ => "mend the statement and rehearse again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Completion, MigrationStatus};
    use crate::verdict::testing::{Cases, facts, facts_on, migration, statement};

    pub(super) const CASES: Cases = Cases {
        shown: &[
            ("a column that it names is missing", || failing("42703")),
            ("the connection was lost", lost),
            ("only the tool failed", || facts().migration(migration("0002").failed_with("exit status 1")).run()),
            ("nobody said why", || facts().migration(migration("0002").ended(MigrationStatus::Failed)).run()),
        ],
        silent: &[
            ("the data is to blame", || failing("23505")),
            ("it was applied", || facts().migration(migration("0002")).run()),
            ("it was never begun", || facts().migration(migration("0002").ended(MigrationStatus::NotRun)).run()),
        ],
    };

    fn failing(sqlstate: &str) -> Run {
        let refused = statement(5, "ALTER TABLE orders DROP COLUMN status", 2);
        facts().migration(migration("0002").statement(refused.fails(sqlstate, "no"))).run()
    }

    #[test]
    fn a_guard_that_refused_is_told_as_one() {
        let alter = statement(5, "ALTER TABLE orders ADD k INT, ALGORITHM=INSTANT", 2);
        let refused = alter.refused(4092, "HY000", "Maximum row versions reached for table rehearsal/orders");
        let found = judge(&facts_on(Engine::Mysql).migration(migration("0002").statement(refused)).run());
        assert!(found[0].help.starts_with("the guard did its work"), "{}", found[0].help);
        assert!(found[0].message.ends_with("orders (4092)"), "{}", found[0].message);
    }

    #[test]
    fn what_was_stopped_with_the_run_has_not_failed() {
        for completion in [Completion::Interrupted, Completion::Failed("the server is gone".to_owned())] {
            let mut run = lost();
            run.completion = completion.clone();
            assert_eq!(judge(&run), []);
            for (sqlstate, found) in [("42703", 1), ("53100", 0)] {
                let mut refused = failing(sqlstate);
                refused.completion = completion.clone();
                assert_eq!(judge(&refused).len(), found, "the server had said why: {sqlstate}");
            }
        }
    }

    #[test]
    fn what_the_mysql_client_tries_on_connecting_is_never_to_blame() {
        let greeting = statement(1, "select $$", 1).refused(1064, "42000", "You have an error in your SQL syntax");
        let failed = migration("0002").statement(greeting).failed_with("it ended with exit status: 1");
        let found = judge(&facts_on(Engine::Mysql).migration(failed).run());
        assert_eq!(found[0].message, "0002_change.sql failed: it ended with exit status: 1");
    }

    fn lost() -> Run {
        let gone = statement(5, "VACUUM FULL orders", 1_200).with(|s| s.status = StatementStatus::Lost);
        facts().migration(migration("0002").statement(gone.unobserved())).run()
    }

    #[test]
    fn the_sentence_says_who_failed() {
        let tool = facts().migration(migration("0002").failed_with("exit status 1")).run();
        let mut detailed = failing("0A000");
        let error = detailed.migrations[0].statements[0].error.as_mut().expect("it failed");
        error.detail = Some("a view depends on it".to_owned());
        for (run, sentence) in [
            (failing("42703"), "ALTER TABLE failed: no (42703)"),
            (detailed, "ALTER TABLE failed: no (0A000): a view depends on it"),
            (lost(), "the connection was lost 1.20 s into VACUUM"),
            (tool, "0002_change.sql failed: exit status 1"),
        ] {
            assert_eq!(judge(&run)[0].message, sentence);
        }
    }

    #[test]
    fn a_failed_migration_is_exactly_one_of_the_two() {
        for sqlstate in ["22001", "23505", "25001", "40P01", "42703", "55P03", "57014", "XX000"] {
            let (found, _) = crate::verdict::judge(&failing(sqlstate));
            assert_eq!(found.len(), 1, "{sqlstate}: {found:?}");
        }
    }
}
