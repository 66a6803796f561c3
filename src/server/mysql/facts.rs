//! What a MySQL or MariaDB server says of itself, for the record.

use std::collections::BTreeMap;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};

use super::{binaries, settings};
use crate::scenario::ServerWish;
use crate::server::ServerError;

/// Its version, and the settings that bear on the figures or that the scenario set.
pub(in crate::server) async fn read(
    opts: Opts,
    wish: &ServerWish,
) -> Result<(String, BTreeMap<String, String>), ServerError> {
    let mut connection = Conn::new(opts).await?;
    let version: Option<String> = connection.query_first("SELECT VERSION()").await?;
    let version = version.as_deref().map(binaries::plain).unwrap_or_default().to_owned();
    let all: Vec<(String, String)> = connection.query("SHOW GLOBAL VARIABLES").await?;
    let wished: Vec<String> = wish.settings.keys().map(|name| name.replace('-', "_")).collect();
    let is_told = |name: &String| settings::RECORDED.contains(&name.as_str()) || wished.contains(name);
    Ok((version, all.into_iter().filter(|(name, _)| is_told(name)).collect()))
}
