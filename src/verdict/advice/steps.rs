//! The safe way of one statement, in SQL, with its real names (PostgreSQL).
//!
//! Each step is a migration of its own, and all of them together end where the statement does. They rest on what the server
//! said of the table ([`Shape`]) and on the statement's text where that is understood to its end; where anything is in doubt
//! there are none, and the prose stands alone.
//!
//! Sources: PostgreSQL 18 manual, `ALTER TABLE` (Notes), `CREATE INDEX` ("Building Indexes Concurrently"), `DROP INDEX`,
//! `REINDEX`, `REFRESH MATERIALIZED VIEW`, and 43.8 "Transaction Management". Tested by applying them.

mod another_type;
mod batches;
mod column;
mod constraint;
mod index;
mod partition;
mod several;

use super::super::limit;
use super::{Advice, worked};
use crate::run::{Conduct, Migration, Run, Shape, Statement, Step};
use crate::scenario::Engine;
use crate::sql::postgres::alter::{Action, Change, Part, bare, change};
use crate::sql::postgres::quote::ident;

/// Nobody queues for longer than that behind a step that waits for its lock.
const LOCK_TIMEOUT: &str = "SET lock_timeout = '2s'";

/// A statement, and what is known of the tables around it.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    migration: &'a Migration,
    statement: &'a Statement,
    /// The server's major version.
    version: u32,
}

impl<'a> About<'a> {
    /// A statement that worked, of a migration that was applied; `None` for others, of which the server says nothing.
    pub(super) fn new(run: &'a Run, migration: &'a Migration, index: usize) -> Option<Self> {
        let statement = migration.statements.get(index)?;
        let understood = worked(migration, statement) && !bare(&statement.sql).is_empty();
        let server = run.server.as_ref().filter(|server| server.engine == Engine::Postgres)?;
        let version = server.version.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()?;
        understood.then_some(Self { migration, statement, version })
    }

    /// The table that is written so; `None` if it is not known, or several may be meant.
    fn shape(&self, written: &str) -> Option<&'a Shape> {
        let mut named = self.migration.shapes.iter().filter(|shape| is_named(written, &shape.table));
        named.next().filter(|_| named.next().is_none())
    }

    /// Whether the text is understood, so that there are steps if the table is what they want.
    pub(super) fn is_understood(&self) -> bool {
        let of_catalog = |part: &Part<'_>| matches!(part.action, Action::OfCatalog { .. });
        change(&self.statement.sql).is_some_and(|change| match change {
            Change::Alter { parts, .. } => !parts.iter().all(of_catalog),
            Change::CreateIndex { concurrently, .. } => !concurrently,
            _ => true,
        })
    }

    /// The statement as it is.
    fn sql(&self) -> String {
        bare(&self.statement.sql).to_owned()
    }
}

/// The safe way of a statement.
pub(super) fn of_statement(about: About<'_>) -> Option<Advice> {
    match change(&about.statement.sql)? {
        Change::Alter { table, parts } => {
            let shape = about.shape(table)?;
            match &parts[..] {
                [only] => of_action(about, shape, &only.action),
                _ => several::apart(about, shape, parts),
            }
        }
        Change::CreateIndex { name, concurrently: false, .. } => index::create(about, name),
        Change::CreateIndex { .. } => None,
        Change::CreatePartition => partition::create(about),
        Change::DropIndex { if_exists, names } => index::drop(about, if_exists, &names),
        Change::Reindex { what, name } => index::reindex(about, what, name),
        Change::Refresh { view } => index::refresh(about, view),
        Change::Update { table, set, columns, condition } => batches::update(about, table, set, &columns, condition),
    }
}

fn of_action(about: About<'_>, shape: &Shape, action: &Action<'_>) -> Option<Advice> {
    match action {
        Action::AddConstraint { name, kind, columns, .. } => constraint::add(about, shape, *name, *kind, columns),
        Action::SetNotNull { column } => column::set_not_null(about, shape, column),
        Action::AddColumn { name, .. } => column::add(about, shape, name),
        Action::ChangeType { column, using } => another_type::change(about, shape, column, *using),
        Action::Attach { partition } => partition::attach(about, partition),
        Action::OfCatalog { .. } => None,
    }
}

/// A change of a column with these indexes out of the way.
pub(super) fn without_indexes(about: About<'_>, indexes: &[&str]) -> Option<Advice> {
    index::out_of_the_way(about, indexes)
}

/// A DELETE or UPDATE with an index on what points to its rows, from this table.
pub(super) fn with_index_on(about: About<'_>, child: &str) -> Option<Advice> {
    index::of_foreign_key(about, child)
}

/// The statement as it is, with a bound on the wait for its lock.
pub(super) fn bounded(about: About<'_>) -> Vec<Step> {
    vec![locking([about.sql()])]
}

/// Two statements of one transaction, each by itself: the first takes a lock, the second takes long.
pub(super) fn apart(first: About<'_>, then: About<'_>) -> Vec<Step> {
    let own = |about: About<'_>| of_statement(about).map(|advice| advice.steps);
    let mut steps = own(first).unwrap_or_else(|| bounded(first));
    steps.extend(own(then).unwrap_or_else(|| bounded(then)));
    steps
}

/// A step in a transaction that takes locks which others would queue behind.
fn locking(sql: impl IntoIterator<Item = String>) -> Step {
    let sql = std::iter::once(LOCK_TIMEOUT.to_owned()).chain(sql).collect();
    Step { run: Conduct::Transaction, sql }
}

/// A step in a transaction that nobody waits for.
fn quiet(sql: String) -> Step {
    Step { run: Conduct::Transaction, sql: vec![sql] }
}

/// A step outside a transaction.
fn outside(sql: String) -> Step {
    Step { run: Conduct::OutsideTransaction, sql: vec![sql] }
}

/// Whether a name in a statement is this one of the server.
fn is_named(written: &str, name: &str) -> bool {
    limit::is_named(Engine::Postgres, written, name)
}

/// The name of something new beside a table, quoted if need be, no longer than the server takes (63 bytes).
fn beside(parts: &[&str]) -> String {
    let mut name = parts.iter().map(|part| limit::last_part(part)).collect::<Vec<_>>().join("_");
    if name.len() > 63 {
        // The end tells what it is for.
        let end = limit::last_part(parts.last().copied().unwrap_or_default());
        let mut kept = 62_usize.saturating_sub(end.len());
        while !name.is_char_boundary(kept) {
            kept -= 1;
        }
        name = format!("{}_{end}", &name[..kept]);
    }
    ident(&name)
}

/// The last part of a qualified name, as it stands there.
fn last(name: &str) -> &str {
    let mut quoted = false;
    let dot = name.char_indices().filter(|(_, letter)| {
        quoted ^= *letter == '"';
        *letter == '.' && !quoted
    });
    dot.last().map_or(name, |(at, _)| &name[at + 1..])
}
