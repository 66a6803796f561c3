//! `full-scan-under-lock`: a statement read all of a table in use under a lock that shuts readers or writers out of it.

use super::under_lock::{self, Held};
use super::{Rule, advice, blocks_unnamed_table, class, index_rebuild, limit, rewritten, table};
use crate::run::{Finding, Migration, Rows, Run, Scan, Severity, StatementStatus};
use crate::scenario::Engine;

const CODE: &str = "full-scan-under-lock";

pub(super) const RULE: Rule = Rule {
    code: CODE,
    title: "all of a table was read under a lock that shuts others out of it (PostgreSQL)",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: tests::CASES,
};

const EXPLAIN: &str = "\
A statement read every row of a table of limits.rewrite_rows rows or more (10,000 by default)
while it held a lock that shuts writers, or readers too, out of that table: ADD CHECK and SET NOT
NULL look for rows that break the rule, ADD FOREIGN KEY compares two tables, CREATE INDEX builds.
It stayed within the limits here, and takes longer the larger the table is. Where it did not,
blocks-reads or blocks-writes tells it, with the time; where rows or an index were written anew,
table-rewrite or index-rebuild.

How it is measured
  The scans that the server counted for the statement (pg_stat_get_xact_numscans and its kin), and
  the locks that it held at its end, read from pg_locks. VALIDATE CONSTRAINT and CREATE INDEX
  CONCURRENTLY read all rows too, under a lock that lets readers and writers pass, and are silent.

Why it hurts in production
  A table of ten times the rows is locked for ten times as long, and longer if it is not in memory.
  Everybody else queues meanwhile, and so does what comes after.

What to do instead
  Have the rule hold for new rows first, which reads nothing, and look at the old ones under a lock
  that lets everybody pass, in a transaction of its own:
      ALTER TABLE orders ADD CONSTRAINT c CHECK (total >= 0) NOT VALID;
      ALTER TABLE orders VALIDATE CONSTRAINT c;        -- readers and writers go on
  SET NOT NULL takes the word of such a check, if it was validated, and reads no row (12 and later):
      ALTER TABLE orders ADD CONSTRAINT n CHECK (status IS NOT NULL) NOT VALID;
      ALTER TABLE orders VALIDATE CONSTRAINT n;
      ALTER TABLE orders ALTER COLUMN status SET NOT NULL;
      ALTER TABLE orders DROP CONSTRAINT n;
  An index is built beside the traffic, outside a transaction:
      CREATE INDEX CONCURRENTLY orders_status ON orders (status);
";

fn judge(run: &Run) -> Vec<Finding> {
    if run.engine() != Engine::Postgres {
        return Vec::new();
    }
    let mut found = Vec::new();
    for migration in &run.migrations {
        found.extend((0..migration.statements.len()).filter_map(|index| finding(run, migration, index)));
    }
    found
}

/// One for a statement, of the largest table that it read so.
fn finding(run: &Run, migration: &Migration, index: usize) -> Option<Finding> {
    let statement = &migration.statements[index];
    // Of several commands in one message nobody knows which read what under which lock; of a block that also changed rows, its
    // text tells whether anything else in it has to read all.
    let one = !statement.command.contains("; ") && (statement.rows.is_none() || reads_all(&statement.sql));
    if statement.status != StatementStatus::Ok || !one || !class::changes_schema(statement) {
        return None;
    }
    let locks = under_lock::held(run, migration, index);
    let scans = statement.scans.iter().flatten().filter(|scan| scan.scans > 0);
    let read: Vec<(&Scan, &Held<'_>, Option<u64>)> = scans
        .filter_map(|scan| {
            let lock = locks.iter().find(|lock| lock.lock.relation == scan.relation)?;
            let own = under_lock::needs_itself(statement, index, lock);
            let told = blocks_unnamed_table::tells(run, migration, index, &scan.relation);
            (own && !told).then(|| (scan, lock, table::before(run, &scan.relation).rows))
        })
        .collect();
    let (scan, lock, rows) = read.iter().max_by_key(|(_, _, rows)| rows.unwrap_or(u64::MAX))?;
    let limit = limit::of_table(run, &scan.relation).rewrite_rows;
    let all: Option<u64> = read.iter().map(|(_, _, rows)| *rows).sum();
    let written = rewritten(run, statement).next().is_some() || !index_rebuild::rebuilt(run, statement).is_empty();
    let told = read.iter().any(|(_, lock, _)| under_lock::is_told(run, migration, lock, index));
    if all.is_some_and(|all| all < limit) || written || told {
        return None;
    }
    let of_rows = table::of_rows(run, &scan.relation, *rows);
    let others = match read.len() - 1 {
        0 => String::new(),
        1 => " and 1 other table".to_owned(),
        others => format!(" and {others} other tables"),
    };
    let changed = match statement.rows {
        None => String::new(),
        Some(rows) => format!("; for how much of it, since it changed {} too, is not known", Rows(rows)),
    };
    let message = format!(
        "{} read all of {}{of_rows}{others} in {} under its {}: {} of {} wait for as long as that takes{changed}",
        statement.command,
        scan.relation,
        statement.duration_ms,
        lock.lock.mode,
        lock.whom(),
        if others.is_empty() { "it" } else { "them" },
    );
    let tables: Vec<&str> = read.iter().map(|(scan, _, _)| scan.relation.as_str()).collect();
    Some(
        Finding::new(CODE, Severity::Warning, message)
            .in_migration(migration, Some(index))
            .on_table(&scan.relation)
            .evidence("tables", tables)
            .evidence("rows", rows)
            .evidence("limit_rows", limit)
            .evidence("scans", scan.scans)
            .evidence("lock", &lock.lock.mode)
            .evidence("held_ms", lock.lock.held_ms)
            .evidence("duration_ms", statement.duration_ms)
            .advice(advice::instead(run, migration, index, &scan.relation)),
    )
}

/// Whether the text of a block of code has a command that reads all of a table, other than to change rows: also one in a string
/// that it executes.
fn reads_all(sql: &str) -> bool {
    const OF_RULES: [&str; 4] = ["ADD CONSTRAINT", "ADD CHECK", "FOREIGN KEY", "REFERENCES"];
    const ALWAYS: [&str; 8] = [
        "SET NOT NULL",
        "CREATE INDEX",
        "CREATE UNIQUE INDEX",
        "PRIMARY KEY",
        "ADD UNIQUE",
        "VALIDATE CONSTRAINT",
        "ATTACH PARTITION",
        "ADD EXCLUDE",
    ];
    let text = sql.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_uppercase();
    let has = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
    has(&ALWAYS) || has(&OF_RULES) && !text.contains("NOT VALID")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::postgres::lock_mode::LockMode::{
        AccessExclusive, Share, ShareRowExclusive, ShareUpdateExclusive,
    };
    use crate::verdict::testing::{Cases, Facts, MigrationFacts, StatementFacts, facts, migration, statement};

    pub(super) const CASES: Cases = Cases {
        shown: &[
            ("a CHECK was added", || with(check()).run()),
            ("an index was built", || with(index()).run()),
            ("a block of code did so, and changed rows", || with(block("ALTER TABLE orders ADD CHECK (n > 0)")).run()),
            ("an earlier statement had taken the same lock", || {
                let add = statement(1, "ALTER TABLE orders ADD n int", 1).locks("public.orders", AccessExclusive, 99);
                let check = statement(2, "ALTER TABLE orders ADD CHECK (n > 0)", 80).scan("public.orders", 200_000);
                facts().table("public.orders", 200_000).migration(migration("2").statement(add).statement(check)).run()
            }),
        ],
        silent: &[
            ("the table is small", || {
                facts().table("public.orders", 9_999).migration(migration("2").statement(check())).run()
            }),
            ("readers and writers go on", || {
                let validate = statement(1, "ALTER TABLE orders VALIDATE CONSTRAINT c", 80);
                with(validate.locks("public.orders", ShareUpdateExclusive, 80).scan("public.orders", 200_000)).run()
            }),
            ("nothing was read", || {
                with(statement(1, "ALTER TABLE orders ADD n int", 1).locks("public.orders", AccessExclusive, 1)).run()
            }),
            ("the table was written anew, which table-rewrite tells", || {
                with(check().rewrite("public.orders", 9_000_000)).run()
            }),
            ("it took longer than the limit, which blocks-reads tells", || {
                let slow = migration("2").statement(check()).blocks("public.orders", 200_000, 900, 900, 0);
                facts().table("public.orders", 200_000).migration(slow).run()
            }),
            ("the scans were not observed", || with(check().with(|check| check.scans = None)).run()),
            ("a block of code read the rows that it changed", || with(block("ALTER TABLE orders ADD k int")).run()),
            ("a block of code added a rule for new rows", || {
                with(block("ALTER TABLE orders ADD CONSTRAINT c CHECK (n > 0) NOT VALID")).run()
            }),
            ("several commands came in one message", || {
                with(check().with(|check| check.command = "UPDATE; ALTER TABLE".to_owned())).run()
            }),
            ("rows were read to be changed", || {
                let update = statement(1, "UPDATE orders SET n = 1", 90).scan("public.orders", 200_000);
                with(update.locks("public.orders", AccessExclusive, 90)).run()
            }),
        ],
    };

    fn check() -> StatementFacts {
        let sql = "ALTER TABLE orders ADD CONSTRAINT c CHECK (n > 0)";
        statement(1, sql, 80).locks("public.orders", AccessExclusive, 81).scan("public.orders", 200_000)
    }

    /// A block of code that changes rows, and the schema.
    fn block(command: &str) -> StatementFacts {
        let sql = format!("DO $$BEGIN UPDATE orders SET n = 1; {command}; END$$");
        let block = statement(1, &sql, 80).locks("public.orders", AccessExclusive, 81).scan("public.orders", 200_000);
        block.with(|block| {
            "DO".clone_into(&mut block.command);
            block.rows = Some(200_000);
        })
    }

    fn index() -> StatementFacts {
        let sql = "CREATE INDEX i ON orders (n)";
        statement(1, sql, 80).locks("public.orders", Share, 81).scan("public.orders", 200_000)
    }

    fn with(statement: StatementFacts) -> Facts {
        facts().table("public.orders", 200_000).migration(migration("2").statement(statement))
    }

    #[test]
    fn the_finding_says_who_waits() {
        let found = judge(&with(check()).run());
        let [finding] = &found[..] else { panic!("one finding, not {found:?}") };
        assert_eq!(
            finding.message,
            "ALTER TABLE read all of public.orders (200,000 rows) in 80 ms under its AccessExclusiveLock: reads and \
             writes of it wait for as long as that takes"
        );
        let changes = judge(&with(block("ALTER TABLE orders ALTER n SET NOT NULL")).run());
        let unknown = "as long as that takes; for how much of it, since it changed 200,000 rows too, is not known";
        assert!(changes[0].message.ends_with(unknown), "{}", changes[0].message);
        assert!(judge(&with(index()).run())[0].message.contains("ShareLock: writes of it wait"));
    }

    #[test]
    fn both_tables_of_a_foreign_key_are_one_fact() {
        let sql = "ALTER TABLE items ADD FOREIGN KEY (order_id) REFERENCES orders";
        let key = statement(1, sql, 80)
            .locks("public.items", ShareRowExclusive, 81)
            .locks("public.orders", ShareRowExclusive, 81)
            .scan("public.items", 300_000)
            .scan("public.orders", 200_000);
        let tables = || facts().table("public.orders", 200_000).table("public.items", 300_000);
        let found = judge(&tables().migration(migration("2").statement(key)).run());
        let [finding] = &found[..] else { panic!("one finding, not {found:?}") };
        assert_eq!(finding.table.as_deref(), Some("public.items"));
        assert!(finding.message.contains("(300,000 rows) and 1 other table in"), "{}", finding.message);
    }

    #[test]
    fn a_lock_that_went_with_a_savepoint_is_not_held() {
        let add = statement(1, "ALTER TABLE orders ADD n int", 1).locks("public.orders", AccessExclusive, 5);
        let back = statement(2, "ROLLBACK TO SAVEPOINT s", 1).with(|s| "ROLLBACK TO".clone_into(&mut s.command));
        let check = statement(3, "ALTER TABLE orders ADD CHECK (n > 0)", 80).scan("public.orders", 200_000);
        let all = [add, back, check].into_iter().fold(migration("2"), MigrationFacts::statement);
        assert_eq!(judge(&facts().table("public.orders", 200_000).migration(all).run()), []);
    }
}
