//! Containers, as the `docker` program tells of them.

use std::process::Command;

/// The containers that the process made, running or not.
pub(crate) fn containers_of(pid: i32) -> Vec<String> {
    let owner = format!("/{pid}/");
    let list = docker(&["ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Label \"rehearsal.owner\"}}"]);
    list.lines()
        .filter(|line| line.contains(&owner))
        .filter_map(|line| Some(line.split_once(' ')?.0.to_owned()))
        .collect()
}

/// Whether a statement sleeps on the server in a container.
pub(crate) fn sleeps(container: &str) -> bool {
    runs(container, "wait_event = 'PgSleep'")
}

/// Whether a session of which `what` is so is on the server in a container.
pub(crate) fn runs(container: &str, what: &str) -> bool {
    let count = format!("SELECT count(*) FROM pg_stat_activity WHERE {what} AND pid <> pg_backend_pid()");
    let psql = ["exec", container, "psql", "-XqAtU", "postgres", "-c", &count];
    let output = Command::new("docker").args(psql).output().expect("docker is installed");
    output.status.success() && output.stdout != b"0\n"
}

/// Runs `docker` and gives what it says.
#[track_caller]
pub(crate) fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().expect("docker is installed");
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
