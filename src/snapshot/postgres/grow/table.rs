//! What the catalogs say of a table that shall grow: columns, unique keys, foreign keys, checks.

use std::sync::Arc;

use tokio_postgres::{Client, Row};

use super::GrowError;
use super::kind::{Kind, TypeRow};
use super::name::Relation;

/// A table, as far as making rows for it goes.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) relation: Relation,
    /// How many rows it has, children and partitions left out unless it is a partitioned table.
    pub(crate) rows: u64,
    pub(crate) columns: Vec<Column>,
    /// The primary key first.
    pub(crate) uniques: Vec<Unique>,
    pub(crate) foreign: Vec<Foreign>,
    pub(crate) checks: Vec<Check>,
}

/// A column that rows are made for; generated ones are left out.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own in pg_attribute")]
pub(crate) struct Column {
    pub(crate) name: String,
    /// Its declared type, as SQL has it.
    pub(crate) declared: String,
    /// The same with domains followed to the type they stand on.
    pub(crate) base: String,
    pub(crate) kind: Kind,
    /// Whether values can be read and written in binary at all (`typsend`, `typreceive`).
    pub(crate) binary: bool,
    pub(crate) not_null: bool,
    pub(crate) has_default: bool,
    /// Whether it decides in which partition a row goes.
    pub(crate) partition_key: bool,
    /// Sequences that it draws from or owns, as SQL has them.
    pub(crate) sequences: Vec<String>,
}

/// A unique constraint or index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unique {
    pub(crate) name: String,
    /// Columns of which one must never repeat: the key's, or those that its expressions are made of.
    pub(crate) columns: Vec<String>,
    /// For a partial index: its condition, as SQL has it.
    pub(crate) predicate: Option<String>,
    /// Whether NULLs count as equal (PostgreSQL 15 and later).
    pub(crate) nulls_equal: bool,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Foreign {
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    pub(crate) parent: u32,
    /// The parent as a query reads it, `ONLY` included where a foreign key does not look at children.
    pub(crate) parent_sql: String,
    pub(crate) parent_columns: Vec<String>,
    /// While growing is tried: how many times as many rows the parent shall have as it has; 1 otherwise.
    pub(crate) cut: f64,
    /// The keys that the parent will have, where it is not there yet and rows must refer to it nevertheless; in order.
    pub(crate) promised: Option<Arc<[i64]>>,
    /// The lowest and the highest key of the parent in its profile, if it is made after one.
    pub(crate) there: Option<(i64, i64)>,
}

/// A CHECK constraint, of the table or of a domain that a column has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    /// As SQL has it.
    pub(crate) expression: String,
}

impl Table {
    /// Reads it.
    pub(crate) async fn read(client: &Client, relation: &Relation) -> Result<Self, GrowError> {
        let what = format!("the columns and keys of {}", relation.sql());
        let failed = GrowError::reading(&what);
        let oid = relation.oid;
        let only = if relation.kind == 'p' { "" } else { "ONLY " };
        let count = format!("SELECT count(*) FROM {only}{}", relation.sql());
        let rows: i64 = client.query_one(&count, &[]).await.map_err(&failed)?.get(0);
        let columns = client.query(COLUMNS, &[&oid]).await.map_err(&failed)?;
        let uniques = client.query(UNIQUES, &[&oid]).await.map_err(&failed)?;
        let foreign = client.query(FOREIGN, &[&oid]).await.map_err(&failed)?;
        let checks = client.query(CHECKS, &[&oid]).await.map_err(&failed)?;
        Ok(Self {
            relation: relation.clone(),
            rows: u64::try_from(rows).unwrap_or(0),
            columns: columns.iter().map(column).collect(),
            uniques: uniques.iter().map(unique).collect(),
            foreign: foreign.iter().map(foreign_key).collect(),
            checks: checks
                .iter()
                .map(|row| Check { name: row.get(0), columns: row.get(1), expression: row.get(2) })
                .collect(),
        })
    }

    /// Where a column stands among those that rows are made for.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Whether a column refers to another table.
    pub(crate) fn is_foreign(&self, name: &str) -> bool {
        self.foreign.iter().any(|key| key.columns.iter().any(|column| column == name))
    }

    /// Whether a CHECK constraint speaks of a column.
    pub(crate) fn is_checked(&self, name: &str) -> bool {
        self.checks.iter().any(|check| check.columns.iter().any(|column| column == name))
    }

    /// How a query reads the rows that this table itself answers for.
    pub(crate) fn read_sql(&self) -> String {
        let only = if self.relation.kind == 'p' { "" } else { "ONLY " };
        format!("{only}{}", self.relation.sql())
    }
}

fn column(row: &Row) -> Column {
    let kind = Kind::of(&TypeRow {
        oid: row.get(5),
        name: row.get(6),
        typmod: row.get(7),
        labels: row.get(8),
        element: row.get(9),
        element_name: row.get(10),
        element_labels: row.get(11),
    });
    Column {
        name: row.get(0),
        declared: row.get(1),
        kind,
        binary: row.get(2),
        not_null: row.get(3),
        has_default: row.get(4),
        partition_key: row.get(12),
        sequences: row.get(13),
        base: row.get(14),
    }
}

fn unique(row: &Row) -> Unique {
    Unique { name: row.get(0), columns: row.get(1), predicate: row.get(2), nulls_equal: row.get(3) }
}

fn foreign_key(row: &Row) -> Foreign {
    Foreign {
        name: row.get(0),
        columns: row.get(1),
        parent: row.get(2),
        parent_sql: row.get(3),
        parent_columns: row.get(4),
        cut: 1.0,
        promised: None,
        there: None,
    }
}

/// Columns with their types, domains followed to the type they stand on.
const COLUMNS: &str = "
WITH RECURSIVE base(attnum, typ, typmod, not_null) AS (
    SELECT attnum, atttypid, atttypmod, attnotnull FROM pg_attribute
    WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
  UNION ALL
    SELECT b.attnum, t.typbasetype, greatest(t.typtypmod, b.typmod), b.not_null OR t.typnotnull
    FROM base b JOIN pg_type t ON t.oid = b.typ WHERE t.typtype = 'd'
)
SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), t.typsend <> 0 AND t.typreceive <> 0,
       b.not_null, a.atthasdef, t.oid, t.typname::text, b.typmod,
       ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = t.oid ORDER BY enumsortorder),
       CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE 0::oid END, coalesce(e.typname::text, ''),
       ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = e.oid ORDER BY enumsortorder),
       EXISTS (SELECT 1 FROM pg_partitioned_table p
               WHERE p.partrelid = a.attrelid AND (a.attnum = ANY (p.partattrs) OR 0 = ANY (p.partattrs))),
       ARRAY(SELECT DISTINCT format('%I.%I', n.nspname, s.relname)
             FROM pg_class s JOIN pg_namespace n ON n.oid = s.relnamespace
             WHERE s.relkind = 'S' AND s.oid IN (
                 SELECT d.refobjid FROM pg_depend d JOIN pg_attrdef f ON f.oid = d.objid
                 WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass
                   AND f.adrelid = a.attrelid AND f.adnum = a.attnum
               UNION
                 SELECT d.objid FROM pg_depend d
                 WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
                   AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum AND d.deptype IN ('a', 'i'))),
       format_type(t.oid, b.typmod)
FROM pg_attribute a
JOIN base b ON b.attnum = a.attnum
JOIN pg_type t ON t.oid = b.typ AND t.typtype <> 'd'
LEFT JOIN pg_type e ON t.typcategory = 'A' AND e.oid = t.typelem
WHERE a.attrelid = $1
ORDER BY a.attnum";

/// Unique indexes. One whose key is made of expressions only counts with the columns that the expressions name.
const UNIQUES: &str = "
SELECT c.relname::text, CASE WHEN cardinality(plain.names) > 0 THEN plain.names ELSE within.names END,
       pg_get_expr(i.indpred, i.indrelid),
       coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false)
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid,
LATERAL (SELECT ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(num, at)
                      JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num
                      WHERE k.at <= i.indnkeyatts ORDER BY k.at)) AS plain(names),
LATERAL (SELECT ARRAY(SELECT DISTINCT a.attname::text FROM pg_depend d
                      JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = d.refobjsubid
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
                        AND d.refobjid = i.indrelid AND d.refobjsubid > 0
                        AND position(quote_ident(a.attname) IN pg_get_expr(i.indexprs, i.indrelid)) > 0
                      ORDER BY 1)) AS within(names)
WHERE i.indrelid = $1 AND i.indisunique
ORDER BY NOT i.indisprimary, cardinality(plain.names), c.relname";

/// Foreign keys; not the copies that the server keeps for the partitions of a parent.
const FOREIGN: &str = "
SELECT c.conname::text,
       ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY AS k(num, at)
             JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num ORDER BY k.at),
       c.confrelid,
       CASE WHEN p.relkind = 'p' THEN '' ELSE 'ONLY ' END || format('%I.%I', n.nspname, p.relname),
       ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY AS k(num, at)
             JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.num ORDER BY k.at)
FROM pg_constraint c
JOIN pg_class p ON p.oid = c.confrelid
JOIN pg_namespace n ON n.oid = p.relnamespace
WHERE c.conrelid = $1 AND c.contype = 'f'
  AND NOT EXISTS (SELECT 1 FROM pg_constraint up WHERE up.oid = c.conparentid AND up.conrelid = c.conrelid)
ORDER BY cardinality(c.conkey) DESC, c.conname";

/// Those of the table, then those of domains, with the column in the place of `VALUE`. From PostgreSQL 18 on a constraint need
/// not be enforced (`pg_constraint.conenforced`).
const CHECKS: &str = "
WITH RECURSIVE domains(attnum, attname, typ) AS (
    SELECT attnum, attname::text, atttypid FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped
  UNION ALL
    SELECT d.attnum, d.attname, t.typbasetype FROM domains d JOIN pg_type t ON t.oid = d.typ WHERE t.typtype = 'd'
)
SELECT conname, columns, expression FROM (
    SELECT 0 AS at, c.conname::text AS conname,
           ARRAY(SELECT a.attname::text FROM pg_attribute a
                 WHERE a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey) ORDER BY a.attnum) AS columns,
           pg_get_expr(c.conbin, c.conrelid) AS expression
    FROM pg_constraint c
    WHERE c.conrelid = $1 AND c.contype = 'c' AND coalesce((to_jsonb(c) ->> 'conenforced')::boolean, true)
  UNION ALL
    SELECT d.attnum, c.conname::text, ARRAY[d.attname],
           regexp_replace(pg_get_expr(c.conbin, 0), '\\mVALUE\\M', quote_ident(d.attname), 'g')
    FROM domains d JOIN pg_constraint c ON c.contypid = d.typ AND c.contype = 'c'
) AS checks ORDER BY at, conname";
