//! Another type for a column without writing the table anew: a column beside the old one, which takes its place once it is full,
//! with the indexes and constraints of the old one built beside the traffic.

use super::super::Advice;
use super::constraint::{is_enforced, using_index};
use super::{About, batches, beside, column, last, locking, outside, quiet};
use crate::run::{Constraint, Dependents, Index, Shape, ShapeColumn, Step};
use crate::sql::history::Piece;
use crate::sql::postgres::alter::{constraint_with, index_with, names_column};
use crate::sql::postgres::pieces;

/// What marks the text of the trigger's function.
const TAG: &str = "$follows$";

/// `ALTER COLUMN … TYPE` that writes the table anew. `None` where what depends on the column cannot be carried over.
pub(super) fn change(about: About<'_>, shape: &Shape, written: &str, using: Option<&str>) -> Option<Advice> {
    let column = column::changed(shape, written).filter(|column| column.plain && column.was_nullable.is_some())?;
    if column.dependents == Dependents::Others
        || !shape.alone
        || shape.triggers
        || !column::rewrites(about, shape)
        || using.is_some_and(|using| !is_cast(using, &column.name))
    {
        return None;
    }
    let (table, old, kind) = (&shape.table, &column.name, &column.type_name);
    if [table, old, kind].iter().any(|text| text.contains(TAG)) {
        return None;
    }
    let new = beside(&[old, "new"]);
    let trigger = beside(&[table, old, "follows"]);
    let function = format!("{}{trigger}", schema_of(table));
    let value = |of: &str| if using.is_some() { format!("{of}::{kind}") } else { of.to_owned() };
    let follow = value(&format!("NEW.{old}"));
    let moved = Moved::of(shape, column, &new)?;
    let begin = vec![
        format!("ALTER TABLE {table} ADD COLUMN {new} {kind}"),
        format!(
            "CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS {TAG}\n\
             BEGIN\n    NEW.{new} := {follow};\n    RETURN NEW;\nEND\n{TAG}"
        ),
        format!(
            "CREATE TRIGGER {trigger} BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()"
        ),
    ];
    let mut end = vec![format!("DROP TRIGGER {trigger} ON {table}"), format!("DROP FUNCTION {function}()")];
    // It would go with the column that owns it.
    end.extend(column.sequence.as_ref().map(|sequence| format!("ALTER SEQUENCE {sequence} OWNED BY NONE")));
    end.push(format!("ALTER TABLE {table} DROP COLUMN {old}"));
    end.push(format!("ALTER TABLE {table} RENAME COLUMN {new} TO {old}"));
    end.extend(
        column.default.as_ref().map(|default| format!("ALTER TABLE {table} ALTER COLUMN {old} SET DEFAULT {default}")),
    );
    end.extend(column.sequence.as_ref().map(|sequence| format!("ALTER SEQUENCE {sequence} OWNED BY {table}.{old}")));
    end.extend(moved.end);
    let steps = [
        locking(begin.into_iter().chain(moved.begin)),
        batches::fill(shape, &format!("{new} = {}", value(old)), None)?,
    ]
    .into_iter()
    .chain(moved.between)
    .chain([locking(end)])
    .collect();
    let mut help =
        "keep a new column beside the old one alike with a trigger, fill it in batches, and let it take the old one's \
                    place in one short transaction (it is the last of the columns then)"
            .to_owned();
    if let Some(sequence) = column.sequence.as_ref().filter(|_| kind == "bigint") {
        help = format!("{help}; {sequence} still ends where an integer does: ALTER SEQUENCE {sequence} AS bigint");
    }
    Some(Advice::new(help, steps))
}

/// What is to be done for what depends on a column: with the first step, before the last, and with it.
#[derive(Default)]
struct Moved {
    begin: Vec<String>,
    between: Vec<Step>,
    end: Vec<String>,
}

impl Moved {
    fn of(shape: &Shape, column: &ShapeColumn, new: &str) -> Option<Self> {
        let (table, old) = (&shape.table, &column.name);
        let mut moved = Self::default();
        if column.not_null {
            let check = beside(&[table, old, "present"]);
            moved.check(table, &check, &format!("CHECK ({new} IS NOT NULL)"));
            moved.end.push(format!("ALTER TABLE {table} ALTER COLUMN {old} SET NOT NULL"));
            moved.end.push(format!("ALTER TABLE {table} DROP CONSTRAINT {check}"));
        }
        for constraint in shape.constraints.iter().filter(|constraint| constraint.columns.contains(old)) {
            match constraint.kind {
                'c' | 'f' => moved.rule(table, constraint, old, new)?,
                'p' | 'u' => moved.key(shape, constraint, old, new)?,
                'n' => {}
                _ => return None,
            }
        }
        for index in shape.indexes.iter().filter(|index| !index.constraint) {
            match &index.definition {
                Some(definition) if names_column(definition, old) => moved.index(index, definition, old, new)?,
                // Of that column, since the server made it anew, and not known.
                None if index.made => return None,
                Some(_) | None => {}
            }
        }
        Some(moved)
    }

    /// A rule that holds for new rows first.
    fn check(&mut self, table: &str, name: &str, definition: &str) {
        self.begin.push(format!("ALTER TABLE {table} ADD CONSTRAINT {name} {definition} NOT VALID"));
        self.between.push(quiet(format!("ALTER TABLE {table} VALIDATE CONSTRAINT {name}")));
    }

    /// A check or a foreign key, which goes with the old column.
    fn rule(&mut self, table: &str, constraint: &Constraint, old: &str, new: &str) -> Option<()> {
        let to_itself = constraint.references.as_deref() == Some(table);
        if to_itself || !is_enforced(&constraint.definition) {
            return None;
        }
        let name = beside(&[&constraint.name, "new"]);
        self.check(table, &name, &constraint_with(&constraint.definition, old, new)?);
        self.end.push(format!("ALTER TABLE {table} RENAME CONSTRAINT {name} TO {}", constraint.name));
        Some(())
    }

    /// A primary key or a unique constraint, with its index.
    fn key(&mut self, shape: &Shape, constraint: &Constraint, old: &str, new: &str) -> Option<()> {
        let behind = constraint.index.as_ref()?;
        let index = shape.indexes.iter().find(|index| index.name == *behind)?;
        let name = beside(&[&index.name, "new"]);
        self.between.push(outside(index_with(index.definition.as_deref()?, &name, old, new)?));
        self.end.push(using_index(&shape.table, constraint, &name));
        Some(())
    }

    /// An index, which goes with the old column.
    fn index(&mut self, index: &Index, definition: &str, old: &str, new: &str) -> Option<()> {
        let name = beside(&[&index.name, "new"]);
        self.between.push(outside(index_with(definition, &name, old, new)?));
        self.end.push(format!("ALTER INDEX {}{name} RENAME TO {}", schema_of(&index.name), last(&index.name)));
        Some(())
    }
}

/// `shop.` of `shop.orders`.
fn schema_of(name: &str) -> &str {
    &name[..name.len() - last(name).len()]
}

/// Whether an expression does nothing but cast this column: `id::bigint`.
fn is_cast(using: &str, column: &str) -> bool {
    let pieces = pieces(using);
    let [Piece::Name(name), Piece::Symbol(b':'), Piece::Symbol(b':'), kind @ ..] = &pieces[..] else { return false };
    let of_type =
        |piece: &Piece| matches!(piece, Piece::Name(_) | Piece::Symbol(b'(' | b')' | b',')) || is_number(piece);
    *name == super::limit::last_part(column) && !kind.is_empty() && kind.iter().all(of_type)
}

fn is_number(piece: &Piece) -> bool {
    matches!(piece, Piece::Value(value) if value.chars().all(|letter| letter.is_ascii_digit()))
}
