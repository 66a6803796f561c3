//! Partitions that come to be without a look at rows under the lock: a check that says the same, looked at beside the traffic, spares
//! it (PostgreSQL manual, 5.12.2.2 "Partition Maintenance").

use super::super::Advice;
use super::{About, beside, locking, quiet};
use crate::run::Shape;

/// `ATTACH PARTITION`: spares the new partition, and the default one, which must not hold its rows.
pub(super) fn attach(about: About<'_>, partition: &str) -> Option<Advice> {
    let shape = about.shape(partition).filter(|shape| !shape.partitioned)?;
    let own = is_read(about, shape).then_some(shape);
    checked(about, own.into_iter().chain(default(about)))
}

/// `CREATE TABLE … PARTITION OF`: spares the default partition.
pub(super) fn create(about: About<'_>) -> Option<Advice> {
    checked(about, default(about))
}

/// The default partition, if the statement read it.
fn default(about: About<'_>) -> Option<&Shape> {
    let mut shapes = about.migration.shapes.iter();
    shapes.find(|shape| {
        let is_default = shape.partition.as_ref().is_some_and(|partition| partition.default);
        is_default && !shape.partitioned && is_read(about, shape)
    })
}

fn is_read(about: About<'_>, shape: &Shape) -> bool {
    about.statement.scans.iter().flatten().any(|scan| scan.relation == shape.table && scan.scans > 0)
}

fn checked<'a>(about: About<'_>, tables: impl IntoIterator<Item = &'a Shape>) -> Option<Advice> {
    let (mut add, mut validate, mut last) = (Vec::new(), Vec::new(), vec![about.sql()]);
    for shape in tables {
        let table = &shape.table;
        let condition = shape.partition.as_ref()?.condition.as_ref()?;
        // Names the partitioned table by its number.
        if condition.contains("satisfies_hash_partition") {
            return None;
        }
        let check = beside(&[table, "bounds"]);
        add.push(format!("ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({condition}) NOT VALID"));
        validate.push(quiet(format!("ALTER TABLE {table} VALIDATE CONSTRAINT {check}")));
        last.push(format!("ALTER TABLE {table} DROP CONSTRAINT {check}"));
    }
    if add.is_empty() {
        return None;
    }
    let help = "have a check say what the rows are, and look at them beside the traffic first: then they are not read under the lock";
    Some(Advice::new(help, [locking(add)].into_iter().chain(validate).chain([locking(last)]).collect()))
}
