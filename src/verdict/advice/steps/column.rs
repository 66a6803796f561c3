//! Columns without a rewrite or a scan under the lock: NOT NULL by a check, a default without the copy, another type beside the
//! old one.

use super::super::Advice;
use super::{About, batches, beside, constraint, is_named, locking, quiet};
use crate::run::{Shape, ShapeColumn, Step};
use crate::sql::history::Piece;
use crate::sql::postgres::pieces;

/// A column that the migration made or changed, by its name in the statement.
fn changed<'a>(shape: &'a Shape, written: &str) -> Option<&'a ShapeColumn> {
    shape.columns.iter().find(|column| is_named(written, &column.name))
}

/// `ALTER COLUMN … SET NOT NULL`.
pub(super) fn set_not_null(about: About<'_>, shape: &Shape, column: &str) -> Option<Advice> {
    let column = changed(shape, column).filter(|column| column.not_null && column.was_nullable == Some(true))?;
    let help = "have the old rows looked at beside the traffic first: then SET NOT NULL reads none of them";
    Some(Advice::new(help, not_null(about, shape, &column.name)?))
}

/// A column that may be NULL becomes one that may not.
pub(super) fn not_null(about: About<'_>, shape: &Shape, column: &str) -> Option<Vec<Step>> {
    let table = &shape.table;
    if about.version >= 18 {
        // There it is a constraint like any other, and has a name.
        let made = shape.constraints.iter().find(|made| made.made && made.kind == 'n' && made.columns == [column])?;
        return constraint::in_two(table, &made.name, &made.definition);
    }
    let check = beside(&[table, column, "present"]);
    let mut steps = constraint::in_two(table, &check, &format!("CHECK ({column} IS NOT NULL)"))?;
    steps.push(locking([
        format!("ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL"),
        format!("ALTER TABLE {table} DROP CONSTRAINT {check}"),
    ]));
    Some(steps)
}

/// `ADD COLUMN` with a default that is another for each row.
pub(super) fn add(about: About<'_>, shape: &Shape, column: &str) -> Option<Advice> {
    let column =
        changed(shape, column).filter(|column| column.plain && !column.used && column.was_nullable.is_none())?;
    let (table, name, kind) = (&shape.table, &column.name, &column.type_name);
    let default =
        column.default.as_ref().filter(|_| !shape.partitioned && !shape.triggers && rewrites(about, shape))?;
    let fill = batches::fill(shape, &format!("{name} = DEFAULT"), Some(&format!("{name} IS NULL")))?;
    let mut steps = vec![
        locking([
            format!("ALTER TABLE {table} ADD COLUMN {name} {kind}"),
            format!("ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT {default}"),
        ]),
        fill,
    ];
    if column.not_null {
        steps.extend(not_null(about, shape, name)?);
    }
    let help = "add the column without its default, which is another for each row; set that for new rows, and give the old ones \
                theirs in batches";
    Some(Advice::new(help, steps))
}

/// `ALTER COLUMN … TYPE` that writes the table anew: another column beside it, which takes its place once it is full. Only where
/// nothing depends on the column.
pub(super) fn change_type(about: About<'_>, shape: &Shape, column: &str, using: Option<&str>) -> Option<Advice> {
    let column =
        changed(shape, column).filter(|column| column.plain && !column.used && column.was_nullable.is_some())?;
    if !shape.alone
        || shape.triggers
        || !rewrites(about, shape)
        || using.is_some_and(|using| !is_cast(using, &column.name))
    {
        return None;
    }
    let (table, old, kind) = (&shape.table, &column.name, &column.type_name);
    let new = beside(&[old, "new"]);
    let schema = &table[..table.len() - last(table).len()];
    let trigger = beside(&[table, old, "follows"]);
    let function = format!("{schema}{trigger}");
    let check = beside(&[table, old, "present"]);
    let value = |of: &str| if using.is_some() { format!("{of}::{kind}") } else { of.to_owned() };
    let follow = value(&format!("NEW.{old}"));
    if table.contains("$follows$") || old.contains("$follows$") || kind.contains("$follows$") {
        return None;
    }
    let mut begin = vec![
        format!("ALTER TABLE {table} ADD COLUMN {new} {kind}"),
        format!(
            "CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $follows$\n\
             BEGIN\n    NEW.{new} := {follow};\n    RETURN NEW;\nEND\n$follows$"
        ),
        format!(
            "CREATE TRIGGER {trigger} BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()"
        ),
    ];
    let fill = batches::fill(shape, &format!("{new} = {}", value(old)), None)?;
    let mut end = vec![
        format!("DROP TRIGGER {trigger} ON {table}"),
        format!("DROP FUNCTION {function}()"),
        format!("ALTER TABLE {table} DROP COLUMN {old}"),
        format!("ALTER TABLE {table} RENAME COLUMN {new} TO {old}"),
    ];
    end.extend(
        column.default.as_ref().map(|default| format!("ALTER TABLE {table} ALTER COLUMN {old} SET DEFAULT {default}")),
    );
    let mut validate = None;
    if column.not_null {
        begin.push(format!("ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({new} IS NOT NULL) NOT VALID"));
        validate = Some(quiet(format!("ALTER TABLE {table} VALIDATE CONSTRAINT {check}")));
        end.push(format!("ALTER TABLE {table} ALTER COLUMN {old} SET NOT NULL"));
        end.push(format!("ALTER TABLE {table} DROP CONSTRAINT {check}"));
    }
    let steps = [locking(begin), fill].into_iter().chain(validate).chain([locking(end)]).collect();
    let help = "keep a new column beside the old one alike with a trigger, fill it in batches, and let it take the old one's place \
                in one short transaction (it is the last of the columns then)";
    Some(Advice::new(help, steps))
}

/// Whether the statement gave the table new storage; a type that changes in the catalog alone needs none of this.
pub(super) fn rewrites(about: About<'_>, shape: &Shape) -> bool {
    about.statement.rewrites.iter().flatten().any(|new| new.relation == shape.table)
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

/// The last part of a qualified name, as it stands there.
fn last(name: &str) -> &str {
    let mut quoted = false;
    let dot = name.char_indices().filter(|(_, letter)| {
        quoted ^= *letter == '"';
        *letter == '.' && !quoted
    });
    dot.last().map_or(name, |(at, _)| &name[at + 1..])
}
