//! `rehearsal doctor --self-test` on a real server: that it says all it has to say. How exact the figures are is the machine's.

use crate::sandbox::{Sandbox, ended};

const SELF_TEST: [&str; 6] = ["doctor", "--self-test", "--engine", "postgres", "--provider", "local"];

#[test]
fn every_figure_is_told_beside_its_clock() {
    let sandbox = Sandbox::empty();
    let examined = sandbox.run(&SELF_TEST);
    assert!(matches!(examined.code, Some(0 | 4)), "{:?}\n{}\n{}", examined.code, examined.stdout, examined.stderr);
    let lines: Vec<&str> = examined.stdout.lines().collect();
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let rows = |lock: &str, who: &str| -> Vec<Vec<String>> {
        lines.iter().map(|line| cells(line)).filter(|row| row.starts_with(&[lock.to_owned(), who.to_owned()])).collect()
    };
    for (lock, who) in [
        ("ACCESS EXCLUSIVE", "readers of orders"),
        ("SHARE", "writers of orders"),
        ("SHARE ROW EXCLUSIVE (foreign key)", "writers of customers"),
        ("ACCESS EXCLUSIVE (autocommit)", "readers of one"),
        ("a row", "readers of orders"),
        ("SHARE", "writing probe"),
        ("a row", "writing probe"),
    ] {
        let found = rows(lock, who);
        let [row] = found.as_slice() else { panic!("{lock}, {who}: {found:?} of\n{}", examined.stdout) };
        assert!(row[2..6].iter().all(|figure| figure.contains(char::is_numeric)), "{row:?}");
        assert!(["yes", "NO"].contains(&row[6].as_str()), "{row:?}");
    }
    for beginning in [
        "PostgreSQL ",
        "noise floor of the probes: ",
        "the tap adds ",
        "the same statement costs the same three times: yes (",
        if examined.code == Some(0) { "exact here: " } else { "NOT TO BE TRUSTED here: " },
    ] {
        assert!(lines.iter().any(|line| line.starts_with(beginning)), "no {beginning:?} in\n{}", examined.stdout);
    }
    sandbox.assert_clean();
}

#[test]
fn no_server_to_examine_ends_with_3() {
    let sandbox = Sandbox::empty().with("none/README", "");
    let none = ended(sandbox.command(&SELF_TEST).env("REHEARSAL_POSTGRES_BIN", "none")).expect(3);
    assert!(none.error().starts_with("error: no such server can be had here"), "{}", none.stderr);
    sandbox.run(&["doctor", "--engine", "postgres"]).expect(2);
}
