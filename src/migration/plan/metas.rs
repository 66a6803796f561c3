//! Commands of psql, or of the mysql client, in a migration file: which can be left out without changing what the file does.

use super::PlanError;
use crate::scenario::Engine;
use crate::sql::MetaCommand;

/// Commands of psql that only print, or set how it prints; and the two that pg_dump writes around a dump against injected
/// commands, which cannot do anything here since none is carried out.
const PSQL: &[&str] = &["echo", "pset", "qecho", "restrict", "timing", "unrestrict", "warn", "x"];

/// Commands of mysql that only print, or set how and where it prints to the terminal.
const MYSQL: &[&str] = &[
    "help",
    "nopager",
    "notee",
    "nowarning",
    "print",
    "prompt",
    "rehash",
    "status",
    "warnings",
    "\\?",
    "\\#",
    "\\R",
    "\\W",
    "\\h",
    "\\n",
    "\\p",
    "\\s",
    "\\t",
    "\\w",
];

/// Notes which commands are left out. Fails on the first one that must not be.
pub(super) fn left_out<'a>(
    metas: impl Iterator<Item = &'a MetaCommand>,
    engine: Engine,
) -> Result<Option<String>, PlanError> {
    let (client, is_harmless): (_, fn(&MetaCommand) -> bool) = match engine {
        Engine::Postgres => ("psql", of_psql),
        Engine::Mysql | Engine::Mariadb => ("mysql", of_mysql),
    };
    let mut lines = Vec::new();
    for meta in metas {
        if !is_harmless(meta) {
            return Err(PlanError::Meta { line: meta.line, text: meta.text.clone(), client });
        }
        lines.push(format!("`{}` in line {}", meta.text, meta.line));
    }
    let note = || format!("Left out, since {client} alone knows it: {}.", lines.join(", "));
    Ok((!lines.is_empty()).then(note))
}

/// Stopping at the first error is what is done anyway. A second backslash would begin another command (or SQL), and psql
/// would run what is in backquotes; within a statement, a command may stand for the semicolon.
fn of_psql(meta: &MetaCommand) -> bool {
    let Some(command) = meta.text.strip_prefix('\\') else { return false };
    if meta.in_statement || command.contains(['\\', '`']) {
        return false;
    }
    let mut words = command.split_whitespace();
    match words.next() {
        Some("set") if words.next() == Some("ON_ERROR_STOP") => {
            words.next().is_none_or(|value| matches!(value.to_ascii_lowercase().as_str(), "1" | "on" | "true" | "yes"))
        }
        Some(name) => PSQL.contains(&name),
        None => false,
    }
}

/// What follows a backslash command on its line is SQL again, or another command, so it has to stand alone. Its letter is
/// told from its capital; names are not.
fn of_mysql(meta: &MetaCommand) -> bool {
    let name = if meta.text.starts_with('\\') {
        meta.text.trim_end_matches(';').trim_end().to_owned()
    } else {
        meta.text.split_whitespace().next().unwrap_or_default().to_lowercase()
    };
    !meta.in_statement && MYSQL.contains(&name.as_str())
}
