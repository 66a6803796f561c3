//! Dumps of the usual kinds: what is restored is what psql or pg_restore would have restored.

use std::path::PathBuf;

use pretty_assertions::assert_eq;
use rehearsal::scenario::{Dump, SnapshotWish};
use rehearsal::snapshot::{Progress, prepare};

use crate::lab::{Database, Lab, Place, fixture, with_server};

/// A database with the shop in it and a role of its own.
async fn shop(lab: &Lab) -> (Database, String) {
    let role = Lab::name("clerk");
    let database = lab.database().await;
    database.run(&fixture("shop.sql").replace("clerk", &role)).await;
    (database, role)
}

async fn dump(lab: &Lab, database: &Database, arguments: &[&str]) -> PathBuf {
    let bytes = lab.program("pg_dump", &[&["-d", &database.name], arguments].concat(), None).await;
    lab.file("shop.dump", bytes)
}

/// What runs in a container beside `pg_restore` must not be left to its first process, which would take it for a backend of its own
/// that crashed, and close every connection.
pub(crate) async fn restoring_archives_crashes_nothing_on(lab: &Lab) {
    let source = lab.database().await;
    source.run("CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 10)").await;
    let bytes = lab.program("pg_dump", &["-d", &source.name, "--format=custom"], None).await;
    let file = lab.file("small.dump", bytes);
    for _ in 0..5 {
        let ours = lab.database().await;
        lab.prepare(&ours, std::slice::from_ref(&file), vec![], 1).await.expect("it is restored");
        assert_eq!(ours.count("t").await, 10);
        lab.drop(ours).await;
    }
    assert_eq!(source.get::<i32>("SELECT 1").await, 1, "a session from before is still there");
    lab.drop(source).await;
}

#[test]
fn restoring_gives_the_database_that_psql_would() {
    for arguments in
        [&[][..], &["--inserts"], &["--column-inserts", "--rows-per-insert=7"], &["--clean", "--if-exists"]]
    {
        with_server(Place::Local, async |lab: &Lab| {
            let (source, role) = shop(lab).await;
            let file = dump(lab, &source, arguments).await;
            let expected = lab.text_of(&source, &[]).await;
            lab.forget(source, &role).await;

            let ours = lab.database().await;
            let prepared = lab.prepare(&ours, std::slice::from_ref(&file), vec![], 1).await.expect("it is restored");
            assert_eq!(lab.text_of(&ours, &[]).await, expected, "{arguments:?}");
            assert_eq!(prepared.origin, "restored");
            assert!(prepared.notes.iter().any(|note| note.contains(&role)), "{:?}", prepared.notes);

            let theirs = lab.database().await;
            lab.program("psql", &["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &theirs.name], Some(&file)).await;
            assert_eq!(lab.text_of(&theirs, &[]).await, expected, "{arguments:?}");
        });
    }
}

#[test]
fn a_dump_that_drops_and_makes_its_database_is_restored_into_the_scratch_one() {
    with_server(Place::Local, async |lab: &Lab| {
        let (source, role) = shop(lab).await;
        let file = dump(lab, &source, &["--clean", "--create"]).await;
        let expected = lab.text_of(&source, &[]).await;
        let name = source.name.clone();
        lab.forget(source, &role).await;

        let ours = lab.database().await;
        let prepared = lab.prepare(&ours, &[file], vec![], 1).await.expect("it is restored");
        assert_eq!(lab.text_of(&ours, &[]).await, expected);
        for word in ["CREATE DATABASE was left out", &format!("\\connect {name} was not followed")] {
            assert!(prepared.notes.iter().any(|note| note.contains(word)), "{word}: {:?}", prepared.notes);
        }
        let known: i64 = ours.count(&format!("pg_database WHERE datname = '{name}'")).await;
        assert_eq!(known, 0, "the dump's own database must not be made");
    });
}

/// A dump in custom format, with several jobs and a policy for a role that is not there.
pub(crate) async fn a_custom_dump_is_restored_by(lab: &Lab) {
    let (source, role) = shop(lab).await;
    let file = dump(lab, &source, &["--format=custom"]).await;
    let expected = lab.text_of(&source, &[]).await;
    lab.forget(source, &role).await;

    let ours = lab.database_named(&Lab::name("My Shop")).await;
    let prepared = lab.prepare(&ours, &[file], vec![], 1).await.expect("it is restored");
    assert_eq!(lab.text_of(&ours, &[]).await, expected);
    let made = format!("made the roles {role}");
    assert!(prepared.notes.iter().any(|note| note.contains(&made)), "{:?}", prepared.notes);
    assert_eq!(prepared.tables[0].name, "\"Back Office\".\"Order \"\"Lines\"\" 😀\"");
    assert_eq!(prepared.tables[0].rows, Some(2_200));
}

#[test]
fn a_custom_dump_is_restored_as_it_was() {
    with_server(Place::Local, a_custom_dump_is_restored_by);
}

/// A dump in plain format.
pub(crate) async fn a_plain_dump_is_restored_by(lab: &Lab) {
    let (source, role) = shop(lab).await;
    let file = dump(lab, &source, &[]).await;
    let expected = lab.text_of(&source, &[]).await;
    lab.forget(source, &role).await;
    let ours = lab.database().await;
    lab.prepare(&ours, &[file], vec![], 1).await.expect("it is restored");
    assert_eq!(lab.text_of(&ours, &[]).await, expected);
}

#[test]
fn a_custom_dump_of_a_newer_server_says_to_use_a_newer_server() {
    with_server(Place::Container("18"), async |newer: &Lab| {
        let (source, _) = shop(newer).await;
        let file = dump(newer, &source, &["--format=custom"]).await;
        let older = crate::lab::start(Place::Container("15")).await;
        let access = older.access("rehearsal");
        let wish = rehearsal::scenario::SnapshotWish { restore: vec![file.into()], ..Default::default() };
        let error = rehearsal::snapshot::prepare(&access, &wish, &older, &|_| ()).await.expect_err("15 cannot read it");
        let text = error.to_string();
        assert!(text.contains("shop.dump") && text.contains("newer") && text.contains("version"), "{text}");
        assert!(error.is_the_scenarios(), "the scenario asks for the wrong server");
        older.stop().await.expect("the server stops");
    });
}

#[test]
fn how_far_a_restore_is_is_told_while_the_rows_of_one_table_go_in() {
    with_server(Place::Local, async |lab: &Lab| {
        let database = lab.database().await;
        let row = format!("1\t{}\n", "x".repeat(990));
        let text = format!("CREATE TABLE t (id int, text text);\nCOPY t FROM stdin;\n{}\\.\n", row.repeat(60_000));
        let file = lab.file("rows.sql", text);
        let told = std::sync::Mutex::new(std::collections::BTreeSet::new());
        let listen = |progress: Progress<'_>| {
            if let Progress::Bytes { done, total: Some(total), .. } = progress
                && (1..total).contains(&done)
            {
                told.lock().expect("one thread").insert(done);
            }
        };
        let wish = SnapshotWish { restore: vec![Dump::from(file)], ..SnapshotWish::default() };
        prepare(&database.access(), &wish, &lab.server, &listen).await.expect("it is restored");
        // The two statements alone would be told of twice.
        assert!(told.lock().expect("one thread").len() > 2, "{told:?}");
    });
}

/// Two dumps, one after the other in a file of the same name: the second is not taken for the first, which is in the container.
pub(crate) async fn a_dump_is_not_known_by_its_name_on(lab: &Lab) {
    for rows in [3, 5] {
        let source = lab.database().await;
        source.run(&format!("CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, {rows})")).await;
        let bytes = lab.program("pg_dump", &["-d", &source.name, "--format=custom"], None).await;
        let file = lab.file("same.dump", bytes);
        let ours = lab.database().await;
        lab.prepare(&ours, std::slice::from_ref(&file), vec![], 1).await.expect("it is restored");
        assert_eq!(ours.count("t").await, rows);
        lab.drop(ours).await;
        lab.drop(source).await;
    }
}
