//! The profile of a MySQL database: its schema by `SHOW CREATE TABLE`, and what its dictionary and its histograms say.
//!
//! Everything is read in a session that may not write, with time limits for statements and for locks. Rows are never read:
//! `information_schema` has the statistics of InnoDB and the histograms (MySQL 9.7 manual, 28.3.11 and 10.9.6), and
//! `SHOW CREATE TABLE` takes a metadata lock that stands in the way of nothing but changes of the schema, for that statement.
//! A role sees the tables that it has a privilege on. Sizes of indexes stand in `mysql.innodb_index_stats`, which it may not
//! be allowed to read.
//!
//! Limits: a column without a histogram is known by the cardinality of its index alone, or not at all; how long texts are is
//! told by the histogram up to 42 letters, and beyond that by the size of the rows; MariaDB has no such histograms.

mod histogram;
mod width;

use std::collections::BTreeMap;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, Row};

use super::{ColumnProfile, FORMAT, IndexProfile, Keep, Profile, ReferenceProfile, TableProfile, hashed};
use crate::scenario::Engine;
use crate::snapshot::mysql::grow::{Kind, TypeRow};
use crate::sql::mysql::name::quote;
use width::Widths;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Wish {
    /// What is done with values.
    pub keep: Keep,
    /// Tables to profile; all of them if it is empty.
    pub tables: Vec<String>,
    /// How long a statement may take, or wait for a lock.
    pub timeout: Duration,
}

/// Why a database could not be profiled.
#[derive(Debug, thiserror::Error)]
pub enum MysqlProfileError {
    /// It does not answer.
    #[error("cannot connect to the server: {0}")]
    Connect(mysql_async::Error),
    /// It does not say what was asked.
    #[error("cannot read {what}: {source}")]
    Read {
        /// What.
        what: String,
        /// What it says instead.
        source: mysql_async::Error,
    },
    /// Another server than MySQL.
    #[error("the server is MariaDB, whose statistics are not profiled in this version: PostgreSQL and MySQL are")]
    Mariadb,
    /// A release without histograms.
    #[error("the server is MySQL {0}, and histograms, which a profile is made of, begin with MySQL 8.0")]
    Old(String),
    /// A table that was asked for and is not there.
    #[error("there is no table {0} that this user may read")]
    NoSuchTable(String),
}

impl MysqlProfileError {
    /// Whether the command line asks for something that is not there.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::NoSuchTable(_) | Self::Mariadb | Self::Old(_))
    }
}

fn reading(what: &str) -> impl Fn(mysql_async::Error) -> MysqlProfileError {
    move |source| MysqlProfileError::Read { what: what.to_owned(), source }
}

/// Profiles the database that `opts` names.
///
/// Dropping the future closes the connection.
pub async fn profile(opts: &Opts, wish: &Wish) -> Result<Profile, MysqlProfileError> {
    let opts = OptsBuilder::from_opts(opts.clone()).stmt_cache_size(0);
    let connecting = tokio::time::timeout(Duration::from_secs(10), Conn::new(opts)).await;
    let late = |_| mysql_async::Error::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
    let mut conn = connecting.map_err(late).flatten().map_err(MysqlProfileError::Connect)?;
    let read = read(&mut conn, wish).await;
    // What the server says to a goodbye changes nothing of what it said before.
    let _ = conn.disconnect().await;
    read
}

async fn read(conn: &mut Conn, wish: &Wish) -> Result<Profile, MysqlProfileError> {
    let version: Option<String> = conn.query_first("SELECT VERSION()").await.map_err(reading("the version"))?;
    let version = version.unwrap_or_default();
    if version.contains("MariaDB") {
        return Err(MysqlProfileError::Mariadb);
    }
    if version.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major < 8) {
        return Err(MysqlProfileError::Old(version));
    }
    let (seconds, millis) = (wish.timeout.as_secs().max(1), wish.timeout.as_millis());
    let limits = format!(
        "SET SESSION max_execution_time = {millis}, lock_wait_timeout = {seconds}, innodb_lock_wait_timeout = {seconds},
             transaction_read_only = ON, information_schema_stats_expiry = 0, time_zone = '+00:00'"
    );
    conn.query_drop(limits).await.map_err(reading("the statistics"))?;
    let mut notes = Vec::new();
    let mut sizes = index_sizes(conn, &mut notes).await?;
    let found: Vec<Row> = conn.query(TABLES).await.map_err(reading("the list of tables"))?;
    let mut asked: Vec<&String> = wish.tables.iter().collect();
    let (mut tables, mut schema) = (Vec::new(), "SET SESSION foreign_key_checks = 0;\n".to_owned());
    for row in &found {
        let name = text(row, 0);
        if !wish.tables.is_empty() && !wish.tables.contains(&name) {
            continue;
        }
        asked.retain(|table| **table != name);
        schema.push_str(&create(conn, &name).await?);
        tables.push(table(conn, row, sizes.remove(&name).unwrap_or_default(), wish.keep, &mut notes).await?);
    }
    if let Some(missing) = asked.first() {
        return Err(MysqlProfileError::NoSuchTable((*missing).clone()));
    }
    let mut profile = Profile {
        format: FORMAT,
        engine: Engine::Mysql,
        version,
        taken_at: jiff::Timestamp::now().to_string(),
        keep: wish.keep,
        notes,
        schema,
        tables,
    };
    if wish.keep == Keep::Hashed {
        hashed::hash_values(&mut profile);
    }
    Ok(profile)
}

fn text(row: &Row, at: usize) -> String {
    row.get_opt::<Option<String>, usize>(at).and_then(Result::ok).flatten().unwrap_or_default()
}

fn number(row: &Row, at: usize) -> Option<u64> {
    row.get_opt::<Option<u64>, usize>(at).and_then(Result::ok).flatten()
}

async fn create(conn: &mut Conn, table: &str) -> Result<String, MysqlProfileError> {
    let row: Option<Row> = conn
        .query_first(format!("SHOW CREATE TABLE {}", quote(table)))
        .await
        .map_err(reading(&format!("the schema of {table}")))?;
    Ok(format!("{};\n", row.map(|row| text(&row, 1)).unwrap_or_default()))
}

/// Bytes of each index of each table, where the user may know them.
async fn index_sizes(
    conn: &mut Conn,
    notes: &mut Vec<String>,
) -> Result<BTreeMap<String, Vec<IndexProfile>>, MysqlProfileError> {
    let mut sizes: BTreeMap<String, Vec<IndexProfile>> = BTreeMap::new();
    let found: Result<Vec<Row>, _> = conn.query(INDEXES).await;
    let found = match found {
        Ok(found) => found,
        // ER_TABLEACCESS_DENIED_ERROR
        Err(mysql_async::Error::Server(error)) if error.code == 1142 => {
            let note = "the user may not read mysql.innodb_index_stats, so the sizes of single indexes are not known";
            notes.push(note.to_owned());
            return Ok(sizes);
        }
        Err(source) => return Err(reading("the sizes of indexes")(source)),
    };
    for row in &found {
        let index = IndexProfile { name: text(row, 1), bytes: number(row, 2).unwrap_or(0) };
        sizes.entry(text(row, 0)).or_default().push(index);
    }
    Ok(sizes)
}

async fn table(
    conn: &mut Conn,
    row: &Row,
    indexes: Vec<IndexProfile>,
    keep: Keep,
    notes: &mut Vec<String>,
) -> Result<TableProfile, MysqlProfileError> {
    let name = text(row, 0);
    let itself = indexes.iter().find(|index| CLUSTERED.contains(&index.name.as_str())).map(|index| index.bytes);
    let (rows, bytes) = (number(row, 1), itself.or_else(|| number(row, 2)).unwrap_or(0));
    let what = format!("the columns of {name}");
    let found: Vec<Row> = conn.exec(COLUMNS, (&name,)).await.map_err(reading(&what))?;
    let mut widths = Widths::of_table(bytes, rows.unwrap_or(0));
    let (mut columns, mut unknown) = (Vec::new(), Vec::new());
    for row in &found {
        let kind = kind(row);
        let histogram = text(row, 7);
        let of_index = number(row, 8);
        let column = match (histogram.is_empty(), of_index) {
            (false, _) => {
                let of = (text(row, 0), text(row, 2));
                histogram::column((&of.0, &of.1, &kind), &histogram, rows.unwrap_or(0), keep)
            }
            (true, Some(distinct)) => Some(ColumnProfile {
                name: text(row, 0),
                declared: text(row, 2),
                distinct: distinct as f64,
                ..ColumnProfile::default()
            }),
            (true, None) => None,
        };
        widths.add(&kind, column.as_ref());
        match column {
            Some(column) => columns.push((kind, column)),
            None => unknown.push(text(row, 0)),
        }
    }
    let columns = columns.into_iter().map(|(kind, column)| widths.fit(&kind, column)).collect();
    if !unknown.is_empty() && rows.is_some_and(|rows| rows > 0) {
        notes.push(format!(
            "{name} has no histogram of {}: ANALYZE TABLE {name} UPDATE HISTOGRAM ON ... makes one (of a sample)",
            unknown.join(", ")
        ));
    }
    let keys: Vec<Row> = conn.exec(REFERENCES, (&name,)).await.map_err(reading(&what))?;
    Ok(TableProfile { name, rows, bytes, columns, indexes, references: references(&keys), ..TableProfile::default() })
}

fn kind(row: &Row) -> Kind {
    let small = |at| number(row, at).and_then(|number| u32::try_from(number).ok()).unwrap_or(0);
    Kind::of(&TypeRow {
        name: text(row, 1),
        declared: text(row, 2),
        letters: number(row, 3),
        precision: small(4),
        scale: small(5),
        digits: small(6),
        srid: 0,
    })
}

fn references(rows: &[Row]) -> Vec<ReferenceProfile> {
    let mut keys: Vec<ReferenceProfile> = Vec::new();
    for row in rows {
        let (name, column) = (text(row, 0), text(row, 1));
        match keys.last_mut().filter(|key| key.name == name) {
            Some(key) => key.columns.push(column),
            None => keys.push(ReferenceProfile { name, columns: vec![column], parent: text(row, 2), fan_out: None }),
        }
    }
    keys
}

/// The index that is the table itself, with a primary key or without one (MySQL 9.7 manual, 17.6.2.1).
pub(crate) const CLUSTERED: [&str; 2] = ["PRIMARY", "GEN_CLUST_INDEX"];

/// Tables with the rows and bytes that InnoDB reckons (MySQL 9.7 manual, 28.3.39).
const TABLES: &str = "
SELECT TABLE_NAME, CAST(TABLE_ROWS AS UNSIGNED), CAST(DATA_LENGTH AS UNSIGNED)
FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE' ORDER BY TABLE_NAME";

/// Columns that hold values of their own, with their histogram and the number of different values that an index knows which
/// begins with them.
const COLUMNS: &str = "
SELECT c.COLUMN_NAME, c.DATA_TYPE, c.COLUMN_TYPE, CAST(c.CHARACTER_MAXIMUM_LENGTH AS UNSIGNED),
       CAST(c.NUMERIC_PRECISION AS UNSIGNED), CAST(c.NUMERIC_SCALE AS UNSIGNED), CAST(c.DATETIME_PRECISION AS UNSIGNED),
       CAST(h.HISTOGRAM AS CHAR),
       (SELECT CAST(MAX(s.CARDINALITY) AS UNSIGNED) FROM information_schema.STATISTICS s
        WHERE s.TABLE_SCHEMA = c.TABLE_SCHEMA AND s.TABLE_NAME = c.TABLE_NAME AND s.COLUMN_NAME = c.COLUMN_NAME
          AND s.SEQ_IN_INDEX = 1 AND s.SUB_PART IS NULL)
FROM information_schema.COLUMNS c
LEFT JOIN information_schema.COLUMN_STATISTICS h
  ON h.SCHEMA_NAME = c.TABLE_SCHEMA AND h.TABLE_NAME = c.TABLE_NAME AND h.COLUMN_NAME = c.COLUMN_NAME
WHERE c.TABLE_SCHEMA = DATABASE() AND c.TABLE_NAME = ? AND c.GENERATION_EXPRESSION = ''
ORDER BY c.ORDINAL_POSITION";

/// Of leaf pages, since the size of a whole index counts pages that are reserved for it, by the 64. `PRIMARY` is the table itself.
const INDEXES: &str = "
SELECT table_name, index_name, CAST(SUM(stat_value) * @@innodb_page_size AS UNSIGNED)
FROM mysql.innodb_index_stats
WHERE database_name = DATABASE() AND stat_name = 'n_leaf_pages'
GROUP BY table_name, index_name ORDER BY table_name, index_name";

const REFERENCES: &str = "
SELECT CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_NAME FROM information_schema.KEY_COLUMN_USAGE
WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND REFERENCED_TABLE_NAME IS NOT NULL
ORDER BY CONSTRAINT_NAME, ORDINAL_POSITION";
