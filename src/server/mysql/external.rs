//! A MySQL or MariaDB server that somebody else started: looked at before anything is done, and left as it was.

use std::collections::BTreeSet;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};

use super::binaries;
use crate::scenario::{Engine, ServerWish};
use crate::server::external::{ExternalError, Permission, Place, some_of};
use crate::server::{Access, DATABASE, ServerError};
use crate::sql::mysql::name::quote;

/// A database that stands beside ours as long as ours is there: neither server lets a database carry a remark.
const MARK: &str = "rehearsal_mark";
/// The lock that a rehearsal holds.
const LOCK: &str = "rehearsal";
/// Databases of the server's own.
const OWN: &str = "('information_schema', 'mysql', 'performance_schema', 'sys')";

/// A server that was found fit.
pub(in crate::server) struct Opened {
    pub(in crate::server) scratch: Scratch,
    /// The database to rehearse on.
    pub(in crate::server) database: String,
    pub(in crate::server) notes: Vec<String>,
}

/// What has to be undone in the end. Its session holds the lock that keeps other rehearsals out.
#[derive(Debug)]
pub(in crate::server) struct Scratch {
    session: Conn,
    /// Databases and accounts that were there.
    databases: BTreeSet<String>,
    accounts: BTreeSet<(String, String)>,
    /// Whether LOAD DATA LOCAL was allowed, or is not ours to allow.
    local_infile: bool,
    in_place: bool,
    shared: bool,
}

/// Looks at a server and makes a database on it, or takes the one that the URL names.
pub(in crate::server) async fn open(place: &Place, wish: &ServerWish, may: Permission) -> Result<Opened, ServerError> {
    let Access::Mysql(opts) = place.access(wish.engine, place.database.as_deref().unwrap_or_default()) else {
        unreachable!("it is of this family")
    };
    let named = place.database.clone().filter(|name| name != DATABASE || may.in_place);
    let opts = OptsBuilder::from_opts(opts).db_name(named.as_ref());
    let not_reached =
        |error: mysql_async::Error| ExternalError::NotReached { place: place.to_string(), why: error.to_string() };
    let mut session = Conn::new(opts).await.map_err(not_reached)?;
    check_kind(&mut session, place, wish).await?;
    if session.query_first::<Option<u8>, _>(format!("SELECT GET_LOCK('{LOCK}', 0)")).await?.flatten() != Some(1) {
        return Err(ExternalError::InUse { place: place.to_string() }.into());
    }
    if !may.shared {
        check_sessions(&mut session, place).await?;
    }
    let mut notes = Vec::new();
    let (scheduler, local_infile): (String, bool) =
        session.query_first("SELECT @@global.event_scheduler, @@global.local_infile").await?.unwrap_or_default();
    if scheduler == "ON" {
        notes
            .push("the event scheduler is on at this server: an event may run in the middle of a statement".to_owned());
    }
    if named.is_some() && !may.in_place {
        check_empty(&mut session, place).await?;
    }
    let mut scratch = Scratch {
        databases: BTreeSet::new(),
        accounts: accounts(&mut session).await?,
        local_infile,
        in_place: may.in_place,
        shared: may.shared,
        session,
    };
    let session = &mut scratch.session;
    if !may.in_place {
        make_database(session, place).await?;
    }
    // Rows are sent through it. It holds until the server is started again, or until we are through.
    if !local_infile && session.query_drop("SET GLOBAL local_infile = ON").await.is_err() {
        notes.push("the account may not set local_infile = ON: growing tables needs it".to_owned());
        scratch.local_infile = true;
    }
    let session = &mut scratch.session;
    scratch.databases = databases(session).await?;
    let database = named.filter(|_| may.in_place).unwrap_or_else(|| DATABASE.to_owned());
    Ok(Opened { scratch, database, notes })
}

impl Scratch {
    /// Drops our database, and what came with it where nobody else can have made it.
    pub(in crate::server) async fn undo(mut self) -> Result<(), ServerError> {
        let session = &mut self.session;
        if !self.local_infile {
            session.query_drop("SET GLOBAL local_infile = OFF").await?;
        }
        if !self.in_place {
            session.query_drop(format!("DROP DATABASE IF EXISTS {DATABASE}")).await?;
            session.query_drop(format!("DROP DATABASE IF EXISTS {MARK}")).await?;
        }
        if !self.shared && !self.in_place {
            for database in databases(session).await?.difference(&self.databases) {
                session.query_drop(format!("DROP DATABASE {}", quote(database))).await?;
            }
        }
        for (user, host) in accounts(session).await?.difference(&self.accounts) {
            if (!self.shared && !self.in_place) || user == crate::observe::mysql::ACCOUNT {
                let role = if host.is_empty() { "ROLE" } else { "USER" };
                let at = if host.is_empty() { String::new() } else { format!("@{}", quote(host)) };
                session.query_drop(format!("DROP {role} {}{at}", quote(user))).await?;
            }
        }
        Ok(self.session.disconnect().await?)
    }
}

async fn check_kind(session: &mut Conn, place: &Place, wish: &ServerWish) -> Result<(), ServerError> {
    let (version, watched): (String, bool) =
        session.query_first("SELECT VERSION(), @@performance_schema").await?.unwrap_or_default();
    let engine = if version.contains("MariaDB") { Engine::Mariadb } else { Engine::Mysql };
    let plain = binaries::plain(&version);
    let fits = |wished: &String| {
        plain.strip_prefix(wished.as_str()).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    if engine != wish.engine || !wish.version.as_ref().is_none_or(fits) {
        let wished = wish.version.as_ref().map_or(String::new(), |version| format!(" {version}"));
        let (found, wished) = (format!("{engine} {plain}"), format!("{}{wished}", wish.engine));
        return Err(ExternalError::Other { place: place.to_string(), found, wished }.into());
    }
    if !watched {
        let why = "it runs without performance_schema; start it with --performance-schema=ON".to_owned();
        return Err(ExternalError::NotObservable { place: place.to_string(), why }.into());
    }
    Ok(())
}

/// Nobody else may be connected to the database that the URL names, or to ours.
async fn check_sessions(session: &mut Conn, place: &Place) -> Result<(), ServerError> {
    let sql = format!(
        "SELECT CONCAT(USER, ' from ', HOST) FROM information_schema.PROCESSLIST \
         WHERE ID <> CONNECTION_ID() AND DB IN (DATABASE(), '{DATABASE}') ORDER BY ID"
    );
    let who: Vec<String> = session.query(sql).await?;
    if who.is_empty() {
        return Ok(());
    }
    Err(ExternalError::Shared { place: place.to_string(), who: some_of(&who) }.into())
}

/// The database that the URL names may have nothing in it.
async fn check_empty(session: &mut Conn, place: &Place) -> Result<(), ServerError> {
    let sql = "SELECT CONCAT('the table ', TABLE_NAME) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() \
               UNION ALL SELECT CONCAT('the routine ', ROUTINE_NAME) FROM information_schema.ROUTINES \
               WHERE ROUTINE_SCHEMA = DATABASE()";
    let what: Vec<String> = session.query(sql).await?;
    if what.is_empty() {
        return Ok(());
    }
    Err(ExternalError::NotEmpty { place: place.to_string(), what: some_of(&what) }.into())
}

/// Makes our database, like the one that the URL names, in place of one that a killed run left.
async fn make_database(session: &mut Conn, place: &Place) -> Result<(), ServerError> {
    let there = databases(session).await?;
    match (there.contains(DATABASE), there.contains(MARK)) {
        (true, false) => return Err(ExternalError::Taken { place: place.to_string() }.into()),
        (true, true) => session.query_drop(format!("DROP DATABASE {DATABASE}")).await?,
        (false, _) => {}
    }
    let refused = |error: mysql_async::Error| ExternalError::NotReached {
        place: place.to_string(),
        why: format!("it does not let us make a database of our own: {error}"),
    };
    session.query_drop(format!("CREATE DATABASE IF NOT EXISTS {MARK}")).await.map_err(refused)?;
    // The server's own where the URL names none.
    let (letters, collation): (String, String) =
        session.query_first("SELECT @@character_set_database, @@collation_database").await?.unwrap_or_default();
    let sql = format!("CREATE DATABASE {DATABASE} CHARACTER SET {letters} COLLATE {collation}");
    if let Err(error) = session.query_drop(sql).await {
        session.query_drop(format!("DROP DATABASE {MARK}")).await?;
        return Err(refused(error).into());
    }
    Ok(())
}

async fn databases(session: &mut Conn) -> Result<BTreeSet<String>, ServerError> {
    let sql = format!("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN {OWN}");
    let names: Vec<String> = session.query(sql).await?;
    Ok(names.into_iter().collect())
}

async fn accounts(session: &mut Conn) -> Result<BTreeSet<(String, String)>, ServerError> {
    let all: Vec<(String, String)> =
        session.query("SELECT CAST(User AS CHAR), CAST(Host AS CHAR) FROM mysql.user").await?;
    Ok(all.into_iter().collect())
}
