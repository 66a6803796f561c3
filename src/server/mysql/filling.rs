//! MySQL and MariaDB fast while they are filled, and like production's again while they are measured.

use std::time::Duration;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::settings;
use crate::scenario::{Engine, ServerWish};
use crate::server::ServerError;

/// What filling may do without, by a value that is set while the server runs.
const FAST: [(&str, &str); 2] = [("innodb_flush_log_at_trx_commit", "0"), ("sync_binlog", "0")];

/// What a server is started with that is only filled. No binary log, no page written twice, no instruments.
const ONLY_FILLED: [&str; 3] = ["--skip-log-bin", "--innodb-doublewrite=OFF", "--performance-schema=OFF"];

/// The buffer pool of a server that is only filled, in MB, on a machine with at least [`SHARE`] times as much memory.
const POOL: u64 = 1024;
/// The share of the machine's memory that it takes at most.
const SHARE: u64 = 8;

/// What writes changed pages to the disk as fast as it can.
const FLUSHING: [(&str, &str); 4] = [
    // The highest first: the other may not be above it.
    ("innodb_io_capacity_max", "100000"),
    ("innodb_io_capacity", "50000"),
    ("innodb_max_dirty_pages_pct_lwm", "0"),
    ("innodb_max_dirty_pages_pct", "0"),
];

/// How many pages may still be dirty: the server itself keeps on changing a few.
const FEW: u64 = 32;
/// How long the server may take to write the pages of its buffer pool.
const FLUSH_LIMIT: Duration = Duration::from_secs(120);
/// The smallest redo log that MySQL allows, in bytes.
const SMALL_LOG: &str = "8388608";
/// How long it may take to become that small.
const SHRINK_LIMIT: Duration = Duration::from_secs(10);

/// Options for the command line of a server that is only filled, behind the others.
pub(in crate::server) fn only_filled(wish: &ServerWish) -> Vec<String> {
    let mut all: Vec<String> = ONLY_FILLED.iter().map(|&option| option.to_owned()).collect();
    // Rows come in the order of the primary key, but entries of secondary indexes all over those.
    if settings::value(wish, "innodb_buffer_pool_size").is_none()
        && let Some(pool) = pool()
    {
        all.push(format!("--innodb-buffer-pool-size={pool}M"));
    }
    all
}

/// The buffer pool that a server can be filled with here, in MB; `None` where that is not more than its default of 128.
fn pool() -> Option<u64> {
    #[cfg(target_os = "linux")]
    let memory = nix::sys::sysinfo::sysinfo().ok()?.ram_total() >> 20;
    #[cfg(not(target_os = "linux"))]
    let memory = 0;
    let pool = (memory / SHARE).min(POOL);
    (pool > 128).then_some(pool)
}

/// Makes filling fast: no commit waits for the disk, for the whole server, until [`end`]. Sessions that fill also keep
/// out of the binary log (`sql_log_bin`), which is their own business.
pub(in crate::server) async fn begin(connection: &mut Conn) -> Result<(), ServerError> {
    for (name, value) in FAST {
        set(connection, name, value).await?;
    }
    // A page torn by a crash is nobody's loss here. Only MySQL has a value that can be set while it runs (8.0.30 and later).
    if is_on(connection, "innodb_doublewrite").await? {
        let _ = set(connection, "innodb_doublewrite", "'DETECT_ONLY'").await;
    }
    Ok(())
}

/// Gives the measured server its own settings again, checks that it has them, and waits until the pages that were changed
/// while it was filled are on the disk: they would be in the way of what is measured.
pub(in crate::server) async fn end(connection: &mut Conn, wish: &ServerWish) -> Result<(), ServerError> {
    flush(connection).await?;
    let mut measured: Vec<(&str, String)> =
        FAST.iter().map(|(name, _)| (*name, settings::value(wish, name).unwrap_or_default())).collect();
    if wish.engine == Engine::Mysql && get(connection, "innodb_doublewrite").await? == "DETECT_ONLY" {
        measured.push(("innodb_doublewrite", "ON".to_owned()));
    }
    for (name, value) in &measured {
        set(connection, name, value).await?;
        if !get(connection, name).await?.eq_ignore_ascii_case(value) {
            return Err(ServerError::SettingNotTaken { name: (*name).to_owned(), value: value.clone() });
        }
    }
    Ok(())
}

/// Makes the data folder of a server small that is about to be stopped, and its next start quiet: the redo log, of which
/// nothing is needed after a proper stop, as small as it may be (the next start makes it as large as it is to be), and no
/// list of pages that would be read while others are measured.
pub(in crate::server) async fn shrink(connection: &mut Conn, engine: Engine) -> Result<(), ServerError> {
    set(connection, "innodb_buffer_pool_dump_at_shutdown", "OFF").await?;
    if engine == Engine::Mariadb {
        // Since 10.9 (MariaDB documentation, "innodb_log_file_size"), and not below the buffer; the statement ends when it
        // is done.
        let size = format!("GREATEST({SMALL_LOG}, @@GLOBAL.innodb_log_buffer_size)");
        if let Err(error) = set(connection, "innodb_log_file_size", &size).await {
            tracing::debug!(%error, "the redo log stays as large as it is");
        }
        return Ok(());
    }
    // Since 8.0.30 (MySQL 9.7 manual, 17.6.5 "Redo Log").
    if let Err(error) = set(connection, "innodb_redo_log_capacity", SMALL_LOG).await {
        tracing::debug!(%error, "the redo log stays as large as it is");
        return Ok(());
    }
    let began = tokio::time::Instant::now();
    while began.elapsed() < SHRINK_LIMIT {
        let status: Option<(String, String)> =
            connection.query_first("SHOW GLOBAL STATUS LIKE 'Innodb_redo_log_resize_status'").await?;
        if status.is_none_or(|(_, status)| status == "OK") {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // It costs room, and nothing else.
    tracing::debug!("the redo log did not shrink in time");
    Ok(())
}

pub(in crate::server) async fn flush(connection: &mut Conn) -> Result<(), ServerError> {
    let mut before = Vec::new();
    for (name, value) in FLUSHING {
        before.push((name, get(connection, name).await?));
        set(connection, name, value).await?;
    }
    let began = tokio::time::Instant::now();
    while dirty_pages(connection).await? > FEW {
        if began.elapsed() > FLUSH_LIMIT {
            return Err(ServerError::NotFlushed { seconds: FLUSH_LIMIT.as_secs() });
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Backwards, by the same rule as forwards.
    for (name, value) in before.iter().rev() {
        set(connection, name, value).await?;
    }
    Ok(())
}

async fn dirty_pages(connection: &mut Conn) -> Result<u64, ServerError> {
    let row: Option<(String, u64)> =
        connection.query_first("SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'").await?;
    Ok(row.map_or(0, |(_, pages)| pages))
}

async fn get(connection: &mut Conn, name: &str) -> Result<String, ServerError> {
    let value: Option<String> = connection.query_first(format!("SELECT CONCAT(@@GLOBAL.{name})")).await?;
    Ok(value.unwrap_or_default())
}

async fn is_on(connection: &mut Conn, name: &str) -> Result<bool, ServerError> {
    let value = get(connection, name).await?;
    Ok(value == "1" || value.eq_ignore_ascii_case("on"))
}

async fn set(connection: &mut Conn, name: &str, value: &str) -> Result<(), ServerError> {
    Ok(connection.query_drop(format!("SET GLOBAL {name} = {value}")).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::ProviderWish;
    use crate::server::{Access, DATABASE, Server};

    async fn is_as_it_was_after_filling(engine: Engine, provider: ProviderWish) {
        let wish = ServerWish { engine, ..ServerWish::default() };
        let server = Server::start(&wish, Some(provider), false).await.expect("a server starts");
        let Access::Mysql(opts) = server.access(DATABASE) else { unreachable!("it is of this family") };
        let mut connection = Conn::new(opts).await.expect("it takes connections");
        let figures = async |connection: &mut Conn| -> Vec<(String, String)> {
            let changed =
                FAST.iter().chain(&FLUSHING).map(|(name, _)| format!("'{name}'")).collect::<Vec<_>>().join(", ");
            let query = format!("SHOW GLOBAL VARIABLES WHERE Variable_name IN ({changed}, 'innodb_doublewrite')");
            connection.query(query).await.expect("settings")
        };
        let before = figures(&mut connection).await;
        server.begin_filling().await.expect("it can be filled");
        assert_ne!(figures(&mut connection).await, before, "{engine}");
        let fill = "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, filler CHAR(200)); INSERT INTO t (filler) \
                    SELECT 'x' FROM information_schema.COLLATIONS a, information_schema.COLLATIONS b LIMIT 50000";
        for statement in fill.split("; ") {
            connection.query_drop(statement).await.expect("it is filled");
        }
        server.end_filling().await.expect("it is measured again");
        assert_eq!(figures(&mut connection).await, before, "{engine}");
        // The tables of the server itself are touched now and then, which is not what was filled: 50,000 rows have 700 pages.
        let dirty = dirty_pages(&mut connection).await.expect("a figure");
        assert!(dirty < 100, "{engine}: {dirty} pages are dirty");
        server.stop().await.expect("it stops");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_local_mariadb_has_its_settings_again_and_its_pages_on_the_disk() {
        is_as_it_was_after_filling(Engine::Mariadb, ProviderWish::Local).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_mysql_has_its_settings_again_and_its_pages_on_the_disk() {
        is_as_it_was_after_filling(Engine::Mysql, ProviderWish::Container).await;
    }
}
