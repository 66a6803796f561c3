//! How an ALTER was carried out: told by what it left behind and the stages that it went through.
//!
//! What leaves no trace was either INSTANT or in place with nothing but the data dictionary to change. Which of the two, the
//! server says itself: the same statement with `ALGORITHM=INSTANT` on an empty clone of the table, made from its
//! definition in a database of our own. A clone cannot tell anything else: it has no row versions and no data.

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::catalog::Table;
use super::events::{Event, Step};
use crate::run::Algorithm;
use crate::sql::mysql::name::quote;
use crate::sql::mysql::tables::{Named, Tables};

/// What the traces say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trace {
    /// They tell it.
    Told(Algorithm),
    /// Only the data dictionary was changed.
    DictionaryOnly,
}

/// Reads the traces of a statement that altered a table. `None` where it did nothing, or nothing is known of the table.
pub(super) fn trace(event: &Event, before: Option<&Table>, after: Option<&Table>) -> Option<Trace> {
    if event.has(Step::Copy) {
        return Some(Trace::Told(Algorithm::Copy));
    }
    let (before, after) = (before?, after?);
    if before.parts.is_empty() {
        // InnoDB does not store it.
        return None;
    }
    if before.is_rewritten(after) {
        return Some(Trace::Told(Algorithm::InplaceRebuild));
    }
    if before.has_new_index(after) {
        return Some(Trace::Told(Algorithm::Inplace));
    }
    if after.row_versions > before.row_versions {
        return Some(Trace::Told(Algorithm::Instant));
    }
    if event.has(Step::Commit) || event.has(Step::Prepare) {
        return Some(Trace::DictionaryOnly);
    }
    // A new name alone.
    Some(Trace::Told(Algorithm::Instant))
}

/// An empty clone of a table, on which a statement can be tried.
pub(super) struct Clone<'a> {
    pub(super) conn: &'a mut Conn,
    /// `SHOW CREATE TABLE`, from before the statement.
    pub(super) definition: &'a str,
    pub(super) table: &'a str,
    pub(super) sql: &'a str,
    pub(super) tables: &'a Tables,
}

/// Where clones are made.
const DATABASE: &str = "rehearsal_observer";

impl Clone<'_> {
    /// Whether the server takes the statement with these clauses. `None` where it fails for another reason.
    pub(super) async fn takes(&mut self, clauses: &str) -> Result<Option<bool>, mysql_async::Error> {
        let Some(named) = self.tables.named.first() else { return Ok(None) };
        let target = format!("{}.{}", quote(DATABASE), quote(self.table));
        let Some(body) = self.definition.find('(').map(|at| &self.definition[at..]) else { return Ok(None) };
        let forced = forced(self.sql, self.tables.is_alter, named, &target, clauses);
        let create = format!("CREATE TABLE {target} {body}");
        self.conn.query_drop(format!("CREATE DATABASE IF NOT EXISTS {DATABASE}")).await?;
        let tried = match self.conn.query_drop(create).await {
            Ok(()) => self.conn.query_drop(forced).await,
            Err(error) => Err(error),
        };
        self.conn.query_drop(format!("DROP DATABASE {DATABASE}")).await?;
        match tried {
            Ok(()) => Ok(Some(true)),
            // ER_ALTER_OPERATION_NOT_SUPPORTED and the same with a reason.
            Err(mysql_async::Error::Server(error)) if matches!(error.code, 1845 | 1846) => Ok(Some(false)),
            Err(mysql_async::Error::Server(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The statement on another table, with clauses.
fn forced(sql: &str, is_alter: bool, named: &Named, target: &str, clauses: &str) -> String {
    let (head, tail) = (&sql[..named.at.start], sql[named.at.end..].trim_end().trim_end_matches(';'));
    if is_alter {
        // In front, since nothing may follow a clause about partitions.
        return format!("{head}{target} {clauses},{tail}");
    }
    // A line, since a comment may stand at the end.
    format!("{head}{target}{tail}\n{}", clauses.replace(',', " "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::mysql::tables::tables_of;

    #[test]
    fn a_statement_is_turned_to_its_clone() {
        for (sql, expected) in [
            ("ALTER TABLE orders ADD n INT;", "ALTER TABLE `x` ALGORITHM=INSTANT, ADD n INT"),
            ("CREATE INDEX i ON orders (a)", "CREATE INDEX i ON `x` (a)\nALGORITHM=INSTANT"),
            ("DROP INDEX i ON `orders` -- gone", "DROP INDEX i ON `x` -- gone\nALGORITHM=INSTANT"),
        ] {
            let tables = tables_of(sql).unwrap();
            assert_eq!(forced(sql, tables.is_alter, &tables.named[0], "`x`", "ALGORITHM=INSTANT"), expected);
        }
    }
}
