//! The parameters of a query: their example values, and `:name` made `$1` (PostgreSQL) or `?` (MySQL, MariaDB).

use super::Value;
use super::lexer::{Kind, Token, within_name};
use super::problem::Fault;
use crate::scenario::Engine;

/// An example value, from a comment `-- param NAME = VALUE`.
#[derive(Debug)]
pub(super) struct Example {
    pub(super) name: String,
    pub(super) value: Value,
    pub(super) line: u32,
}

/// Reads a comment that gives a parameter its value; `None` if it is any other comment. `text` is without its `--`.
pub(super) fn read(text: &str, line: u32) -> Option<Result<Example, Fault>> {
    let rest = text.trim().strip_prefix("param")?;
    if !rest.starts_with(char::is_whitespace) {
        return None;
    }
    Some(example(rest, line).ok_or_else(|| Fault::BadParam(format!("-- {}", text.trim()))))
}

fn example(text: &str, line: u32) -> Option<Example> {
    let (name, value) = text.split_once('=')?;
    let name = name.trim();
    let name = name.strip_prefix([':', '$', '?']).unwrap_or(name);
    if name.is_empty() || !name.chars().all(|c| within_name(c) && c != '$') {
        return None;
    }
    let value = match value.trim() {
        "" => return None,
        null if null.eq_ignore_ascii_case("null") => Value::Null,
        quoted if quoted.starts_with('\'') => Value::Quoted(unquoted(quoted)?),
        plain => Value::Plain(plain.to_owned()),
    };
    Some(Example { name: name.to_owned(), value, line })
}

/// What `'it''s'` stands for; `None` if a quote in it is not doubled.
fn unquoted(text: &str) -> Option<String> {
    let inner = text.strip_prefix('\'')?.strip_suffix('\'')?;
    let parts: Vec<&str> = inner.split("''").collect();
    parts.iter().all(|part| !part.contains('\'')).then(|| parts.join("'"))
}

/// A statement with the placeholders of its engine.
#[derive(Debug)]
pub(super) struct Numbered {
    pub(super) sql: String,
    /// Its parameters, each once, as they are written after the sign; the number where that is `$` or `?`.
    pub(super) names: Vec<String>,
    /// For each value that is to be sent: whose it is, among the names.
    slots: Vec<usize>,
    /// `:`, `$` or `?`.
    pub(super) sign: char,
}

/// Numbers the parameters of a statement: named ones in the order in which they first appear.
pub(super) fn number(engine: Engine, query: &str, body: &[Token<'_>]) -> Result<Numbered, Fault> {
    let has = |kind| body.iter().any(|t| t.kind == kind);
    let sign = if engine == Engine::Postgres { '$' } else { '?' };
    if sign == '?' && has(Kind::Numbered) {
        return Err(Fault::ForeignParam(query.to_owned()));
    }
    match (has(Kind::Named), has(Kind::Numbered) || has(Kind::Mark)) {
        (true, true) => Err(Fault::MixedParams { query: query.to_owned(), sign }),
        (false, true) if sign == '?' => Ok(count_marks(body)),
        (false, true) => keep_numbers(query, body),
        (_, false) => Ok(number_names(sign, body)),
    }
}

fn number_names(sign: char, body: &[Token<'_>]) -> Numbered {
    let (mut sql, mut names, mut slots) = (String::new(), Vec::<String>::new(), Vec::new());
    for token in body {
        if token.kind != Kind::Named {
            sql.push_str(token.text);
            continue;
        }
        let name = &token.text[1..];
        let at = names.iter().position(|known| known == name).unwrap_or_else(|| {
            names.push(name.to_owned());
            names.len() - 1
        });
        // `LIMIT:n` must not become the name `LIMIT$1`.
        if sql.ends_with(within_name) {
            sql.push(' ');
        }
        sql.push(sign);
        if sign == '$' {
            sql.push_str(&(at + 1).to_string());
        }
        slots.push(at);
    }
    if sign == '$' {
        slots = (0..names.len()).collect();
    }
    Numbered { sql, names, slots, sign: ':' }
}

fn count_marks(body: &[Token<'_>]) -> Numbered {
    let marks = body.iter().filter(|t| t.kind == Kind::Mark).count();
    Numbered {
        sql: body.iter().map(|t| t.text).collect(),
        names: (1..=marks).map(|number| number.to_string()).collect(),
        slots: (0..marks).collect(),
        sign: '?',
    }
}

fn keep_numbers(query: &str, body: &[Token<'_>]) -> Result<Numbered, Fault> {
    // A number too large to be read cannot be reached without gaps either.
    let mut numbers: Vec<usize> =
        body.iter().filter(|t| t.kind == Kind::Numbered).map(|t| t.text[1..].parse().unwrap_or(usize::MAX)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let highest = numbers.last().copied().unwrap_or(0);
    if numbers.len() != highest || numbers.first() != Some(&1) {
        return Err(Fault::Gap { query: query.to_owned(), highest });
    }
    let sql = body.iter().map(|t| t.text).collect();
    let names = numbers.iter().map(ToString::to_string).collect();
    Ok(Numbered { sql, names, slots: (0..highest).collect(), sign: '$' })
}

/// A fault with the line on which it is, where that is not the line of the query's name.
pub(super) type Located = (Option<u32>, Fault);

/// The values to be sent, in order, or everything that is wrong with them.
pub(super) fn values(query: &str, statement: &Numbered, examples: &[Example]) -> Result<Vec<Value>, Vec<Located>> {
    let mut faults = Vec::new();
    let shown = |name: &str| format!("{}{name}", statement.sign);
    for (at, example) in examples.iter().enumerate() {
        let param = shown(&example.name);
        if examples[..at].iter().any(|earlier| earlier.name == example.name) {
            faults.push((Some(example.line), Fault::DuplicateParam(param)));
        } else if !statement.names.contains(&example.name) {
            faults.push((Some(example.line), Fault::UnusedParam { query: query.to_owned(), param }));
        }
    }
    let mut values = Vec::with_capacity(statement.names.len());
    for name in &statement.names {
        if let Some(example) = examples.iter().find(|example| example.name == *name) {
            values.push(example.value.clone());
        } else {
            let fault = Fault::NoValue { query: query.to_owned(), param: shown(name), key: name.clone() };
            faults.push((None, fault));
        }
    }
    if faults.is_empty() { Ok(statement.slots.iter().map(|&at| values[at].clone()).collect()) } else { Err(faults) }
}

#[cfg(test)]
mod tests {
    use super::super::lexer::tokens;
    use super::*;

    fn numbered(sql: &str) -> Result<(String, Vec<String>), Fault> {
        let body: Vec<_> = tokens(Engine::Postgres, sql).collect();
        number(Engine::Postgres, "q", &body).map(|n| (n.sql, n.names))
    }

    fn marked(sql: &str) -> Result<Numbered, Fault> {
        let body: Vec<_> = tokens(Engine::Mysql, sql).collect();
        number(Engine::Mysql, "q", &body)
    }

    #[test]
    fn a_name_used_twice_is_one_parameter() {
        let (sql, names) = numbered("a = :x OR b = :y OR c = :x::int").expect("plain");
        assert_eq!(sql, "a = $1 OR b = $2 OR c = $1::int");
        assert_eq!(names, ["x", "y"]);
    }

    #[test]
    fn a_parameter_does_not_melt_into_the_word_before_it() {
        assert_eq!(numbered("LIMIT:n").expect("plain").0, "LIMIT $1");
    }

    #[test]
    fn numbers_are_kept_and_must_have_no_gap() {
        assert_eq!(numbered("$2 + $1 + $2").expect("plain").1, ["1", "2"]);
        assert!(matches!(numbered("$1 + $3"), Err(Fault::Gap { highest: 3, .. })));
        assert!(matches!(numbered("$0"), Err(Fault::Gap { .. })));
        assert!(matches!(numbered("$99999999999999999999999"), Err(Fault::Gap { .. })));
        assert!(matches!(numbered("$1 + :a"), Err(Fault::MixedParams { sign: '$', .. })));
    }

    #[test]
    fn mysql_has_a_mark_for_each_place_of_a_parameter() {
        let named = marked("a = :x OR b = :y OR c = :x LIMIT:y").expect("plain");
        assert_eq!(named.sql, "a = ? OR b = ? OR c = ? LIMIT ?");
        assert_eq!((named.names, named.slots), (vec!["x".to_owned(), "y".to_owned()], vec![0, 1, 0, 1]));
        let marks = marked("a = ? OR b = ?").expect("plain");
        assert_eq!((marks.names, marks.slots), (vec!["1".to_owned(), "2".to_owned()], vec![0, 1]));
        assert!(matches!(marked("? + :a"), Err(Fault::MixedParams { sign: '?', .. })));
        assert!(matches!(marked("$1"), Err(Fault::ForeignParam(_))));
    }

    #[test]
    fn values_are_read_to_the_end_of_the_line() {
        let plain = |value: &str| Value::Plain(value.to_owned());
        let quoted = |value: &str| Value::Quoted(value.to_owned());
        for (comment, name, value) in [
            (" param id = 42", "id", plain("42")),
            ("param id=42", "id", plain("42")),
            (" param 1 = a = b ", "1", plain("a = b")),
            (" param $1 = x", "1", plain("x")),
            (" param :id = x", "id", plain("x")),
            (" param t = 'it''s  '", "t", quoted("it's  ")),
            (" param t = ''", "t", quoted("")),
            (" param t = it's", "t", plain("it's")),
            (" param t = 'NULL'", "t", quoted("NULL")),
            (" param t = NULL", "t", Value::Null),
            (" param t = null", "t", Value::Null),
        ] {
            let example = read(comment, 1).expect("it gives a value").expect(comment);
            assert_eq!((example.name.as_str(), example.value), (name, value), "{comment}");
        }
    }

    #[test]
    fn a_value_that_cannot_be_read_is_not_guessed() {
        for comment in ["param id", "param id =", "param a b = 1", "param = 1", "param t = 'x", "param t = 'a'b'"] {
            assert!(matches!(read(comment, 1), Some(Err(Fault::BadParam(_)))), "{comment}");
        }
    }

    #[test]
    fn other_comments_are_left_alone() {
        assert!(read(" parameters are explained = below", 1).is_none());
    }
}
