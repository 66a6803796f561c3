//! The examples of `scenarios/providers`, with stand-ins for the platforms' clients: they make and take back real servers, or
//! databases of one, and are as strict as the real ones about what they are told.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::elsewhere::Elsewhere;
use crate::sandbox::{Ended, Sandbox, ended};

const ORDERS: &str = "CREATE TABLE orders (id integer PRIMARY KEY, note text)";

/// An example as it stands in the repository, in a folder of its own, with a stand-in for its client.
fn example(name: &str, client: &str, script: &str) -> Sandbox {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/providers").join(name);
    let mut sandbox = Sandbox::empty();
    for file in ["scenario.toml", "up.sh", "down.sh", "migrations/0002_bigint_order_ids.sql"] {
        sandbox = sandbox.with(file, &fs::read_to_string(folder.join(file)).unwrap());
    }
    let client = format!("bin/{client}");
    let sandbox = sandbox.with(&client, &format!("#!/bin/sh\nset -eu\necho \"$*\" >>calls\n{script}"));
    for program in ["up.sh", "down.sh", &client] {
        fs::set_permissions(sandbox.path(program), fs::Permissions::from_mode(0o755)).unwrap();
    }
    sandbox
}

fn rehearse(sandbox: &Sandbox, variables: &[(&str, &str)]) -> Ended {
    let mut command = sandbox.command(&["run", "scenario.toml", "--out", "out"]);
    let path = format!("{}:{}", sandbox.path("bin").display(), std::env::var("PATH").unwrap_or_default());
    let ended = ended(command.env("PATH", path).envs(variables.iter().copied()));
    if ended.code == Some(0) {
        let record = sandbox.record();
        assert_eq!(record["server"]["provider"], "command");
        assert_eq!(record["migrations"][0]["statements"][1]["rewrites"][0]["kind"], "table", "{}", ended.stdout);
    }
    ended
}

/// What the client was asked for, a line each.
fn calls(sandbox: &Sandbox) -> Vec<String> {
    fs::read_to_string(sandbox.path("calls")).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn a_clone_of_database_lab_is_a_server_that_is_made_and_destroyed() {
    let script = format!(
        r#"case "$1 $2" in
'clone create')
    test "$3 $4 $5 $7" = '--username rehearsal --password --id'
    docker run -d --rm --name "$8" -e POSTGRES_USER=rehearsal -e POSTGRES_PASSWORD="$6" -e POSTGRES_DB=shop -p 127.0.0.1::5432 postgres:17 >&2
    port=$(docker port "$8" 5432/tcp | sed 's/.*://')
    until PGPASSWORD=$6 psql -qX -h 127.0.0.1 -p "$port" -U rehearsal shop -c '{ORDERS}' 2>/dev/null; do sleep 0.1; done
    echo "{{\"id\": \"$8\", \"db\": {{\"host\": \"127.0.0.1\", \"port\": \"$port\", \"username\": \"rehearsal\", \"password\": \"\"}}}}"
    ;;
'clone destroy') docker rm -f "$3" >&2 ;;
*) exit 2 ;;
esac
"#
    );
    let sandbox = example("database-lab", "dblab", &script);
    rehearse(&sandbox, &[("DBLAB_DATABASE", "shop")]).expect(0);
    let id = calls(&sandbox)[1].trim_start_matches("clone destroy ").to_owned();
    let left = Command::new("docker").args(["ps", "-aq", "--filter", &format!("name={id}")]).output().unwrap();
    assert!(id.starts_with("rehearsal-") && left.stdout.is_empty(), "{id}");
}

#[test]
fn a_branch_of_neon_is_made_and_deleted() {
    let there = Elsewhere::start();
    let psql = format!("psql -qX -v ON_ERROR_STOP=1 -h {} -p {} -U postgres", there.folder.display(), there.port);
    let url = there.url("$1");
    let script = format!(
        r#"case "$1 $2" in
'branches create')
    test "$3 $4 $5 $7 $8" = '--project-id quiet-sun --name --parent staging'
    {psql} app -c "CREATE DATABASE \"$6\"" >&2
    {psql} "$6" -c '{ORDERS}' >&2
    ;;
'branches delete') {psql} app -c "DROP DATABASE \"$3\"" >&2 ;;
connection-string*)
    shift
    echo "{url}?sslmode=require&channel_binding=require"
    ;;
*) exit 2 ;;
esac
"#
    );
    let sandbox = example("neon", "neonctl", &script);
    let variables = [("NEON_PROJECT", "quiet-sun"), ("NEON_PARENT", "staging")];
    let before = there.state();
    rehearse(&sandbox, &variables).expect(0);
    assert_eq!(there.state(), before);
    assert!(calls(&sandbox)[2].ends_with(" --project-id quiet-sun"), "{:?}", calls(&sandbox));
}

#[test]
fn a_snapshot_of_rds_is_restored_and_the_instance_deleted_also_when_it_never_comes_up() {
    let there = Elsewhere::start();
    let psql = format!("psql -qX -v ON_ERROR_STOP=1 -h {} -p {} -U postgres", there.folder.display(), there.port);
    let folder = there.folder.display().to_string().replace('/', "%2F");
    let port = there.port;
    let script = format!(
        r#"while [ $# -gt 0 ]; do
    case "$1" in
    --db-instance-identifier) name=$2 ;;
    --query) query=$2 ;;
    restore-db-instance-from-db-snapshot | wait | modify-db-instance | describe-db-instances | delete-db-instance) verb=$1 ;;
    esac
    shift
done
case "$verb" in
restore-db-instance-from-db-snapshot) {psql} app -c "CREATE DATABASE shop" && {psql} shop -c '{ORDERS}' ;;
wait) test -z "${{BROKEN:-}}" ;;
describe-db-instances) case "$query" in *Address*) echo '{folder}' ;; *) echo {port} ;; esac ;;
delete-db-instance) {psql} app -c "DROP DATABASE shop" >&2 ;;
esac
"#
    );
    let variables = [
        ("RDS_SNAPSHOT", "nightly"),
        ("RDS_CLASS", "db.r6g.large"),
        ("RDS_SUBNET_GROUP", "private"),
        ("RDS_SECURITY_GROUP", "sg-1"),
        ("RDS_USER", "postgres"),
        ("RDS_DATABASE", "shop"),
        ("RDS_SETTLE", "0"),
    ];
    let sandbox = example("rds-snapshot", "aws", &script);
    let before = there.state();
    rehearse(&sandbox, &variables).expect(0);
    assert_eq!(there.state(), before);
    let broken = example("rds-snapshot", "aws", &script);
    let ended = rehearse(&broken, &[&variables[..], &[("BROKEN", "1")]].concat()).expect(3);
    assert!(ended.error().contains("`./up.sh` ([server.command] up) ended with exit status: 1"), "{}", ended.stderr);
    assert_eq!(there.state(), before);
    assert!(
        calls(&broken).last().is_some_and(|call| call.starts_with("rds delete-db-instance ")),
        "{:?}",
        calls(&broken)
    );
}
