//! Why a table could not be grown.

pub use crate::snapshot::grow::Place;
use crate::snapshot::grow::meant;

/// Why a table could not be grown. Every text says where the scenario asked for it and what to do.
#[derive(Debug, thiserror::Error)]
pub enum GrowError {
    /// The server did not give what was asked for.
    #[error("cannot read {what}: {}", server_says(source))]
    Read {
        /// What was read.
        what: String,
        /// What the server said.
        source: tokio_postgres::Error,
    },
    /// The server's binary COPY was not what the manual says it is.
    #[error("cannot read {what}: the server's binary COPY is not in the form that PostgreSQL documents")]
    Garbled {
        /// What was read.
        what: String,
    },
    /// A name that is not one.
    #[error("{0}: this is not the name of a table; write `name`, `schema.name`, or either part in double quotes")]
    Malformed(Place),
    /// No such table.
    #[error("{place}: there is no such table in the restored schema{}", meant(near))]
    NoSuchTable {
        /// Where it was asked for.
        place: Place,
        /// Names that are like it.
        near: Vec<String>,
    },
    /// Several tables have this name.
    #[error("{place}: several tables have this name; write one of {}", found.join(", "))]
    Ambiguous {
        /// Where it was asked for.
        place: Place,
        /// Their full names.
        found: Vec<String>,
    },
    /// Something that holds no rows of its own.
    #[error("{place}: this is a {kind}, and only tables can be grown")]
    NotATable {
        /// Where it was asked for.
        place: Place,
        /// What it is.
        kind: &'static str,
    },
    /// The same table twice.
    #[error("{0}: this table is named twice; keep one of the two")]
    Twice(Place),
    /// No such column.
    #[error("{place}: there is no column {column}{}", meant(near))]
    NoSuchColumn {
        /// Where it was asked for.
        place: Place,
        /// The column.
        column: String,
        /// Names that are like it.
        near: Vec<String>,
    },
    /// A column cannot be filled as the scenario says.
    #[error("{place}: column {column}: {why}")]
    Column {
        /// Where it was asked for.
        place: Place,
        /// The column.
        column: String,
        /// Why, and what to do.
        why: String,
    },
    /// A value that the column's type does not take.
    #[error("{place}: column {column}: the server does not take `{value}` for {declared}: {}", server_says(source))]
    Value {
        /// Where it was asked for.
        place: Place,
        /// The column.
        column: String,
        /// Its type.
        declared: String,
        /// The value.
        value: String,
        /// What the server said.
        source: tokio_postgres::Error,
    },
    /// A foreign key without a row to point to.
    #[error(
        "{place}: foreign key {key} needs rows of {parent}, which is empty; grow {parent} as well, or put a first row into the restored dump"
    )]
    ParentEmpty {
        /// Where it was asked for.
        place: Place,
        /// The foreign key.
        key: String,
        /// The parent table.
        parent: String,
    },
    /// A unique or foreign key that cannot be kept.
    #[error("{place}: {key}: {why}")]
    Key {
        /// Where it was asked for.
        place: Place,
        /// The key.
        key: String,
        /// Why, and what to do.
        why: String,
    },
    /// A CHECK constraint that cannot be kept.
    #[error("{place}: CHECK constraint {name} ({expression}): {why}")]
    Check {
        /// Where it was asked for.
        place: Place,
        /// Its name, or the names of those that hang together.
        name: String,
        /// The first of them, as SQL has it.
        expression: String,
        /// Why, and what to do.
        why: String,
    },
    /// Tables that wait for each other's first row.
    #[error(
        "{place}: {} refer to each other and are all empty, and which keys they will have cannot be told beforehand (only of numbers that count on it can); put a few rows into the restored dump",
        tables.join(", ")
    )]
    Cycle {
        /// Where the first of them was asked for.
        place: Place,
        /// The tables.
        tables: Vec<String>,
    },
    /// The server refused the rows that were made.
    #[error("{place}: the server refused the rows that were made: {}{advice}", server_says(source))]
    Refused {
        /// Where it was asked for.
        place: Place,
        /// What to do, with a leading separator.
        advice: String,
        /// What the server said.
        source: tokio_postgres::Error,
    },
    /// Values of the scenario that a foreign key does not allow.
    #[error("{place}: foreign key {key}: the values that the scenario gives are not all in {parent}")]
    Dangling {
        /// Where it was asked for.
        place: Place,
        /// The foreign key.
        key: String,
        /// The parent table.
        parent: String,
    },
}

impl GrowError {
    /// What turns a failed query into this error.
    pub(crate) fn reading(what: &str) -> impl Fn(tokio_postgres::Error) -> Self + use<> {
        let what = what.to_owned();
        move |source| Self::Read { what: what.clone(), source }
    }

    /// What the server says to rows that it does not take, with what can be done about it.
    pub(crate) fn refused(place: &Place, source: tokio_postgres::Error, checked: &[String]) -> Self {
        let columns = if checked.is_empty() { "its columns".to_owned() } else { checked.join(", ") };
        let advice = match source.code().map(tokio_postgres::error::SqlState::code) {
            Some("23514") => format!("; say with `values` or `range` what {columns} may hold"),
            Some("23505" | "23P01") => {
                "; say with `values` or `range` what its columns may hold, or wish for fewer rows".into()
            }
            Some("23502") => "; say with `values` what the column may hold".into(),
            _ => String::new(),
        };
        Self::Refused { place: place.clone(), advice, source }
    }
}

/// What the server itself said, or else what went wrong on the way to it.
pub(crate) fn server_says(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => match db.detail() {
            Some(detail) => format!("{} ({detail})", db.message()),
            None => db.message().to_owned(),
        },
        None => error.to_string(),
    }
}
