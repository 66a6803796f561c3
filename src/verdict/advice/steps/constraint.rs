//! Constraints that hold for new rows first, and for the old ones once these were looked at beside the traffic.

use super::super::Advice;
use super::{About, index, is_named, locking, quiet};
use crate::run::{Constraint, Shape, Step};

/// `ADD [CONSTRAINT name] …` of this kind and with these columns.
pub(super) fn add(about: About<'_>, shape: &Shape, name: Option<&str>, kind: char, columns: &[&str]) -> Option<Advice> {
    let made = shape.constraints.iter().filter(|made| {
        let same = made.columns.len() == columns.len()
            && made.columns.iter().zip(columns).all(|(column, written)| is_named(written, column));
        let named = name.is_none_or(|name| is_named(name, &made.name));
        made.made && made.kind == kind && (kind == 'c' || same) && named
    });
    let [constraint] = made.collect::<Vec<&Constraint>>()[..] else { return None };
    // Of partitioned tables, foreign keys cannot be added so before 18, nor can indexes be built.
    if shape.partitioned && kind != 'c' {
        return None;
    }
    match kind {
        'u' | 'p' => from_index(about, shape, constraint),
        _ => {
            let help = if kind == 'f' {
                "let the key hold for new rows first, and have the old ones checked in a transaction of its own, which lets reads \
                 and writes of both tables go on"
            } else {
                "let the rule hold for new rows first, and have the old ones checked in a transaction of its own, which lets \
                 reads and writes go on"
            };
            Some(Advice::new(help, in_two(&shape.table, &constraint.name, &constraint.definition)?))
        }
    }
}

/// Without a look at the rows, and then with one under a lock that lets everybody pass.
pub(super) fn in_two(table: &str, name: &str, definition: &str) -> Option<Vec<Step>> {
    if !is_enforced(definition) {
        return None;
    }
    Some(vec![
        locking([format!("ALTER TABLE {table} ADD CONSTRAINT {name} {definition} NOT VALID")]),
        quiet(format!("ALTER TABLE {table} VALIDATE CONSTRAINT {name}")),
    ])
}

/// Whether a constraint holds for all rows, by its definition.
pub(super) fn is_enforced(definition: &str) -> bool {
    !["NOT VALID", "NOT ENFORCED"].iter().any(|end| definition.ends_with(end))
}

/// A primary key or a unique constraint made of an index, which takes its name.
pub(super) fn using_index(table: &str, constraint: &Constraint, index: &str) -> String {
    let kind = if constraint.kind == 'p' { "PRIMARY KEY" } else { "UNIQUE" };
    let deferred = [" DEFERRABLE INITIALLY DEFERRED", " DEFERRABLE"];
    let deferred = deferred.iter().find(|end| constraint.definition.ends_with(*end)).copied().unwrap_or_default();
    format!("ALTER TABLE {table} ADD CONSTRAINT {} {kind} USING INDEX {index}{deferred}", constraint.name)
}

/// A key whose index is built beside the traffic. The columns of a primary key must not be NULL before.
fn from_index(about: About<'_>, shape: &Shape, constraint: &Constraint) -> Option<Advice> {
    let table = &shape.table;
    let name = &constraint.name;
    let behind = constraint.index.as_ref()?;
    let built = shape.indexes.iter().find(|index| index.name == *behind)?;
    let definition = built.definition.as_deref().filter(|definition| definition.contains(" USING btree ("))?;
    let mut steps = Vec::new();
    if constraint.kind == 'p' {
        for column in &constraint.columns {
            let changed = shape.columns.iter().find(|changed| changed.name == *column);
            match changed.map(|changed| changed.was_nullable) {
                None | Some(Some(false)) => {}
                Some(Some(true)) => steps.extend(super::column::not_null(about, shape, column)?),
                Some(None) => return None,
            }
        }
    }
    steps.push(super::outside(index::concurrently(definition)?));
    steps.push(locking([using_index(table, constraint, name)]));
    let help = "build its index beside the traffic, outside a transaction, and make the constraint of it, which takes a moment";
    Some(Advice::new(help, steps))
}
