//! A PostgreSQL server that somebody else started: looked at before anything is done, and left as it was.

use std::collections::BTreeSet;
use std::path::Path;

use tokio::process::Command;
use tokio_postgres::{Client, Config};

use crate::scenario::{Engine, ServerWish};
use crate::server::external::{ExternalError, Permission, Place, some_of};
use crate::server::session::{Session, message};
use crate::server::{Access, DATABASE, Endpoint, HearRestore, ProgramOutput, ServerError, binaries, libpq};

/// The comment by which a database of ours is known.
const MARK: &str = "scratch database of rehearsal";
/// The database to connect to where the URL names none.
const BY_DEFAULT: &str = "postgres";
/// The number of the advisory lock that a rehearsal holds: "rehearse" in ASCII.
const LOCK: i64 = 0x7265_6865_6172_7365;

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
    session: Session,
    /// The roles that were there, where ours are to be dropped with our database; `None` where nothing is.
    roles: Option<BTreeSet<String>>,
    shared: bool,
}

/// Looks at a server and makes a database on it, or takes the one that the URL names.
pub(in crate::server) async fn open(place: &Place, wish: &ServerWish, may: Permission) -> Result<Opened, ServerError> {
    let named = place.database.as_deref().unwrap_or(BY_DEFAULT);
    // A leftover of ours is dropped from another one.
    let first = if named == DATABASE && !may.in_place { BY_DEFAULT } else { named };
    let session = Session::open(&config(place, first)).await.map_err(|error| not_reached(place, &error))?;
    let client = &session.client;
    check_version(client, place, wish).await?;
    if !client.query_one("SELECT pg_try_advisory_lock($1)", &[&LOCK]).await?.get::<_, bool>(0) {
        return Err(ExternalError::InUse { place: place.to_string() }.into());
    }
    if !may.shared {
        check_sessions(client, place).await?;
    }
    let notes = notes(client).await?;
    if may.in_place {
        let scratch = Scratch { session, roles: None, shared: may.shared };
        return Ok(Opened { scratch, database: named.to_owned(), notes });
    }
    if first == named {
        check_empty(client, place).await?;
    }
    make_database(client, place).await?;
    let roles = Some(roles(client).await?);
    Ok(Opened { scratch: Scratch { session, roles, shared: may.shared }, database: DATABASE.to_owned(), notes })
}

impl Scratch {
    /// Drops our database, and the roles that came with it where nobody else can have made them.
    pub(in crate::server) async fn undo(self) -> Result<(), ServerError> {
        let Some(before) = &self.roles else { return Ok(()) };
        let client = &self.session.client;
        client.batch_execute(&format!("DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")).await?;
        if !self.shared {
            for role in roles(client).await?.difference(before) {
                client.batch_execute(&format!("DROP ROLE {}", crate::snapshot::postgres::grow::quote(role))).await?;
            }
        }
        Ok(())
    }
}

fn config(place: &Place, database: &str) -> Config {
    let Access::Postgres(config) = place.access(Engine::Postgres, database) else {
        unreachable!("PostgreSQL was asked for")
    };
    *config
}

fn not_reached(place: &Place, error: &tokio_postgres::Error) -> ServerError {
    ExternalError::NotReached { place: place.to_string(), why: message(error) }.into()
}

async fn check_version(client: &Client, place: &Place, wish: &ServerWish) -> Result<(), ServerError> {
    let found: String = client.query_one("SHOW server_version", &[]).await?.get(0);
    let Some(wished) = &wish.version else { return Ok(()) };
    let is_it = found.strip_prefix(wished.as_str()).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()));
    if is_it {
        return Ok(());
    }
    let (place, found, wished) = (place.to_string(), format!("PostgreSQL {found}"), format!("PostgreSQL {wished}"));
    Err(ExternalError::Other { place, found, wished }.into())
}

/// Nobody else may be connected to the database that the URL names, or to ours.
async fn check_sessions(client: &Client, place: &Place) -> Result<(), ServerError> {
    let sql = "SELECT format('%s%s from %s', usename, CASE application_name WHEN '' THEN '' ELSE ' (' || application_name || ')' END,
                      coalesce(host(client_addr), 'a unix socket'))
               FROM pg_stat_activity WHERE datname IN (current_database(), $1) AND pid <> pg_backend_pid()
                    AND backend_type = 'client backend' ORDER BY backend_start";
    let rows = client.query(sql, &[&DATABASE]).await?;
    let who: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    if who.is_empty() {
        return Ok(());
    }
    Err(ExternalError::Shared { place: place.to_string(), who: some_of(&who) }.into())
}

/// The database that the URL names may have nothing in it but what extensions brought.
async fn check_empty(client: &Client, place: &Place) -> Result<(), ServerError> {
    let sql = "SELECT format('%s %I.%I', kind, nspname, name) FROM (
                   SELECT CASE relkind WHEN 'v' THEN 'the view' WHEN 'm' THEN 'the materialized view' WHEN 'S' THEN 'the sequence'
                               ELSE 'the table' END AS kind, relnamespace AS space, relname AS name, oid, 'pg_class'::regclass AS class
                   FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
                   UNION ALL SELECT 'the function', pronamespace, proname, oid, 'pg_proc'::regclass FROM pg_proc) AS objects
               JOIN pg_namespace n ON n.oid = space
               WHERE nspname <> 'information_schema' AND nspname !~ '^pg_' AND NOT EXISTS (
                   SELECT FROM pg_depend d WHERE d.classid = class AND d.objid = objects.oid AND d.deptype = 'e')
               ORDER BY kind DESC, 1";
    let rows = client.query(sql, &[]).await?;
    let what: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    if what.is_empty() {
        return Ok(());
    }
    Err(ExternalError::NotEmpty { place: place.to_string(), what: some_of(&what) }.into())
}

/// Makes our database, like the one that the URL names, in place of one that a killed run left.
async fn make_database(client: &Client, place: &Place) -> Result<(), ServerError> {
    let sql = "SELECT coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = $1";
    match client.query_opt(sql, &[&DATABASE]).await?.map(|row| row.get::<_, String>(0)) {
        None => {}
        Some(mark) if mark.starts_with(MARK) => {
            client.batch_execute(&format!("DROP DATABASE {DATABASE} WITH (FORCE)")).await?;
        }
        Some(_) => return Err(ExternalError::Taken { place: place.to_string() }.into()),
    }
    // Another template than the usual one only where it has to be: that one has the extensions of the installation.
    let sql = "SELECT format('ENCODING %L LC_COLLATE %L LC_CTYPE %L', pg_encoding_to_char(own.encoding), own.datcollate, own.datctype),
                      (own.encoding, own.datcollate, own.datctype) = (t.encoding, t.datcollate, t.datctype)
               FROM pg_database own, pg_database t WHERE own.datname = current_database() AND t.datname = 'template1'";
    let like = client.query_one(sql, &[]).await?;
    let like = if like.get::<_, bool>(1) {
        String::new()
    } else {
        format!(" TEMPLATE template0 {}", like.get::<_, String>(0))
    };
    let made = client.batch_execute(&format!("CREATE DATABASE {DATABASE}{like}")).await;
    made.map_err(|error| {
        let why = format!("it does not let us make a database of our own: {}", message(&error));
        ExternalError::NotReached { place: place.to_string(), why }
    })?;
    client.batch_execute(&format!("COMMENT ON DATABASE {DATABASE} IS '{MARK}'")).await?;
    Ok(())
}

async fn roles(client: &Client) -> Result<BTreeSet<String>, ServerError> {
    let rows = client.query("SELECT rolname FROM pg_roles", &[]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// What of its settings and of our rights makes figures less steady than on a server of our own.
async fn notes(client: &Client) -> Result<Vec<String>, ServerError> {
    let sql = "SELECT current_setting('autovacuum')::bool, current_setting('is_superuser')::bool";
    let row = client.query_one(sql, &[]).await?;
    let mut notes = Vec::new();
    if row.get(0) {
        notes.push("autovacuum is on at this server: it may start in the middle of a statement".to_owned());
    }
    if !row.get::<_, bool>(1) {
        notes.push("the account is no superuser: growing tables and some dumps need one".to_owned());
    }
    Ok(notes)
}

/// Runs this machine's newest `pg_restore`.
pub(in crate::server) async fn pg_restore(
    place: &Place,
    dump: &Path,
    arguments: &[String],
    listen: HearRestore<'_>,
) -> Result<ProgramOutput, ServerError> {
    let found = binaries::installations(Engine::Postgres);
    let path = found.first().map_or_else(|| "pg_restore".into(), |installation| installation.program("pg_restore"));
    let (host, port) = match &place.endpoint {
        Endpoint::Unix { folder, port } => (folder.display().to_string(), *port),
        Endpoint::Tcp { host, port } => (host.clone(), *port),
    };
    let mut program = Command::new(&path);
    libpq::forget(&mut program).args(["-h", &host, "-p", &port.to_string(), "-U", &place.login.user]);
    if let Some(password) = &place.login.password {
        program.env("PGPASSWORD", password);
    }
    program.arg("--no-password").args(arguments).arg(dump);
    super::restore::run(program, listen).await.map_err(|error| ServerError::Program {
        program: path.display().to_string(),
        reason: format!("{error}; a dump of this form needs PostgreSQL's own client programs on this machine"),
    })
}
