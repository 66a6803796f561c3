//! Claims about folders of migrations.

use std::fs;

use pretty_assertions::assert_eq;
use tempfile::TempDir;

use super::*;

fn folder(files: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for file in files {
        write(folder.path(), file, "SELECT 1;");
    }
    folder
}

fn write(folder: &Path, file: &str, text: &str) {
    let path = folder.join(file);
    fs::create_dir_all(path.parent().expect("it has one")).expect("folders");
    fs::write(path, text).expect("a file");
}

fn names(files: &[&str], applied_through: Option<&str>) -> Vec<String> {
    let folder = folder(files);
    let pending = pending(folder.path(), applied_through).expect("the folder is in order");
    pending.into_iter().map(|file| file.name).collect()
}

fn error(files: &[&str], applied_through: Option<&str>) -> String {
    let folder = folder(files);
    let error = pending(folder.path(), applied_through).expect_err("something is wrong").to_string();
    error.replace(&folder.path().display().to_string(), "DIR")
}

#[test]
fn files_come_in_the_order_of_their_numbers() {
    assert_eq!(names(&["10_c.sql", "9_b.sql", "0001_a.sql"], None), ["0001_a", "9_b", "10_c"]);
    assert_eq!(
        names(&["V1.10__c.sql", "V1.9__b.sql", "V1__a.sql", "V2__d.sql"], None),
        ["V1__a", "V1.9__b", "V1.10__c", "V2__d"]
    );
}

#[test]
fn every_tools_layout_is_read_and_ways_back_are_left_out() {
    for (files, expected) in [
        (&["0001_a.up.sql", "0001_a.down.sql", "2_b.up.sql", "2_b.down.sql"][..], &["0001_a", "2_b"][..]),
        (
            &["2024-01-02-000000_b/up.sql", "2024-01-02-000000_b/down.sql", "2024-01-01-000000_a/up.sql"],
            &["2024-01-01-000000_a", "2024-01-02-000000_b"],
        ),
        (
            &["20240101000000_a/migration.sql", "20240102000000_b/migration.sql", "migration_lock.toml"],
            &["20240101000000_a", "20240102000000_b"],
        ),
        (
            &["R__b.sql", "R__a.sql", "V2__x.sql", "U2__x.sql", "2024/V3__y.sql", "README.md", ".x.sql"],
            &["V2__x", "V3__y", "R__a", "R__b"],
        ),
        (&["1_a.sql", "seeds/people.sql"], &["1_a"]),
    ] {
        assert_eq!(names(files, None), expected);
    }
}

#[test]
fn a_file_carries_its_version_as_written_and_its_path() {
    let folder = folder(&["0042_add_status.up.sql", "R__views.sql"]);
    let path = |name: &str| folder.path().join(name);
    let file = |version: &str, name: &str, path| MigrationFile {
        version: version.to_owned(),
        name: name.to_owned(),
        path,
        transaction: None,
        layout: None,
    };
    assert_eq!(
        pending(folder.path(), None).expect("in order"),
        [
            file("0042", "0042_add_status", path("0042_add_status.up.sql")),
            file("R__views", "R__views", path("R__views.sql")),
        ]
    );
}

#[test]
fn what_the_snapshot_has_is_found_however_it_is_written() {
    let files = &["0001_a.sql", "0002_b.sql", "0010_c.sql"];
    for applied in ["2", "0002", "V2", " 0002_b", "0002_b.sql", "2.0"] {
        assert_eq!(names(files, Some(applied)), ["0010_c"], "{applied}");
    }
    assert_eq!(names(&["V1_1__a.sql", "V1_2__b.sql"], Some("1.1")), ["V1_2__b"]);
    assert_eq!(names(&["2024-01-01-000000_a/up.sql"], Some("20240101000000")), Vec::<String>::new());
}

#[test]
fn nothing_pending_is_an_empty_list_but_for_repeatable_files() {
    assert_eq!(names(&["1_a.sql", "2_b.sql"], Some("2")), Vec::<String>::new());
    assert_eq!(names(&["V1__a.sql", "R__v.sql", "B1__x.sql"], Some("1")), ["R__v"]);
}

#[test]
fn a_version_that_is_not_there_is_an_error_with_its_neighbours() {
    let files = &["1_a.sql", "2_b.sql", "3_c.sql", "5_add_status.sql", "6_e.sql", "7_f.sql"];
    for (applied, near) in [
        ("4", "2_b, 3_c, 5_add_status, 6_e"),
        ("99", "6_e, 7_f"),
        ("4_add_status", "2_b, 3_c, 5_add_status, 6_e"),
        ("add_status", "5_add_status"),
        ("2_wrong", "1_a, 2_b, 3_c"),
        ("", "5_add_status, 6_e, 7_f"),
    ] {
        let expected = format!("applied_through = \"{applied}\" is none of the migrations; near it are {near}");
        assert_eq!(error(files, Some(applied)), expected);
    }
}

#[test]
fn a_folder_that_is_not_in_order_is_an_error() {
    for (files, expected) in [
        (&["1_a.sql", "01_b.sql"][..], "DIR/01_b.sql and DIR/1_a.sql have the same version, 01; rename one of them"),
        (&["1_a.sql", "1_a/up.sql"], "DIR/1_a/up.sql and DIR/1_a.sql have the same version, 1; rename one of them"),
        (&["1_a.sql", "add_status.sql"], "DIR/add_status.sql has no version in its name; name it like 0001_add"),
        (&["README.md"], "no migration in DIR: expected files such as 0001_add_status.sql"),
        (&["1_a.down.sql"], "no migration in DIR"),
        (&["B2__x.sql", "V1__a.sql"], "DIR/B2__x.sql is a Flyway baseline"),
    ] {
        assert!(error(files, None).starts_with(expected), "{}", error(files, None));
    }
}

#[test]
fn a_single_file_needs_no_version() {
    let folder = folder(&["change.sql", "0007_x.sql"]);
    let one = |name: &str, applied| pending(&folder.path().join(name), applied).expect("a file");
    assert_eq!(one("change.sql", None)[0].version, "change");
    assert_eq!(one("0007_x.sql", None)[0].version, "0007");
    assert_eq!(one("0007_x.sql", Some("7")), []);
    assert!(pending(&folder.path().join("none.sql"), None).is_err());
}

#[test]
fn a_file_beside_it_may_say_that_there_is_no_transaction() {
    let folder = folder(&["2024-01-01-000000_a/up.sql", "V2__b.sql", "V30000000000000__c.sql"]);
    write(folder.path(), "2024-01-01-000000_a/metadata.toml", "run_in_transaction = false\n");
    write(folder.path(), "V2__b.sql.conf", "# x\nexecuteInTransaction = true\n");
    let modes = || {
        let pending = pending(folder.path(), None)?;
        Ok::<_, FilesError>(pending.into_iter().map(|file| file.transaction).collect::<Vec<_>>())
    };
    let expected = [Some(TransactionMode::File), Some(TransactionMode::None), None];
    assert_eq!(modes().expect("in order"), expected);
    let layouts = pending(folder.path(), None).expect("in order").into_iter().map(|file| file.layout);
    assert_eq!(layouts.collect::<Vec<_>>(), [None, Some(Strict::Diesel), None]);

    write(folder.path(), "V2__b.sql.conf", "executeInTransaction=maybe");
    let error = modes().expect_err("no such value").to_string();
    assert!(error.ends_with("executeInTransaction is `maybe`; it must be true or false"), "{error}");
}
