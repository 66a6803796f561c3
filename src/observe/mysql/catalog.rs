//! The tables of the server as InnoDB and the SQL layer know them, and what changed in them.
//!
//! InnoDB gives a table a new `TABLE_ID` when its rows are written anew, and an index a new `INDEX_ID` when it is built
//! (seen on MySQL 9.7.4 and MariaDB 10.11 and 11.8). Each partition is a table of its own to InnoDB.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mysql_async::Conn;

use super::Family;
use super::ask::{Cells, ask, cell, number};
use crate::run::Removed;
use crate::sql::mysql::name;

/// Databases that are the server's own, or ours.
pub(super) const OTHERS: &str = "('mysql', 'information_schema', 'performance_schema', 'sys', 'rehearsal_observer')";

/// Database and name of a table.
pub(super) type TableName = (String, String);

/// All tables and views that are not the server's.
#[derive(Debug, Default, Clone)]
pub(super) struct Catalog {
    pub(super) tables: BTreeMap<TableName, Table>,
    /// Foreign keys: identifier, child, parent.
    pub(super) foreign: BTreeSet<(String, TableName, TableName)>,
}

/// A table or view.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Table {
    /// Its parts and their `TABLE_ID`s: one that is named nothing, or its partitions. None for what InnoDB does not store.
    pub(super) parts: BTreeMap<String, u64>,
    /// `INDEX_ID`s by part and name.
    pub(super) indexes: BTreeMap<(String, String), u64>,
    /// The most row versions that a part of it has used up.
    pub(super) row_versions: Option<u32>,
    /// Rows by InnoDB's statistics, where they were asked for.
    pub(super) rows: Option<u64>,
}

impl Catalog {
    /// Reads it. The rows are had only `with_rows`: that opens every table.
    pub(super) async fn read(conn: &mut Conn, family: Family, with_rows: bool) -> Result<Self, mysql_async::Error> {
        let (tables, indexes, foreign, versions) = match family {
            Family::Mysql => ("INNODB_TABLES", "INNODB_INDEXES", "INNODB_FOREIGN", "TOTAL_ROW_VERSIONS"),
            Family::Mariadb => ("INNODB_SYS_TABLES", "INNODB_SYS_INDEXES", "INNODB_SYS_FOREIGN", "NULL"),
        };
        let rows = if with_rows { "TABLE_ROWS" } else { "NULL" };
        let sql = format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME, {rows} FROM information_schema.TABLES WHERE TABLE_SCHEMA NOT IN {OTHERS}; \
             SELECT NAME, TABLE_ID, {versions} FROM information_schema.{tables}; \
             SELECT TABLE_ID, NAME, INDEX_ID FROM information_schema.{indexes}; \
             SELECT ID, FOR_NAME, REF_NAME FROM information_schema.{foreign}"
        );
        let sets = ask(conn, &sql).await?;
        Ok(Self::build(&sets))
    }

    fn build(sets: &[Vec<Cells>]) -> Self {
        let [names, tables, indexes, foreign] = sets else { return Self::default() };
        let mut catalog = Self::default();
        for row in names {
            let table = Table { rows: number(row, 2), ..Table::default() };
            catalog.tables.insert((cell(row, 0).to_owned(), cell(row, 1).to_owned()), table);
        }
        let mut owners: BTreeMap<u64, (TableName, String)> = BTreeMap::new();
        for row in tables {
            let Some((owner, part)) = stored(cell(row, 0)) else { continue };
            let Some(id) = number(row, 1) else { continue };
            let Some(table) = catalog.tables.get_mut(&owner) else { continue };
            table.parts.insert(part.clone(), id);
            let versions = number(row, 2).and_then(|versions| u32::try_from(versions).ok());
            table.row_versions = table.row_versions.max(versions);
            owners.insert(id, (owner, part));
        }
        for row in indexes {
            let (Some(table), Some(id)) = (number(row, 0), number(row, 2)) else { continue };
            let Some((owner, part)) = owners.get(&table) else { continue };
            if let Some(table) = catalog.tables.get_mut(owner) {
                table.indexes.insert((part.clone(), cell(row, 1).to_owned()), id);
            }
        }
        for row in foreign {
            if let (Some((child, _)), Some((parent, _))) = (stored(cell(row, 1)), stored(cell(row, 2))) {
                catalog.foreign.insert((cell(row, 0).to_owned(), child, parent));
            }
        }
        catalog
    }

    pub(super) fn contains(&self, table: &TableName) -> bool {
        self.tables.contains_key(table)
    }

    /// Parents of the foreign keys of `child` that are in one of the two catalogs only.
    pub(super) fn parents_changed(&self, after: &Self, child: &TableName) -> BTreeSet<TableName> {
        let changed = self.foreign.symmetric_difference(&after.foreign);
        changed.filter(|(_, from, to)| from == child && to != child).map(|(_, _, to)| to.clone()).collect()
    }

    /// Tables with a foreign key to this one.
    pub(super) fn children(&self, parent: &TableName) -> BTreeSet<TableName> {
        self.foreign.iter().filter(|(_, from, to)| to == parent && from != parent).map(|key| key.1.clone()).collect()
    }
}

impl Table {
    /// Whether rows that were there are stored anew in `after`: every part that both have, or all of them under new
    /// names (`COALESCE PARTITION`), has another `TABLE_ID`.
    pub(super) fn is_rewritten(&self, after: &Self) -> bool {
        let kept = after.parts.values().any(|id| self.parts.values().any(|old| old == id));
        let same_names = after.parts.iter().any(|(name, id)| self.parts.get(name).is_some_and(|old| old != id));
        !self.parts.is_empty() && !after.parts.is_empty() && (same_names || !kept)
    }

    /// Names of indexes that were built, which `self` has as well under this name.
    pub(super) fn built_anew<'a>(&'a self, after: &'a Self) -> impl Iterator<Item = &'a str> {
        let built = after.indexes.iter().filter(|(key, id)| self.indexes.get(*key).is_some_and(|old| old != *id));
        built.map(|((_, name), _)| name.as_str())
    }

    /// Whether `after` has an index that was built.
    pub(super) fn has_new_index(&self, after: &Self) -> bool {
        after.indexes.values().any(|id| !self.indexes.values().any(|old| old == id))
    }
}

/// Database, table and partition of a name as InnoDB stores it: `shop/order@0020lines#P#p0`. `None` for tables of its own.
fn stored(name: &str) -> Option<(TableName, String)> {
    let (database, table) = name.split_once('/')?;
    let lower = table.to_ascii_lowercase();
    let (table, part) = match lower.find("#p#") {
        Some(at) => (&table[..at], &lower[at + 3..]),
        None => (table, ""),
    };
    (!table.starts_with("#sql")).then(|| ((decode(database), decode(table)), part.to_owned()))
}

/// Undoes the encoding of names in files (MySQL 9.7 manual, 11.2.4 "Mapping of Identifiers to File Names"), as far as it is
/// by code point. Letters that have a two-character code of their own stay as they are.
fn decode(name: &str) -> String {
    let mut plain = String::new();
    let mut rest = name;
    while let Some(at) = rest.find('@') {
        plain.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 5).and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32);
        if let Some(letter) = code {
            plain.push(letter);
            rest = &rest[at + 5..];
        } else {
            plain.push('@');
            rest = &rest[at + 1..];
        }
    }
    plain + rest
}

/// The bytes of the files of a table and its partitions; `None` where they cannot be had.
pub(super) async fn size(conn: &mut Conn, family: Family, table: &Table) -> Option<u64> {
    let (tables, spaces) = match family {
        Family::Mysql => ("INNODB_TABLES", "INNODB_TABLESPACES"),
        Family::Mariadb => ("INNODB_SYS_TABLES", "INNODB_SYS_TABLESPACES"),
    };
    let ids: Vec<String> = table.parts.values().map(ToString::to_string).collect();
    let sql = format!(
        "SELECT SUM(s.FILE_SIZE) FROM information_schema.{spaces} s JOIN information_schema.{tables} t \
         ON t.SPACE = s.SPACE WHERE t.TABLE_ID IN ({})",
        ids.join(",")
    );
    let sets = ask(conn, &sql).await.ok()?;
    cell(sets.first()?.first()?, 0).split('.').next()?.parse().ok()
}

/// Columns of every table and view, by name on record. None of a table whose columns were not told.
pub(super) type Columns = BTreeMap<String, BTreeSet<String>>;

/// Reads them. MariaDB leaves out the columns of a table that it cannot open, as while an ALTER that was given up still
/// holds it (seen on 10.11); the names of the tables it has without opening them.
pub(super) async fn columns(conn: &mut Conn, home: &str) -> Result<Columns, mysql_async::Error> {
    let sql = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA NOT IN {OTHERS}; \
         SELECT TABLE_SCHEMA, TABLE_NAME, NULL FROM information_schema.TABLES WHERE TABLE_SCHEMA NOT IN {OTHERS}"
    );
    let mut columns = Columns::new();
    for row in ask(conn, &sql).await?.iter().flatten() {
        let told = columns.entry(name::relation(home, cell(row, 0), cell(row, 1))).or_default();
        told.extend(row.get(2).cloned().flatten());
    }
    Ok(columns)
}

/// Tables and columns that are there in `before` and not in `after`. A renamed one counts: queries name names.
pub(super) fn removed(before: &Columns, after: &Columns) -> Vec<Removed> {
    let mut removed = Vec::new();
    for (table, columns) in before {
        match after.get(table) {
            None => removed.push(Removed { table: table.clone(), column: None, data_lost: None }),
            // It is there, and its columns were not told.
            Some(left) if left.is_empty() => {}
            Some(left) => removed.extend(columns.difference(left).map(|column| Removed {
                table: table.clone(),
                column: Some(column.clone()),
                data_lost: None,
            })),
        }
    }
    removed
}

/// `SHOW CREATE TABLE`; `None` where there is no such table.
pub(super) async fn definition(conn: &mut Conn, (database, table): &TableName) -> Option<String> {
    let sql = format!("SHOW CREATE TABLE {}.{}", name::quote(database), name::quote(table));
    let sets = ask(conn, &sql).await.ok()?;
    let text = cell(sets.first()?.first()?, 1).to_owned();
    text.starts_with("CREATE TABLE").then_some(text)
}

/// The current database of a session; `None` where it has none. The server leaves it out while the session still ends what it
/// did last (seen on all three), so it is asked again: without one, no table can be named alone.
pub(super) async fn database(conn: &mut Conn, thread: u64) -> Result<Option<String>, mysql_async::Error> {
    let sql = format!("SELECT PROCESSLIST_DB FROM performance_schema.threads WHERE THREAD_ID = {thread}");
    for _ in 0..500 {
        let sets = ask(conn, &sql).await?;
        let database = sets.first().and_then(|rows| rows.first()?.first()?.clone());
        if database.is_some() {
            return Ok(database);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn innodbs_names_are_read() {
        let name = |database: &str, table: &str| (database.to_owned(), table.to_owned());
        assert_eq!(stored("shop/orders"), Some((name("shop", "orders"), String::new())));
        assert_eq!(stored("my@0020shop/a@0060b#P#p0"), Some((name("my shop", "a`b"), "p0".to_owned())));
        assert_eq!(stored("shop/#sql-ib1071-1"), None);
        assert_eq!(stored("innodb_system"), None);
    }

    fn table(parts: &[(&str, u64)]) -> Table {
        Table { parts: parts.iter().map(|(name, id)| ((*name).to_owned(), *id)).collect(), ..Table::default() }
    }

    #[test]
    fn a_table_is_rewritten_when_parts_that_were_there_have_other_ids() {
        let one = table(&[("", 1)]);
        assert!(one.is_rewritten(&table(&[("", 2)])));
        assert!(!one.is_rewritten(&one));
        let two = table(&[("p0", 1), ("p1", 2)]);
        assert!(!two.is_rewritten(&table(&[("p0", 1), ("p1", 2), ("p2", 3)])), "a partition was added");
        assert!(!two.is_rewritten(&table(&[("p1", 2)])), "a partition was dropped");
        assert!(two.is_rewritten(&table(&[("p0", 5), ("p1", 6), ("p2", 7)])));
        assert!(one.is_rewritten(&table(&[("p0", 5), ("p1", 6)])), "it was partitioned");
    }
}
