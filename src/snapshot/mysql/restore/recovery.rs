//! Which statements of a dump are left out on purpose, and which errors do not stop a restore.
//!
//! A dump is made to be restored on a server like its own: with its accounts, its database, its place among replicas. The
//! scratch server has none of them, and none of them changes what a migration does to the data. Everything else stops the
//! restore.
//!
//! Error numbers: MySQL 9.7 manual, "Server Error Message Reference"; MariaDB has the same for all that stand here.

use crate::sql::mysql::cursor::{Cursor, Token};
use crate::sql::mysql::name::quote;
use crate::sql::mysql::scanner::RawStatement;

/// What is done with a statement of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is sent.
    Send,
    /// It is left out, and the reader is told that this was.
    LeftOut(&'static str),
    /// It says which database the dump is of, and with what options (`CHARACTER SET …`, `COLLATE …`).
    Database {
        /// Its name; `None` for the one at hand.
        name: Option<String>,
        /// The options, as they stand there; may be empty.
        options: Vec<u8>,
    },
    /// It reads or writes a file.
    OtherFile,
}

/// Decides about a statement.
pub(super) fn fate(statement: &RawStatement) -> Fate {
    const ACCOUNTS: &str = "statements about accounts and their rights";
    const SERVER: &str = "statements about the server as a whole (replication, plugins, tablespaces)";
    let text = statement.text.as_slice();
    let command = statement.command.as_str();
    match command {
        "USE" | "CREATE DATABASE" | "ALTER DATABASE" | "DROP DATABASE" => database(text),
        "LOAD DATA" | "LOAD XML" | "IMPORT TABLE" => Fate::OtherFile,
        "SELECT" if has_word(text, "OUTFILE") || has_word(text, "DUMPFILE") => Fate::OtherFile,
        "SET" if sets_the_server(text) => Fate::LeftOut("settings of the whole server and of its binary log"),
        "GRANT" | "REVOKE" | "CREATE USER" | "ALTER USER" | "DROP USER" | "RENAME USER" | "CREATE ROLE"
        | "DROP ROLE" | "SET PASSWORD" | "SET DEFAULT ROLE" | "SET ROLE" => Fate::LeftOut(ACCOUNTS),
        "CREATE FUNCTION" if has_word(text, "SONAME") => Fate::LeftOut("functions from shared libraries"),
        "FLUSH"
        | "SHUTDOWN"
        | "RESTART"
        | "KILL"
        | "START SLAVE"
        | "START REPLICA"
        | "START ALL"
        | "START GROUP_REPLICATION"
        | "CREATE SERVER"
        | "ALTER SERVER"
        | "DROP SERVER"
        | "ALTER INSTANCE"
        | "CREATE TABLESPACE"
        | "ALTER TABLESPACE"
        | "DROP TABLESPACE"
        | "CREATE LOGFILE GROUP"
        | "ALTER LOGFILE GROUP"
        | "DROP LOGFILE GROUP" => Fate::LeftOut(SERVER),
        _ if ["CHANGE ", "STOP ", "RESET ", "PURGE ", "INSTALL ", "UNINSTALL ", "CLONE "]
            .iter()
            .any(|verb| command.starts_with(verb)) =>
        {
            Fate::LeftOut(SERVER)
        }
        _ => Fate::Send,
    }
}

fn has_word(text: &[u8], word: &str) -> bool {
    Cursor::new(text).any(|token| token.is(word))
}

/// The database that a statement is about, and what follows its name. Dumps write `CREATE DATABASE /*!32312 IF NOT EXISTS*/
/// shop /*!40100 DEFAULT CHARACTER SET …*/`.
fn database(text: &[u8]) -> Fate {
    const OPTIONS: [&str; 9] =
        ["DEFAULT", "CHARACTER", "CHARSET", "COLLATE", "ENCRYPTION", "READ", "UPGRADE", "COMMENT", "CATALOG"];
    let mut tokens = Cursor::new(text);
    let verb = tokens.next().map(Token::upper).unwrap_or_default();
    tokens.eat_any(&["OR"]);
    tokens.eat_any(&["REPLACE"]);
    tokens.eat_any(&["DATABASE", "SCHEMA"]);
    if tokens.eat("IF") {
        tokens.eat("NOT");
        tokens.eat("EXISTS");
    }
    let Some(first) = tokens.next() else { return Fate::Database { name: None, options: Vec::new() } };
    let from = first.end - first.text.len();
    if first.is_any(&OPTIONS) {
        // `ALTER DATABASE COLLATE …` is about the database at hand.
        return Fate::Database { name: None, options: text[from..].to_vec() };
    }
    // A doubled quote begins a token of its own.
    let mut end = first.end;
    while let Some(next) = tokens.next().filter(|next| text.get(end) == Some(&b'`') && next.text.starts_with(b"`")) {
        end = next.end;
    }
    let options = if matches!(verb.as_str(), "CREATE" | "ALTER") { text[end..].trim_ascii() } else { &[] };
    Fate::Database { name: Some(unquoted(&text[from..end])), options: options.to_vec() }
}

fn unquoted(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    for quote in ['`', '"'] {
        if let Some(inner) = name.strip_prefix(quote).and_then(|name| name.strip_suffix(quote)) {
            return inner.replace(&format!("{quote}{quote}"), &quote.to_string());
        }
    }
    name.into_owned()
}

/// Whether one of the variables that a `SET` gives values to is the whole server's, or decides about the binary log.
fn sets_the_server(text: &[u8]) -> bool {
    let mut is_target = true;
    Cursor::new(text).outside().any(|token| {
        if token.is_symbol(b'=') || token.is_symbol(b',') {
            is_target = token.is_symbol(b',');
        }
        let word = token.upper();
        is_target
            && (matches!(word.as_str(), "GLOBAL" | "PERSIST" | "PERSIST_ONLY" | "SQL_LOG_BIN")
                || word.starts_with("GTID_"))
    })
}

/// Whether a statement says that what a dump begins with, `true`, or ends with, `false`, stands here: the last thing that
/// `mysqldump` and `mariadb-dump` write, with or without comments, is to put back what they have set (`write_footer` in
/// `client/mysqldump.cc`). With `--compact` they write neither.
pub(super) fn mark(statement: &RawStatement) -> Option<bool> {
    if statement.command != "SET" {
        return None;
    }
    let text: String = statement.shown().chars().filter(|letter| !letter.is_whitespace()).collect();
    let text = text.to_ascii_uppercase();
    let has = |words: &str| text.contains(words);
    if has("@OLD_SQL_NOTES=@@SQL_NOTES") || has("@OLD_NOTE_VERBOSITY=@@NOTE_VERBOSITY") {
        Some(true)
    } else if has("SQL_NOTES=@OLD_SQL_NOTES") || has("NOTE_VERBOSITY=@OLD_NOTE_VERBOSITY") {
        Some(false)
    } else {
        None
    }
}

/// What a restore does about an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Recovery {
    /// Nothing is missing: goes on without a word.
    GoOn,
    /// Goes on, and the reader should know.
    Note(String),
    /// Makes this account (`user@host`) and tries again.
    MakeAccount(String),
    /// Makes this tablespace and tries again.
    MakeTablespace(String),
    /// Tries again with this text.
    Instead(Vec<u8>, &'static str),
    /// Stops, and says this too.
    Stop(&'static str),
}

/// What is done about a statement that refers to the dump's database by its name: it refers to ours. Only where the server has
/// refused it, as it cannot be seen in a text whether `shop.id` is a table of `shop` or a column of a table of that name.
pub(super) fn renamed(statement: &RawStatement, code: u16, message: &str, from: &str, to: &str) -> Option<Vec<u8>> {
    // ER_BAD_DB_ERROR, ER_NO_SUCH_TABLE, ER_BAD_FIELD_ERROR, ER_SP_DOES_NOT_EXIST
    let named = match code {
        1049 => message.contains(&format!("'{from}'")),
        1054 | 1146 => message.contains(&format!("'{from}.")),
        1305 => message.contains(&format!(" {from}.")),
        _ => false,
    };
    if !named {
        return None;
    }
    let text = statement.text.as_slice();
    let (mut new, mut copied) = (Vec::new(), 0);
    let mut tokens = Cursor::new(text);
    let mut after_dot = false;
    while let Some(token) = tokens.next() {
        let qualifies = tokens.peek().is_some_and(|next| next.is_symbol(b'.'));
        if qualifies && !after_dot && unquoted(token.text) == from {
            new.extend_from_slice(&text[copied..token.end - token.text.len()]);
            new.extend_from_slice(quote(to).as_bytes());
            copied = token.end;
        }
        after_dot = token.is_symbol(b'.');
    }
    new.extend_from_slice(&text[copied..]);
    (copied > 0).then_some(new)
}

/// What is done about a statement that the server refused.
pub(super) fn of(statement: &RawStatement, code: u16, message: &str) -> Recovery {
    const COLLATION: &str = "; this server does not have it: rehearse on the engine and version that the dump is of (`engine`, \
                             and `version` under `[server]`), or write one in the dump that both have, such as utf8mb4_unicode_ci";
    let command = statement.command.as_str();
    let quoted = |after: &str| message.split_once(after).and_then(|(_, rest)| Some(rest.split_once('`')?.0.to_owned()));
    match code {
        // ER_EMPTY_QUERY: a comment that is code for other versions.
        1065 => Recovery::GoOn,
        // ER_UNKNOWN_SYSTEM_VARIABLE
        1193 if command == "SET" => Recovery::Note(format!("{message}: left out, as the dump is of another server")),
        // ER_WRONG_VALUE_FOR_VAR: dumps of MySQL 5.7 have it around every routine; MySQL 8.0 took it away.
        1231 if message.contains("NO_AUTO_CREATE_USER") => Recovery::Instead(
            without_word(&statement.text, b"NO_AUTO_CREATE_USER"),
            "left NO_AUTO_CREATE_USER out of sql_mode, which this server does not have",
        ),
        // ER_NO_SUCH_USER
        1449 => match definer(message) {
            Some(account) => Recovery::MakeAccount(account),
            None => Recovery::Stop(""),
        },
        // ER_TABLESPACE_MISSING_WITH_NAME
        3510 => quoted("Tablespace `")
            .or_else(|| quoted("tablespace named `"))
            .map_or(Recovery::Stop(""), Recovery::MakeTablespace),
        // ER_BAD_TABLE_ERROR, ER_SP_DOES_NOT_EXIST, ER_TRG_DOES_NOT_EXIST, ER_EVENT_DOES_NOT_EXIST
        1051 | 1305 | 1360 | 1539 if command.starts_with("DROP ") => Recovery::GoOn,
        // ER_UNKNOWN_CHARACTER_SET, ER_UNKNOWN_COLLATION
        1115 | 1273 => Recovery::Stop(COLLATION),
        // ER_BAD_DB_ERROR
        1049 => Recovery::Stop(
            "; the dump is restored into a database of another name, and does not say (USE) that this one is its own: take the name out",
        ),
        // ER_WARNING_NON_DEFAULT_VALUE_FOR_GENERATED_COLUMN of MariaDB, an error in strict mode: mariadb-dump writes such
        // values, and switches strict mode off unless it is compact. ER_NON_DEFAULT_VALUE_FOR_GENERATED_COLUMN of MySQL.
        1906 => {
            Recovery::Stop("; mariadb-dump --compact leaves out the sql_mode that its rows need: make the dump without")
        }
        3105 => Recovery::Stop(
            "; dumps of MariaDB have values of generated columns, which MySQL refuses: rehearse on MariaDB (`engine`)",
        ),
        // ER_UNKNOWN_STORAGE_ENGINE
        1286 => Recovery::Stop("; use a server or an image that has it (`image` under `[server]`)"),
        // ER_PARSE_ERROR at the end of the statement.
        1064 if message.contains("near ''") => {
            Recovery::Stop("; the statement ends too early: if the dump was cut short, make it again, or copy it again")
        }
        _ => Recovery::Stop(""),
    }
}

/// The account in "The user specified as a definer ('shop'@'%') does not exist".
fn definer(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("('")?;
    let (account, _) = rest.rsplit_once("')")?;
    let (user, host) = account.rsplit_once("'@'")?;
    Some(format!("{user}@{host}"))
}

/// A text without a word, and without the comma after it or before it.
fn without_word(text: &[u8], word: &[u8]) -> Vec<u8> {
    let Some(at) = text.windows(word.len()).position(|found| found.eq_ignore_ascii_case(word)) else {
        return text.to_vec();
    };
    let (mut from, mut to) = (at, at + word.len());
    if text.get(to) == Some(&b',') {
        to += 1;
    } else if from > 0 && text[from - 1] == b',' {
        from -= 1;
    }
    [&text[..from], &text[to..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::mysql::command::name_of;

    fn statement(text: &str) -> RawStatement {
        RawStatement { text: text.into(), line: 1, command: name_of(text) }
    }

    fn database(name: Option<&str>, options: &str) -> Fate {
        Fate::Database { name: name.map(str::to_owned), options: options.into() }
    }

    #[test]
    fn what_is_about_a_database_names_it_with_its_options() {
        for (text, expected) in [
            ("USE `my``shop`", database(Some("my`shop"), "")),
            ("use shop", database(Some("shop"), "")),
            (
                "CREATE DATABASE /*!32312 IF NOT EXISTS*/ `shop` /*!40100 DEFAULT CHARACTER SET latin1 */",
                database(Some("shop"), "/*!40100 DEFAULT CHARACTER SET latin1 */"),
            ),
            ("CREATE SCHEMA IF NOT EXISTS shop", database(Some("shop"), "")),
            ("CREATE OR REPLACE DATABASE shop COLLATE x", database(Some("shop"), "COLLATE x")),
            (
                "ALTER DATABASE `shop` CHARACTER SET utf8 COLLATE y ",
                database(Some("shop"), "CHARACTER SET utf8 COLLATE y"),
            ),
            ("ALTER DATABASE COLLATE y", database(None, "COLLATE y")),
            ("/*!40000 DROP DATABASE IF EXISTS `shop`*/", database(Some("shop"), "")),
        ] {
            assert_eq!(fate(&statement(text)), expected, "{text}");
        }
    }

    #[test]
    fn what_is_about_the_server_is_left_out_and_what_is_about_a_session_is_not() {
        for (text, left_out) in [
            ("SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ '3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5'", true),
            ("SET @@SESSION.SQL_LOG_BIN= 0", true),
            ("SET @MYSQLDUMP_TEMP_LOG_BIN = @@SESSION.SQL_LOG_BIN", false),
            ("SET @old = @@GLOBAL.sql_mode", false),
            ("SET a = 1, GLOBAL b = 2", true),
            ("SET GLOBAL gtid_slave_pos='0-1-2'", true),
            ("/*!40101 SET NAMES utf8mb4 */", false),
            ("GRANT ALL ON *.* TO me", true),
            ("CHANGE MASTER TO MASTER_LOG_FILE='x'", true),
            ("START TRANSACTION", false),
            ("FLUSH PRIVILEGES", true),
            ("CREATE TABLE t (global int)", false),
            ("LOCK TABLES `t` WRITE", false),
        ] {
            assert_eq!(matches!(fate(&statement(text)), Fate::LeftOut(_)), left_out, "{text}");
        }
    }

    #[test]
    fn what_reads_or_writes_a_file_is_refused() {
        for text in [
            "LOAD DATA INFILE '/etc/passwd' INTO TABLE t",
            "/*!40000 LOAD DATA LOCAL INFILE 'x' INTO TABLE t */",
            "SELECT 1 INTO OUTFILE '/tmp/x'",
        ] {
            assert_eq!(fate(&statement(text)), Fate::OtherFile, "{text}");
        }
        assert_eq!(fate(&statement("INSERT INTO t VALUES ('LOAD DATA INFILE')")), Fate::Send);
    }

    #[test]
    fn an_error_stops_the_restore_unless_nothing_is_lost_by_it() {
        let account = Recovery::MakeAccount("o'b@10.0.%".into());
        for (text, code, message, expected) in [
            (
                "CREATE VIEW v AS SELECT 1",
                1449,
                "The user specified as a definer ('o'b'@'10.0.%') does not exist",
                account,
            ),
            ("/*!50003 SELECT 1 */", 1065, "Query was empty", Recovery::GoOn),
            ("DROP TABLE t", 1051, "Unknown table 'x.t'", Recovery::GoOn),
            ("DROP PROCEDURE p", 1305, "PROCEDURE x.p does not exist", Recovery::GoOn),
            ("CALL p()", 1305, "PROCEDURE x.p does not exist", Recovery::Stop("")),
            ("INSERT INTO t VALUES (1)", 1062, "Duplicate entry '1' for key 'PRIMARY'", Recovery::Stop("")),
        ] {
            assert_eq!(of(&statement(text), code, message), expected, "{text}");
        }
        let unknown = "Unknown system variable 'NOTE_VERBOSITY'";
        assert!(matches!(of(&statement("SET NOTE_VERBOSITY=0"), 1193, unknown), Recovery::Note(_)));
        let refused = "Variable 'sql_mode' can't be set to the value of 'NO_AUTO_CREATE_USER'";
        for (mode, left) in
            [("A,NO_AUTO_CREATE_USER,B", "A,B"), ("A,NO_AUTO_CREATE_USER", "A"), ("no_auto_create_user", "")]
        {
            let recovery = of(&statement(&format!("SET sql_mode = '{mode}'")), 1231, refused);
            assert!(
                matches!(recovery, Recovery::Instead(text, _) if text == format!("SET sql_mode = '{left}'").into_bytes())
            );
        }
    }

    #[test]
    fn the_name_of_the_dumps_database_becomes_ours_where_it_qualifies() {
        for (text, code, message, expected) in [
            (
                "CREATE VIEW v AS SELECT `shop`.`t`.`shop`, 'shop.t', t.shop.x FROM shop.t",
                1054,
                "Unknown column 'shop.t.shop' in 'SELECT'",
                Some("CREATE VIEW v AS SELECT `ours`.`t`.`shop`, 'shop.t', t.shop.x FROM `ours`.t"),
            ),
            ("INSERT INTO shop.t VALUES (1)", 1049, "Unknown database 'shop'", Some("INSERT INTO `ours`.t VALUES (1)")),
            ("INSERT INTO shop.t VALUES (1)", 1062, "Duplicate entry 'shop.' for key", None),
            ("SELECT 1 FROM other.t", 1049, "Unknown database 'other'", None),
        ] {
            let new = renamed(&statement(text), code, message, "shop", "ours");
            assert_eq!(new.map(|text| String::from_utf8(text).unwrap()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_dump_says_where_it_begins_and_ends() {
        for (text, expected) in [
            ("/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */", Some(true)),
            ("/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */", Some(false)),
            ("/*M!100616 SET @OLD_NOTE_VERBOSITY=@@NOTE_VERBOSITY, NOTE_VERBOSITY=0 */", Some(true)),
            ("/*M!100616 SET NOTE_VERBOSITY=@OLD_NOTE_VERBOSITY */", Some(false)),
            ("INSERT INTO t VALUES ('SET SQL_NOTES=@OLD_SQL_NOTES')", None),
        ] {
            assert_eq!(mark(&statement(text)), expected, "{text}");
        }
    }
}
