//! The `sql` tool goes on where the tool left off that made the data.

use crate::sandbox::Sandbox;

const HISTORY: &str = "CREATE TABLE schema_migrations (version varchar PRIMARY KEY);\n\
                       INSERT INTO schema_migrations VALUES ('001'), ('003');\n";

/// The shop with three migrations more, of which by `history` some are applied.
fn shop(history: &str) -> Sandbox {
    let staging = "CREATE TABLE orders (id bigint PRIMARY KEY, total numeric NOT NULL, status text);\n";
    Sandbox::shop()
        .with("staging.sql", &format!("{staging}{history}"))
        .with("migrations/002_two.sql", "CREATE TABLE two ();\n")
        .with("migrations/003_three.sql", "CREATE TABLE never_made_twice ();\n")
        .with("migrations/004_four.sql", "-- migrate:up\nCREATE TABLE four ();\n-- migrate:down\nDROP TABLE orders;\n")
}

fn ids(sandbox: &Sandbox) -> Vec<String> {
    let record = sandbox.record();
    let migrations = record["migrations"].as_array().expect("a list");
    migrations.iter().map(|migration| migration["id"].as_str().expect("it has one").to_owned()).collect()
}

#[test]
fn what_a_history_table_lists_is_not_applied_again() {
    let sandbox = shop(HISTORY);
    let ended = sandbox.run(&["run", "scenario.toml", "--out", "out", "--passes", "2"]).expect(0);
    assert_eq!(ids(&sandbox), ["002", "004"]);
    let said = ended.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let note = "by public.schema_migrations (Rails or dbmate) the data has 2 of 4 migrations, the last of them 003_three; \
                pending: 002_two, 004_four. 002_two comes before some that it has, and is applied all the same";
    assert!(said.contains(note), "{said}");
    sandbox.assert_clean();
}

#[test]
fn the_scenario_goes_before_a_history_table() {
    let sandbox = shop(HISTORY).replacing("scenario.toml", "[migrations]", "[migrations]\napplied_through = \"003\"");
    sandbox.rehearse().expect(0);
    assert_eq!(ids(&sandbox), ["004"]);
}

#[test]
fn a_history_of_something_else_is_noted_and_one_that_differs_is_an_error() {
    let other = "CREATE TABLE goose_db_version (id int, version_id bigint, is_applied boolean);\n\
                 INSERT INTO goose_db_version VALUES (1, 77, true);\n";
    let sandbox = Sandbox::shop();
    let staging = std::fs::read_to_string(sandbox.path("staging.sql")).expect("written");
    let sandbox = sandbox.with("staging.sql", &format!("{staging}{other}"));
    let ended = sandbox.rehearse().expect(0);
    let note = "public.goose_db_version (goose) in the data lists 1 migration";
    assert!(ended.stdout.contains(note), "{}", ended.stdout);

    let ended = shop(&format!("{HISTORY}{}", other.replace("77", "1"))).rehearse().expect(2);
    let error = ended.error();
    assert!(error.contains("public.goose_db_version and public.schema_migrations in the data both list"), "{error}");
    assert!(error.contains("applied_through"), "{error}");
}
