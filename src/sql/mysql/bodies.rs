//! Where a semicolon does not end the statement although it is the delimiter: inside the body of a stored routine.
//!
//! The body is that of a `CREATE` (or `ALTER`) `PROCEDURE`, `FUNCTION`, `TRIGGER` or `EVENT`, or MariaDB's `BEGIN NOT ATOMIC`.
//! In it, `BEGIN`, `CASE`, `IF`, `LOOP`, `REPEAT`, `WHILE` and `FOR` open a level where they begin a statement, and `END` closes
//! it. None of these words is reserved for that alone: `IF(…)` and `REPEAT(…)` are functions too, `CASE … END` is an expression
//! too, and columns may be called `begin` and `end`.
//!
//! Source: MySQL 9.7 manual, 15.6 "Compound Statement Syntax". Routines in Oracle's syntax (MariaDB, `sql_mode=ORACLE`) are
//! not known here.

/// What an `END` closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// `BEGIN`, `IF`, `LOOP`, `WHILE`, `FOR`, and `CASE` as a statement: closed by an `END` that follows a semicolon.
    Statements,
    /// `REPEAT … UNTIL condition END`.
    Repeat,
    /// `CASE` as an expression.
    Case,
}

/// How far the statement's first words go along `CREATE … PROCEDURE`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Lead {
    #[default]
    Start,
    Create,
    Begin,
    Routine,
    Other,
}

/// What stands before a word.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Something after which a statement begins: `;`, `THEN`, a label.
    #[default]
    Statement,
    /// `END`.
    End,
    /// A word, a name or a string: a part of a routine's head can end with it.
    Value,
    /// A word after which an expression, or a name, follows.
    Expression,
    /// A dot or another character that goes on with what was before.
    Symbol,
}

/// Kinds of objects whose definitions have a body.
const ROUTINES: [&str; 4] = ["PROCEDURE", "FUNCTION", "TRIGGER", "EVENT"];

/// Words after `CREATE` by which it is known that none of these comes.
const NO_ROUTINE: [&str; 15] = [
    "DATABASE",
    "FULLTEXT",
    "INDEX",
    "INSTANCE",
    "LOGFILE",
    "RESOURCE",
    "ROLE",
    "SCHEMA",
    "SEQUENCE",
    "SERVER",
    "SPATIAL",
    "TABLE",
    "TEMPORARY",
    "UNIQUE",
    "USER",
];

/// Words of a routine's head after which its body may begin without `BEGIN`.
const ENDS_OF_HEADS: [&str; 7] = ["DATA", "DEFINER", "DETERMINISTIC", "DO", "INVOKER", "ROW", "SQL"];

/// How deep the scanner is in the statement at hand.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    lead: Lead,
    levels: Vec<Level>,
    line: u32,
    before: Before,
    /// Whether the word before may end a routine's head.
    head_may_end: bool,
    /// Whether the statement of the body is a `DECLARE`, in which a handler's `BEGIN` may stand.
    in_declare: bool,
}

impl Bodies {
    /// Whether a semicolon would end the statement here.
    pub(super) fn is_flat(&self) -> bool {
        self.levels.is_empty()
    }

    /// The line on which the body began that is open.
    pub(super) fn open(&self) -> Option<u32> {
        (!self.is_flat()).then_some(self.line)
    }

    /// Takes note of a character that is no part of a word.
    pub(super) fn symbol(&mut self, byte: u8) {
        self.head_may_end = byte == b')';
        self.before = match byte {
            b';' | b':' => Before::Statement,
            b')' => Before::Value,
            _ => Before::Symbol,
        };
        self.in_declare &= byte != b';';
    }

    /// Takes note of a string, a number or a quoted name.
    pub(super) fn value(&mut self) {
        self.head_may_end = true;
        self.before = Before::Value;
    }

    /// Takes note of a word without quotes.
    pub(super) fn word(&mut self, word: &[u8], line: u32) {
        let is_any = |keywords: &[&str]| keywords.iter().any(|keyword| word.eq_ignore_ascii_case(keyword.as_bytes()));
        match self.lead {
            Lead::Other => {}
            Lead::Routine => self.in_routine(&is_any, line),
            Lead::Start if is_any(&["CREATE", "ALTER"]) => self.lead = Lead::Create,
            Lead::Start if is_any(&["BEGIN"]) => self.lead = Lead::Begin,
            Lead::Begin if is_any(&["NOT"]) => {
                self.lead = Lead::Routine;
                self.open_level(Level::Statements, line);
                self.before = Before::Value;
            }
            Lead::Create if is_any(&ROUTINES) => {
                self.lead = Lead::Routine;
                self.before = Before::Expression;
            }
            Lead::Create if !is_any(&NO_ROUTINE) => {}
            Lead::Create | Lead::Start | Lead::Begin => self.lead = Lead::Other,
        }
    }

    fn in_routine(&mut self, is_any: &dyn Fn(&[&str]) -> bool, line: u32) {
        let (before, head_may_end) = (self.before, self.head_may_end);
        let in_body = !self.levels.is_empty();
        // Between head and body nothing marks the place.
        let begins = if in_body { before == Before::Statement } else { head_may_end || before == Before::Statement };
        self.head_may_end = is_any(&ENDS_OF_HEADS);
        self.before = Before::Value;
        if before == Before::Symbol {
            // A part of a longer name, or of an expression, where only CASE is more than a name.
            if is_any(&["CASE"]) {
                self.open_level(Level::Case, line);
            }
        } else if is_any(&["BEGIN"]) {
            if begins || self.in_declare || !in_body && before == Before::Value {
                self.open_level(Level::Statements, line);
                self.before = Before::Statement;
            }
        } else if is_any(&["CASE"]) {
            if before != Before::End {
                self.open_level(if begins { Level::Statements } else { Level::Case }, line);
            }
        } else if is_any(&["REPEAT", "LOOP"]) && begins {
            self.open_level(if is_any(&["REPEAT"]) { Level::Repeat } else { Level::Statements }, line);
            self.before = Before::Statement;
        } else if is_any(&["IF", "WHILE"]) && begins || is_any(&["FOR"]) && begins && in_body {
            self.open_level(Level::Statements, line);
        } else if is_any(&["END"]) {
            if begins || matches!(self.levels.last(), Some(Level::Repeat | Level::Case)) {
                self.levels.pop();
                self.before = Before::End;
            }
        } else if is_any(&["THEN", "ELSE", "DO"]) && self.levels.last() != Some(&Level::Case) {
            self.before = Before::Statement;
        } else if is_any(&["DECLARE"]) && begins {
            self.in_declare = true;
        } else if is_any(&["RETURN", "SELECT", "SET"]) {
            self.before = Before::Expression;
        }
    }

    fn open_level(&mut self, level: Level, line: u32) {
        if self.levels.is_empty() {
            self.line = line;
        }
        self.levels.push(level);
    }
}
