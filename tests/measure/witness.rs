//! What sessions of the test itself see before and after a statement, and whether the record says the same.
//!
//! Locks are read from `pg_locks` by a session beside the tool's. Files and scans are read from the catalogs: by the
//! tool's own session while a transaction is open, since nobody else can see them then, and else by the one beside it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

use rehearsal::run::{How, Statement};
use rehearsal::server::session::Session;
use tokio_postgres::SimpleQueryMessage;

use crate::facts;

/// Begins a question of the test itself among the tool's statements.
pub(crate) const ASIDE: &str = "/* aside */";

/// A lock as `pg_locks` has it.
#[derive(Debug, Clone)]
struct Held {
    relation: u32,
    name: String,
    mode: String,
}

/// A relation as `pg_class` and the statistics have it.
#[derive(Debug, Clone)]
struct Relation {
    name: String,
    kind: char,
    file: Option<u32>,
    /// Scans that the session has begun in its transaction.
    scans: u64,
}

/// The database between two statements.
#[derive(Debug, Clone, Default)]
pub(crate) struct Look {
    locks: Vec<Held>,
    relations: HashMap<u32, Relation>,
    /// Whether a transaction is open.
    inside: bool,
}

/// The two sessions that look.
pub(crate) struct Witness<'a> {
    beside: Session,
    tool: &'a Session,
    pid: i32,
}

impl<'a> Witness<'a> {
    /// Looks at what `tool` does, from a session beside it.
    pub(crate) async fn new(beside: Session, tool: &'a Session) -> Self {
        let others = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() \
                      AND backend_type = 'client backend' AND application_name <> 'rehearsal'";
        let pid = beside.client.query_one(others, &[]).await.expect("one session of the tool").get(0);
        Self { beside, tool, pid }
    }

    /// Looks now; `None` in a transaction that has failed, where no question is answered.
    pub(crate) async fn look(&self) -> Option<Look> {
        let state = "SELECT state FROM pg_stat_activity WHERE pid = $1";
        let state: String = self.beside.client.query_one(state, &[&self.pid]).await.expect("the tool's session").get(0);
        match state.as_str() {
            "idle" => Some(Look { relations: relations(&self.beside).await, ..Look::default() }),
            "idle in transaction" => {
                let relations = relations(self.tool).await;
                let locks = self.locks(&relations).await;
                Some(Look { locks, relations, inside: true })
            }
            _ => None,
        }
    }

    /// The tool's locks, by name: the one that it sees itself, which nobody else may know yet, or else the one that
    /// others still see. What came and went within a transaction has none, and is left out.
    async fn locks(&self, seen: &HashMap<u32, Relation>) -> Vec<Held> {
        let locks = "SELECT relation, mode FROM pg_locks WHERE pid = $1 AND locktype = 'relation' AND granted \
                     AND relation >= 16384 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        let locks = self.beside.client.query(locks, &[&self.pid]).await.expect("pg_locks");
        let others = relations(&self.beside).await;
        let name = |relation: u32| Some(seen.get(&relation).or_else(|| others.get(&relation))?.name.clone());
        let held = |relation: u32, mode| Some(Held { relation, name: name(relation)?, mode });
        locks.iter().filter_map(|row| held(row.get(0), row.get(1))).collect()
    }
}

async fn relations(session: &Session) -> HashMap<u32, Relation> {
    let relations = format!(
        "{ASIDE} SELECT c.oid, quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relkind, \
         pg_relation_filenode(c.oid), pg_stat_get_xact_numscans(c.oid) \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid >= 16384"
    );
    let messages = session.client.simple_query(&relations).await.expect("relations");
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            let number = |index| row.get(index).and_then(|text| text.parse().ok());
            let kind = row.get(2)?.chars().next()?;
            let scans = row.get(4)?.parse().ok()?;
            Some((number(0)?, Relation { name: row.get(1)?.to_owned(), kind, file: number(3), scans }))
        }
        _ => None,
    });
    rows.collect()
}

/// Says where the record of a statement differs from what was seen before and after it.
pub(crate) fn compare(statement: &Statement, before: &Look, after: &Look) -> String {
    let mut wrong = String::new();
    let mut same = |what: &str, seen: String, recorded: String| {
        if seen != recorded {
            let _ = writeln!(wrong, "  {what} seen:     {seen}\n  {what} recorded: {recorded}");
        }
    };
    if after.inside {
        let locks = statement.locks.as_deref().unwrap_or_default();
        assert!(locks.iter().all(|lock| lock.how == How::Exact), "{} is at a standstill", statement.sql);
        same("locks", format!("{:?}", fresh(before, after)), format!("{:?}", facts::pairs(locks)));
    }
    // What is rolled back goes back to the files that it had.
    if !statement.sql.starts_with("ROLLBACK") {
        let recorded: Option<BTreeSet<&str>> =
            statement.rewrites.as_ref().map(|all| all.iter().map(|rewrite| rewrite.relation.as_str()).collect());
        if let Some(recorded) = recorded {
            same("rewrites", format!("{:?}", rewritten(before, after)), format!("{recorded:?}"));
        }
    }
    if before.inside && after.inside && !statement.sql.starts_with("ROLLBACK") {
        let recorded: Option<BTreeMap<&str, u64>> =
            statement.scans.as_ref().map(|all| all.iter().map(|scan| (scan.relation.as_str(), scan.scans)).collect());
        same("scans", format!("{:?}", scanned(before, after)), format!("{:?}", recorded.unwrap_or_default()));
    }
    wrong
}

/// Locks that were there after a statement and not before.
fn fresh(before: &Look, after: &Look) -> Vec<(String, String)> {
    let new = |lock: &&Held| !before.locks.iter().any(|old| (old.relation, &old.mode) == (lock.relation, &lock.mode));
    let mut fresh: Vec<(String, String)> =
        after.locks.iter().filter(new).map(|lock| (lock.name.clone(), lock.mode.clone())).collect();
    fresh.sort();
    fresh
}

/// Relations whose name stands for another file than before, which no other had.
fn rewritten<'a>(before: &Look, after: &'a Look) -> BTreeSet<&'a str> {
    let stored = |relation: &&Relation| matches!(relation.kind, 'r' | 'm' | 'i' | 't');
    let names: BTreeMap<&str, Option<u32>> =
        before.relations.values().map(|relation| (relation.name.as_str(), relation.file)).collect();
    let files: BTreeSet<Option<u32>> = names.values().copied().collect();
    after
        .relations
        .values()
        .filter(stored)
        .filter(|relation| names.get(relation.name.as_str()).is_some_and(Option::is_some))
        .filter(|relation| !files.contains(&relation.file))
        .map(|relation| relation.name.as_str())
        .collect()
}

/// Tables of which the tool's session has begun scans since, and how many.
fn scanned<'a>(before: &Look, after: &'a Look) -> BTreeMap<&'a str, u64> {
    let tables = after.relations.iter().filter(|(_, relation)| matches!(relation.kind, 'r' | 'm'));
    let since = |oid: &u32, scans: u64| scans - before.relations.get(oid).map_or(0, |old| old.scans.min(scans));
    tables
        .map(|(oid, relation)| (relation.name.as_str(), since(oid, relation.scans)))
        .filter(|(_, scans)| *scans > 0)
        .collect()
}
