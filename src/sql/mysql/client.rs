//! The commands of the `mysql` and `mariadb` clients, which no server understands: which words they are, and how far they
//! reach.
//!
//! Source: the table `commands` and `find_command` in `client/mysql.cc` of MySQL 9.7 and MariaDB 11.8. A named command is one
//! only where a statement may begin, and in small or capital letters alike.

/// What the client would do where a statement begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    /// `DELIMITER`.
    Delimiter,
    /// `USE`, which is SQL as well: the client ends it at the end of the line.
    Use,
    /// Sends what came before, of which there is nothing here (`go`).
    Nothing,
    /// Any other.
    Other,
}

/// Names, and whether they take words after them.
const NAMED: &[(&str, bool, Command)] = &[
    ("delimiter", true, Command::Delimiter),
    ("use", true, Command::Use),
    ("go", false, Command::Nothing),
    ("ego", false, Command::Nothing),
    ("charset", true, Command::Other),
    ("clear", false, Command::Other),
    ("connect", true, Command::Other),
    ("costs", false, Command::Other),
    ("edit", false, Command::Other),
    ("exit", false, Command::Other),
    ("help", true, Command::Other),
    ("nopager", false, Command::Other),
    ("notee", false, Command::Other),
    ("nowarning", false, Command::Other),
    ("pager", true, Command::Other),
    ("print", false, Command::Other),
    ("prompt", true, Command::Other),
    ("query_attributes", true, Command::Other),
    ("quit", false, Command::Other),
    ("rehash", false, Command::Other),
    ("resetconnection", false, Command::Other),
    ("sandbox", false, Command::Other),
    ("source", true, Command::Other),
    ("ssl_session_data_print", true, Command::Other),
    ("status", false, Command::Other),
    ("system", true, Command::Other),
    ("tee", true, Command::Other),
    ("warnings", false, Command::Other),
];

/// The command that `word` is, if `rest` comes after it up to the delimiter or the end of the line.
pub(super) fn named(word: &[u8], rest: &[u8]) -> Option<Command> {
    let (_, takes_words, command) = NAMED.iter().find(|(name, ..)| word.eq_ignore_ascii_case(name.as_bytes()))?;
    let is_apart = rest.first().is_none_or(u8::is_ascii_whitespace);
    let has_words = !rest.trim_ascii().is_empty();
    let fits = match command {
        // Without a name it is the beginning of a statement.
        Command::Use => has_words,
        _ => *takes_words || !has_words,
    };
    (is_apart && fits).then_some(*command)
}

/// The delimiter that stands behind `DELIMITER`: the first word, without quotes around it; `None` if there is none or the
/// client would refuse it.
pub(super) fn delimiter(rest: &[u8]) -> Option<&[u8]> {
    let rest = rest.trim_ascii();
    let delimiter = match rest {
        [quote @ (b'\'' | b'"' | b'`'), inner @ ..] => inner.split(|byte| byte == quote).next(),
        _ => rest.split(u8::is_ascii_whitespace).next(),
    };
    delimiter.filter(|delimiter| !delimiter.is_empty() && !delimiter.contains(&b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_known_by_its_name_and_what_follows() {
        for (word, rest, expected) in [
            ("DELIMITER", " //", Some(Command::Delimiter)),
            ("Delimiter", "", Some(Command::Delimiter)),
            ("use", " shop", Some(Command::Use)),
            ("use", "\r\n", None),
            ("source", "\tx.sql", Some(Command::Other)),
            ("status", "", Some(Command::Other)),
            ("status", " x", None),
            ("help", "", Some(Command::Other)),
            ("go", "\n", Some(Command::Nothing)),
            ("SELECT", " 1", None),
            ("use", "`a`", None),
        ] {
            assert_eq!(named(word.as_bytes(), rest.as_bytes()), expected, "{word}{rest}");
        }
    }

    #[test]
    fn a_delimiter_is_one_word() {
        for (rest, expected) in [
            (" //", Some("//")),
            (" $$ -- comment", Some("$$")),
            (" ;\r\n", Some(";")),
            (" ';;' x", Some(";;")),
            (" ", None),
            (" \\\\", None),
        ] {
            assert_eq!(delimiter(rest.as_bytes()), expected.map(str::as_bytes), "{rest:?}");
        }
    }
}
