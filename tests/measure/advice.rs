//! The SQL that findings give is applied: each step as a migration of its own, on a fresh copy of the schema. Then the finding is
//! gone, and the schema and its rows are what the statement that was found would have made of them.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};

use rehearsal::observe::Observation;
use rehearsal::run::{Conduct, Finding, Migration, Run, Step};
use rehearsal::scenario::Limits;
use rehearsal::server::Server;
use rehearsal::server::session::{Session, message};
use rehearsal::verdict::judge;

use crate::rig::{Rig, VERSIONS, figure, server, test};

/// Statements of one transaction, and what is found of the first or any of them.
struct Case {
    sql: &'static [&'static str],
    found: &'static [&'static str],
    /// Whether rows differ from one time to the next.
    random: bool,
    /// What the safe way makes besides, as a line of the catalog has it.
    besides: &'static str,
}

const fn case(sql: &'static [&'static str], found: &'static [&'static str]) -> Case {
    Case { sql, found, random: false, besides: "" }
}

const SCAN: &str = "full-scan-under-lock";
const WAIT: &str = "no-lock-timeout";
const REWRITE: &str = "table-rewrite";
const WRITES: &str = "blocks-writes";
const READS: &str = "blocks-reads";
const UNNAMED: &str = "blocks-unnamed-table";
const HELD: &str = "lock-held-past-statement";

/// On any version.
const CASES: &[Case] = &[
    case(&["CREATE INDEX ON orders (status)"], &[SCAN, WAIT, WRITES]),
    case(
        &["CREATE INDEX /* a */ IF NOT EXISTS by_note ON orders (lower(note) DESC) WHERE note <> 'CREATE' -- b"],
        &[SCAN],
    ),
    case(
        &["CREATE UNIQUE INDEX \"By \"\"Number\"\"\" ON orders (number) INCLUDE (status) WITH (fillfactor = 70)"],
        &[SCAN],
    ),
    case(&["DROP INDEX orders_customer, orders_open"], &[WAIT]),
    case(&["REINDEX TABLE orders"], &[WAIT, READS]),
    case(&["REINDEX INDEX orders_customer"], &[WAIT, READS]),
    case(&["REFRESH MATERIALIZED VIEW per_customer"], &[WAIT, READS]),
    case(&["ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers ON DELETE CASCADE"], &[SCAN, WAIT]),
    case(
        &[
            "ALTER TABLE ORDERS ADD CONSTRAINT \"Fk\" FOREIGN KEY (customer_id) REFERENCES customers DEFERRABLE INITIALLY DEFERRED",
        ],
        &[SCAN],
    ),
    case(&["ALTER TABLE orders ADD CHECK (total >= 0 AND status <> ';')"], &[SCAN, WAIT]),
    case(&["ALTER TABLE public.orders ALTER COLUMN note SET NOT NULL"], &[SCAN, WAIT]),
    case(&["ALTER TABLE orders ADD UNIQUE (number, status)"], &[SCAN, WAIT]),
    case(&["ALTER TABLE orders ADD CONSTRAINT one UNIQUE (number) DEFERRABLE INITIALLY DEFERRED"], &[WAIT]),
    case(&["ALTER TABLE log ADD PRIMARY KEY (at, n)"], &[WAIT]),
    case(&["ALTER TABLE orders ADD note2 text"], &[WAIT]),
    Case {
        random: true,
        ..case(&["ALTER TABLE orders ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid()"], &[REWRITE, WAIT])
    },
    Case { random: true, ..case(&["ALTER TABLE orders ADD seen timestamptz DEFAULT clock_timestamp()"], &[REWRITE]) },
    case(&["ALTER TABLE orders ALTER COLUMN total TYPE bigint"], &[REWRITE, WAIT]),
    case(&["ALTER TABLE orders ALTER total SET DATA TYPE numeric(12, 2) USING total::numeric(12, 2)"], &[REWRITE]),
    case(&["ALTER TABLE orders ALTER COLUMN customer_id TYPE bigint"], &[REWRITE, WAIT]),
    case(&["ALTER TABLE items ALTER COLUMN order_id TYPE bigint"], &[REWRITE]),
    case(&["ALTER TABLE items ALTER COLUMN id TYPE bigint"], &[REWRITE]),
    case(&["ALTER TABLE notes ALTER COLUMN id TYPE bigint"], &[REWRITE, WAIT]),
    case(
        &["ALTER TABLE notes ALTER COLUMN id TYPE bigint, ADD CONSTRAINT late CHECK (at > '2000-01-01'), DROP body"],
        &[REWRITE, WAIT],
    ),
    case(&["ALTER TABLE parts ATTACH PARTITION loose FOR VALUES FROM (200000) TO (300000)"], &[SCAN]),
    case(&["ALTER TABLE kinds ATTACH PARTITION kinds_b FOR VALUES IN ('b', 'B')"], &[SCAN, UNNAMED]),
    case(&["CREATE TABLE kinds_c PARTITION OF kinds FOR VALUES IN ('c')"], &[UNNAMED]),
    case(&["ALTER TABLE orders ALTER COLUMN note TYPE varchar(200)"], &["index-rebuild", WAIT]),
    case(
        &[
            "ALTER TABLE orders ADD note2 text, ALTER COLUMN note SET NOT NULL, ALTER status DROP DEFAULT, ADD CHECK (total >= 0)",
        ],
        &[SCAN, WAIT],
    ),
    Case {
        random: true,
        ..case(
            &[
                "ALTER TABLE orders ADD CONSTRAINT positive CHECK (total >= 0), ADD seen2 timestamptz DEFAULT clock_timestamp()",
            ],
            &[REWRITE, WAIT],
        )
    },
    case(&["ALTER TABLE orders ALTER COLUMN total TYPE bigint, ADD COLUMN n int"], &[REWRITE]),
    case(&["ALTER TABLE orders DROP COLUMN note, ADD UNIQUE (number, status), ADD note text"], &[SCAN, WAIT]),
    Case {
        besides: "index items: CREATE INDEX items_order_id_idx ON public.items USING btree (order_id), valid",
        ..case(&["DELETE FROM orders WHERE id <= 60"], &["slow-foreign-key-check"])
    },
    case(
        &["ALTER TABLE orders ADD kind text", "UPDATE orders SET kind = status || 'x' WHERE total > 5 -- most"],
        &[HELD],
    ),
    case(
        &[
            "ALTER TABLE orders ADD CONSTRAINT c CHECK (total >= 0) NOT VALID",
            "ALTER TABLE orders VALIDATE CONSTRAINT c",
        ],
        &[HELD],
    ),
];

/// Names that need quotes, in a schema outside the search path.
const ODD: &[Case] = &[
    case(&["CREATE INDEX ON \"Odd Shop\".\"Order \"\"Lines\"\"\" (\"select\")"], &[SCAN]),
    case(
        &[
            "ALTER TABLE \"Odd Shop\".\"Order \"\"Lines\"\"\" ADD FOREIGN KEY (\"select\") REFERENCES \"Odd Shop\".\"Größe 😀\"",
        ],
        &[SCAN],
    ),
    case(&["ALTER TABLE \"Odd Shop\".\"Order \"\"Lines\"\"\" ALTER \"It's\" SET NOT NULL"], &[SCAN]),
    case(&["ALTER TABLE \"Odd Shop\".\"Order \"\"Lines\"\"\" ADD UNIQUE (\"ID\", \"select\")"], &[SCAN]),
    case(&["ALTER TABLE \"Odd Shop\".\"Order \"\"Lines\"\"\" ALTER COLUMN \"b.\"\"c\" TYPE bigint"], &[REWRITE]),
    Case {
        random: true,
        ..case(
            &["ALTER TABLE \"Odd Shop\".\"Order \"\"Lines\"\"\" ADD \"$x$\" float NOT NULL DEFAULT random()"],
            &[REWRITE],
        )
    },
    case(&["ALTER TABLE \"Odd Shop\".\"Order \"\"Lines\"\"\" ALTER COLUMN \"ID\" TYPE bigint"], &[REWRITE]),
    case(&["DROP INDEX \"Odd Shop\".\"I \"\" i\""], &[WAIT]),
    case(&["REINDEX INDEX \"Odd Shop\".\"I \"\" i\""], &[WAIT]),
];

/// Where NOT NULL is a constraint with a name: all of these, on 18.
const NOT_NULL: [&str; 4] = ["SET NOT NULL", "PRIMARY KEY", "TYPE bigint", "gen_random_uuid"];

/// What the server must not be told, since the safe way is another or none is known for certain.
const UNKNOWN: &[&str] = &[
    "ALTER TABLE orders ALTER COLUMN id TYPE bigint",
    "ALTER TABLE tags ALTER COLUMN id TYPE bigint",
    "ALTER TABLE tags ALTER COLUMN n TYPE bigint",
    "ALTER TABLE orders ALTER COLUMN number TYPE bigint, ADD CONSTRAINT c CHECK (number > 0)",
    "ALTER TABLE orders ALTER COLUMN number TYPE bigint, ALTER COLUMN total TYPE bigint",
    "ALTER TABLE orders ALTER COLUMN total TYPE bigint USING total + 1",
    "ALTER TABLE orders ADD COLUMN line serial",
    "ALTER TABLE orders ALTER COLUMN total TYPE bigint, ADD COLUMN k uuid DEFAULT gen_random_uuid()",
    "ALTER TABLE orders ADD COLUMN k uuid DEFAULT gen_random_uuid(), ALTER k SET DEFAULT NULL",
    "ALTER TABLE orders ADD CHECK (total > -1), ADD COLUMN k int REFERENCES customers (id)",
    "ALTER TABLE orders ADD CHECK (at > '2000-01-01'), ADD at timestamptz DEFAULT clock_timestamp()",
    "CREATE INDEX ON parts (n)",
    "ALTER TABLE log ADD COLUMN k uuid DEFAULT gen_random_uuid()",
    "VACUUM FULL orders",
];

const SCHEMA: &str = r#"
CREATE TABLE customers (id int PRIMARY KEY, name text);
INSERT INTO customers SELECT g, 'c' || g FROM generate_series(1, 1200) g;
CREATE TABLE orders (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id int, number int, status text,
    total int NOT NULL DEFAULT 7, note varchar(20)
);
INSERT INTO orders (customer_id, number, status, total, note)
    SELECT g % 1200 + 1, g, 's' || g % 5, g % 90, 'n' || g FROM generate_series(1, 12000) g;
CREATE INDEX orders_customer ON orders (customer_id);
CREATE INDEX orders_open ON orders (note) WHERE note <> '';
CREATE TABLE items (id int PRIMARY KEY, order_id int REFERENCES orders (id));
INSERT INTO items SELECT g, g + 100 FROM generate_series(1, 1200) g;
CREATE TABLE notes (
    id serial PRIMARY KEY, at timestamptz DEFAULT '2026-01-01', body text, UNIQUE (at, id) DEFERRABLE, CHECK (id > 0 AND at > '2001-01-01')
);
INSERT INTO notes (body) SELECT 'b' || g FROM generate_series(1, 12000) g;
CREATE INDEX notes_expr ON notes ((id + 1), at DESC) INCLUDE (id) WHERE id > 5;
CREATE TABLE log (at timestamptz, n int);
INSERT INTO log SELECT now(), g FROM generate_series(1, 1200) g;
CREATE MATERIALIZED VIEW per_customer AS SELECT id AS customer_id, length(name) FROM customers;
CREATE UNIQUE INDEX per_customer_id ON per_customer (customer_id);
CREATE TABLE parts (n int) PARTITION BY RANGE (n);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100000);
INSERT INTO parts SELECT g FROM generate_series(1, 1200) g;
CREATE TABLE tags (id int PRIMARY KEY, n int UNIQUE);
INSERT INTO tags SELECT g, g FROM generate_series(1, 12000) g;
CREATE TABLE tagged (tag int REFERENCES tags);
COMMENT ON CONSTRAINT tags_n_key ON tags IS 'which would be lost';
CREATE TABLE loose (n int);
INSERT INTO loose SELECT 200000 + g FROM generate_series(1, 12000) g;
CREATE TABLE kinds (kind text, n int) PARTITION BY LIST (kind);
CREATE TABLE kinds_rest PARTITION OF kinds DEFAULT;
INSERT INTO kinds SELECT 'x' || g % 7, g FROM generate_series(1, 12000) g;
CREATE TABLE kinds_b (kind text, n int);
INSERT INTO kinds_b SELECT 'b', g FROM generate_series(1, 12000) g;
CREATE SCHEMA "Odd Shop";
CREATE TABLE "Odd Shop"."Größe 😀" (id int PRIMARY KEY);
INSERT INTO "Odd Shop"."Größe 😀" VALUES (1), (2);
CREATE TABLE "Odd Shop"."Order ""Lines""" (
    "ID" int PRIMARY KEY, "select" int, "It's" text, "a.b" int NOT NULL, "b.""c" int NOT NULL DEFAULT 3
);
INSERT INTO "Odd Shop"."Order ""Lines""" SELECT g, g % 2 + 1, 'x', g FROM generate_series(1, 1200) g;
CREATE INDEX "I "" i" ON "Odd Shop"."Order ""Lines""" ("a.b" DESC);
VACUUM ANALYZE;
"#;

#[test]
fn what_is_advised_makes_the_finding_go_away_on_15() {
    let all: Vec<&Case> = CASES.iter().chain(ODD).collect();
    test(walk(0, &all, UNKNOWN));
}

#[test]
fn what_is_advised_makes_the_finding_go_away_on_18() {
    let about = |case: &&Case| case.sql.iter().any(|sql| NOT_NULL.iter().any(|words| sql.contains(words)));
    let some: Vec<&Case> = CASES.iter().filter(about).collect();
    test(walk(2, &some, &[]));
}

async fn walk(version: usize, cases: &[&Case], unknown: &[&str]) {
    let (version, provider) = VERSIONS[version];
    let server = server(version, provider).await;
    let lab = Lab::new(&server).await;
    let (mut wrong, mut applied) = (String::new(), 0);
    for case in cases {
        applied += lab.apply(case, &mut wrong).await;
    }
    for sql in unknown {
        let run = lab.bad(&[sql]).await.0;
        let given: Vec<&Finding> = run.findings.iter().filter(|found| !found.instead.is_empty()).collect();
        let beyond = given.iter().filter(|found| found.code != WAIT || found.instead.len() > 1).count();
        if beyond > 0 {
            let _ = writeln!(wrong, "{sql}: {given:#?}");
        }
    }
    figure(&format!(
        "PostgreSQL {version}: {} cases, {applied} findings, gone once their SQL was applied",
        cases.len()
    ));
    server.stop().await.expect("the server stops");
    assert!(wrong.is_empty(), "PostgreSQL {version}:\n{wrong}");
}

/// One server, and a copy of the schema for each try.
pub(crate) struct Lab<'a> {
    server: &'a Server,
    admin: Session,
    tables: serde_json::Value,
    version: String,
    copies: AtomicU32,
}

impl<'a> Lab<'a> {
    pub(crate) async fn new(server: &'a Server) -> Self {
        let admin = Session::open(&server.config("postgres")).await.expect("a session");
        for quick in ["ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()", "CREATE DATABASE base"] {
            admin.client.batch_execute(quick).await.expect("a server that need not last");
        }
        let base = Session::open(&server.config("base")).await.expect("a session");
        for statement in rehearsal::sql::postgres::split(SCHEMA).expect("SQL") {
            base.client.batch_execute(&statement.text).await.expect("the schema is made");
        }
        let sql = "SELECT json_agg(json_build_object('name', quote_ident(nspname) || '.' || quote_ident(relname), \
                   'rows', reltuples::int, 'bytes', 0))::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
                   WHERE relkind IN ('r', 'm') AND c.oid >= 16384";
        let tables: String = base.client.query_one(sql, &[]).await.expect("rows").get(0);
        let version = admin.client.query_one("SHOW server_version", &[]).await.expect("a version").get(0);
        Self { server, admin, tables: serde_json::from_str(&tables).expect("JSON"), version, copies: AtomicU32::new(0) }
    }

    /// A rig on a fresh copy.
    pub(crate) async fn rig(&self) -> Rig {
        let name = format!("copy_{}", self.copies.fetch_add(1, Ordering::Relaxed));
        let clone = format!("CREATE DATABASE {name} TEMPLATE base");
        for _ in 0..50 {
            if self.admin.client.batch_execute(&clone).await.is_ok() {
                return Rig::new(self.server, &name).await;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("{name} is not made: somebody is still in the template");
    }

    /// Statements in one transaction, unless they cannot run in one; with the schema that they leave.
    async fn bad(&self, sql: &[&str]) -> (Run, String) {
        let rig = self.rig().await;
        let conduct = if sql[0].starts_with("VACUUM") { Conduct::OutsideTransaction } else { Conduct::Transaction };
        let step = Step { run: conduct, sql: sql.iter().map(|sql| (*sql).to_owned()).collect() };
        let run = self.judged(&[self.migration(&rig, &step).await]);
        (run, schema(&rig).await)
    }

    async fn migration(&self, rig: &Rig, step: &Step) -> Observation {
        rig.observer.begin_migration().await.expect("it begins");
        let tool = rig.tapped().await;
        let ends = step.run == Conduct::Transaction;
        let begin = ends.then_some("BEGIN");
        let all = begin.into_iter().chain(step.sql.iter().map(String::as_str)).chain(ends.then_some("COMMIT"));
        for sql in all {
            if let Err(error) = tool.client.simple_query(sql).await {
                panic!("{sql}\nfails: {}", message(&error));
            }
        }
        rig.end().await
    }

    pub(crate) fn judged(&self, observed: &[Observation]) -> Run {
        let none: Vec<()> = Vec::new();
        let run = serde_json::json!({
            "schema_version": 1, "rehearsal_version": "0", "started_at": "2026-11-22T09:00:00Z", "duration_ms": 1.0,
            "completion": "complete", "scenario": {"title": "", "path": "", "digest": ""},
            "server": {"engine": "postgres", "version": self.version, "provider": "", "origin": "", "settings": {}, "cpus": 1},
            "snapshot": {"origin": "restored", "cache": "off", "duration_ms": 1.0, "tables": self.tables},
            "migrations": none, "queries": none, "findings": none, "notes": none,
            "limits": Limits::default(),
            "overhead": {"per_statement_ms": null, "held_back_ms": null, "sampler_ms": null, "samples": 0, "note": ""},
        });
        let mut run: Run = serde_json::from_value(run).expect("a record");
        // Whoever is shut out at all is told, so that no figure decides.
        let none_at_all = rehearsal::run::Millis::default();
        (run.limits.reads_blocked_ms, run.limits.writes_blocked_ms) = (none_at_all, none_at_all);
        for (index, observation) in observed.iter().enumerate() {
            let failed = observation.statements.iter().any(|statement| statement.error.is_some());
            let migration = serde_json::json!({
                "id": index.to_string(), "name": index.to_string(), "path": null,
                "status": if failed { "failed" } else { "applied" },
                "duration_ms": observation.duration, "statements": observation.statements,
                "blocking": observation.blocking, "removed": observation.removed,
                "invalid_indexes": observation.invalid_indexes, "shapes": observation.shapes,
                "undescribed": observation.undescribed,
            });
            run.migrations.push(serde_json::from_value::<Migration>(migration).expect("a migration"));
        }
        (run.findings, run.verdict) = judge(&run);
        run
    }

    /// Has a case's findings, and applies what each advises; gives how many.
    async fn apply(&self, case: &Case, wrong: &mut String) -> usize {
        let (bad, mut expected) = self.bad(case.sql).await;
        expected = lines_of(&format!("{expected}{}\n", case.besides), case.random);
        let (mut tried, mut applied): (Vec<(Vec<Step>, Run)>, usize) = (Vec::new(), 0);
        for code in case.found {
            // Some limits would hide others: `blocks-…` at no time at all tells nearly all, so the others are looked for without.
            let run = if is_strict(code) { bad.clone() } else { lenient(bad.clone()) };
            let Some(found) = run.findings.iter().find(|found| found.code == *code) else {
                let codes: Vec<&str> = run.findings.iter().map(|found| found.code.as_str()).collect();
                let _ = writeln!(wrong, "{:?}: {code} is not found, but {codes:?}", case.sql);
                continue;
            };
            if found.instead.is_empty() {
                let _ = writeln!(wrong, "{:?}: {code} gives no SQL, only {:?}", case.sql, found.help);
                continue;
            }
            let text: Vec<&String> = found.instead.iter().flat_map(|step| &step.sql).collect();
            if text.iter().any(|sql| sql.contains('…')) || found.help.contains('…') {
                let _ = writeln!(wrong, "{:?}: {code} is not whole: {text:?}", case.sql);
            }
            applied += 1;
            // Several findings of a statement have the same way out.
            if !tried.iter().any(|(steps, _)| *steps == found.instead) {
                let rig = self.rig().await;
                let mut observed = Vec::new();
                for step in &found.instead {
                    observed.push(self.migration(&rig, step).await);
                }
                let now = lines_of(&schema(&rig).await, case.random);
                if now != expected {
                    let differ = differ(&expected, &now);
                    let _ = writeln!(wrong, "{:?}: {code} ends elsewhere by {text:#?}:\n{differ}", case.sql);
                }
                tried.push((found.instead.clone(), self.judged(&observed)));
            }
            let good = tried.iter().find(|(steps, _)| *steps == found.instead).map(|(_, run)| run.clone());
            let good = good.expect("it was tried");
            let good = if is_strict(code) { good } else { lenient(good) };
            // Somebody else's table is still locked for a moment.
            let is_left = |left: &&Finding| left.code == *code && left.evidence.get("scanned") != Some(&false.into());
            if let Some(left) = good.findings.iter().find(is_left) {
                let _ = writeln!(wrong, "{:?}: {code} is still found after {text:#?}: {}", case.sql, left.message);
            }
        }
        applied
    }
}

/// Judged by the limits that hold where none are set.
/// Whether no figure is to decide whether something is found.
fn is_strict(code: &str) -> bool {
    [READS, WRITES].contains(&code)
}

fn lenient(mut run: Run) -> Run {
    run.limits = Limits { rewrite_rows: 1_000, ..Limits::default() };
    (run.findings, run.verdict) = judge(&run);
    run
}

/// The lines in order, without rows if these are never the same.
fn lines_of(schema: &str, random: bool) -> String {
    let lines = schema.lines().filter(|line| !(line.is_empty() || random && line.starts_with("rows ")));
    let mut lines: Vec<&str> = lines.collect();
    lines.sort_unstable();
    lines.join("\n")
}

fn differ(expected: &str, now: &str) -> String {
    let only = |a: &str, b: &str, mark: &str| -> String {
        a.lines()
            .filter(|line| !b.lines().any(|other| other == *line))
            .fold(String::new(), |text, line| text + "  " + mark + " " + line + "\n")
    };
    only(expected, now, "-") + &only(now, expected, "+")
}

/// Everything in the database, and its rows, whatever the order of columns.
async fn schema(rig: &Rig) -> String {
    let session = rig.beside().await;
    session.client.batch_execute("SET search_path = pg_catalog").await.expect("a setting");
    let sql = "
        WITH own AS (SELECT c.oid, c.relname, c.relkind FROM pg_class c WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'm', 'v', 'S')
                     AND c.relnamespace <> 'pg_toast'::regnamespace)
        SELECT 'column ' || relname || '.' || attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull || ' '
            || COALESCE(pg_get_expr(adbin, adrelid), '-') || concat(attidentity, attgenerated, attstorage)
        FROM own JOIN pg_attribute a ON attrelid = own.oid AND attnum > 0 AND NOT attisdropped
        LEFT JOIN pg_attrdef d ON adrelid = attrelid AND adnum = attnum
        UNION ALL SELECT 'constraint ' || relname || ': ' || conname || ' ' || pg_get_constraintdef(o.oid) || ', ' || convalidated
        FROM own JOIN pg_constraint o ON conrelid = own.oid
        UNION ALL SELECT 'index ' || relname || ': ' || pg_get_indexdef(indexrelid) || CASE WHEN indisvalid THEN ', valid' ELSE '' END
        FROM own JOIN pg_index ON indrelid = own.oid
        UNION ALL SELECT 'trigger ' || tgname FROM own JOIN pg_trigger ON tgrelid = own.oid WHERE NOT tgisinternal
        UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE oid >= 16384
        UNION ALL SELECT concat('relation ', relname, ' ', relkind) FROM own";
    let mut text = String::new();
    for row in session.client.query(sql, &[]).await.expect("the catalog") {
        let _ = writeln!(text, "{}", row.get::<_, String>(0));
    }
    let tables = "SELECT quote_ident(nspname) || '.' || quote_ident(relname) FROM pg_class c JOIN pg_namespace n \
                  ON n.oid = relnamespace WHERE c.oid >= 16384 AND relkind IN ('r', 'm')";
    for row in session.client.query(tables, &[]).await.expect("the tables") {
        let table: String = row.get(0);
        let sum = format!("SELECT COALESCE(sum(hashtextextended(to_jsonb(t)::text, 0)), 0)::text FROM {table} t");
        let sum: String = session.client.query_one(&sum, &[]).await.expect("the rows").get(0);
        let _ = writeln!(text, "rows {table} {sum}");
    }
    text
}
