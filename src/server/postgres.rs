//! What is PostgreSQL's own about a scratch server: its programs, its settings, its data folder.

pub(super) mod alone;
pub(super) mod binaries;
pub(super) mod external;
pub(super) mod facts;
pub(super) mod restore;
pub(super) mod settings;
pub(super) mod template;

use std::ffi::OsString;
use std::path::Path;

use super::{DATABASE, USER};
use crate::scenario::ServerWish;

/// The port that the server listens on in a container, and the number in the name of its unix socket.
pub(super) const PORT: u16 = 5432;

/// The command line of a server that runs from local binaries.
pub(super) fn arguments(data: &Path, socket_folder: &Path, wish: &ServerWish, only_filled: bool) -> Vec<OsString> {
    let mut all: Vec<OsString> = vec!["-D".into(), data.into(), "-k".into(), socket_folder.into()];
    all.extend(["-c", "listen_addresses=", "-p"].map(OsString::from));
    all.push(PORT.to_string().into());
    all.extend(all_settings(wish, only_filled).into_iter().map(OsString::from));
    all
}

/// What the official image reads from its environment.
pub(super) fn variables(password: &str) -> Vec<(&'static str, &str)> {
    vec![("POSTGRES_PASSWORD", password), ("POSTGRES_USER", USER), ("POSTGRES_DB", DATABASE)]
}

/// The command of a container.
pub(super) fn container_command(wish: &ServerWish, only_filled: bool) -> Vec<String> {
    std::iter::once("postgres".to_owned()).chain(all_settings(wish, only_filled)).collect()
}

fn all_settings(wish: &ServerWish, only_filled: bool) -> Vec<String> {
    let mut all = settings::arguments(&wish.settings);
    if only_filled {
        all.extend(settings::only_filled(&wish.settings));
    }
    all
}
