//! What a PostgreSQL server says of itself, for the record.

use std::collections::BTreeMap;

use tokio_postgres::Config;

use super::settings;
use crate::scenario::ServerWish;
use crate::server::ServerError;
use crate::server::session::Session;

/// Its version, and the settings that bear on the figures or that the scenario set.
pub(in crate::server) async fn read(
    config: &Config,
    wish: &ServerWish,
) -> Result<(String, BTreeMap<String, String>), ServerError> {
    let session = Session::open(config).await?;
    let names: Vec<&str> = settings::RECORDED.iter().copied().chain(wish.settings.keys().map(String::as_str)).collect();
    let query = "SELECT name, current_setting(name) FROM unnest($1::text[]) AS name \
                 WHERE current_setting(name, true) IS NOT NULL AND name <> 'lc_collate' \
                 UNION ALL SELECT 'lc_collate', datcollate FROM pg_database WHERE datname = current_database()";
    let rows = session.client.query(query, &[&names]).await?;
    let version: String = session.client.query_one("SHOW server_version", &[]).await?.get(0);
    let version = version.split_whitespace().next().unwrap_or(&version).to_owned();
    Ok((version, rows.iter().map(|row| (row.get(0), row.get(1))).collect()))
}
