//! The lexical rules of PostgreSQL, as far as they decide where a statement ends.
//!
//! A [`Lexer`] is fed a script in pieces that end at line ends; what can go over a line end (a literal, a quoted name, a
//! comment) is carried from one piece to the next and reported in parts. It works on bytes: every byte from 0x80 on is
//! a letter, so any encoding that has ASCII as a subset will do.
//!
//! Source: `scan.l` and `psqlscan.l` of PostgreSQL. A literal that is continued on a later line (`E'a'`, newline, `'b'`)
//! keeps its kind, as in the server; psql reads by lines and forgets it.

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// White space.
    Space,
    /// `-- …`, without its line end.
    LineComment,
    /// `/* … */`, or the part of it on this line.
    BlockComment,
    /// A keyword or a name without quotes.
    Word,
    /// Digits.
    Number,
    /// A string constant of any kind, or the part of it on this line.
    Literal,
    /// A name in double quotes, or the part of it on this line.
    Name,
    /// A backslash outside of everything: a command of psql.
    Backslash,
    /// Any other single character.
    Symbol(u8),
}

/// What is still open at the end of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Code,
    Comment { depth: u32 },
    Literal { escapes: bool },
    AfterLiteral { escapes: bool, newline: bool },
    Name,
    Dollar,
}

/// Cuts text into tokens, remembering what is open.
#[derive(Debug, Clone)]
pub(super) struct Lexer {
    state: State,
    /// `$tag$` of the dollar quote that is open.
    tag: Vec<u8>,
    /// Whether a backslash is an ordinary character in `'…'` (`standard_conforming_strings`).
    pub(super) standard_strings: bool,
}

impl Lexer {
    pub(super) fn new() -> Self {
        Self { state: State::Code, tag: Vec::new(), standard_strings: true }
    }

    /// What is open, in words; `None` between tokens.
    pub(super) fn open(&self) -> Option<&'static str> {
        match self.state {
            State::Code | State::AfterLiteral { .. } => None,
            State::Comment { .. } => Some("comment (/* … */)"),
            State::Literal { .. } => Some("quoted string ('…')"),
            State::Name => Some("quoted name (\"…\")"),
            State::Dollar => Some("dollar-quoted string ($…$)"),
        }
    }

    /// The kind and the end of the token at `at`, which must lie within `text`.
    pub(super) fn next(&mut self, text: &[u8], at: usize) -> (Kind, usize) {
        match self.state {
            State::Code => self.code(text, at),
            State::AfterLiteral { escapes, newline } => self.after_literal(text, at, escapes, newline),
            State::Comment { depth } => (Kind::BlockComment, self.comment(text, at, depth)),
            State::Literal { escapes } => (Kind::Literal, self.literal(text, at, escapes)),
            State::Name => (Kind::Name, self.name(text, at)),
            State::Dollar => (Kind::Literal, self.dollar(text, at)),
        }
    }

    fn code(&mut self, text: &[u8], at: usize) -> (Kind, usize) {
        let following = text.get(at + 1).copied();
        match text[at] {
            byte if is_space(byte) => (Kind::Space, end_of(text, at, is_space)),
            b'-' if following == Some(b'-') => (Kind::LineComment, end_of(text, at, |byte| !is_newline(byte))),
            b'/' if following == Some(b'*') => (Kind::BlockComment, self.comment(text, at + 2, 1)),
            b'\'' => (Kind::Literal, self.literal(text, at + 1, !self.standard_strings)),
            b'"' => (Kind::Name, self.name(text, at + 1)),
            b'$' => self.dollar_sign(text, at),
            b'\\' => (Kind::Backslash, at + 1),
            byte if byte.is_ascii_digit() => (Kind::Number, end_of(text, at, |byte| byte.is_ascii_digit())),
            byte if starts_word(byte) => self.word(text, at),
            byte => (Kind::Symbol(byte), at + 1),
        }
    }

    /// A word, unless it is the prefix of a literal (`E'…'`, `B'…'`, `X'…'`, `U&'…'`) or of a name (`U&"…"`).
    fn word(&mut self, text: &[u8], at: usize) -> (Kind, usize) {
        let end = end_of(text, at, continues_word);
        if end == at + 1 {
            match (text[at].to_ascii_lowercase(), &text[end..]) {
                (b'e', [b'\'', ..]) => return (Kind::Literal, self.literal(text, end + 1, true)),
                (b'b' | b'x', [b'\'', ..]) => return (Kind::Literal, self.literal(text, end + 1, false)),
                (b'u', [b'&', b'\'', ..]) => return (Kind::Literal, self.literal(text, end + 2, false)),
                (b'u', [b'&', b'"', ..]) => return (Kind::Name, self.name(text, end + 2)),
                _ => {}
            }
        }
        (Kind::Word, end)
    }

    /// From behind a literal: white space with a line end in it, and then a quote, go on with the same literal.
    fn after_literal(&mut self, text: &[u8], at: usize, escapes: bool, newline: bool) -> (Kind, usize) {
        if newline && text[at] == b'\'' {
            return (Kind::Literal, self.literal(text, at + 1, escapes));
        }
        self.state = State::Code;
        let (kind, end) = self.code(text, at);
        match kind {
            Kind::Space => {
                let newline = newline || text[at..end].iter().copied().any(is_newline);
                self.state = State::AfterLiteral { escapes, newline };
            }
            Kind::LineComment => self.state = State::AfterLiteral { escapes, newline },
            _ => {}
        }
        (kind, end)
    }

    /// The inside of a literal, up to its closing quote or the end of the text.
    fn literal(&mut self, text: &[u8], mut at: usize, escapes: bool) -> usize {
        self.state = State::Literal { escapes };
        while let Some(skipped) = text.get(at..).and_then(|rest| rest.iter().position(|&byte| ends_run(byte, escapes)))
        {
            at += skipped;
            match (text[at], text.get(at + 1)) {
                (b'\\', _) | (_, Some(b'\'')) => at += 2,
                _ => {
                    self.state = State::AfterLiteral { escapes, newline: false };
                    return at + 1;
                }
            }
        }
        text.len()
    }

    /// The inside of a quoted name. A doubled quote closes it and opens it again, which comes to the same.
    fn name(&mut self, text: &[u8], at: usize) -> usize {
        let closing = text[at..].iter().position(|&byte| byte == b'"');
        self.state = if closing.is_some() { State::Code } else { State::Name };
        closing.map_or(text.len(), |length| at + length + 1)
    }

    /// The inside of a comment that is `depth` deep at `at`.
    fn comment(&mut self, text: &[u8], mut at: usize, mut depth: u32) -> usize {
        while depth > 0 && at < text.len() {
            match &text[at..] {
                [b'*', b'/', ..] => {
                    depth -= 1;
                    at += 2;
                }
                [b'/', b'*', ..] => {
                    depth = depth.saturating_add(1);
                    at += 2;
                }
                _ => at += 1,
            }
        }
        self.state = if depth == 0 { State::Code } else { State::Comment { depth } };
        at
    }

    /// `$tag$` opens a literal; in any other place a dollar sign stands for itself (`$1`).
    fn dollar_sign(&mut self, text: &[u8], at: usize) -> (Kind, usize) {
        let tag_end = end_of(text, at + 1, |byte| byte != b'$' && continues_word(byte));
        let tagged = text.get(at + 1).is_some_and(|&byte| byte == b'$' || starts_word(byte));
        if !tagged || text.get(tag_end) != Some(&b'$') {
            return (Kind::Symbol(b'$'), at + 1);
        }
        self.tag.clear();
        self.tag.extend_from_slice(&text[at..=tag_end]);
        (Kind::Literal, self.dollar(text, tag_end + 1))
    }

    /// The inside of a dollar quote, up to its tag or the end of the text.
    fn dollar(&mut self, text: &[u8], mut at: usize) -> usize {
        self.state = State::Dollar;
        while let Some(skipped) = text[at..].iter().position(|&byte| byte == b'$') {
            at += skipped;
            if text[at..].starts_with(&self.tag) {
                self.state = State::Code;
                return at + self.tag.len();
            }
            at += 1;
        }
        text.len()
    }
}

fn end_of(text: &[u8], at: usize, belongs: impl Fn(u8) -> bool) -> usize {
    text[at..].iter().position(|&byte| !belongs(byte)).map_or(text.len(), |length| at + length)
}

fn ends_run(byte: u8, escapes: bool) -> bool {
    byte == b'\'' || (escapes && byte == b'\\')
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn is_newline(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn starts_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn continues_word(byte: u8) -> bool {
    starts_word(byte) || byte.is_ascii_digit() || byte == b'$'
}
