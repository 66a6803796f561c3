//! Reads query files: named statements with example values for their parameters.
//!
//! A query begins at a comment `-- name: list_orders`. What sqlc and aiosql write after the name (`:many`, `^`, `!`) says
//! how many rows the application takes; it is accepted and has no meaning here.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::lexer::{Kind, Token, begins_name, line_of, tokens};
use super::params::{self, Example};
use super::problem::{Fault, LoadError, Problem};
use super::{Query, mysql, order, postgres};
use crate::run::QuerySet;
use crate::scenario::Engine;

/// Reads the queries of a set in the engine's dialect, in the order of the files and of the lines in them. Names of files are kept relative to
/// `relative_to` where they lie below it.
///
/// # Errors
/// With everything that is wrong in any of the files.
pub fn load(engine: Engine, files: &[PathBuf], relative_to: &Path, set: QuerySet) -> Result<Vec<Query>, LoadError> {
    let mut loader = Loader { engine, set, names: HashMap::new(), queries: Vec::new(), problems: Vec::new() };
    for path in files {
        let shown = path.strip_prefix(relative_to).unwrap_or(path).display().to_string();
        match read(path) {
            Ok(text) => loader.file(&shown, text.strip_prefix('\u{feff}').unwrap_or(&text)),
            Err(fault) => loader.problems.push(Problem { file: shown, line: 1, fault }),
        }
    }
    if loader.problems.is_empty() { Ok(loader.queries) } else { Err(LoadError { problems: loader.problems }) }
}

fn read(path: &Path) -> Result<String, Fault> {
    let text = fs::read(path)
        .and_then(|bytes| String::from_utf8(bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e)))
        .map_err(Fault::Unreadable)?;
    if text.contains('\0') { Err(Fault::Nul) } else { Ok(text) }
}

struct Loader {
    engine: Engine,
    set: QuerySet,
    /// Where each name was first met.
    names: HashMap<String, String>,
    queries: Vec<Query>,
    problems: Vec<Problem>,
}

/// A query of which not everything has been read yet.
struct Draft<'t> {
    name: String,
    line: u32,
    examples: Vec<Example>,
    body: Vec<Token<'t>>,
}

impl Loader {
    fn file(&mut self, file: &str, text: &str) {
        let known = (self.names.len(), self.problems.len());
        let mut draft: Option<Draft<'_>> = None;
        let mut unnamed = false;
        for token in tokens(self.engine, text) {
            let line = line_of(text, token.start);
            match directive(token, line) {
                Some(Ok(Directive::Name(name))) => {
                    let last = draft.replace(Draft { name, line, examples: Vec::new(), body: Vec::new() });
                    self.finish(file, text, last);
                }
                Some(Ok(Directive::Param(example))) => match &mut draft {
                    Some(draft) => draft.examples.push(example),
                    None => self.problem(file, line, Fault::Unnamed),
                },
                Some(Err(fault)) => {
                    // What follows has a name, if not one that can be.
                    if matches!(fault, Fault::BadName(_)) {
                        self.finish(file, text, draft.take());
                        unnamed = true;
                    }
                    self.problem(file, line, fault);
                }
                None => match (&mut draft, token.kind) {
                    (_, Kind::Unclosed(what)) => {
                        self.problem(file, line, Fault::Unclosed(what));
                        // Where the statement ends is not known: nothing more can be said about it.
                        draft = None;
                    }
                    (Some(draft), _) => draft.body.push(token),
                    (None, _) if token.is_significant() && !unnamed => {
                        unnamed = true;
                        self.problem(file, line, Fault::Unnamed);
                    }
                    (None, _) => {}
                },
            }
        }
        self.finish(file, text, draft);
        if known == (self.names.len(), self.problems.len()) {
            self.problem(file, 1, Fault::NoQuery);
        }
    }

    fn problem(&mut self, file: &str, line: u32, fault: Fault) {
        self.problems.push(Problem { file: file.to_owned(), line, fault });
    }

    fn finish(&mut self, file: &str, text: &str, draft: Option<Draft<'_>>) {
        let Some(draft) = draft else { return };
        let (name, line) = (draft.name.clone(), draft.line);
        match self.names.get(&name).cloned() {
            Some(first) => self.problem(file, line, Fault::DuplicateName { name, first }),
            None => drop(self.names.insert(name, format!("{file}:{line}"))),
        }
        match complete((self.engine, self.set), file, text, draft) {
            Ok(query) => self.queries.push(query),
            Err(faults) => faults.into_iter().for_each(|(at, fault)| self.problem(file, at.unwrap_or(line), fault)),
        }
    }
}

fn complete(
    (engine, set): (Engine, QuerySet),
    file: &str,
    text: &str,
    draft: Draft<'_>,
) -> Result<Query, Vec<params::Located>> {
    let Draft { name, line, examples, body } = draft;
    let body = statement(&name, text, &body).map_err(|fault| vec![fault])?;
    if body[0].kind == Kind::Symbol && body[0].text.starts_with("/*") {
        return Err(vec![(None, Fault::Versioned(name))]);
    }
    let words: Vec<String> =
        body.iter().filter(|t| t.kind == Kind::Word).map(|t| t.text.to_ascii_uppercase()).collect();
    if let Some(why) = refusal(engine, &words) {
        return Err(vec![(None, Fault::Refused { name, command: words.into_iter().next().unwrap_or_default(), why })]);
    }
    let has = |word: &str| words.iter().any(|w| w == word);
    let any_rows = (has("LIMIT") || has("FETCH")) && !has("ORDER");
    let order = order::keys(body);
    let statement = params::number(engine, &name, body).map_err(|fault| vec![(None, fault)])?;
    let params = params::values(&name, &statement, &examples)?;
    Ok(Query { set, name, file: file.to_owned(), line, sql: statement.sql, params, any_rows, order })
}

/// The tokens of the one statement of a query, without what stands around it.
fn statement<'b, 't>(name: &str, text: &str, body: &'b [Token<'t>]) -> Result<&'b [Token<'t>], params::Located> {
    let end = body.iter().position(|t| t.kind == Kind::Semicolon).unwrap_or(body.len());
    if let Some(more) = body[end..].iter().find(|t| t.is_significant() && t.kind != Kind::Semicolon) {
        return Err((Some(line_of(text, more.start)), Fault::Several(name.to_owned())));
    }
    let first = body[..end].iter().position(Token::is_significant);
    let last = body[..end].iter().rposition(Token::is_significant);
    match (first, last) {
        (Some(first), Some(last)) => Ok(&body[first..=last]),
        _ => Err((None, Fault::Empty(name.to_owned()))),
    }
}

/// Why a statement with these words (in capitals) cannot be a query of a set.
fn refusal(engine: Engine, words: &[String]) -> Option<&'static str> {
    match engine {
        Engine::Postgres => postgres::refusal::refusal(words.first().map_or("", String::as_str)),
        Engine::Mysql | Engine::Mariadb => mysql::refusal::refusal(words),
    }
}

enum Directive {
    Name(String),
    Param(Example),
}

fn directive(token: Token<'_>, line: u32) -> Option<Result<Directive, Fault>> {
    let comment = token.text.strip_prefix("--").filter(|_| token.kind == Kind::LineComment)?;
    let trimmed = comment.trim();
    match trimmed.strip_prefix("name:") {
        Some(name) => Some(name_of(name).ok_or_else(|| Fault::BadName(format!("-- {trimmed}"))).map(Directive::Name)),
        None => params::read(comment, line).map(|read| read.map(Directive::Param)),
    }
}

fn name_of(text: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    let name = words.next()?.trim_end_matches(['^', '!', '$', '*', '#', '<']);
    let kind = words.next().is_none_or(|word| word.starts_with(':'));
    let good = name.starts_with(begins_name) && name.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c));
    (good && kind && words.next().is_none()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests;
