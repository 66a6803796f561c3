//! A server that somebody else started (`[server.external]`), or that a program makes (`[server.command]`): looked at before
//! anything is done to it, left as it was, and given back whatever happens.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::elsewhere::{Elsewhere, SECRET};
use crate::sandbox::{Ended, Running, Sandbox, ended};

fn shop(more: &str) -> Sandbox {
    let table = format!("[server.external]\nurl = \"env:SCRATCH_URL\"\n{more}");
    let shop = Sandbox::shop().replacing("scenario.toml", "[server]\nprovider = \"local\"\n", &table);
    let owner =
        "CREATE TABLE orders (id bigint PRIMARY KEY, total numeric NOT NULL);\nALTER TABLE orders OWNER TO keeper;\n";
    shop.replacing("staging.sql", "CREATE TABLE orders (id bigint PRIMARY KEY, total numeric NOT NULL);\n", owner)
}

fn rehearse(sandbox: &Sandbox, url: &str) -> Ended {
    let ended = ended(sandbox.command(&["run", "scenario.toml", "--out", "out"]).env("SCRATCH_URL", url));
    assert!(!ended.stdout.contains(SECRET) && !ended.stderr.contains(SECRET), "{}{}", ended.stdout, ended.stderr);
    ended
}

#[test]
fn a_server_is_rehearsed_on_in_a_database_of_our_own_and_left_as_it_was() {
    let (there, sandbox) = (Elsewhere::start(), shop(""));
    let before = there.state();
    let ended = rehearse(&sandbox, &there.url("app")).expect(0);
    assert!(ended.stdout.contains("(external, "), "{}", ended.stdout);
    let record = sandbox.record();
    assert_eq!(record["server"]["provider"], "external");
    assert_eq!(record["migrations"][0]["blocking"][0]["table"], "public.orders");
    assert!(!record.to_string().contains(SECRET));
    assert_eq!(there.state(), before);
    sandbox.assert_clean();
}

#[test]
fn nothing_is_done_to_a_server_that_may_not_be_scratch() {
    let (there, sandbox) = (Elsewhere::start(), shop(""));
    let url = there.url("app");
    let refused = |url: &str, code: i32, why: &str| {
        let before = there.state();
        let ended = rehearse(&sandbox, url).expect(code);
        assert!(ended.error().contains(why), "{}", ended.stderr);
        assert_eq!(there.state(), before);
    };
    refused("", 2, "the variable SCRATCH_URL, which `[server.external]` takes the URL from, is not set");
    refused(&format!("mysql://me:{SECRET}@db/app"), 2, "does not begin with postgresql://");
    refused(&format!("postgresql://me:{SECRET}@db/app?channel_binding=require"), 2, "demands channel binding");
    refused(&there.url("missing"), 3, "database \"missing\" does not exist");
    let mut session = there.session("app");
    refused(&url, 3, "others are connected to ");
    session.kill().and_then(|()| session.wait()).unwrap();
    there.sql("app", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    there.sql("app", "CREATE TABLE precious ()");
    refused(&url, 3, "it has the table public.precious");
    there.sql("app", "DROP TABLE precious");
    there.sql("app", "CREATE DATABASE rehearsal");
    refused(&url, 3, "has a database `rehearsal` already that no rehearsal made");
    there.sql("app", "DROP DATABASE rehearsal");
    let sandbox = shop("version = \"9\"\n".replace("version", "[server]\nversion").as_str());
    let ended = rehearse(&sandbox, &url).expect(3);
    assert!(ended.error().contains("and the scenario wants PostgreSQL 9"), "{}", ended.stderr);
    rehearse(&shop(""), &url).expect(0);
}

#[test]
fn what_a_killed_run_left_on_a_server_is_replaced_by_the_next_one_and_two_do_not_meet() {
    let there = Elsewhere::start();
    let before = there.state();
    let slow = shop("").with("migrations/002_slow.sql", "SELECT pg_sleep(300);\n");
    let url = there.url("app");
    let mut run = slow.start_with(&[("SCRATCH_URL", &url)]);
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    run.until("a statement sleeps", |_| (there.sql("postgres", asleep) == "1").then_some(()));
    let second = rehearse(&shop(""), &url).expect(3);
    assert!(second.error().contains("another rehearsal is using the server"), "{}", second.stderr);
    run.signal(Signal::SIGKILL);
    assert_eq!(run.ended().code, None);
    assert_ne!(there.state(), before);
    // The server notices that its clients are gone when the statement is over, or is asked to.
    there.sql("app", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'rehearsal'");
    let next = shop("");
    rehearse(&next, &url).expect(0);
    assert!(!there.state().contains("rehearsal"));
}

#[test]
fn a_database_that_has_the_data_is_migrated_in_place() {
    let there = Elsewhere::start();
    there.sql("app", "CREATE TABLE orders (id bigint PRIMARY KEY, total numeric NOT NULL)");
    there.sql("app", "INSERT INTO orders SELECT i, i FROM generate_series(1, 1000) i");
    let sandbox = shop("in_place = true\n").replacing("scenario.toml", "restore = \"staging.sql\"\n", "");
    let others = || there.sql("app", "SELECT sum(sessions) FROM pg_stat_database WHERE datname <> 'app'");
    let before = others();
    rehearse(&sandbox, &there.url("app")).expect(0);
    assert_eq!(others(), before, "no other database is connected to");
    assert_eq!(sandbox.record()["migrations"][0]["blocking"][0]["table"], "public.orders");
    assert_eq!(there.sql("app", "SELECT count(status) + count(*) FROM orders"), "1000");
    let nameless = rehearse(&sandbox, there.url("app").trim_end_matches("app").trim_end_matches('/')).expect(2);
    assert!(nameless.error().contains("names no database"), "{}", nameless.stderr);
}

/// A certificate for an address of this machine, by nobody, and its key, which the server can read and others cannot.
fn certificate(sandbox: &Sandbox, address: &str) -> [String; 2] {
    let [certificate, key] = ["tls.crt", "tls.key"].map(|name| sandbox.path(name).display().to_string());
    let script = format!(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=scratch \
         -addext subjectAltName=IP:{address} -addext basicConstraints=critical,CA:FALSE -keyout {key} -out {certificate}
         chmod 600 {key}
         if [ $(id -u) = 0 ]; then chown postgres {key}; fi"
    );
    ended(Command::new("sh").args(["-ec", &script])).expect(0);
    [certificate, key]
}

#[test]
fn tls_is_spoken_to_a_server_elsewhere_where_the_url_demands_it() {
    // The port is everybody's, the address is not.
    let address = "127.0.0.57";
    let checks = "DO $$BEGIN IF NOT (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) THEN \
                  RAISE 'without TLS'; END IF; END$$;\n";
    let sandbox = shop("").with("migrations/002_check.sql", checks);
    let [certificate, key] = certificate(&sandbox, address);
    let listen = ("listen_addresses", address);
    let there = Elsewhere::with(&[listen, ("ssl", "on"), ("ssl_cert_file", &certificate), ("ssl_key_file", &key)]);
    let url = |parameters: &str| format!("postgresql://postgres:{SECRET}@{address}:5432/app?{parameters}");
    let plain = rehearse(&sandbox, &url("")).expect(1);
    assert!(plain.stdout.contains("without TLS"), "{}", plain.stdout);
    rehearse(&sandbox, &url("sslmode=require")).expect(0);
    let known = format!("sslmode=verify-full&sslrootcert={certificate}");
    let ended = rehearse(&sandbox, &url(&known)).expect(0);
    assert!(ended.stdout.contains(&format!("(external, {address}:5432/app)")), "{}", ended.stdout);
    let unknown = rehearse(&sandbox, &url("sslmode=verify-full")).expect(3);
    assert!(unknown.error().contains("invalid peer certificate"), "{}", unknown.stderr);
    drop(there);
    let there = Elsewhere::with(&[listen]);
    let without = rehearse(&sandbox, &url("sslmode=require")).expect(3);
    assert!(without.error().contains("it does not speak TLS"), "{}", without.stderr);
    drop(there);
}

/// A shop whose server is a database that `up` makes and `down` drops; both write what they were given into `down.txt`.
fn made_by_command(there: &Elsewhere, up: &str, down: &str) -> Sandbox {
    let client = format!("psql -XqAt -h {} -p {} -U postgres app", there.folder.display(), there.port);
    let up = up.replace("PSQL", &client).replace("URL", &there.url("clone"));
    let down = down.replace("PSQL", &client);
    let table = "[server.command]\nup = \"./up.sh\"\ndown = \"./down.sh\"\nin_place = false\ntimeout = \"20s\"\n";
    let shop = Sandbox::shop().replacing("scenario.toml", "[server]\nprovider = \"local\"\n", table);
    shop.replacing("scenario.toml", "./up.sh", "sh up.sh")
        .replacing("scenario.toml", "./down.sh", "sh down.sh")
        .with("up.sh", &format!("set -e\n{up}"))
        .with(
            "down.sh",
            &format!("set -e\ncat >down.txt\necho \"$REHEARSAL_URL $REHEARSAL_ENGINE\" >>down.txt\n{down}"),
        )
}

const UP: &str = "PSQL -c 'CREATE DATABASE clone'\necho URL\necho branch-42\n";
const DOWN: &str = "PSQL -c 'DROP DATABASE IF EXISTS clone WITH (FORCE)'\n";

fn given_to_down(sandbox: &Sandbox) -> Option<String> {
    std::fs::read_to_string(sandbox.path("down.txt")).ok()
}

#[track_caller]
fn assert_given_back(there: &Elsewhere, sandbox: &Sandbox) {
    assert!(given_to_down(sandbox).is_some(), "`down` was not run");
    assert!(!there.state().contains("clone"), "{}", there.state());
    let records = std::fs::read_dir(sandbox.path("cache/commands")).unwrap().count();
    assert_eq!(records, 0, "what is known of the server is forgotten once it is given back");
}

#[test]
fn a_server_that_a_program_makes_is_rehearsed_on_and_given_back() {
    let there = Elsewhere::start();
    let sandbox = made_by_command(&there, UP, DOWN);
    let ended = sandbox.rehearse().expect(0);
    assert!(!ended.stdout.contains(SECRET) && !ended.stderr.contains(SECRET));
    assert_eq!(sandbox.record()["server"]["provider"], "command");
    let url = there.url("clone");
    assert_eq!(given_to_down(&sandbox), Some(format!("{url}\nbranch-42\n{url} postgres\n")));
    assert_given_back(&there, &sandbox);
}

#[test]
fn a_program_that_makes_no_server_is_one_error_and_is_taken_back() {
    let there = Elsewhere::start();
    for (up, why) in [
        (
            "PSQL -c 'CREATE DATABASE clone'\necho URL\necho the quota is used up >&2\nexit 3\n",
            "ended with exit status: 3\n  | the quota is used up",
        ),
        ("PSQL -c 'CREATE DATABASE clone'\necho made it\n", "printed no URL"),
        ("PSQL -c 'CREATE DATABASE clone'\necho URLs\n", "database \"clones\" does not exist"),
        ("echo URL\nsleep 600\n", "was stopped, since it had not ended after 1 s"),
    ] {
        let sandbox = made_by_command(&there, up, DOWN).replacing("scenario.toml", "20s", "1s");
        let ended = sandbox.rehearse().expect(3);
        assert!(ended.error().contains(why), "{}", ended.stderr);
        assert_eq!(ended.stderr.matches("error: ").count(), 1, "{}", ended.stderr);
        assert_given_back(&there, &sandbox);
    }
}

#[test]
fn a_server_is_given_back_after_ctrl_c_and_by_sweep_after_a_kill() {
    let there = Elsewhere::start();
    let asleep = |run: &mut Running<'_>| {
        let asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        run.until("a statement sleeps", |_| (there.sql("postgres", asleep) == "1").then_some(()));
    };
    let slow = |up: &str| made_by_command(&there, up, DOWN).with("migrations/002_slow.sql", "SELECT pg_sleep(300);\n");

    let sandbox = slow(UP);
    let mut run = sandbox.start();
    asleep(&mut run);
    run.signal(Signal::SIGINT);
    run.ended().expect(130);
    assert_given_back(&there, &sandbox);

    // While it is being made.
    let sandbox = slow("PSQL -c 'CREATE DATABASE clone'\necho URL\ntouch made\nsleep 300\n");
    let mut run = sandbox.start();
    run.until("it is made", |sandbox| sandbox.path("made").exists().then_some(()));
    run.signal(Signal::SIGINT);
    run.ended().expect(130);
    assert_given_back(&there, &sandbox);

    let sandbox = slow(UP);
    let mut run = sandbox.start();
    asleep(&mut run);
    run.signal(Signal::SIGKILL);
    assert_eq!(run.ended().code, None);
    assert_eq!(given_to_down(&sandbox), None);
    let swept = sandbox.run(&["sweep"]).expect(0);
    assert!(swept.stdout.contains("removed server that `up` made for process "), "{}", swept.stdout);
    assert_given_back(&there, &sandbox);
}
