//! A run as the rules see it: of a message that the second pass took apart, its statements stand in its place (PostgreSQL), so
//! that a finding is about the one that did it.

use std::borrow::Cow;

use crate::run::{Blocked, Blocks, Counters, Finding, Migration, Millis, Run, Statement, StatementStatus};

/// Findings that name a statement for figures of the whole migration, which are the first pass's.
const OF_FIRST: [&str; 3] = ["blocks-reads", "blocks-writes", "slow-migration"];

/// The run with each message that was taken apart replaced by its statements, in a transaction as the message was.
pub(super) fn by_part(run: &Run) -> Cow<'_, Run> {
    let is_apart = |migration: &Migration| migration.statements.iter().any(|unit| !unit.parts.is_empty());
    if !run.migrations.iter().any(is_apart) {
        return Cow::Borrowed(run);
    }
    let mut run = run.clone();
    for migration in run.migrations.iter_mut().filter(|migration| is_apart(migration)) {
        take_apart(migration);
    }
    Cow::Owned(run)
}

/// Says of findings about such a statement that their figures are the second pass's; but for those of how long somebody was shut
/// out, which the first pass saw. No finding knows its statement after that,
/// as one that was read from a record does not.
pub(super) fn mark(judged: &Run, told: &Run, findings: &mut [Finding]) {
    for finding in findings {
        let (Some(id), Some(index)) = (&finding.migration, finding.statement.take()) else { continue };
        let of = |run: &Run| run.migrations.iter().position(|migration| migration.id == *id);
        let (Some(judged), Some(told)) = (
            of(judged).and_then(|at| judged.migrations[at].statements.get(index)),
            of(told).map(|at| &told.migrations[at].statements),
        ) else {
            continue;
        };
        let of_first = OF_FIRST.contains(&finding.code.as_str());
        if !of_first && told.iter().any(|unit| unit.parts.iter().any(|part| part == judged)) {
            finding.evidence.insert("pass".to_owned(), 2.into());
        }
    }
}

fn take_apart(migration: &mut Migration) {
    // Where each of the units went: its first statement, and how many there are.
    let mut places: Vec<(usize, usize)> = Vec::new();
    let mut all: Vec<Statement> = Vec::new();
    for mut unit in std::mem::take(&mut migration.statements) {
        let parts = std::mem::take(&mut unit.parts);
        places.push((all.len(), parts.len().max(1)));
        let Some(last) = parts.last() else {
            all.push(unit);
            continue;
        };
        let end = (!unit.in_transaction && last.in_transaction && !super::ends_transaction(last)).then(|| end(last));
        all.extend(parts);
        all.extend(end);
    }
    migration.statements = all;
    let of = |index: usize| {
        let (first, count) = places.get(index).copied().unwrap_or_default();
        first..first + count
    };
    let statements = &migration.statements;
    for blocking in &mut migration.blocking {
        let table = &blocking.table;
        let takes_lock = |blocked: &mut Blocked, who: Blocks| {
            blocked.statement = blocked.statement.map(|unit| {
                let locks = |index: &usize| {
                    let mut locks = statements[*index].locks.iter().flatten();
                    locks.any(|lock| {
                        lock.table.as_ref().unwrap_or(&lock.relation) == table && lock.blocks.contains(&who)
                    })
                };
                of(unit).find(locks).unwrap_or(of(unit).start)
            });
        };
        takes_lock(&mut blocking.reads, Blocks::Reads);
        takes_lock(&mut blocking.writes, Blocks::Writes);
    }
    if let Some(half) = &mut migration.half_applied {
        half.kept = half.kept.iter().flat_map(|unit| of(*unit)).collect();
    }
}

/// What the server does at the end of a message that begins no transaction of its own.
fn end(last: &Statement) -> Statement {
    let worked = last.status == StatementStatus::Ok;
    let command = if worked { "COMMIT" } else { "ROLLBACK" }.to_owned();
    Statement {
        line: None,
        sql: command.clone(),
        command,
        status: StatementStatus::Ok,
        error: None,
        bookkeeping: true,
        duration_ms: Millis::default(),
        rows: None,
        locks: Some(Vec::new()),
        rewrites: Some(Vec::new()),
        scans: Some(Vec::new()),
        lock_timeout_ms: None,
        counters: Counters::default(),
        ..last.clone()
    }
}

#[cfg(test)]
mod tests {
    use crate::observe::postgres::lock_mode::LockMode::{AccessExclusive, Share};
    use crate::run::{Finding, Run, StatementStatus};
    use crate::verdict::testing::{StatementFacts, facts, migration, statement};

    const FILE: &str =
        "ALTER TABLE orders ADD n int;\nALTER TABLE orders ALTER id TYPE bigint;\nCREATE INDEX ON orders (n)";

    fn parts() -> Vec<StatementFacts> {
        let (table, rows) = ("public.orders", 100_000);
        let add = statement(4, "ALTER TABLE orders ADD n int", 1).locks(table, AccessExclusive, 700);
        let change = statement(5, "ALTER TABLE orders ALTER id TYPE bigint", 600).rewrite(table, 9_000_000);
        let index = statement(6, "CREATE INDEX ON orders (n)", 90).locks(table, Share, 90);
        vec![add, change.scan(table, rows), index.scan(table, rows)]
    }

    /// A message with all of it, and another statement after it.
    fn sent(parts: Vec<StatementFacts>) -> Run {
        let unit = statement(4, FILE, 650).with(|unit| unit.in_transaction = false);
        let unit = unit.locks("public.orders", AccessExclusive, 650).rewrite("public.orders", 9_000_000);
        let later =
            statement(7, "UPDATE items SET n = 1", 300).touched(300_000).with(|later| later.in_transaction = false);
        let first = statement(1, "SET search_path = public", 0).with(|first| first.in_transaction = false);
        let migration = migration("0002").statement(first).statement(unit.apart(parts)).statement(later);
        let migration = migration.blocks("public.orders", 100_000, 650, 650, 1);
        facts().table("public.orders", 100_000).table("public.items", 300_000).migration(migration).judged()
    }

    fn found<'a>(run: &'a Run, code: &str) -> Option<&'a Finding> {
        run.findings.iter().find(|finding| finding.code == code)
    }

    #[test]
    fn a_finding_is_about_the_statement_of_a_message_that_did_it() {
        let run = sent(parts());
        let rewrite = found(&run, "table-rewrite").expect("a table was written anew");
        assert_eq!((rewrite.line, &rewrite.evidence["pass"]), (Some(5), &2.into()));
        assert!(rewrite.message.starts_with("ALTER TABLE wrote all of public.orders"), "{}", rewrite.message);
        let blocks = found(&run, "blocks-reads").expect("it took 650 ms");
        assert_eq!(blocks.line, Some(4), "where the lock was taken");
        assert_eq!(blocks.evidence.get("pass"), None, "for how long, the first pass saw");
        assert!(blocks.message.contains("for 650 ms"), "as long as the first pass saw: {}", blocks.message);
        assert_eq!(run.migrations[0].statements.len(), 3, "the record is as it was");
    }

    #[test]
    fn the_locks_of_a_message_end_with_it() {
        let run = sent(parts());
        let past: Vec<_> = run.findings.iter().filter(|finding| finding.line == Some(7)).collect();
        assert!(past.is_empty(), "{past:?}");
        let held = found(&run, "lock-held-past-statement").map(|found| found.message.clone()).unwrap_or_default();
        assert!(!held.contains("UPDATE"), "{held}");
    }

    #[test]
    fn a_message_that_was_left_whole_is_judged_as_one() {
        let run = sent(Vec::new());
        let rewrite = found(&run, "table-rewrite").expect("a table was written anew");
        assert_eq!((rewrite.line, rewrite.evidence.get("pass")), (Some(4), None));
    }

    #[test]
    fn the_statement_of_a_message_that_failed_is_what_failed() {
        let unit = statement(4, FILE, 1).fails("23505", "could not create unique index");
        let unit = unit.with(|unit| unit.in_transaction = false);
        let failed =
            statement(6, "CREATE UNIQUE INDEX ON orders (n)", 1).fails("23505", "could not create unique index");
        let mut parts = parts();
        parts[2] = failed;
        let migration = migration("0002").statement(unit.apart(parts)).failed_with("exit status 1");
        let run = facts().table("public.orders", 100_000).migration(migration).judged();
        let failure = found(&run, "fails-on-data").expect("it failed");
        assert_eq!(failure.line, Some(6));
        assert_eq!(run.migrations[0].statements[0].status, StatementStatus::Error);
    }
}
