//! For how long readers and writers are shut out, as computed from locks, against the clock of a session that was.
//!
//! The independent session has a connection of its own. A third one polls `pg_locks` for the grant; as soon as it is
//! seen, the reader and the writer (and the writer of a table that refers to it) are sent, and each notes for itself when it was let through.

use std::time::{Duration, Instant};

use rehearsal::run::{Blocked, Blocking, Millis};
use rehearsal::server::session::Session;

use crate::rig::{Rig, VERSIONS, alone, figure, server};

/// A million rows in each table.
const SCHEMA: &str = "
    CREATE TABLE customers (id int PRIMARY KEY, name text);
    INSERT INTO customers SELECT g, 'customer ' || g FROM generate_series(1, 1000000) g;
    CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL, amount int, note text);
    INSERT INTO orders SELECT g, g, g, 'order ' || g FROM generate_series(1, 1000000) g;
    CREATE TABLE invoices (customer int REFERENCES customers);";
/// As often is measured until the clocks agree; the machine may be busy with something else.
const ATTEMPTS: usize = 3;
/// The clocks agree when they differ by no more than this part, or by no more than this time.
const PART: f64 = 0.03;
const MILLIS: f64 = 15.0;

/// A statement, what undoes it, and whom it shuts out of which tables.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    before: &'static str,
    sql: &'static str,
    undo: &'static str,
    tables: &'static [&'static str],
    mode: &'static str,
    shuts_out: ShutOut,
    /// Whether it can be run in a transaction.
    in_transaction: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ShutOut {
    Nobody,
    Writers,
    All,
}

const ORDERS: Case = Case {
    name: "",
    before: "",
    sql: "",
    undo: "",
    tables: &["orders"],
    mode: "AccessExclusiveLock",
    shuts_out: ShutOut::All,
    in_transaction: true,
};

const CASES: [Case; 3] = [
    Case {
        name: "ALTER TYPE",
        sql: "ALTER TABLE orders ALTER amount TYPE bigint",
        undo: "ALTER TABLE orders ALTER amount TYPE int",
        ..ORDERS
    },
    Case {
        name: "CREATE INDEX",
        sql: "CREATE INDEX orders_note ON orders (note, amount)",
        undo: "DROP INDEX orders_note",
        mode: "ShareLock",
        shuts_out: ShutOut::Writers,
        ..ORDERS
    },
    Case {
        name: "ADD FOREIGN KEY",
        sql: "ALTER TABLE orders ADD CONSTRAINT fk FOREIGN KEY (customer) REFERENCES customers (id)",
        undo: "ALTER TABLE orders DROP CONSTRAINT fk",
        tables: &["orders", "customers"],
        mode: "ShareRowExclusiveLock",
        shuts_out: ShutOut::Writers,
        ..ORDERS
    },
];

/// More of the same, which take longer than there is time for in every run.
const MORE_CASES: [Case; 9] = [
    Case {
        name: "SET NOT NULL",
        sql: "ALTER TABLE orders ALTER note SET NOT NULL",
        undo: "ALTER TABLE orders ALTER note DROP NOT NULL",
        ..ORDERS
    },
    Case {
        name: "ADD CHECK",
        sql: "ALTER TABLE orders ADD CONSTRAINT c CHECK (amount > 0 AND note LIKE 'o%')",
        undo: "ALTER TABLE orders DROP CONSTRAINT c",
        ..ORDERS
    },
    Case {
        name: "ADD COLUMN with a volatile default",
        sql: "ALTER TABLE orders ADD COLUMN r float DEFAULT random()",
        undo: "ALTER TABLE orders DROP COLUMN r",
        ..ORDERS
    },
    Case {
        name: "ADD UNIQUE",
        sql: "ALTER TABLE orders ADD CONSTRAINT u UNIQUE (note)",
        undo: "ALTER TABLE orders DROP CONSTRAINT u",
        ..ORDERS
    },
    Case { name: "CLUSTER", sql: "CLUSTER orders USING orders_pkey", ..ORDERS },
    Case {
        name: "SET UNLOGGED",
        sql: "ALTER TABLE orders SET UNLOGGED",
        undo: "ALTER TABLE orders SET LOGGED",
        ..ORDERS
    },
    Case {
        name: "LOCK in a DO block",
        sql: "DO $$ BEGIN LOCK TABLE orders IN EXCLUSIVE MODE; PERFORM pg_sleep(0.4); END $$",
        mode: "ExclusiveLock",
        shuts_out: ShutOut::Writers,
        ..ORDERS
    },
    Case {
        name: "ALTER TYPE in a DO block",
        sql: "DO $$ BEGIN ALTER TABLE orders ALTER amount TYPE bigint; END $$",
        undo: "ALTER TABLE orders ALTER amount TYPE int",
        ..ORDERS
    },
    Case {
        name: "ALTER TYPE of the other table of a foreign key",
        sql: "ALTER TABLE customers ALTER name TYPE varchar(50)",
        undo: "ALTER TABLE customers ALTER name TYPE text",
        tables: &["customers"],
        ..ORDERS
    },
];

const OPEN: [Case; 6] = [
    Case {
        name: "CREATE INDEX CONCURRENTLY",
        sql: "CREATE INDEX CONCURRENTLY orders_note ON orders (note, amount)",
        undo: "DROP INDEX orders_note",
        mode: "ShareUpdateExclusiveLock",
        shuts_out: ShutOut::Nobody,
        in_transaction: false,
        ..ORDERS
    },
    Case {
        name: "VALIDATE CONSTRAINT",
        before: "ALTER TABLE orders ADD CONSTRAINT c CHECK (amount > 0 AND note LIKE 'o%') NOT VALID",
        sql: "ALTER TABLE orders VALIDATE CONSTRAINT c",
        undo: "ALTER TABLE orders DROP CONSTRAINT c",
        mode: "ShareUpdateExclusiveLock",
        shuts_out: ShutOut::Nobody,
        ..ORDERS
    },
    Case {
        name: "ANALYZE",
        sql: "ANALYZE orders",
        mode: "ShareUpdateExclusiveLock",
        shuts_out: ShutOut::Nobody,
        ..ORDERS
    },
    Case {
        name: "UPDATE",
        sql: "UPDATE orders SET amount = amount + 1",
        mode: "RowExclusiveLock",
        shuts_out: ShutOut::Nobody,
        ..ORDERS
    },
    Case {
        name: "VACUUM",
        sql: "VACUUM orders",
        mode: "ShareUpdateExclusiveLock",
        shuts_out: ShutOut::Nobody,
        in_transaction: false,
        ..ORDERS
    },
    Case {
        name: "SELECT",
        sql: "SELECT count(*), max(note) FROM orders",
        mode: "AccessShareLock",
        shuts_out: ShutOut::Nobody,
        ..ORDERS
    },
];

/// A figure and what the session's own clock says about it, in milliseconds.
#[derive(Debug)]
struct Pair {
    what: String,
    computed: f64,
    clock: f64,
    /// Nobody is shut out: the figure has to be none, and the clock may show what a query takes on a busy machine.
    open: bool,
}

impl Pair {
    fn agrees(&self) -> bool {
        if self.open {
            return self.computed == 0.0 && self.clock < MILLIS;
        }
        (self.computed - self.clock).abs() <= MILLIS.max(self.clock * PART)
    }
}

#[test]
fn blocked_time_agrees_with_the_clock_of_whoever_was_blocked() {
    agree(&CASES);
}

#[test]
#[ignore = "takes a minute on a machine that does nothing else"]
fn blocked_time_agrees_for_many_more_statements_and_where_nobody_is_blocked() {
    agree(&[&MORE_CASES[..], &OPEN].concat());
}

fn agree(cases: &[Case]) {
    alone(async {
        let server = server(VERSIONS[0].0, VERSIONS[0].1).await;
        let rig = Rig::with(&server, SCHEMA).await;
        let beside = rig.beside().await;
        for prepare in ["VACUUM ANALYZE", "CHECKPOINT"] {
            beside.client.batch_execute(prepare).await.expect("prepared");
        }
        let mut disagree = Vec::new();
        for case in cases {
            for in_transaction in [true, false] {
                if in_transaction && !case.in_transaction {
                    continue;
                }
                let mut best: Option<Vec<Pair>> = None;
                for _ in 0..ATTEMPTS {
                    beside.client.batch_execute(case.before).await.expect("prepared");
                    let pairs = measure(&rig, case, in_transaction).await;
                    beside.client.batch_execute(case.undo).await.expect("undone");
                    let worst = |pairs: &[Pair]| pairs.iter().filter(|pair| !pair.agrees()).count();
                    if best.as_ref().is_none_or(|best| worst(&pairs) < worst(best)) {
                        best = Some(pairs);
                    }
                    if best.as_ref().is_some_and(|best| worst(best) == 0) {
                        break;
                    }
                }
                disagree.extend(best.into_iter().flatten().filter(|pair| !pair.agrees()));
            }
        }
        server.stop().await.expect("the server stops");
        assert!(disagree.is_empty(), "the observer and the sessions disagree: {disagree:#?}");
    });
}

/// Runs the statement through the tap, with a reader and a writer for each table beside it.
async fn measure(rig: &Rig, case: &Case, in_transaction: bool) -> Vec<Pair> {
    rig.observer.begin_migration().await.expect("the migration begins");
    let paused = paused(rig);
    let tool = rig.tapped().await;
    let poller = rig.beside().await;
    let mut victims = Vec::new();
    for table in case.tables {
        for (who, sql) in [
            ("reads", format!("SELECT 1 FROM {table} LIMIT 0")),
            ("writes", format!("UPDATE {table} SET id = id WHERE false")),
        ] {
            victims.push((*table, who, sql, rig.beside().await));
        }
        if *table == "customers" && case.shuts_out == ShutOut::All {
            let sql = "INSERT INTO invoices VALUES (1)".to_owned();
            victims.push((*table, "writes of a child", sql, rig.beside().await));
        }
    }
    let statements: Vec<&'static str> = if in_transaction { vec!["BEGIN", case.sql, "COMMIT"] } else { vec![case.sql] };
    let work = tokio::spawn(async move {
        for statement in statements {
            tool.client.batch_execute(statement).await.expect("the migration runs");
        }
    });
    let granted = granted(&poller, case).await;
    let mut waiting = Vec::new();
    for (table, who, sql, session) in victims {
        waiting.push(tokio::spawn(async move {
            session.client.batch_execute(&sql).await.expect("the victim's query");
            (table, who, granted.elapsed())
        }));
    }
    let mut clocks = Vec::new();
    for victim in waiting {
        clocks.push(victim.await.expect("a victim"));
    }
    work.await.expect("the migration");
    let paused = self::paused(rig) - paused;
    let observation = rig.end().await;
    let pairs: Vec<Pair> =
        clocks.into_iter().map(|clock| pair(case, in_transaction, &observation.blocking, clock)).collect();
    for pair in &pairs {
        figure(&format!(
            "{:<52} computed {:>8.1} ms, its own clock {:>8.1} ms, difference {:>+6.1} ms ({:>+5.1} %), tap's pauses {paused:.1} ms{}",
            pair.what,
            pair.computed,
            pair.clock,
            pair.computed - pair.clock,
            100.0 * (pair.computed - pair.clock) / pair.clock.max(0.001),
            if pair.agrees() { "" } else { "  DISAGREES" }
        ));
    }
    pairs
}

fn pair(case: &Case, in_transaction: bool, blocking: &[Blocking], clock: (&str, &str, Duration)) -> Pair {
    let (table, who, clock) = clock;
    let found = blocking.iter().find(|blocking| blocking.table == format!("public.{table}"));
    let blocked: Option<&Blocked> = found.map(|found| if who == "reads" { &found.reads } else { &found.writes });
    // A table that nobody is shut out of is not listed.
    let computed = blocked.map_or(Some(0.0), |blocked| blocked.held_ms.map(Millis::as_f64));
    Pair {
        what: format!(
            "{} {}: {who} of {table}",
            case.name,
            if in_transaction { "in a transaction" } else { "in autocommit" }
        ),
        computed: computed.unwrap_or(f64::NAN),
        clock: clock.as_secs_f64() * 1e3,
        open: case.shuts_out == ShutOut::Nobody || (who == "reads" && case.shuts_out == ShutOut::Writers),
    }
}

fn paused(rig: &Rig) -> f64 {
    rig.observer.overhead().held_back_ms.map_or(0.0, Millis::as_f64)
}

/// Waits for the grant of the lock on every table, and says when it was seen.
async fn granted(poller: &Session, case: &Case) -> Instant {
    let tables: Vec<String> = case.tables.iter().map(|table| format!("'{table}'::regclass")).collect();
    let held = format!(
        "SELECT count(*) FROM pg_locks WHERE granted AND mode = '{}' AND relation IN ({}) \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        case.mode,
        tables.join(", ")
    );
    let held = poller.client.prepare(&held).await.expect("prepared");
    loop {
        let count: i64 = poller.client.query_one(&held, &[]).await.expect("pg_locks").get(0);
        if usize::try_from(count).is_ok_and(|count| count >= case.tables.len()) {
            return Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
