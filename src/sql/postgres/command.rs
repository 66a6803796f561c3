//! What kind of statement a statement is, in the words of the server's command tags.
//!
//! Source: `cmdtaglist.h` and `CreateCommandTag` in `utility.c` of PostgreSQL. Only leading keywords are looked at, and
//! those outside of parentheses where these do not suffice; a statement with an error in it is named by what it begins with.
//! One difference is wanted: what makes a table from a query is `CREATE TABLE AS` here, and not the `SELECT` of the reply.

use super::cursor::{Cursor, says_off};
use super::lexer::Kind;
use crate::sql::Statement;

/// The tag that the server has for what is not a command.
const UNKNOWN: &str = "???";

/// Kinds of objects whose names have more than one word.
const LONG_OBJECTS: &[&[&str]] = &[
    &["ACCESS", "METHOD"],
    &["DEFAULT", "PRIVILEGES"],
    &["EVENT", "TRIGGER"],
    &["FOREIGN", "DATA", "WRAPPER"],
    &["FOREIGN", "TABLE"],
    &["LARGE", "OBJECT"],
    &["MATERIALIZED", "VIEW"],
    &["OPERATOR", "CLASS"],
    &["OPERATOR", "FAMILY"],
    &["TEXT", "SEARCH", "CONFIGURATION"],
    &["TEXT", "SEARCH", "DICTIONARY"],
    &["TEXT", "SEARCH", "PARSER"],
    &["TEXT", "SEARCH", "TEMPLATE"],
    &["USER", "MAPPING"],
];

/// Words that may stand between `CREATE` (or `ALTER`, `DROP`) and the kind of object.
const MODIFIERS: &[&str] =
    &["CONSTRAINT", "GLOBAL", "LOCAL", "PROCEDURAL", "RECURSIVE", "TEMP", "TEMPORARY", "TRUSTED", "UNIQUE", "UNLOGGED"];

/// Verbs that a `WITH` can lead to.
const QUERY_VERBS: &[&str] = &["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES", "TABLE"];

/// The kind of a statement, in capitals: `ALTER TABLE`, `CREATE INDEX`, `INSERT`.
pub fn name_of(sql: &str) -> String {
    name(Cursor::new(sql, true))
}

/// Whether it is a command that `log_statement = ddl` counts as a change of the schema (`GetCommandLogLevel` in
/// `utility.c`), or `REINDEX`, which that setting leaves out.
pub fn is_ddl(command: &str) -> bool {
    const OTHERS: &[&str] = &[
        "CLUSTER",
        "COMMENT",
        "GRANT",
        "GRANT ROLE",
        "IMPORT FOREIGN SCHEMA",
        "REASSIGN OWNED",
        "REFRESH MATERIALIZED VIEW",
        "REINDEX",
        "REVOKE",
        "REVOKE ROLE",
        "SECURITY LABEL",
        "SELECT INTO",
    ];
    ["ALTER ", "CREATE ", "DROP "].iter().any(|verb| command.starts_with(verb)) || OTHERS.contains(&command)
}

pub(super) fn name(mut tokens: Cursor<'_>) -> String {
    let Some(first) = tokens.find(|token| !token.is_symbol(b'(')).filter(|token| token.kind == Kind::Word) else {
        return UNKNOWN.to_owned();
    };
    let verb = first.text.to_ascii_uppercase();
    match verb.as_str() {
        "ALTER" | "CREATE" | "DROP" => object_command(&verb, tokens),
        "ABORT" => "ROLLBACK".to_owned(),
        "ANALYSE" => "ANALYZE".to_owned(),
        "CLOSE" | "DEALLOCATE" | "DISCARD" | "PREPARE" => with_scope(&verb, &mut tokens),
        "COMMIT" | "END" | "ROLLBACK" => end_of_transaction(&verb, &mut tokens).to_owned(),
        "DECLARE" => "DECLARE CURSOR".to_owned(),
        "GRANT" | "REVOKE" if !tokens.outside().any(|token| token.is("ON")) => format!("{verb} ROLE"),
        "IMPORT" => "IMPORT FOREIGN SCHEMA".to_owned(),
        "LOCK" => "LOCK TABLE".to_owned(),
        "REASSIGN" => "REASSIGN OWNED".to_owned(),
        "REFRESH" => "REFRESH MATERIALIZED VIEW".to_owned(),
        "SECURITY" => "SECURITY LABEL".to_owned(),
        "SELECT" if tokens.outside().any(|token| token.is("INTO")) => "SELECT INTO".to_owned(),
        "SET" if tokens.eat("CONSTRAINTS") => "SET CONSTRAINTS".to_owned(),
        "START" => "START TRANSACTION".to_owned(),
        "TABLE" | "VALUES" => "SELECT".to_owned(),
        "TRUNCATE" => "TRUNCATE TABLE".to_owned(),
        "WITH" => main_verb(&mut tokens),
        _ => verb,
    }
}

/// `ALTER`, `CREATE` and `DROP` with the kind of object.
fn object_command(verb: &str, mut tokens: Cursor<'_>) -> String {
    if tokens.eat("OR") {
        tokens.eat("REPLACE");
    }
    if verb == "CREATE" {
        tokens.eat("DEFAULT");
    }
    while tokens.eat_any(MODIFIERS) {}
    let words = tokens.clone().take_while(|token| token.kind == Kind::Word).take(3);
    let words: Vec<String> = words.map(|token| token.text.to_ascii_uppercase()).collect();
    if let Some(long) = LONG_OBJECTS.iter().find(|long| long.iter().eq(words.iter().take(long.len()))) {
        return format!("{verb} {}", long.join(" "));
    }
    match words.first().map(String::as_str) {
        None => verb.to_owned(),
        Some("USER" | "GROUP") => format!("{verb} ROLE"),
        Some("TABLE") if verb == "CREATE" && tokens.outside().any(|token| token.is("AS")) => {
            "CREATE TABLE AS".to_owned()
        }
        Some(object) => format!("{verb} {object}"),
    }
}

/// Commands whose tag goes on with what they are about.
fn with_scope(verb: &str, tokens: &mut Cursor<'_>) -> String {
    match verb {
        "CLOSE" if tokens.eat("ALL") => "CLOSE CURSOR ALL".to_owned(),
        "CLOSE" => "CLOSE CURSOR".to_owned(),
        "DEALLOCATE" => {
            tokens.eat("PREPARE");
            if tokens.eat("ALL") { "DEALLOCATE ALL".to_owned() } else { verb.to_owned() }
        }
        "DISCARD" => match tokens.next() {
            Some(what) if what.is("TEMPORARY") => "DISCARD TEMP".to_owned(),
            Some(what) => format!("DISCARD {}", what.text.to_ascii_uppercase()),
            None => verb.to_owned(),
        },
        _ if tokens.eat("TRANSACTION") => "PREPARE TRANSACTION".to_owned(),
        _ => verb.to_owned(),
    }
}

fn end_of_transaction(verb: &str, tokens: &mut Cursor<'_>) -> &'static str {
    match (verb == "ROLLBACK", tokens.eat("PREPARED")) {
        (true, true) => "ROLLBACK PREPARED",
        (true, false) => "ROLLBACK",
        (false, true) => "COMMIT PREPARED",
        (false, false) => "COMMIT",
    }
}

/// What follows the named queries of a `WITH`. Most verbs may be names of such queries too; those stand after `WITH`,
/// `RECURSIVE` or a comma.
fn main_verb(tokens: &mut Cursor<'_>) -> String {
    let mut may_be_name = true;
    for token in tokens.outside() {
        if !may_be_name && let Some(verb) = QUERY_VERBS.iter().find(|verb| token.is(verb)) {
            return if matches!(*verb, "VALUES" | "TABLE") { "SELECT".to_owned() } else { (*verb).to_owned() };
        }
        may_be_name = token.is_symbol(b',') || token.is("RECURSIVE");
    }
    "WITH".to_owned()
}

/// Whether it is a `COPY … FROM STDIN`, after which data follows. (`FROM STDOUT` is the same to the server.)
pub(super) fn reads_copy_data(statement: &Statement) -> bool {
    if statement.command != "COPY" {
        return false;
    }
    let mut tokens = Cursor::new(&statement.text, true);
    let mut tokens = tokens.outside();
    let mut after_dot = false;
    let from = tokens.by_ref().take_while(|token| !token.is("TO")).find(|token| {
        let found = token.is("FROM") && !after_dot;
        after_dot = token.is_symbol(b'.');
        found
    });
    from.is_some() && tokens.next().is_some_and(|source| source.is("STDIN") || source.is("STDOUT"))
}

/// Whether a backslash is an ordinary character in `'…'`.
pub const SETTING: &str = "standard_conforming_strings";

/// What a statement sets `standard_conforming_strings` to, where sessions begin with `default`; `None` if it leaves it alone.
pub(super) fn standard_strings_after(sql: &str, default: bool) -> Option<bool> {
    let mut tokens = Cursor::new(sql, true);
    if tokens.eat("RESET") {
        return tokens.eat_any(&[SETTING, "ALL"]).then_some(default);
    }
    if !tokens.eat("SET") {
        return None;
    }
    tokens.eat_any(&["SESSION", "LOCAL"]);
    if !tokens.eat(SETTING) {
        return None;
    }
    let assigned = tokens.next().is_some_and(|token| token.is("TO") || token.is_symbol(b'='));
    tokens.next().filter(|_| assigned).map(|value| if value.is("DEFAULT") { default } else { !value.says_off() })
}

/// Whether sessions begin with `standard_conforming_strings`, where the server has this value for it.
pub fn begins_with_standard_strings(setting: Option<&str>) -> bool {
    !setting.is_some_and(says_off)
}

#[cfg(test)]
mod tests;
