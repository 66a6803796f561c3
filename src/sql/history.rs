//! What migration tools do for themselves beside migrating: entries in the tables in which they keep their history, and
//! questions to the catalog.
//!
//! Seen on the wire: Alembic 1.20, Django 5.2, ActiveRecord 6.1, dbmate 2.37, sqitch 1.3. From their source code: golang-migrate
//! 4.20, goose 3.29, sqlx 0.8, diesel 2.3, Flyway 13, Liquibase 4.33, Prisma 7, sql-migrate 1.8, refinery 0.9.

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

/// Tables of histories, with the columns that together are a version.
const TABLES: [(&str, &[&str]); 14] = [
    ("alembic_version", &["version_num"]),
    ("django_migrations", &["app", "name"]),
    // Of Rails, dbmate, golang-migrate and Ecto.
    ("schema_migrations", &["version"]),
    ("ar_internal_metadata", &[]),
    ("_sqlx_migrations", &["version"]),
    ("__diesel_schema_migrations", &["version"]),
    ("_prisma_migrations", &["migration_name"]),
    ("flyway_schema_history", &["version"]),
    ("databasechangelog", &["id"]),
    ("databasechangeloglock", &[]),
    ("goose_db_version", &["version_id"]),
    ("gorp_migrations", &["id"]),
    ("refinery_schema_history", &["version"]),
    // The schema of sqitch's tables.
    (SQITCH, &["change"]),
];

/// sqitch's schema.
const SQITCH: &str = "sqitch";
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

impl Piece {
    fn is(&self, name: &str) -> bool {
        matches!(self, Self::Name(own) if own == name)
    }

    fn is_symbol(&self, symbol: u8) -> bool {
        *self == Self::Symbol(symbol)
    }
}

/// What a statement has to do with a tool's history; `None` if nothing, or if it is one of several in a message.
pub fn entry(pieces: &[Piece], parameters: &[Option<String>]) -> Option<Entry> {
    let end = pieces.iter().position(|piece| piece.is_symbol(b';')).unwrap_or(pieces.len());
    if pieces[end..].len() > 1 {
        return None;
    }
    let known = |piece: &Piece| TABLES.iter().find(|(table, _)| piece.is(table));
    let has = |name: &str| pieces.iter().any(|piece| piece.is(name));
    // sqitch has its schema in the search path.
    let unqualified = || pieces.iter().position(|piece| piece.is("changes")).filter(|_| has("script_hash"));
    let (mut at, columns) = match pieces.iter().position(|piece| known(piece).is_some()) {
        Some(at) => (at, known(&pieces[at])?.1),
        None => (unqualified()?, &["change"][..]),
    };
    if pieces[at].is(SQITCH) && pieces.get(at + 1).is_some_and(|next| next.is_symbol(b'.')) {
        at += 2;
    }
    let written = match pieces.first() {
        Some(first) if first.is("insert") => inserted(pieces.get(at + 1..)?, columns),
        Some(first) if first.is("update") => updated(pieces, columns),
        _ => Vec::new(),
    };
    let value = |piece: &Piece| match piece {
        Piece::Value(value) => Some(value.clone()),
        Piece::Parameter(number) => parameters.get(number.checked_sub(1)?)?.clone(),
        Piece::Name(_) | Piece::Symbol(_) => None,
    };
    let values: Vec<String> = written.into_iter().filter_map(value).collect();
    let whole = !columns.is_empty() && values.len() == columns.len();
    // goose begins its table with a version 0, which is none.
    let version = whole.then(|| values.join(".")).filter(|version| version != "0");
    Some(Entry { version, ahead: has("dirty") || has("_prisma_migrations") })
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

/// Whether a statement only asks about the server, the session or the catalog, or for a lock that is no table's.
pub fn is_question(pieces: &[Piece]) -> bool {
    let of_catalog = |piece: Option<&Piece>| match piece {
        Some(Piece::Name(name)) => name.starts_with("pg_") || name == "information_schema",
        Some(piece) => piece.is_symbol(b'('),
        None => false,
    };
    let follows = |word: fn(&Piece) -> bool| {
        pieces.iter().enumerate().filter(move |(_, piece)| word(piece)).map(|(at, _)| pieces.get(at + 1))
    };
    let mut sources = follows(|piece| piece.is("from") || piece.is("join")).peekable();
    if !pieces.first().is_some_and(|first| first.is("select")) {
        return false;
    }
    if sources.peek().is_some() {
        return sources.all(of_catalog);
    }
    let calls = pieces.windows(2).filter(|pair| pair[1].is_symbol(b'('));
    calls.into_iter().all(|pair| match &pair[0] {
        Piece::Name(name) => name.starts_with("pg_") || name == "select" || ASKING.contains(&name.as_str()),
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
            ("INSERT INTO public.databasechangelog (ID, AUTHOR, MD5SUM) VALUES ('add', 'me', '9:(x, y)')", &[], "add"),
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
        ] {
            let found = found(sql, &[]).unwrap_or_else(|| panic!("{sql}"));
            assert_eq!(found.version, None, "{sql}");
        }
        for sql in [
            "ALTER TABLE orders ADD note text; INSERT INTO schema_migrations (version) VALUES ('1')",
            "INSERT INTO notes VALUES ('schema_migrations')",
            "INSERT INTO changes (id) VALUES (1)",
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
