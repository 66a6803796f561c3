//! What migration tools do for themselves beside migrating: entries in the tables in which they keep their history, and
//! questions to the catalog. Which tables those are, `tables` says.

mod tables;

use tables::{SQITCH, Table, known};

/// A piece of a statement, whatever its dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A keyword or a name, as the catalog has it: in small letters if it is not in quotes.
    Name(String),
    /// A constant, without quotes.
    Value(String),
    /// A place for the parameter of this number, from 1; 0 where they are counted in order.
    Parameter(usize),
    /// Any other character.
    Symbol(u8),
}

/// A statement about a tool's history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// The version that it writes down, if it writes one.
    pub version: Option<String>,
    /// Whether the tool writes it down before it applies that version, and not after.
    pub ahead: bool,
}

/// Functions that say something of the server or the session, or are a lock among the tool's own kind.
const ASKING: [&str; 13] = [
    "version",
    "current_database",
    "current_schema",
    "current_schemas",
    "current_setting",
    "database",
    "get_lock",
    "is_free_lock",
    "quote_ident",
    "release_lock",
    "set_config",
    "split_part",
    "unnest",
];
/// Settings by which a driver or a tool says how it wants to be spoken to. Others may be meant for the migration.
const MANNERS: [&str; 14] = [
    "application_name",
    "autocommit",
    "bytea_output",
    "characteristics",
    "client_encoding",
    "client_min_messages",
    "datestyle",
    "extra_float_digits",
    "intervalstyle",
    "names",
    "standard_conforming_strings",
    "timezone",
    "time",
    "transaction",
];

impl Piece {
    fn is(&self, name: &str) -> bool {
        matches!(self, Self::Name(own) if own == name)
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            _ => None,
        }
    }

    fn is_symbol(&self, symbol: u8) -> bool {
        *self == Self::Symbol(symbol)
    }
}

/// The statements of a message; what begins a transaction is none, since drivers send it together with what comes first in it.
pub fn statements(pieces: &[Piece]) -> impl Iterator<Item = &[Piece]> {
    let begins = |statement: &[Piece]| match statement {
        [first, rest @ ..] if first.is("begin") => rest.iter().all(|piece| matches!(piece, Piece::Name(_))),
        [first, second, ..] => first.is("start") && second.is("transaction"),
        _ => false,
    };
    let all = pieces.split(|piece| piece.is_symbol(b';')).filter(|statement| !statement.is_empty());
    let mut all = all.peekable();
    if pieces.iter().filter(|piece| piece.is_symbol(b';')).count() > 0 {
        while all.peek().is_some_and(|first| begins(first)) {
            all.next();
        }
    }
    all
}

/// What a message has to do with a tool's history; `None` if nothing, or if any of it is something else.
pub fn entry(pieces: &[Piece], parameters: &[Option<String>]) -> Option<Entry> {
    let mut found = None;
    for statement in statements(pieces) {
        match of_history(statement, parameters) {
            Some(entry) => found = Some(entry),
            None if is_question(statement) => {}
            None => return None,
        }
    }
    found
}

/// What a statement has to do with a tool's history.
fn of_history(statement: &[Piece], parameters: &[Option<String>]) -> Option<Entry> {
    let (mut at, table) = find(statement)?;
    if statement[at].is(SQITCH) && statement.get(at + 1).is_some_and(|next| next.is_symbol(b'.')) {
        at += 2;
    }
    let written = match statement.first() {
        Some(first) if first.is("insert") => inserted(statement.get(at + 1..)?, table.version),
        Some(first) if first.is("update") => updated(statement, table.version),
        _ => Vec::new(),
    };
    let value = |piece: &Piece| match piece {
        Piece::Value(value) => Some(value.clone()),
        Piece::Parameter(number) => parameters.get(number.checked_sub(1)?)?.clone(),
        Piece::Name(_) | Piece::Symbol(_) => None,
    };
    let values: Vec<String> = written.into_iter().filter_map(value).collect();
    let whole = !table.version.is_empty() && values.len() == table.version.len();
    // goose begins its table with a version 0, which is none.
    let version = whole.then(|| values.join(table.between)).filter(|version| version != "0");
    let has = |name: &str| statement.iter().any(|piece| piece.is(name));
    // sqlx says in advance what has not succeeded yet, where no transaction holds a change of the schema.
    let not_yet = || table.name == "_sqlx_migrations" && has("false");
    Some(Entry { version, ahead: table.ahead || has("dirty") || not_yet() })
}

/// Where a statement names a tool's own table: the first that has versions, or else the first.
fn find(statement: &[Piece]) -> Option<(usize, &'static Table)> {
    let has = |name: &str| statement.iter().any(|piece| piece.is(name));
    let after = |at: usize| statement.get(at + 1).and_then(Piece::name);
    let named = |at: usize, piece: &Piece| Some((at, known(piece.name()?, after(at), has)?));
    let mut all = statement.iter().enumerate().filter_map(|(at, piece)| named(at, piece));
    let first = all.next()?;
    let has_versions = |(_, table): &(usize, &Table)| !table.version.is_empty();
    if has_versions(&first) { Some(first) } else { all.find(has_versions).or(Some(first)) }
}

/// What an INSERT of one row has for these columns. A table of one column may be filled without naming it.
fn inserted<'a>(after: &'a [Piece], columns: &[&str]) -> Vec<&'a Piece> {
    let Some(at) = after.iter().position(|piece| piece.is("values")) else { return Vec::new() };
    let (head, row) = (&after[..at], &after[at + 1..]);
    let named: Vec<&Piece> = head.iter().filter(|piece| matches!(piece, Piece::Name(_))).collect();
    let mut depth = 0_usize;
    let mut values = vec![None];
    for (at, piece) in row.iter().enumerate() {
        match piece {
            Piece::Symbol(b'(') => depth += 1,
            Piece::Symbol(b')') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    if row.get(at + 1).is_some_and(|next| next.is_symbol(b',')) {
                        return Vec::new();
                    }
                    break;
                }
            }
            Piece::Symbol(b',') if depth == 1 => values.push(None),
            piece if depth == 1 => {
                if let Some(last) = values.last_mut() {
                    last.get_or_insert(piece);
                }
            }
            _ => {}
        }
    }
    let place = |column: &&str| named.iter().position(|name| name.is(column)).or((named.is_empty()).then_some(0));
    columns.iter().filter_map(place).filter_map(|place| *values.get(place)?).collect()
}

/// What an UPDATE sets these columns to.
fn updated<'a>(pieces: &'a [Piece], columns: &[&str]) -> Vec<&'a Piece> {
    let sets: &[Piece] = pieces.iter().position(|piece| piece.is("set")).map_or(&[], |at| &pieces[at + 1..]);
    let sets = sets.split(|piece| piece.is("where")).next().unwrap_or_default();
    let set = |column: &&str| {
        let at = sets.windows(2).position(|pair| pair[0].is(column) && pair[1].is_symbol(b'='))?;
        sets.get(at + 2)
    };
    columns.iter().filter_map(set).collect()
}

/// Whether a message only asks about the server, the session or the catalog, or for a lock that is no table's, or says how the
/// session wants to be spoken to.
pub fn is_question(pieces: &[Piece]) -> bool {
    let mut all = statements(pieces).peekable();
    all.peek().is_some() && all.all(asks)
}

fn asks(statement: &[Piece]) -> bool {
    let [first, rest @ ..] = statement else { return false };
    let name =
        |piece: Option<&Piece>, test: &dyn Fn(&str) -> bool| matches!(piece, Some(Piece::Name(name)) if test(name));
    if first.is("show") {
        return true;
    }
    if first.is("set") {
        let scoped = rest.first().is_some_and(|scope| scope.is("session") || scope.is("local"));
        return name(rest.get(usize::from(scoped)), &|name| MANNERS.contains(&name));
    }
    if !first.is("select") && !first.is("with") {
        return false;
    }
    let changes = |piece: &Piece| ["insert", "update", "delete", "merge"].iter().any(|word| piece.is(word));
    if first.is("with") && statement.iter().any(changes) {
        return false;
    }
    let called = |at: usize| statement.get(at + 1).is_some_and(|next| next.is_symbol(b'('));
    let is_asking = |name: &str| name.starts_with("pg_") || ASKING.contains(&name);
    // Named by a WITH before it.
    let is_part = |name: &str| {
        statement.windows(3).any(|three| three[0].is(name) && three[1].is("as") && three[2].is_symbol(b'('))
    };
    let of_catalog = |at: usize| match statement.get(at) {
        Some(Piece::Name(name)) => {
            name.starts_with("pg_") || name == "information_schema" || is_part(name) || called(at) && is_asking(name)
        }
        Some(piece) => piece.is_symbol(b'('),
        None => false,
    };
    let leads = |(_, piece): &(usize, &Piece)| piece.is("from") || piece.is("join");
    let mut sources = statement.iter().enumerate().filter(leads).map(|(at, _)| at + 1).peekable();
    if sources.peek().is_some() {
        return sources.all(of_catalog);
    }
    let mut calls = statement.iter().enumerate().filter(|(at, _)| called(*at));
    calls.all(|(_, piece)| match piece {
        Piece::Name(name) => name == "select" || is_asking(name),
        _ => true,
    })
}

/// Whether a session is set to have sqitch's own tables before it.
pub fn is_registry(pieces: &[Piece]) -> bool {
    let sets = pieces.len() >= 4 && pieces[0].is("set") && pieces[1].is("search_path");
    sets && matches!(&pieces[3], Piece::Value(name) | Piece::Name(name) if name == SQITCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{mysql, postgres};

    fn found(sql: &str, parameters: &[&str]) -> Option<Entry> {
        let parameters: Vec<Option<String>> = parameters.iter().map(|value| Some((*value).to_owned())).collect();
        entry(&postgres::pieces(sql), &parameters)
    }

    #[test]
    fn the_version_that_a_tool_writes_down_is_found() {
        for (sql, parameters, expected) in [
            (
                "INSERT INTO alembic_version (version_num) VALUES ('a1') RETURNING alembic_version.version_num",
                &[][..],
                "a1",
            ),
            ("UPDATE alembic_version SET version_num='b2' WHERE alembic_version.version_num = 'a1'", &[], "b2"),
            (
                "INSERT INTO \"django_migrations\" (\"app\", \"name\", \"applied\") VALUES ('shop', '0001_a', '2024'::timestamptz)",
                &[],
                "shop.0001_a",
            ),
            ("insert into public.schema_migrations (version) values ($1)", &["7"], "7"),
            ("INSERT INTO \"public\".\"schema_migrations\" (version, dirty) VALUES ($1, $2)", &["7", "t"], "7"),
            ("INSERT INTO schema_migrations VALUES ('8');", &[], "8"),
            (
                "INSERT INTO \"__diesel_schema_migrations\" (\"version\") VALUES ($1)",
                &["20240101000000"],
                "20240101000000",
            ),
            ("INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, $2)", &["3", "t"], "3"),
            ("insert into \"gorp_migrations\" (\"id\",\"applied_at\") values ($1,$2);", &["1_a.sql", "x"], "1_a.sql"),
            (
                "INSERT INTO public.databasechangelog (ID, AUTHOR, FILENAME, MD5SUM) VALUES ('add', 'me', 'a.xml', '9:(x, y)')",
                &[],
                "a.xml::add::me",
            ),
            (
                "insert into \"knex_migrations\" (\"batch\", \"migration_time\", \"name\") values ($1, $2, $3)",
                &["1", "x", "1_a.js"],
                "1_a.js",
            ),
            ("INSERT INTO \"public\".\"pgmigrations\" (name, run_on) VALUES ('1_a', NOW());", &[], "1_a"),
            ("INSERT INTO \"SequelizeMeta\" (\"name\") VALUES ($1) RETURNING \"name\";", &["1-a.js"], "1-a.js"),
            ("INSERT INTO \"migrations\"(\"timestamp\", \"name\") VALUES ($1, $2)", &["17", "Add17"], "Add17"),
            (
                "insert into \"drizzle\".\"__drizzle_migrations\" (\"hash\", \"created_at\") values($1, $2)",
                &["abc", "17"],
                "17",
            ),
            (
                "INSERT INTO \"_yoyo_log\" (\"id\", \"migration_hash\", \"migration_id\") VALUES ($1, $2, $3)",
                &["x", "y", "0001.a"],
                "0001.a",
            ),
            ("BEGIN;\nINSERT INTO goose_db_version (version_id, is_applied) VALUES (3, true)", &[], "3"),
            (
                "INSERT INTO changes (change_id, script_hash, change) VALUES ($1, $2, $3)",
                &["x", "y", "status"],
                "status",
            ),
            ("INSERT INTO \"sqitch\".changes (change_id, change) VALUES ($1, $2)", &["x", "status"], "status"),
        ] {
            let found = found(sql, parameters).unwrap_or_else(|| panic!("{sql}"));
            assert_eq!(found.version.as_deref(), Some(expected), "{sql}");
        }
        let mysql =
            entry(&mysql::pieces("INSERT INTO `django_migrations` (`app`, `name`) VALUES ('shop', '0001_a')"), &[]);
        assert_eq!(mysql.and_then(|entry| entry.version).as_deref(), Some("shop.0001_a"));
    }

    #[test]
    fn what_writes_no_version_down_has_none() {
        for sql in [
            "CREATE TABLE IF NOT EXISTS schema_migrations (version varchar PRIMARY KEY)",
            "SELECT \"schema_migrations\".\"version\" FROM \"schema_migrations\"",
            "INSERT INTO schema_migrations (version) VALUES ('1'), ('2')",
            "INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true)",
            "INSERT INTO schema_migrations (version) VALUES ($1)",
            "DELETE FROM alembic_version WHERE version_num = 'a1'",
            "COMMENT ON SCHEMA \"sqitch\" IS 'x'",
            "CREATE SCHEMA IF NOT EXISTS \"drizzle\"",
            "SELECT * FROM \"migrations\" \"migrations\" ORDER BY \"id\" DESC",
            "CREATE TABLE \"yoyo_tmp_acLm\" (id int)",
            "START TRANSACTION; SELECT count(*) FROM databasechangeloglock; SELECT 1",
        ] {
            let found = found(sql, &[]).unwrap_or_else(|| panic!("{sql}"));
            assert_eq!(found.version, None, "{sql}");
        }
        for sql in [
            "ALTER TABLE orders ADD note text; INSERT INTO schema_migrations (version) VALUES ('1')",
            "INSERT INTO notes VALUES ('schema_migrations')",
            "INSERT INTO changes (id) VALUES (1)",
            "INSERT INTO migrations (id, name) VALUES (1, 'of birds')",
            "BEGIN",
        ] {
            assert_eq!(found(sql, &[]), None, "{sql}");
        }
    }

    #[test]
    fn a_question_asks_nothing_of_the_users_tables() {
        for (sql, expected) in [
            ("select pg_catalog.version()", true),
            ("SELECT 1", true),
            ("SELECT pg_try_advisory_lock(42)", true),
            ("SELECT set_config('TimeZone', 'UTC', false)", true),
            ("SELECT c.relname FROM pg_catalog.pg_class c LEFT JOIN pg_namespace n ON true", true),
            ("SELECT EXISTS( SELECT TRUE FROM pg_catalog.pg_tables WHERE tablename = $1 )", true),
            ("SELECT 1 FROM information_schema.tables WHERE table_name = $1", true),
            ("SELECT * FROM current_schema()", true),
            ("WITH r AS (SELECT oid FROM pg_range) SELECT * FROM r JOIN pg_type ON true", true),
            ("BEGIN;\nSHOW search_path", true),
            ("SET client_min_messages TO warning;SET TIME ZONE INTERVAL '+00:00' HOUR TO MINUTE;", true),
            ("SET SESSION extra_float_digits = 3", true),
            ("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", true),
            ("SET lock_timeout = '2s'", false),
            ("BEGIN", false),
            ("", false),
            ("WITH gone AS (DELETE FROM orders RETURNING id) SELECT * FROM gone", false),
            ("WITH r AS (SELECT 1) SELECT * FROM orders", false),
            ("SELECT setval('orders_id_seq', 7)", false),
            ("SELECT setval(pg_get_serial_sequence('orders', 'id'), max(id)) FROM orders", false),
            ("SELECT backfill()", false),
            ("SELECT id FROM orders JOIN pg_class ON true", false),
            ("UPDATE orders SET id = 1", false),
        ] {
            assert_eq!(is_question(&postgres::pieces(sql)), expected, "{sql}");
        }
        assert!(is_question(&mysql::pieces("SELECT GET_LOCK('x', 10)")));
        assert!(is_registry(&postgres::pieces("SET search_path = 'sqitch'")));
        assert!(!is_registry(&postgres::pieces("SET search_path = shop")));
    }
}
