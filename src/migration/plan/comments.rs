//! Comments that say how a file is to be sent: our own, and the markers of tools that keep both ways in one file.
//!
//! Markers: `-- migrate:up [transaction:false]`, `-- migrate:down` (dbmate); `-- +goose Up`, `Down`, `NO TRANSACTION`,
//! `StatementBegin`, `StatementEnd`; `-- +migrate Up [notransaction]`, `Down` (sql-migrate). Of sqlx, whose ways back are files
//! of their own: `-- no-transaction`, at the very beginning. Where a statement begins and ends
//! is known without the statement markers, so these say nothing here.

use super::{PlanError, Strict};
use crate::scenario::{Engine, TransactionMode};
use crate::sql::{LineComment, Script};

/// What the comments of a file say.
#[derive(Debug, Default)]
pub(super) struct Comments {
    /// What one transaction holds, if they say so.
    pub(super) mode: Option<TransactionMode>,
    /// Whether a comment to this program says so.
    pub(super) is_own: bool,
    /// The tool whose markers they are.
    pub(super) strict: Option<Strict>,
    /// Where a way forward (true) or back (false) begins, in order of lines.
    sections: Vec<(u32, bool)>,
    /// The text of the first marker of a way back.
    down: Option<String>,
}

/// What a single comment says.
enum Meaning {
    Mode(TransactionMode),
    Section { forward: bool, tool: Strict, mode: Option<TransactionMode> },
}

pub(super) fn read(script: &Script, engine: Engine) -> Result<Comments, PlanError> {
    let mut comments = Comments::default();
    let mut own = None;
    let mut theirs = None;
    let first = script.statements.first().map_or(u32::MAX, |statement| statement.line);
    for comment in &script.comments {
        if let Some(text) = comment.text.strip_prefix("rehearsal:") {
            let mode = directive(text.trim(), comment.line)?;
            if comment.line >= first || comment.in_statement {
                return Err(PlanError::LateDirective { line: comment.line });
            }
            if mode == TransactionMode::File && engine != Engine::Postgres {
                return Err(PlanError::NoFileTransaction { line: comment.line, engine });
            }
            if own.replace(mode).is_some_and(|earlier| earlier != mode) {
                return Err(PlanError::Contradiction { line: comment.line });
            }
        }
        match marker(&comment.text) {
            Some(Meaning::Mode(mode)) => theirs = Some(mode),
            Some(Meaning::Section { forward, tool, mode }) => {
                comments.begin_section(comment, forward)?;
                comments.strict = Some(tool);
                if forward {
                    theirs = mode.or(theirs);
                }
            }
            None if comment.line == 1 && !comment.in_statement && comment.text.starts_with("no-transaction") => {
                theirs = Some(TransactionMode::None);
            }
            None => {}
        }
    }
    comments.is_own = own.is_some();
    comments.mode = own.or(theirs);
    Ok(comments)
}

impl Comments {
    /// Whether a line belongs to the way forward. A file without markers has no way back in it.
    pub(super) fn is_forward(&self, line: u32) -> bool {
        let section = self.sections.iter().rev().find(|(begins, _)| *begins <= line);
        section.is_none_or(|&(_, forward)| forward)
    }

    /// What is left out because of them.
    pub(super) fn note(&self) -> Option<String> {
        self.down.as_ref().map(|marker| format!("What follows `-- {marker}` is the way back; it is not sent."))
    }

    fn begin_section(&mut self, comment: &LineComment, forward: bool) -> Result<(), PlanError> {
        if comment.in_statement {
            return Err(PlanError::MarkerInStatement { line: comment.line, text: comment.text.clone() });
        }
        self.sections.push((comment.line, forward));
        if !forward {
            self.down.get_or_insert_with(|| comment.text.clone());
        }
        Ok(())
    }
}

/// What stands behind `-- rehearsal:`.
fn directive(text: &str, line: u32) -> Result<TransactionMode, PlanError> {
    match text.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
        None if text == "no-transaction" => Ok(TransactionMode::None),
        Some(("transaction", "file")) => Ok(TransactionMode::File),
        Some(("transaction", "statement")) => Ok(TransactionMode::Statement),
        Some(("transaction", "none")) => Ok(TransactionMode::None),
        _ => Err(PlanError::UnknownDirective { line, text: text.to_owned() }),
    }
}

/// What another tool's marker says; `None` for any other comment.
fn marker(text: &str) -> Option<Meaning> {
    let text = text.to_ascii_lowercase();
    let mut words = text.split_whitespace();
    let (first, second, third) = (words.next()?, words.next(), words.next());
    let tool = match first {
        "migrate:up" | "migrate:down" => Strict::Dbmate,
        "+goose" => Strict::Goose,
        "+migrate" => Strict::SqlMigrate,
        _ => return None,
    };
    let section = |forward, autocommit: bool| {
        Some(Meaning::Section { forward, tool, mode: autocommit.then_some(TransactionMode::None) })
    };
    match (first, second) {
        ("migrate:up", option) => section(true, option == Some("transaction:false")),
        ("migrate:down", _) | (_, Some("down")) => section(false, false),
        (_, Some("up")) => section(true, tool == Strict::SqlMigrate && third == Some("notransaction")),
        ("+goose", Some("no")) if third == Some("transaction") => Some(Meaning::Mode(TransactionMode::None)),
        _ => None,
    }
}
