//! The data of a MySQL or MariaDB server: [`restore`] the dumps, [`grow`] the tables, bring the database to rest and
//! say what it holds ([`facts`]).

pub mod facts;
pub mod grow;
mod likeness;
pub mod restore;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};

use super::grow::Grown;
use super::{Listen, Prepared, SnapshotError, origin};
use crate::profile::Profile;
use crate::run::RowSource;
use crate::scenario::{Dump, Engine, ProfileWish, SnapshotWish};
use crate::server::{DATABASE, Server};
use crate::sql::mysql::name::relation;
use grow::GrowError;
use restore::RestoreError;

/// Why the data of a MySQL or MariaDB server could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum MysqlError {
    /// A dump could not be restored.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// A table could not be grown.
    #[error(transparent)]
    Grow(#[from] GrowError),
    /// The schema of a profile is refused.
    #[error("the schema in {} is refused: {source}; `restore` can name a dump of the schema instead", path.display())]
    Schema {
        /// The profile.
        path: std::path::PathBuf,
        /// What the server says.
        source: mysql_async::Error,
    },
    /// The server did not do what preparing takes.
    #[error("cannot prepare the snapshot: {0}")]
    Server(#[from] mysql_async::Error),
}

impl MysqlError {
    /// Whether it is the scenario (or a file that it names) that has to be changed, and not the machine.
    pub fn is_the_scenarios(&self) -> bool {
        match self {
            Self::Restore(error) => error.is_the_scenarios(),
            Self::Grow(error) => error.is_the_scenarios(),
            Self::Schema { .. } => true,
            Self::Server(_) => false,
        }
    }
}

/// Prepares an empty database as a scenario wishes.
///
/// `opts` must be a superuser's, and name the database. Dropping the future stops the preparation; the database is then good
/// for nothing but to be dropped.
pub(super) async fn prepare(
    opts: &Opts,
    wish: &SnapshotWish,
    server: &Server,
    listen: Listen<'_>,
) -> Result<Prepared, SnapshotError> {
    let profile = super::profile(server.engine(), wish)?;
    Ok(filled(opts, wish, profile.as_ref(), listen).await?)
}

/// Tries to grow the tables of a scenario in a database that has everything else, and gives what cannot be made, each as it
/// is told. See [`prepare`].
pub(super) async fn trial(opts: &Opts, wish: &SnapshotWish) -> Result<Vec<String>, SnapshotError> {
    // Of MariaDB there are no profiles.
    let profile = super::profile(Engine::Mysql, wish)?;
    let after = profile.as_ref().map(|(profile, how)| (profile, how));
    let problems = grow::trial(opts, &wish.tables, after, wish.seed).await.map_err(MysqlError::from)?;
    Ok(problems.iter().map(ToString::to_string).collect())
}

async fn filled(
    opts: &Opts,
    wish: &SnapshotWish,
    profile: Option<&(Profile, ProfileWish)>,
    listen: Listen<'_>,
) -> Result<Prepared, MysqlError> {
    if let Some((profile, how)) = profile
        && wish.restore.is_empty()
    {
        // On a connection of its own, since it leaves settings behind (`foreign_key_checks`).
        let mut connection = Conn::new(opts.clone()).await?;
        let made = connection.query_drop(&profile.schema).await;
        made.map_err(|source| MysqlError::Schema { path: how.path.clone(), source })?;
        connection.disconnect().await?;
    }
    let dumps: Vec<Dump> = wish.restore.iter().cloned().chain(wish.after.iter().cloned().map(Dump::from)).collect();
    let mut notes = restore::restore(opts, &dumps, listen).await?;
    let mut grown = Grown::default();
    if !wish.tables.is_empty() || profile.is_some() {
        let after = profile.map(|(profile, how)| (profile, how));
        grown = grow::grow(opts, &wish.tables, after, wish.seed, listen).await?;
        notes.append(&mut grown.notes);
    }
    if let Some((profile, _)) = profile {
        notes.extend(profile.notes.iter().map(|note| format!("profile: {note}")));
    }
    let mut connection = Conn::new(opts.clone()).await?;
    let database = opts.db_name().unwrap_or(DATABASE);
    facts::settle(&mut connection, database).await?;
    let mut tables = facts::table_facts(&mut connection, database).await?;
    for facts in &mut tables {
        let found = grown.tables.iter().find(|(name, _)| relation(database, database, name) == facts.name);
        facts.source = Some(match found {
            None => RowSource::Real,
            Some((_, false)) => RowSource::Grown,
            Some((_, true)) => RowSource::Made,
        });
        let made = found.filter(|(_, made)| *made).and_then(|(name, _)| profile?.0.table(name));
        if let Some(profile) = made {
            facts.likeness = likeness::likeness(&mut connection, database, facts.rows.unwrap_or(0), profile).await?;
        }
    }
    connection.disconnect().await?;
    Ok(Prepared { origin: origin(wish), notes, tables })
}
