//! `check --data`: everything that cannot be made, told at once and before a rehearsal.

use crate::sandbox::Sandbox;

const STAGING: &str = "
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (id bigint PRIMARY KEY, customer int NOT NULL REFERENCES customers, total int NOT NULL);
CREATE TABLE badges (customer int PRIMARY KEY REFERENCES customers, colour text NOT NULL CHECK (colour IN ('red', 'blue')));
CREATE TABLE locked (id smallint PRIMARY KEY, word text NOT NULL CONSTRAINT hashed CHECK (md5(word) = word));
CREATE TABLE rooms (id int PRIMARY KEY, number int NOT NULL, EXCLUDE USING btree (number WITH =));
INSERT INTO rooms SELECT n, n FROM generate_series(1, 5) AS n;
";

/// A sandbox whose scenario grows these tables; the first is asked for in line 9.
fn growing(engine: &str, staging: &str, tables: &str) -> Sandbox {
    let scenario = format!(
        "title = \"Grow\"\nengine = \"{engine}\"\n[server]\nprovider = \"local\"\n[migrations]\npath = \"migrations\"\n\
         [snapshot]\nrestore = \"staging.sql\"\n{tables}"
    );
    let sandbox = Sandbox::empty().with("scenario.toml", &scenario).with("staging.sql", staging);
    sandbox.with("migrations/001_x.sql", "CREATE TABLE x (id int PRIMARY KEY);\n")
}

fn table(name: &str, rows: u64) -> String {
    format!("[[snapshot.table]]\nname = \"{name}\"\nrows = {rows}\n")
}

#[test]
fn what_can_be_made_is_told_and_nothing_is_left() {
    // Each badge has a customer of its own: of those, too, only a part is made here.
    let tables = [table("badges", 90_000), table("orders", 500_000), table("customers", 100_000)].concat();
    let sandbox = growing("postgres", STAGING, &tables);
    let plain = sandbox.run(&["check", "scenario.toml"]).expect(0);
    assert!(plain.stdout.contains("data        not tried: `check --data` starts a server"), "{}", plain.stdout);
    let tried = sandbox.run(&["check", "--data", "scenario.toml"]).expect(0);
    assert!(tried.stdout.contains("data        can be made, as far as 10,000 rows of each"), "{}", tried.stdout);
    sandbox.assert_clean();
}

#[test]
fn all_that_cannot_be_made_is_told_at_once_with_its_lines() {
    let columns = "[snapshot.table.columns.total]\nvalues = [\"much\"]\n[snapshot.table.columns.totl]\ndistinct = 3\n";
    let tables = [
        table("badges", 90_000),
        table("customers", 50_000),
        table("orders", 10) + columns,
        table("locked", 100),
        table("rooms", 50),
        table("nowhere", 5),
    ];
    let sandbox = growing("postgres", STAGING, &tables.concat());
    let tried = sandbox.run(&["check", "--data", "scenario.toml"]).expect(2);
    for problem in [
        "scenario.toml:10: table badges: badges_pkey: it has room for",
        "scenario.toml:16: table orders: there is no column totl; is total meant?",
        "scenario.toml:16: table orders: column total: the server does not take `much` for integer",
        "scenario.toml:23: table locked: CHECK constraint hashed (",
        "scenario.toml:26: table rooms: the server refused the rows that were made",
        "scenario.toml:29: table nowhere: there is no such table",
    ] {
        assert!(tried.stderr.contains(problem), "{problem}: {}", tried.stderr);
    }
    assert_eq!(tried.stderr.matches("error: ").count(), 6, "{}", tried.stderr);
    assert!(tried.stdout.contains("the scenario is not valid"), "{}", tried.stdout);
    sandbox.assert_clean();
}

#[test]
fn mariadb_is_tried_as_well() {
    let staging = "CREATE TABLE customers (id int PRIMARY KEY, name varchar(40) NOT NULL);
        CREATE TABLE badges (customer int PRIMARY KEY, FOREIGN KEY (customer) REFERENCES customers (id));
        CREATE TABLE locked (id smallint PRIMARY KEY, word varchar(9) NOT NULL, CONSTRAINT hashed CHECK (sin(length(word)) > 2));";
    let tables = [table("badges", 20_000), table("customers", 20_000), table("locked", 40_000)];
    let sandbox = growing("mariadb", staging, &tables.concat());
    let tried = sandbox.run(&["check", "--data", "scenario.toml"]).expect(2);
    assert!(tried.stderr.contains("scenario.toml:16: table locked: "), "{}", tried.stderr);
    assert_eq!(tried.stderr.matches("error: ").count(), 1, "{}", tried.stderr);
    sandbox.assert_clean();
    let sandbox = growing("mariadb", staging, &tables[..2].concat());
    sandbox.run(&["check", "--data", "scenario.toml"]).expect(0);
    sandbox.assert_clean();
}
