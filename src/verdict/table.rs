//! What a table was before the migrations: only one that existed and held rows can make anybody wait.

use crate::run::{Run, TableRows};

/// A table as it was before the first pending migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Before {
    /// Whether it was there.
    pub(crate) existed: bool,
    /// Its rows; `None` when not known.
    pub(crate) rows: Option<u64>,
}

impl Before {
    /// Whether the running application can be using it. Unknown rows count as rows.
    pub(crate) fn in_use(self) -> bool {
        self.existed && self.rows != Some(0)
    }
}

/// Looks a relation up, first where blocking was computed (which knows views and partitioned tables too), then in the
/// snapshot. A relation that neither names was made by the migrations; with no snapshot recorded it is taken for old.
pub(crate) fn before(run: &Run, relation: &str) -> Before {
    let blocking = run.migrations.iter().flat_map(|migration| &migration.blocking).find(|seen| seen.table == relation);
    let listed = run.snapshot.as_ref().and_then(|snapshot| snapshot.tables.iter().find(|table| table.name == relation));
    let existed = blocking.map_or(listed.is_some() || run.snapshot.is_none(), |seen| !seen.new);
    Before { existed, rows: blocking.and_then(|seen| seen.rows).or(listed.and_then(|table| table.rows)) }
}

/// The rows of a relation as a sentence has them behind its name; nothing where they are not known.
pub(crate) fn of_rows(run: &Run, relation: &str, rows: Option<u64>) -> String {
    let listed = run.snapshot.as_ref().and_then(|snapshot| snapshot.tables.iter().find(|table| table.name == relation));
    let estimated = listed.is_some_and(|table| table.rows_estimated);
    rows.map(|rows| format!(" ({})", TableRows { rows, estimated })).unwrap_or_default()
}
