//! The columns of every table and view, by name and by identity, so that what was renamed is told from what was dropped.

use std::collections::{BTreeMap, BTreeSet};

use super::ask::{Ask, AskError};
use super::catalog::Oid;
use crate::run::Removed;

/// Every table and view of the database.
#[derive(Debug, Default, Clone)]
pub(super) struct Columns {
    tables: BTreeMap<String, Table>,
    /// All columns by identity, and whether they may be NULL: `pg_attribute` numbers a table's columns, and a number is never
    /// used again.
    ids: BTreeMap<(Oid, i16), bool>,
}

#[derive(Debug, Default, Clone)]
struct Table {
    oid: Oid,
    /// Whether it holds rows of its own, or has partitions that do.
    holds_rows: bool,
    columns: BTreeMap<String, i16>,
}

impl Columns {
    /// Reads them.
    pub(super) async fn read(session: &mut impl Ask) -> Result<Self, AskError> {
        let sql = "SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), c.oid, c.relkind, \
                   a.attname, a.attnum, a.attnotnull \
                   FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                   LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
                   WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') AND c.oid >= 16384";
        let mut columns = Self::default();
        for row in session.ask(sql).await? {
            let [Some(table), Some(oid), Some(kind), column, number, not_null] = row.as_slice() else { continue };
            let Ok(oid) = oid.parse() else { continue };
            let number = number.as_ref().and_then(|number| number.parse().ok());
            let column =
                column.as_deref().zip(number).map(|(name, number)| (name, number, not_null.as_deref() != Some("t")));
            columns.add(table, oid, matches!(kind.as_str(), "r" | "p"), column);
        }
        Ok(columns)
    }

    fn add(&mut self, table: &str, oid: Oid, holds_rows: bool, column: Option<(&str, i16, bool)>) {
        let entry = self.tables.entry(table.to_owned()).or_default();
        (entry.oid, entry.holds_rows) = (oid, holds_rows);
        if let Some((name, number, nullable)) = column {
            entry.columns.insert(name.to_owned(), number);
            self.ids.insert((oid, number), nullable);
        }
    }

    /// Whether it has a table.
    pub(super) fn has_table(&self, oid: Oid) -> bool {
        self.ids.range((oid, i16::MIN)..=(oid, i16::MAX)).next().is_some()
    }

    /// Whether a column may be NULL; `None` if it has none of this number.
    pub(super) fn nullable(&self, oid: Oid, number: i16) -> Option<bool> {
        self.ids.get(&(oid, number)).copied()
    }

    /// Tables and columns that are there, and no longer in `after`. A renamed one counts: queries name names. `initial` is as it
    /// was before all pending migrations.
    pub(super) fn removed(&self, after: &Self, initial: &Self) -> Vec<Removed> {
        let left: BTreeSet<Oid> = after.tables.values().map(|table| table.oid).collect();
        let old: BTreeSet<Oid> = initial.tables.values().map(|table| table.oid).collect();
        let mut removed = Vec::new();
        for (name, table) in &self.tables {
            let Some(same) = after.tables.get(name) else {
                let lost = table.holds_rows && !left.contains(&table.oid) && old.contains(&table.oid);
                removed.push(Removed { table: name.clone(), column: None, data_lost: Some(lost) });
                continue;
            };
            for (column, number) in table.columns.iter().filter(|(column, _)| !same.columns.contains_key(*column)) {
                let id = (table.oid, *number);
                let gone = !after.ids.contains_key(&id) && initial.ids.contains_key(&id);
                let lost = table.holds_rows && left.contains(&table.oid) && gone;
                removed.push(Removed { table: name.clone(), column: Some(column.clone()), data_lost: Some(lost) });
            }
        }
        removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, OID, whether it holds rows, and its columns with their numbers.
    type OneTable<'a> = (&'a str, Oid, bool, &'a [(&'a str, i16)]);

    fn columns(tables: &[OneTable<'_>]) -> Columns {
        let mut all = Columns::default();
        for (name, oid, holds_rows, columns) in tables {
            for column in *columns {
                all.add(name, *oid, *holds_rows, Some((column.0, column.1, true)));
            }
        }
        all
    }

    fn removed(before: &Columns, after: &Columns, initial: &Columns) -> Vec<(String, Option<bool>)> {
        let named = |gone: Removed| {
            let column = gone.column.map(|column| format!(".{column}")).unwrap_or_default();
            (format!("{}{column}", gone.table), gone.data_lost)
        };
        before.removed(after, initial).into_iter().map(named).collect()
    }

    #[test]
    fn what_goes_on_under_another_name_is_not_lost() {
        let before = columns(&[("t", 1, true, &[("a", 1), ("b", 2)]), ("u", 2, true, &[("a", 1)])]);
        let renamed = columns(&[("t", 1, true, &[("a", 1), ("c", 2)]), ("v", 2, true, &[("a", 1)])]);
        assert_eq!(
            removed(&before, &renamed, &before),
            [("t.b".to_owned(), Some(false)), ("u".to_owned(), Some(false))]
        );
        let dropped = columns(&[("t", 1, true, &[("a", 1)])]);
        assert_eq!(removed(&before, &dropped, &before), [("t.b".to_owned(), Some(true)), ("u".to_owned(), Some(true))]);
    }

    #[test]
    fn what_is_a_view_or_was_made_by_the_migrations_holds_nothing_to_lose() {
        let initial = columns(&[("t", 1, true, &[("a", 1)]), ("v", 2, false, &[("a", 1)])]);
        let before = columns(&[
            ("t", 1, true, &[("a", 1), ("made", 2)]),
            ("v", 2, false, &[("a", 1)]),
            ("new", 3, true, &[("a", 1)]),
        ]);
        let after = columns(&[("t", 1, true, &[("a", 1)])]);
        let all = removed(&before, &after, &initial);
        assert_eq!(all.len(), 3);
        assert!(all.iter().all(|(_, lost)| *lost == Some(false)), "{all:?}");
    }

    #[test]
    fn a_column_that_was_made_anew_by_its_old_name_is_not_told() {
        let before = columns(&[("t", 1, true, &[("a", 1)])]);
        let after = columns(&[("t", 1, true, &[("a", 2)])]);
        assert_eq!(removed(&before, &after, &before), []);
    }
}
