//! A script of any size, read as a stream of statements, by the rules by which the `mysql` client reads one.
//!
//! It reads by lines and holds one line and one statement in memory at a time. Text is bytes: a dump holds binary strings,
//! and in whatever character set it was made, it comes out as it went in. Comments that are code (`/*! … */`, `/*M! … */`)
//! are kept, since only the server knows which versions they are for; one that the server then finds empty is no error to
//! it. Whatever is left open at the end of the input is an error, where the client would send it: so a dump that was cut
//! short is found out.
//!
//! Differences from the client: `DELIMITER` is obeyed wherever a statement may begin, and not only at the start of a line;
//! `\g` and `\G` end a statement though MySQL's client has them switched off in scripts unless `--commands` is given (seen on
//! 9.7.4); line ends within strings stay as they are, where the client makes `\n` of `\r\n`; and with
//! [`Scanner::know_bodies`] a stored routine needs no other delimiter.

use std::borrow::Cow;
use std::io::{self, BufRead};

use thiserror::Error;

use super::bodies::Bodies;
use super::client::{self, Command};
use super::command;
use super::lexer::{Kind, Lexer};
use super::modes::{Kept, Modes};
use crate::sql::{LineComment, MetaCommand};

/// One statement of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawStatement {
    /// Its text without the delimiter, and without comments before its first keyword and after its last token.
    pub text: Vec<u8>,
    /// The line of the script on which its first token stands, from 1.
    pub line: u32,
    /// Its kind in capitals (`ALTER TABLE`, `INSERT`), as [`command::name_of`] has it.
    pub command: String,
}

impl RawStatement {
    /// Its text for people, with a mark in place of what is not UTF-8.
    pub fn shown(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.text)
    }
}

/// What a script is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A statement. `USE` is one.
    Statement(RawStatement),
    /// A command of the client that is neither `DELIMITER` nor the end of a statement: it would reach a shell, a file or
    /// another server, or change what the client prints. Its text goes to the end of its line or to the delimiter.
    Meta(MetaCommand),
}

/// Why a script could not be read to its end.
#[derive(Debug, Error)]
pub enum ScanError {
    /// The input could not be read.
    #[error("cannot read the script after line {line}")]
    Read {
        /// How many lines were read.
        line: u32,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A statement that has to be text is not UTF-8.
    #[error("line {line}: the statement that begins here is not UTF-8; write the script in UTF-8")]
    NotUtf8 {
        /// Where the statement begins.
        line: u32,
    },
    /// Something is not closed.
    #[error("line {line}: the {what} that begins here is never closed; was the file cut short?")]
    Unclosed {
        /// Where it was opened.
        line: u32,
        /// What it is.
        what: &'static str,
    },
    /// `DELIMITER` without a delimiter, or with one that the client refuses.
    #[error("line {line}: DELIMITER must be followed by a delimiter, which is one word without a backslash")]
    Delimiter {
        /// Where.
        line: u32,
    },
}

/// Reads a script and hands out what it is made of. It blocks while the reader does.
#[derive(Debug)]
pub struct Scanner<R> {
    reader: R,
    lines_read: u32,
    /// The line at hand, with its line end, and how far it was scanned.
    line: Vec<u8>,
    at: usize,
    lexer: Lexer,
    kept: Kept,
    delimiter: Vec<u8>,
    /// The bodies of routines, where they are to be known.
    bodies: Option<Bodies>,
    /// The line on which the token at hand began.
    token_line: u32,
    /// The statement at hand: its first line once it has begun, its text, and where its last token ends.
    begun: Option<u32>,
    text: Vec<u8>,
    significant: usize,
    comments: Option<Vec<LineComment>>,
    done: bool,
}

impl<R: BufRead> Scanner<R> {
    /// Scans what `reader` gives, as in a session with an `sql_mode` that leaves quotes as they are by default.
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            lines_read: 0,
            line: Vec::new(),
            at: 0,
            lexer: Lexer::new(Modes::default()),
            kept: Kept::default(),
            delimiter: b";".to_vec(),
            bodies: None,
            token_line: 1,
            begun: None,
            text: Vec::new(),
            significant: 0,
            comments: None,
            done: false,
        }
    }

    /// The session's `sql_mode` when the script begins.
    #[must_use]
    pub fn in_modes(mut self, modes: Modes) -> Self {
        self.lexer.modes = modes;
        self
    }

    /// From now on a semicolon in the body of a stored routine does not end the statement, as on a server that is sent the
    /// whole script at once. (With another delimiter there is nothing to know.)
    #[must_use]
    pub fn know_bodies(mut self) -> Self {
        self.bodies = Some(Bodies::default());
        self
    }

    /// The next item; `None` at the end. After an error there are no more.
    pub fn next_item(&mut self) -> Result<Option<Item>, ScanError> {
        if self.done {
            return Ok(None);
        }
        let item = self.advance();
        self.done = !matches!(item, Ok(Some(_)));
        item
    }

    pub(super) fn keep_comments(&mut self) {
        self.comments = Some(Vec::new());
    }

    pub(super) fn into_comments(self) -> Vec<LineComment> {
        self.comments.unwrap_or_default()
    }

    fn advance(&mut self) -> Result<Option<Item>, ScanError> {
        loop {
            if self.at == self.line.len() && !self.read_line()? {
                return self.end();
            }
            if let Some(item) = self.scan_line()? {
                return Ok(Some(item));
            }
        }
    }

    fn read_line(&mut self) -> Result<bool, ScanError> {
        self.line.clear();
        self.at = 0;
        let read = self.reader.read_until(b'\n', &mut self.line);
        let read = read.map_err(|source| ScanError::Read { line: self.lines_read, source })?;
        self.lines_read = self.lines_read.saturating_add(u32::from(read > 0));
        if self.lines_read == 1 && self.line.starts_with(b"\xef\xbb\xbf") {
            self.at = 3;
        }
        Ok(!self.line.is_empty())
    }

    /// Scans the line at hand up to an item or its end.
    fn scan_line(&mut self) -> Result<Option<Item>, ScanError> {
        // What of the line is not yet in the statement's text begins here.
        let mut from = self.at;
        while self.at < self.line.len() {
            let start = self.at;
            if self.lexer.open().is_none() {
                self.token_line = self.lines_read;
                if self.is_delimited(start) {
                    self.take(from, start);
                    self.at = start + self.delimiter.len();
                    if let Some(statement) = self.end_statement() {
                        return Ok(Some(Item::Statement(statement)));
                    }
                    from = self.at;
                    continue;
                }
            }
            let (kind, end) = self.lexer.next(&self.line, start, self.begun.is_none());
            self.at = self.cut(kind, start, end);
            match kind {
                Kind::Space | Kind::BlockComment => {}
                Kind::LineComment => self.note_comment(start),
                Kind::Backslash => {
                    self.take(from, start);
                    return Ok(self.backslash(start));
                }
                Kind::Word if self.begun.is_none() => {
                    if let Some(command) = client::named(&self.line[start..self.at], self.rest()) {
                        return self.named(command, start);
                    }
                    self.token(kind, start, from);
                }
                _ => self.token(kind, start, from),
            }
            if self.begun.is_none() {
                from = self.at;
            }
        }
        self.take(from, self.line.len());
        Ok(None)
    }

    /// Whether a delimiter stands here, and ends the statement.
    fn is_delimited(&self, at: usize) -> bool {
        self.line[at..].starts_with(&self.delimiter) && self.bodies().is_none_or(Bodies::is_flat)
    }

    /// The bodies, where they are known: with a delimiter of its own, a script says itself where they end.
    fn bodies(&self) -> Option<&Bodies> {
        self.bodies.as_ref().filter(|_| self.delimiter == b";")
    }

    /// The end of a token: the client finds a delimiter in the middle of a word as well (`END$$`).
    fn cut(&self, kind: Kind, start: usize, end: usize) -> usize {
        if !matches!(kind, Kind::Word | Kind::Number) || self.delimiter == b";" {
            return end;
        }
        (start + 1..end).find(|&at| self.line[at..].starts_with(&self.delimiter)).unwrap_or(end)
    }

    /// What follows on the line, up to the delimiter.
    fn rest(&self) -> &[u8] {
        let rest = &self.line[self.at..];
        let delimiter = rest.windows(self.delimiter.len()).position(|bytes| bytes == self.delimiter);
        &rest[..delimiter.unwrap_or(rest.len())]
    }

    /// The statement reaches at least to where the scanner is; `from` is where the part begins that is not in `text` yet.
    fn token(&mut self, kind: Kind, start: usize, from: usize) {
        self.begun.get_or_insert(self.token_line);
        self.significant = self.text.len() + self.at - from;
        if let Some(bodies) = &mut self.bodies {
            match kind {
                Kind::Word => bodies.word(&self.line[start..self.at], self.lines_read),
                Kind::Symbol(byte) => bodies.symbol(byte),
                Kind::Number | Kind::Literal | Kind::Name => bodies.value(),
                _ => {}
            }
        }
    }

    fn take(&mut self, from: usize, to: usize) {
        if self.begun.is_some() {
            self.text.extend_from_slice(&self.line[from..to]);
        }
    }

    fn note_comment(&mut self, start: usize) {
        let comment = &self.line[start..self.at];
        if let (Some(comments), Some(text)) = (&mut self.comments, comment.strip_prefix(b"--")) {
            let text = String::from_utf8_lossy(text).trim().to_owned();
            comments.push(LineComment { line: self.lines_read, text, in_statement: self.begun.is_some() });
        }
    }

    /// A backslash outside of everything: it ends the statement or begins a command.
    fn backslash(&mut self, start: usize) -> Option<Item> {
        if matches!(self.line.get(start + 1), Some(b'g' | b'G')) {
            self.at = start + 2;
            return self.end_statement().map(Item::Statement);
        }
        self.at = self.line.len();
        let meta = self.meta(start);
        if self.begun.is_some() {
            self.text.push(b'\n');
        }
        Some(meta)
    }

    /// A command of the client, from its first word on.
    fn named(&mut self, command: Command, start: usize) -> Result<Option<Item>, ScanError> {
        if command == Command::Delimiter {
            let delimiter = client::delimiter(&self.line[self.at..]);
            let delimiter = delimiter.ok_or(ScanError::Delimiter { line: self.lines_read })?;
            self.delimiter = delimiter.to_vec();
            self.at = self.line.len();
            return Ok(None);
        }
        self.at += self.rest().len();
        Ok(match command {
            Command::Use => {
                self.begun = Some(self.lines_read);
                self.text.extend_from_slice(self.line[start..self.at].trim_ascii_end());
                self.significant = self.text.len();
                self.end_statement().map(Item::Statement)
            }
            Command::Other => Some(self.meta(start)),
            Command::Nothing | Command::Delimiter => None,
        })
    }

    fn meta(&self, start: usize) -> Item {
        let text = String::from_utf8_lossy(&self.line[start..self.at]).trim_end().to_owned();
        Item::Meta(MetaCommand { line: self.lines_read, text, in_statement: self.begun.is_some() })
    }

    /// Closes the statement at hand; `None` if there is none between two delimiters.
    fn end_statement(&mut self) -> Option<RawStatement> {
        self.lexer.restart();
        self.bodies = self.bodies.take().map(|_| Bodies::default());
        self.text.truncate(self.significant);
        let text = std::mem::take(&mut self.text);
        let line = self.begun.take()?;
        let command = command::name_of(&text);
        if command == "SET" {
            self.lexer.modes = self.kept.after(&text, self.lexer.modes);
        }
        Some(RawStatement { text, line, command })
    }

    /// The end of the input: the last statement needs no delimiter.
    fn end(&mut self) -> Result<Option<Item>, ScanError> {
        if let Some(what) = self.lexer.open() {
            return Err(ScanError::Unclosed { line: self.token_line, what });
        }
        if let Some(line) = self.bodies().and_then(Bodies::open) {
            return Err(ScanError::Unclosed { line, what: "body of a stored routine (BEGIN … END)" });
        }
        Ok(self.end_statement().map(Item::Statement))
    }
}

impl<R: BufRead> Iterator for Scanner<R> {
    type Item = Result<Item, ScanError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_item().transpose()
    }
}

#[cfg(test)]
mod tests;
