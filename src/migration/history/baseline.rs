//! Which migrations restored data has, by the history table of the tool that made it.
//!
//! Checksums in such tables are not looked at. Repeatable files (`R__`) are always pending.

use mysql_async::prelude::Queryable;
use tokio_postgres::SimpleQueryMessage;

use crate::migration::files::MigrationFile;
use crate::migration::version::read_version;
use crate::server::Access;
use crate::server::session::Session;
use crate::sql::mysql::name;

/// Why a history could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// By PostgreSQL.
    #[error("the history tables in the data could not be read: {}", crate::server::session::message(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// By MySQL or MariaDB.
    #[error("the history tables in the data could not be read: {0}")]
    Mysql(#[from] mysql_async::Error),
    /// Two tables know files of the folder, and differ.
    #[error(
        "{one} and {other} in the data both list migrations of this folder, and not the same ones: say with `applied_through` \
         which is the last that the data has"
    )]
    Several {
        /// One table.
        one: String,
        /// Another.
        other: String,
    },
}

/// A history table that was found in the data, and what it says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Baseline {
    /// The table, with its schema where the engine has schemas.
    pub table: String,
    /// Whose it is.
    pub tool: &'static str,
    /// Versions that are applied, as the tool writes them.
    versions: Vec<String>,
    /// Everything up to this version is applied.
    through: Option<String>,
    /// Versions that are marked as begun and not ended, which the tool would refuse to go on from.
    pub unfinished: Vec<String>,
}

impl Baseline {
    /// Whether the data has the migration in this file.
    pub fn has(&self, file: &MigrationFile) -> bool {
        let through = || Some(read_version(&file.version)? <= read_version(self.through.as_ref()?)?);
        self.versions.iter().any(|version| is_called(file, version)) || through() == Some(true)
    }

    /// How many versions it lists.
    pub fn len(&self) -> usize {
        self.versions.len() + usize::from(self.through.is_some())
    }

    /// Whether it lists none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Whether a file is the migration that a tool calls so: by its version, or by its whole name.
fn is_called(file: &MigrationFile, written: &str) -> bool {
    let stem = written.strip_suffix(".sql").unwrap_or(written);
    let stem = stem.strip_suffix(".up").unwrap_or(stem);
    let version = read_version(written);
    file.name == stem || version.is_some() && version == read_version(&file.version)
}

/// The history that says which of these files the data has; `None` if no table lists any of them. The second value is a table
/// that lists other migrations only.
pub async fn read(
    access: &Access,
    files: &[&MigrationFile],
) -> Result<(Option<Baseline>, Option<Baseline>), BaselineError> {
    let (telling, others): (Vec<Baseline>, Vec<Baseline>) = all(access)
        .await?
        .into_iter()
        .filter(|found| !found.is_empty())
        .partition(|found| files.iter().any(|file| found.has(file)));
    let has = |found: &Baseline| files.iter().map(|file| found.has(file)).collect::<Vec<_>>();
    if let Some(other) = telling.iter().skip(1).find(|other| has(other) != has(&telling[0])) {
        return Err(BaselineError::Several { one: telling[0].table.clone(), other: other.table.clone() });
    }
    Ok((telling.into_iter().next(), others.into_iter().next()))
}

/// Every history table that says which files are applied.
async fn all(access: &Access) -> Result<Vec<Baseline>, BaselineError> {
    let mut session = Asking::open(access).await?;
    let names: Vec<String> = KNOWN.iter().map(|(name, ..)| format!("'{name}'")).collect();
    let place = match session {
        Asking::Postgres(_) => "table_schema NOT LIKE 'pg\\_temp%'",
        Asking::Mysql(_) => "table_schema = DATABASE()",
    };
    let tables = format!(
        "SELECT table_schema, table_name, MAX(CASE WHEN column_name = 'dirty' THEN 1 ELSE 0 END) \
         FROM information_schema.columns WHERE table_name IN ({}) AND {place} \
         GROUP BY table_schema, table_name ORDER BY table_schema, table_name",
        names.join(", ")
    );
    let mut found = Vec::new();
    for row in session.ask(&tables).await? {
        let [Some(schema), Some(table), Some(dirty)] = row.as_slice() else { continue };
        // Of golang-migrate: one row with the last version.
        let key = if table == "schema_migrations" && dirty == "1" { "schema_migrations+dirty" } else { table };
        let of = KNOWN.iter().chain(&[DIRTY]).find(|(name, ..)| *name == key);
        let Some((_, tool, version, state, rest)) = of else { continue };
        let (from, shown) = match session {
            Asking::Postgres(_) => {
                let quoted = [schema, table].map(|name| format!("\"{}\"", name.replace('"', "\"\"")));
                (quoted.join("."), format!("{schema}.{table}"))
            }
            Asking::Mysql(_) => (name::quote(table), table.clone()),
        };
        let rows = session.ask(&format!("SELECT {version}, {state} FROM {from} {rest}")).await?;
        found.push(baseline(shown, tool, rows));
    }
    Ok(found)
}

/// Table, tool, version, state and order of its rows.
type Question = (&'static str, &'static str, &'static str, &'static str, &'static str);

/// What to ask of each table. States: applied; undone (by a row that comes later); failed; through (and all before it are
/// applied); dirty (the same, but it was not ended).
const KNOWN: [Question; 8] = [
    ("schema_migrations", "Rails or dbmate", "version", "'applied'", ""),
    ("_sqlx_migrations", "sqlx", "version", "CASE WHEN success THEN 'applied' ELSE 'failed' END", ""),
    ("__diesel_schema_migrations", "diesel", "version", "'applied'", ""),
    (
        "_prisma_migrations",
        "Prisma",
        "migration_name",
        "CASE WHEN rolled_back_at IS NOT NULL THEN 'undone' WHEN finished_at IS NULL THEN 'failed' ELSE 'applied' END",
        "ORDER BY started_at",
    ),
    (
        "flyway_schema_history",
        "Flyway",
        "version",
        "CASE WHEN NOT success THEN 'failed' WHEN type LIKE '%BASELINE' THEN 'through' \
         WHEN type LIKE 'UNDO%' OR type = 'DELETE' THEN 'undone' ELSE 'applied' END",
        "WHERE version IS NOT NULL ORDER BY installed_rank",
    ),
    (
        "goose_db_version",
        "goose",
        "version_id",
        "CASE WHEN is_applied THEN 'applied' ELSE 'undone' END",
        "WHERE version_id > 0 ORDER BY id",
    ),
    ("gorp_migrations", "sql-migrate", "id", "'applied'", ""),
    ("refinery_schema_history", "refinery", "version", "'applied'", ""),
];

/// The one of golang-migrate, which shares its name with another.
const DIRTY: Question =
    ("schema_migrations+dirty", "golang-migrate", "version", "CASE WHEN dirty THEN 'dirty' ELSE 'through' END", "");

/// What the rows of a table say together.
fn baseline(table: String, tool: &'static str, rows: Vec<Vec<Option<String>>>) -> Baseline {
    let mut baseline = Baseline { table, tool, ..Baseline::default() };
    for row in rows {
        let [Some(version), Some(state)] = row.as_slice() else { continue };
        baseline.versions.retain(|known| known != version);
        match state.as_str() {
            "applied" => baseline.versions.push(version.clone()),
            "failed" => baseline.unfinished.push(version.clone()),
            "through" => baseline.through = Some(version.clone()),
            "dirty" => {
                baseline.through = Some(version.clone());
                baseline.unfinished.push(version.clone());
            }
            _ => {}
        }
        if state != "failed" && state != "dirty" {
            baseline.unfinished.retain(|known| known != version);
        }
    }
    baseline
}

/// A session that answers in texts.
enum Asking {
    Postgres(Session),
    Mysql(Box<mysql_async::Conn>),
}

impl Asking {
    async fn open(access: &Access) -> Result<Self, BaselineError> {
        Ok(match access {
            Access::Postgres(config) => Self::Postgres(Session::open(config).await?),
            Access::Mysql(opts) => Self::Mysql(Box::new(mysql_async::Conn::new(opts.clone()).await?)),
        })
    }

    async fn ask(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>, BaselineError> {
        match self {
            Self::Postgres(session) => {
                let messages = session.client.simple_query(sql).await?;
                let rows = messages.iter().filter_map(|message| match message {
                    SimpleQueryMessage::Row(row) => {
                        Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect())
                    }
                    _ => None,
                });
                Ok(rows.collect())
            }
            Self::Mysql(connection) => {
                let rows: Vec<mysql_async::Row> = connection.query(sql).await?;
                let text = |value| mysql_async::from_value_opt::<String>(value).ok();
                Ok(rows.into_iter().map(|row| row.unwrap().into_iter().map(text).collect()).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn file(name: &str, version: &str) -> MigrationFile {
        MigrationFile {
            version: version.to_owned(),
            name: name.to_owned(),
            path: PathBuf::from(name),
            transaction: None,
            layout: None,
        }
    }

    fn told(rows: &[(&str, &str)]) -> Baseline {
        let rows = rows.iter().map(|(version, state)| vec![Some((*version).to_owned()), Some((*state).to_owned())]);
        baseline("t".to_owned(), "x", rows.collect())
    }

    #[test]
    fn a_version_is_found_however_a_tool_writes_it() {
        for (written, name, version) in [
            ("20240101120000", "20240101120000_add", "20240101120000"),
            ("7", "0007_add", "0007"),
            ("1.1", "V1_1__add", "1_1"),
            ("20240101000000", "2024-01-01-000000_add", "2024-01-01-000000"),
            ("202401010000000001", "2024-01-01-000000-0001_add", "2024-01-01-000000-0001"),
            ("20240101000000_add", "20240101000000_add", "20240101000000"),
            ("0001_add.sql", "0001_add", "0001"),
        ] {
            assert!(told(&[(written, "applied")]).has(&file(name, version)), "{written}");
        }
        let other = told(&[("20240101000000_add", "applied")]);
        assert!(!other.has(&file("20240101000000_drop", "20240101000000")), "Prisma goes by the whole name");
        assert!(!other.has(&file("R__views", "R__views")));
    }

    #[test]
    fn one_row_of_the_last_version_stands_for_all_before_it() {
        let last = told(&[("10", "through")]);
        let has = |version: &str| last.has(&file(&format!("{version}_x"), version));
        assert_eq!(["0009", "10", "11"].map(has), [true, true, false]);
        assert!(!last.has(&file("R__views", "R__views")));
    }

    #[test]
    fn later_rows_go_before_earlier_ones() {
        let rows = told(&[
            ("1", "applied"),
            ("2", "applied"),
            ("2", "undone"),
            ("3", "failed"),
            ("4", "failed"),
            ("4", "undone"),
        ]);
        assert_eq!((rows.versions, rows.unfinished), (vec!["1".to_owned()], vec!["3".to_owned()]));
        let dirty = told(&[("5", "dirty")]);
        assert_eq!((dirty.through.as_deref(), dirty.unfinished.as_slice()), (Some("5"), &["5".to_owned()][..]));
    }
}
