//! What is wrong with a query file, where, and what to write instead.

use std::fmt;
use std::io;

/// Every problem of every file of a query set.
#[derive(Debug)]
pub struct LoadError {
    /// At least one, in the order of files and lines.
    pub problems: Vec<Problem>,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            let line_break = if at == 0 { "" } else { "\n" };
            write!(f, "{line_break}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadError {}

/// One thing that is wrong with a query file.
#[derive(Debug, thiserror::Error)]
#[error("{file}:{line}: {fault}")]
pub struct Problem {
    /// The file, relative to the scenario.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong. Parameters are shown as the query has them: `:id` or `$1`; the first `?` as `?1`.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file could not be read as text.
    #[error("cannot read the file: {0}")]
    Unreadable(io::Error),
    /// A character that no server takes.
    #[error("the file has a NUL character: remove it")]
    Nul,
    /// Nothing to run.
    #[error("the file has no query: begin each with a line `-- name: SOME_NAME`")]
    NoQuery,
    /// A statement that nothing names.
    #[error("this statement has no name: write a line `-- name: SOME_NAME` above it")]
    Unnamed,
    /// A `-- name:` line that names nothing.
    #[error(
        "`{0}` is not a name of a query: write `-- name: list_orders`, with letters, digits, `_`, `-` and `.` (`:many` and the like may follow)"
    )]
    BadName(String),
    /// Two queries of a set have the same name.
    #[error("the name `{name}` is taken by the query at {first}: give this one another")]
    DuplicateName {
        /// The name.
        name: String,
        /// File and line of the first.
        first: String,
    },
    /// A `-- name:` line with no statement below.
    #[error("the query `{0}` is empty: write its statement below the line with its name, or remove that line")]
    Empty(String),
    /// More than one statement.
    #[error(
        "the query `{0}` goes on after its `;`: a query is one statement, so put a line `-- name: …` above the next"
    )]
    Several(String),
    /// A string or a comment goes on to the end of the file.
    #[error("a {0} begins here and is not closed")]
    Unclosed(&'static str),
    /// A statement that would get in the way of running every query alone in a transaction that is rolled back.
    #[error("the query `{name}` is {command}: {why}")]
    Refused {
        /// The query's name.
        name: String,
        /// Its first word, in capitals.
        command: String,
        /// Why it cannot be run here.
        why: &'static str,
    },
    /// A `-- param` line that cannot be read.
    #[error("cannot read `{0}`: write `-- param NAME = VALUE` (`''` for an empty text, NULL for no value)")]
    BadParam(String),
    /// Two values for a parameter.
    #[error("`{0}` has a value already: remove one of the two `-- param` lines")]
    DuplicateParam(String),
    /// A parameter that the statement does not have.
    #[error("the query `{query}` has no parameter `{param}`: remove this line, or use the parameter")]
    UnusedParam {
        /// The query's name.
        query: String,
        /// The parameter.
        param: String,
    },
    /// A parameter without an example value.
    #[error("`{param}` of the query `{query}` has no example value: write `-- param {key} = VALUE` below its name")]
    NoValue {
        /// The query's name.
        query: String,
        /// The parameter.
        param: String,
        /// The parameter without its sign.
        key: String,
    },
    /// `$1` (or `?`) and `:id` in one statement.
    #[error("the query `{query}` has both `{}` and `:name` parameters: use one kind", if *sign == '?' { "?" } else { "$1" })]
    MixedParams {
        /// The query's name.
        query: String,
        /// What begins the other kind: `$` or `?`.
        sign: char,
    },
    /// `$1` for a server that does not know it.
    #[error("the query `{0}` has `$1`, which is PostgreSQL's: write `:name`, or `?` with `-- param 1 = VALUE`")]
    ForeignParam(String),
    /// A statement that only some versions of a server would read.
    #[error(
        "the query `{0}` begins with a comment that only some servers read as code: write the statement without `/*!` and `*/`"
    )]
    Versioned(String),
    /// `$1` and `$3`, and no `$2`.
    #[error(
        "the query `{query}` has `${highest}` and leaves out a lower number: number its parameters from $1 without gaps"
    )]
    Gap {
        /// The query's name.
        query: String,
        /// The highest number that it uses.
        highest: usize,
    },
}
