//! The file while it is read: its text, its folder, and the problems found so far.
//!
//! Reading never stops at a problem: it is noted, a stand-in is read on with, and at the end there is either a list of
//! problems or a scenario without one. Stand-ins cannot get out.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use super::report::{Problem, Span, line_number};
use super::suggest::closest;

/// A scenario file that is being read.
pub(super) struct Document<'a> {
    text: &'a str,
    folder: &'a Path,
    problems: RefCell<Vec<Problem>>,
}

impl<'a> Document<'a> {
    pub(super) fn new(text: &'a str, folder: &'a Path) -> Self {
        Self { text, folder, problems: RefCell::default() }
    }

    /// The folder that paths in the file are relative to.
    pub(super) fn folder(&self) -> &'a Path {
        self.folder
    }

    /// The text of a span, as the user wrote it.
    pub(super) fn source(&self, span: &Span) -> &'a str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// The line that a span begins in, from 1.
    pub(super) fn line(&self, span: &Span) -> u32 {
        u32::try_from(line_number(self.text.as_bytes(), span.start)).unwrap_or(u32::MAX)
    }

    /// Notes a problem.
    pub(super) fn problem(&self, span: &Span, message: String, help: impl Into<String>) {
        self.problems.borrow_mut().push(Problem { span: span.clone(), message, help: help.into() });
    }

    /// Notes something that a later version shall do.
    pub(super) fn not_yet(&self, span: &Span, what: &str, help: impl Into<String>) {
        self.problem(span, format!("{what} is not supported yet"), help);
    }

    /// What was noted.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }

    /// A path of the file, seen from the working directory.
    pub(super) fn path(&self, written: &str) -> PathBuf {
        // `./migrations` would say no more than `migrations` does.
        if self.folder == Path::new(".") { PathBuf::from(written) } else { self.folder.join(written) }
    }

    /// What to say about a path that leads nowhere.
    pub(super) fn help_for_missing(&self, written: &str) -> String {
        if Path::new(written).is_absolute() {
            return "mend it, or write a path from the scenario's folder".to_owned();
        }
        let relative = format!("paths are relative to the scenario's folder, {}", self.folder.display());
        match self.neighbour_of(Path::new(written)) {
            Some(near) => format!("did you mean `{}`? ({relative})", near.display()),
            None => relative,
        }
    }

    /// A path that is there and differs from `written` in one name, by a little.
    fn neighbour_of(&self, written: &Path) -> Option<PathBuf> {
        let missing = written.ancestors().filter(|part| !self.folder.join(part).exists()).last()?;
        let above = missing.parent()?;
        let names: Vec<String> = fs::read_dir(self.folder.join(above))
            .ok()?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        let name = closest(missing.file_name()?.to_str()?, names.iter().map(String::as_str))?;
        let below = written.strip_prefix(missing).ok()?;
        let near: PathBuf = above.join(name).join(below).components().collect();
        self.folder.join(&near).exists().then_some(near)
    }
}
