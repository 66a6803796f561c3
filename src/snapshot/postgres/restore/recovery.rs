//! Which statements of a dump are left out on purpose, and which errors do not stop a restore.
//!
//! A dump is made to be restored in a cluster like its own: with its roles, its database, its version. The scratch server
//! has none of them, and none of them changes what a migration does to the data. Everything else stops the restore.

use crate::sql::Statement;

/// What a restore does about an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// Nothing is missing: goes on without a word.
    GoOn,
    /// Goes on, and the reader should know.
    Note(String),
    /// Makes this role and tries again.
    MakeRole(String),
    /// An extension that this server does not have.
    NoExtension,
    /// Stops.
    Stop,
}

/// What is done about a statement that the server refused.
pub(crate) fn of(statement: &Statement, sqlstate: &str, message: &str) -> Recovery {
    let command = statement.command.as_str();
    let dropped = command.starts_with("DROP") || (command.starts_with("ALTER") && has_words(statement, "DROP"));
    match sqlstate {
        // undefined_object
        "42704" if message.starts_with("unrecognized configuration parameter") => {
            Recovery::Note(format!("{message}: left out, as the dump is of a newer server"))
        }
        "42704" if message.starts_with("tablespace ") => Recovery::Note(format!("{message}: left out")),
        // invalid_parameter_value
        "22023" if message.contains("\"default_tablespace\"") => {
            let name = message.rsplit(": ").next().unwrap_or_default();
            Recovery::Note(format!("the tablespace {name} was left out, which this server does not have"))
        }
        "42704" => match missing_role(message) {
            Some(role) => Recovery::MakeRole(role.to_owned()),
            None if dropped => Recovery::GoOn,
            None => Recovery::Stop,
        },
        // undefined table, function, column, schema: what `pg_dump --clean` drops in a database that never had it.
        "42P01" | "42883" | "42703" | "3F000" if dropped => Recovery::GoOn,
        // duplicate_schema, duplicate_object
        "42P06" if has_words(statement, "public") => Recovery::GoOn,
        "42710" if matches!(command, "CREATE ROLE" | "CREATE EXTENSION" | "CREATE LANGUAGE") => Recovery::GoOn,
        // feature_not_supported (from PostgreSQL 14), undefined_file: there is no control file.
        "0A000" | "58P01" if command == "CREATE EXTENSION" => Recovery::NoExtension,
        _ => Recovery::Stop,
    }
}

fn missing_role(message: &str) -> Option<&str> {
    message.strip_prefix("role \"")?.strip_suffix("\" does not exist")
}

/// Whether a word stands somewhere in a statement, without its quotes.
fn has_words(statement: &Statement, word: &str) -> bool {
    words(&statement.text).any(|found| found.eq_ignore_ascii_case(word))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// Why a statement is not sent at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LeftOut {
    /// It is about the database as a whole, and there is one already: the scratch one.
    Database,
    /// It makes or changes a tablespace, which is a disk of another machine.
    Tablespace,
    /// It reads or writes a file or a program on the server's machine.
    ServerFile,
}

/// Whether a statement is left out.
pub(crate) fn left_out(statement: &Statement) -> Option<LeftOut> {
    let mut head = words(&statement.text).map(str::to_ascii_uppercase);
    match statement.command.as_str() {
        "CREATE DATABASE" | "DROP DATABASE" | "ALTER DATABASE" => Some(LeftOut::Database),
        "CREATE TABLESPACE" | "ALTER TABLESPACE" | "DROP TABLESPACE" => Some(LeftOut::Tablespace),
        "COMMENT" | "SECURITY LABEL" => (head.find(|word| word == "ON").is_some()
            && head.next().as_deref() == Some("DATABASE"))
        .then_some(LeftOut::Database),
        "GRANT" | "REVOKE" => {
            (head.any(|word| word == "ON") && head.next().as_deref() == Some("DATABASE")).then_some(LeftOut::Database)
        }
        // COPY FROM STDIN never comes here: the scanner hands it out with its data.
        "COPY" => Some(LeftOut::ServerFile),
        _ => None,
    }
}

/// Whether a statement makes or fills something, so that a change of the database after it would tear a dump apart.
pub(crate) fn makes_something(statement: &Statement) -> bool {
    const OTHERS: [&str; 11] = [
        "SET",
        "RESET",
        "SELECT",
        "SHOW",
        "BEGIN",
        "COMMIT",
        "CREATE ROLE",
        "ALTER ROLE",
        "DROP ROLE",
        "GRANT ROLE",
        "COMMENT",
    ];
    left_out(statement).is_none() && !OTHERS.contains(&statement.command.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::postgres::command::name_of;

    fn statement(text: &str) -> Statement {
        Statement { text: text.into(), line: 1, command: name_of(text), copy_data: None }
    }

    #[test]
    fn an_error_stops_the_restore_unless_nothing_is_lost_by_it() {
        let role = Recovery::MakeRole("shop owner".into());
        for (text, state, message, expected) in [
            ("ALTER TABLE t OWNER TO \"shop owner\"", "42704", "role \"shop owner\" does not exist", role),
            ("ALTER TABLE t ALTER c TYPE x", "42704", "type \"x\" does not exist", Recovery::Stop),
            ("CREATE SCHEMA public", "42P06", "schema \"public\" already exists", Recovery::GoOn),
            ("CREATE SCHEMA shop", "42P06", "schema \"shop\" already exists", Recovery::Stop),
            ("DROP TABLE public.t", "42P01", "table \"t\" does not exist", Recovery::GoOn),
            ("ALTER TABLE t DROP CONSTRAINT c", "42P01", "relation \"t\" does not exist", Recovery::GoOn),
            ("INSERT INTO t VALUES (1)", "42P01", "relation \"t\" does not exist", Recovery::Stop),
            ("CREATE EXTENSION postgis", "0A000", "extension \"postgis\" is not available", Recovery::NoExtension),
            ("CREATE ROLE postgres", "42710", "role \"postgres\" already exists", Recovery::GoOn),
            ("CREATE TABLE t ()", "42P07", "relation \"t\" already exists", Recovery::Stop),
        ] {
            assert_eq!(of(&statement(text), state, message), expected, "{text}");
        }
        let unknown = "unrecognized configuration parameter \"transaction_timeout\"";
        assert!(matches!(of(&statement("SET transaction_timeout = 0"), "42704", unknown), Recovery::Note(_)));
    }

    #[test]
    fn what_is_about_the_database_as_a_whole_is_left_out() {
        for (text, expected) in [
            ("CREATE DATABASE chinook", Some(LeftOut::Database)),
            ("ALTER DATABASE shop OWNER TO me", Some(LeftOut::Database)),
            ("COMMENT ON DATABASE shop IS 'x'", Some(LeftOut::Database)),
            ("GRANT CONNECT, TEMPORARY ON DATABASE shop TO me", Some(LeftOut::Database)),
            ("GRANT SELECT ON TABLE database TO me", None),
            ("COMMENT ON TABLE t IS 'of the DATABASE'", None),
            ("COPY t FROM PROGRAM 'id'", Some(LeftOut::ServerFile)),
            ("CREATE TABLE t ()", None),
        ] {
            assert_eq!(left_out(&statement(text)), expected, "{text}");
        }
    }

    #[test]
    fn settings_and_roles_make_nothing() {
        for (text, expected) in [
            ("SET search_path = ''", false),
            ("SELECT pg_catalog.set_config('search_path', '', false)", false),
            ("CREATE ROLE me", false),
            ("CREATE DATABASE chinook", false),
            ("CREATE TABLE t ()", true),
            ("INSERT INTO t VALUES (1)", true),
        ] {
            assert_eq!(makes_something(&statement(text)), expected, "{text}");
        }
    }
}
