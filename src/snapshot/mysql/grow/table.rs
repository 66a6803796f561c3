//! What the catalogs say of a table that shall grow: columns, unique keys, foreign keys, checks.

use std::collections::BTreeMap;
use std::sync::Arc;

use mysql_async::{Conn, Row};

use super::ask;
use super::error::GrowError;
use super::kind::{Kind, TypeRow};
use super::name::{Relation, quoted_names};
use crate::sql::mysql::name::quote;

/// A table, as far as making rows for it goes.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) relation: Relation,
    /// How many rows it has.
    pub(crate) rows: u64,
    pub(crate) columns: Vec<Column>,
    /// The primary key first.
    pub(crate) uniques: Vec<Unique>,
    pub(crate) foreign: Vec<Foreign>,
    pub(crate) checks: Vec<Check>,
    /// Where the counter of an AUTO_INCREMENT column stands.
    pub(crate) next: Option<i128>,
}

/// A column that rows are made for; generated ones are left out.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own in the catalog")]
pub(crate) struct Column {
    pub(crate) name: String,
    /// Its declared type, as SQL has it.
    pub(crate) declared: String,
    pub(crate) kind: Kind,
    pub(crate) not_null: bool,
    pub(crate) has_default: bool,
    pub(crate) auto_increment: bool,
    /// Whether it decides in which partition a row goes, and not every value has one.
    pub(crate) partition_key: bool,
    /// Whether LOAD DATA must be told that a value is text, because its bytes are not those that the column keeps.
    pub(crate) via_text: bool,
}

/// A unique key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unique {
    pub(crate) name: String,
    /// Columns of which one must never repeat: the key's, or those that its expressions are made of.
    pub(crate) columns: Vec<String>,
    /// Of columns that it holds the beginning of: how many letters or bytes.
    pub(crate) prefixes: BTreeMap<String, usize>,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Foreign {
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    /// The parent's number among all relations.
    pub(crate) parent: u32,
    pub(crate) parent_sql: String,
    pub(crate) parent_shown: String,
    pub(crate) parent_columns: Vec<String>,
    /// While growing is tried: how many times as many rows the parent shall have as it has; 1 otherwise.
    pub(crate) cut: f64,
    /// The keys that the parent will have, where it is not there yet and rows must refer to it nevertheless; in order.
    pub(crate) promised: Option<Arc<[i64]>>,
    /// The lowest and the highest key of the parent in its profile, if it is made after one.
    pub(crate) there: Option<(i64, i64)>,
}

/// A CHECK constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    /// As SQL has it.
    pub(crate) expression: String,
}

impl Table {
    /// Reads it.
    pub(crate) async fn read(
        conn: &mut Conn,
        relation: &Relation,
        all: &[Relation],
        mariadb: bool,
    ) -> Result<Self, GrowError> {
        let what = format!("the columns and keys of {}", relation.shown());
        let filter = relation.filter();
        let count = format!("SELECT COUNT(*) FROM {}", relation.sql());
        let rows = ask::number(conn, &what, &count).await?.unwrap_or(0);
        let srid = if mariadb { "0" } else { "COALESCE(srs_id, 0)" };
        let columns = ask::rows(conn, &what, &COLUMNS.replace("SRID", srid).replace("FILTER", &filter)).await?;
        let partitions = ask::rows(conn, &what, &PARTITIONS.replace("FILTER", &filter)).await?;
        let checks = if mariadb { CHECKS_OF_MARIADB } else { CHECKS };
        let checks = ask::rows(conn, &what, &checks.replace("FILTER", &filter)).await?;
        let expression = if mariadb { "NULL" } else { "expression" };
        let uniques = UNIQUES.replace("EXPRESSION", expression).replace("FILTER", &filter);
        let uniques = ask::rows(conn, &what, &uniques).await?;
        let foreign = ask::rows(conn, &what, &FOREIGN.replace("FILTER", &filter)).await?;
        let next = format!("SELECT auto_increment FROM information_schema.tables WHERE {filter}");

        let generated: BTreeMap<String, String> = columns.iter().filter_map(generated).collect();
        let checks: Vec<Check> = checks.iter().map(|row| check(row, mariadb)).collect();
        let deciding: Vec<String> = partitions.iter().flat_map(|row| quoted_names(&field(row, 0))).collect();
        let fillable = columns.iter().filter(|row| !generated.contains_key(&field(row, 0)));
        let mut columns: Vec<Column> = fillable.map(|row| column(row, &deciding)).collect();
        // MariaDB's JSON is a text with a check of its own.
        for column in &mut columns {
            let valid = format!("json_valid({})", quote(&column.name));
            if matches!(column.kind, Kind::Text { .. }) && checks.iter().any(|check| check.expression.contains(&valid))
            {
                column.kind = Kind::Json;
            }
        }
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let foreign = foreign_keys(&foreign, all).into_iter();
        let foreign = foreign.filter(|key| key.columns.iter().all(|name| names.contains(&name.as_str()))).collect();
        Ok(Self {
            relation: relation.clone(),
            rows: u64::try_from(rows).unwrap_or(0),
            uniques: unique_keys(&uniques, &generated),
            foreign,
            columns,
            checks,
            next: ask::number(conn, &what, &next).await?,
        })
    }

    /// Where a column stands among those that rows are made for. Case does not matter in names of columns.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        let same = |column: &Column| column.name == name || column.name.to_lowercase() == name.to_lowercase();
        self.columns.iter().position(same)
    }

    /// Whether a column refers to another table.
    pub(crate) fn is_foreign(&self, name: &str) -> bool {
        self.foreign.iter().any(|key| key.columns.iter().any(|column| column == name))
    }

    /// Whether a CHECK constraint speaks of a column.
    pub(crate) fn is_checked(&self, name: &str) -> bool {
        self.checks.iter().any(|check| check.columns.iter().any(|column| column == name))
    }

    /// How much of the beginning of a column must differ from every other row; `None` is all of it.
    pub(crate) fn prefix(&self, name: &str) -> Option<usize> {
        self.uniques.iter().filter_map(|key| key.prefixes.get(name)).copied().min()
    }
}

fn field(row: &Row, at: usize) -> String {
    ask::text(row, at).unwrap_or_default()
}

fn small(row: &Row, at: usize) -> u32 {
    field(row, at).parse().unwrap_or(0)
}

/// A generated column and what it is made of.
fn generated(row: &Row) -> Option<(String, String)> {
    ask::text(row, 11).filter(|expression| !expression.is_empty()).map(|expression| (field(row, 0), expression))
}

fn column(row: &Row, deciding: &[String]) -> Column {
    let name = field(row, 0);
    let character_set = ask::text(row, 7);
    let kind = Kind::of(&TypeRow {
        name: field(row, 1),
        declared: field(row, 2),
        letters: ask::text(row, 3).and_then(|letters| letters.parse().ok()),
        precision: small(row, 4),
        scale: small(row, 5),
        digits: small(row, 6),
        srid: small(row, 12),
    });
    let declared = match (&character_set, ask::text(row, 8)) {
        (Some(set), Some(collation)) => format!("{} CHARACTER SET {set} COLLATE {collation}", field(row, 2)),
        _ => field(row, 2),
    };
    let same_bytes = |set: &str| matches!(set, "utf8mb4" | "utf8mb3" | "utf8" | "ascii");
    Column {
        via_text: !character_set.as_deref().is_none_or(same_bytes)
            || matches!(kind, Kind::Json | Kind::Uuid | Kind::Inet { .. }),
        not_null: field(row, 9) == "NO",
        // MariaDB writes a default of NULL as a word.
        has_default: ask::text(row, 10).is_some_and(|default| default != "NULL")
            || field(row, 13).contains("DEFAULT_GENERATED"),
        auto_increment: field(row, 13).contains("auto_increment"),
        partition_key: deciding.iter().any(|other| other.to_lowercase() == name.to_lowercase()),
        name,
        declared,
        kind,
    }
}

fn check(row: &Row, mariadb: bool) -> Check {
    let clause = field(row, 1);
    let mut columns = quoted_names(&clause);
    columns.sort();
    columns.dedup();
    // MySQL's catalog has it as a literal of SQL would: each quote and backslash with a backslash before it.
    let expression = if mariadb { clause } else { without_escapes(&clause) };
    Check { name: field(row, 0), columns, expression }
}

fn without_escapes(clause: &str) -> String {
    let mut letters = clause.chars();
    let mut plain = String::new();
    while let Some(letter) = letters.next() {
        plain.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    plain
}

fn unique_keys(rows: &[Row], generated: &BTreeMap<String, String>) -> Vec<Unique> {
    let mut keys: Vec<Unique> = Vec::new();
    for row in rows {
        let name = field(row, 0);
        if keys.last().is_none_or(|key| key.name != name) {
            keys.push(Unique { name, columns: Vec::new(), prefixes: BTreeMap::new() });
        }
        let Some(key) = keys.last_mut() else { continue };
        let column = ask::text(row, 1);
        // A generated column, or an expression of its own, differs where one of the columns it is made of does.
        let made_of = column.as_ref().map_or_else(|| ask::text(row, 3), |column| generated.get(column).cloned());
        if let Some(expression) = made_of {
            key.columns.extend(quoted_names(&expression));
        } else if let Some(column) = column {
            let prefix = ask::text(row, 2).and_then(|letters| letters.parse().ok());
            key.prefixes.extend(prefix.map(|prefix| (column.clone(), prefix)));
            key.columns.push(column);
        }
    }
    keys
}

fn foreign_keys(rows: &[Row], all: &[Relation]) -> Vec<Foreign> {
    let mut keys: Vec<Foreign> = Vec::new();
    for row in rows {
        let name = field(row, 0);
        if keys.last().is_none_or(|key| key.name != name) {
            let (database, table) = (field(row, 2), field(row, 3));
            let same = |r: &&Relation| {
                r.database.to_lowercase() == database.to_lowercase() && r.name.to_lowercase() == table.to_lowercase()
            };
            let Some(parent) = all.iter().find(same) else { continue };
            keys.push(Foreign {
                name,
                columns: Vec::new(),
                parent: parent.number,
                parent_sql: parent.sql(),
                parent_shown: parent.shown(),
                parent_columns: Vec::new(),
                cut: 1.0,
                promised: None,
                there: None,
            });
        }
        let Some(key) = keys.last_mut() else { continue };
        key.columns.push(field(row, 1));
        key.parent_columns.push(field(row, 4));
    }
    keys.sort_by_key(|key| std::cmp::Reverse(key.columns.len()));
    keys
}

const COLUMNS: &str = "
SELECT column_name, data_type, column_type, character_maximum_length, numeric_precision, numeric_scale,
       datetime_precision, character_set_name, collation_name, is_nullable, column_default, generation_expression,
       SRID, extra
FROM information_schema.columns WHERE FILTER ORDER BY ordinal_position";

/// Ranges and lists have no partition for some values; hashes and keys have one for all.
const PARTITIONS: &str = "
SELECT DISTINCT partition_expression FROM information_schema.partitions
WHERE FILTER AND (partition_method LIKE 'RANGE%' OR partition_method LIKE 'LIST%')";

const UNIQUES: &str = "
SELECT index_name, column_name, sub_part, EXPRESSION
FROM information_schema.statistics WHERE FILTER AND non_unique = 0
ORDER BY index_name <> 'PRIMARY', index_name, seq_in_index";

const FOREIGN: &str = "
SELECT constraint_name, column_name, referenced_table_schema, referenced_table_name, referenced_column_name
FROM information_schema.key_column_usage WHERE FILTER AND referenced_table_name IS NOT NULL
ORDER BY constraint_name, ordinal_position";

const CHECKS: &str = "
SELECT c.constraint_name, c.check_clause
FROM information_schema.check_constraints c JOIN information_schema.table_constraints t
  ON t.constraint_schema = c.constraint_schema AND t.constraint_name = c.constraint_name AND t.constraint_type = 'CHECK'
WHERE FILTER AND t.enforced = 'YES' ORDER BY c.constraint_name";

/// In MariaDB a name of a check is its table's own, and checks of columns are not among the table's constraints.
const CHECKS_OF_MARIADB: &str = "
SELECT constraint_name, check_clause FROM (
  SELECT constraint_schema AS table_schema, table_name, constraint_name, check_clause
  FROM information_schema.check_constraints) t
WHERE FILTER ORDER BY constraint_name";
