//! The settings of a MySQL or MariaDB server that is measured: like production's, and with its instruments on.

use std::collections::BTreeMap;

use crate::scenario::{Engine, ServerWish};

/// What is set unless the scenario says otherwise.
///
/// Durable, and with a binary log, as production has it. Nothing starts by itself in the middle of a statement: no event,
/// and no flush because a small redo log is full. `performance_schema` can be had only at start-up, and is off in MariaDB
/// by default.
const STEADY: [(&str, &str); 8] = [
    ("event_scheduler", "OFF"),
    ("innodb_flush_log_at_trx_commit", "1"),
    ("local_infile", "ON"),
    ("log_bin", BINARY_LOG),
    ("performance_schema", "ON"),
    ("server_id", "1"),
    ("skip_name_resolve", "ON"),
    ("sync_binlog", "1"),
];

/// The name of the binary log's files.
const BINARY_LOG: &str = "binlog";

/// The redo log, which each of the two has under another name. Grown when it is needed, not at once.
const REDO_LOG: &str = "1073741824";

/// The stages of an ALTER and the waits for metadata locks, on from the start, so that no statement escapes them. With `%`
/// for each space: MariaDB's image hands its options to a shell script that takes them apart there (seen with 10.11).
const INSTRUMENTS: [&str; 9] = [
    "stage/innodb/alter%table%",
    "stage/sql/After%create",
    "stage/sql/altering%table",
    "stage/sql/committing%alter%table%to%storage%engine",
    "stage/sql/copy%to%tmp%table",
    "stage/sql/preparing%for%alter%table",
    "stage/sql/rename%result%table",
    "stage/sql/Waiting%for%table%metadata%lock",
    "wait/lock/metadata/sql/mdl",
];

/// Settings that bear on the figures and so are put on record, by whichever engine has them.
pub(in crate::server) const RECORDED: [&str; 22] = [
    "binlog_format",
    "binlog_row_image",
    "character_set_server",
    "collation_server",
    "event_scheduler",
    "innodb_buffer_pool_size",
    "innodb_ddl_buffer_size",
    "innodb_ddl_threads",
    "innodb_doublewrite",
    "innodb_flush_log_at_trx_commit",
    "innodb_flush_method",
    "innodb_log_file_size",
    "innodb_native_foreign_keys",
    "innodb_page_size",
    "innodb_redo_log_capacity",
    "lock_wait_timeout",
    "log_bin",
    "lower_case_table_names",
    "performance_schema",
    "sort_buffer_size",
    "sql_mode",
    "sync_binlog",
];

/// Settings that a data folder is made with: a server that is given others later refuses to start, or has them without
/// effect on the databases that are there.
const INITIAL: [&str; 6] = [
    "character_set_server",
    "collation_server",
    "innodb_data_file_path",
    "innodb_page_size",
    "innodb_undo_tablespaces",
    "lower_case_table_names",
];

/// `--name=value` for the server's command line.
pub(in crate::server) fn arguments(wish: &ServerWish) -> Vec<String> {
    let mut all = in_force(wish);
    // What the scenario says of the instruments comes last, and the last word counts.
    let instruments = INSTRUMENTS.iter().map(|name| format!("--performance-schema-instrument={name}=ON")).collect();
    let log = all.remove("log_bin").unwrap_or_default();
    let log = match log.to_ascii_lowercase().as_str() {
        "off" | "0" | "false" => "--skip-log-bin".to_owned(),
        "on" | "1" | "true" => format!("--log-bin={BINARY_LOG}"),
        _ => format!("--log-bin={log}"),
    };
    let options = all.into_iter().map(|(name, value)| format!("--{name}={value}"));
    [instruments, vec![log], options.collect()].concat()
}

/// Those that a data folder is made with, for whoever makes it.
pub(super) fn initial(wish: &ServerWish) -> BTreeMap<String, String> {
    let mut all = in_force(wish);
    all.retain(|name, _| INITIAL.contains(&name.as_str()));
    all
}

/// The value that a setting has on the measured server, if it is we who set it.
pub(super) fn value(wish: &ServerWish, name: &str) -> Option<String> {
    in_force(wish).remove(name)
}

/// All that are set, by their names with `_`: the server knows each with `-` too.
fn in_force(wish: &ServerWish) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> =
        STEADY.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    if wish.engine == Engine::Mariadb {
        all.insert("innodb_log_file_size".to_owned(), REDO_LOG.to_owned());
        // As its packages and images have it; 10.11 itself would take latin1.
        all.insert("character_set_server".to_owned(), "utf8mb4".to_owned());
    } else {
        all.insert("innodb_redo_log_capacity".to_owned(), REDO_LOG.to_owned());
    }
    all.extend(wish.settings.iter().map(|(name, value)| (name.replace('-', "_"), value.clone())));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(engine: Engine, name: &str, value: &str) -> Vec<String> {
        let settings = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        arguments(&ServerWish { engine, settings, ..ServerWish::default() })
    }

    #[test]
    fn the_scenario_wins_over_what_is_set_by_default() {
        for name in ["sync_binlog", "sync-binlog"] {
            let arguments = with(Engine::Mysql, name, "0");
            assert!(arguments.contains(&"--sync_binlog=0".to_owned()), "{arguments:?}");
            assert!(!arguments.contains(&"--sync_binlog=1".to_owned()), "{arguments:?}");
        }
    }

    #[test]
    fn a_binary_log_that_is_switched_off_is_not_one_of_that_name() {
        assert!(with(Engine::Mysql, "log_bin", "OFF").contains(&"--skip-log-bin".to_owned()));
        assert!(with(Engine::Mysql, "log_bin", "mysql-bin").contains(&"--log-bin=mysql-bin".to_owned()));
        assert!(with(Engine::Mariadb, "sql_mode", "").contains(&"--log-bin=binlog".to_owned()));
    }

    #[test]
    fn a_data_folder_is_made_with_what_cannot_be_changed_later() {
        let settings = BTreeMap::from([
            ("lower-case-table-names".to_owned(), "1".to_owned()),
            ("sql_mode".to_owned(), "ANSI".to_owned()),
        ]);
        let made_with = initial(&ServerWish { engine: Engine::Mysql, settings, ..ServerWish::default() });
        assert_eq!(made_with, BTreeMap::from([("lower_case_table_names".to_owned(), "1".to_owned())]));
    }
}
