//! `half-applied`: a migration failed, and what it had done before stayed.

use super::Rule;
use crate::run::{Finding, HalfApplied, Migration, Run, Severity};

const CODE: &str = "half-applied";

/// More statements than this are counted and not named.
const MOST: usize = 3;

pub(super) const RULE: Rule = Rule {
    code: CODE,
    title: "a failed migration left a part of itself behind (MySQL, MariaDB)",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: tests::CASES,
};

const EXPLAIN: &str = "\
A migration failed, and statements before the one that failed stayed in effect: MySQL and MariaDB
commit with every schema change. If a second try fails earlier than the first did, somebody has
to mend the schema by hand before the next deploy, and it is an error; where a second try comes
as far as the first, it is a warning. Why it failed is told by fails-on-data or migration-failed.

How it is measured
  Statements that the server completed and that no ROLLBACK took back are counted as kept. A file
  is then tried once more on the same data, and the first statement that fails before the one at
  which the first try ended is put down with its line. (A command is not tried again.)

Why it hurts in production
  The schema is one that no version of the migrations knows. The tool takes the migration for not
  applied, starts at its first statement, and fails there (1060 \"Duplicate column name\", 1050
  \"Table already exists\"): rolling forward needs a person, and so does rolling back.

What to do instead
  One schema change a file, so that what fails has done nothing. A single ALTER with several
  clauses is all or nothing:
      ALTER TABLE orders ADD COLUMN number VARCHAR(20), ADD UNIQUE (number);
  Make what stays harmless to a second try: data changes with a WHERE that leaves out what is
  done, CREATE TABLE IF NOT EXISTS; with MariaDB also ADD COLUMN IF NOT EXISTS. To mend it by hand,
  undo what the finding lists as kept, in reverse order.
";

fn judge(run: &Run) -> Vec<Finding> {
    let halves = run.migrations.iter().filter_map(|migration| Some((migration, migration.half_applied.as_ref()?)));
    halves.filter(|(_, half)| !half.kept.is_empty()).map(|(migration, half)| finding(migration, half)).collect()
}

fn finding(migration: &Migration, half: &HalfApplied) -> Finding {
    let kept = half.kept.iter().filter_map(|index| migration.statements.get(*index));
    let mut named: Vec<String> = kept
        .map(|statement| match statement.line {
            Some(line) => format!("{} (line {line})", statement.command),
            None => statement.command.clone(),
        })
        .collect();
    let (all, stay) = (named.len(), if named.len() == 1 { "stays" } else { "stay" });
    if all > MOST {
        named.truncate(MOST);
        named.push(format!("{} more", all - MOST));
    }
    let again = half.rerun.as_ref().map(|rerun| {
        let (line, error) = (rerun.line, &rerun.error);
        format!("; a second try fails on line {line}: {} ({})", error.message, error.number())
    });
    let severity = if again.is_some() { Severity::Error } else { Severity::Warning };
    let message =
        format!("{} failed, and {} {stay} applied{}", migration.name, named.join(", "), again.unwrap_or_default());
    Finding::new(CODE, severity, message)
        .in_migration(migration, half.kept.last().copied())
        .evidence("kept", all)
        .evidence("rerun", &half.rerun)
        .help("one schema change a file; or all of them as clauses of one ALTER TABLE, which is all or nothing")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Algorithm, MigrationStatus};
    use crate::scenario::Engine;
    use crate::verdict::testing::{Cases, Facts, MigrationFacts, facts_on, migration, statement};

    const TWICE: Option<(u32, u32, &str)> = Some((1, 1060, "Duplicate column name 'n'"));

    pub(super) const CASES: Cases = Cases {
        shown: &[
            ("a column stayed, and is in the way of a second try", || run(failing().keeps(&[0], TWICE))),
            ("a second try comes as far as the first", || run(failing().keeps(&[0], None))),
        ],
        silent: &[
            ("nothing stayed", || run(failing().keeps(&[], None))),
            ("it was applied", || run(migration("0002"))),
            ("it could be rolled back", || run(failing())),
        ],
    };

    fn failing() -> MigrationFacts {
        let add = statement(1, "ALTER TABLE orders ADD n INT", 20).by(Algorithm::Instant);
        let create = statement(2, "CREATE TABLE m2 (id INT)", 10);
        let unique =
            statement(3, "ALTER TABLE orders ADD UNIQUE (status)", 90).refused(1062, "23000", "Duplicate entry 'x'");
        migration("0002").statement(add).statement(create).statement(unique).ended(MigrationStatus::Failed)
    }

    fn run(migration: MigrationFacts) -> Run {
        let facts: Facts = facts_on(Engine::Mysql).table("orders", 5_000_000).migration(migration);
        facts.run()
    }

    #[test]
    fn a_second_try_that_fails_earlier_makes_it_an_error() {
        let found = judge(&run(failing().keeps(&[0, 1], TWICE)));
        assert_eq!(found[0].severity, Severity::Error);
        assert_eq!(
            found[0].message,
            "0002_change.sql failed, and ALTER TABLE (line 1), CREATE TABLE (line 2) stay applied; a second try fails on \
             line 1: Duplicate column name 'n' (1060)"
        );
        let found = judge(&run(failing().keeps(&[1], None)));
        assert_eq!(found[0].severity, Severity::Warning);
        assert_eq!(found[0].message, "0002_change.sql failed, and CREATE TABLE (line 2) stays applied");
    }

    #[test]
    fn many_that_stay_are_counted() {
        let many = (1..=9).fold(migration("0002"), |m, line| m.statement(statement(line, "CREATE TABLE t", 1)));
        let found = judge(&run(many.keeps(&[0, 1, 2, 3, 4], None)));
        assert!(found[0].message.contains("CREATE TABLE (line 3), 2 more stay applied"), "{}", found[0].message);
    }
}
