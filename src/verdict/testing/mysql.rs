//! What facts of MySQL and MariaDB have more: algorithms, metadata locks, error numbers, half-applied migrations.

use std::collections::BTreeMap;

use super::{Facts, MigrationFacts, StatementFacts, facts, ms};
use crate::run::{
    Algorithm, Blocks, HalfApplied, How, Lock, MigrationStatus, Rerun, RowVersions, ServerFacts, SqlError,
};
use crate::scenario::Engine;

/// A complete run of nothing on MySQL 9.7 or MariaDB 11.8.
pub(crate) fn facts_on(engine: Engine) -> Facts {
    let (version, image) = match engine {
        Engine::Postgres => return facts(),
        Engine::Mysql => ("9.7.4", "mysql:9.7"),
        Engine::Mariadb => ("11.8.3-MariaDB", "mariadb:11.8"),
    };
    facts().with(|run| {
        run.server = Some(ServerFacts {
            engine,
            version: version.to_owned(),
            provider: "container".to_owned(),
            origin: image.to_owned(),
            settings: BTreeMap::new(),
            cpus: 2,
        });
    })
}

impl MigrationFacts {
    /// It failed, and the effects of these statements stayed; a second try failed on this line, if it did.
    pub(crate) fn keeps(self, kept: &[usize], rerun: Option<(u32, u32, &str)>) -> Self {
        let rerun = rerun.map(|(line, code, message)| Rerun { line, error: error(code, "HY000", message) });
        self.ended(MigrationStatus::Failed)
            .with(|migration| migration.half_applied = Some(HalfApplied { kept: kept.to_vec(), rerun }))
    }
}

impl StatementFacts {
    /// It was carried out so, in autocommit as all DDL is.
    pub(crate) fn by(self, algorithm: Algorithm) -> Self {
        self.with(|statement| {
            statement.algorithm = Some(algorithm);
            statement.in_transaction = false;
        })
    }

    /// It took this metadata lock on a table, for so many milliseconds.
    pub(crate) fn metadata_lock(self, table: &str, mode: &str, held: u64) -> Self {
        let blocks = match mode {
            "EXCLUSIVE" => vec![Blocks::Reads, Blocks::Writes, Blocks::Ddl],
            "SHARED_NO_WRITE" | "SHARED_READ_ONLY" => vec![Blocks::Writes, Blocks::Ddl],
            _ => vec![Blocks::Ddl],
        };
        self.with(|statement| {
            statement.locks.get_or_insert_default().push(Lock {
                relation: table.to_owned(),
                table: None,
                partition: false,
                mode: mode.to_owned(),
                waited_ms: None,
                held_ms: Some(ms(held)),
                blocks,
                how: How::Exact,
            });
        })
    }

    /// So many of the row versions of a table are used up after it.
    pub(crate) fn row_versions(self, table: &str, used: u32) -> Self {
        let versions = RowVersions { table: table.to_owned(), used, limit: 255 };
        self.with(|statement| statement.row_versions = Some(versions))
    }

    /// It failed with this number, and so its locks were gone before they could be read.
    pub(crate) fn refused(self, code: u32, sqlstate: &'static str, message: &'static str) -> Self {
        self.fails(sqlstate, message).with(|statement| statement.error = Some(error(code, sqlstate, message)))
    }
}

fn error(code: u32, sqlstate: &str, message: &str) -> SqlError {
    SqlError { sqlstate: sqlstate.to_owned(), code: Some(code), message: message.to_owned(), ..SqlError::default() }
}
