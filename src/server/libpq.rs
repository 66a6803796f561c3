//! The variables by which a caller's environment would lead libpq, PostgreSQL's client library, to another server.

/// Every variable that says where to connect, as whom, and how, or what a session begins with (PostgreSQL 18 manual,
/// 34.15 "Environment Variables"). `PGHOSTADDR`, for one, wins over a host that is named on the command line.
const VARIABLES: [&str; 36] = [
    "PGHOST",
    "PGHOSTADDR",
    "PGPORT",
    "PGDATABASE",
    "PGUSER",
    "PGPASSWORD",
    "PGPASSFILE",
    "PGCHANNELBINDING",
    "PGSERVICE",
    "PGSERVICEFILE",
    "PGOPTIONS",
    "PGSSLMODE",
    "PGREQUIRESSL",
    "PGSSLNEGOTIATION",
    "PGSSLCOMPRESSION",
    "PGSSLCERT",
    "PGSSLKEY",
    "PGSSLCERTMODE",
    "PGSSLROOTCERT",
    "PGSSLCRL",
    "PGSSLCRLDIR",
    "PGSSLSNI",
    "PGREQUIREPEER",
    "PGREQUIREAUTH",
    "PGSSLMINPROTOCOLVERSION",
    "PGSSLMAXPROTOCOLVERSION",
    "PGGSSENCMODE",
    "PGKRBSRVNAME",
    "PGGSSLIB",
    "PGGSSDELEGATION",
    "PGCONNECT_TIMEOUT",
    "PGTARGETSESSIONATTRS",
    "PGLOADBALANCEHOSTS",
    "PGMINPROTOCOLVERSION",
    "PGMAXPROTOCOLVERSION",
    "PGDATA",
];

/// Takes all of them out of a program's environment.
pub(crate) fn forget(program: &mut tokio::process::Command) -> &mut tokio::process::Command {
    VARIABLES.iter().fold(program, |program, name| program.env_remove(name))
}
