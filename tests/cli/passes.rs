//! `--passes`: stalls are on record where they were asked for or cost little, and `null` where there was one pass.

use crate::sandbox::{Sandbox, ended};

/// A migration that keeps every row of a table locked for a second, and the table open for everybody.
const BACKFILL: &str = "UPDATE orders SET total = total + 1;\nSELECT pg_sleep(1);\n";

#[test]
fn a_second_pass_feels_rows_that_stay_locked() {
    let sandbox = Sandbox::shop().with("migrations/002_backfill.sql", BACKFILL);
    let ended = sandbox.run(&["run", "scenario.toml", "--out", "out", "--passes", "2"]).expect(1);
    assert!(ended.stdout.contains("error[blocks-writes] migrations/002_backfill.sql:1"), "{}", ended.stdout);
    assert!(ended.stdout.contains("A writer of rows of public.orders"), "{}", ended.stdout);
    let record = sandbox.record();
    assert!(record["overhead"]["noise_floor_ms"].as_f64().is_some_and(|floor| floor >= 10.0));
    let blocking = &record["migrations"][1]["blocking"][0];
    let stalled = |who: &str| blocking[who]["stalled_ms"].as_f64().expect("it was felt");
    assert_eq!(blocking["table"], "public.orders");
    assert_eq!(blocking["writes"]["held_ms"], 0.0);
    assert!(stalled("writes") > 900.0 && stalled("reads") < 900.0, "{blocking}");
    let record_of_the_first = &record["migrations"][0]["blocking"][0]["reads"];
    assert!(record_of_the_first["stalled_ms"].is_f64(), "{record_of_the_first}");
    sandbox.assert_clean();
}

#[test]
fn one_pass_feels_nothing_and_says_so() {
    let sandbox = Sandbox::shop().with("migrations/002_backfill.sql", BACKFILL);
    sandbox.rehearse().expect(0);
    let record = sandbox.record();
    assert!(record["overhead"].get("noise_floor_ms").is_none());
    assert!(record["migrations"][0]["blocking"][0]["reads"]["stalled_ms"].is_null());
}

/// Whether there was a second pass, which nobody asked for.
fn is_probed(sandbox: &Sandbox, arguments: &[&str]) -> bool {
    let arguments = [&["run", "scenario.toml", "--out", "out"], arguments].concat();
    let ended = ended(sandbox.command(&arguments).env_remove("REHEARSAL_PASSES"));
    let record = sandbox.record();
    assert_eq!(record["completion"], "complete", "{}", ended.stderr);
    record["overhead"].get("noise_floor_ms").is_some()
}

#[test]
fn how_many_passes_there_are_depends_on_what_there_is_to_be_felt_and_what_it_costs() {
    assert!(is_probed(&Sandbox::shop(), &[]), "a thousand rows are there in a moment, and somebody may wait for them");

    let grown = "[[snapshot.table]]\nname = \"orders\"\nrows = 250_000\n\n[migrations]";
    let large = Sandbox::shop().replacing("scenario.toml", "[migrations]", grown);
    assert!(!is_probed(&large, &["--no-cache"]), "so many rows would be made twice");
    assert!(is_probed(&large, &[]), "they are kept, and cloned");

    let empty = |sandbox: Sandbox| {
        let sandbox = sandbox.replacing("scenario.toml", "restore = \"staging.sql\"", "");
        sandbox.replacing("scenario.toml", "old = \"queries/old.sql\"\nnew = \"queries/new.sql\"", "")
    };
    let created = "CREATE TABLE orders (id int)";
    let sandbox = empty(Sandbox::shop()).with("migrations/000_orders.sql", created);
    let sandbox = sandbox.with("migrations/002_more.sql", "CREATE TABLE more (id int);\n");
    assert!(!is_probed(&sandbox, &[]), "nobody waits for an empty table");
    let message = empty(Sandbox::migrated_by(&format!("psql -Xc \"{created}; CREATE INDEX ON orders (id)\"")));
    assert!(is_probed(&message, &[]), "what each statement of a message does is told apart");
}

#[test]
fn another_number_of_passes_is_refused() {
    let ended = Sandbox::shop().run(&["run", "scenario.toml", "--passes", "3"]).expect(2);
    assert!(ended.stderr.contains("3 is not in 1..=2"), "{}", ended.stderr);
}

/// Many tools send a file as one message; here two of them do, one of them within a transaction of its own.
const ONE_MESSAGE: &str = "psql -Xc 'ALTER TABLE orders ADD COLUMN note text;
UPDATE orders SET total = total + 1; ALTER TABLE orders ALTER total TYPE text' && psql -Xc 'CREATE TABLE extra (id int)'";

#[test]
fn a_second_pass_tells_apart_what_was_one_message() {
    let command = ONE_MESSAGE.replace('\'', "\"");
    let sandbox = Sandbox::migrated_by(&command);
    let ended = sandbox.run(&["run", "scenario.toml", "--out", "out", "--passes", "2"]);
    let record = sandbox.record();
    let statements = record["migrations"][0]["statements"].as_array().expect("statements");
    assert_eq!(statements.len(), 2, "{}{}", ended.stdout, ended.stderr);
    let parts = statements[0]["parts"].as_array().unwrap_or_else(|| panic!("no parts: {record:#}"));
    let lines: Vec<u64> = parts.iter().filter_map(|part| part["line"].as_u64()).collect();
    assert_eq!(lines, [1, 2, 2]);
    let locked = parts[0]["locks"][0].clone();
    assert_eq!((&locked["mode"], &locked["how"]), (&"AccessExclusiveLock".into(), &"exact".into()));
    assert_eq!(parts[1]["rows"], 1000);
    assert_eq!(parts[0]["rewrites"].as_array().map(Vec::len), Some(0));
    let rewritten = parts[2]["rewrites"].as_array().expect("they are read");
    assert!(rewritten.iter().any(|rewrite| rewrite["relation"] == "public.orders"), "{rewritten:?}");
    assert!(statements[1].get("parts").is_none());
    assert!(ended.stdout.contains(" - 1: ALTER TABLE"), "{}", ended.stdout);
    sandbox.assert_clean();
    // The first pass alone says how to have this.
    let whole = Sandbox::migrated_by(&command).rehearse();
    assert!(whole.stdout.contains("--passes 2 tells what each of them does"), "{}", whole.stdout);
}

#[test]
fn a_finding_is_about_the_statement_of_a_message_that_did_it() {
    let message = "psql -Xc \"ALTER TABLE orders ADD COLUMN note text;\nUPDATE orders SET total = total + 1;\n\
                   ALTER TABLE orders ALTER total TYPE text\"";
    let sandbox = Sandbox::migrated_by(message);
    let ended = sandbox.run(&["run", "scenario.toml", "--out", "out", "--passes", "2"]);
    let rewrite = finding(&sandbox, "table-rewrite");
    assert_eq!((&rewrite["line"], &rewrite["evidence"]["pass"]), (&3.into(), &2.into()), "{rewrite:#}");
    assert!(rewrite["message"].as_str().is_some_and(|message| message.starts_with("ALTER TABLE wrote")), "{rewrite:#}");
    assert!(ended.stdout.contains("migration command, line 3 of the message"), "{}", ended.stdout);
}

#[test]
fn an_error_is_told_by_its_line_in_the_message() {
    for (last, line) in
        [("ALTER TABLE orders\n  ADD CHECK (total > 0),\n  ADD tags textt", 4), ("ALTER TABEL orders", 2)]
    {
        let sandbox = Sandbox::migrated_by(&format!("psql -Xc \"SELECT 1;\n{last}\""));
        let ended = sandbox.run(&["run", "scenario.toml", "--out", "out", "--passes", "2"]).expect(1);
        let failure = finding(&sandbox, "migration-failed");
        assert_eq!(failure["line"], line, "{failure:#}\n{}", ended.stdout);
    }
}

#[test]
fn the_statement_of_a_message_that_failed_is_told_by_a_second_pass() {
    let message =
        "psql -Xc \"UPDATE orders SET total = total + 1;\nALTER TABLE orders ADD CHECK (total > 10);\nSELECT 1\"";
    let sandbox = Sandbox::migrated_by(message);
    let ended = sandbox.run(&["run", "scenario.toml", "--out", "out", "--passes", "2"]).expect(1);
    let failure = finding(&sandbox, "fails-on-data");
    assert_eq!(failure["line"], 2, "{failure:#}{}", ended.stderr);
    let record = sandbox.record();
    let unit = &record["migrations"][0]["statements"][0];
    assert_eq!((&unit["status"], &unit["error"]["sqlstate"]), (&"error".into(), &"23514".into()));
    let parts = unit["parts"].as_array().expect("it was taken apart");
    let statuses: Vec<_> = parts.iter().filter_map(|part| part["status"].as_str()).collect();
    assert_eq!(statuses, ["ok", "error"], "what stands after it was never begun");
    assert!(
        record["migrations"][0]["error"].as_str().is_some_and(|said| said.contains("violated by some row")),
        "{record:#}"
    );
    sandbox.assert_clean();
}

fn finding(sandbox: &Sandbox, code: &str) -> serde_json::Value {
    let record = sandbox.record();
    let findings = record["findings"].as_array().expect("findings");
    findings.iter().find(|finding| finding["code"] == code).unwrap_or_else(|| panic!("no {code}: {record:#}")).clone()
}

#[test]
fn the_locks_of_a_statement_outside_a_transaction_are_read_in_a_second_pass() {
    let alone = "-- rehearsal: no-transaction\nALTER TABLE orders ADD COLUMN note text;\nCREATE INDEX CONCURRENTLY ON orders (note);\n";
    let sandbox = Sandbox::shop().with("migrations/002_alone.sql", alone);
    sandbox.run(&["run", "scenario.toml", "--out", "out", "--passes", "2"]).expect(0);
    let record = sandbox.record();
    let altered = &record["migrations"][1]["statements"][0];
    assert_eq!(altered["in_transaction"], false, "{altered:#}");
    let lock = &altered["locks"][0];
    assert_eq!((&lock["mode"], &lock["how"]), (&"AccessExclusiveLock".into(), &"exact".into()), "{altered:#}");
    assert!(lock["held_ms"].is_f64(), "{altered:#}");
    assert_eq!(altered["lock_timeout_ms"], 0, "without a bound: {altered:#}");
}
