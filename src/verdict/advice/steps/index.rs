//! Indexes beside the traffic: built, dropped, rebuilt, and taken out of the way of a change.

use super::super::super::mention::mentions;
use super::super::Advice;
use super::{About, is_named, locking, outside};
use crate::run::{Index, Shape};

/// `CREATE INDEX`.
pub(super) fn create(about: About<'_>, name: Option<&str>) -> Option<Advice> {
    let locked = |index: &Index| {
        about.statement.locks.iter().flatten().any(|lock| lock.table.is_some() && lock.relation == index.name)
    };
    let made = about.migration.shapes.iter().flat_map(|shape| &shape.indexes).filter(|index| {
        index.made && !index.constraint && name.map_or_else(|| locked(index), |name| is_named(name, &index.name))
    });
    let [index] = made.collect::<Vec<_>>()[..] else { return None };
    let help = "build the index beside the traffic, outside a transaction: writes go on meanwhile";
    Some(Advice::new(help, vec![outside(concurrently(index.definition.as_deref()?)?)]))
}

/// The `CREATE INDEX` of the server with `CONCURRENTLY` in it.
pub(super) fn concurrently(definition: &str) -> Option<String> {
    let kinds = ["CREATE UNIQUE INDEX ", "CREATE INDEX "];
    kinds.iter().find_map(|kind| Some(format!("{kind}CONCURRENTLY {}", definition.strip_prefix(kind)?)))
}

/// `DROP INDEX`.
pub(super) fn drop(about: About<'_>, if_exists: bool, names: &[&str]) -> Option<Advice> {
    let mut steps = Vec::new();
    for name in names {
        let mut locks = about.statement.locks.iter().flatten();
        let lock = locks.find(|lock| lock.table.is_some() && is_named(name, &lock.relation))?;
        // Of a partitioned table it cannot be dropped so.
        let table = about.migration.shapes.iter().find(|shape| Some(&shape.table) == lock.table.as_ref())?;
        if table.partitioned {
            return None;
        }
        let if_exists = if if_exists { "IF EXISTS " } else { "" };
        steps.push(outside(format!("DROP INDEX CONCURRENTLY {if_exists}{}", lock.relation)));
    }
    Some(Advice::new("drop the index beside the traffic, outside a transaction: nobody queues behind it", steps))
}

/// `REINDEX INDEX` and `REINDEX TABLE`.
pub(super) fn reindex(about: About<'_>, what: &str, name: &str) -> Option<Advice> {
    let tables = about.migration.shapes.iter().filter(|shape| {
        let index = shape.indexes.iter().any(|index| what == "INDEX" && is_named(name, &index.name));
        index || what == "TABLE" && is_named(name, &shape.table)
    });
    let [table] = tables.collect::<Vec<&Shape>>()[..] else { return None };
    let indexes: Vec<&Index> = table.indexes.iter().filter(|index| is_named(name, &index.name)).collect();
    let full = match (what, &indexes[..]) {
        ("TABLE", _) => &table.table,
        (_, [index]) => &index.name,
        _ => return None,
    };
    let help = "build it anew beside the traffic, outside a transaction: readers and writers go on meanwhile";
    Some(Advice::new(help, vec![outside(format!("REINDEX {what} CONCURRENTLY {full}"))]))
}

/// `REFRESH MATERIALIZED VIEW`, where a unique index tells its rows apart.
pub(super) fn refresh(about: About<'_>, view: &str) -> Option<Advice> {
    let shape = about.shape(view)?;
    if !shape.indexes.iter().any(|index| index.identifies) {
        return None;
    }
    let help = "refresh it beside its readers, who see the old rows until the new ones are there";
    let step = locking([format!("REFRESH MATERIALIZED VIEW CONCURRENTLY {}", shape.table)]);
    Some(Advice::new(help, vec![step]))
}

/// A change of a column, with the indexes dropped before it and built after it.
pub(super) fn out_of_the_way(about: About<'_>, indexes: &[&str]) -> Option<Advice> {
    let (mut drops, mut builds) = (Vec::new(), Vec::new());
    for name in indexes {
        let mut all = about.migration.shapes.iter().flat_map(|shape| &shape.indexes);
        let index = all.find(|index| index.name == *name && !index.constraint)?;
        drops.push(outside(format!("DROP INDEX CONCURRENTLY {name}")));
        builds.push(outside(concurrently(index.definition.as_deref()?)?));
    }
    let change = locking([about.sql()]);
    let steps = drops.into_iter().chain([change]).chain(builds).collect();
    let help = "take the index out of the way beside the traffic, and build it again after the change; queries that need it are \
                slow in between. Or leave the column as it is, and add a CHECK NOT VALID that says the same";
    Some(Advice::new(help, steps))
}

/// Indexes for the foreign keys of a table that point to what a statement changes, and then the statement.
pub(super) fn of_foreign_key(about: About<'_>, child: &str) -> Option<Advice> {
    let shape = about.migration.shapes.iter().find(|shape| shape.table == child && !shape.partitioned)?;
    let points_here = |table: &String| mentions(&about.statement.sql, table);
    let mut steps = Vec::new();
    for key in shape.constraints.iter().filter(|key| key.kind == 'f' && !key.indexed) {
        if key.references.as_ref().is_some_and(points_here) {
            let columns = key.columns.join(", ");
            steps.push(outside(format!("CREATE INDEX CONCURRENTLY ON {child} ({columns})")));
        }
    }
    if steps.is_empty() {
        return None;
    }
    steps.push(super::quiet(about.sql()));
    let help = format!(
        "give {child} an index on the columns that point here first: each row that goes is then looked up in it"
    );
    Some(Advice::new(help, steps))
}
