//! What class of change it is, with a sentence for each fact that makes it one.
//!
//! Destructive goes before slow, and slow before additive; the sentences of the weaker class are kept. A column that
//! one pending migration adds and another takes away counts as gone: the record does not say that it was new.
//! Additive is what has nothing against it, so it is not known before every migration was applied.

use std::collections::BTreeSet;

use super::{only_truncates, rewritten, story, table};
use crate::run::{
    Class, Finding, Migration, MigrationStatus, QuerySet, RewriteKind, Rows, Run, Statement, StatementStatus,
};

/// From how many rows on a change of data counts as work that grows with the table.
const MANY_ROWS: u64 = 1_000;

/// The locks of a statement that changes rows: of PostgreSQL, and of MySQL and MariaDB.
const WRITES: [&str; 2] = ["RowExclusiveLock", "SHARED_WRITE"];

/// Findings that say that a limit on blocking or time was exceeded.
const OVER_LIMIT: [&str; 3] = ["blocks-reads", "blocks-writes", "slow-migration"];

/// The class, if it can be known, and why.
pub(super) fn class(run: &Run, findings: &[Finding]) -> (Option<Class>, Vec<String>) {
    let mut reasons = destructive(run);
    let is_destructive = !reasons.is_empty();
    reasons.extend(slow(run, findings));
    let applied = || run.migrations.iter().all(|migration| migration.status == MigrationStatus::Applied);
    let class = if is_destructive {
        Some(Class::Destructive)
    } else if !reasons.is_empty() {
        Some(Class::Slow)
    } else {
        applied().then_some(Class::Additive)
    };
    (class, reasons)
}

fn destructive(run: &Run) -> Vec<String> {
    let mut reasons = Vec::new();
    for migration in &run.migrations {
        for gone in migration.removed.iter().filter(|gone| table::before(run, &gone.table).in_use()) {
            let column = gone.column.as_ref().map(|column| format!(".{column}")).unwrap_or_default();
            reasons.push(format!("{}{column} is gone after {}{}", gone.table, migration.name, rows(run, &gone.table)));
        }
        for statement in migration.statements.iter().filter(|statement| only_truncates(statement)) {
            let emptied = emptied(statement).into_iter().filter(|table| table::before(run, table).in_use());
            reasons.extend(emptied.map(|table| format!("{table} is emptied{}", rows(run, table))));
        }
    }
    let old = story::stories(run, QuerySet::Old);
    let broken = old.iter().filter(|story| story.first_failure().is_some());
    reasons.extend(broken.map(|story| format!("old query `{}` stops working", story.query().name)));
    reasons
}

/// The tables that a `TRUNCATE` emptied: those that got new storage (PostgreSQL), or those that nobody else could use
/// meanwhile (MySQL, MariaDB, where it refuses to touch a foreign key's other table).
pub(super) fn emptied(statement: &Statement) -> BTreeSet<&str> {
    if statement.status != StatementStatus::Ok {
        return BTreeSet::new();
    }
    let stored = statement.rewrites.iter().flatten().filter(|new| new.kind == RewriteKind::Table);
    let locked = statement.locks.iter().flatten().filter(|lock| lock.mode == "EXCLUSIVE");
    stored.map(|new| new.relation.as_str()).chain(locked.map(|lock| lock.relation.as_str())).collect()
}

fn slow(run: &Run, findings: &[Finding]) -> Vec<String> {
    let statements =
        run.migrations.iter().flat_map(|migration| migration.statements.iter().map(move |s| (migration, s)));
    let mut reasons: Vec<String> =
        statements.flat_map(|(migration, statement)| work(run, migration, statement)).collect();
    let over: Vec<&str> =
        OVER_LIMIT.into_iter().filter(|code| findings.iter().any(|finding| finding.code == *code)).collect();
    // Where the work itself is told, the findings tell the rest.
    if reasons.is_empty() && !over.is_empty() {
        reasons.push(format!("a limit on blocking or time was exceeded ({})", over.join(", ")));
    }
    reasons
}

/// What a statement did that takes longer on a larger table.
fn work(run: &Run, migration: &Migration, statement: &Statement) -> Vec<String> {
    let place = place(migration, statement);
    let tables: Vec<&str> = rewritten(run, statement).map(|new| new.relation.as_str()).collect();
    let mut reasons: Vec<String> =
        tables.iter().map(|table| format!("{place} wrote {table} anew{}", rows(run, table))).collect();
    let in_use = |table: &str| !tables.contains(&table) && table::before(run, table).in_use();
    if !only_truncates(statement) {
        for new in statement.rewrites.iter().flatten().filter(|new| new.kind == RewriteKind::Index) {
            if let Some(table) = new.table.as_deref().filter(|table| in_use(table)) {
                reasons.push(format!("{place} built {} anew{}", new.relation, rows(run, table)));
            }
        }
    }
    if changes_schema(statement) {
        let scans = statement.scans.iter().flatten().filter(|scan| scan.scans > 0 && in_use(&scan.relation));
        reasons.extend(scans.map(|scan| format!("{place} read all of {}{}", scan.relation, rows(run, &scan.relation))));
    }
    // MySQL counts the rows that an ALTER copied as changed; that was told above.
    let rows = statement.rows.filter(|_| statement.algorithm.is_none());
    if let Some(touched) = rows.filter(|touched| *touched >= MANY_ROWS && changes_old(run, statement)) {
        reasons.push(format!("{place} changed {}", Rows(touched)));
    }
    reasons
}

fn place(migration: &Migration, statement: &Statement) -> String {
    let line = statement.line.map(|line| match migration.path {
        Some(_) => format!(":{line}"),
        None => format!(", line {line} of the message"),
    });
    let line = line.unwrap_or_default();
    let version = statement.version.as_ref().map(|version| format!("version {version}"));
    format!("{} ({}{line})", statement.command, version.as_ref().unwrap_or(&migration.name))
}

fn rows(run: &Run, table: &str) -> String {
    table::of_rows(run, table, table::before(run, table).rows)
}

/// Whether any part of a message is something else than reading and changing rows.
pub(super) fn changes_schema(statement: &Statement) -> bool {
    const OF_ROWS: [&str; 9] =
        ["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "VALUES", "REPLACE", "LOAD DATA"];
    statement.command.split("; ").any(|command| !OF_ROWS.contains(&command))
}

/// Whether a statement changed rows of a table that was there before: what fills a new relation did not. Its own lock
/// tells; one that it did not need to take, since an earlier statement had, tells nothing and counts as a yes.
fn changes_old(run: &Run, statement: &Statement) -> bool {
    let spares_old =
        |command: &str| command == "SELECT" || command.starts_with("CREATE ") || command.starts_with("REFRESH ");
    if statement.command.split("; ").all(spares_old) {
        return false;
    }
    let locks = statement.locks.iter().flatten().filter(|lock| lock.table.is_none());
    let mut written = locks.filter(|lock| WRITES.contains(&lock.mode.as_str())).peekable();
    written.peek().is_none() || written.any(|lock| table::before(run, &lock.relation).existed)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::observe::postgres::lock_mode::LockMode::RowExclusive;
    use crate::run::Algorithm::{Copy, Inplace, InplaceRebuild, Instant};
    use crate::scenario::Engine;
    use crate::verdict::judge;
    use crate::verdict::testing::Said::Same;
    use crate::verdict::testing::{Facts, GONE, MigrationFacts, StatementFacts, facts, facts_on, migration, statement};

    fn orders() -> Facts {
        facts().table("public.orders", 5_000_000).table("public.drafts", 0)
    }

    fn class_of(facts: Facts) -> (Option<Class>, Vec<String>) {
        let run = facts.run();
        let (findings, _) = judge(&run);
        class(&run, &findings)
    }

    fn of_migration(migration: MigrationFacts) -> (Option<Class>, Vec<String>) {
        class_of(orders().migration(migration))
    }

    fn of_statement(statement: StatementFacts) -> (Option<Class>, Vec<String>) {
        of_migration(migration("1").statement(statement))
    }

    #[test]
    fn what_is_gone_makes_it_destructive() {
        let column = of_migration(migration("1").removes("public.orders", Some("status")));
        let reason = "public.orders.status is gone after 1_change.sql (5,000,000 rows)".to_owned();
        assert_eq!(column, (Some(Class::Destructive), vec![reason]));
        let emptied = of_statement(statement(1, "TRUNCATE orders", 3).rewrite("public.orders", 0));
        assert_eq!(emptied, (Some(Class::Destructive), vec!["public.orders is emptied (5,000,000 rows)".to_owned()]));
        for nothing_lost in ["public.drafts", "public.made_by_an_earlier_one"] {
            assert_eq!(
                of_migration(migration("1").removes(nothing_lost, None)).0,
                Some(Class::Additive),
                "{nothing_lost}"
            );
        }
    }

    #[test]
    fn an_old_query_that_breaks_makes_it_destructive_and_slow_reasons_are_kept() {
        let scan = statement(2, "CREATE INDEX ON orders (status)", 90).scan("public.orders", 5_000_000);
        let facts = orders().migration(migration("1").statement(scan));
        let (class, reasons) = class_of(facts.query(QuerySet::Old, "list", &[("before", Same), ("after", GONE)]));
        assert_eq!(class, Some(Class::Destructive));
        assert_eq!(
            reasons,
            [
                "old query `list` stops working",
                "CREATE INDEX (1_change.sql:2) read all of public.orders (5,000,000 rows)"
            ]
        );
    }

    #[test]
    fn work_that_grows_with_a_table_in_use_makes_it_slow() {
        let alter = || statement(1, "ALTER TABLE orders ADD CHECK (id > 0)", 9);
        let update = || statement(1, "UPDATE orders SET status = 1", 9);
        let block = || statement(1, "DO 'BEGIN UPDATE orders SET status = 1; END'", 9);
        let insert = || statement(1, "INSERT INTO new_one SELECT 1", 9).touched(9_000);
        for (claim, statement, expected) in [
            ("a rewrite", alter().rewrite("public.orders", 9), Class::Slow),
            ("a rewrite of an empty table", alter().rewrite("public.drafts", 9), Class::Additive),
            ("an index", statement(1, "REINDEX", 9).rebuild("public.i", "public.orders", 9), Class::Slow),
            (
                "an empty table's index",
                statement(1, "REINDEX", 9).rebuild("public.i", "public.drafts", 9),
                Class::Additive,
            ),
            ("a scan", alter().scan("public.orders", 5_000_000), Class::Slow),
            ("a scan of a new table", alter().scan("public.new_one", 5), Class::Additive),
            ("a scan for a few rows", update().scan("public.orders", 5_000_000).touched(3), Class::Additive),
            ("many rows", update().locks("public.orders", RowExclusive, 9).touched(1_000), Class::Slow),
            ("few rows", update().locks("public.orders", RowExclusive, 9).touched(999), Class::Additive),
            ("many rows, lock not told", update().touched(1_000), Class::Slow),
            ("many rows of a new table", insert().locks("public.new_one", RowExclusive, 9), Class::Additive),
            (
                "a block that changes many rows",
                block().locks("public.orders", RowExclusive, 9).touched(1_000),
                Class::Slow,
            ),
            (
                "a block that changes few rows",
                block().locks("public.orders", RowExclusive, 9).touched(999),
                Class::Additive,
            ),
            (
                "a block that fills a new table",
                block().locks("public.new_one", RowExclusive, 9).touched(9_000),
                Class::Additive,
            ),
            (
                "a new table with many rows",
                statement(1, "CREATE TABLE new_one AS SELECT", 9).touched(9_000),
                Class::Additive,
            ),
            ("many rows read", statement(1, "SELECT * FROM orders", 9).touched(9_000), Class::Additive),
        ] {
            assert_eq!(of_statement(statement).0, Some(expected), "{claim}");
        }
    }

    #[test]
    fn a_truncate_of_mysql_is_told_by_what_it_locked() {
        let truncate = |table: &str| {
            let truncate = statement(1, "TRUNCATE TABLE orders", 3).metadata_lock(table, "EXCLUSIVE", 3);
            let facts = facts_on(Engine::Mysql).table("orders", 5_000_000).table("drafts", 0);
            class_of(facts.migration(migration("1").statement(truncate)))
        };
        let reason = "orders is emptied (5,000,000 rows)".to_owned();
        assert_eq!(truncate("orders"), (Some(Class::Destructive), vec![reason]));
        assert_eq!(truncate("drafts").0, Some(Class::Additive));
    }

    #[test]
    fn work_that_grows_with_a_table_of_mysql_makes_it_slow() {
        let alter = || statement(1, "ALTER TABLE orders MODIFY n BIGINT", 9);
        let update = || statement(1, "UPDATE orders SET status = 1", 9).touched(9_000);
        let insert = || statement(1, "INSERT INTO new_one SELECT 1", 9).touched(9_000);
        for (claim, statement, expected) in [
            ("a copy", alter().by(Copy).rewrite("orders", 9).touched(5_000_000), Class::Slow),
            ("a rebuild", alter().by(InplaceRebuild).rewrite("orders", 9), Class::Slow),
            ("a copy of an empty table", alter().by(Copy).rewrite("drafts", 9), Class::Additive),
            ("an index", alter().by(Inplace).scan("orders", 5_000_000), Class::Slow),
            ("a change of the dictionary only", alter().by(Instant), Class::Additive),
            ("many rows", update().metadata_lock("orders", "SHARED_WRITE", 9), Class::Slow),
            ("many rows of a new table", insert().metadata_lock("new_one", "SHARED_WRITE", 9), Class::Additive),
        ] {
            let facts = facts_on(Engine::Mysql).table("orders", 5_000_000).table("drafts", 0);
            let (class, reasons) = class_of(facts.migration(migration("1").statement(statement)));
            assert_eq!(class, Some(expected), "{claim}");
            assert!(reasons.len() <= 1, "{claim}: {reasons:?}");
        }
    }

    #[test]
    fn nothing_against_it_is_no_class_before_every_migration_was_applied() {
        for missing in [MigrationStatus::Failed, MigrationStatus::NotRun] {
            let nothing_yet = || orders().migration(migration("1")).migration(migration("2").ended(missing));
            assert_eq!(class_of(nothing_yet()).0, None);
            let emptied = statement(1, "TRUNCATE orders", 3).rewrite("public.orders", 0);
            let shown = nothing_yet().migration(migration("3").statement(emptied));
            assert_eq!(class_of(shown).0, Some(Class::Destructive));
        }
    }

    #[test]
    fn a_limit_that_is_exceeded_makes_it_slow() {
        let (class, reasons) = of_migration(migration("1").took(600_001));
        assert_eq!(class, Some(Class::Slow));
        assert_eq!(reasons, ["a limit on blocking or time was exceeded (slow-migration)"]);
    }
}
