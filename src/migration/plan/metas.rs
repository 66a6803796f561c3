//! Commands of psql in a migration file: which can be left out without changing what the file does.

use super::PlanError;
use crate::sql::postgres::scanner::MetaCommand;

/// Commands that only print, or set how psql prints; and the two that pg_dump writes around a dump against injected
/// commands, which cannot do anything here since none is carried out.
const HARMLESS: &[&str] = &["echo", "pset", "qecho", "restrict", "timing", "unrestrict", "warn", "x"];

/// Notes which commands are left out. Fails on the first one that must not be.
pub(super) fn left_out<'a>(metas: impl Iterator<Item = &'a MetaCommand>) -> Result<Option<String>, PlanError> {
    let mut lines = Vec::new();
    for meta in metas {
        if !is_harmless(meta) {
            return Err(PlanError::Meta { line: meta.line, text: meta.text.clone() });
        }
        lines.push(format!("`{}` in line {}", meta.text, meta.line));
    }
    let note = || format!("Left out, since psql alone knows it: {}.", lines.join(", "));
    Ok((!lines.is_empty()).then(note))
}

/// Stopping at the first error is what is done anyway. A second backslash would begin another command (or SQL), and psql
/// would run what is in backquotes; within a statement, a command may stand for the semicolon.
fn is_harmless(meta: &MetaCommand) -> bool {
    let Some(command) = meta.text.strip_prefix('\\') else { return false };
    if meta.in_statement || command.contains(['\\', '`']) {
        return false;
    }
    let mut words = command.split_whitespace();
    match words.next() {
        Some("set") if words.next() == Some("ON_ERROR_STOP") => {
            words.next().is_none_or(|value| matches!(value.to_ascii_lowercase().as_str(), "1" | "on" | "true" | "yes"))
        }
        Some(name) => HARMLESS.contains(&name),
        None => false,
    }
}
