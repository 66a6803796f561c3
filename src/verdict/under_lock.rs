//! Which tables in use somebody was shut out of while a statement ran, and since which statement (PostgreSQL, where a lock
//! stays until the transaction ends).

use super::keywords::Keywords;
use super::mention::mentions;
use super::{blocking, ends_transaction, table};
use crate::run::{Blocks, Lock, Migration, Millis, Run, Statement};

/// A lock that shuts readers or writers out of a table in use, and was held to a statement's end.
#[derive(Clone, Copy)]
pub(super) struct Held<'a> {
    pub(super) lock: &'a Lock,
    /// The statement that took it.
    pub(super) since: usize,
}

impl Held<'_> {
    /// Whom it shuts out.
    pub(super) fn whom(&self) -> &'static str {
        if self.lock.blocks.contains(&Blocks::Reads) { "reads and writes" } else { "writes" }
    }
}

/// The locks under which a statement ran: for each table in use the strongest, taken by itself or earlier in its transaction.
/// One whose release was not observed, or came before the statement's end (with a savepoint), is left out.
pub(super) fn held<'a>(run: &Run, migration: &'a Migration, index: usize) -> Vec<Held<'a>> {
    let mut strongest: Vec<Held<'a>> = Vec::new();
    let blocks_reads = |lock: &Lock| lock.blocks.contains(&Blocks::Reads);
    let Some(last) = migration.statements.get(index) else { return strongest };
    // From the last to the first of its transaction, which may be one of thousands.
    let mut busy = Millis::default();
    for (since, statement) in migration.statements[..=index].iter().enumerate().rev() {
        if statement.connection != last.connection {
            continue;
        }
        if since != index && !(stays_open(last) && stays_open(statement)) {
            break;
        }
        let strong = statement.locks.iter().flatten().rev().filter(|lock| {
            let shuts_out = blocks_reads(lock) || lock.blocks.contains(&Blocks::Writes);
            let lasted = lock.held_ms.is_some_and(|held| held >= busy);
            lock.table.is_none() && shuts_out && lasted && table::before(run, &lock.relation).in_use()
        });
        for lock in strong {
            match strongest.iter_mut().find(|known| known.lock.relation == lock.relation) {
                Some(known) if blocks_reads(known.lock) && !blocks_reads(lock) => {}
                Some(known) => *known = Held { lock, since },
                None => strongest.push(Held { lock, since }),
            }
        }
        busy += statement.duration_ms;
    }
    strongest.sort_by_key(|held| held.since);
    strongest
}

/// Whether a statement would have needed such a lock by itself. One that an earlier statement took already is not seen again,
/// so that an `ALTER TABLE` is told by its text; `VALIDATE` lets everybody pass.
pub(super) fn needs_itself(statement: &Statement, index: usize, held: &Held<'_>) -> bool {
    let words = Keywords::of(&statement.sql);
    let alters = words.begins("ALTER TABLE") && !words.has("VALIDATE CONSTRAINT");
    held.since == index || alters && mentions(&statement.sql, &held.lock.relation)
}

/// Whether `blocks-reads` or `blocks-writes` tells of this lock, with the time for which it shut somebody out.
pub(super) fn is_told(run: &Run, migration: &Migration, held: &Held<'_>, index: usize) -> bool {
    let of_table = |seen: &&crate::run::Blocking| seen.table == held.lock.relation;
    let windows = migration.blocking.iter().filter(of_table).flat_map(|seen| {
        [blocking::reads(run, migration, seen), blocking::writes(run, migration, seen)].into_iter().flatten()
    });
    let begins = windows.map(|window| window.statement);
    let mut begins = begins.map(|begin| begin.is_none_or(|begin| same_transaction(migration, begin, index)));
    begins.any(|same| same)
}

/// Whether these two are all that their transaction does, but for what belongs to the transaction or to a tool's own history.
pub(super) fn are_whole_transaction(migration: &Migration, first: usize, last: usize) -> bool {
    const OF_TRANSACTIONS: [&str; 3] = ["BEGIN", "START TRANSACTION", "SET"];
    let others = migration.statements.iter().enumerate().filter(|(index, other)| {
        let counts = !other.bookkeeping && !OF_TRANSACTIONS.contains(&other.command.as_str());
        counts && *index != first && *index != last
    });
    let mut others = others.map(|(index, _)| index);
    !others.any(|index| same_transaction(migration, index, first))
}

/// Whether two statements ran in the same transaction, or are one.
pub(super) fn same_transaction(migration: &Migration, first: usize, last: usize) -> bool {
    let (first, last) = (first.min(last), first.max(last));
    let Some(between) = migration.statements.get(first..=last) else { return false };
    let connection = between[0].connection;
    let own = between.iter().filter(|statement| statement.connection == connection);
    first == last || between[between.len() - 1].connection == connection && own.clone().all(stays_open)
}

/// Whether a statement is in a transaction that goes on after it.
fn stays_open(statement: &Statement) -> bool {
    statement.in_transaction && !ends_transaction(statement)
}
