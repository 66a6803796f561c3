//! A script of any size, read as a stream of statements and COPY data.
//!
//! It reads by lines, as psql does, and holds one statement or one chunk of COPY data in memory at a time. COPY data is
//! looked at only at line starts, for the `\.` that ends it. Whatever is left open at the end of the input is an error,
//! where psql would send it or, for COPY data, take it for complete: so a dump that was cut short is found out.

use std::io::{self, BufRead};

use bytes::Bytes;
use thiserror::Error;

use super::command;
use super::cursor::Cursor;
use super::lexer::{Kind, Lexer};
use super::nesting::Nesting;
use crate::sql::Statement;
pub use crate::sql::{LineComment, MetaCommand};

/// COPY data is handed out in chunks of whole lines of about this many bytes.
const CHUNK: usize = 64 * 1024;

/// What a script is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A statement.
    Statement(Statement),
    /// `COPY … FROM STDIN`; its data follows.
    CopyStart(Statement),
    /// Whole lines of the data.
    CopyData(Bytes),
    /// The data is complete.
    CopyEnd,
    /// A command of psql. Whoever skips one must know what it would have done: data that follows `\copy … FROM STDIN`,
    /// say, would be taken for statements.
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
    /// A statement or a command of psql is not UTF-8. (COPY data may be in any encoding.)
    #[error("line {line}: the text from here on is not UTF-8; write the script (or make the dump) in UTF-8")]
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
}

/// Which part of `COPY … FROM STDIN` comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copy {
    None,
    Data { line: u32 },
    End,
}

/// Reads a script and hands out what it is made of. It blocks while the reader does.
#[derive(Debug)]
pub struct Scanner<R> {
    reader: R,
    lines_read: u32,
    /// The line at hand, with its line end, its number, and how far it was scanned.
    line: Vec<u8>,
    number: u32,
    at: usize,
    lexer: Lexer,
    /// What `standard_conforming_strings` is reset to.
    default_strings: bool,
    nesting: Nesting,
    /// The line on which the token at hand began.
    token_line: u32,
    /// The statement at hand: its first line once it has begun, its text, and where its last token ends.
    begun: Option<u32>,
    text: Vec<u8>,
    significant: usize,
    copy: Copy,
    comments: Option<Vec<LineComment>>,
    done: bool,
}

impl<R: BufRead> Scanner<R> {
    /// Scans what `reader` gives.
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            lines_read: 0,
            line: Vec::new(),
            number: 0,
            at: 0,
            lexer: Lexer::new(),
            default_strings: true,
            nesting: Nesting::default(),
            token_line: 1,
            begun: None,
            text: Vec::new(),
            significant: 0,
            copy: Copy::None,
            comments: None,
            done: false,
        }
    }

    /// For sessions that begin with `standard_conforming_strings` so; without this it is on, as servers have it by default.
    #[must_use]
    pub fn standard_strings(mut self, on: bool) -> Self {
        (self.default_strings, self.lexer.standard_strings) = (on, on);
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
            match self.copy {
                Copy::Data { line } => return self.copy_chunk(line).map(Some),
                Copy::End => {
                    self.copy = Copy::None;
                    return Ok(Some(Item::CopyEnd));
                }
                Copy::None => {}
            }
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
        self.read_into_line()?;
        self.number = self.lines_read;
        if self.number == 1 && self.line.starts_with(b"\xef\xbb\xbf") {
            self.at = 3;
        }
        Ok(!self.line.is_empty())
    }

    fn read_into_line(&mut self) -> Result<(), ScanError> {
        let read = self.reader.read_until(b'\n', &mut self.line);
        let read = read.map_err(|source| ScanError::Read { line: self.lines_read, source })?;
        self.lines_read = self.lines_read.saturating_add(u32::from(read > 0));
        Ok(())
    }

    /// Scans the line at hand up to an item or its end.
    fn scan_line(&mut self) -> Result<Option<Item>, ScanError> {
        // What of the line is not yet in the statement's text begins here.
        let mut from = self.at;
        while self.at < self.line.len() {
            let start = self.at;
            if self.lexer.open().is_none() {
                self.token_line = self.number;
            }
            let (kind, end) = self.lexer.next(&self.line, start);
            self.at = end;
            match kind {
                Kind::Space | Kind::BlockComment => {}
                Kind::LineComment => self.note_comment(start, end),
                Kind::Symbol(b';') if self.nesting.is_flat() => {
                    self.take(from, start);
                    from = end;
                    if let Some(item) = self.end_statement()? {
                        return Ok(Some(item));
                    }
                }
                Kind::Backslash => match self.line.get(end) {
                    // psql's way to put several statements in one message: the character stands for itself.
                    Some(&escaped @ (b';' | b':')) => {
                        self.take(from, start);
                        from = end;
                        self.at = end + 1;
                        if escaped == b';' {
                            self.nesting.restart();
                        }
                        self.token(from);
                    }
                    _ => return self.meta(from, start).map(Some),
                },
                Kind::Word => {
                    self.nesting.word(&self.line[start..end], self.number);
                    self.token(from);
                }
                Kind::Symbol(byte) => {
                    self.nesting.symbol(byte, self.number);
                    self.token(from);
                }
                Kind::Number | Kind::Literal | Kind::Name => self.token(from),
            }
            if self.begun.is_none() {
                from = end;
            }
        }
        self.take(from, self.line.len());
        Ok(None)
    }

    /// The statement reaches at least to where the scanner is; `from` is where the part begins that is not in `text` yet.
    fn token(&mut self, from: usize) {
        self.begun.get_or_insert(self.token_line);
        self.significant = self.text.len() + self.at - from;
    }

    fn take(&mut self, from: usize, to: usize) {
        if self.begun.is_some() {
            self.text.extend_from_slice(&self.line[from..to]);
        }
    }

    fn note_comment(&mut self, start: usize, end: usize) {
        if let Some(comments) = &mut self.comments {
            let text = String::from_utf8_lossy(&self.line[start + 2..end]).trim().to_owned();
            comments.push(LineComment { line: self.number, text, in_statement: self.begun.is_some() });
        }
    }

    fn meta(&mut self, from: usize, start: usize) -> Result<Item, ScanError> {
        self.take(from, start);
        self.at = self.line.len();
        let text = str::from_utf8(&self.line[start..]).map_err(|_| ScanError::NotUtf8 { line: self.number })?;
        let text = text.trim_end().to_owned();
        if self.begun.is_some() {
            self.text.push(b'\n');
        }
        Ok(Item::Meta(MetaCommand { line: self.number, text, in_statement: self.begun.is_some() }))
    }

    /// Closes the statement at hand; `None` if there is none between two semicolons.
    fn end_statement(&mut self) -> Result<Option<Item>, ScanError> {
        self.nesting = Nesting::default();
        self.text.truncate(self.significant);
        let bytes = std::mem::take(&mut self.text);
        let Some(line) = self.begun.take() else { return Ok(None) };
        let text = String::from_utf8(bytes).map_err(|_| ScanError::NotUtf8 { line })?;
        let standard_strings = self.lexer.standard_strings;
        if let Some(standard) = command::standard_strings_after(&text, self.default_strings) {
            self.lexer.standard_strings = standard;
        }
        let command = command::name(Cursor::new(&text, standard_strings));
        let statement = Statement { command, text, line, copy_data: None };
        if command::reads_copy_data(&statement) {
            self.copy = Copy::Data { line };
            return Ok(Some(Item::CopyStart(statement)));
        }
        Ok(Some(Item::Statement(statement)))
    }

    fn copy_chunk(&mut self, line: u32) -> Result<Item, ScanError> {
        let mut chunk = Vec::with_capacity(CHUNK + CHUNK / 8);
        while chunk.len() < CHUNK {
            let start = chunk.len();
            let read = self.reader.read_until(b'\n', &mut chunk);
            if read.map_err(|source| ScanError::Read { line: self.lines_read, source })? == 0 {
                return Err(ScanError::Unclosed { line, what: "COPY data" });
            }
            self.lines_read = self.lines_read.saturating_add(1);
            if matches!(&chunk[start..], b"\\.\n" | b"\\.\r\n" | b"\\.") {
                chunk.truncate(start);
                self.copy = if start == 0 { Copy::None } else { Copy::End };
                break;
            }
        }
        Ok(if chunk.is_empty() { Item::CopyEnd } else { Item::CopyData(Bytes::from(chunk)) })
    }

    /// The end of the input: the last statement needs no semicolon.
    fn end(&mut self) -> Result<Option<Item>, ScanError> {
        if let Some(what) = self.lexer.open() {
            return Err(ScanError::Unclosed { line: self.token_line, what });
        }
        if let Some((what, line)) = self.nesting.open() {
            return Err(ScanError::Unclosed { line, what });
        }
        self.end_statement()
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
