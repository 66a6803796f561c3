//! The parts of statements that have a safer form: `ALTER TABLE` with one action, `CREATE`, `DROP` and `REINDEX INDEX`,
//! `REFRESH MATERIALIZED VIEW`, and `UPDATE` of one table by itself.
//!
//! What is not understood to its end is `None`: a word more may change what it means. Names are given as they are written.
//! Source: the synopses of the PostgreSQL 18 manual.

use super::cursor::{Cursor, Token};
use super::lexer::Kind;

/// A statement that is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<'a> {
    /// `ALTER TABLE` with one action.
    Alter {
        /// The table.
        table: &'a str,
        /// What is done to it.
        action: Action<'a>,
    },
    /// `CREATE [UNIQUE] INDEX` without `CONCURRENTLY`.
    CreateIndex {
        /// Its name, if it is given one.
        name: Option<&'a str>,
    },
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

/// One action of an `ALTER TABLE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action<'a> {
    /// `ADD [CONSTRAINT name] …`.
    AddConstraint {
        /// Its name, if it is given one.
        name: Option<&'a str>,
        /// As `pg_constraint.contype` has it: `c`, `f`, `n`, `p`, `u`.
        kind: char,
        /// The columns of it; empty for a check.
        columns: Vec<&'a str>,
    },
    /// `ADD [COLUMN] name …`.
    AddColumn {
        /// Its name.
        name: &'a str,
    },
    /// `ALTER [COLUMN] name SET NOT NULL`.
    SetNotNull {
        /// The column.
        column: &'a str,
    },
    /// `ALTER [COLUMN] name [SET DATA] TYPE …`.
    ChangeType {
        /// The column.
        column: &'a str,
        /// What stands behind `USING`.
        using: Option<&'a str>,
    },
}

/// A statement without what stands before and behind it: comments, white space, semicolons.
pub fn bare(sql: &str) -> &str {
    let offset = |token: Token<'_>| (token.text.as_ptr() as usize).saturating_sub(sql.as_ptr() as usize);
    let tokens: Vec<Token<'_>> = Cursor::new(sql, true).collect();
    let first = tokens.iter().find(|token| !token.is_symbol(b';'));
    let last = tokens.iter().rfind(|token| !token.is_symbol(b';'));
    let bounds = first.zip(last).map(|(first, last)| offset(*first)..offset(*last) + last.text.len());
    bounds.and_then(|bounds| sql.get(bounds)).unwrap_or_default()
}

/// What a statement is; `None` if it is nothing of this, or not understood to its end.
pub fn change(sql: &str) -> Option<Change<'_>> {
    let sql = bare(sql);
    let mut reader = Reader { sql, tokens: tokens(sql), at: 0 };
    let unknown = reader.tokens.iter().any(|token| match token.kind {
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
    let depths = reader.rest_outside();
    if depths.iter().any(|token| token.is_symbol(b',')) {
        return None;
    }
    let action = if reader.eat(&["ADD"]) { add(reader)? } else { alter_column(reader)? };
    Some(Change::Alter { table, action })
}

fn add<'a>(reader: &mut Reader<'a>) -> Option<Action<'a>> {
    let name = if reader.eat(&["CONSTRAINT"]) { Some(reader.name()?) } else { None };
    let kinds: [(&[&str], char); 5] = [
        (&["FOREIGN", "KEY"], 'f'),
        (&["CHECK"], 'c'),
        (&["UNIQUE"], 'u'),
        (&["PRIMARY", "KEY"], 'p'),
        (&["NOT", "NULL"], 'n'),
    ];
    if let Some((_, kind)) = kinds.into_iter().find(|(words, _)| reader.eat(words)) {
        if kind == 'u' && reader.eat(&["NULLS"]) {
            reader.eat(&["NOT"]);
            reader.eat(&["DISTINCT"]).then_some(())?;
        }
        let columns = match kind {
            'c' => Vec::new(),
            'n' => vec![reader.name()?],
            _ => reader.list()?,
        };
        let rest = reader.rest();
        let is = |first: &str, second: &str| rest.windows(2).any(|two| two[0].is(first) && two[1].is(second));
        let done = is("NOT", "VALID") || is("USING", "INDEX") || is("NOT", "ENFORCED");
        reader.at = reader.tokens.len();
        return (!done).then_some(Action::AddConstraint { name, kind, columns });
    }
    let is_other = reader.peek().is_some_and(|next| next.is("EXCLUDE") || next.is("LIKE"));
    if name.is_some() || is_other {
        return None;
    }
    reader.eat(&["COLUMN"]);
    let name = reader.name()?;
    reader.at = reader.tokens.len();
    Some(Action::AddColumn { name })
}

fn alter_column<'a>(reader: &mut Reader<'a>) -> Option<Action<'a>> {
    if !reader.eat(&["ALTER"]) {
        return None;
    }
    reader.eat(&["COLUMN"]);
    let column = reader.name()?;
    if reader.eat(&["SET", "NOT", "NULL"]) {
        return Some(Action::SetNotNull { column });
    }
    if !reader.eat(&["SET", "DATA", "TYPE"]) && !reader.eat(&["TYPE"]) {
        return None;
    }
    let using = reader.rest_outside().iter().find(|token| token.is("USING")).map(|token| reader.after(*token));
    reader.at = reader.tokens.len();
    Some(Action::ChangeType { column, using })
}

fn create<'a>(reader: &mut Reader<'a>) -> Option<Change<'a>> {
    if reader.eat(&["CONCURRENTLY"]) {
        return None;
    }
    reader.eat(&["IF", "NOT", "EXISTS"]);
    let name = if reader.eat(&["ON"]) { None } else { Some(reader.name()?) };
    reader.at = reader.tokens.len();
    Some(Change::CreateIndex { name })
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
    let (first, mut columns, mut begins) = (reader.at, Vec::new(), true);
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
    let from = reader.tokens.get(first)?.text;
    let set = match end {
        Some(end) => reader.between(from, end.text),
        None => reader.between(from, ""),
    };
    let condition = end.map(|end| reader.after(end));
    reader.at = reader.tokens.len();
    Some(Change::Update { table, set, columns, condition })
}

/// The tokens of a statement. A doubled quote is part of the name that it is in.
fn tokens(sql: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    for token in Cursor::new(sql, true) {
        let offset = |part: &str| (part.as_ptr() as usize).saturating_sub(sql.as_ptr() as usize);
        match tokens.last_mut() {
            Some(last)
                if last.kind == Kind::Name
                    && token.kind == Kind::Name
                    && offset(last.text) + last.text.len() == offset(token.text) =>
            {
                last.text = &sql[offset(last.text)..offset(token.text) + token.text.len()];
            }
            _ => tokens.push(token),
        }
    }
    tokens
}

/// A place among the tokens of a statement.
struct Reader<'a> {
    sql: &'a str,
    tokens: Vec<Token<'a>>,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).copied()
    }

    fn rest(&self) -> &[Token<'a>] {
        &self.tokens[self.at.min(self.tokens.len())..]
    }

    /// The tokens from here on that are outside of parentheses and brackets.
    fn rest_outside(&self) -> Vec<Token<'a>> {
        let mut depth = 0_i32;
        let outside = self.rest().iter().filter(|token| {
            if token.is_symbol(b'(') || token.is_symbol(b'[') {
                depth += 1;
            }
            let outside = depth == 0;
            if token.is_symbol(b')') || token.is_symbol(b']') {
                depth -= 1;
            }
            outside
        });
        outside.copied().collect()
    }

    /// Goes on if all of these keywords are next.
    fn eat(&mut self, words: &[&str]) -> bool {
        let next = self.tokens.get(self.at..self.at + words.len());
        let eaten = next.is_some_and(|next| next.iter().zip(words).all(|(token, word)| token.is(word)));
        self.at += if eaten { words.len() } else { 0 };
        eaten
    }

    fn symbol(&mut self, symbol: u8) -> bool {
        let eaten = self.peek().is_some_and(|token| token.is_symbol(symbol));
        self.at += usize::from(eaten);
        eaten
    }

    fn name(&mut self) -> Option<&'a str> {
        let token = self.peek().filter(|token| matches!(token.kind, Kind::Word | Kind::Name))?;
        self.at += 1;
        Some(token.text)
    }

    fn qualified(&mut self) -> Option<&'a str> {
        let (first, mut last) = (self.name()?, None);
        while self.symbol(b'.') {
            last = Some(self.name()?);
        }
        let last = last.unwrap_or(first);
        Some(&self.sql[self.offset(first)..self.offset(last) + last.len()])
    }

    /// `(a, b)`.
    fn list(&mut self) -> Option<Vec<&'a str>> {
        let mut names = Vec::new();
        self.symbol(b'(').then_some(())?;
        loop {
            names.push(self.name()?);
            if self.symbol(b')') {
                return Some(names);
            }
            self.symbol(b',').then_some(())?;
        }
    }

    /// The text from behind a token on.
    fn after(&self, token: Token<'a>) -> &'a str {
        self.sql[self.offset(token.text) + token.text.len()..].trim()
    }

    /// The text between the begin of one token and that of another; to the end if that is empty.
    fn between(&self, from: &'a str, until: &'a str) -> &'a str {
        let end = if until.is_empty() { self.sql.len() } else { self.offset(until) };
        self.sql[self.offset(from)..end].trim()
    }

    fn offset(&self, part: &str) -> usize {
        (part.as_ptr() as usize).saturating_sub(self.sql.as_ptr() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alter(sql: &str) -> Option<Action<'_>> {
        match change(sql)? {
            Change::Alter { table, action } => {
                assert_eq!(table, "shop.\"Order Lines\"");
                Some(action)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_action_of_an_alter_table_is_understood() {
        let on = |rest: &str| format!("alter table if exists shop.\"Order Lines\" -- a comment\n {rest}");
        let sql = on("add constraint \"K\" foreign key (a, \"B\") references u (x, y) on delete cascade");
        let constraint = |name, kind, columns| Some(Action::AddConstraint { name, kind, columns });
        assert_eq!(alter(&sql), constraint(Some("\"K\""), 'f', vec!["a", "\"B\""]));
        assert_eq!(alter(&on("ADD CHECK (a > 0 AND b IN (1, 2))")), constraint(None, 'c', vec![]));
        assert_eq!(alter(&on("ADD UNIQUE NULLS NOT DISTINCT (a)")), constraint(None, 'u', vec!["a"]));
        assert_eq!(alter(&on("ADD PRIMARY KEY (id)")), constraint(None, 'p', vec!["id"]));
        assert_eq!(alter(&on("ADD c int CHECK (c > 0)")), Some(Action::AddColumn { name: "c" }));
        assert_eq!(alter(&on("ALTER COLUMN c SET NOT NULL")), Some(Action::SetNotNull { column: "c" }));
        let sql = on("ALTER c TYPE numeric(9, 2) USING c::numeric");
        assert_eq!(alter(&sql), Some(Action::ChangeType { column: "c", using: Some("c::numeric") }));
        for unknown in [
            "ADD CHECK (a > 0) NOT VALID",
            "ADD CONSTRAINT u UNIQUE USING INDEX u",
            "ADD c int, ADD d int",
            "ALTER c SET NOT NULL, ALTER d SET NOT NULL",
            "ADD EXCLUDE USING gist (c WITH &&)",
            "ALTER U&\"c\" SET NOT NULL",
            "RENAME c TO d",
            "ALTER c SET NOT NULL; DROP TABLE t",
        ] {
            assert_eq!(alter(&on(unknown)), None, "{unknown}");
        }
        assert_eq!(change("ALTER TABLE ONLY orders ALTER c SET NOT NULL"), None, "only is no table here");
    }

    #[test]
    fn statements_about_indexes_are_understood() {
        let doubled = Some(Change::Reindex { what: "TABLE", name: "\"a \"\" b\".\"\"\"\"" });
        assert_eq!(change("REINDEX TABLE \"a \"\" b\".\"\"\"\""), doubled);
        assert_eq!(change("CREATE INDEX ON t (a)"), Some(Change::CreateIndex { name: None }));
        let named = Some(Change::CreateIndex { name: Some("\"I\"") });
        assert_eq!(change("CREATE UNIQUE INDEX IF NOT EXISTS \"I\" ON t (a) WHERE a > 0"), named);
        let two = Some(Change::DropIndex { if_exists: true, names: vec!["a", "s.b"] });
        assert_eq!(change("DROP INDEX IF EXISTS a, s.b"), two);
        assert_eq!(change("REINDEX TABLE t"), Some(Change::Reindex { what: "TABLE", name: "t" }));
        assert_eq!(change("REFRESH MATERIALIZED VIEW v WITH DATA"), Some(Change::Refresh { view: "v" }));
        for unknown in [
            "CREATE INDEX CONCURRENTLY i ON t (a)",
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
