//! How the tables that a migration locked, wrote anew or read are built, asked once it is over.

use super::ask::{Ask, AskError};
use super::catalog::{Catalog, Oid};
use super::columns::Columns;
use crate::run::{Constraint, Dependents, Index, Partition, Shape, ShapeColumn, Statement};
use serde::Deserialize;

/// More tables than this are not asked for: a migration that touches so many is a loop, and the record would be full of it.
pub(super) const MOST: usize = 100;

/// A place in the history of the database, by the number of the next transaction (`pg_snapshot_xmax`).
#[derive(Debug, Default, Clone)]
pub(super) struct Point(String);

impl Point {
    /// Now.
    pub(super) async fn read(session: &mut impl Ask) -> Result<Self, AskError> {
        let sql =
            "SELECT (pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::numeric % 4294967296)::text";
        let rows = session.ask(sql).await?;
        rows.first().and_then(|row| row.first()?.clone()).map(Self).ok_or(AskError::Garbled)
    }
}

/// What the server says of a table.
#[derive(Deserialize)]
struct Asked {
    oid: Oid,
    table: String,
    partitioned: bool,
    alone: bool,
    triggers: bool,
    partition: Option<Partition>,
    primary_key: Vec<String>,
    columns: Vec<AskedColumn>,
    constraints: Vec<Constraint>,
    indexes: Vec<Index>,
}

#[derive(Deserialize)]
struct AskedColumn {
    number: i16,
    name: String,
    type_name: String,
    not_null: bool,
    default: Option<String>,
    plain: bool,
    dependents: Dependents,
    sequence: Option<String>,
}

/// The tables that these statements are about and that were there before: what they locked against somebody, wrote anew or read.
pub(super) fn touched(statements: &[Statement], now: &Catalog, before: &Columns) -> Vec<Oid> {
    let mut names: Vec<&str> = Vec::new();
    for statement in statements {
        let locks = statement.locks.iter().flatten();
        let strong = locks.filter(|lock| !lock.blocks.is_empty() || lock.table.is_some());
        names.extend(strong.map(|lock| lock.table.as_deref().unwrap_or(&lock.relation)));
        let rewrites = statement.rewrites.iter().flatten();
        names.extend(rewrites.map(|new| new.table.as_deref().unwrap_or(&new.relation)));
        names.extend(statement.scans.iter().flatten().map(|scan| scan.relation.as_str()));
    }
    names.sort_unstable();
    names.dedup();
    let oids = now.oids_of(&names).into_iter().filter(|oid| before.has_table(*oid));
    oids.collect()
}

/// Reads them, the first [`MOST`]. `since` is where the migration began, and `before` has the columns as they were.
pub(super) async fn read(
    session: &mut impl Ask,
    oids: &[Oid],
    since: &Point,
    before: &Columns,
) -> Result<Vec<Shape>, AskError> {
    if oids.is_empty() {
        return Ok(Vec::new());
    }
    let list = oids.iter().take(MOST).map(ToString::to_string).collect::<Vec<_>>().join(",");
    let sql = QUERY.replace("$TABLES", &list).replace("$POINT", &since.0);
    let rows = session.ask(&sql).await?;
    let texts = rows.iter().filter_map(|row| row.first()?.as_deref());
    let asked = texts.map(|text| serde_json::from_str::<Asked>(text).map_err(|_| AskError::Garbled));
    asked.map(|table| Ok(shape(table?, before))).collect()
}

fn shape(asked: Asked, before: &Columns) -> Shape {
    let column = |column: AskedColumn| ShapeColumn {
        was_nullable: before.nullable(asked.oid, column.number),
        name: column.name,
        type_name: column.type_name,
        not_null: column.not_null,
        default: column.default,
        plain: column.plain,
        dependents: column.dependents,
        sequence: column.sequence,
    };
    Shape {
        table: asked.table,
        partitioned: asked.partitioned,
        alone: asked.alone,
        triggers: asked.triggers,
        partition: asked.partition,
        primary_key: asked.primary_key,
        columns: asked.columns.into_iter().map(column).collect(),
        constraints: asked.constraints,
        indexes: asked.indexes,
    }
}

/// Everything is in `pg_catalog`, which is all that the observer's session searches; so names in definitions are qualified.
/// What a transaction of the migration wrote is no older than its first one (`age` of `xmin`). Of the options of a column those
/// count that can be set (manual, `ALTER TABLE`, `SET ( attribute_option )`); builds are met that set one of their own on all.
const QUERY: &str = "\
SELECT json_build_object(
  'oid', c.oid::bigint,
  'table', quote_ident(n.nspname) || '.' || quote_ident(c.relname),
  'partitioned', c.relkind = 'p',
  'alone', c.relkind = 'r' AND NOT c.relispartition AND NOT EXISTS
     (SELECT FROM pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent)),
  'triggers', EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal),
  'partition', CASE WHEN c.relispartition THEN json_build_object('condition', pg_get_partition_constraintdef(c.oid),
     'default', pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT') END,
  'primary_key', COALESCE((SELECT json_agg(quote_ident(a.attname) ORDER BY k.place)
     FROM pg_constraint p CROSS JOIN unnest(p.conkey) WITH ORDINALITY k(number, place)
     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
     WHERE p.conrelid = c.oid AND p.contype = 'p'), '[]'::json),
  'columns', COALESCE((SELECT json_agg(json_build_object(
       'number', a.attnum,
       'name', quote_ident(a.attname),
       'type_name', format_type(a.atttypid, a.atttypmod),
       'not_null', a.attnotnull,
       'default', pg_get_expr(d.adbin, d.adrelid),
       'plain', a.attgenerated = '' AND a.attidentity = '' AND a.attcollation = y.typcollation
          AND a.attacl IS NULL
          AND NOT EXISTS (SELECT FROM unnest(a.attoptions) o WHERE o LIKE 'n\\_distinct%')
          AND a.attstorage = y.typstorage AND a.attcompression = ''
          AND COALESCE(a.attstattarget, -1) = -1 AND a.attinhcount = 0 AND col_description(c.oid, a.attnum) IS NULL,
       'dependents', (SELECT CASE WHEN count(*) = 0 THEN 'none'
            WHEN NOT bool_and(COALESCE(k.relkind = 'i' OR k.relkind = 'S' AND e.deptype = 'a' OR x.conrelid = c.oid
               AND x.contype IN ('c', 'f', 'p', 'u') AND obj_description(x.oid, 'pg_constraint') IS NULL, false))
            OR EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND (i.indisclustered OR i.indisreplident))
            THEN 'others' ELSE 'own' END
          FROM pg_depend e
          LEFT JOIN pg_constraint x ON e.classid = 'pg_constraint'::regclass AND x.oid = e.objid
          LEFT JOIN pg_class k ON e.classid = 'pg_class'::regclass AND k.oid = e.objid
          WHERE e.refclassid = 'pg_class'::regclass AND e.refobjid = c.oid AND e.refobjsubid = a.attnum
          AND (e.classid <> 'pg_attrdef'::regclass OR e.objid IS DISTINCT FROM d.oid) AND x.contype IS DISTINCT FROM 'n'),
       'sequence', (SELECT quote_ident(m.nspname) || '.' || quote_ident(k.relname) FROM pg_depend e
          JOIN pg_class k ON e.classid = 'pg_class'::regclass AND k.oid = e.objid JOIN pg_namespace m ON m.oid = k.relnamespace
          WHERE e.refclassid = 'pg_class'::regclass AND e.refobjid = c.oid AND e.refobjsubid = a.attnum
          AND k.relkind = 'S' AND e.deptype = 'a' LIMIT 1)
     ) ORDER BY a.attnum)
     FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
     LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND age(a.xmin) <= age('$POINT'::xid)), '[]'::json),
  'constraints', COALESCE((SELECT json_agg(json_build_object(
       'name', quote_ident(o.conname),
       'kind', o.contype,
       'definition', pg_get_constraintdef(o.oid),
       'columns', o.columns,
       'references', (SELECT quote_ident(m.nspname) || '.' || quote_ident(r.relname) FROM pg_class r
          JOIN pg_namespace m ON m.oid = r.relnamespace WHERE o.contype = 'f' AND r.oid = o.confrelid),
       'index', (SELECT quote_ident(m.nspname) || '.' || quote_ident(r.relname) FROM pg_class r
          JOIN pg_namespace m ON m.oid = r.relnamespace WHERE o.contype IN ('p', 'u', 'x') AND r.oid = o.conindid),
       'made', o.made,
       'indexed', o.indexed
     ) ORDER BY o.conname)
     FROM (SELECT s.oid, s.conname, s.contype, s.confrelid, s.conindid, age(s.xmin) <= age('$POINT'::xid) AS made,
             COALESCE((SELECT json_agg(quote_ident(a.attname) ORDER BY k.place)
               FROM unnest(s.conkey) WITH ORDINALITY k(number, place)
               JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number), '[]'::json) AS columns,
             s.contype = 'f' AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid
               AND i.indpred IS NULL AND s.conkey @> ((i.indkey::int2[])[0:cardinality(s.conkey) - 1])
               AND s.conkey <@ ((i.indkey::int2[])[0:cardinality(s.conkey) - 1])) AS indexed
           FROM pg_constraint s WHERE s.conrelid = c.oid AND s.contype <> 't') o
     WHERE o.made OR o.contype = 'f' AND NOT o.indexed), '[]'::json),
  'indexes', COALESCE((SELECT json_agg(json_build_object(
       'name', quote_ident(m.nspname) || '.' || quote_ident(r.relname),
       'definition', CASE WHEN r.relkind = 'i' AND r.reltablespace = 0 AND c.relkind <> 'p' AND i.indisvalid
          AND obj_description(r.oid, 'pg_class') IS NULL THEN pg_get_indexdef(r.oid) END,
       'made', age(i.xmin) <= age('$POINT'::xid),
       'constraint', EXISTS (SELECT FROM pg_constraint o WHERE o.conindid = r.oid AND o.contype IN ('p', 'u', 'x')),
       'identifies', i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
     ) ORDER BY r.relname)
     FROM pg_index i JOIN pg_class r ON r.oid = i.indexrelid JOIN pg_namespace m ON m.oid = r.relnamespace
     WHERE i.indrelid = c.oid), '[]'::json)
)::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid IN ($TABLES) AND c.relkind IN ('r', 'p', 'm') ORDER BY c.oid";
