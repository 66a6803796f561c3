//! Prepared snapshots: cloned for every rehearsal, made again when anything that shapes them changes, and right whatever
//! happens while one is made.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use pretty_assertions::assert_eq;
use serde_json::Value;

use crate::process;
use crate::sandbox::{Sandbox, ended};

const PREPARE: [&str; 3] = ["snapshot", "prepare", "scenario.toml"];

fn cache(sandbox: &Sandbox) -> Value {
    sandbox.record()["snapshot"]["cache"].clone()
}

/// The entries of the store, whole ones and others.
fn entries(sandbox: &Sandbox) -> Vec<PathBuf> {
    let folders = fs::read_dir(sandbox.path("cache/snapshots")).into_iter().flatten().flatten();
    folders.map(|folder| folder.path()).filter(|path| path.is_dir()).collect()
}

/// Prepares the data of a sandbox, and gives its name.
fn prepared(sandbox: &Sandbox) -> String {
    let said = sandbox.run(&PREPARE).expect(0).stdout;
    said.split_whitespace().next().expect("it says its name").to_owned()
}

fn start(sandbox: &Sandbox) -> Child {
    let mut command = sandbox.command(&PREPARE);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary is built")
}

fn is_used_again_and_again(sandbox: &Sandbox) {
    let name = prepared(sandbox);
    let again = sandbox.run(&PREPARE).expect(0);
    assert!(again.stdout.contains(&name) && again.stdout.contains("(kept already)"), "{}", again.stdout);
    // The migration would fail on data that it was applied to before.
    for _ in 0..2 {
        let report = sandbox.rehearse().expect(0).stdout;
        let words = report.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("from a prepared snapshot"), "{report}");
        let snapshot = &sandbox.record()["snapshot"];
        assert_eq!(snapshot["cache"], "hit");
        assert!(["copy", "reflink"].map(Value::from).contains(&snapshot["cloning"]), "{snapshot}");
        assert_eq!(snapshot["tables"][0]["rows"], 1000);
    }
    let list = sandbox.run(&["snapshot", "list"]).expect(0).stdout;
    assert!(list.contains(&name) && list.contains("Add a status"), "{list}");
    let removed = sandbox.run(&["snapshot", "remove", &name[..6]]).expect(0).stdout;
    assert!(removed.contains(&name), "{removed}");
    sandbox.rehearse().expect(0);
    assert_eq!(cache(sandbox), "off", "what is small is not kept unless somebody asks for it");
    assert!(entries(sandbox).is_empty());
    sandbox.assert_clean();
}

#[test]
fn a_rehearsal_gets_a_clone_of_what_was_prepared() {
    is_used_again_and_again(&Sandbox::shop());
}

#[test]
fn how_the_provider_was_chosen_is_told_of_a_clone_as_well() {
    let sandbox = Sandbox::shop().replacing("scenario.toml", "provider = \"local\"", "provider = \"auto\"");
    for command in [&PREPARE[..], &["run", "scenario.toml", "--out", "out"]] {
        ended(sandbox.command(command).env("DOCKER_HOST", "unix:///nonexistent")).expect(0);
    }
    assert_eq!(cache(&sandbox), "hit");
    let notes = sandbox.record()["notes"].to_string();
    assert!(notes.contains("provider: local, since no Docker engine answers"), "{notes}");
}

#[test]
fn a_container_gets_a_clone_too() {
    is_used_again_and_again(&Sandbox::shop().in_container());
}

#[test]
fn so_does_mariadb() {
    let staging = "CREATE TABLE orders (id bigint PRIMARY KEY, total int);\n\
                   INSERT INTO orders SELECT seq, seq FROM seq_1_to_1000;\n";
    let sandbox = Sandbox::shop()
        .replacing("scenario.toml", "engine = \"postgres\"", "engine = \"mariadb\"")
        .with("staging.sql", staging)
        .with(
            "migrations/001_add_status.sql",
            "SET lock_wait_timeout = 5;\nALTER TABLE orders ADD COLUMN status text;\n",
        );
    is_used_again_and_again(&sandbox);
}

#[test]
fn mysql_in_a_container_too() {
    let rows: Vec<String> = (1..=1000).map(|id| format!("({id}, {id})")).collect();
    let staging = format!(
        "CREATE TABLE orders (id bigint PRIMARY KEY, total int);\nINSERT INTO orders VALUES {};\n",
        rows.join(", ")
    );
    let sandbox = Sandbox::shop()
        .replacing("scenario.toml", "engine = \"postgres\"", "engine = \"mysql\"")
        .replacing("scenario.toml", "provider = \"local\"", "provider = \"container\"")
        .with("staging.sql", &staging)
        .with(
            "migrations/001_add_status.sql",
            "SET lock_wait_timeout = 5;\nALTER TABLE orders ADD COLUMN status text;\n",
        );
    is_used_again_and_again(&sandbox);
}

#[test]
fn large_data_is_kept_without_being_asked_for() {
    let table = "seed = 7\n\n[[snapshot.table]]\nname = \"orders\"\nrows = 200_000\n";
    let sandbox = Sandbox::shop().replacing("scenario.toml", "[migrations]", &format!("{table}\n[migrations]"));
    // A rewrite of the whole table or none: the verdict is not what this is about.
    let run = |arguments: &[&str]| {
        let all = [&["run", "scenario.toml", "--out", "out"], arguments].concat();
        sandbox.run(&all);
        let record = sandbox.record();
        (record["snapshot"].clone(), record["server"]["settings"].clone())
    };
    let (unkept, settings) = run(&["--no-cache"]);
    assert_eq!(unkept["cache"], "off");
    assert!(entries(&sandbox).is_empty());
    let (miss, of_clone) = run(&[]);
    assert_eq!(miss["cache"], "miss");
    assert_eq!(of_clone, settings, "the server that filled it had others");
    let (hit, of_next_clone) = run(&["--passes", "2"]);
    assert_eq!(hit["cache"], "hit");
    assert_eq!(of_next_clone, settings);
    assert_eq!(miss["tables"], hit["tables"]);
    assert_eq!(entries(&sandbox).len(), 1, "the second pass has the same data");
    let sandbox = sandbox.replacing("scenario.toml", "seed = 7", "seed = 8");
    sandbox.rehearse();
    assert_eq!(cache(&sandbox), "miss");
    sandbox.assert_clean();
}

#[test]
fn another_dump_is_another_snapshot() {
    let sandbox = Sandbox::shop();
    let first = prepared(&sandbox);
    let sandbox = sandbox.replacing("staging.sql", "1000", "1001");
    let second = prepared(&sandbox);
    assert_ne!(first, second);
    sandbox.rehearse().expect(0);
    assert_eq!(sandbox.record()["snapshot"]["tables"][0]["rows"], 1001);
    let all = sandbox.run(&["snapshot", "remove", "--all"]).expect(0).stdout;
    assert!(all.contains(&first) && all.contains(&second), "{all}");
}

#[test]
fn what_was_used_the_longest_ago_goes_when_there_is_too_much() {
    let sandbox = Sandbox::shop();
    let first = prepared(&sandbox);
    let sandbox = sandbox.replacing("staging.sql", "1000", "1001");
    let limited = ended(sandbox.command(&PREPARE).env("REHEARSAL_SNAPSHOT_LIMIT", "1MB")).expect(0);
    let list = sandbox.run(&["snapshot", "list"]).expect(0).stdout;
    assert!(!list.contains(&first) && list.contains(&limited.stdout[..12]), "{list}");
    let wrong = ended(sandbox.command(&PREPARE).env("REHEARSAL_SNAPSHOT_LIMIT", "some")).code;
    assert_eq!(wrong, Some(0), "nothing is made, so nothing is limited");
    let sandbox = sandbox.replacing("staging.sql", "1001", "1002");
    let wrong = ended(sandbox.command(&PREPARE).env("REHEARSAL_SNAPSHOT_LIMIT", "some")).expect(2);
    assert!(
        wrong.error().contains("REHEARSAL_SNAPSHOT_LIMIT is `some`: write a size, as in `50GB`"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn two_runs_at_once_make_it_once() {
    let sandbox = Sandbox::shop();
    let runs = [start(&sandbox), start(&sandbox)];
    let said = runs.map(|run| {
        let output = run.wait_with_output().expect("our child");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    });
    let made = said.iter().filter(|said| said.contains("(prepared)")).count();
    assert_eq!(made, 1, "{said:?}");
    assert_eq!(entries(&sandbox).len(), 1);
    sandbox.rehearse().expect(0);
    assert_eq!(cache(&sandbox), "hit");
    sandbox.assert_clean();
}

/// With data that is kept without being asked for.
fn large() -> Sandbox {
    let table = "\n[[snapshot.table]]\nname = \"orders\"\nrows = 200_000\n\n[migrations]";
    Sandbox::shop().replacing("scenario.toml", "\n[migrations]", table)
}

fn start_run(sandbox: &Sandbox, out: &str) -> Child {
    let mut command = sandbox.command(&["run", "scenario.toml", "--out", out]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary is built")
}

/// What a rehearsal that came to its end has to say of its data: where it came from, and the notes.
#[track_caller]
fn snapshot_of(sandbox: &Sandbox, out: &str, run: Child) -> (String, String) {
    let output = run.wait_with_output().expect("our child");
    // A rewrite of the whole table or none: the verdict is not what this is about.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(sandbox.path(out).join("run.json")).expect("it was written");
    let record: Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(record["completion"], "complete");
    assert_eq!(record["snapshot"]["tables"][0]["rows"], 200_000);
    (record["snapshot"]["cache"].as_str().expect("it is known").to_owned(), record["notes"].to_string())
}

#[test]
fn two_rehearsals_at_once_keep_their_data_once() {
    let sandbox = large();
    let runs = [("first", start_run(&sandbox, "first")), ("second", start_run(&sandbox, "second"))];
    let mut caches = runs.map(|(out, run)| snapshot_of(&sandbox, out, run));
    caches.sort();
    assert_eq!([&caches[0].0, &caches[1].0], ["hit", "miss"]);
    assert!(caches[0].1.contains("waited for another run that was making the same data"), "{}", caches[0].1);
    assert_eq!(entries(&sandbox).len(), 1);
    sandbox.assert_clean();
}

#[test]
fn of_two_rehearsals_at_once_one_is_killed_and_the_other_makes_the_data() {
    let sandbox = large();
    // The one that is killed is in the middle of it; its server runs on, and so does its own half of the data.
    let mut killed = start_run(&sandbox, "killed");
    process::wait_for("it makes the data", || {
        let making = entries(&sandbox).into_iter().any(|path| path.to_string_lossy().contains("/making-"));
        (making && !sandbox.postmasters().is_empty()).then_some(())
    });
    let pid = i32::try_from(killed.id()).expect("process ids are small");
    process::signal(pid, Signal::SIGSTOP);
    let mut other = start_run(&sandbox, "other");
    std::thread::sleep(Duration::from_millis(500));
    assert!(other.try_wait().expect("our child").is_none(), "it waits");
    process::signal(pid, Signal::SIGKILL);
    killed.wait().expect("our child");
    assert_eq!(snapshot_of(&sandbox, "other", other).0, "miss");
    assert_eq!(snapshot_of(&sandbox, "next", start_run(&sandbox, "next")).0, "hit");
    let whole = entries(&sandbox).into_iter().filter(|path| path.join("entry.json").exists()).count();
    sandbox.run(&["sweep"]).expect(0);
    assert_eq!((whole, entries(&sandbox).len()), (1, 1));
    sandbox.assert_clean();
}

#[test]
fn killed_at_any_moment_of_making_it_the_next_run_is_right() {
    let sandbox = Sandbox::shop();
    sandbox.run(&["run", "scenario.toml", "--no-cache"]).expect(0);
    for moment in 0..10 {
        let mut run = start(&sandbox);
        std::thread::sleep(Duration::from_millis(60 + 90 * moment));
        process::signal(i32::try_from(run.id()).expect("process ids are small"), Signal::SIGKILL);
        run.wait().expect("our child");
        if moment % 3 == 2 {
            sandbox.rehearse().expect(0);
            assert_eq!(sandbox.record()["snapshot"]["tables"][0]["rows"], 1000, "moment {moment}");
        }
    }
    sandbox.run(&["sweep"]).expect(0);
    let listed = sandbox.run(&["snapshot", "list"]).expect(0).stdout;
    for entry in entries(&sandbox) {
        let name = entry.file_name().expect("it has one").to_string_lossy()[..12].to_owned();
        assert!(listed.contains(&name), "{name} is in no list: {listed}");
    }
    sandbox.assert_clean();
}

#[test]
fn half_a_snapshot_is_none() {
    let sandbox = Sandbox::shop();
    prepared(&sandbox);
    let entry = entries(&sandbox).pop().expect("there is one");
    fs::remove_file(entry.join("entry.json")).expect("our own file");
    fs::write(entry.join("data/PG_VERSION"), "9\n").expect("our own file");
    sandbox.rehearse().expect(0);
    assert_eq!(cache(&sandbox), "off");
    assert!(prepared(&sandbox).len() == 12, "it is made anew in its place");
    sandbox.rehearse().expect(0);
    assert_eq!(cache(&sandbox), "hit");
}

#[test]
fn a_snapshot_that_no_server_starts_on_is_one_clear_error() {
    let sandbox = Sandbox::shop();
    let name = prepared(&sandbox);
    let entry = entries(&sandbox).pop().expect("there is one");
    fs::remove_file(entry.join("data/global/pg_control")).expect("our own file");
    let failed = sandbox.rehearse().expect(3);
    let advice = format!("`rehearsal snapshot remove {name}` has it made anew");
    assert!(failed.error().contains(&advice), "{}", failed.stderr);
    sandbox.assert_clean();
}

#[test]
fn a_disk_that_is_full_while_it_is_made_is_one_clear_error() {
    let table = "\n[[snapshot.table]]\nname = \"orders\"\nrows = 2_000_000\n";
    let sandbox = Sandbox::shop().replacing("scenario.toml", "\n[migrations]", &format!("{table}\n[migrations]"));
    let small = sandbox.path("small");
    fs::create_dir(&small).expect("our own folder");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=150m,mode=755", "tmpfs"]).arg(&small).status();
    assert!(mounted.expect("mount is there").success(), "a file system can be mounted");
    let full = ended(sandbox.command(&["run", "scenario.toml"]).env("REHEARSAL_CACHE_DIR", &small));
    let left: Vec<_> = ["snapshots", "servers"]
        .iter()
        .flat_map(|name| fs::read_dir(small.join(name)).into_iter().flatten().flatten())
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    let unmounted = Command::new("umount").arg(&small).status();
    assert!(unmounted.expect("umount is there").success(), "nothing uses it any more");
    let full = full.expect(3);
    assert!(full.error().contains("No space left on device"), "{}", full.stderr);
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_cannot_be_kept_says_why() {
    let sandbox = Sandbox::shop().replacing("scenario.toml", "[snapshot]\nrestore = \"staging.sql\"\n", "");
    let said = sandbox.run(&PREPARE).expect(2);
    assert!(said.error().contains("the scenario has no data"), "{}", said.stderr);
    let unknown = sandbox.run(&["snapshot", "remove", "abc"]).expect(2);
    assert!(unknown.error().contains("no prepared snapshot is called abc"), "{}", unknown.stderr);
}
