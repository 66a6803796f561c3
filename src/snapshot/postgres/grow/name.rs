//! Table names as people write them, and which table of the database they mean.
//!
//! Follows the server's rules (unquoted parts fold to lower case, `""` in quotes is one quote), and two kindnesses that
//! cannot mislead: a table outside the search path is found if no other has its name, and so is `Album` without quotes.

use tokio_postgres::Client;

use super::GrowError;
pub(crate) use crate::snapshot::grow::near::nearest;
use crate::sql::postgres::quote::ident;

/// A relation that could be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Relation {
    pub(crate) oid: u32,
    pub(crate) schema: String,
    pub(crate) name: String,
    /// `pg_class.relkind`.
    pub(crate) kind: char,
    /// Whether its bare name finds it (`pg_table_is_visible`).
    pub(crate) visible: bool,
}

impl Relation {
    /// Its name as SQL has it, quoted where it must be, with its schema.
    pub(crate) fn sql(&self) -> String {
        format!("{}.{}", quote(&self.schema), quote(&self.name))
    }

    /// Its name as a person would write it, with its schema.
    pub(crate) fn shown(&self) -> String {
        format!("{}.{}", ident(&self.schema), ident(&self.name))
    }
}

/// Quotes an identifier for SQL. Always with quotes, so that no list of keywords is needed.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Every relation of the database that is not the server's own.
pub(crate) async fn relations(client: &Client) -> Result<Vec<Relation>, GrowError> {
    let sql = "SELECT c.oid, n.nspname, c.relname, c.relkind::text, pg_table_is_visible(c.oid)
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
                 AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
               ORDER BY n.nspname, c.relname";
    let rows = client.query(sql, &[]).await.map_err(GrowError::reading("the list of tables"))?;
    Ok(rows
        .iter()
        .map(|row| Relation {
            oid: row.get(0),
            schema: row.get(1),
            name: row.get(2),
            kind: row.get::<_, String>(3).chars().next().unwrap_or('r'),
            visible: row.get(4),
        })
        .collect())
}

/// Why a name means no single table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unclear {
    /// The quotes or dots are wrong.
    Malformed,
    /// There is none; these are like it.
    Missing(Vec<String>),
    /// These all have it.
    Ambiguous(Vec<String>),
}

/// Finds the relation that a name means.
pub(crate) fn resolve<'a>(written: &str, all: &'a [Relation]) -> Result<&'a Relation, Unclear> {
    let folded = parts(written, true).ok_or(Unclear::Malformed)?;
    let exact = parts(written, false).ok_or(Unclear::Malformed)?;
    for wanted in [&folded, &exact] {
        let (schema, name) = match wanted.as_slice() {
            [name] => (None, name),
            [schema, name] => (Some(schema), name),
            _ => return Err(Unclear::Malformed),
        };
        let mut found: Vec<&Relation> =
            all.iter().filter(|r| r.name == *name && schema.is_none_or(|s| r.schema == *s)).collect();
        if found.iter().any(|r| r.visible) {
            found.retain(|r| r.visible);
        }
        match found.as_slice() {
            [] => {}
            [one] => return Ok(one),
            many => return Err(Unclear::Ambiguous(many.iter().map(|r| full_name(r)).collect())),
        }
    }
    let names = all.iter().map(|r| if r.visible { ident(&r.name) } else { full_name(r) });
    Err(Unclear::Missing(nearest(written, names)))
}

fn full_name(relation: &Relation) -> String {
    format!("{}.{}", ident(&relation.schema), ident(&relation.name))
}

/// The parts of a dotted name; `None` if its quotes do not close or a part is empty.
pub(crate) fn parts(written: &str, fold: bool) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = written.trim();
    loop {
        let (part, after) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted_part(quoted)?
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            let part = rest[..end].trim_end();
            (if fold { part.to_lowercase() } else { part.to_owned() }, &rest[end..])
        };
        if part.is_empty() {
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

/// The text up to the closing quote, and what follows it.
fn quoted_part(text: &str) -> Option<(String, &str)> {
    let mut part = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c != '"' {
            part.push(c);
        } else if chars.next_if(|&(_, next)| next == '"').is_some() {
            part.push('"');
        } else {
            return Some((part, &text[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation(schema: &str, name: &str, visible: bool) -> Relation {
        Relation { oid: 1, schema: schema.into(), name: name.into(), kind: 'r', visible }
    }

    #[test]
    fn a_name_means_what_the_server_would_take_it_for() {
        let all = [
            relation("public", "orders", true),
            relation("public", "Album", true),
            relation("public", "Order \"Lines\" 😀", true),
            relation("shop", "orders", false),
            relation("shop", "tills", false),
            relation("Röst", "a.b", false),
        ];
        for (written, schema, name) in [
            ("orders", "public", "orders"),
            ("ORDERS", "public", "orders"),
            ("shop.orders", "shop", "orders"),
            (" shop . \"orders\" ", "shop", "orders"),
            ("tills", "shop", "tills"),
            ("Album", "public", "Album"),
            ("\"Album\"", "public", "Album"),
            ("\"Order \"\"Lines\"\" 😀\"", "public", "Order \"Lines\" 😀"),
            ("\"Röst\".\"a.b\"", "Röst", "a.b"),
        ] {
            let found = resolve(written, &all).expect(written);
            assert_eq!((found.schema.as_str(), found.name.as_str()), (schema, name), "{written}");
        }
    }

    #[test]
    fn a_name_that_means_no_table_is_refused_with_what_was_near() {
        let all = [relation("a", "t", false), relation("b", "t", false), relation("public", "Album", true)];
        assert_eq!(resolve("t", &all), Err(Unclear::Ambiguous(vec!["a.t".into(), "b.t".into()])));
        assert_eq!(resolve("albun", &all), Err(Unclear::Missing(vec!["\"Album\"".into()])));
        for malformed in ["", "a..b", "\"open", "\"a\"b", "a.b.c", "a."] {
            assert_eq!(resolve(malformed, &all), Err(Unclear::Malformed), "{malformed}");
        }
    }

    #[test]
    fn quoting_survives_quotes() {
        assert_eq!(quote("a\"b"), "\"a\"\"b\"");
        assert_eq!(ident("order_lines2"), "order_lines2");
        assert_eq!(ident("2nd"), "\"2nd\"");
    }
}
