//! The data of a PostgreSQL server: [`restore`] the dumps, [`grow`] the tables, bring the database to rest and say what
//! it holds ([`facts`]).

pub mod facts;
pub mod grow;
mod likeness;
pub mod restore;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};

use super::grow::Grown;
use super::{Listen, Prepared, SnapshotError, origin};
use crate::profile::Profile;
use crate::run::{RowSource, TableFacts};
use crate::scenario::{Dump, Engine, ProfileWish, SnapshotWish};
use crate::server::Server;
use grow::{GrowError, server_says};
use restore::RestoreError;

/// Why the data of a PostgreSQL server could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// A dump could not be restored.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// A table could not be grown.
    #[error(transparent)]
    Grow(#[from] GrowError),
    /// The schema of a profile is refused.
    #[error("the schema in {} is refused: {}; `restore` can name a dump of the schema instead", path.display(), server_says(source))]
    Schema {
        /// The profile.
        path: std::path::PathBuf,
        /// What the server says.
        source: tokio_postgres::Error,
    },
    /// The server did not do what preparing takes.
    #[error("cannot prepare the snapshot: {}", server_says(.0))]
    Server(#[from] tokio_postgres::Error),
}

impl PostgresError {
    /// Whether it is the scenario (or a file that it names) that has to be changed, and not the machine.
    pub fn is_the_scenarios(&self) -> bool {
        match self {
            Self::Restore(error) => error.is_the_scenarios(),
            Self::Grow(error) => {
                !matches!(error, GrowError::Read { .. } | GrowError::Garbled { .. }) && !self.is_disk_full()
            }
            Self::Schema { .. } => !self.is_disk_full(),
            Self::Server(_) => false,
        }
    }

    /// Whether the server's disk is full.
    fn is_disk_full(&self) -> bool {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(self);
        std::iter::from_fn(|| {
            let error = cause?;
            cause = error.source();
            Some(error)
        })
        .filter_map(|error| error.downcast_ref::<tokio_postgres::Error>())
        .any(|error| error.code() == Some(&SqlState::DISK_FULL))
    }
}

/// Prepares an empty database as a scenario wishes.
///
/// `config` must be a superuser's, and name the database. Dropping the future stops the preparation; the database is then
/// good for nothing but to be dropped.
pub(super) async fn prepare(
    config: &Config,
    wish: &SnapshotWish,
    server: &Server,
    listen: Listen<'_>,
) -> Result<Prepared, SnapshotError> {
    let profile = super::profile(Engine::Postgres, wish)?;
    Ok(filled(config, wish, profile.as_ref(), server, listen).await?)
}

async fn filled(
    config: &Config,
    wish: &SnapshotWish,
    profile: Option<&(Profile, ProfileWish)>,
    server: &Server,
    listen: Listen<'_>,
) -> Result<Prepared, PostgresError> {
    let mut notes = restore::restore(config, &wish.restore, server, listen).await?;
    if let Some((profile, how)) = profile
        && wish.restore.is_empty()
    {
        // On a connection of its own, since it leaves settings behind (`search_path`).
        let (client, connection) = config.connect(NoTls).await?;
        let connection = tokio::spawn(connection);
        let made = client.batch_execute(&profile.schema).await;
        made.map_err(|source| PostgresError::Schema { path: how.path.clone(), source })?;
        drop(client);
        let _ = connection.await;
    }
    let after: Vec<Dump> = wish.after.iter().cloned().map(Dump::from).collect();
    notes.extend(restore::restore(config, &after, server, listen).await?);
    let (mut client, connection) = config.connect(NoTls).await?;
    let connection = tokio::spawn(connection);
    let mut grown = Grown::default();
    if !wish.tables.is_empty() || profile.is_some() {
        let after = profile.map(|(profile, how)| (profile, how));
        grown = grow::grow(config, &mut client, &wish.tables, after, wish.seed, listen).await?;
        notes.append(&mut grown.notes);
    }
    if let Some((profile, _)) = profile {
        notes.extend(profile.notes.iter().map(|note| format!("profile: {note}")));
    }
    facts::settle(&client).await?;
    let mut tables = facts::table_facts(&client).await?;
    tell_sources(&client, &mut tables, &grown, profile.map(|(profile, _)| profile)).await?;
    drop(client);
    // The connection ends once its client is gone; what it says then was already told to the client.
    let _ = connection.await;
    Ok(Prepared { origin: origin(wish), notes, tables })
}

/// Tries to grow the tables of a scenario in a database that has everything else, and gives what cannot be made, each as it
/// is told. See [`prepare`].
pub(super) async fn trial(config: &Config, wish: &SnapshotWish) -> Result<Vec<String>, SnapshotError> {
    let profile = super::profile(Engine::Postgres, wish)?;
    Ok(tried(config, wish, profile.as_ref()).await?)
}

async fn tried(
    config: &Config,
    wish: &SnapshotWish,
    profile: Option<&(Profile, ProfileWish)>,
) -> Result<Vec<String>, PostgresError> {
    let (mut client, connection) = config.connect(NoTls).await?;
    let connection = tokio::spawn(connection);
    let after = profile.map(|(profile, how)| (profile, how));
    let problems = grow::trial(config, &mut client, &wish.tables, after, wish.seed).await?;
    drop(client);
    let _ = connection.await;
    Ok(problems.iter().map(ToString::to_string).collect())
}

/// Says of each table where its rows come from, and how close those come to the profile that were made after one.
async fn tell_sources(
    client: &Client,
    tables: &mut [TableFacts],
    grown: &Grown,
    profile: Option<&Profile>,
) -> Result<(), tokio_postgres::Error> {
    for table in tables.iter_mut() {
        table.source = Some(RowSource::Real);
    }
    for (name, made) in &grown.tables {
        let sql = "SELECT format('%I.%I', n.nspname, c.relname)
                   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1::text::regclass";
        let shown: String = client.query_one(sql, &[name]).await?.get(0);
        let Some(facts) = tables.iter_mut().find(|table| table.name == shown) else { continue };
        facts.source = Some(if *made { RowSource::Made } else { RowSource::Grown });
        if let Some(profile) = profile.and_then(|profile| profile.table(name)).filter(|_| *made) {
            facts.likeness = likeness::likeness(client, name, profile).await?;
        }
    }
    Ok(())
}
