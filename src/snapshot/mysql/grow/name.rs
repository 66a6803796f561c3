//! Table names as people write them, and which table of the server they mean.
//!
//! Two kindnesses that cannot mislead: a table of another database is found if no other has its name, and case does not matter
//! where no two names differ in it alone.

use mysql_async::Conn;

use super::ask;
use super::error::GrowError;
use crate::snapshot::grow::near::nearest;
use crate::sql::mysql::name;

/// A relation that could be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Relation {
    /// Its place in the list of all.
    pub(crate) number: u32,
    pub(crate) database: String,
    pub(crate) name: String,
    /// Whether it is in the database that is grown, so that its bare name finds it.
    pub(crate) home: bool,
    /// As the catalog calls it: `BASE TABLE`, `VIEW`, `SYSTEM VERSIONED`, `SEQUENCE`.
    pub(crate) kind: String,
}

impl Relation {
    /// Its name as SQL has it, with its database.
    pub(crate) fn sql(&self) -> String {
        format!("{}.{}", name::quote(&self.database), name::quote(&self.name))
    }

    /// Its name as the record and messages have it.
    pub(crate) fn shown(&self) -> String {
        let home = if self.home { &self.database } else { "" };
        name::relation(home, &self.database, &self.name)
    }

    /// What finds it in a table of `information_schema`.
    pub(crate) fn filter(&self) -> String {
        format!("table_schema = {} AND table_name = {}", ask::literal(&self.database), ask::literal(&self.name))
    }
}

/// Every relation of the server that is not the server's own.
pub(crate) async fn relations(conn: &mut Conn, home: &str) -> Result<Vec<Relation>, GrowError> {
    let sql = "SELECT table_schema, table_name, table_type FROM information_schema.tables
               WHERE table_schema NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys')
               ORDER BY table_schema, table_name";
    let rows = ask::rows(conn, "the list of tables", sql).await?;
    let field = |row, at| ask::text(row, at).unwrap_or_default();
    let relation = |(number, row)| Relation {
        number,
        home: field(row, 0) == home,
        database: field(row, 0),
        name: field(row, 1),
        kind: field(row, 2),
    };
    Ok((0..).zip(&rows).map(relation).collect())
}

/// Why a name means no single table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unclear {
    /// The backticks or dots are wrong.
    Malformed,
    /// There is none; these are like it.
    Missing(Vec<String>),
    /// These all have it.
    Ambiguous(Vec<String>),
}

/// Finds the relation that a name means.
pub(crate) fn resolve<'a>(written: &str, all: &'a [Relation]) -> Result<&'a Relation, Unclear> {
    let parts = parts(written).ok_or(Unclear::Malformed)?;
    let (database, name) = match parts.as_slice() {
        [name] => (None, name),
        [database, name] => (Some(database), name),
        _ => return Err(Unclear::Malformed),
    };
    let exact = |a: &str, b: &str| a == b;
    let folded = |a: &str, b: &str| a.to_lowercase() == b.to_lowercase();
    for same in [&exact as &dyn Fn(&str, &str) -> bool, &folded] {
        let is_meant = |r: &&Relation| same(&r.name, name) && database.is_none_or(|d| same(&r.database, d));
        let mut found: Vec<&Relation> = all.iter().filter(is_meant).collect();
        if found.iter().any(|relation| relation.home) {
            found.retain(|relation| relation.home);
        }
        match found.as_slice() {
            [] => {}
            [one] => return Ok(one),
            many => return Err(Unclear::Ambiguous(many.iter().map(|relation| relation.shown()).collect())),
        }
    }
    Err(Unclear::Missing(nearest(written, all.iter().map(Relation::shown))))
}

/// The parts of a dotted name; `None` if its backticks do not close or a part is empty.
pub(crate) fn parts(written: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = written.trim();
    loop {
        let (part, after) = if let Some(quoted) = rest.strip_prefix('`') {
            quoted_part(quoted)?
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            (rest[..end].trim_end().to_owned(), &rest[end..])
        };
        if part.is_empty() || (part.contains('`') && !rest.starts_with('`')) {
            return None;
        }
        parts.push(part);
        let after = after.trim_start();
        if after.is_empty() {
            return Some(parts);
        }
        rest = after.strip_prefix('.')?.trim_start();
    }
}

/// The text up to the closing backtick, and what follows it.
fn quoted_part(text: &str) -> Option<(String, &str)> {
    let mut part = String::new();
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        if letter != '`' {
            part.push(letter);
        } else if letters.next_if(|&(_, next)| next == '`').is_some() {
            part.push('`');
        } else {
            return Some((part, &text[at + 1..]));
        }
    }
    None
}

/// The names in backticks of an expression, as the catalogs have it: those of its columns.
pub(crate) fn quoted_names(expression: &str) -> Vec<String> {
    let mut names = Vec::new();
    // MySQL's catalog has the quotes of literals with a backslash before them, MariaDB's without.
    let plain = expression.replace("\\'", "'");
    let mut rest = plain.as_str();
    while let Some(at) = rest.find(['`', '\'']) {
        if rest[at..].starts_with('`') {
            let Some((name, after)) = quoted_part(&rest[at + 1..]) else { break };
            names.push(name);
            rest = after;
        } else {
            // A literal may hold anything; a doubled quote in it reads as two literals, which comes to the same.
            let Some(end) = end_of_literal(&rest[at + 1..]) else { break };
            rest = &rest[at + 1 + end..];
        }
    }
    names
}

/// Where the text behind the closing quote of a literal begins.
fn end_of_literal(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::DATABASE;

    fn all(names: &[(&str, &str)]) -> Vec<Relation> {
        let relation = |(number, (database, name)): (u32, &(&str, &str))| Relation {
            number,
            database: (*database).into(),
            name: (*name).into(),
            home: *database == DATABASE,
            kind: "BASE TABLE".into(),
        };
        (0..).zip(names).map(relation).collect()
    }

    #[test]
    fn a_name_means_what_the_server_would_take_it_for() {
        let all = all(&[
            (DATABASE, "orders"),
            (DATABASE, "Album"),
            (DATABASE, "a`b.c"),
            ("shop", "orders"),
            ("shop", "tills"),
        ]);
        for (written, database, name) in [
            ("orders", DATABASE, "orders"),
            ("shop.orders", "shop", "orders"),
            (" shop . `orders` ", "shop", "orders"),
            ("tills", "shop", "tills"),
            ("album", DATABASE, "Album"),
            ("`a``b.c`", DATABASE, "a`b.c"),
        ] {
            let found = resolve(written, &all).expect(written);
            assert_eq!((found.database.as_str(), found.name.as_str()), (database, name), "{written}");
        }
    }

    #[test]
    fn a_name_that_means_no_table_is_refused_with_what_was_near() {
        let all = all(&[("a", "t"), ("b", "t"), (DATABASE, "Album")]);
        assert_eq!(resolve("t", &all), Err(Unclear::Ambiguous(vec!["a.t".into(), "b.t".into()])));
        assert_eq!(resolve("albun", &all), Err(Unclear::Missing(vec!["Album".into()])));
        for malformed in ["", "a..b", "`open", "`a`b", "a`b", "a.b.c", "a."] {
            assert_eq!(resolve(malformed, &all), Err(Unclear::Malformed), "{malformed}");
        }
    }

    #[test]
    fn the_columns_of_an_expression_are_its_names_in_backticks() {
        for (expression, names) in [
            ("((`low` <= `high`) and (`low` > 0))", vec!["low", "high", "low"]),
            ("`state` in ('`x`','it''s') or `b``c` = 1", vec!["state", "b`c"]),
            (r"(`state` in (_utf8mb4\'`x`\',_utf8mb4\'y\') and `z`)", vec!["state", "z"]),
            ("1 > 0", vec![]),
        ] {
            assert_eq!(quoted_names(expression), names, "{expression}");
        }
    }
}
