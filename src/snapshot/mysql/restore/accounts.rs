//! Accounts that stored programs and views of a dump run as (`DEFINER`), and that the scratch server does not have.
//!
//! Without them a view cannot be read, and a table with such a trigger cannot be written to. What rights they had is not in
//! a dump, so they get all rights on the scratch database; nobody can log in with them.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};

use crate::sql::mysql::name::quote;

/// Makes an account (`user@host`; without a host it is a role of MariaDB), locked, with all rights on a database.
pub(super) async fn make(connection: &mut Conn, account: &str, database: &str) -> Result<(), Error> {
    let (kind, name, locked) = match account.rsplit_once('@').filter(|(_, host)| !host.is_empty()) {
        Some((user, host)) => ("USER", format!("{}@{}", quote(user), quote(host)), " ACCOUNT LOCK"),
        None => ("ROLE", quote(account.trim_end_matches('@')), ""),
    };
    connection.query_drop(format!("CREATE {kind} IF NOT EXISTS {name}{locked}")).await?;
    // A name in GRANT is a pattern: the underscore would stand for any letter.
    let pattern = quote(database).replace('_', "\\_").replace('%', "\\%");
    connection.query_drop(format!("GRANT ALL PRIVILEGES ON {pattern}.* TO {name}")).await
}

/// The accounts that something in a database runs as, and that are not there.
pub(super) async fn missing(connection: &mut Conn, database: &str) -> Result<Vec<String>, Error> {
    let definers = "SELECT CAST(DEFINER AS CHAR) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ?
        UNION SELECT CAST(DEFINER AS CHAR) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = ?
        UNION SELECT CAST(DEFINER AS CHAR) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ?
        UNION SELECT CAST(DEFINER AS CHAR) FROM information_schema.VIEWS WHERE TABLE_SCHEMA = ?";
    let mut definers: Vec<String> = connection.exec(definers, (database, database, database, database)).await?;
    // MariaDB has its roles there too, with an empty host, which it leaves out in a definer in some versions.
    let known: Vec<(String, String)> =
        connection.query("SELECT CAST(User AS CHAR), CAST(Host AS CHAR) FROM mysql.user").await?;
    definers.retain(|definer| {
        let (user, host) = definer.rsplit_once('@').unwrap_or((definer, ""));
        // Hosts are compared without regard to case, users with it.
        !known.iter().any(|known| known.0 == user && known.1.eq_ignore_ascii_case(host))
    });
    definers.sort();
    Ok(definers)
}
