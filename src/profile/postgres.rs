//! The profile of a PostgreSQL database: its schema by `pg_dump`, and what its catalogs and `pg_stats` say.
//!
//! Everything is read in one transaction that may not write, with time limits for statements and for locks, and no lock is
//! above ACCESS SHARE, which stands in the way of nothing but changes of the schema. Rows are never read. A role needs SELECT on
//! the tables that it profiles, since `pg_stats` has only what the role may read (PostgreSQL 18 manual, 53.28); others
//! are named in the notes.

mod schema;
mod statistics;

use std::time::Duration;

use tokio_postgres::{Config, NoTls};

use super::{FORMAT, Keep, Profile, hashed};
use crate::scenario::Engine;
use crate::snapshot::postgres::grow::server_says;
pub use schema::{SchemaError, SchemaSource};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Wish {
    /// What is done with values.
    pub keep: Keep,
    /// Tables to profile, as `schema.table` or `table`; all of them if it is empty.
    pub tables: Vec<String>,
    /// How long a statement may take, and `pg_dump` as a whole.
    pub timeout: Duration,
    /// Where the schema comes from.
    pub schema: SchemaSource,
}

/// Why a database could not be profiled.
#[derive(Debug, thiserror::Error)]
pub enum PostgresProfileError {
    /// It does not answer.
    #[error("cannot connect to the server: {}", connecting(.0))]
    Connect(tokio_postgres::Error),
    /// It does not say what was asked.
    #[error("cannot read {what}: {}", server_says(source))]
    Read {
        /// What.
        what: &'static str,
        /// What it says instead.
        source: tokio_postgres::Error,
    },
    /// A table that was asked for and is not there.
    #[error("there is no table {0} that this role may read")]
    NoSuchTable(String),
    /// The schema.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

impl PostgresProfileError {
    /// Whether the command line asks for something that is not there.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::NoSuchTable(_) | Self::Schema(SchemaError::File { .. }))
    }
}

/// What the server says to a connection, or else what the network says.
fn connecting(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) if error.as_db_error().is_none() => format!("{error}: {cause}"),
        _ => server_says(error),
    }
}

/// What turns a failed query into an error.
fn reading(what: &'static str) -> impl Fn(tokio_postgres::Error) -> PostgresProfileError {
    move |source| PostgresProfileError::Read { what, source }
}

/// Profiles a database.
///
/// Dropping the future closes the connection, and ends the transaction.
pub async fn profile(config: &Config, wish: &Wish) -> Result<Profile, PostgresProfileError> {
    let mut config = config.clone();
    config.application_name("rehearsal profile").connect_timeout(Duration::from_secs(10));
    let (mut client, connection) = config.connect(NoTls).await.map_err(PostgresProfileError::Connect)?;
    let connection = tokio::spawn(connection);
    let began = reading("the statistics");
    let transaction = client
        .build_transaction()
        .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await
        .map_err(&began)?;
    let millis = wish.timeout.as_millis();
    let limits = format!(
        "SET LOCAL statement_timeout = {millis}; SET LOCAL lock_timeout = {millis}; SET LOCAL search_path = ''"
    );
    transaction.batch_execute(&limits).await.map_err(&began)?;
    let version: String = transaction.query_one("SHOW server_version", &[]).await.map_err(&began)?.get(0);
    let seen = statistics::read(&transaction, wish).await?;
    transaction.commit().await.map_err(&began)?;
    drop(client);
    let _ = connection.await;

    let schema = schema::read(&config, &wish.schema, &seen, wish.timeout).await?;
    let mut profile = Profile {
        format: FORMAT,
        engine: Engine::Postgres,
        version: version.split_whitespace().next().unwrap_or_default().to_owned(),
        taken_at: jiff::Timestamp::now().to_string(),
        keep: wish.keep,
        notes: seen.notes,
        schema,
        tables: seen.tables,
    };
    if wish.keep == Keep::Hashed {
        hashed::hash_values(&mut profile);
    }
    Ok(profile)
}
