//! Where PostgreSQL's server binaries are, and which version they are.

/// The variable that says where they are.
pub(in crate::server) const VARIABLE: &str = "REHEARSAL_POSTGRES_BIN";

/// The folders that installers use, each with a `*` for the version.
pub(in crate::server) const PLACES: &[&str] = &[
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
];

/// The version in what `postgres --version` says: `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
pub(in crate::server) fn version(said: &str) -> Option<String> {
    said.split_once(") ")?.1.split_whitespace().next().map(str::to_owned)
}
