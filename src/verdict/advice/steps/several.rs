//! Several actions of one `ALTER TABLE`, which holds the strongest of their locks for as long as all of them take: what takes a
//! moment first, and then each of the others in its own safe way.

use super::super::Advice;
use super::{About, column, is_named, locking, of_action};
use crate::run::Shape;
use crate::sql::postgres::alter::{Action, Part};

/// `None` unless each of them is known to take a moment, or has a safe way.
pub(super) fn apart(about: About<'_>, shape: &Shape, parts: Vec<Part<'_>>) -> Option<Advice> {
    let rewrites = column::rewrites(about, shape);
    let (moments, mut long): (Vec<Part<'_>>, Vec<Part<'_>>) =
        parts.into_iter().partition(|part| is_momentary(&part.action, rewrites));
    let adds = |part: &Part<'_>| matches!(part.action, Action::AddColumn { .. });
    let changes = |part: &Part<'_>| matches!(part.action, Action::ChangeType { .. });
    // Which of them wrote the table anew is not known, nor what becomes of an index of two of them.
    let types = long.iter().filter(|part| changes(part)).count();
    if long.is_empty() || types > 1 || types > 0 && long.iter().any(adds) {
        return None;
    }
    // What takes a moment comes first, and so before what it may be about.
    let of_long = long.iter().filter_map(|part| column_of(&part.action).filter(|_| adds(part) || changes(part)));
    let mut of_long = of_long.filter_map(|written| shape.columns.iter().find(|column| is_named(written, &column.name)));
    let of_moments: Vec<&str> = moments.iter().filter_map(|part| column_of(&part.action)).collect();
    if of_long.any(|column| of_moments.iter().any(|written| is_named(written, &column.name))) {
        return None;
    }
    // A rule of a column that gets another type would be carried over, and then made again.
    let other_type = long.iter().filter(|part| changes(part)).find_map(|part| column_of(&part.action));
    if other_type.is_some_and(|column| long.iter().any(|part| may_be_rule_of(shape, &part.action, column))) {
        return None;
    }
    long.sort_by_key(|part| pass(&part.action));
    let mut steps = Vec::new();
    if !moments.is_empty() {
        let actions = moments.iter().map(|part| part.text).collect::<Vec<_>>().join(", ");
        steps.push(locking([format!("ALTER TABLE {} {actions}", shape.table)]));
    }
    for part in &long {
        steps.extend(of_action(about, shape, &part.action)?.steps);
    }
    let help = "one ALTER TABLE holds the strongest of its locks for as long as all of its actions take: do what takes a moment \
                first, and each of the others by itself, in its own safe way";
    Some(Advice::new(help, steps))
}

/// Whether an action is a matter of the catalog: a column without a default, or with one that is the same for all rows, is.
fn is_momentary(action: &Action<'_>, rewrites: bool) -> bool {
    match action {
        Action::OfCatalog { .. } => true,
        Action::AddColumn { default, simple, .. } => *simple && !(*default && rewrites),
        Action::AddConstraint { .. }
        | Action::Attach { .. }
        | Action::SetNotNull { .. }
        | Action::ChangeType { .. } => false,
    }
}

/// Whether an action adds a constraint to this column, for all one knows.
fn may_be_rule_of(shape: &Shape, action: &Action<'_>, column: &str) -> bool {
    let Action::AddConstraint { name, .. } = action else { return false };
    let known = name.and_then(|name| shape.constraints.iter().find(|made| is_named(name, &made.name)));
    known.is_none_or(|known| known.columns.iter().any(|of| is_named(column, of)))
}

fn column_of<'a>(action: &Action<'a>) -> Option<&'a str> {
    match action {
        Action::AddColumn { name, .. } => Some(name),
        Action::SetNotNull { column } | Action::ChangeType { column, .. } => Some(column),
        Action::OfCatalog { column } => *column,
        Action::AddConstraint { .. } | Action::Attach { .. } => None,
    }
}

/// In which order the server carries out actions, whatever the order that they are written in (`AlterTablePass`,
/// `commands/tablecmds.c`).
fn pass(action: &Action<'_>) -> u8 {
    match action {
        Action::OfCatalog { .. } => 0,
        Action::ChangeType { .. } => 1,
        Action::AddColumn { .. } => 2,
        Action::SetNotNull { .. } => 3,
        Action::AddConstraint { kind: 'p' | 'u', .. } => 4,
        Action::AddConstraint { .. } | Action::Attach { .. } => 5,
    }
}
