//! Facts for tests, in few words: a run, its migrations and their statements, and what old and new queries said. What only
//! MySQL and MariaDB have is in `testing/mysql.rs`.

mod mysql;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::observe::postgres::lock_mode::LockMode;
use crate::run::Cache;
use crate::run::{
    Blocked, Blocking, Change, Column, Completion, Counters, How, Lock, Migration, MigrationStatus, Millis, Overhead,
    QueryResult, QuerySet, QueryStatus, Removed, Rewrite, RewriteKind, Run, SCHEMA_VERSION, Scan, ScenarioFacts,
    ServerFacts, Session, SnapshotFacts, SqlError, Statement, StatementStatus, TableFacts,
};
use crate::scenario::{Engine, Limits};

pub(crate) use mysql::facts_on;

/// A claim that completes "although …", and the run that it is about.
pub(crate) type Case = (&'static str, fn() -> Run);

/// The cases of a rule.
#[derive(Debug)]
pub(crate) struct Cases {
    /// The rule finds something.
    pub(crate) shown: &'static [Case],
    /// The rule must find nothing.
    pub(crate) silent: &'static [Case],
}

/// Whole milliseconds.
pub(crate) fn ms(millis: u64) -> Millis {
    Millis(Duration::from_millis(millis))
}

/// A complete run of nothing on PostgreSQL 17.
pub(crate) fn facts() -> Facts {
    Facts(Run {
        schema_version: SCHEMA_VERSION,
        rehearsal_version: "0.1.0".to_owned(),
        started_at: "2026-11-22T09:00:00Z".to_owned(),
        duration_ms: ms(24_500),
        completion: Completion::Complete,
        scenario: ScenarioFacts {
            title: "Add a status to orders".to_owned(),
            path: "scenarios/status.toml".to_owned(),
            digest: "0".repeat(64),
        },
        server: Some(ServerFacts {
            engine: Engine::Postgres,
            version: "17.2".to_owned(),
            provider: "local".to_owned(),
            origin: "/usr/lib/postgresql/17/bin".to_owned(),
            settings: BTreeMap::new(),
            cpus: 2,
        }),
        snapshot: Some(SnapshotFacts {
            origin: "restored and grown".to_owned(),
            cache: Cache::Off,
            cloning: None,
            duration_ms: ms(18_000),
            tables: Vec::new(),
        }),
        migrations: Vec::new(),
        queries: Vec::new(),
        findings: Vec::new(),
        verdict: None,
        limits: Limits::default(),
        waivers: Vec::new(),
        overhead: Overhead {
            noise_floor_ms: None,
            per_statement_ms: Some(ms(2)),
            held_back_ms: Some(ms(6)),
            sampler_ms: None,
            samples: 0,
            note: "this time is taken out of holds and durations".to_owned(),
        },
        notes: Vec::new(),
    })
}

/// A run in the making.
pub(crate) struct Facts(Run);

impl Facts {
    /// The snapshot has this table.
    pub(crate) fn table(mut self, name: &str, rows: u64) -> Self {
        let table = TableFacts {
            name: name.to_owned(),
            rows: Some(rows),
            rows_estimated: false,
            bytes: rows * 100,
            source: None,
            likeness: None,
        };
        self.0.snapshot.as_mut().expect("there from the start").tables.push(table);
        self
    }

    /// Then this migration ran.
    pub(crate) fn migration(mut self, migration: MigrationFacts) -> Self {
        self.0.migrations.push(migration.0);
        self
    }

    /// This query was run at each of these points on a fresh connection.
    pub(crate) fn query(self, set: QuerySet, name: &str, points: &[(&str, Said)]) -> Self {
        self.query_on(Session::Fresh, set, name, points)
    }

    /// This query was run at each of these points on a pooled connection.
    pub(crate) fn pooled(self, set: QuerySet, name: &str, points: &[(&str, Said)]) -> Self {
        self.query_on(Session::Pooled, set, name, points)
    }

    fn query_on(mut self, session: Session, set: QuerySet, name: &str, points: &[(&str, Said)]) -> Self {
        let file = if set == QuerySet::Old { "queries/old.sql" } else { "queries/new.sql" };
        let line = u32::try_from(name.len()).expect("short");
        for (at, said) in points {
            let (status, error, changes) = match said.clone() {
                Said::Same => (QueryStatus::Ok, None, Vec::new()),
                Said::Otherwise(changes) => (QueryStatus::Changed, None, changes),
                Said::Fails(sqlstate, message) => (QueryStatus::Error, Some(error(sqlstate, message)), Vec::new()),
            };
            let works = error.is_none();
            self.0.queries.push(QueryResult {
                set,
                name: name.to_owned(),
                file: file.to_owned(),
                line,
                at: (*at).to_owned(),
                session,
                status,
                error,
                changes,
                columns: works.then(|| vec![Column { name: "id".to_owned(), type_name: "bigint".to_owned() }]),
                rows: works.then_some(3),
                duration_ms: works.then(|| ms(1)),
            });
        }
        self
    }

    /// Changes anything else.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Run)) -> Self {
        change(&mut self.0);
        self
    }

    /// The facts, not judged.
    pub(crate) fn run(self) -> Run {
        self.0
    }

    /// The facts with what they amount to.
    pub(crate) fn judged(self) -> Run {
        let mut run = self.0;
        (run.findings, run.verdict) = super::judge(&run);
        run
    }
}

/// What a query said.
#[derive(Debug, Clone)]
pub(crate) enum Said {
    /// What it said before.
    Same,
    /// Something else.
    Otherwise(Vec<Change>),
    /// An error: SQLSTATE and message.
    Fails(&'static str, &'static str),
}

/// The error that most queries of tests fail with.
pub(crate) const GONE: Said = Said::Fails("42703", "column \"status\" does not exist");

fn error(sqlstate: &str, message: &str) -> SqlError {
    SqlError { sqlstate: sqlstate.to_owned(), message: message.to_owned(), ..SqlError::default() }
}

/// A migration that was applied and did nothing yet.
pub(crate) fn migration(id: &str) -> MigrationFacts {
    MigrationFacts(Migration {
        id: id.to_owned(),
        name: format!("{id}_change.sql"),
        path: Some(format!("migrations/{id}_change.sql")),
        status: MigrationStatus::Applied,
        error: None,
        duration_ms: Some(ms(0)),
        statements: Vec::new(),
        blocking: Vec::new(),
        removed: Vec::new(),
        invalid_indexes: Vec::new(),
        half_applied: None,
        shapes: Vec::new(),
        undescribed: None,
    })
}

/// A migration in the making.
pub(crate) struct MigrationFacts(Migration);

impl MigrationFacts {
    /// It took this many milliseconds.
    pub(crate) fn took(mut self, millis: u64) -> Self {
        self.0.duration_ms = Some(ms(millis));
        self
    }

    /// It ended so.
    pub(crate) fn ended(mut self, status: MigrationStatus) -> Self {
        self.0.status = status;
        self
    }

    /// The tool said this when it failed.
    pub(crate) fn failed_with(mut self, message: &str) -> Self {
        self.0.status = MigrationStatus::Failed;
        self.0.error = Some(message.to_owned());
        self
    }

    /// Then it sent this. Its time is added to the migration's.
    pub(crate) fn statement(mut self, statement: StatementFacts) -> Self {
        if statement.0.status != StatementStatus::Ok {
            self.0.status = MigrationStatus::Failed;
        }
        if let Some(duration) = &mut self.0.duration_ms {
            *duration += statement.0.duration_ms;
        }
        self.0.statements.push(statement.0);
        self
    }

    /// It shut readers and writers out of a table for so many milliseconds, from this statement on. 0 is nobody.
    pub(crate) fn blocks(mut self, table: &str, rows: u64, reads: u64, writes: u64, statement: usize) -> Self {
        let blocked = |millis| Blocked {
            held_ms: Some(ms(millis)),
            total_ms: Some(ms(millis)),
            stalled_ms: None,
            statement: Some(statement),
        };
        self.0.blocking.push(Blocking {
            table: table.to_owned(),
            rows: Some(rows),
            new: false,
            reads: blocked(reads),
            writes: blocked(writes),
        });
        self
    }

    /// It took away a table or a column.
    pub(crate) fn removes(mut self, table: &str, column: Option<&str>) -> Self {
        let column = column.map(str::to_owned);
        self.0.removed.push(Removed { table: table.to_owned(), column, data_lost: Some(true) });
        self
    }

    /// Changes anything else.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Migration)) -> Self {
        change(&mut self.0);
        self
    }
}

/// A statement that worked, with everything about it observed and nothing locked.
pub(crate) fn statement(line: u32, sql: &str, millis: u64) -> StatementFacts {
    let command: Vec<&str> = sql.split_whitespace().collect();
    let words = if matches!(command[0], "ALTER" | "CREATE" | "DROP" | "TRUNCATE") { 2 } else { 1 };
    StatementFacts(Statement {
        line: Some(line),
        connection: 1,
        sql: sql.to_owned(),
        command: if command[0] == "TRUNCATE" {
            "TRUNCATE TABLE".to_owned()
        } else {
            command[..words.min(command.len())].join(" ")
        },
        status: StatementStatus::Ok,
        error: None,
        in_transaction: true,
        bookkeeping: false,
        version: None,
        duration_ms: ms(millis),
        rows: None,
        locks: Some(Vec::new()),
        rewrites: Some(Vec::new()),
        scans: Some(Vec::new()),
        algorithm: None,
        row_versions: None,
        lock_wait_timeout_s: None,
        lock_timeout_ms: None,
        implicit_commit: false,
        parts: Vec::new(),
        counters: Counters::default(),
    })
}

/// A statement in the making.
pub(crate) struct StatementFacts(Statement);

impl StatementFacts {
    /// It was a message of several statements, of which the second pass saw these.
    pub(crate) fn apart(mut self, parts: Vec<Self>) -> Self {
        self.0.parts = parts.into_iter().map(|part| part.0).collect();
        self
    }

    /// A migration tool sent it for itself.
    pub(crate) fn own(mut self) -> Self {
        self.0.bookkeeping = true;
        self
    }

    /// It locked this table, for so many milliseconds if that was observed.
    pub(crate) fn locks(mut self, table: &str, mode: LockMode, held: impl Into<Option<u64>>) -> Self {
        self.0.locks.get_or_insert_default().push(Lock {
            relation: table.to_owned(),
            table: None,
            partition: false,
            mode: mode.to_string(),
            waited_ms: None,
            held_ms: held.into().map(ms),
            blocks: mode.blocks(),
            how: How::Exact,
        });
        self
    }

    /// It gave this table new storage.
    pub(crate) fn rewrite(self, table: &str, bytes: u64) -> Self {
        self.new_storage(table, None, RewriteKind::Table, bytes)
    }

    /// It gave this index of a table new storage.
    pub(crate) fn rebuild(self, index: &str, table: &str, bytes: u64) -> Self {
        self.new_storage(index, Some(table.to_owned()), RewriteKind::Index, bytes)
    }

    fn new_storage(mut self, relation: &str, table: Option<String>, kind: RewriteKind, bytes: u64) -> Self {
        let rewrite = Rewrite { relation: relation.to_owned(), table, kind, bytes: Some(bytes) };
        self.0.rewrites.get_or_insert_default().push(rewrite);
        self
    }

    /// It read this table from end to end.
    pub(crate) fn scan(mut self, table: &str, rows: u64) -> Self {
        let scan = Scan { relation: table.to_owned(), scans: 1, rows: Some(rows), bytes: None };
        self.0.scans.get_or_insert_default().push(scan);
        self
    }

    /// The server said that it touched so many rows.
    pub(crate) fn touched(mut self, rows: u64) -> Self {
        self.0.rows = Some(rows);
        self
    }

    /// It failed, and so its locks were gone before they could be read.
    pub(crate) fn fails(mut self, sqlstate: &str, message: &str) -> Self {
        self.0.status = StatementStatus::Error;
        self.0.error = Some(error(sqlstate, message));
        self.unobserved()
    }

    /// Nothing but its time was observed.
    pub(crate) fn unobserved(mut self) -> Self {
        (self.0.locks, self.0.rewrites, self.0.scans) = (None, None, None);
        self
    }

    /// Changes anything else.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Statement)) -> Self {
        change(&mut self.0);
        self
    }

    /// The statement.
    pub(crate) fn fact(self) -> Statement {
        self.0
    }
}
