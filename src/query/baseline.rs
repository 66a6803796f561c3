//! What a query said before the migrations, and in what it says something else now.

use super::digest::Digest;
use super::outcome::Outcome;
use crate::run::{Change, Column};

/// What a query said before the migrations.
#[derive(Debug)]
pub(super) struct Baseline {
    columns: Vec<Column>,
    digest: Digest,
    steady: Steady,
    /// Whether both runs gave the rows in the same order.
    is_ordered: bool,
}

/// What of a result means something when it changes, by two runs before the migrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Steady {
    /// Only its columns: the number of rows was another in each run.
    Columns,
    /// Its columns and the number of rows: the values were others in each run, or are any that the server picks.
    Rows,
    /// Everything.
    Content,
}

impl Baseline {
    /// From two runs of a query, the second on another connection.
    pub(super) fn of(first: &Outcome, second: &Outcome, any_rows: bool) -> Self {
        let steady = if first.digest.rows != second.digest.rows {
            Steady::Columns
        } else if any_rows || !first.digest.agrees(&second.digest) {
            Steady::Rows
        } else {
            Steady::Content
        };
        let is_ordered = first.digest.in_same_order(&second.digest);
        Self { columns: first.columns.clone(), digest: first.digest.clone(), steady, is_ordered }
    }

    /// Its columns.
    pub(super) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// What of it can be compared.
    pub(super) fn steady(&self) -> Steady {
        self.steady
    }

    /// In what a later outcome, digested by [`Self::columns`], is different.
    pub(super) fn changes(&self, now: &Outcome) -> Vec<Change> {
        let mut changes = column_changes(&self.columns, &now.columns);
        let (before, after) = (self.digest.rows, now.digest.rows);
        if before != after && self.steady >= Steady::Rows {
            changes.push(Change::Rows { before, after });
        } else if self.steady == Steady::Content && !self.digest.agrees(&now.digest) {
            changes.push(Change::Content);
        } else if self.steady == Steady::Content && self.is_ordered && !self.digest.in_same_order(&now.digest) {
            changes.push(Change::RowOrder);
        }
        changes
    }
}

/// Columns are matched by name; those that share a name, by their order.
fn column_changes(before: &[Column], now: &[Column]) -> Vec<Change> {
    let mut left: Vec<&Column> = now.iter().collect();
    let mut changes = Vec::new();
    for column in before {
        let Some(at) = left.iter().position(|other| other.name == column.name) else {
            changes.push(Change::ColumnRemoved(column.name.clone()));
            continue;
        };
        let other = left.remove(at);
        if other.type_name != column.type_name {
            changes.push(Change::ColumnType {
                name: column.name.clone(),
                before: column.type_name.clone(),
                after: other.type_name.clone(),
            });
        }
    }
    let removed = changes.iter().any(|change| matches!(change, Change::ColumnRemoved(_)));
    changes.extend(left.iter().map(|column| Change::ColumnAdded(column.name.clone())));
    let names = |columns: &'_ [Column]| columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
    if !removed && left.is_empty() && names(before) != names(now) {
        changes.push(Change::ColumnOrder);
    }
    changes
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pretty_assertions::assert_eq;

    use super::super::digest::Digester;
    use super::super::order::Key;
    use super::*;

    fn outcome(columns: &[(&str, &str)], reference: &[&str], rows: &[&[&str]]) -> Outcome {
        let names: Vec<_> = columns.iter().map(|c| c.0).collect();
        let mut digester = Digester::new(&names, reference).ordered_by(&[Key::Place(2)], reference);
        for row in rows {
            digester.row(|at| Some(row[at]));
        }
        let columns =
            columns.iter().map(|&(name, type_name)| Column { name: name.into(), type_name: type_name.into() });
        Outcome { columns: columns.collect(), digest: digester.finish(0), duration: Duration::ZERO }
    }

    const ID_S: &[&str] = &["id", "s"];
    const COLUMNS: &[(&str, &str)] = &[("id", "integer"), ("s", "character varying(20)")];

    fn before(rows: &[&[&str]], again: &[&[&str]], any_rows: bool) -> Baseline {
        Baseline::of(&outcome(COLUMNS, ID_S, rows), &outcome(COLUMNS, ID_S, again), any_rows)
    }

    #[test]
    fn columns_that_changed_are_named() {
        let baseline = before(&[&["1", "a"]], &[&["1", "a"]], false);
        let wide = ("s", "character varying(50)");
        let retyped = Change::ColumnType { name: "s".into(), before: COLUMNS[1].1.into(), after: wide.1.into() };
        for (columns, row, expected) in [
            (&[COLUMNS[0], COLUMNS[1]][..], &["1", "a"][..], vec![]),
            (&[COLUMNS[0], COLUMNS[1], ("n", "text")], &["1", "a", "z"], vec![Change::ColumnAdded("n".into())]),
            (&[COLUMNS[0]], &["1"], vec![Change::ColumnRemoved("s".into())]),
            (&[COLUMNS[0], wide], &["1", "a"], vec![retyped]),
            (&[COLUMNS[1], COLUMNS[0]], &["a", "1"], vec![Change::ColumnOrder]),
            (
                &[COLUMNS[0], ("t", COLUMNS[1].1)],
                &["1", "a"],
                vec![Change::ColumnRemoved("s".into()), Change::ColumnAdded("t".into())],
            ),
            (&[COLUMNS[0], COLUMNS[1]], &["1", "b"], vec![Change::Content]),
        ] {
            assert_eq!(baseline.changes(&outcome(columns, ID_S, &[row])), expected, "{columns:?} {row:?}");
        }
    }

    #[test]
    fn another_number_of_rows_is_said_once() {
        let baseline = before(&[&["1", "a"]], &[&["1", "a"]], false);
        assert_eq!(baseline.changes(&outcome(COLUMNS, ID_S, &[])), [Change::Rows { before: 1, after: 0 }]);
    }

    #[test]
    fn another_order_is_noticed_where_the_query_gives_one_that_both_runs_kept() {
        let (up, down): (&[&[&str]], &[&[&str]]) = (&[&["1", "a"], &["2", "b"]], &[&["2", "b"], &["1", "a"]]);
        assert_eq!(before(up, up, false).changes(&outcome(COLUMNS, ID_S, down)), [Change::RowOrder]);
        assert_eq!(before(up, down, false).changes(&outcome(COLUMNS, ID_S, down)), []);
    }

    #[test]
    fn what_differs_from_run_to_run_is_not_compared() {
        for (baseline, steady) in [
            (before(&[&["1", "a"]], &[&["2", "a"]], false), Steady::Rows),
            (before(&[&["1", "a"]], &[&["1", "a"]], true), Steady::Rows),
            (before(&[&["1", "a"]], &[], false), Steady::Columns),
        ] {
            assert_eq!(baseline.steady(), steady);
            assert_eq!(baseline.changes(&outcome(COLUMNS, ID_S, &[&["3", "b"]])), []);
        }
    }
}
