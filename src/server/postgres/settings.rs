//! The settings of the server: like production's while it is measured, fast while it is filled.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_postgres::Client;

use crate::server::ServerError;

/// What is set unless the scenario says otherwise, so that two rehearsals of one migration cost the same: nothing
/// starts by itself in the middle of a statement, and a server of which a backend crashed is gone for good and does not
/// come back with what is measured half done (PostgreSQL manual, 20.14 "Error Handling"). Durability stays as the server has it
/// by default: on.
const STEADY: [(&str, &str); 4] =
    [("autovacuum", "off"), ("checkpoint_timeout", "1h"), ("max_wal_size", "8GB"), ("restart_after_crash", "off")];

/// What filling may do without. All of them take effect on a reload (PostgreSQL manual, 19.5 "Write Ahead Log":
/// "can only be set in the postgresql.conf file or on the server command line").
const FILLING: [(&str, &str); 4] =
    [("fsync", "off"), ("full_page_writes", "off"), ("synchronous_commit", "off"), ("max_wal_size", "64GB")];

/// What a server is started with that is only filled: a table that is made or truncated in the transaction that fills it, and
/// an index that is made on filled tables, are written to their files alone and not to the log as well (PostgreSQL manual,
/// 20.5 "Write Ahead Log", `wal_level`, which wants no `max_wal_senders` then).
const ONLY_FILLED: [(&str, &str); 2] = [("wal_level", "minimal"), ("max_wal_senders", "0")];

/// What the server refuses to do beside that, should the scenario wish for it.
const OF_THE_LOG: [&str; 2] = ["archive_mode", "summarize_wal"];

/// Settings that bear on the figures and so are put on record.
pub(in crate::server) const RECORDED: [&str; 14] = [
    "autovacuum",
    "checkpoint_timeout",
    "fsync",
    "full_page_writes",
    "jit",
    "lc_collate",
    "maintenance_work_mem",
    "max_parallel_maintenance_workers",
    "max_wal_size",
    "server_encoding",
    "shared_buffers",
    "synchronous_commit",
    "wal_level",
    "work_mem",
];

/// `-c name=value` for the server's command line.
pub(in crate::server) fn arguments(settings: &BTreeMap<String, String>) -> Vec<String> {
    let mut all: BTreeMap<&str, &str> = BTreeMap::from(STEADY);
    all.extend(settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    // What filling changes by a reload must not stand on the command line, which would win over it.
    all.retain(|name, _| !FILLING.iter().any(|(fast, _)| fast == name));
    all.iter().flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")]).collect()
}

/// `-c name=value` for the command line of a server that is only filled, behind the [others](arguments).
pub(in crate::server) fn only_filled(settings: &BTreeMap<String, String>) -> Vec<String> {
    let off = OF_THE_LOG.iter().filter(|name| settings.contains_key(**name)).map(|name| (*name, "off"));
    ONLY_FILLED.into_iter().chain(off).flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")]).collect()
}

/// Makes filling fast: durability off, for the whole server, until [`end_filling`].
pub(in crate::server) async fn begin_filling(client: &Client) -> Result<(), ServerError> {
    change(client, &FILLING.map(|(name, value)| (name.to_owned(), Some(value.to_owned())))).await
}

/// Gives the measured server its own settings again, and checks that it has them. A checkpoint before that, which takes no
/// fsync yet, lets each page be logged as a whole when it is first changed: as on a clone, and mostly in production.
pub(in crate::server) async fn end_filling(
    client: &Client,
    settings: &BTreeMap<String, String>,
) -> Result<(), ServerError> {
    client.batch_execute("CHECKPOINT").await?;
    let measured = FILLING.map(|(name, _)| {
        let steady = STEADY.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
        (name.to_owned(), settings.get(name).cloned().or(steady))
    });
    change(client, &measured).await
}

/// Sets (or, for `None`, gives up) settings through `ALTER SYSTEM` and waits until the server has read them.
async fn change(client: &Client, settings: &[(String, Option<String>)]) -> Result<(), ServerError> {
    for (name, value) in settings {
        let statement = match value {
            Some(value) => format!("ALTER SYSTEM SET {name} = '{}'", value.replace('\'', "''")),
            None => format!("ALTER SYSTEM RESET {name}"),
        };
        client.batch_execute(&statement).await?;
    }
    let loaded = "SELECT pg_conf_load_time()::text";
    let before: String = client.query_one(loaded, &[]).await?.get(0);
    client.batch_execute("SELECT pg_reload_conf()").await?;
    // The postmaster hands the new file to its children one by one: this session is the one to wait for.
    for _ in 0..500 {
        let now: String = client.query_one(loaded, &[]).await?.get(0);
        if now != before {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(ServerError::SettingsNotTaken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scenario_wins_over_what_is_set_by_default() {
        let settings = BTreeMap::from([("autovacuum".to_owned(), "on".to_owned())]);
        assert!(arguments(&settings).contains(&"autovacuum=on".to_owned()));
        assert!(!arguments(&settings).contains(&"autovacuum=off".to_owned()));
    }

    #[test]
    fn a_server_that_is_only_filled_starts_whatever_the_scenario_wishes_of_its_log() {
        assert_eq!(only_filled(&BTreeMap::new()), ["-c", "wal_level=minimal", "-c", "max_wal_senders=0"]);
        let settings = BTreeMap::from([("archive_mode".to_owned(), "on".to_owned())]);
        assert_eq!(only_filled(&settings)[4..], ["-c", "archive_mode=off"]);
    }

    #[test]
    fn what_filling_changes_is_not_on_the_command_line() {
        let settings = BTreeMap::from([("fsync".to_owned(), "on".to_owned())]);
        assert!(!arguments(&settings).iter().any(|argument| argument.contains("fsync")));
    }
}
