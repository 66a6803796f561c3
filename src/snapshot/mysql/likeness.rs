//! How close a table that was made after a profile comes to it.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};

use crate::profile::TableProfile;
use crate::profile::mysql::CLUSTERED;
use crate::run::Likeness;
use crate::snapshot::likeness::{FEWEST, farthest, is_whole, percent};

/// Smaller sizes are not compared: one page more would be a great share of them.
const SMALLEST: f64 = 20.0 * 16_384.0;

/// Compares sizes and numbers of different values, as `ANALYZE TABLE` has just found them; `None` if the table has no rows.
pub(super) async fn likeness(
    conn: &mut Conn,
    database: &str,
    rows: u64,
    profile: &TableProfile,
) -> Result<Option<Likeness>, Error> {
    let Some(profile_rows) = profile.rows.filter(|there| *there > 0 && rows > 0) else { return Ok(None) };
    let share = rows as f64 / profile_rows as f64;
    let name = &profile.name;
    let sql = "SELECT CAST(DATA_LENGTH AS DOUBLE) FROM information_schema.TABLES
               WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?";
    let bytes: Option<f64> = conn.exec_first(sql, (database, name)).await?;
    let sql = "SELECT index_name, CAST(SUM(stat_value) * @@innodb_page_size AS DOUBLE) FROM mysql.innodb_index_stats
               WHERE database_name = ? AND table_name = ? AND stat_name = 'n_leaf_pages' GROUP BY index_name";
    let sizes: Vec<(String, f64)> = conn.exec(sql, (database, name)).await?;
    let is_itself = |name: &str| CLUSTERED.contains(&name);
    let bytes = match profile.indexes.iter().find(|index| is_itself(&index.name)) {
        Some(known) => sizes.iter().find(|(name, _)| *name == known.name).map(|(_, bytes)| *bytes),
        None => bytes,
    };
    let indexes = sizes.iter().filter(|(name, _)| !is_itself(name)).filter_map(|(name, bytes)| {
        let index = profile.indexes.iter().find(|index| index.name == *name)?;
        Some((percent(*bytes, index.bytes as f64, share, SMALLEST)?, name.clone()))
    });
    let sql = "SELECT COLUMN_NAME, CAST(MAX(CARDINALITY) AS DOUBLE) FROM information_schema.STATISTICS s
               WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND SEQ_IN_INDEX = 1 AND SUB_PART IS NULL
                 AND (? OR NOT EXISTS (SELECT 1 FROM information_schema.KEY_COLUMN_USAGE k
                                       WHERE k.TABLE_SCHEMA = s.TABLE_SCHEMA AND k.TABLE_NAME = s.TABLE_NAME
                                         AND k.COLUMN_NAME = s.COLUMN_NAME AND k.REFERENCED_TABLE_NAME IS NOT NULL))
               GROUP BY COLUMN_NAME";
    let counts: Vec<(String, Option<f64>)> = conn.exec(sql, (database, name, is_whole(share))).await?;
    let distinct = counts.iter().filter_map(|(name, count)| {
        let column = profile.columns.iter().find(|column| column.name == *name)?;
        Some((percent((*count)?, column.distinct_of(rows) as f64, 1.0, FEWEST)?, name.clone()))
    });
    let (index, distinct) = (farthest(indexes), farthest(distinct));
    Ok(Some(Likeness {
        profile_rows,
        pages_percent: bytes.and_then(|bytes| percent(bytes, profile.bytes as f64, share, SMALLEST)),
        index_percent: index.as_ref().map(|(percent, _)| *percent),
        index: index.map(|(_, name)| name),
        distinct_percent: distinct.as_ref().map(|(percent, _)| *percent),
        distinct_column: distinct.map(|(_, name)| name),
    }))
}
