//! What kind of statement a statement is: its leading keywords, with the kind of object where it is about one.
//!
//! Only what says something is looked at: comments are passed over, `/*!50003 … */` is read as code, and so are modifiers
//! (`DEFINER = …`, `OR REPLACE`, `TEMPORARY`). A statement with an error in it is named by what it begins with. One difference
//! to the server's names is wanted: what makes a table from a query is `CREATE TABLE AS`, as on PostgreSQL.
//!
//! Source: MySQL 9.7 manual, chapter 15 "SQL Statements"; MariaDB documentation, "SQL Statements".

use super::cursor::{Cursor, Token};
use super::lexer::Kind;

/// What is said of a statement that begins with no word.
const UNKNOWN: &str = "???";

/// Kinds of objects, by the word that they are known by after `CREATE`, `ALTER` or `DROP`.
const OBJECTS: &[(&str, &str)] = &[
    ("DATABASE", "DATABASE"),
    ("EVENT", "EVENT"),
    ("FUNCTION", "FUNCTION"),
    ("INDEX", "INDEX"),
    ("INSTANCE", "INSTANCE"),
    ("LIBRARY", "LIBRARY"),
    ("LOGFILE", "LOGFILE GROUP"),
    ("PACKAGE", "PACKAGE"),
    ("PREPARE", "PREPARE"),
    ("PROCEDURE", "PROCEDURE"),
    ("REFERENCE", "SPATIAL REFERENCE SYSTEM"),
    ("RESOURCE", "RESOURCE GROUP"),
    ("ROLE", "ROLE"),
    ("SCHEMA", "DATABASE"),
    ("SEQUENCE", "SEQUENCE"),
    ("SERVER", "SERVER"),
    ("TABLE", "TABLE"),
    ("TABLES", "TABLE"),
    ("TABLESPACE", "TABLESPACE"),
    ("TRIGGER", "TRIGGER"),
    ("USER", "USER"),
    ("VIEW", "VIEW"),
];

/// Verbs that a `WITH` can lead to.
const QUERY_VERBS: [&str; 7] = ["SELECT", "INSERT", "REPLACE", "UPDATE", "DELETE", "VALUES", "TABLE"];

/// Verbs whose second word says what they do.
const TWO_WORDS: [&str; 20] = [
    "BINLOG",
    "CACHE",
    "CHANGE",
    "CLONE",
    "DEALLOCATE",
    "GET",
    "IMPORT",
    "INSTALL",
    "LOAD",
    "LOCK",
    "PURGE",
    "RELEASE",
    "RENAME",
    "RESET",
    "START",
    "STOP",
    "TRUNCATE",
    "UNINSTALL",
    "UNLOCK",
    "XA",
];

/// The kind of a statement, in capitals: `ALTER TABLE`, `CREATE INDEX`, `INSERT`.
pub fn name_of(sql: impl AsRef<[u8]>) -> String {
    name(Cursor::new(sql.as_ref()))
}

fn name(mut tokens: Cursor<'_>) -> String {
    let Some(first) = tokens.find(|token| !token.is_symbol(b'(')).filter(|token| token.kind == Kind::Word) else {
        return UNKNOWN.to_owned();
    };
    let verb = first.upper();
    match verb.as_str() {
        "ALTER" | "CREATE" | "DROP" => object_command(&verb, tokens),
        "ANALYZE" | "CHECK" | "CHECKSUM" | "OPTIMIZE" | "REPAIR" => maintenance(&verb, &mut tokens),
        "BEGIN" if tokens.eat("NOT") => "BEGIN NOT ATOMIC".to_owned(),
        "DESC" | "DESCRIBE" => "EXPLAIN".to_owned(),
        "SET" => setting(tokens),
        "TABLE" | "VALUES" => "SELECT".to_owned(),
        "TRUNCATE" => "TRUNCATE TABLE".to_owned(),
        "WITH" => main_verb(&mut tokens),
        _ if TWO_WORDS.contains(&verb.as_str()) => match tokens.next() {
            Some(next) if next.kind == Kind::Word => format!("{verb} {}", plural(&verb, &next.upper())),
            _ => verb,
        },
        _ => verb,
    }
}

/// The second word, as the manual has it where there are two spellings.
fn plural(verb: &str, word: &str) -> String {
    match (verb, word) {
        ("LOCK" | "UNLOCK", "TABLE") => "TABLES".to_owned(),
        ("RENAME", "TABLES") => "TABLE".to_owned(),
        _ => word.to_owned(),
    }
}

/// `ALTER`, `CREATE` and `DROP` with the kind of object: the first word that is one and is not the name in
/// `DEFINER = name@host`.
fn object_command(verb: &str, mut tokens: Cursor<'_>) -> String {
    let mut is_name = false;
    while let Some(token) = tokens.next() {
        if !is_name && let Some((_, object)) = OBJECTS.iter().find(|(word, _)| token.is(word)) {
            if *object == "TABLE" && verb == "CREATE" && makes_from_query(tokens) {
                return "CREATE TABLE AS".to_owned();
            }
            return format!("{verb} {object}");
        }
        is_name = token.is_symbol(b'=') || token.is_symbol(b'@');
    }
    verb.to_owned()
}

/// Whether a table is made from a query: `CREATE TABLE t (a int) SELECT …`, `CREATE TABLE t AS (SELECT …)`, `AS WITH …`; and
/// not `CREATE TABLE t (a int AS (b + 1))`.
fn makes_from_query(mut tokens: Cursor<'_>) -> bool {
    let is_query = |token: Token<'_>| token.is_any(&["SELECT", "VALUES", "WITH"]);
    let mut before: Option<Token<'_>> = None;
    let mut depth = 0_u32;
    // `(SELECT` belongs to a query wherever it stands in a definition, since a column's expression cannot have one; the
    // word alone has to be outside of parentheses. PARTITION BY … VALUES LESS THAN is no query, nor is WITH PARSER.
    tokens.any(|token| {
        let opens = before.is_none_or(|before| before.is_symbol(b'(') || before.is_any(&["AS", "IGNORE", "REPLACE"]));
        let found = token.is("SELECT") && (depth == 0 || opens) || is_query(token) && depth == 0 && opens;
        if token.is_symbol(b'(') {
            depth += 1;
        } else if token.is_symbol(b')') {
            depth = depth.saturating_sub(1);
        }
        before = Some(token);
        found
    })
}

/// `ANALYZE TABLE` and its like; MariaDB's `ANALYZE SELECT` is another thing.
fn maintenance(verb: &str, tokens: &mut Cursor<'_>) -> String {
    tokens.eat_any(&["NO_WRITE_TO_BINLOG", "LOCAL"]);
    if tokens.eat_any(&["TABLE", "TABLES"]) {
        format!("{verb} TABLE")
    } else if tokens.eat("VIEW") {
        format!("{verb} VIEW")
    } else {
        verb.to_owned()
    }
}

/// `SET`, and what it is about where that is no variable. MariaDB's `SET STATEMENT … FOR` is the statement that follows.
fn setting(mut tokens: Cursor<'_>) -> String {
    let variables = tokens.clone();
    tokens.eat_any(&["GLOBAL", "SESSION", "LOCAL"]);
    let Some(next) = tokens.next() else { return "SET".to_owned() };
    let assigns = tokens.peek().is_some_and(|token| token.is_symbol(b'=') || token.is_symbol(b':'));
    if next.is("STATEMENT") && !assigns {
        let mut inner = variables;
        inner.outside().find(|token| token.is("FOR"));
        return name(inner);
    }
    if next.is("TRANSACTION") {
        return "SET TRANSACTION".to_owned();
    }
    if next.is("PASSWORD") {
        return "SET PASSWORD".to_owned();
    }
    if next.is("ROLE") && !assigns {
        return "SET ROLE".to_owned();
    }
    if next.is("DEFAULT") && tokens.eat("ROLE") {
        return "SET DEFAULT ROLE".to_owned();
    }
    if next.is("RESOURCE") && tokens.eat("GROUP") {
        return "SET RESOURCE GROUP".to_owned();
    }
    "SET".to_owned()
}

/// What follows the named queries of a `WITH`. Some verbs may be names of such queries too; those stand after `WITH`,
/// `RECURSIVE` or a comma.
fn main_verb(tokens: &mut Cursor<'_>) -> String {
    let mut may_be_name = true;
    for token in tokens.outside() {
        if !may_be_name && let Some(verb) = QUERY_VERBS.iter().find(|verb| token.is(verb)) {
            return if matches!(*verb, "VALUES" | "TABLE") { "SELECT".to_owned() } else { (*verb).to_owned() };
        }
        may_be_name = token.is_symbol(b',') || token.is("RECURSIVE");
    }
    "WITH".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_named_by_its_verb_and_object() {
        for (sql, name) in [
            ("alter table t add a int", "ALTER TABLE"),
            ("ALTER ONLINE TABLE t ADD a int", "ALTER TABLE"),
            ("/* why */ ALTER /* x */ TABLE t", "ALTER TABLE"),
            ("/*!40000 ALTER TABLE `t` DISABLE KEYS */", "ALTER TABLE"),
            ("/*M!100616 SET NOTE_VERBOSITY=@OLD */", "SET"),
            ("/*!50003 CREATE*/ /*!50017 DEFINER=`table`@`%`*/ /*!50003 TRIGGER t BEFORE INSERT */", "CREATE TRIGGER"),
            ("CREATE DEFINER=event@localhost VIEW v AS SELECT 1", "CREATE VIEW"),
            ("CREATE OR REPLACE ALGORITHM=MERGE SQL SECURITY DEFINER VIEW v AS SELECT 1", "CREATE VIEW"),
            ("CREATE UNIQUE INDEX i ON t (a)", "CREATE INDEX"),
            ("CREATE SPATIAL REFERENCE SYSTEM 4120 NAME 'x'", "CREATE SPATIAL REFERENCE SYSTEM"),
            ("CREATE SCHEMA s", "CREATE DATABASE"),
            ("CREATE TEMPORARY TABLE t (a int)", "CREATE TABLE"),
            ("CREATE TABLE t (a int, b int AS (a + 1)) COMMENT 'SELECT'", "CREATE TABLE"),
            ("CREATE TABLE t LIKE s", "CREATE TABLE"),
            ("CREATE TABLE t (a int) PARTITION BY RANGE (a) (PARTITION p VALUES LESS THAN (1))", "CREATE TABLE"),
            ("CREATE TABLE t (a text, FULLTEXT KEY (a) WITH PARSER ngram)", "CREATE TABLE"),
            ("CREATE TABLE t SELECT * FROM s", "CREATE TABLE AS"),
            ("CREATE TABLE t (a int) ENGINE=InnoDB IGNORE SELECT 1 a", "CREATE TABLE AS"),
            ("CREATE TABLE t AS (WITH x AS (SELECT 1) SELECT * FROM x)", "CREATE TABLE AS"),
            ("CREATE TABLE t (SELECT 1)", "CREATE TABLE AS"),
            ("DROP TABLES a, b", "DROP TABLE"),
            ("DROP DATABASE IF EXISTS d", "DROP DATABASE"),
            ("RENAME TABLE a TO b", "RENAME TABLE"),
            ("truncate t", "TRUNCATE TABLE"),
            ("OPTIMIZE LOCAL TABLE t", "OPTIMIZE TABLE"),
            ("ANALYZE SELECT 1", "ANALYZE"),
            ("LOAD DATA LOCAL INFILE 'x' INTO TABLE t", "LOAD DATA"),
            ("LOCK TABLE t WRITE", "LOCK TABLES"),
            ("UNLOCK TABLES", "UNLOCK TABLES"),
            ("SET @a = 1", "SET"),
            ("SET NAMES utf8mb4", "SET"),
            ("SET SESSION TRANSACTION READ ONLY", "SET TRANSACTION"),
            ("SET PASSWORD = 'x'", "SET PASSWORD"),
            ("SET STATEMENT lock_wait_timeout=1, x=(2) FOR ALTER TABLE t FORCE", "ALTER TABLE"),
            ("START TRANSACTION READ ONLY", "START TRANSACTION"),
            ("BEGIN WORK", "BEGIN"),
            ("BEGIN NOT ATOMIC SELECT 1; END", "BEGIN NOT ATOMIC"),
            ("RELEASE SAVEPOINT s", "RELEASE SAVEPOINT"),
            ("XA START 'x'", "XA START"),
            ("(SELECT 1) UNION (SELECT 2)", "SELECT"),
            ("WITH RECURSIVE x AS (SELECT 1) UPDATE t JOIN x SET t.a = 1", "UPDATE"),
            ("WITH x AS (SELECT 1) SELECT * FROM x", "SELECT"),
            ("INSERT /*+ SET_VAR(x=1) */ INTO t VALUES (1)", "INSERT"),
            ("REPLACE INTO t VALUES (1)", "REPLACE"),
            ("CALL p()", "CALL"),
            ("use `shop`", "USE"),
            ("'x'", "???"),
            ("", "???"),
        ] {
            assert_eq!(name_of(sql), name, "{sql}");
        }
    }
}
