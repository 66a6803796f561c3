//! Which tables a statement of data definition is about, and where in its text the first of them is named.
//!
//! Only statements are read that lock tables against others as a whole; all else names none here.

use std::ops::Range;

use super::command::name_of;
use super::cursor::{Cursor, Token};
use super::lexer::Kind;

/// How a statement goes about its tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kin {
    /// What the server carries out as an ALTER: `ALTER TABLE`, `CREATE INDEX`, `DROP INDEX`, `OPTIMIZE TABLE`.
    Alter,
    /// What has its tables to itself from beginning to end: `DROP`, `TRUNCATE`, `RENAME TABLE`, triggers.
    Whole,
}

/// A table as a statement names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its database, where that is said.
    pub database: Option<String>,
    /// Its name, without quotes.
    pub name: String,
    /// Where both stand in the text, in bytes.
    pub at: Range<usize>,
}

/// The tables that a statement names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables {
    /// How it goes about them.
    pub kin: Kin,
    /// Whether it is an `ALTER TABLE` and not one by another name.
    pub is_alter: bool,
    /// The tables, in order.
    pub named: Vec<Named>,
}

/// The tables of a statement of data definition; `None` for every other statement.
pub fn tables_of(sql: &str) -> Option<Tables> {
    let command = name_of(sql);
    let mut tokens = Cursor::new(sql.as_bytes());
    let (kin, list) = match command.as_str() {
        "ALTER TABLE" => (Kin::Alter, tokens.find(|token| token.is("TABLE"))),
        "OPTIMIZE TABLE" => (Kin::Alter, tokens.find(|token| token.is_any(&["TABLE", "TABLES"]))),
        "CREATE INDEX" | "DROP INDEX" => (Kin::Alter, tokens.outside().find(|token| token.is("ON"))),
        "CREATE TRIGGER" => (Kin::Whole, tokens.outside().find(|token| token.is("ON"))),
        "DROP TABLE" | "RENAME TABLE" => (Kin::Whole, tokens.find(|token| token.is_any(&["TABLE", "TABLES"]))),
        "DROP VIEW" | "ALTER VIEW" | "CREATE VIEW" => (Kin::Whole, tokens.find(|token| token.is("VIEW"))),
        "TRUNCATE TABLE" => (Kin::Whole, tokens.next()),
        _ => return None,
    };
    list?;
    tokens.eat("TABLE");
    if tokens.eat("IF") {
        tokens.eat("NOT");
        tokens.eat("EXISTS");
    }
    let mut named = Vec::new();
    let several = matches!(command.as_str(), "OPTIMIZE TABLE" | "DROP TABLE" | "RENAME TABLE" | "DROP VIEW");
    while let Some(table) = name(&mut tokens, sql) {
        named.push(table);
        // `RENAME TABLE a TO b, c TO d` names four.
        let goes_on = tokens.peek().is_some_and(|token| token.is_symbol(b',') || token.is("TO"));
        if !(several && goes_on) {
            break;
        }
        tokens.next();
    }
    (!named.is_empty()).then_some(Tables { kin, is_alter: command == "ALTER TABLE", named })
}

fn name(tokens: &mut Cursor<'_>, sql: &str) -> Option<Named> {
    let first = tokens.next().filter(|token| matches!(token.kind, Kind::Word | Kind::Name))?;
    let from = offset(first, sql);
    let until = |token: Token<'_>| offset(token, sql) + token.text.len();
    if tokens.peek().is_some_and(|token| token.is_symbol(b'.')) {
        tokens.next();
        let second = tokens.next()?;
        let at = from..until(second);
        return Some(Named { database: Some(plain(first)), name: plain(second), at });
    }
    Some(Named { database: None, name: plain(first), at: from..until(first) })
}

fn offset(token: Token<'_>, sql: &str) -> usize {
    (token.text.as_ptr() as usize).saturating_sub(sql.as_ptr() as usize)
}

fn plain(token: Token<'_>) -> String {
    let text = String::from_utf8_lossy(token.text);
    match token.kind {
        Kind::Name => {
            let quote = &text[..1];
            let inner = text.strip_prefix(quote).unwrap_or(&text);
            inner.strip_suffix(quote).unwrap_or(inner).replace(&quote.repeat(2), quote)
        }
        _ => text.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_found_where_statements_name_them() {
        for (sql, kin, expected) in [
            ("ALTER TABLE orders ADD n INT", Kin::Alter, "orders"),
            ("/* x */ alter online table `my``t` force", Kin::Alter, "my`t"),
            ("ALTER TABLE shop . orders ADD n INT", Kin::Alter, "shop.orders"),
            ("CREATE UNIQUE INDEX i ON orders (a)", Kin::Alter, "orders"),
            ("DROP INDEX i ON `a`.`b`", Kin::Alter, "a.b"),
            ("OPTIMIZE TABLE a, b", Kin::Alter, "a b"),
            ("TRUNCATE orders", Kin::Whole, "orders"),
            ("TRUNCATE TABLE orders", Kin::Whole, "orders"),
            ("DROP TABLE IF EXISTS a, x.b", Kin::Whole, "a x.b"),
            ("RENAME TABLE a TO b, c TO d", Kin::Whole, "a b c d"),
            ("CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW SET @a = 1", Kin::Whole, "orders"),
        ] {
            let found = tables_of(sql).unwrap_or_else(|| panic!("{sql}"));
            let named = |table: &Named| match &table.database {
                Some(database) => format!("{database}.{}", table.name),
                None => table.name.clone(),
            };
            let shown: Vec<String> = found.named.iter().map(named).collect();
            assert_eq!((found.kin, shown.join(" ").as_str()), (kin, expected), "{sql}");
        }
        assert_eq!(tables_of("INSERT INTO t VALUES (1)"), None);
    }

    #[test]
    fn a_name_can_be_cut_out() {
        let sql = "alter table `a` . `b c` force";
        let found = tables_of(sql).unwrap();
        assert_eq!(&sql[found.named[0].at.clone()], "`a` . `b c`");
    }
}
