//! The parts of `sql_mode` that decide what quotes and backslashes mean, followed through `SET`.
//!
//! A mode that comes from a string is understood, and so is one that comes from a variable in which the script itself kept
//! it (`SET @saved = @@sql_mode … SET sql_mode = @saved`, as dumps do). What any other expression gives is not known; the
//! modes then stay as they are.
//!
//! Source: MySQL 9.7 manual, 7.1.11 "Server SQL Modes".

use super::cursor::{Cursor, Token};
use super::lexer::Kind;

/// What quotes mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Modes {
    /// `NO_BACKSLASH_ESCAPES`: a backslash in a string stands for itself.
    pub no_backslash_escapes: bool,
    /// `ANSI_QUOTES` (also as part of `ANSI`, and on MariaDB of `ORACLE`, `MSSQL` and others): names are in double quotes.
    pub ansi_quotes: bool,
}

/// Modes that include ANSI_QUOTES (those other than ANSI are gone from MySQL since 8.0, and kept in MariaDB).
const ANSI: [&str; 8] = ["ANSI_QUOTES", "ANSI", "DB2", "MAXDB", "MSSQL", "ORACLE", "POSTGRESQL", "MYSQL323_ANSI"];

impl Modes {
    /// Of a value of `sql_mode`: words with commas between them.
    pub fn of(value: &str) -> Self {
        let has = |wanted: &[&str]| {
            let mut words = value.split(',').map(str::trim);
            words.any(|word| wanted.iter().any(|mode| word.eq_ignore_ascii_case(mode)))
        };
        Self { no_backslash_escapes: has(&["NO_BACKSLASH_ESCAPES"]), ansi_quotes: has(&ANSI) }
    }
}

/// Modes that a script has kept in variables of its own.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept(Vec<(Vec<u8>, Modes)>);

impl Kept {
    /// The modes after a `SET` statement, which were `modes` before it.
    pub(super) fn after(&mut self, set: &[u8], mut modes: Modes) -> Modes {
        let mut tokens = Cursor::new(set);
        tokens.next();
        // One assignment after the other; what is global is not for this session.
        loop {
            let assignment: Vec<_> = tokens.by_ref().take_while(|token| !token.is_symbol(b',')).collect();
            let equals = assignment.iter().position(|token| token.is_symbol(b'='));
            let Some(equals) = equals else {
                if assignment.is_empty() {
                    return modes;
                }
                continue;
            };
            let (target, value) = (&assignment[..equals], &assignment[equals + 1..]);
            if names_mode(target) {
                modes = self.value(value, modes).unwrap_or(modes);
            } else if let ([at, name, ..], Some(kept)) = (target, self.value(value, modes))
                && at.is_symbol(b'@')
                && name.kind == Kind::Word
            {
                self.0.retain(|(earlier, _)| *earlier != name.text);
                self.0.push((name.text.to_vec(), kept));
            }
        }
    }

    /// What a value of `sql_mode` means; `None` where that cannot be told.
    fn value(&self, value: &[Token<'_>], modes: Modes) -> Option<Modes> {
        match value {
            [text] if text.kind == Kind::Literal => {
                let text = String::from_utf8_lossy(text.text);
                Some(Modes::of(text.trim_matches(['\'', '"'])))
            }
            [word] if word.kind == Kind::Word && !names_mode(value) => Some(Modes::of(&word.upper())),
            [at, name] if at.is_symbol(b'@') => {
                self.0.iter().find(|(kept, _)| kept.eq_ignore_ascii_case(name.text)).map(|(_, modes)| *modes)
            }
            _ if names_mode(value) => Some(modes),
            _ => None,
        }
    }
}

/// Whether it is the session's `sql_mode`: `sql_mode`, `SESSION sql_mode`, `@@sql_mode`, `@@session.sql_mode`.
fn names_mode(tokens: &[Token<'_>]) -> bool {
    let mut words = tokens.iter().filter(|token| !matches!(token.kind, Kind::Symbol(b'@' | b'.' | b':')));
    let mut next = words.next();
    if next.is_some_and(|word| word.is_any(&["SESSION", "LOCAL"])) {
        next = words.next();
    }
    let one_at = matches!(tokens, [first, second, ..] if first.is_symbol(b'@') && !second.is_symbol(b'@'));
    !one_at && next.is_some_and(|word| word.is("SQL_MODE")) && words.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(statements: &[&str]) -> Modes {
        let mut kept = Kept::default();
        statements.iter().fold(Modes::default(), |modes, set| kept.after(set.as_bytes(), modes))
    }

    #[test]
    fn a_mode_is_followed_wherever_it_is_set() {
        let none = Modes::default();
        let both = Modes { no_backslash_escapes: true, ansi_quotes: true };
        let plain = Modes { no_backslash_escapes: true, ansi_quotes: false };
        for (statements, expected) in [
            (&["SET sql_mode = 'NO_BACKSLASH_ESCAPES'"][..], plain),
            (&["SET NAMES utf8mb4, sql_mode := \"ansi, no_backslash_escapes\""], both),
            (&["SET SESSION sql_mode=NO_BACKSLASH_ESCAPES"], plain),
            (&["SET @@session.sql_mode='ANSI_QUOTES,NO_BACKSLASH_ESCAPES', autocommit=0"], both),
            (&["SET GLOBAL sql_mode='NO_BACKSLASH_ESCAPES'"], none),
            (&["SET @sql_mode='NO_BACKSLASH_ESCAPES'"], none),
            (&["SET @@sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES'", "SET sql_mode = concat(@@sql_mode, '')"], both),
            (&["/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_BACKSLASH_ESCAPES' */"], plain),
            (
                &[
                    "/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_BACKSLASH_ESCAPES' */",
                    "SET sql_mode = @old_sql_mode",
                ],
                none,
            ),
            (&["SET sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES'", "SET @s = @@sql_mode, sql_mode = ''"], none),
            (
                &[
                    "SET sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES'",
                    "SET @s = @@sql_mode, sql_mode = ''",
                    "SET sql_mode = @s",
                ],
                both,
            ),
        ] {
            assert_eq!(after(statements), expected, "{statements:?}");
        }
    }
}
