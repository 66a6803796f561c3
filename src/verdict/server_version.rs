//! `server-version`: a statement failed on this server, and would be understood by a later one, or by the other kind.
//!
//! Told instead of `migration-failed`, which it explains.

use super::cause::Cause;
use super::keywords::Keywords;
use super::{Rule, failure};
use crate::run::{Finding, Run, Severity, SqlError};
use crate::scenario::Engine;

const CODE: &str = "server-version";

pub(super) const RULE: Rule = Rule {
    code: CODE,
    title: "a statement fails on this server, and would be understood by another version",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: tests::CASES,
};

const EXPLAIN: &str = "\
A migration failed because the server does not know what a statement asks for, and a later version
of it does; or MariaDB does and MySQL does not, or the other way round.

How it is measured
  The server's own error (a syntax error, a missing function, \"not supported\"), its version, and
  the words of the statement, compared with a short list of what came when (release notes of
  PostgreSQL 13 to 18; manuals of MySQL 9.7 and MariaDB 11.8). What is not in the list is told as
  migration-failed.

Why it hurts in production
  It works on the laptop, where the server is newer, and the deploy stops. Or this rehearsal runs on
  an older server than production, and the failure means nothing.

What to do instead
  Rehearse on production's version:
      [server]
      version = \"17\"
  If that is this one, write what it understands:
      ALTER TABLE orders ADD CONSTRAINT c CHECK (n IS NOT NULL) NOT VALID;   -- before 18
";

/// Something that not every server understands.
struct Feature {
    /// The engine that may lack it.
    engine: Engine,
    /// Its words; `*` stands for any one.
    words: &'static str,
    /// Who has it.
    since: Since,
}

enum Since {
    /// This engine from this major version on.
    Version(u32),
    /// The other one.
    Engine(Engine),
}

const fn postgres(words: &'static str, version: u32) -> Feature {
    Feature { engine: Engine::Postgres, words, since: Since::Version(version) }
}

const fn mysql_lacks(words: &'static str) -> Feature {
    Feature { engine: Engine::Mysql, words, since: Since::Engine(Engine::Mariadb) }
}

const fn mariadb_lacks(words: &'static str) -> Feature {
    Feature { engine: Engine::Mariadb, words, since: Since::Engine(Engine::Mysql) }
}

/// Sources: release notes of PostgreSQL 13 to 18 ("Utility Commands", "Functions"); MySQL 9.7 and MariaDB 11.8 manuals.
const FEATURES: [Feature; 28] = [
    postgres("NOT ENFORCED", 18),
    postgres("WITHOUT OVERLAPS", 18),
    postgres("UUIDV7", 18),
    postgres("VIRTUAL", 18),
    postgres("ADD CONSTRAINT * NOT NULL", 18),
    postgres("ADD CONSTRAINT NOT NULL", 18),
    postgres("SET EXPRESSION", 17),
    postgres("JSON_TABLE", 17),
    postgres("ON_ERROR", 17),
    postgres("ANY_VALUE", 16),
    postgres("MERGE INTO", 15),
    postgres("NULLS NOT DISTINCT", 15),
    postgres("SET ACCESS METHOD", 15),
    postgres("SECURITY_INVOKER", 15),
    postgres("DETACH PARTITION * CONCURRENTLY", 14),
    postgres("OR REPLACE TRIGGER", 14),
    postgres("BEGIN ATOMIC", 14),
    postgres("DATE_BIN", 14),
    postgres("DROP EXPRESSION", 13),
    postgres("GEN_RANDOM_UUID", 13),
    mysql_lacks("ADD COLUMN IF NOT EXISTS"),
    mysql_lacks("DROP COLUMN IF EXISTS"),
    mysql_lacks("INDEX IF NOT EXISTS"),
    mysql_lacks("INDEX IF EXISTS"),
    mysql_lacks("CREATE SEQUENCE"),
    mysql_lacks("RETURNING"),
    mariadb_lacks("ALTER INDEX * INVISIBLE"),
    mariadb_lacks("UUID_TO_BIN"),
];

/// Whether this finding tells why a statement failed, and where it would not.
pub(super) fn elsewhere(run: &Run, sql: &str, error: &SqlError) -> Option<String> {
    let server = run.server.as_ref()?;
    let unknown = matches!(Cause::of(error), Cause::Syntax | Cause::NoRoutine) || error.sqlstate == "0A000";
    let digits = server.version.split(|letter: char| !letter.is_ascii_digit()).next()?;
    let version: u32 = digits.parse().ok()?;
    let words = Keywords::of(sql);
    let lacking = FEATURES.iter().filter(|feature| feature.engine == server.engine && words.has(feature.words));
    let mut places = lacking.filter_map(|feature| {
        let what = feature.words.replace(" *", " …");
        match feature.since {
            Since::Version(since) if version < since => {
                Some(format!("{what} is understood by {} {since} and later", server.engine))
            }
            Since::Version(_) => None,
            Since::Engine(other) => Some(format!("{what} is understood by {other}")),
        }
    });
    places.next().filter(|_| unknown)
}

fn judge(run: &Run) -> Vec<Finding> {
    let explained = failure::failures(run).filter_map(|failure| {
        let ((index, statement), error) = (failure.statement?, failure.error()?);
        let place = elsewhere(run, &statement.sql, error)?;
        let server = run.server.as_ref()?;
        let message = format!(
            "{} fails on {} {}: {}; {place}",
            statement.command,
            server.engine,
            server.version,
            failure::told(error)
        );
        let finding = Finding::new(CODE, Severity::Error, message)
            .in_migration(failure.migration, Some(index))
            .at_error_of(statement)
            .on_error(Some(error))
            .evidence("version", &server.version);
        Some(finding.help(
            "rehearse on the version that production runs ([server] version); if that is this one, write what it understands",
        ))
    });
    explained.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::testing::{Cases, facts, facts_on, migration, statement};

    pub(super) const CASES: Cases = Cases {
        shown: &[
            ("18 has constraints that are not enforced", || {
                failing("ALTER TABLE t ADD CHECK (n > 0) NOT ENFORCED", "42601", "17.2")
            }),
            ("18 has named NOT NULLs", || {
                failing("ALTER TABLE t ADD CONSTRAINT \"n n\" NOT NULL n NOT VALID", "42601", "17.2")
            }),
            ("14 detaches concurrently", || {
                failing("ALTER TABLE t DETACH PARTITION p CONCURRENTLY", "42601", "13.9 (Debian 13.9-0)")
            }),
            ("18 has the function", || failing("ALTER TABLE t ALTER n SET DEFAULT uuidv7()", "42883", "15.18")),
            ("MariaDB has it", || {
                let sql = "ALTER TABLE t ADD COLUMN IF NOT EXISTS n INT";
                let refused = statement(1, sql, 1).refused(1064, "42000", "You have an error in your SQL syntax");
                facts_on(Engine::Mysql).migration(migration("2").statement(refused)).run()
            }),
        ],
        silent: &[
            ("the server is new enough", || failing("ALTER TABLE t ADD CHECK (n > 0) NOT ENFORCED", "42601", "18.1")),
            ("it fails for another reason", || {
                failing("ALTER TABLE t ADD CHECK (n > 0) NOT ENFORCED", "42703", "17.2")
            }),
            ("it is misspelt", || failing("ALTER TABLE t ADD COLUM n int", "42601", "17.2")),
        ],
    };

    fn failing(sql: &str, sqlstate: &str, version: &str) -> Run {
        let refused = statement(1, sql, 1).fails(sqlstate, "syntax error at or near \"NOT\"");
        let facts = facts().migration(migration("2").statement(refused));
        facts.with(|run| version.clone_into(&mut run.server.as_mut().unwrap().version)).run()
    }

    #[test]
    fn it_is_told_instead_of_the_failure() {
        let run = failing("ALTER TABLE t ADD CHECK (n > 0) NOT ENFORCED", "42601", "17.2");
        let (found, _) = crate::verdict::judge(&run);
        let [finding] = &found[..] else { panic!("one finding, not {found:?}") };
        assert_eq!(
            finding.message,
            "ALTER TABLE fails on PostgreSQL 17.2: syntax error at or near \"NOT\" (42601); NOT ENFORCED is understood by \
             PostgreSQL 18 and later"
        );
    }
}
