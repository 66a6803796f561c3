//! How close a table that was made after a profile comes to it.

use tokio_postgres::Client;

use crate::profile::TableProfile;
use crate::run::Likeness;
use crate::snapshot::likeness::{FEWEST, farthest, is_whole, percent};

/// Smaller ones are not compared: one page more would be a great share of them.
const SMALLEST: f64 = 20.0 * 8192.0;

/// Compares sizes and numbers of different values, as `ANALYZE` has just found them; `None` if the table has no rows.
pub(super) async fn likeness(
    client: &Client,
    table: &str,
    profile: &TableProfile,
) -> Result<Option<Likeness>, tokio_postgres::Error> {
    let sql = "SELECT reltuples::float8, pg_relation_size(oid)::float8 FROM pg_class WHERE oid = $1::text::regclass";
    let row = client.query_one(sql, &[&table]).await?;
    let (rows, bytes): (f64, f64) = (row.get(0), row.get(1));
    let Some(profile_rows) = profile.rows.filter(|profile_rows| *profile_rows > 0 && rows > 0.0) else {
        return Ok(None);
    };
    let share = rows / profile_rows as f64;
    let sql = "SELECT c.relname::text, pg_relation_size(c.oid)::float8 FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
               WHERE i.indrelid = $1::text::regclass";
    let indexes = client.query(sql, &[&table]).await?;
    let indexes = indexes.iter().filter_map(|row| {
        let index = profile.indexes.iter().find(|index| index.name == row.get::<_, &str>(0))?;
        Some((percent(row.get(1), index.bytes as f64, share, SMALLEST)?, index.name.clone()))
    });
    let sql =
        "SELECT attname::text, (CASE WHEN n_distinct < 0 THEN -n_distinct * $2::float8 ELSE n_distinct END)::float8
               FROM pg_stats s JOIN pg_namespace n ON n.nspname = s.schemaname
               JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = s.tablename
               WHERE c.oid = $1::text::regclass AND NOT s.inherited
                 AND ($3 OR NOT EXISTS (SELECT FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid
                                            AND a.attnum = ANY (k.conkey)
                                        WHERE k.conrelid = c.oid AND k.contype = 'f' AND a.attname = s.attname))";
    let distinct = client.query(sql, &[&table, &rows, &is_whole(share)]).await?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of rows")]
    let made_rows = rows as u64;
    let distinct = distinct.iter().filter_map(|row| {
        let column = profile.columns.iter().find(|column| column.name == row.get::<_, &str>(0))?;
        Some((percent(row.get(1), column.distinct_of(made_rows) as f64, 1.0, FEWEST)?, column.name.clone()))
    });
    let (index, distinct) = (farthest(indexes), farthest(distinct));
    Ok(Some(Likeness {
        profile_rows,
        pages_percent: percent(bytes, profile.bytes as f64, share, SMALLEST),
        index_percent: index.as_ref().map(|(percent, _)| *percent),
        index: index.map(|(_, name)| name),
        distinct_percent: distinct.as_ref().map(|(percent, _)| *percent),
        distinct_column: distinct.map(|(_, name)| name),
    }))
}
