//! The data folders that servers begin with: each made once, kept and copied.

use std::fs;
use std::path::PathBuf;

use super::folders::{own, remove_folder};
use crate::scenario::{Engine, ServerWish};
use crate::server::binaries::Installation;
use crate::server::owner::{ServerUser, cache_folder};
use crate::server::{DATABASE, ServerError, mysql, postgres};

/// What the name of a folder begins with in which a data folder is made.
pub(in crate::server) const MAKING: &str = "making-";

/// Where data folders that nothing was done in are kept.
pub(in crate::server) fn templates_folder() -> PathBuf {
    cache_folder().join("fresh")
}

/// A data folder with our database in it, made once for each version and user, and for the settings that it is made with.
pub(super) async fn template(
    installation: &Installation,
    user: Option<&ServerUser>,
    wish: &ServerWish,
) -> Result<PathBuf, ServerError> {
    let who = user.map_or("self", |user| user.name.as_str());
    let suffix = match wish.engine {
        Engine::Postgres => String::new(),
        Engine::Mysql | Engine::Mariadb => mysql::template::suffix(wish),
    };
    let root = templates_folder();
    let name = format!("{}-{}-{who}-with-{DATABASE}{suffix}", wish.engine, installation.version);
    let kept = root.join(name.to_lowercase());
    let is_made = match wish.engine {
        Engine::Postgres => postgres::template::is_made(&kept),
        Engine::Mysql | Engine::Mariadb => mysql::template::is_made(&kept),
    };
    if is_made {
        return Ok(kept);
    }
    fs::create_dir_all(&root).map_err(ServerError::file(&root))?;
    let making = tempfile::Builder::new().prefix(MAKING).tempdir_in(&root).map_err(ServerError::file(&root))?;
    let making = Making(making.keep());
    own(&making.0, user)?;
    let data = making.0.join("data");
    match wish.engine {
        Engine::Postgres => postgres::template::make(installation, &data, user).await?,
        Engine::Mysql | Engine::Mariadb => mysql::template::make(installation, &data, user, wish).await?,
    }
    // Whoever is first keeps his; the result is the same.
    let _ = fs::rename(&data, &kept);
    Ok(kept)
}

/// A folder in which a data folder is made: removed when dropped.
struct Making(PathBuf);

impl Drop for Making {
    fn drop(&mut self) {
        remove_folder(&self.0);
    }
}
