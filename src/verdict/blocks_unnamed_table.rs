//! `blocks-unnamed-table`: a statement shut others out of a table in use that it does not name (PostgreSQL).

use super::keywords::Keywords;
use super::mention::mentions;
use super::under_lock::{self, Held};
use super::{Rule, advice, limit, only_truncates, rewritten, table};
use crate::run::{Blocks, Finding, Lock, Migration, Run, Severity};
use crate::scenario::Engine;

const CODE: &str = "blocks-unnamed-table";

pub(super) const RULE: Rule = Rule {
    code: CODE,
    title: "a table was locked that the statement does not name (PostgreSQL)",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: tests::CASES,
};

const EXPLAIN: &str = "\
A statement took a lock that shuts writers, or readers too, out of a table in use that is nowhere
in its text: the table that a foreign key points to when the key, or the table that has it, is
dropped; the default partition when another one is added, all of whose rows are read; the whole
partitioned table when a partition is dropped; the tables that a function changes. From
limits.rewrite_rows rows on (10,000 by default) it is a warning; below, a remark. Where others were
shut out for longer than the limit, blocks-reads or blocks-writes tells it, with the time. (MySQL,
MariaDB: parent-table-locked.)

How it is measured
  By the locks that the server granted to the statement, and the words of its text, its literals
  included. Partitions of a table that is named, the table of an index that is named, and tables
  that are gone afterwards are not counted.

Why it hurts in production
  Nobody looks at that table when the statement is reviewed, and it is often the busier one: while
  the lock on it is waited for behind a long query, all of its readers queue. Locks on two tables
  are also what deadlocks are made of.

What to do instead
  Bound the wait and try again, and do nothing else in that transaction:
      SET lock_timeout = '2s';
      ALTER TABLE order_items DROP CONSTRAINT order_items_product_id_fkey;
  Before a table with a foreign key is dropped, drop the key by itself.
  Before a partition is added, tell the default one that it holds none of its rows, so that it is
  not read under the lock (13.3.1, ALTER TABLE, ATTACH PARTITION):
      ALTER TABLE events_other ADD CONSTRAINT c CHECK (at < '2027-01-01') NOT VALID;
      ALTER TABLE events_other VALIDATE CONSTRAINT c;
";

fn judge(run: &Run) -> Vec<Finding> {
    if run.engine() != Engine::Postgres {
        return Vec::new();
    }
    let mut found = Vec::new();
    for migration in &run.migrations {
        for index in 0..migration.statements.len() {
            found.extend(unnamed(run, migration, index).map(|lock| finding(run, migration, index, lock)));
        }
    }
    found
}

/// Whether this finding tells that a statement locked a table.
pub(super) fn tells(run: &Run, migration: &Migration, index: usize, table: &str) -> bool {
    unnamed(run, migration, index).any(|lock| lock.relation == table)
}

/// The strongest lock on each table that a statement does not name.
fn unnamed<'a>(run: &Run, migration: &'a Migration, index: usize) -> impl Iterator<Item = &'a Lock> {
    let statement = &migration.statements[index];
    let words = Keywords::of(&statement.sql);
    // Elsewhere the partitions of a table are locked because it is named.
    let of_partitions = words.begins("CREATE TABLE") || words.has("ATTACH PARTITION") || words.begins("DROP");
    let truncates = only_truncates(statement);
    let mut strong: Vec<&Lock> = statement.locks.iter().flatten().filter(|lock| shuts_out(lock)).collect();
    // Locks come strongest first.
    let mut seen = Vec::new();
    strong.retain(|lock| {
        let is_new = !seen.contains(&&lock.relation);
        seen.push(&lock.relation);
        is_new
    });
    let indexes = statement.locks.iter().flatten().filter(|lock| mentions(&statement.sql, &lock.relation));
    let by_index: Vec<&str> = indexes.filter_map(|lock| lock.table.as_deref()).collect();
    // Told by table-rewrite.
    let written: Vec<&str> = rewritten(run, statement).map(|new| new.relation.as_str()).collect();
    let gone = |table: &str| migration.removed.iter().any(|gone| gone.table == table && gone.column.is_none());
    strong.retain(|lock| {
        let table = &lock.relation;
        let named = mentions(&statement.sql, table) || by_index.contains(&table.as_str());
        let held = Held { lock, since: index };
        !named
            && !truncates
            && (of_partitions || !lock.partition)
            && !gone(table)
            && !written.contains(&table.as_str())
            && table::before(run, table).in_use()
            && !under_lock::is_told(run, migration, &held, index)
    });
    strong.into_iter()
}

fn shuts_out(lock: &Lock) -> bool {
    lock.table.is_none() && (lock.blocks.contains(&Blocks::Reads) || lock.blocks.contains(&Blocks::Writes))
}

fn finding(run: &Run, migration: &Migration, index: usize, lock: &Lock) -> Finding {
    let statement = &migration.statements[index];
    let table = &lock.relation;
    let rows = table::before(run, table).rows;
    let limit = limit::of_table(run, table).rewrite_rows;
    let severity = if rows.is_none_or(|rows| rows >= limit) { Severity::Warning } else { Severity::Info };
    let of_rows = table::of_rows(run, table, rows);
    let held = lock.held_ms.map(|held| format!(" for {held}")).unwrap_or_default();
    let whom = Held { lock, since: index }.whom();
    let scan = statement.scans.iter().flatten().find(|scan| scan.scans > 0 && scan.relation == *table);
    let read = if scan.is_some() { ", and read all of it" } else { "" };
    let message = format!(
        "{} shut {whom} out of {table}{of_rows}{held}, which it does not name{read} ({})",
        statement.command, lock.mode
    );
    Finding::new(CODE, severity, message)
        .in_migration(migration, Some(index))
        .on_table(table)
        .evidence("lock", &lock.mode)
        .evidence("held_ms", lock.held_ms)
        .evidence("scanned", scan.is_some())
        .evidence("rows", rows)
        .evidence("limit_rows", limit)
        .advice(advice::beside(run, migration, index, lock, scan.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::postgres::lock_mode::LockMode::{AccessExclusive, AccessShare, Share};
    use crate::verdict::testing::{Cases, Facts, StatementFacts, facts, migration, statement};

    pub(super) const CASES: Cases = Cases {
        shown: &[
            ("a foreign key was dropped", || with(drop_key()).run()),
            ("the default partition was read", || with(partition()).run()),
            ("a procedure changed a table", || {
                with(statement(1, "CALL mend()", 9).locks("public.products", AccessExclusive, 9)).run()
            }),
            ("the other table is small", || with(drop_key().locks("public.colours", AccessExclusive, 1)).run()),
        ],
        silent: &[
            ("it is named", || {
                let add = statement(1, "ALTER TABLE items ADD FOREIGN KEY (product_id) REFERENCES products", 9);
                with(add.locks("public.products", AccessExclusive, 9)).run()
            }),
            ("nobody is shut out of it", || {
                with(statement(1, "CALL mend()", 9).locks("public.products", AccessShare, 9)).run()
            }),
            ("its index is named", || {
                let drop = statement(1, "DROP INDEX products_sku", 9).locks("public.products", AccessExclusive, 9);
                with(drop.with(|drop| {
                    let mut index = drop.locks.as_ref().unwrap()[0].clone();
                    index.table = Some(std::mem::replace(&mut index.relation, "public.products_sku".to_owned()));
                    drop.locks.as_mut().unwrap().push(index);
                }))
                .run()
            }),
            ("it is a partition of the table that is named", || {
                let index = statement(1, "CREATE INDEX ON events (at)", 9).locks("public.events_other", Share, 9);
                with(index.with(|index| index.locks.as_mut().unwrap()[0].partition = true)).run()
            }),
            ("it was dropped with the other", || {
                let gone = migration("2").statement(statement(1, "DROP TABLE items CASCADE", 1).locks(
                    "public.products",
                    AccessExclusive,
                    1,
                ));
                facts().table("public.products", 50_000).migration(gone.removes("public.products", None)).run()
            }),
            ("it took longer than the limit, which blocks-reads tells", || {
                let slow = migration("2").statement(drop_key()).blocks("public.products", 50_000, 900, 900, 0);
                facts().table("public.products", 50_000).migration(slow).run()
            }),
            ("it is empty", || {
                let none =
                    drop_key().with(|drop| "public.drafts".clone_into(&mut drop.locks.as_mut().unwrap()[0].relation));
                with(none).run()
            }),
        ],
    };

    fn drop_key() -> StatementFacts {
        statement(1, "ALTER TABLE items DROP CONSTRAINT f", 1).locks("public.products", AccessExclusive, 2)
    }

    fn partition() -> StatementFacts {
        let sql = "CREATE TABLE events_2027 PARTITION OF events FOR VALUES FROM (1) TO (2)";
        let locked = statement(1, sql, 9).locks("public.events_other", AccessExclusive, 9);
        locked.scan("public.events_other", 90_000).with(|new| new.locks.as_mut().unwrap()[0].partition = true)
    }

    fn with(statement: StatementFacts) -> Facts {
        let tables = facts().table("public.items", 300_000).table("public.products", 50_000);
        let tables = tables.table("public.events_other", 90_000).table("public.colours", 12).table("public.drafts", 0);
        tables.migration(migration("2").statement(statement))
    }

    #[test]
    fn the_rows_decide_how_bad_it_is() {
        let found = judge(&with(drop_key().locks("public.colours", AccessExclusive, 1)).run());
        let told: Vec<_> = found.iter().map(|one| (one.severity, one.message.as_str())).collect();
        assert_eq!(
            told,
            [
                (
                    Severity::Warning,
                    "ALTER TABLE shut reads and writes out of public.products (50,000 rows) for 2.0 ms, which it does \
                     not name (AccessExclusiveLock)"
                ),
                (
                    Severity::Info,
                    "ALTER TABLE shut reads and writes out of public.colours (12 rows) for 1.0 ms, which it does not \
                     name (AccessExclusiveLock)"
                ),
            ]
        );
    }

    #[test]
    fn a_default_partition_that_was_read_is_told_here_alone() {
        let run = with(partition()).judged();
        let codes: Vec<&str> = run.findings.iter().map(|finding| finding.code.as_str()).collect();
        assert_eq!(codes, [CODE]);
        assert!(run.findings[0].message.contains("and read all of it"), "{}", run.findings[0].message);
        assert!(run.findings[0].help.contains("ALTER TABLE public.events_other ADD CONSTRAINT"));
    }
}
