//! Whether the data of a scenario can be made, found out on a server that is thrown away.

use tokio_util::sync::CancellationToken;

use super::event::Events;
use super::{
    Options, RehearseError, explain_loss, incomplete, ready, stop, unless_failed, until_cancelled, while_running,
};
use crate::scenario::Scenario;
use crate::snapshot;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trial {
    /// All of it is kept already, under this name.
    Kept(String),
    /// It was tried; this cannot be made.
    Tried(Vec<String>),
}

pub(super) async fn trial(
    scenario: &Scenario,
    options: &Options,
    events: &Events,
    cancel: &CancellationToken,
) -> Result<Trial, RehearseError> {
    let wish = &scenario.server;
    if wish.external.as_ref().is_some_and(|server| server.in_place)
        || wish.command.as_ref().is_some_and(|server| server.in_place)
    {
        let why = "the data is migrated as it is found on the server (`in_place`), and no table is tried there";
        return Err(RehearseError::NothingToPrepare(why.to_owned()));
    }
    if let Some(kept) = ready::kept(scenario, options, events, cancel).await? {
        return Ok(Trial::Kept(kept.short().to_owned()));
    }
    let mut bare = scenario.clone();
    bare.snapshot.tables.clear();
    if let Some(profile) = &mut bare.snapshot.profile {
        // Its schema, and none of its rows.
        profile.scale = 0.0;
    }
    let server = ready::server(&bare, options, events, cancel).await?;
    let tried = async {
        let tried = async { Ok(snapshot::trial(&server.access(server.database()), &scenario.snapshot).await?) };
        until_cancelled(cancel, tried).await
    };
    let tried = while_running(&server, Box::pin(tried)).await;
    let tried = explain_loss(tried, &server).await;
    let stopped = stop(server, events).await;
    Ok(Trial::Tried(unless_failed(tried, stopped, events).map_err(incomplete)?))
}
