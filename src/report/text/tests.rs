//! The report as it looks: a failing run, a passing one, an interrupted one, one with figures that were not observed,
//! one with many migrations, and one of MySQL.

use super::*;
use crate::observe::postgres::lock_mode::LockMode::{AccessExclusive, RowExclusive, Share, ShareRowExclusive};
use crate::run::Algorithm::{Copy, Inplace, InplaceRebuild, Instant};
use crate::run::QuerySet::{New, Old};
use crate::run::{Change, Completion, MigrationStatus};
use crate::scenario::Engine;
use crate::verdict::testing::Said::{self, Fails, Otherwise, Same};
use crate::verdict::testing::{Facts, GONE, facts, facts_on, migration, statement};

const PLAN: Said = Fails("0A000", "cached plan must not change result type");

fn shop() -> Facts {
    facts()
        .table("public.orders", 5_000_000)
        .table("public.order_lines", 1_200_000)
        .table("public.customers", 20_000)
        .table("public.countries", 240)
        .table("public.drafts", 0)
}

fn failing() -> Facts {
    let add_index = statement(2, "CREATE INDEX orders_status\n  ON orders (status)", 3_120)
        .locks("public.orders", Share, 3_120)
        .scan("public.orders", 5_000_000);
    let expand = migration("0002").statement(statement(0, "BEGIN", 0).with(|s| s.line = None)).statement(add_index);
    let retype = statement(1, "ALTER TABLE orders ALTER COLUMN id TYPE bigint, DROP COLUMN status", 7_840)
        .locks("public.orders", AccessExclusive, 7_851)
        .rewrite("public.orders", 612_368_384)
        .rebuild("public.orders_pkey", "public.orders", 112_197_632);
    let contract = migration("0003").statement(retype).statement(statement(2, "COMMIT", 11));
    let list = [("before", Same), ("after:0002", Same), ("after", GONE)];
    let count = [
        ("before", Same),
        ("after:0002", Same),
        (
            "after",
            Otherwise(vec![Change::ColumnType {
                name: "id".to_owned(),
                before: "integer".to_owned(),
                after: "bigint".to_owned(),
            }]),
        ),
    ];
    shop()
        .migration(expand.blocks("public.orders", 5_000_000, 0, 3_120, 1))
        .migration(
            contract.blocks("public.orders", 5_000_000, 7_851, 7_851, 0).removes("public.orders", Some("status")),
        )
        .query(Old, "list orders", &list)
        .query(Old, "order ids", &count)
        .pooled(Old, "order ids", &[("before", Same), ("after:0002", Same), ("after", PLAN)])
        .query(New, "orders by state", &[("before", GONE), ("after:0002", GONE), ("after", Same)])
}

/// What the manual calls INSTANT, what copies, what rebuilds, and what stays after a failure.
fn of_mysql() -> Facts {
    let tables = facts_on(Engine::Mysql).table("orders", 5_000_000).table("customers", 20_000).table("drafts", 0);
    let add = statement(1, "ALTER TABLE orders ADD COLUMN channel VARCHAR(20)", 21)
        .by(Instant)
        .metadata_lock("orders", "EXCLUSIVE", 14)
        .row_versions("orders", 251)
        .with(|statement| statement.lock_wait_timeout_s = Some(31_536_000));
    let index = statement(2, "ALTER TABLE orders ADD INDEX (channel)", 3_120)
        .by(Inplace)
        .metadata_lock("orders", "EXCLUSIVE", 27)
        .scan("orders", 5_000_000);
    let copy = statement(1, "ALTER TABLE orders MODIFY customer_id BIGINT NOT NULL", 48_300)
        .by(Copy)
        .metadata_lock("orders", "EXCLUSIVE", 128)
        .metadata_lock("orders", "SHARED_NO_WRITE", 48_152)
        .metadata_lock("customers", "SHARED_READ_ONLY", 48_280)
        .rewrite("orders", 612_368_384)
        .touched(5_000_000);
    let fill = statement(2, "UPDATE customers SET phone = '' WHERE phone IS NULL", 90)
        .with(|statement| statement.in_transaction = false)
        .metadata_lock("customers", "SHARED_WRITE", 90)
        .touched(1_200);
    let unique = statement(3, "ALTER TABLE customers ADD UNIQUE (phone)", 310).refused(
        1062,
        "23000",
        "Duplicate entry '' for key 'customers.phone'",
    );
    let contract = migration("0003").statement(copy).statement(fill).statement(unique);
    tables
        .migration(migration("0002").statement(add).statement(index).blocks("orders", 5_000_000, 27, 27, 1))
        .migration(
            contract
                .blocks("orders", 5_000_000, 128, 48_280, 0)
                .blocks("customers", 20_000, 0, 48_280, 0)
                .keeps(&[0, 1], None),
        )
        .query(Old, "orders of customer", &[("before", Same), ("after:0002", Same)])
}

fn passing() -> Facts {
    let add = statement(1, "ALTER TABLE orders ADD COLUMN status text", 1).locks("public.orders", AccessExclusive, 2);
    let works = [("before", Same), ("after", Same)];
    shop()
        .migration(migration("0002").statement(add).blocks("public.orders", 5_000_000, 2, 2, 0))
        .query(Old, "list orders", &works)
        .query(New, "orders by status", &[("before", GONE), ("after", Same)])
        .with(|run| run.notes.push("no container engine answers, so local binaries are used".to_owned()))
}

#[test]
fn a_failing_run() {
    insta::assert_snapshot!(render(&failing().judged(), Style::default()));
}

#[test]
fn a_run_of_mysql() {
    insta::assert_snapshot!(render(&of_mysql().judged(), Style::default()));
}

#[test]
fn a_way_is_told_with_what_it_wrote_as_far_as_that_is_known() {
    let cell = |algorithm, table: &str, bytes: Option<u64>| {
        let alter = statement(1, "ALTER TABLE orders FORCE", 9).by(algorithm).rewrite(table, 0);
        let alter = alter.with(|statement| statement.rewrites.as_mut().unwrap()[0].bytes = bytes);
        let tables = facts_on(Engine::Mariadb).table("orders", 5_000_000).table("drafts", 0);
        let report = render(&tables.migration(migration("0002").statement(alter)).judged(), Style::default());
        let line = report.lines().find(|line| line.starts_with(" 1: ")).unwrap_or_default();
        line.rsplit('|').next().unwrap_or_default().trim().to_owned()
    };
    assert_eq!(cell(Copy, "orders", Some(612_368_384)), "copy 584 MB");
    assert_eq!(cell(Copy, "orders", None), "copy");
    assert_eq!(cell(InplaceRebuild, "orders", Some(8_192)), "rebuild 8.0 kB");
    assert_eq!(cell(InplaceRebuild, "drafts", Some(8_192)), "rebuild");
}

#[test]
fn a_passing_run() {
    insta::assert_snapshot!(render(&passing().judged(), Style::default()));
}

#[test]
fn an_interrupted_run() {
    let never = migration("0004").ended(MigrationStatus::NotRun).with(|m| m.duration_ms = None);
    let interrupted = passing().migration(never).with(|run| {
        run.completion = Completion::Interrupted;
        run.queries.retain(|query| query.at == "before");
    });
    insta::assert_snapshot!(render(&interrupted.judged(), Style::default()));
}

#[test]
fn a_run_whose_figures_were_not_all_observed() {
    let reindex = statement(1, "REINDEX TABLE orders", 812).unobserved();
    let update = statement(2, "UPDATE orders SET status = 'new' WHERE status IS NULL", 400)
        .locks("public.orders", RowExclusive, 401)
        .touched(12_000);
    let lock = statement(3, "LOCK TABLE orders IN SHARE MODE", 1).locks("public.orders", Share, None);
    let migration = migration("0002").statement(reindex).statement(update).statement(lock);
    let unseen = migration.blocks("public.orders", 5_000_000, 0, 0, 2).with(|m| m.blocking[0].writes.held_ms = None);
    insta::assert_snapshot!(render(&shop().migration(unseen).judged(), Style::default()));
}

/// The section of a report that begins with these words.
fn line_of(report: &str, begin: &str) -> String {
    let mut rest = report.lines().skip_while(|line| !line.starts_with(begin));
    let first = rest.next().unwrap_or_default().to_owned();
    rest.take_while(|line| line.starts_with("  ")).fold(first, |text, line| text + " " + line.trim_start())
}

#[test]
fn where_a_migration_failed_or_was_not_run_the_state_that_was_reached_is_told() {
    for missing in [MigrationStatus::Failed, MigrationStatus::NotRun] {
        let half_way = |said: Said| {
            let facts = shop().migration(migration("0002")).migration(migration("0003").ended(missing));
            let run = facts.query(Old, "list", &[("before", Same), ("after:0002", said)]);
            let run = run.query(New, "new", &[("before", GONE), ("after:0002", GONE)]);
            let report = render(&run.judged(), Style::default());
            let new = line_of(&report, "New queries");
            assert_eq!(new, "New queries: 0 of 1 work before, 0 of 1 work after 0002_change.sql");
            line_of(&report, "Old queries")
        };
        assert_eq!(half_way(Same), "Old queries: 1 of 1 work before, 1 of 1 work after 0002_change.sql");
        assert_eq!(
            half_way(GONE),
            "Old queries: 1 of 1 work before, 0 of 1 work after 0002_change.sql; failing after 0002_change.sql: \
             `list` (queries/old.sql:4)"
        );
    }
}

#[test]
fn a_migration_that_failed_is_told_with_its_time_and_leaves_class_and_order_open() {
    let failed = || migration("0003").took(3).failed_with("exit status 1");
    for (facts, answer, applied) in [
        (shop().migration(failed()), "FAIL  class and deploy order not known: 0003_change.sql failed", "1 error; "),
        (
            shop().migration(migration("0002").removes("public.orders", None)).migration(failed()),
            "FAIL  destructive; deploy order not known: 0003_change.sql failed",
            "1 error, 1 warning; 1 of 2 migrations applied, ",
        ),
    ] {
        let asked = facts.query(Old, "list", &[("before", Same)]);
        let report = render(&asked.judged(), Style::default());
        let lines: Vec<&str> = report.lines().take(3).collect();
        assert_eq!(lines[0], answer);
        assert_eq!(lines[2], format!("{applied}0003_change.sql failed after 3.0 ms"));
    }
}

#[test]
fn of_equal_locks_that_on_the_largest_table_is_shown_and_the_others_are_counted() {
    let key = statement(1, "ALTER TABLE orders ADD FOREIGN KEY (country) REFERENCES countries", 9)
        .locks("public.countries", ShareRowExclusive, 9)
        .locks("public.orders", ShareRowExclusive, 9);
    let run = shop().migration(migration("0002").statement(key)).judged();
    assert!(render(&run, Style::default()).contains("| ShareRowExclusive orders +1 more |"));
    let narrow = render(&run, Style { color: false, width: 80 });
    assert!(narrow.contains("| ShareRowExclusive ord… |"), "{narrow}");
}

#[test]
fn what_the_transaction_holds_already_is_not_called_none() {
    let alter =
        || statement(1, "ALTER TABLE orders ALTER status SET NOT NULL", 1).locks("public.orders", AccessExclusive, 30);
    let drop = statement(2, "ALTER TABLE orders DROP CONSTRAINT c", 1);
    let later = statement(3, "ALTER TABLE orders DROP CONSTRAINT d", 1);
    let transaction = migration("0002").statement(alter()).statement(drop).statement(statement(0, "COMMIT", 1));
    let report = render(&shop().migration(transaction.statement(later)).judged(), Style::default());
    let cells = |begin: &str| -> Vec<String> {
        let line = report.lines().find(|line| line.starts_with(begin)).unwrap_or_default();
        line.split('|').skip(2).map(|cell| cell.trim().to_owned()).collect()
    };
    assert_eq!(cells(" 2: "), ["held", "held", "held", "-"]);
    assert_eq!(cells(" 3: "), ["-", "-", "-", "-"]);
    assert!(report.contains("\nheld: still locked by an earlier statement of the transaction\n"));
    let alone = render(&shop().migration(migration("0002").statement(alter())).judged(), Style::default());
    assert!(!alone.contains("held:"), "{alone}");
}

#[test]
fn queries_of_which_the_same_is_said_share_a_paragraph() {
    let two = ["list", "list all"].into_iter().fold(shop().migration(migration("0002")), |facts, name| {
        facts.query(Old, name, &[("before", Same), ("after", GONE)])
    });
    let run = two.query(Old, "other", &[("before", Same), ("after", Fails("42P01", "no such table"))]).judged();
    assert_eq!(run.findings.len(), 3);
    let report = render(&run, Style::default());
    assert_eq!(report.matches("error[old-query-breaks]").count(), 2);
    assert!(report.contains("\n  likewise: `list all` (queries/old.sql:8)\n"), "{report}");
}

#[test]
fn help_that_was_given_before_is_referred_to() {
    let run = failing().with(|run| {
        let blocking = &mut run.migrations[1].blocking;
        blocking.push(crate::run::Blocking { table: "public.order_lines".to_owned(), ..blocking[0].clone() });
    });
    let report = render(&run.judged(), Style::default());
    assert!(report.contains("\n  help: as for blocks-reads of public.orders above\n"), "{report}");
}

#[test]
fn a_run_that_could_not_begin() {
    let nothing = facts().with(|run| {
        run.completion = Completion::Failed("no server could be started: initdb was not found".to_owned());
        (run.server, run.snapshot) = (None, None);
    });
    insta::assert_snapshot!(render(&nothing.judged(), Style::default()));
}

/// Sixty migrations of two statements each, the 40th of them slow and the 41st refused.
fn many() -> Facts {
    let mut facts = shop();
    for number in 1_u32..=60 {
        let millis = if number == 40 { 480 } else { u64::from(number % 7) };
        let add = statement(1, "ALTER TABLE drafts ADD COLUMN note text", millis);
        let second = statement(2, "INSERT INTO drafts VALUES (1)", 1);
        let both = migration(&format!("{number:04}")).statement(add);
        facts = facts.migration(match number {
            41 => both.statement(second.fails("23505", "duplicate key value violates unique constraint")),
            42.. => migration(&format!("{number:04}")).ended(MigrationStatus::NotRun).with(|m| m.duration_ms = None),
            _ => both.statement(second),
        });
    }
    facts
}

#[test]
fn a_run_of_many_migrations() {
    insta::assert_snapshot!(render(&many().judged(), Style::default()));
}

#[test]
fn no_line_of_a_table_is_wider_than_the_terminal() {
    for width in [80, 100, 140] {
        for facts in [failing(), passing(), many(), of_mysql()] {
            let report = render(&facts.judged(), Style { color: false, width });
            for line in report.lines().filter(|line| line.contains(" | ")) {
                assert!(line.chars().count() <= width, "{width} columns: {line}");
            }
        }
    }
}

#[test]
fn colours_change_nothing_but_the_colour() {
    let run = failing().judged();
    let colored = render(&run, Style { color: true, width: 100 });
    assert!(colored.contains('\u{1b}'));
    let plain: Vec<String> = anstream::adapter::strip_str(&colored).to_string().lines().map(str::to_owned).collect();
    assert_eq!(plain, render(&run, Style::default()).lines().collect::<Vec<_>>());
}
