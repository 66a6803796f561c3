//! What an `ALTER TABLE` does: its actions, each by itself.

use super::reader::Reader;

/// One of the actions of an `ALTER TABLE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<'a> {
    /// As it is written.
    pub text: &'a str,
    /// What it is.
    pub action: Action<'a>,
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
        /// What a check demands.
        condition: Option<&'a str>,
        /// The table and the columns that a foreign key points to, where it names both.
        references: Option<(&'a str, Vec<&'a str>)>,
    },
    /// `ADD [COLUMN] name …`.
    AddColumn {
        /// Its name.
        name: &'a str,
        /// Whether it has a default.
        default: bool,
        /// Whether there is nothing else to it but a type, and whether it may be NULL.
        simple: bool,
    },
    /// `ATTACH PARTITION name …`.
    Attach {
        /// The new partition.
        partition: &'a str,
    },
    /// What is written to the catalog alone: `DROP [COLUMN]`, `DROP CONSTRAINT`, `ALTER … SET DEFAULT`, `DROP DEFAULT` and
    /// `DROP NOT NULL`.
    OfCatalog {
        /// The column that it is about, if it is about one.
        column: Option<&'a str>,
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

/// What makes the definition of a column more than a column.
const MORE_THAN_A_COLUMN: [&str; 8] =
    ["CONSTRAINT", "CHECK", "UNIQUE", "PRIMARY", "REFERENCES", "GENERATED", "COLLATE", "STORAGE"];

/// An action that is understood to its end.
pub(super) fn part(text: &str) -> Option<Part<'_>> {
    let mut reader = Reader::new(text);
    let action = match () {
        () if reader.eat(&["ADD"]) => add(&mut reader),
        () if reader.eat(&["ALTER"]) => alter_column(&mut reader),
        () if reader.eat(&["DROP"]) => drop(&mut reader),
        () if reader.eat(&["ATTACH", "PARTITION"]) => attach(&mut reader),
        () => None,
    };
    action.filter(|_| reader.is_at_end()).map(|action| Part { text, action })
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
        let condition = if kind == 'c' { Some(reader.parenthesis()?) } else { None };
        let references = if kind == 'f' { references(reader) } else { None };
        let done = reader.has(&["NOT", "VALID"]) || reader.has(&["USING", "INDEX"]) || reader.has(&["NOT", "ENFORCED"]);
        reader.finish();
        return (!done).then_some(Action::AddConstraint { name, kind, columns, condition, references });
    }
    let is_other = reader.peek().is_some_and(|next| next.is("EXCLUDE") || next.is("LIKE"));
    if name.is_some() || is_other {
        return None;
    }
    reader.eat(&["COLUMN"]);
    reader.eat(&["IF", "NOT", "EXISTS"]);
    let name = reader.name()?;
    let outside = reader.rest_outside();
    let simple = !outside.iter().any(|token| MORE_THAN_A_COLUMN.iter().any(|word| token.is(word)));
    let default = outside.iter().any(|token| token.is("DEFAULT"));
    reader.finish();
    Some(Action::AddColumn { name, default, simple })
}

/// `REFERENCES table (columns)`.
fn references<'a>(reader: &mut Reader<'a>) -> Option<(&'a str, Vec<&'a str>)> {
    if !reader.eat(&["REFERENCES"]) {
        return None;
    }
    let table = reader.qualified()?;
    Some((table, reader.list()?))
}

fn alter_column<'a>(reader: &mut Reader<'a>) -> Option<Action<'a>> {
    reader.eat(&["COLUMN"]);
    let column = reader.name()?;
    if reader.eat(&["SET", "NOT", "NULL"]) {
        return Some(Action::SetNotNull { column });
    }
    if reader.eat(&["DROP", "NOT", "NULL"]) || reader.eat(&["DROP", "DEFAULT"]) {
        return Some(Action::OfCatalog { column: Some(column) });
    }
    if reader.eat(&["SET", "DEFAULT"]) {
        reader.finish();
        return Some(Action::OfCatalog { column: Some(column) });
    }
    if !reader.eat(&["SET", "DATA", "TYPE"]) && !reader.eat(&["TYPE"]) {
        return None;
    }
    let using = reader.rest_outside().iter().find(|token| token.is("USING")).map(|token| reader.after(*token));
    reader.finish();
    Some(Action::ChangeType { column, using })
}

fn attach<'a>(reader: &mut Reader<'a>) -> Option<Action<'a>> {
    let partition = reader.qualified()?;
    if !reader.eat(&["DEFAULT"]) {
        reader.eat(&["FOR", "VALUES"]).then_some(())?;
        reader.finish();
    }
    Some(Action::Attach { partition })
}

fn drop<'a>(reader: &mut Reader<'a>) -> Option<Action<'a>> {
    let constraint = reader.eat(&["CONSTRAINT"]);
    if !constraint {
        reader.eat(&["COLUMN"]);
    }
    reader.eat(&["IF", "EXISTS"]);
    let name = reader.name()?;
    if !reader.eat(&["CASCADE"]) {
        reader.eat(&["RESTRICT"]);
    }
    Some(Action::OfCatalog { column: (!constraint).then_some(name) })
}

#[cfg(test)]
mod tests {
    use super::super::{Change, change};
    use super::*;

    fn alter(sql: &str) -> Option<Action<'_>> {
        match change(sql)? {
            Change::Alter { table, mut parts } => {
                assert_eq!((table, parts.len()), ("shop.\"Order Lines\"", 1));
                parts.pop().map(|part| part.action)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_action_of_an_alter_table_is_understood() {
        let on = |rest: &str| format!("alter table if exists shop.\"Order Lines\" -- a comment\n {rest}");
        let sql = on("add constraint \"K\" foreign key (a, \"B\") references u (x, y) on delete cascade");
        let constraint = |name, kind, columns| {
            let condition = (kind == 'c').then_some("a > 0 AND b IN (1, 2)");
            let references = (kind == 'f').then_some(("u", vec!["x", "y"]));
            Some(Action::AddConstraint { name, kind, columns, condition, references })
        };
        assert_eq!(alter(&sql), constraint(Some("\"K\""), 'f', vec!["a", "\"B\""]));
        assert_eq!(alter(&on("ADD CHECK (a > 0 AND b IN (1, 2))")), constraint(None, 'c', vec![]));
        assert_eq!(alter(&on("ADD UNIQUE NULLS NOT DISTINCT (a)")), constraint(None, 'u', vec!["a"]));
        assert_eq!(alter(&on("ADD PRIMARY KEY (id)")), constraint(None, 'p', vec!["id"]));
        assert_eq!(
            alter(&on("ADD c int CHECK (c > 0)")),
            Some(Action::AddColumn { name: "c", default: false, simple: false })
        );
        let sql = on("ADD COLUMN IF NOT EXISTS c uuid NOT NULL DEFAULT gen_random_uuid()");
        assert_eq!(alter(&sql), Some(Action::AddColumn { name: "c", default: true, simple: true }));
        assert_eq!(alter(&on("DROP CONSTRAINT IF EXISTS k")), Some(Action::OfCatalog { column: None }));
        assert_eq!(alter(&on("ALTER COLUMN c SET NOT NULL")), Some(Action::SetNotNull { column: "c" }));
        let sql = on("ALTER c TYPE numeric(9, 2) USING c::numeric");
        assert_eq!(alter(&sql), Some(Action::ChangeType { column: "c", using: Some("c::numeric") }));
        let bounds = "ATTACH PARTITION shop.\"P\" FOR VALUES FROM (1, 'a') TO (2, MAXVALUE)";
        assert_eq!(alter(&on(bounds)), Some(Action::Attach { partition: "shop.\"P\"" }));
        assert_eq!(alter(&on("ATTACH PARTITION p DEFAULT")), Some(Action::Attach { partition: "p" }));
        for unknown in [
            "ADD CHECK (a > 0) NOT VALID",
            "ADD CONSTRAINT u UNIQUE USING INDEX u",
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
    fn the_actions_of_one_alter_table_are_told_apart() {
        let sql = "ALTER TABLE t ADD a numeric(9, 2) DEFAULT coalesce(1, 2), ALTER b DROP NOT NULL,\n DROP \"c, d\" CASCADE , \
                   ADD CHECK (a IN (1, 2))";
        let Some(Change::Alter { table: "t", parts }) = change(sql) else { panic!("it is understood") };
        let texts: Vec<&str> = parts.iter().map(|part| part.text).collect();
        let expected = [
            "ADD a numeric(9, 2) DEFAULT coalesce(1, 2)",
            "ALTER b DROP NOT NULL",
            "DROP \"c, d\" CASCADE",
            "ADD CHECK (a IN (1, 2))",
        ];
        assert_eq!(texts, expected);
        assert_eq!(parts[1].action, Action::OfCatalog { column: Some("b") });
        assert_eq!(parts[2].action, Action::OfCatalog { column: Some("\"c, d\"") });
        for unknown in ["ALTER TABLE t ADD a int, RENAME TO u", "ALTER TABLE t ADD a int,", "ALTER TABLE t"] {
            assert_eq!(change(unknown), None, "{unknown}");
        }
    }
}
