//! The data folder of a container: taken once the server was stopped, out of the folder that stands in for its volume, or out
//! of the volume.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use mysql_async::prelude::Queryable;
use nix::unistd::Uid;
use testcontainers::bollard::Docker;
use testcontainers::bollard::models::ImageInspect;

use super::{ContainerServer, engine, engine_failed};
use crate::scenario::ServerWish;
use crate::server::clone::clone_folder;
use crate::server::local::Folders;
use crate::server::session::Session;
use crate::server::{Access, DATABASE, Inside, Login, ServerError};

/// How long the server may take to end properly, in seconds.
const PROPER_STOP_LIMIT: i32 = 120;

/// Why the data folders of an engine's containers cannot be kept and given to others, if so: it takes reading the volumes
/// of the engine, and mounting folders of ours.
pub(super) async fn out_of_reach(docker: &Docker) -> Option<&'static str> {
    if !Uid::effective().is_root() {
        return Some("only root reads the volumes of a Docker engine");
    }
    let Ok(info) = docker.info().await else { return Some("the Docker engine does not say where it is") };
    let here = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let root = info.docker_root_dir.unwrap_or_default();
    if info.name != Some(here) || !Path::new(&root).is_dir() {
        return Some("the Docker engine is on another machine");
    }
    let enforced = std::fs::read_to_string("/sys/fs/selinux/enforce").is_ok_and(|text| text.trim() == "1");
    enforced.then_some("SELinux keeps containers out of folders of ours")
}

/// The one volume of an image whose containers begin as root, and so may take any folder in its place.
pub(super) fn volume(image: &ImageInspect) -> Option<String> {
    let config = image.config.as_ref()?;
    let is_roots = matches!(config.user.as_deref(), None | Some("" | "root" | "0"));
    let mut volumes = config.volumes.iter().flatten();
    let volume = volumes.next().filter(|_| is_roots && volumes.next().is_none())?;
    Some(volume.clone())
}

/// A new folder that a container's own users may enter.
pub(super) fn empty_in(folders: &Folders) -> Result<PathBuf, ServerError> {
    let folder = folders.home.join("data");
    let made = fs::create_dir(&folder).and_then(|()| fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)));
    made.map_err(ServerError::file(&folder))?;
    Ok(folder)
}

impl ContainerServer {
    /// Ends the server so that everything is written and nothing is to be recovered, moves or copies its data folder to `to` and
    /// removes the container.
    pub(in crate::server) async fn give_up_data(self, wish: &ServerWish, to: &Path) -> Result<Inside, ServerError> {
        let result = self.taken(wish, to).await;
        let removed = self.stop().await;
        match (result, removed) {
            // Whatever failed then failed because of it.
            (_, Err(gone @ ServerError::EngineGone(_))) => Err(gone),
            (Ok(inside), removed) => removed.map(|()| inside),
            (Err(error), _) => Err(error),
        }
    }

    async fn taken(&self, wish: &ServerWish, to: &Path) -> Result<Inside, ServerError> {
        let (folder, from) = self.data_source(wish).await?;
        let docker = engine().await?;
        let stopped = self.container.stop_with_timeout(Some(PROPER_STOP_LIMIT)).await;
        stopped.map_err(engine_failed("stop a container"))?;
        let failed = engine_failed::<testcontainers::bollard::errors::Error>("inspect a container");
        let about = docker.inspect_container(self.container.id(), None).await.map_err(failed)?;
        let code = about.state.and_then(|state| state.exit_code);
        if code != Some(0) {
            let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
            let reason = format!("its exit code is {code}");
            return Err(ServerError::NotStopped { engine: wish.engine, reason, log: self.log_tail().await });
        }
        if self.folders.as_ref().is_some_and(|folders| from.starts_with(&folders.home)) {
            fs::rename(&from, to).map_err(ServerError::file(&from))?;
            return Ok(Inside { folder: folder.to_string_lossy().into_owned(), password: self.password.clone() });
        }
        let to = to.to_path_buf();
        let copied = tokio::task::spawn_blocking(move || clone_folder(&from, &to)).await;
        copied.map_err(|error| ServerError::file(&folder)(std::io::Error::other(error)))??;
        Ok(Inside { folder: folder.to_string_lossy().into_owned(), password: self.password.clone() })
    }

    /// Where the data is inside the container, and where on this machine.
    pub(in crate::server) async fn data_source(&self, wish: &ServerWish) -> Result<(PathBuf, PathBuf), ServerError> {
        let folder = self.data_folder(wish).await?;
        let docker = engine().await?;
        let failed = engine_failed::<testcontainers::bollard::errors::Error>("inspect a container");
        let about = docker.inspect_container(self.container.id(), None).await.map_err(failed)?;
        // The mount that is the closest above it: images differ in whether the volume is the folder itself.
        let within = about.mounts.unwrap_or_default().into_iter().filter_map(|mount| {
            let rest = folder.strip_prefix(mount.destination?).ok()?.to_path_buf();
            Some((PathBuf::from(mount.source?), rest))
        });
        match within.min_by_key(|(_, rest)| rest.components().count()) {
            Some((volume, rest)) => {
                // An empty rest would end the path with a slash.
                let source = if rest.as_os_str().is_empty() { volume } else { volume.join(rest) };
                Ok((folder, source))
            }
            None => Err(ServerError::Docker {
                doing: "say where the data is",
                reason: format!("{} is in no volume of the container", folder.display()),
            }),
        }
    }

    /// Where the data is inside the container, as the server says.
    async fn data_folder(&self, wish: &ServerWish) -> Result<PathBuf, ServerError> {
        let login = Login::superuser(wish.engine, Some(&self.password));
        let folder: String = match Access::new(wish.engine, &self.endpoint(), &login, DATABASE) {
            Access::Postgres(config) => {
                let session = Session::open(&config).await?;
                session.client.query_one("SHOW data_directory", &[]).await?.get(0)
            }
            Access::Mysql(opts) => {
                let mut connection = mysql_async::Conn::new(opts).await?;
                connection.query_first("SELECT @@GLOBAL.datadir").await?.unwrap_or_default()
            }
        };
        Ok(PathBuf::from(folder))
    }
}
