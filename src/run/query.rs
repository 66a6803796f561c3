//! Facts about one run of one query of the old or the new application.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Millis, SqlError};

/// Which version of the application sends a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QuerySet {
    /// The version that runs in production today.
    Old,
    /// The version that is to be deployed.
    New,
}

/// On what kind of connection a query ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Session {
    /// A connection opened for this moment.
    Fresh,
    /// A connection opened before the first migration, with the statement prepared before it, as a pool has them.
    Pooled,
}

/// One run of one query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct QueryResult {
    /// Which set it belongs to.
    pub set: QuerySet,
    /// Its name.
    pub name: String,
    /// The file that has it, relative to the scenario.
    pub file: String,
    /// The line on which it begins.
    pub line: u32,
    /// `before`, `after:ID` (that migration, with others still to come) or `after` (the last one).
    pub at: String,
    /// On what kind of connection.
    pub session: Session,
    /// How it went.
    pub status: QueryStatus,
    /// The server's error, when it did not work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<SqlError>,
    /// What is different from before the migrations, when it worked then and works now.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub changes: Vec<Change>,
    /// Columns of its result; empty for a statement that returns none. `null` after an error.
    pub columns: Option<Vec<Column>>,
    /// Rows that it returned or touched. `null` after an error.
    pub rows: Option<u64>,
    /// From sending it to its last row. `null` after an error.
    pub duration_ms: Option<Millis>,
}

/// How a query went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QueryStatus {
    /// It works, and where it ran before the migrations too, it says the same.
    Ok,
    /// It works and says something else than before.
    Changed,
    /// It does not work.
    Error,
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as the server names it.
    #[serde(rename = "type")]
    pub type_name: String,
}

/// One way in which a result is different from before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A column is there that was not.
    ColumnAdded(String),
    /// A column is gone that was there.
    ColumnRemoved(String),
    /// A column has another type.
    ColumnType {
        /// The column.
        name: String,
        /// Its type before.
        before: String,
        /// Its type now.
        after: String,
    },
    /// The columns are the same in another order.
    ColumnOrder,
    /// Another number of rows.
    Rows {
        /// Before.
        before: u64,
        /// Now.
        after: u64,
    },
    /// The same number of rows, with other values in the columns that were there before.
    Content,
    /// The same rows, in another order of the columns by which the query orders them.
    RowOrder,
}
