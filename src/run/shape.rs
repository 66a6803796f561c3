//! How a table is built, as far as the safe way of a change depends on it (PostgreSQL).
//!
//! Names are as SQL has them: qualified where they can be, and quoted where they need be. Definitions are the server's own
//! (`pg_get_constraintdef`, `pg_get_indexdef`, `pg_get_expr`, `format_type`), with every name outside `pg_catalog` qualified.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A table that a migration locked against somebody, wrote anew or read, as it was after it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shape {
    /// Schema-qualified name.
    pub table: String,
    /// Whether its rows are in partitions.
    pub partitioned: bool,
    /// Whether it is an ordinary table, no partition, and neither inherits nor is inherited from.
    pub alone: bool,
    /// Whether it has triggers other than those of foreign keys.
    pub triggers: bool,
    /// What it is as a partition of another table; left out where it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<Partition>,
    /// Columns of the primary key; empty where there is none.
    pub primary_key: Vec<String>,
    /// The columns that the migration made or changed.
    pub columns: Vec<ShapeColumn>,
    /// The constraints that the migration made or changed, and foreign keys without an index.
    pub constraints: Vec<Constraint>,
    /// All indexes.
    pub indexes: Vec<Index>,
}

/// What a table is as a partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Partition {
    /// What holds for its rows (`pg_get_partition_constraintdef`); `null` where nothing does.
    pub condition: Option<String>,
    /// Whether it takes the rows that no other one does.
    pub default: bool,
}

/// A column that a migration made or changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShapeColumn {
    /// Its name.
    pub name: String,
    /// Its type, with its length.
    pub type_name: String,
    /// Whether it may not be NULL.
    pub not_null: bool,
    /// Its default.
    pub default: Option<String>,
    /// Whether it is neither generated nor an identity, and has no collation, privileges, comment or storage of its own.
    pub plain: bool,
    /// What depends on it besides its default.
    pub dependents: Dependents,
    /// The sequence that it owns (`serial`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<String>,
    /// Whether it might be NULL before the migration; `null` for one that the migration made.
    pub was_nullable: Option<bool>,
}

/// What depends on a column besides its default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dependents {
    /// Nothing.
    #[default]
    None,
    /// Only what can be carried over to another column: indexes, checks and keys of its own table that are as they are made, and a
    /// sequence of its own.
    Own,
    /// Something else: a view, another table's foreign key, a policy, statistics.
    Others,
}

/// A constraint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Constraint {
    /// Its name.
    pub name: String,
    /// `pg_constraint.contype`: `c` check, `f` foreign key, `n` not null, `p` primary key, `u` unique, `x` exclusion.
    pub kind: char,
    /// What stands behind `ADD CONSTRAINT` and its name.
    pub definition: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// The table that a foreign key points to.
    pub references: Option<String>,
    /// The index that it rests on, by its qualified name.
    pub index: Option<String>,
    /// Whether the migration made or changed it.
    pub made: bool,
    /// Whether an index begins with the columns of a foreign key, so that it can be searched by them.
    pub indexed: bool,
}

/// An index.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Index {
    /// Schema-qualified name.
    pub name: String,
    /// The `CREATE INDEX` that makes it; left out where it does not say all (a tablespace, or parts in partitions).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    /// Whether the migration made it.
    pub made: bool,
    /// Whether a constraint rests on it.
    pub constraint: bool,
    /// Whether it keeps all rows of the table apart by columns alone: unique, valid, without condition and expressions.
    pub identifies: bool,
}
