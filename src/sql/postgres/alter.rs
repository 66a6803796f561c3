//! The parts of statements that have a safer form: the actions of `ALTER TABLE`, `CREATE`, `DROP` and `REINDEX INDEX`,
//! `REFRESH MATERIALIZED VIEW`, and `UPDATE` of one table by itself.
//!
//! What is not understood to its end is `None`: a word more may change what it means. Names are given as they are written.
//! Source: the synopses of the PostgreSQL 18 manual.

mod action;
mod column;
mod reader;

pub use action::{Action, Part};
pub use column::{constraint_with, index_with, names_column};

use super::cursor::{Cursor, Token};
use super::lexer::Kind;
use reader::{Reader, offset};

/// A statement that is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<'a> {
    /// `ALTER TABLE`.
    Alter {
        /// The table.
        table: &'a str,
        /// What is done to it: at least one.
        parts: Vec<Part<'a>>,
    },
    /// `CREATE [UNIQUE] INDEX`.
    CreateIndex {
        /// Its name, if it is given one.
        name: Option<&'a str>,
        /// Whether it says `CONCURRENTLY`.
        concurrently: bool,
        /// For which rows it is, if not for all.
        condition: Option<&'a str>,
    },
    /// `CREATE TABLE … PARTITION OF`.
    CreatePartition,
    /// `DROP INDEX` without `CONCURRENTLY` and `CASCADE`.
    DropIndex {
        /// Whether `IF EXISTS` is said.
        if_exists: bool,
        /// The indexes.
        names: Vec<&'a str>,
    },
    /// `REINDEX INDEX` or `TABLE` without options.
    Reindex {
        /// `INDEX` or `TABLE`.
        what: &'static str,
        /// Its name.
        name: &'a str,
    },
    /// `REFRESH MATERIALIZED VIEW` with data.
    Refresh {
        /// The view.
        view: &'a str,
    },
    /// `UPDATE` that looks at no other row than the one that it changes.
    Update {
        /// The table, with its other name if it has one.
        table: &'a str,
        /// What stands between `SET` and `WHERE`.
        set: &'a str,
        /// The columns that are set.
        columns: Vec<&'a str>,
        /// The condition.
        condition: Option<&'a str>,
    },
}

/// A statement without what stands before and behind it: comments, white space, semicolons.
pub fn bare(sql: &str) -> &str {
    let tokens: Vec<Token<'_>> = Cursor::new(sql, true).collect();
    let first = tokens.iter().find(|token| !token.is_symbol(b';'));
    let last = tokens.iter().rfind(|token| !token.is_symbol(b';'));
    let bounds = first.zip(last).map(|(first, last)| offset(sql, first.text)..offset(sql, last.text) + last.text.len());
    bounds.and_then(|bounds| sql.get(bounds)).unwrap_or_default()
}

/// What a statement is; `None` if it is nothing of this, or not understood to its end.
pub fn change(sql: &str) -> Option<Change<'_>> {
    let sql = bare(sql);
    let mut reader = Reader::new(sql);
    let unknown = reader.rest().iter().any(|token| match token.kind {
        Kind::Backslash | Kind::Symbol(b';') => true,
        // Of which not even the name is known without its escapes.
        Kind::Name => !token.text.starts_with('"'),
        _ => false,
    });
    if unknown {
        return None;
    }
    let change = match () {
        () if reader.eat(&["ALTER", "TABLE"]) => alter_table(&mut reader),
        () if reader.eat(&["CREATE", "INDEX"]) || reader.eat(&["CREATE", "UNIQUE", "INDEX"]) => create(&mut reader),
        () if reader.eat(&["CREATE", "TABLE"]) => create_table(&mut reader),
        () if reader.eat(&["DROP", "INDEX"]) => drop_index(&mut reader),
        () if reader.eat(&["REINDEX", "INDEX"]) => reindex(&mut reader, "INDEX"),
        () if reader.eat(&["REINDEX", "TABLE"]) => reindex(&mut reader, "TABLE"),
        () if reader.eat(&["REFRESH", "MATERIALIZED", "VIEW"]) => refresh(&mut reader),
        () if reader.eat(&["UPDATE"]) => update(&mut reader),
        () => None,
    };
    change.filter(|_| reader.peek().is_none())
}

fn alter_table<'a>(reader: &mut Reader<'a>) -> Option<Change<'a>> {
    reader.eat(&["IF", "EXISTS"]);
    let table = reader.qualified()?;
    let parts = reader.split().into_iter().map(action::part).collect::<Option<Vec<_>>>()?;
    reader.finish();
    Some(Change::Alter { table, parts })
}

fn create<'a>(reader: &mut Reader<'a>) -> Option<Change<'a>> {
    let concurrently = reader.eat(&["CONCURRENTLY"]);
    reader.eat(&["IF", "NOT", "EXISTS"]);
    let name = if reader.eat(&["ON"]) { None } else { Some(reader.name()?) };
    let condition = reader.rest_outside().iter().find(|token| token.is("WHERE")).map(|token| reader.after(*token));
    reader.finish();
    Some(Change::CreateIndex { name, concurrently, condition })
}

fn create_table<'a>(reader: &mut Reader<'a>) -> Option<Change<'a>> {
    reader.eat(&["IF", "NOT", "EXISTS"]);
    reader.qualified()?;
    reader.eat(&["PARTITION", "OF"]).then_some(())?;
    reader.qualified()?;
    reader.finish();
    Some(Change::CreatePartition)
}

fn drop_index<'a>(reader: &mut Reader<'a>) -> Option<Change<'a>> {
    if reader.eat(&["CONCURRENTLY"]) {
        return None;
    }
    let if_exists = reader.eat(&["IF", "EXISTS"]);
    let mut names = vec![reader.qualified()?];
    while reader.symbol(b',') {
        names.push(reader.qualified()?);
    }
    reader.eat(&["RESTRICT"]);
    Some(Change::DropIndex { if_exists, names })
}

fn reindex<'a>(reader: &mut Reader<'a>, what: &'static str) -> Option<Change<'a>> {
    if reader.eat(&["CONCURRENTLY"]) {
        return None;
    }
    Some(Change::Reindex { what, name: reader.qualified()? })
}

fn refresh<'a>(reader: &mut Reader<'a>) -> Option<Change<'a>> {
    if reader.eat(&["CONCURRENTLY"]) {
        return None;
    }
    let view = reader.qualified()?;
    reader.eat(&["WITH", "DATA"]);
    Some(Change::Refresh { view })
}

fn update<'a>(reader: &mut Reader<'a>) -> Option<Change<'a>> {
    let looks_elsewhere = ["SELECT", "FROM", "RETURNING", "CURRENT", "ONLY"];
    if reader.rest().iter().any(|token| looks_elsewhere.iter().any(|word| token.is(word)) || token.is_symbol(b'$')) {
        return None;
    }
    let table = reader.qualified()?;
    if !reader.eat(&["SET"]) {
        return None;
    }
    let from = reader.peek()?.text;
    let (mut columns, mut begins) = (Vec::new(), true);
    let mut end = None;
    for token in reader.rest_outside() {
        if token.is("WHERE") {
            end = Some(token);
            break;
        }
        if begins {
            // `(a, b) = …` sets several, which is rare.
            matches!(token.kind, Kind::Word | Kind::Name).then_some(())?;
            columns.push(token.text);
        }
        begins = token.is_symbol(b',');
    }
    let set = match end {
        Some(end) => reader.between(from, end.text),
        None => reader.between(from, ""),
    };
    let condition = end.map(|end| reader.after(end));
    reader.finish();
    Some(Change::Update { table, set, columns, condition })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_about_indexes_are_understood() {
        let doubled = Some(Change::Reindex { what: "TABLE", name: "\"a \"\" b\".\"\"\"\"" });
        assert_eq!(change("REINDEX TABLE \"a \"\" b\".\"\"\"\""), doubled);
        let index = |name, concurrently, condition| Some(Change::CreateIndex { name, concurrently, condition });
        assert_eq!(change("CREATE INDEX ON t (a)"), index(None, false, None));
        assert_eq!(change("CREATE INDEX CONCURRENTLY i ON t (a)"), index(Some("i"), true, None));
        let named = index(Some("\"I\""), false, Some("a > 0"));
        assert_eq!(change("CREATE UNIQUE INDEX IF NOT EXISTS \"I\" ON t (a) WHERE a > 0"), named);
        let two = Some(Change::DropIndex { if_exists: true, names: vec!["a", "s.b"] });
        assert_eq!(change("DROP INDEX IF EXISTS a, s.b"), two);
        assert_eq!(change("REINDEX TABLE t"), Some(Change::Reindex { what: "TABLE", name: "t" }));
        assert_eq!(change("REFRESH MATERIALIZED VIEW v WITH DATA"), Some(Change::Refresh { view: "v" }));
        let partition = change("CREATE TABLE IF NOT EXISTS p PARTITION OF shop.t FOR VALUES IN (1)");
        assert_eq!(partition, Some(Change::CreatePartition));
        for unknown in [
            "CREATE TABLE t (id int)",
            "DROP INDEX a CASCADE",
            "DROP INDEX CONCURRENTLY a",
            "REINDEX (VERBOSE) TABLE t",
            "REFRESH MATERIALIZED VIEW v WITH NO DATA",
        ] {
            assert_eq!(change(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn what_stands_around_a_statement_is_left_out() {
        assert_eq!(bare("/* one */ -- two\n UPDATE t SET a = 1 /* 3 */ ; -- four"), "UPDATE t SET a = 1");
        assert_eq!(bare(" -- nothing"), "");
        let Some(Change::Update { condition, .. }) = change("UPDATE t SET a = 1 WHERE a > 1 -- all\n;") else {
            panic!()
        };
        assert_eq!(condition, Some("a > 1"));
    }

    #[test]
    fn an_update_of_one_table_is_understood() {
        let sql = "UPDATE shop.orders SET a = coalesce(b, 1), \"C\" = 'where' WHERE a IS NULL OR b > 1";
        let update = Change::Update {
            table: "shop.orders",
            set: "a = coalesce(b, 1), \"C\" = 'where'",
            columns: vec!["a", "\"C\""],
            condition: Some("a IS NULL OR b > 1"),
        };
        assert_eq!(change(sql), Some(update));
        let all = Change::Update { table: "orders", set: "a = DEFAULT", columns: vec!["a"], condition: None };
        assert_eq!(change("UPDATE orders SET a = DEFAULT"), Some(all));
        for unknown in [
            "UPDATE orders o SET a = 1",
            "UPDATE orders SET a = 1 FROM items",
            "UPDATE orders SET a = (SELECT 1)",
            "UPDATE orders SET (a, b) = (1, 2)",
            "UPDATE orders SET a = $1",
            "UPDATE orders SET a = 1 RETURNING a",
        ] {
            assert_eq!(change(unknown), None, "{unknown}");
        }
    }
}
