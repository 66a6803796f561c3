//! Columns without a rewrite or a scan under the lock: NOT NULL by a check, a default without the copy.

use super::super::Advice;
use super::{About, batches, beside, constraint, is_named, locking};
use crate::run::{Dependents, Shape, ShapeColumn, Step};

/// A column that the migration made or changed, by its name in the statement.
pub(super) fn changed<'a>(shape: &'a Shape, written: &str) -> Option<&'a ShapeColumn> {
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
    let column = changed(shape, column)
        .filter(|column| column.plain && column.dependents == Dependents::None && column.was_nullable.is_none())?;
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

/// Whether the statement gave the table new storage; a type that changes in the catalog alone needs none of this.
pub(super) fn rewrites(about: About<'_>, shape: &Shape) -> bool {
    about.statement.rewrites.iter().flatten().any(|new| new.relation == shape.table)
}
