//! Where a semicolon does not end the statement: inside parentheses, and inside the body of a routine in SQL.
//!
//! The body is found as psql finds it. If a statement begins with `CREATE [OR REPLACE] {FUNCTION | PROCEDURE}`, `BEGIN`
//! outside of parentheses opens a level, and so does `CASE` within one; `END` closes it. Bodies that are strings need none
//! of this.

/// How deep the scanner is in the statement at hand.
#[derive(Debug, Default)]
pub(super) struct Nesting {
    parens: u32,
    paren_line: u32,
    begins: u32,
    begin_line: u32,
    lead: Lead,
}

/// How far the statement's first words go along `CREATE OR REPLACE FUNCTION`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Lead {
    #[default]
    Start,
    Create,
    Or,
    Replace,
    Routine,
    Other,
}

impl Lead {
    fn then(self, word: &[u8]) -> Self {
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword.as_bytes());
        match self {
            Self::Start if is("create") => Self::Create,
            Self::Create if is("or") => Self::Or,
            Self::Or if is("replace") => Self::Replace,
            Self::Create | Self::Replace if is("function") || is("procedure") => Self::Routine,
            Self::Routine => Self::Routine,
            _ => Self::Other,
        }
    }
}

impl Nesting {
    /// Whether a semicolon would end the statement here.
    pub(super) fn is_flat(&self) -> bool {
        self.parens == 0 && self.begins == 0
    }

    /// What is open, in words, and since which line.
    pub(super) fn open(&self) -> Option<(&'static str, u32)> {
        if self.begins > 0 {
            Some(("BEGIN … END body", self.begin_line))
        } else if self.parens > 0 {
            Some(("parenthesis", self.paren_line))
        } else {
            None
        }
    }

    /// Takes note of a parenthesis; other symbols change nothing.
    pub(super) fn symbol(&mut self, byte: u8, line: u32) {
        match byte {
            b'(' => {
                if self.parens == 0 {
                    self.paren_line = line;
                }
                self.parens += 1;
            }
            b')' => self.parens = self.parens.saturating_sub(1),
            _ => {}
        }
    }

    /// Takes note of a word without quotes.
    pub(super) fn word(&mut self, word: &[u8], line: u32) {
        if self.lead == Lead::Other {
            return;
        }
        self.lead = self.lead.then(word);
        if self.lead == Lead::Routine && self.parens == 0 {
            self.body(word, line);
        }
    }

    fn body(&mut self, word: &[u8], line: u32) {
        if word.eq_ignore_ascii_case(b"begin") {
            if self.begins == 0 {
                self.begin_line = line;
            }
            self.begins += 1;
        } else if word.eq_ignore_ascii_case(b"case") && self.begins > 0 {
            self.begins += 1;
        } else if word.eq_ignore_ascii_case(b"end") {
            self.begins = self.begins.saturating_sub(1);
        }
    }

    /// `\;`: the next word is the first of a statement again.
    pub(super) fn restart(&mut self) {
        self.lead = Lead::Start;
    }
}
