//! Walks `fixtures/measured` on every version, and compares each statement with what is known of it.
//!
//! Each is also compared with what sessions of the test itself see before and after it.

use std::fmt::Write as _;
use std::time::Instant;

use rehearsal::run::Statement;
use rehearsal::scenario::ProviderWish;
use rehearsal::server::session::Session;

use crate::facts;
use crate::fixture::{self, Case, Step};
use crate::rig::{Rig, VERSIONS, figure, server, test};
use crate::witness::{self, ASIDE, Look, Witness};

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
            let looks = run(&rig, case).await;
            let observation = rig.end().await;
            let statements: Vec<&Statement> =
                observation.statements.iter().filter(|statement| !statement.sql.starts_with(ASIDE)).collect();
            assert_eq!(statements.len(), case.steps.len(), "{}: every statement is on record", case.name);
            for ((step, statement), looks) in case.steps.iter().zip(statements).zip(looks.windows(2)) {
                count += 1;
                differs(&mut wrong, &case.name, &step.sql, &step.expected(version), &facts::lines(statement));
                if let [Some(before), Some(after)] = looks {
                    compared += 1;
                    let differences = witness::compare(statement, before, after);
                    if !differences.is_empty() {
                        let _ = write!(wrong, "\n{}: {}\n{differences}", case.name, step.sql);
                    }
                }
            }
            let blocked = facts::blocking(&observation.blocking);
            differs(&mut wrong, &case.name, "blocked", &case.blocked(version), &blocked);
        }
        figure(&format!(
            "PostgreSQL {version}: {} cases, {count} statements, {compared} of them compared with pg_locks and the catalogs, {:.1} s",
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

/// Sends the statements, and looks before the first and after each, but for the time between two transactions.
async fn run(rig: &Rig, case: &Case) -> Vec<Option<Look>> {
    let tool = rig.tapped().await;
    let witness = Witness::new(rig.beside().await, &tool).await;
    let mut looks = vec![witness.look().await];
    for (index, step) in case.steps.iter().enumerate() {
        // What it says is on record.
        let _ = tool.client.simple_query(&step.sql).await;
        let is_between = |step: &Step| ["BEGIN;", "COMMIT;", "ROLLBACK;"].contains(&step.sql.as_str());
        let between_two = step.sql != "BEGIN;" && is_between(step) && case.steps.get(index + 1).is_none_or(is_between);
        looks.push(if between_two { None } else { witness.look().await });
    }
    looks
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

/// Whether what was found is what is known. Lines and locks marked `?` may be missing.
fn matches(expected: &[String], found: &[String]) -> bool {
    const OF_LOCKS: [&str; 2] = ["sampled: ", "locks: "];
    let locks = |lines: &[String], of: &str| -> Vec<String> {
        let locks = lines.iter().find_map(|line| line.strip_prefix(of)).unwrap_or_default();
        locks.split(", ").filter(|lock| !lock.is_empty()).map(ToOwned::to_owned).collect()
    };
    let rest = |lines: &[String]| -> Vec<String> {
        lines.iter().filter(|line| !OF_LOCKS.iter().any(|of| line.starts_with(of))).cloned().collect()
    };
    let same_locks = |of: &str| within(&locks(expected, of), &locks(found, of));
    OF_LOCKS.iter().all(|of| same_locks(of)) && within(&rest(expected), &rest(found))
}

/// Whether nothing is there that is not known, and nothing is missing that must be there.
fn within(known: &[String], found: &[String]) -> bool {
    found.iter().all(|item| known.iter().any(|known| known.trim_end_matches('?') == item))
        && known.iter().filter(|item| !item.ends_with('?')).all(|item| found.contains(item))
}
