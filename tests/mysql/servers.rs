//! Servers of each place start as they are to be measured, start quickly again, and leave nothing behind.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use mysql_async::prelude::Queryable;
use rehearsal::scenario::Engine;
use rehearsal::server::{Endpoint, Server};

use crate::lab::{Place, container, on_each, run, start, with_own_server, with_server};

#[test]
fn a_server_of_each_place_answers_and_says_what_it_is() {
    on_each(async |lab| {
        let place = lab.place;
        assert!(lab.server.answers().await, "{place:?}");
        let facts = lab.server.facts().await.expect("facts");
        assert_eq!(facts.engine, place.engine());
        if let Place::Mysql(version) | Place::Mariadb(version) = place {
            assert!(facts.version.starts_with(&format!("{version}.")), "{}", facts.version);
        }
        assert!(facts.version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'), "{}", facts.version);
        let own = if place.engine() == Engine::Mysql { "innodb_redo_log_capacity" } else { "innodb_log_file_size" };
        assert_eq!(facts.settings.get(own).map(String::as_str), Some("1073741824"), "{place:?}");
    });
}

#[test]
fn a_server_of_each_place_is_durable_has_a_binary_log_and_its_instruments_on() {
    on_each(async |lab| {
        let place = lab.place;
        let facts = lab.server.facts().await.expect("facts");
        let expected = [
            ("innodb_flush_log_at_trx_commit", "1"),
            ("sync_binlog", "1"),
            ("log_bin", "ON"),
            ("performance_schema", "ON"),
            ("event_scheduler", "OFF"),
            ("character_set_server", "utf8mb4"),
        ];
        for (name, value) in expected {
            assert_eq!(facts.settings.get(name).map(String::as_str), Some(value), "{name} of {place:?}");
        }
        let shop = lab.database().await;
        let off: Vec<String> = shop
            .rows(
                "SELECT NAME FROM performance_schema.setup_instruments WHERE ENABLED = 'NO' AND \
                 (NAME LIKE 'stage/innodb/alter table%' OR NAME IN ('stage/sql/altering table', \
                  'stage/sql/copy to tmp table', 'stage/sql/committing alter table to storage engine', \
                  'wait/lock/metadata/sql/mdl'))",
            )
            .await;
        assert_eq!(off, Vec::<String>::new(), "{place:?}");
        let on: u64 =
            shop.count("performance_schema.setup_instruments WHERE NAME LIKE 'stage/sql/%' AND ENABLED = 'YES'").await;
        assert!((5..20).contains(&on), "{on} stages are on in {place:?}: those of an ALTER and no others");
    });
}

#[test]
fn our_database_is_there_in_the_servers_own_character_set() {
    on_each(async |lab| {
        let place = lab.place;
        let shop = lab.open(rehearsal::server::DATABASE).await;
        let (database, server): (String, String) = shop.get("SELECT @@collation_database, @@collation_server").await;
        assert_eq!(database, server, "{place:?}");
        assert!(database.starts_with("utf8mb4_"), "{place:?}: {database}");
    });
}

#[test]
fn what_the_scenario_sets_is_what_the_server_has() {
    let settings = [
        ("innodb-buffer-pool-size", "67108864"),
        ("sync_binlog", "0"),
        ("lower_case_table_names", "1"),
        ("collation_server", "utf8mb4_bin"),
        ("log_bin", "off"),
    ];
    for place in [Place::Local, Place::Mysql("9.7")] {
        with_own_server(place, &settings, async |lab| {
            let facts = lab.server.facts().await.expect("facts");
            let expected = [
                ("innodb_buffer_pool_size", "67108864"),
                ("sync_binlog", "0"),
                ("lower_case_table_names", "1"),
                ("log_bin", "OFF"),
            ];
            for (name, value) in expected {
                assert_eq!(facts.settings.get(name).map(String::as_str), Some(value), "{name} of {place:?}");
            }
            let ours = lab.open(rehearsal::server::DATABASE).await;
            assert_eq!(ours.get::<String>("SELECT @@collation_database").await, "utf8mb4_bin", "{place:?}");
        });
    }
}

#[test]
fn a_setting_that_the_server_does_not_know_is_told_in_its_own_words() {
    run(async {
        for place in [Place::Local, Place::Mysql("9.7")] {
            let wish = place.wish(&[("innodb_bufer_pool_size", "1G")]);
            let error = Server::start(&wish, Some(place.provider()), false).await.expect_err("no such setting");
            let text = error.to_string();
            assert!(text.starts_with(&format!("the {} server did not start: ", place.engine())), "{text}");
            assert!(text.contains("innodb_bufer_pool_size"), "{text}");
        }
    });
}

#[test]
fn a_version_that_is_not_installed_is_told_with_those_that_are() {
    run(async {
        let mut wish = Place::Local.wish(&[]);
        wish.version = Some("5.5".to_owned());
        let error = Server::start(&wish, Some(Place::Local.provider()), false).await.expect_err("nobody has 5.5");
        let text = error.to_string();
        assert!(text.starts_with("MariaDB 5.5 is not installed on this machine (found 1"), "{text}");
    });
}

#[test]
fn the_second_start_of_a_version_takes_the_kept_data_folder() {
    run(async {
        let first = start(Place::Local, &[]).await;
        let fresh = rehearsal::server::local::kept_in().join("fresh");
        let kept = || -> BTreeMap<PathBuf, std::time::SystemTime> {
            let entries = std::fs::read_dir(&fresh).expect("kept data folders").map(|entry| entry.expect("an entry"));
            let made =
                |path: PathBuf| (path.clone(), path.metadata().and_then(|data| data.modified()).expect("a time"));
            let of_ours = entries.map(|entry| entry.path()).filter(|path| path.to_string_lossy().contains("mariadb-"));
            of_ours.map(made).collect()
        };
        let before = kept();
        assert!(!before.is_empty());
        let second = start(Place::Local, &[]).await;
        assert_eq!(kept(), before);
        let (one, other) = (first.endpoint(), second.endpoint());
        assert_ne!(one, other);
        first.stop().await.expect("it stops");
        assert!(second.answers().await, "one server's end is not the other's");
        second.stop().await.expect("it stops");
    });
}

#[test]
fn a_local_server_that_is_stopped_leaves_no_process_and_no_folder() {
    run(async {
        for is_dropped in [false, true] {
            let server = start(Place::Local, &[]).await;
            let Endpoint::Unix { folder, .. } = server.endpoint() else { panic!("a local server has a unix socket") };
            assert!(folder.join("mysqld.pid").exists());
            assert!(!processes_of(&folder).is_empty());
            if is_dropped {
                drop(server);
            } else {
                server.stop().await.expect("it stops");
            }
            assert_eq!(processes_of(&folder), Vec::<String>::new());
            assert!(!folder.exists());
        }
    });
}

#[test]
fn a_container_that_is_stopped_is_gone() {
    run(async {
        let server = start(Place::Mysql("9.7"), &[]).await;
        let Endpoint::Tcp { port, .. } = server.endpoint() else { panic!("a container has a port") };
        let id = container(port);
        server.stop().await.expect("it stops");
        let all = Command::new("docker").args(["ps", "-aq"]).output().expect("docker starts").stdout;
        assert!(!String::from_utf8_lossy(&all).contains(&id), "{id}");
    });
}

#[test]
fn a_local_server_reads_no_option_file_of_the_machine() {
    with_own_server(Place::Local, &[], async |lab| {
        let Endpoint::Unix { folder, .. } = lab.server.endpoint() else { panic!("a local server has a unix socket") };
        let commands = processes_of(&folder);
        assert!(commands.iter().all(|command| command.split(' ').nth(1) == Some("--no-defaults")), "{commands:?}");
        let ours = lab.open("mysql").await;
        let (port, plugins): (u16, String) = ours.get("SELECT @@skip_networking, @@pid_file").await;
        assert_eq!(port, 1);
        assert!(plugins.starts_with(&*folder.to_string_lossy()), "{plugins}");
    });
}

#[test]
fn the_command_line_that_a_person_is_told_reaches_the_server() {
    with_server(Place::Local, async |lab| {
        let told = format!("{} -N -e 'SELECT DATABASE()'", lab.server.reach());
        let output = Command::new("sh").args(["-c", &told]).output().expect("a shell");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "rehearsal\n", "{told}: {output:?}");
    });
}

#[test]
fn a_database_of_a_test_is_its_own() {
    with_server(Place::Local, async |lab| {
        let (one, other) = (lab.database().await, lab.database().await);
        one.run("CREATE TABLE t (id INT)").await;
        let mut second = one.session().await;
        assert_eq!(second.query_first("SELECT DATABASE()").await.expect("an answer"), Some(one.name.clone()));
        assert_eq!(one.count("t").await, 0);
        assert!(other.rows::<String>("SHOW TABLES").await.is_empty());
    });
}

/// `caching_sha2_password` lets nobody in over a plain connection who has not been let in before, except with the server's
/// key. Tools come over the tap, which is plain, so the server must know root's password when it is handed over.
#[test]
fn a_client_without_tls_is_let_in_as_soon_as_the_server_answers() {
    with_own_server(Place::Mysql("9.7"), &[], async |lab| {
        let script = lab.file("who.sql", "SELECT CURRENT_USER(), @@version_comment <> '';");
        let plain = ["--protocol=tcp", "-h", "127.0.0.1", "--ssl-mode=DISABLED", "--skip-column-names"];
        let said = lab.program("mysql", &plain, Some(&script)).await;
        assert_eq!(String::from_utf8_lossy(&said), "root@%\t1\n");
    });
}

/// What a child of this test binary is told to start, for the test below.
const PLACE_OF_CHILD: &str = "REHEARSAL_TEST_PLACE";

/// Starts a server and waits to be killed, if it is the child of the test below.
#[test]
fn holds_a_server() {
    let Some(place) = std::env::var_os(PLACE_OF_CHILD) else { return };
    let place = if place == "local" { Place::Local } else { Place::Mysql("9.7") };
    run(async {
        let server = start(place, &[]).await;
        let found_by = match server.endpoint() {
            Endpoint::Unix { folder, .. } => folder.display().to_string(),
            Endpoint::Tcp { port, .. } => container(port),
        };
        std::fs::write(std::env::var_os("REHEARSAL_TEST_FILE").expect("a file"), found_by).expect("it can be written");
        std::future::pending::<()>().await;
    });
}

#[test]
fn what_a_killed_process_leaves_is_swept() {
    for place in ["local", "container"] {
        let told = tempfile::NamedTempFile::new().expect("a file");
        let mut child = Command::new(std::env::current_exe().expect("this binary"))
            .args(["--exact", "servers::holds_a_server"])
            .env(PLACE_OF_CHILD, place)
            .env("REHEARSAL_TEST_FILE", told.path())
            .spawn()
            .expect("it starts again");
        let found_by = loop {
            assert!(child.try_wait().expect("our child").is_none(), "{place}: no server was started");
            let text = std::fs::read_to_string(told.path()).expect("a file");
            if !text.is_empty() {
                break text;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        };
        child.kill().expect("it is killed");
        child.wait().expect("our child");
        let is_there = || {
            if place == "local" {
                return !processes_of(found_by.as_ref()).is_empty() || std::path::Path::new(&found_by).exists();
            }
            let all = Command::new("docker").args(["ps", "-aq"]).output().expect("docker starts").stdout;
            String::from_utf8_lossy(&all).contains(&found_by)
        };
        assert!(is_there(), "{place}: a killed process cannot have cleaned up");
        run(async {
            let (removed, failure) = rehearsal::server::sweep::sweep(false).await;
            assert!(!removed.is_empty() && failure.is_none(), "{place}: {removed:?} {failure:?}");
        });
        assert!(!is_there(), "{place}");
    }
}

/// The command lines of the processes that have a folder in theirs.
fn processes_of(folder: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").expect("processes").flatten();
    let commands = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let commands = commands.map(|command| String::from_utf8_lossy(&command).replace('\0', " "));
    commands.filter(|command| command.contains(&*folder.to_string_lossy())).collect()
}
