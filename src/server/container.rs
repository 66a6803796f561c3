//! A server in a container, by testcontainers: the official image of a version (`postgres:17`, `mysql:9.7`, `mariadb:11.8`),
//! or the scenario's image.
//!
//! testcontainers for Rust has no reaper, and drops a container that failed to start without removing it. So every
//! container carries its owner's name on a label and is removed by a sweep once the owner is gone.

mod data;
mod programs;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use futures_util::StreamExt;
use testcontainers::bollard::Docker;
use testcontainers::bollard::query_parameters::{
    ListContainersOptionsBuilder, ListImagesOptions, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
};
use testcontainers::core::client::docker_client_instance;
use testcontainers::core::{IntoContainerPort, Mount};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt};
use tokio::sync::Mutex;
use tokio_util::task::TaskTracker;

use super::clone::Means;
use super::local::Folders;
use super::owner::Owner;
use super::{Access, DATABASE, Endpoint, Login, ServerError, Start, binaries, mysql, postgres, tail, wait_until_ready};
use crate::scenario::{Engine, ServerWish};

/// The label that says whose a container is.
const OWNER_LABEL: &str = "rehearsal.owner";
/// The label that says whether a container is meant to outlive its owner.
const KEPT_LABEL: &str = "rehearsal.kept";
/// PostgreSQL's parallel index builds and sorts share memory in `/dev/shm`, of which Docker gives 64 MB by default.
const SHARED_MEMORY: u64 = 1 << 30;
/// Containers that are being started. One that the engine was asked for may come into being after whoever asked was
/// cancelled, so starting goes on by itself, and [`remove_own`] waits for what comes of it.
static STARTING: LazyLock<TaskTracker> = LazyLock::new(TaskTracker::new);
/// How long that may take.
const STARTING_LIMIT: Duration = Duration::from_secs(20);

/// A server in a container. Dropping it removes the container.
#[derive(Debug)]
pub struct ContainerServer {
    /// The image, with its tag.
    pub image: String,
    /// The superuser's password.
    pub password: String,
    container: ContainerAsync<GenericImage>,
    host: String,
    port: u16,
    /// The dump that is in the container.
    copied: Mutex<Option<PathBuf>>,
    /// How its data folder was cloned from one that was kept.
    pub(super) cloned: Option<(Means, Duration)>,
    /// Where its data is, if not in a volume of the engine. After the container, which writes into it.
    folders: Option<Folders>,
}

/// The image that a container would be made of.
#[derive(Debug)]
pub(super) struct Choice {
    /// Its name, with its tag.
    pub(super) image: String,
    /// Its digest.
    id: String,
    /// The one volume that it has, if a folder of ours can stand in for it.
    volume: Option<String>,
    /// Why the data folders of its containers cannot be kept, if so.
    out_of_reach: Option<&'static str>,
}

impl Choice {
    /// See [`Chosen::identity`](super::Chosen::identity).
    pub(super) fn identity(&self) -> Result<String, &'static str> {
        self.out_of_reach.map_or_else(|| Ok(format!("container {}", self.id)), Err)
    }
}

/// Chooses the image or version wished for, and pulls it if the engine lacks it.
pub(super) async fn choose(wish: &ServerWish) -> Result<Choice, ServerError> {
    let docker = engine().await?;
    let image = match &wish.image {
        Some(image) => image.clone(),
        None => format!("{}:{}", official(wish.engine), version(&docker, wish).await),
    };
    let about = async || docker.inspect_image(&image).await.ok();
    let mut known = about().await;
    if known.is_none() {
        let (name, tag) = split_tag(&image);
        let request = GenericImage::new(name.to_owned(), tag.to_owned()).pull_image();
        let _pulled =
            request.await.map_err(|error| ServerError::NoImage { image: image.clone(), reason: error.to_string() })?;
        known = about().await;
    }
    let known = known.unwrap_or_default();
    let volume = data::volume(&known);
    let out_of_reach = data::out_of_reach(&docker).await;
    Ok(Choice { image, id: known.id.unwrap_or_default(), volume, out_of_reach })
}

impl ContainerServer {
    /// Starts a container, on a clone of the data that it is given if there is one.
    pub(super) async fn start(wish: &ServerWish, choice: &Choice, start: Start<'_>) -> Result<Self, ServerError> {
        let image = choice.image.clone();
        let (name, tag) = split_tag(&image);
        let kept_inside = start.data.and_then(|data| data.inside.as_ref());
        let password = kept_inside.map_or_else(password, |inside| inside.password.clone());
        let (port, variables, command) = match wish.engine {
            Engine::Postgres => {
                let command = postgres::container_command(wish, start.only_filled);
                (postgres::PORT, postgres::variables(&password), command)
            }
            Engine::Mysql | Engine::Mariadb => {
                let command = mysql::container_command(wish, start.only_filled);
                (mysql::PORT, mysql::variables(wish.engine, &password), command)
            }
        };
        let request = GenericImage::new(name.to_owned(), tag.to_owned())
            .with_exposed_port(port.tcp())
            .with_label(OWNER_LABEL, Owner::myself().to_label())
            .with_label(KEPT_LABEL, start.kept.to_string())
            .with_shm_size(SHARED_MEMORY)
            .with_startup_timeout(super::START_LIMIT)
            .with_cmd(command);
        let request = variables.into_iter().fold(request, |request, (name, value)| request.with_env_var(name, value));
        let (mut folders, mut cloned, mut request) = (None, None, request);
        if let (Some(data), Some(inside)) = (start.data, kept_inside) {
            let made = Folders::create(start.root, None, start.kept)?;
            cloned = Some(made.clone_data(&data.path).await?);
            let clone = made.home.join("data");
            request = request.with_mount(Mount::bind_mount(clone.to_string_lossy(), &inside.folder));
            folders = Some(made);
        } else if let (true, Some(volume)) = (start.only_filled, &choice.volume) {
            let made = Folders::create(start.root, None, start.kept)?;
            request = request.with_mount(Mount::bind_mount(data::empty_in(&made)?.to_string_lossy(), volume));
            folders = Some(made);
        }
        let started = STARTING.spawn(request.start()).await.map_err(engine_failed("start a container"))?;
        let container = match started {
            Ok(container) => container,
            Err(error) => {
                remove_own().await;
                return Err(explained(engine_failed("start a container")(error)).await);
            }
        };
        let host = container.get_host().await.map_err(engine_failed("tell its host"))?.to_string();
        let port = container.get_host_port_ipv4(port).await.map_err(engine_failed("map the server's port"))?;
        let copied = Mutex::default();
        let server = Self { image, password, container, host, port, copied, cloned, folders };
        let access = Access::new(
            wish.engine,
            &server.endpoint(),
            &Login::superuser(wish.engine, Some(&server.password)),
            DATABASE,
        );
        let ready = wait_until_ready(&access, async || match server.container.is_running().await {
            Ok(true) => None,
            Ok(false) => Some("its container ended at once".to_owned()),
            Err(error) => gone().await.map(|_| error.to_string()),
        })
        .await;
        match ready {
            Ok(()) => Ok(server),
            Err(reason) => {
                let log = server.log_tail().await;
                // Fails if the engine is gone, which is the reason then.
                server.stop().await?;
                Err(ServerError::NotStarted { engine: wish.engine, reason, log })
            }
        }
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint::Tcp { host: self.host.clone(), port: self.port }
    }

    /// Whether its data is in a folder of ours and not in a volume of the engine.
    pub(super) fn has_folder(&self) -> bool {
        self.folders.is_some()
    }

    async fn log_tail(&self) -> String {
        tail(&self.log().await)
    }

    /// Whether the engine or the kernel ended it by SIGKILL: then its exit code is 128 and the number of the signal.
    pub(super) async fn was_killed(&self) -> bool {
        let Ok(docker) = engine().await else { return false };
        let state = docker.inspect_container(self.container.id(), None).await.ok().and_then(|about| about.state);
        state.is_some_and(|state| state.oom_killed == Some(true) || state.exit_code == Some(137))
    }

    /// The end of it: a statement that fails is in there as a whole.
    pub(super) async fn log(&self) -> String {
        let Ok(docker) = engine().await else { return String::new() };
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true).tail("2000").build();
        let lines: Vec<String> = docker
            .logs(self.container.id(), Some(options))
            .filter_map(|part| std::future::ready(part.ok().map(|part| part.to_string())))
            .collect()
            .await;
        lines.concat()
    }

    /// Waits until everything that was written in the container is on the disk.
    pub(super) async fn flush_disk(&self) -> Result<(), ServerError> {
        let output = self.exec(&["sync"]).await?;
        if output.success {
            return Ok(());
        }
        Err(ServerError::Docker { doing: "flush the container's disk", reason: output.stderr })
    }

    pub(super) async fn stop(self) -> Result<(), ServerError> {
        if let Some(gone) = gone().await {
            // Its guard would ask an engine that hangs, and wait for minutes.
            std::mem::forget(self.container);
            return Err(gone);
        }
        // Removing by force ends the server at once; nothing in it is worth a shutdown.
        let removed = self.container.rm().await.map_err(engine_failed("remove the container"));
        match removed {
            Ok(()) => Ok(()),
            Err(error) => Err(explained(error).await),
        }
    }
}

/// That the engine is gone, if it is: for whoever had an answer of it before.
pub(super) async fn gone() -> Option<ServerError> {
    match engine().await {
        Err(ServerError::NoDocker(reason)) => Some(ServerError::EngineGone(reason)),
        _ => None,
    }
}

/// A failure of the engine, which may have failed because it is gone.
async fn explained(error: ServerError) -> ServerError {
    match error {
        ServerError::Docker { .. } => gone().await.unwrap_or(error),
        other => other,
    }
}

/// The engine that `DOCKER_HOST` names, or else the usual socket; an error when nothing answers there.
pub(super) async fn engine() -> Result<Docker, ServerError> {
    let docker = docker_client_instance().await.map_err(|error| ServerError::NoDocker(error.to_string()))?;
    match tokio::time::timeout(std::time::Duration::from_secs(3), docker.ping()).await {
        Ok(Ok(_)) => Ok(docker),
        Ok(Err(error)) => Err(ServerError::NoDocker(first_cause(&error))),
        Err(_) => Err(ServerError::NoDocker("no answer within 3 s".to_owned())),
    }
}

/// The name of an engine's official image.
pub fn official(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => "postgres",
        Engine::Mysql => "mysql",
        Engine::Mariadb => "mariadb",
    }
}

/// The version that is pulled when none is wished for and the Docker engine has no image.
fn newest(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => "18",
        Engine::Mysql => "9.7",
        Engine::Mariadb => "11.8",
    }
}

/// The Docker engine's own version and the official images that it has, for `rehearsal doctor`.
pub async fn describe() -> Result<(String, Vec<String>), ServerError> {
    let docker = engine().await?;
    let version = docker.version().await.map_err(engine_failed("tell its version"))?;
    let mut images = Vec::new();
    for engine in [Engine::Postgres, Engine::Mysql, Engine::Mariadb] {
        let mut tags = local_versions(&docker, engine).await;
        tags.sort_by_key(|tag| binaries::numbers(tag));
        images.extend(tags.iter().map(|tag| format!("{}:{tag}", official(engine))));
    }
    Ok((version.version.unwrap_or_default(), images))
}

async fn version(docker: &Docker, wish: &ServerWish) -> String {
    if let Some(version) = &wish.version {
        return version.clone();
    }
    let is_version = |tag: &String| tag.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let versions = local_versions(docker, wish.engine).await.into_iter().filter(is_version);
    versions.max_by_key(|tag| binaries::numbers(tag)).unwrap_or_else(|| newest(wish.engine).to_owned())
}

/// The tags of the official images of a database engine that the Docker engine has.
async fn local_versions(docker: &Docker, engine: Engine) -> Vec<String> {
    let images = docker.list_images(None::<ListImagesOptions>).await.unwrap_or_default();
    let tags = images.into_iter().flat_map(|image| image.repo_tags);
    let tag_of = |image: String| Some(image.strip_prefix(official(engine))?.strip_prefix(':')?.to_owned());
    tags.filter_map(tag_of).collect()
}

/// Removes containers whose owner is no longer running, and `kept` ones too if it is asked for. Returns what was
/// removed, a line each.
pub(super) async fn sweep(kept: bool) -> Result<Vec<String>, ServerError> {
    remove(|owner, is_kept| !owner.is_alive() && (kept || !is_kept)).await
}

/// Removes the containers of this process: for when one was being started and there is no guard for it.
pub(crate) async fn remove_own() {
    STARTING.close();
    if tokio::time::timeout(STARTING_LIMIT, STARTING.wait()).await.is_err() {
        tracing::warn!("a container is still being started; `rehearsal sweep` removes it");
    }
    STARTING.reopen();
    let myself = Owner::myself();
    match remove(|owner, _| *owner == myself).await {
        // Where no engine answers, none was asked for a container.
        Ok(_) | Err(ServerError::NoDocker(_)) => {}
        Err(error) => tracing::warn!(%error, "a container that was being started could not be looked for"),
    }
}

async fn remove(unwanted: impl Fn(&Owner, bool) -> bool) -> Result<Vec<String>, ServerError> {
    let docker = engine().await?;
    let filters = HashMap::from([("label".to_owned(), vec![OWNER_LABEL.to_owned()])]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let containers = docker.list_containers(Some(options)).await.map_err(engine_failed("list containers"))?;
    let mut removed = Vec::new();
    for container in containers {
        let labels = container.labels.unwrap_or_default();
        let owner = labels.get(OWNER_LABEL).and_then(|label| Owner::from_label(label));
        let (Some(owner), Some(id)) = (owner, container.id) else { continue };
        if !unwanted(&owner, labels.get(KEPT_LABEL).is_some_and(|kept| kept == "true")) {
            continue;
        }
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        if docker.remove_container(&id, Some(options)).await.is_ok() {
            let id: String = id.chars().take(12).collect();
            removed.push(format!("container {id} of process {}", owner.pid));
        }
    }
    Ok(removed)
}

fn split_tag(image: &str) -> (&str, &str) {
    match image.rsplit_once(':') {
        // A colon before a slash is that of a registry's port.
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    }
}

/// A password that nobody can guess, for a server that listens on a port of this machine.
fn password() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// What is at the bottom of a failure: the words above it name the programs' own parts.
fn first_cause(mut error: &dyn std::error::Error) -> String {
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}

fn engine_failed<E: std::fmt::Display>(doing: &'static str) -> impl Fn(E) -> ServerError {
    move |error| ServerError::Docker { doing, reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_told_from_the_port_of_a_registry() {
        assert_eq!(split_tag("postgres:17"), ("postgres", "17"));
        assert_eq!(split_tag("registry.example:5000/team/pg"), ("registry.example:5000/team/pg", "latest"));
        assert_eq!(split_tag("registry.example:5000/team/pg:16.2"), ("registry.example:5000/team/pg", "16.2"));
    }
}
