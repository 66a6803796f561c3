//! Walks `fixtures/measured` on every version, and compares each statement with what is known of it.
//!
//! Where locks are read at a standstill they are also compared, pair by pair, with what a session of the test itself
//! reads from `pg_locks` while the transaction is still open.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Instant;

use rehearsal::run::{How, Statement};
use rehearsal::scenario::ProviderWish;
use rehearsal::server::session::Session;
use tokio_postgres::SimpleQueryMessage;

use crate::facts;
use crate::fixture::{self, Case, Step};
use crate::rig::{Rig, VERSIONS, figure, server, test};

#[test]
fn what_is_known_of_statements_is_observed_on_15() {
    walk(VERSIONS[0]);
}

#[test]
fn what_is_known_of_statements_is_observed_on_17() {
    walk(VERSIONS[1]);
}

#[test]
fn what_is_known_of_statements_is_observed_on_18() {
    walk(VERSIONS[2]);
}

/// A lock as `pg_locks` has it.
#[derive(Debug, Clone)]
struct Held {
    relation: u32,
    name: String,
    mode: String,
}

/// Begins a question of the test itself among the tool's statements.
const ASIDE: &str = "/* aside */";

fn walk((version, provider): (u32, ProviderWish)) {
    test(async {
        let server = server(version, provider).await;
        let began = Instant::now();
        let admin = Session::open(&server.config("postgres")).await.expect("a session");
        // Nothing here is timed, and making databases is most of the work.
        for quick in ["ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()", "CREATE DATABASE base"] {
            admin.client.batch_execute(quick).await.expect("a server that need not last");
        }
        let schema = std::fs::read_to_string(fixture::folder().join("schema.sql")).expect("the schema");
        let base = Session::open(&server.config("base")).await.expect("a session");
        base.client.batch_execute(&schema).await.expect("the schema is made");
        drop(base);
        let cases: Vec<Case> = fixture::all().into_iter().filter(|case| case.since <= version).collect();
        let (mut wrong, mut count, mut compared) = (String::new(), 0, 0);
        for (number, case) in cases.iter().enumerate() {
            let database = format!("case_{number}");
            clone(&admin, &database).await;
            let rig = Rig::prepared(&server, &database, &case.prepare).await;
            let locks = run(&rig, case).await;
            let observation = rig.end().await;
            let statements: Vec<&Statement> =
                observation.statements.iter().filter(|statement| !statement.sql.starts_with(ASIDE)).collect();
            assert_eq!(statements.len(), case.steps.len(), "{}: every statement is on record", case.name);
            for ((step, statement), (before, after)) in case.steps.iter().zip(statements).zip(&locks) {
                count += 1;
                differs(&mut wrong, &case.name, &step.sql, &step.expected(version), &facts::lines(statement));
                if let (Some(before), Some(after)) = (before, after) {
                    compared += 1;
                    agree(&mut wrong, case, step, statement, before, after);
                }
            }
            let blocked = facts::blocking(&observation.blocking);
            differs(&mut wrong, &case.name, "blocked", &case.blocked(version), &blocked);
        }
        figure(&format!(
            "PostgreSQL {version}: {} cases, {count} statements, {compared} lock sets compared with pg_locks, {:.1} s",
            cases.len(),
            began.elapsed().as_secs_f64()
        ));
        server.stop().await.expect("the server stops");
        assert!(wrong.is_empty(), "PostgreSQL {version}:\n{wrong}");
    });
}

async fn clone(admin: &Session, database: &str) {
    let clone = format!("CREATE DATABASE {database} TEMPLATE base");
    // A backend that has just been left may still be on its way out of the template.
    for _ in 0..50 {
        if admin.client.batch_execute(&clone).await.is_ok() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    admin.client.batch_execute(&clone).await.expect("a clone");
}

/// Sends the statements, and reads the locks before and after each that leaves a transaction open.
async fn run(rig: &Rig, case: &Case) -> Vec<(Option<Vec<Held>>, Option<Vec<Held>>)> {
    let (tool, beside) = (rig.tapped().await, rig.beside().await);
    let pid = pid_of_the_tool(&beside).await;
    let mut locks = Vec::new();
    let mut before = Some(Vec::new());
    for step in &case.steps {
        // What it says is on record.
        let _ = tool.client.simple_query(&step.sql).await;
        let after = match state(&beside, pid).await.as_str() {
            "idle in transaction" => Some(locks_of(&beside, &tool, pid).await),
            _ => None,
        };
        locks.push((before.take(), after.clone()));
        before = Some(after.unwrap_or_default());
    }
    locks
}

async fn pid_of_the_tool(beside: &Session) -> i32 {
    let others = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' \
                  AND application_name <> 'rehearsal'";
    beside.client.query_one(others, &[]).await.expect("one session of the tool").get(0)
}

async fn state(beside: &Session, pid: i32) -> String {
    let state = "SELECT state FROM pg_stat_activity WHERE pid = $1";
    beside.client.query_one(state, &[&pid]).await.expect("the tool's session").get(0)
}

/// The locks of a backend, by name: the one that it sees itself, which nobody else may know yet, or else the one that
/// others still see. What came and went within a transaction has none, and is left out.
async fn locks_of(beside: &Session, tool: &Session, pid: i32) -> Vec<Held> {
    let locks = "SELECT relation, mode FROM pg_locks WHERE pid = $1 AND locktype = 'relation' AND granted \
                 AND relation >= 16384 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let locks = beside.client.query(locks, &[&pid]).await.expect("pg_locks");
    let mut names = names(beside).await;
    names.extend(self::names(tool).await);
    let held = |relation: u32, mode| Some(Held { relation, name: names.get(&relation)?.clone(), mode });
    locks.iter().filter_map(|row| held(row.get(0), row.get(1))).collect()
}

async fn names(session: &Session) -> HashMap<u32, String> {
    let names = format!(
        "{ASIDE} SELECT c.oid, quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class c \
         JOIN pg_namespace n ON n.oid = c.relnamespace"
    );
    let messages = session.client.simple_query(&names).await.expect("names");
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some((row.get(0)?.parse().ok()?, row.get(1)?.to_owned())),
        _ => None,
    });
    rows.collect()
}

/// The statement's locks are those that were there after it and not before.
fn agree(wrong: &mut String, case: &Case, step: &Step, statement: &Statement, before: &[Held], after: &[Held]) {
    let locks = statement.locks.as_deref().unwrap_or_default();
    assert!(locks.iter().all(|lock| lock.how == How::Exact), "{}: {} is at a standstill", case.name, step.sql);
    let recorded = facts::pairs(locks);
    let new = |lock: &&Held| !before.iter().any(|other| (other.relation, &other.mode) == (lock.relation, &lock.mode));
    let mut fresh: Vec<(String, String)> =
        after.iter().filter(new).map(|lock| (lock.name.clone(), lock.mode.clone())).collect();
    fresh.sort();
    if fresh != recorded {
        let _ = writeln!(wrong, "\n{}: {}\n  in pg_locks: {fresh:?}\n  recorded:    {recorded:?}", case.name, step.sql);
    }
}

fn differs(wrong: &mut String, case: &str, what: &str, expected: &[String], found: &[String]) {
    if !matches(expected, found) {
        let _ = writeln!(wrong, "\n{case}: {what}");
        for (side, lines) in [("known", expected), ("found", found)] {
            for line in lines {
                let _ = writeln!(wrong, "  {side}: {line}");
            }
        }
    }
}

/// Whether what was found is what is known. Lines and sampled locks marked `?` may be missing.
fn matches(expected: &[String], found: &[String]) -> bool {
    let sampled = |lines: &[String]| -> Vec<String> {
        let locks = lines.iter().find_map(|line| line.strip_prefix("sampled: ")).unwrap_or_default();
        locks.split(", ").filter(|lock| !lock.is_empty()).map(ToOwned::to_owned).collect()
    };
    let rest = |lines: &[String]| -> Vec<String> {
        lines.iter().filter(|line| !line.starts_with("sampled: ")).cloned().collect()
    };
    within(&sampled(expected), &sampled(found)) && within(&rest(expected), &rest(found))
}

/// Whether nothing is there that is not known, and nothing is missing that must be there.
fn within(known: &[String], found: &[String]) -> bool {
    found.iter().all(|item| known.iter().any(|known| known.trim_end_matches('?') == item))
        && known.iter().filter(|item| !item.ends_with('?')).all(|item| found.contains(item))
}
