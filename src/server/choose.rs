//! Which server it will be: chosen before one is started, so that what shapes its data folder is known.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::command::CommandServer;
use super::container::{self, ContainerServer};
use super::external::{self, ExternalServer, Permission};
use super::local::{self, LocalServer};
use super::owner::cache_folder;
use super::{Login, Provider, Server, ServerError};
use crate::scenario::{ProviderWish, ServerWish};

/// A server that could be started: binaries or an image that are there, or a server of somebody else's.
#[derive(Debug)]
pub struct Chosen {
    wish: ServerWish,
    how: How,
    /// How the provider was chosen, for the record.
    pub notes: Vec<String>,
}

#[derive(Debug)]
enum How {
    Local(local::Choice),
    Container(container::Choice),
    External,
    Command,
}

/// On what a server is started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start<'a> {
    /// Where its folders are made: the cache folder, or another that [`sweep`](super::sweep) looks into.
    pub root: &'a Path,
    /// The data that it gets a clone of; a fresh data folder when there is none.
    pub data: Option<&'a DataFolder>,
    /// Whether it is meant to outlive this process.
    pub kept: bool,
    /// Whether it is filled and then stopped, so that its settings need not be those of a measured server.
    pub only_filled: bool,
}

/// A data folder of a server that was stopped properly.
#[derive(Debug, Clone)]
pub(crate) struct DataFolder {
    /// The folder.
    pub path: PathBuf,
    /// What else a container takes that is to run on it.
    pub inside: Option<Inside>,
}

/// What a container must be given that shall run on data of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Inside {
    /// Where the data is inside it.
    pub folder: String,
    /// The superuser's password, which is part of the data.
    pub password: String,
}

impl Chosen {
    /// Chooses as the scenario wishes, or as `provider` says against it. An image that the engine lacks is pulled.
    pub async fn choose(wish: &ServerWish, provider: Option<ProviderWish>) -> Result<Self, ServerError> {
        let mut notes = Vec::new();
        let how = match provider.unwrap_or(wish.provider) {
            ProviderWish::External => How::External,
            ProviderWish::Command => How::Command,
            ProviderWish::Local => How::Local(local::choose(wish)?),
            ProviderWish::Container => How::Container(container::choose(wish).await?),
            ProviderWish::Auto => match container::choose(wish).await {
                Ok(choice) => {
                    notes.push(format!("provider: container, since Docker answers and has {}", choice.image));
                    How::Container(choice)
                }
                Err(container @ (ServerError::NoDocker(_) | ServerError::NoImage { .. })) => {
                    let because = container.to_string();
                    let because = because.lines().next().unwrap_or_default();
                    notes.push(format!("provider: local, since {because}"));
                    if let Some(image) = &wish.image {
                        notes.push(format!("[server] image {image} was not used"));
                    }
                    How::Local(local::choose(wish).map_err(|local| ServerError::Neither {
                        container: Box::new(container),
                        local: Box::new(local),
                    })?)
                }
                Err(other) => return Err(other),
            },
        };
        Ok(Self { wish: wish.clone(), how, notes })
    }

    /// What decides, beside the settings, what a data folder of this server looks like: the release and who runs it.
    ///
    /// # Errors
    /// Why its data folder cannot be kept, in words.
    pub(crate) fn identity(&self) -> Result<String, &'static str> {
        match &self.how {
            How::Local(choice) => Ok(choice.identity()),
            How::Container(choice) => choice.identity(),
            How::External | How::Command => Err("the server is somebody else's"),
        }
    }

    /// Starts it, and waits until it answers.
    pub(crate) async fn start(&self, start: Start<'_>) -> Result<Server, ServerError> {
        let wish = &self.wish;
        let mut notes = self.notes.clone();
        let (provider, login) = match &self.how {
            How::Local(choice) => {
                let server = LocalServer::start(wish, choice, start).await?;
                (Provider::Local(Box::new(server)), Login::superuser(wish.engine, None))
            }
            How::Container(choice) => {
                let server = ContainerServer::start(wish, choice, start).await?;
                let login = Login::superuser(wish.engine, Some(&server.password));
                (Provider::Container(Box::new(server)), login)
            }
            How::External => {
                let wished = wish.external.as_ref().ok_or(ServerError::NotSaid { table: "[server.external]" })?;
                let (url, source) = external::resolve(wished)?;
                let may = Permission { in_place: wished.in_place, shared: wished.shared };
                let (server, told) = ExternalServer::start(wish, (&url, &source), may, start.kept).await?;
                notes.extend(told);
                let login = server.login().clone();
                (Provider::External(Box::new(server)), login)
            }
            How::Command => {
                let (server, told) = CommandServer::start(wish, start.kept).await?;
                notes.extend(told);
                let login = server.server.login().clone();
                (Provider::Command(Box::new(server)), login)
            }
        };
        Ok(Server { provider, wish: wish.clone(), login, notes })
    }
}

impl Server {
    /// Starts a server as the scenario wishes, or as `provider` says against it, and waits until it answers. `kept` marks
    /// it as one that is meant to outlive this process.
    pub async fn start(wish: &ServerWish, provider: Option<ProviderWish>, kept: bool) -> Result<Self, ServerError> {
        let chosen = Chosen::choose(wish, provider).await?;
        chosen.start(Start { root: &cache_folder(), data: None, kept, only_filled: false }).await
    }
}
