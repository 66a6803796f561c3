//! Rows changed in batches along the primary key, each in a transaction of its own.
//!
//! The loop is a `DO` block that commits, which is allowed outside a transaction (PostgreSQL 11 and later; manual 43.8).

use super::super::Advice;
use super::{About, is_named, outside};
use crate::run::{Shape, Step};

/// Rows of a batch: some tens of milliseconds for which a row may be locked.
const ROWS: u32 = 10_000;

/// What no name and no text of a statement may contain.
const TAG: &str = "$batches$";

/// Variables of the loop, which no column may be called.
const VARIABLES: [&str; 2] = ["batch_from", "batch_end"];

/// `UPDATE` of a table by itself.
pub(super) fn update(
    about: About<'_>,
    table: &str,
    set: &str,
    columns: &[&str],
    condition: Option<&str>,
) -> Option<Advice> {
    let shape = about.shape(table)?;
    let [key] = &shape.primary_key[..] else { return None };
    // A row whose key changes may come around again.
    if columns.iter().any(|column| is_named(column, key)) {
        return None;
    }
    let help = "change the rows in batches along the primary key, each in a transaction of its own, so that none stays locked for \
                long";
    Some(Advice::new(help, vec![fill(shape, set, condition)?]))
}

/// Sets columns of all rows, or of those of a condition. `None` unless the table has a primary key of one column.
pub(super) fn fill(shape: &Shape, set: &str, condition: Option<&str>) -> Option<Step> {
    let [key] = &shape.primary_key[..] else { return None };
    let table = &shape.table;
    let texts = [table, key, set, condition.unwrap_or_default()];
    if texts.iter().any(|text| text.contains(TAG) || VARIABLES.iter().any(|name| text.contains(name))) {
        return None;
    }
    let condition = condition.map(|condition| format!(" AND ({condition})")).unwrap_or_default();
    let skipped = ROWS - 1;
    let [from, end] = VARIABLES;
    let block = format!(
        "DO {TAG}\n\
         DECLARE\n    {from} {table}.{key}%TYPE;\n    {end} {table}.{key}%TYPE;\n\
         BEGIN\n    SELECT {key} INTO {from} FROM {table} ORDER BY {key} LIMIT 1;\n    \
         WHILE {from} IS NOT NULL LOOP\n        \
         SELECT {key} INTO {end} FROM {table} WHERE {key} > {from} ORDER BY {key} OFFSET {skipped} LIMIT 1;\n        \
         UPDATE {table} SET {set}\n            WHERE {key} >= {from} AND ({end} IS NULL OR {key} < {end}){condition};\n        \
         COMMIT;\n        {from} := {end};\n    END LOOP;\nEND\n{TAG}"
    );
    Some(outside(block))
}
