//! What the catalogs and `pg_stats` say of tables, columns, indexes and foreign keys.

use tokio_postgres::{Row, Transaction};

use super::{PostgresProfileError, Wish, reading};
use crate::profile::{ColumnProfile, IndexProfile, Keep, ReferenceProfile, TableProfile};

/// What was seen.
pub(super) struct Seen {
    pub(super) tables: Vec<TableProfile>,
    /// Tables that the role may not read, as SQL has their names.
    pub(super) hidden: Vec<String>,
    pub(super) notes: Vec<String>,
}

pub(super) async fn read(transaction: &Transaction<'_>, wish: &Wish) -> Result<Seen, PostgresProfileError> {
    let mut seen = Seen { tables: Vec::new(), hidden: Vec::new(), notes: Vec::new() };
    let rows = transaction.query(TABLES, &[]).await.map_err(reading("the list of tables"))?;
    let mut asked: Vec<&String> = wish.tables.iter().collect();
    for row in &rows {
        let (schema, name): (String, String) = (row.get(1), row.get(2));
        let names = [name.clone(), format!("{schema}.{name}"), row.get(3)];
        if !wish.tables.is_empty() && !wish.tables.iter().any(|table| names.contains(table)) {
            continue;
        }
        asked.retain(|table| !names.contains(table));
        if row.get(4) {
            seen.tables.push(table(transaction, row, wish, &mut seen.notes).await?);
        } else {
            seen.hidden.push(row.get(3));
        }
    }
    if let Some(missing) = asked.first() {
        return Err(PostgresProfileError::NoSuchTable((*missing).clone()));
    }
    if !seen.hidden.is_empty() {
        let hidden = seen.hidden.join(", ");
        seen.notes.push(format!("the role may not read {hidden}: nothing of them is in this profile"));
    }
    Ok(seen)
}

async fn table(
    transaction: &Transaction<'_>,
    row: &Row,
    wish: &Wish,
    notes: &mut Vec<String>,
) -> Result<TableProfile, PostgresProfileError> {
    let oid: u32 = row.get(0);
    let name: String = row.get(3);
    let rows: Option<f64> = row.get(5);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and a count of rows")]
    let rows = rows.map(|rows| rows.round() as u64);
    if rows.is_none() {
        notes.push(format!("{name} was never analysed, so that its rows are not known (ANALYZE {name})"));
    }
    let columns = columns(transaction, oid, &name, wish.keep, rows, notes).await?;
    let indexes = transaction.query(INDEXES, &[&oid]).await.map_err(reading("the indexes"))?;
    let references = transaction.query(REFERENCES, &[&oid]).await.map_err(reading("the foreign keys"))?;
    let references = references.iter().map(|row| reference(row, &columns, rows)).collect();
    Ok(TableProfile {
        name,
        rows,
        sampled: rows.zip(u64::try_from(row.get::<_, i64>(9)).ok()).map(|(rows, sampled)| sampled.min(rows)),
        bytes: bytes(row.get(6)),
        toast_bytes: bytes(row.get(7)),
        fillfactor: row.get::<_, Option<i32>>(8).and_then(|percent| u32::try_from(percent).ok()),
        columns,
        indexes: indexes.iter().map(|row| IndexProfile { name: row.get(0), bytes: bytes(row.get(1)) }).collect(),
        references,
    })
}

fn bytes(bytes: i64) -> u64 {
    u64::try_from(bytes).unwrap_or(0)
}

fn reference(row: &Row, columns: &[ColumnProfile], rows: Option<u64>) -> ReferenceProfile {
    let names: Vec<String> = row.get(1);
    let fan_out = match names.as_slice() {
        [name] => columns.iter().find(|column| column.name == *name).zip(rows).and_then(|(column, rows)| {
            let distinct = column.distinct_of(rows);
            (distinct > 0).then(|| rounded(rows as f64 * (1.0 - column.null_fraction) / distinct as f64))
        }),
        _ => None,
    };
    ReferenceProfile { name: row.get(0), columns: names, parent: row.get(2), fan_out }
}

async fn columns(
    transaction: &Transaction<'_>,
    oid: u32,
    table: &str,
    keep: Keep,
    rows: Option<u64>,
    notes: &mut Vec<String>,
) -> Result<Vec<ColumnProfile>, PostgresProfileError> {
    // Whether values of numbers and their like are sent at all, and those of other types.
    let numbers = keep != Keep::None;
    let others = matches!(keep, Keep::Hashed | Keep::Kept);
    let bounds_of_others = keep == Keep::Kept;
    let found = transaction.query(COLUMNS, &[&oid, &numbers, &others, &bounds_of_others]).await;
    let found = found.map_err(reading("the statistics of columns"))?;
    let hidden: Vec<String> =
        found.iter().filter(|row| row.get::<_, Option<f32>>(2).is_none()).map(|r| r.get(0)).collect();
    if !hidden.is_empty() && rows.is_some_and(|rows| rows > 0) {
        let hidden = hidden.join(", ");
        notes.push(format!("no statistics of {hidden} of {table}: never analysed, or hidden from this role"));
    }
    Ok(found.iter().filter_map(column).collect())
}

fn column(row: &Row) -> Option<ColumnProfile> {
    let widths = |at: usize| -> Vec<u32> {
        let widths: Option<Vec<i32>> = row.get(at);
        widths.unwrap_or_default().into_iter().filter_map(|width| u32::try_from(width).ok()).collect()
    };
    let mut of_bounds = widths(10);
    of_bounds.sort_unstable();
    Some(ColumnProfile {
        name: row.get(0),
        declared: row.get(1),
        null_fraction: f64::from(row.get::<_, Option<f32>>(2)?),
        distinct: f64::from(row.get::<_, f32>(3)),
        width: f64::from(row.get::<_, i32>(4)),
        correlation: row.get::<_, Option<f32>>(5).map(f64::from),
        frequencies: row.get::<_, Option<Vec<f32>>>(6).unwrap_or_default().into_iter().map(f64::from).collect(),
        values: row.get(7),
        bounds: row.get(8),
        value_widths: widths(9),
        widths: of_bounds,
        part_distinct: Vec::new(),
    })
}

/// Four digits are enough for a person, and say no more than a sample knows.
fn rounded(number: f64) -> f64 {
    (number * 1e4).round() / 1e4
}

/// Ordinary tables that belong to no extension. Rows are reckoned as the planner does: by the density that it found and the
/// size that the table has now (`estimate_rel_size`, plancat.c). `ANALYZE` samples 300 rows for each unit of the greatest
/// statistics target of a column (`std_typanalyze`, analyze.c).
const TABLES: &str = "
SELECT c.oid, n.nspname::text, c.relname::text,
       '\"' || replace(n.nspname, '\"', '\"\"') || '\".\"' || replace(c.relname, '\"', '\"\"') || '\"',
       has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE'),
       CASE WHEN c.reltuples < 0 THEN NULL
            WHEN c.relpages > 0 THEN c.reltuples::float8 / c.relpages * (pg_relation_size(c.oid) / current_setting('block_size')::float8)
            ELSE c.reltuples::float8 END,
       pg_relation_size(c.oid), CASE WHEN c.reltoastrelid = 0 THEN 0 ELSE pg_relation_size(c.reltoastrelid) END,
       (SELECT option_value::int FROM pg_options_to_table(c.reloptions) WHERE option_name = 'fillfactor'),
       (SELECT 300 * max(coalesce(nullif(a.attstattarget, -1), current_setting('default_statistics_target')::int))
        FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)::int8
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname";

/// Columns with their statistics. Of values that are not to be kept only the lengths are sent: the server itself works them out.
const COLUMNS: &str = "
SELECT a.attname::text, format_type(a.atttypid, a.atttypmod),
       s.null_frac, s.n_distinct, s.avg_width, s.correlation, s.most_common_freqs,
       CASE WHEN kept.it OR $3 THEN s.most_common_vals::text::text[] END,
       CASE WHEN kept.it OR $4 THEN s.histogram_bounds::text::text[] END,
       CASE WHEN NOT kept.it AND NOT $4 THEN ARRAY(SELECT octet_length(v) FROM unnest(s.most_common_vals::text::text[])
                                                   WITH ORDINALITY AS u(v, at) ORDER BY at) END,
       CASE WHEN NOT kept.it AND NOT $4 THEN ARRAY(SELECT octet_length(v) FROM unnest(s.histogram_bounds::text::text[]) AS u(v)) END
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
CROSS JOIN LATERAL (SELECT $2 AND t.typcategory IN ('N', 'D', 'B', 'T', 'E')) AS kept(it)
LEFT JOIN pg_catalog.pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname
                               AND NOT s.inherited
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
ORDER BY a.attnum";

const INDEXES: &str = "
SELECT c.relname::text, pg_relation_size(c.oid)
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = $1 ORDER BY c.relname";

const REFERENCES: &str = "
SELECT k.conname::text,
       ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u(num, at)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num ORDER BY u.at),
       k.confrelid::regclass::text
FROM pg_catalog.pg_constraint k WHERE k.conrelid = $1 AND k.contype = 'f' ORDER BY k.conname";
