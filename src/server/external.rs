//! A scratch server that somebody else started: a CI service, a managed scratch instance, a clone.
//!
//! The scenario has declared it scratch. Even so nothing is done to it before it was looked at: nobody else may be
//! connected, and the database that the URL names must be empty, unless the scenario says otherwise. The rehearsal then has a
//! database of its own there (`rehearsal`), which is dropped in the end with the accounts that a dump brought along; what
//! the URL names is left as it was. With `in_place` that database is the snapshot, and is left as the migrations left it.
//!
//! Limits: the server keeps its settings, so it is filled as slowly as they say; TLS is spoken to PostgreSQL alone.

mod error;
mod tls;
mod url;

use mysql_async::Conn;

use super::{Access, Endpoint, Login, ServerError, mysql, postgres};
use crate::scenario::{Engine, ExternalWish, ServerWish, UrlWish};
pub use error::ExternalError;
use tls::{Trust, Tunnel};
pub(super) use url::Place;

/// What may be found at a server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Permission {
    /// The database that the URL names has the data.
    pub(super) in_place: bool,
    /// Others may be connected.
    pub(super) shared: bool,
}

/// A server that runs elsewhere, and the session that guards our database on it.
#[derive(Debug)]
pub(super) struct ExternalServer {
    place: Place,
    /// The database that is rehearsed on.
    pub database: String,
    engine: Engine,
    scratch: Scratch,
    kept: bool,
    /// What leads to it with TLS; lives as long as the server is used.
    _tunnel: Option<Tunnel>,
}

/// What has to be undone in the end, by engine.
#[derive(Debug)]
enum Scratch {
    Postgres(Box<postgres::external::Scratch>),
    Mysql(Box<mysql::external::Scratch>),
}

/// A database elsewhere that is only read, and what leads to it. Usable as long as this lives.
#[derive(Debug)]
pub struct Reached {
    /// How to connect to it.
    pub access: Access,
    _tunnel: Option<Tunnel>,
}

/// Finds the database of a URL. Another machine is spoken to with TLS, unless the URL says `sslmode=disable`. The error says
/// what is wrong, and quotes nothing of the URL.
pub async fn reach(engine: Engine, url: &str) -> Result<Reached, String> {
    let mut place = Place::parse(engine, url)?;
    let database = place.database.clone().ok_or("it names no database")?;
    let without = ["sslmode=disable", "ssl-mode=disabled"];
    let declined = url.split(['?', '&']).any(|parameter| without.contains(&parameter.to_ascii_lowercase().as_str()));
    let unasked = place.tls.is_none() && !declined && place.is_elsewhere();
    if unasked {
        place.tls = Some(Trust::Anybody);
    }
    let not_reached = |place: &Place, why: String| {
        let advice =
            "; where the way to it is trusted, sslmode=disable (ssl-mode=DISABLED) in the URL goes without TLS";
        format!("{place} cannot be reached: {why}{}", if unasked { advice } else { "" })
    };
    if engine == Engine::Postgres {
        let tunnel = tunnel(&mut place).await.map_err(|why| not_reached(&place, why))?;
        return Ok(Reached { access: place.access(engine, &database), _tunnel: tunnel });
    }
    let mut access = place.access(engine, &database);
    if let (Access::Mysql(opts), Some(trust)) = (&mut access, &place.tls) {
        let builder = mysql_async::OptsBuilder::from_opts(opts.clone());
        *opts = builder.ssl_opts(tls::of_mysql(trust)).into();
        access.ask().await.map_err(|why| not_reached(&place, why))?;
    }
    Ok(Reached { access, _tunnel: None })
}

/// The URL that a scenario means, with its password.
pub(super) fn resolve(wish: &ExternalWish) -> Result<(String, String), ExternalError> {
    match &wish.url {
        UrlWish::Written(url) => Ok((url.clone(), "[server.external] url".to_owned())),
        UrlWish::Variable(name) => match std::env::var(name) {
            Ok(url) if !url.trim().is_empty() => Ok((url.trim().to_owned(), name.clone())),
            _ => Err(ExternalError::NoVariable { name: name.clone() }),
        },
    }
}

impl ExternalServer {
    /// Looks at the server of `url` and, if it may be rehearsed on, makes ready there. `source` is where the URL was found,
    /// for messages. Gives what a reader of the report should know as well.
    pub(super) async fn start(
        wish: &ServerWish,
        (url, source): (&str, &str),
        may: Permission,
        kept: bool,
    ) -> Result<(Self, Vec<String>), ServerError> {
        let engine = wish.engine;
        let mut place = Place::parse(engine, url).map_err(|why| ExternalError::Url { of: source.to_owned(), why })?;
        if engine != Engine::Postgres && place.tls.is_some() {
            let why = "it demands TLS, which the tap does not speak to MySQL and MariaDB; take that out, or go through a tunnel";
            return Err(ExternalError::Url { of: source.to_owned(), why: why.to_owned() }.into());
        }
        if may.in_place && place.database.is_none() {
            return Err(ExternalError::NoDatabase { place: place.to_string() }.into());
        }
        let tunnel = tunnel(&mut place).await;
        let tunnel = tunnel.map_err(|why| ExternalError::NotReached { place: place.to_string(), why })?;
        let (scratch, database, notes) = match engine {
            Engine::Postgres => {
                let opened = postgres::external::open(&place, wish, may).await?;
                (Scratch::Postgres(Box::new(opened.scratch)), opened.database, opened.notes)
            }
            Engine::Mysql | Engine::Mariadb => {
                let opened = mysql::external::open(&place, wish, may).await?;
                (Scratch::Mysql(Box::new(opened.scratch)), opened.database, opened.notes)
            }
        };
        Ok((Self { place, database, engine, scratch, kept, _tunnel: tunnel }, notes))
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        self.place.endpoint.clone()
    }

    pub(super) fn login(&self) -> &Login {
        &self.place.login
    }

    /// Where it is, for people: without a password.
    pub(super) fn origin(&self) -> String {
        self.place.to_string()
    }

    /// Writes what it was filled with to the disk. PostgreSQL has had its checkpoint.
    pub(super) async fn settle(&self) -> Result<(), ServerError> {
        let Access::Mysql(opts) = Access::new(self.engine, &self.place.endpoint, self.login(), &self.database) else {
            return Ok(());
        };
        mysql::filling::flush(&mut Conn::new(opts).await?).await
    }

    /// Runs this machine's `pg_restore` over a dump.
    pub(super) async fn pg_restore(
        &self,
        dump: &std::path::Path,
        arguments: &[String],
        listen: super::HearRestore<'_>,
    ) -> Result<super::ProgramOutput, ServerError> {
        postgres::external::pg_restore(&self.place, dump, arguments, listen).await
    }

    /// Drops what was made there, unless it is to be kept.
    pub(super) async fn stop(self) -> Result<(), ServerError> {
        if self.kept {
            return Ok(());
        }
        match self.scratch {
            Scratch::Postgres(scratch) => scratch.undo().await,
            Scratch::Mysql(scratch) => scratch.undo().await,
        }
    }
}

/// Leads to the server with TLS where the URL demands it. The error says why it cannot be had.
async fn tunnel(place: &mut Place) -> Result<Option<Tunnel>, String> {
    let (Some(trust), Endpoint::Tcp { host, port }) = (&place.tls, &place.endpoint) else { return Ok(None) };
    let tunnel = Tunnel::open(host.clone(), *port, trust).await?;
    let address = tunnel.address();
    place.endpoint = Endpoint::Tcp { host: address.ip().to_string(), port: address.port() };
    Ok(Some(tunnel))
}

/// The first three of many, for a message.
pub(super) fn some_of(list: &[String]) -> String {
    let shown = list.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    match list.len().saturating_sub(3) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
