//! Reading one TOML value as what it should be.
//!
//! Each reader answers `None` when the value is something else, and has then noted so. Nothing is converted silently:
//! `"5"` is no number and `17` no string; what to write is said instead.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::document::Document;
use super::duration;
use super::report::Span;
use super::suggest::instead;

/// A value with its name and its place.
#[derive(Clone)]
pub(super) struct Value<'a> {
    pub(super) document: &'a Document<'a>,
    /// Dotted, from the top (`limits.duration`).
    pub(super) name: String,
    /// Where its key is.
    pub(super) key_span: Span,
    /// Where it is.
    pub(super) span: Span,
    pub(super) inner: &'a DeValue<'a>,
}

impl<'a> Value<'a> {
    /// A string that is not blank.
    pub(super) fn string(&self) -> Option<&'a str> {
        let DeValue::String(text) = self.inner else {
            return self.wrong_type("a string", &self.in_quotes());
        };
        if text.trim().is_empty() {
            return self.refuse("must not be empty", "write something between the quotes");
        }
        Some(text)
    }

    /// A string or a list of strings, each on its own.
    pub(super) fn string_or_list(&self) -> Vec<Self> {
        match self.inner {
            DeValue::String(_) => vec![self.clone()],
            DeValue::Array(_) => self.items(),
            _ => self.wrong_type("a string or a list of strings", &self.in_quotes()).unwrap_or_default(),
        }
    }

    /// A string, number, boolean or date, as text.
    pub(super) fn scalar(&self) -> Option<String> {
        match self.inner {
            DeValue::String(text) => Some(text.to_string()),
            // Hexadecimal and its kin are TOML's, and a server would not know them.
            DeValue::Integer(figure) => Some(
                i128::from_str_radix(figure.as_str(), figure.radix()).map_or(figure.to_string(), |n| n.to_string()),
            ),
            DeValue::Float(figure) => Some(figure.as_str().to_owned()),
            DeValue::Boolean(truth) => Some(truth.to_string()),
            DeValue::Datetime(moment) => Some(moment.to_string()),
            DeValue::Array(_) | DeValue::Table(_) => self.wrong_type("a single value", "write a string or a number"),
        }
    }

    /// A whole number, 0 or more.
    pub(super) fn whole(&self) -> Option<u64> {
        let DeValue::Integer(figure) = self.inner else {
            let in_full = "write the figure in full, such as `5_000_000`; K, M and exponents are not understood";
            return self.wrong_type("a whole number", &self.unquoted::<u64>().unwrap_or(in_full.to_owned()));
        };
        match u64::from_str_radix(figure.as_str(), figure.radix()) {
            Ok(whole) => Some(whole),
            Err(_) if figure.as_str().starts_with('-') => self.refuse("must not be negative", "write 0 or more"),
            Err(_) => self.refuse("is too large", format!("write {} at most", u64::MAX)),
        }
    }

    /// A number, with or without a point; neither infinite nor NaN.
    pub(super) fn number(&self) -> Option<f64> {
        let number: Option<f64> = match self.inner {
            DeValue::Integer(_) => self.scalar()?.parse().ok(),
            DeValue::Float(figure) => figure.as_str().parse().ok(),
            _ => {
                let help = self.unquoted::<f64>().unwrap_or("write a number, such as `0.25`".to_owned());
                return self.wrong_type("a number", &help);
            }
        };
        number.filter(|number| number.is_finite()).or_else(|| self.refuse("must be finite", "write a number"))
    }

    /// `true` or `false`.
    pub(super) fn truth(&self) -> Option<bool> {
        let DeValue::Boolean(truth) = self.inner else {
            let help = self.unquoted::<bool>().unwrap_or("write `true` or `false`".to_owned());
            return self.wrong_type("true or false", &help);
        };
        Some(*truth)
    }

    /// A duration with its unit.
    pub(super) fn duration(&self) -> Option<Duration> {
        let DeValue::String(text) = self.inner else {
            let raw = self.source();
            let help = match self.inner {
                DeValue::Integer(_) | DeValue::Float(_) => {
                    format!("say the unit as well, such as \"{raw}ms\" or \"{raw}s\"")
                }
                _ => "write a figure and a unit in quotes, such as \"500ms\" or \"10m\"".to_owned(),
            };
            return self.wrong_type("a duration in quotes", &help);
        };
        duration::parse(text).map_err(|why| self.problem("is not a duration", why.to_string())).ok()
    }

    /// One of a few words. Those of `later` are known and not yet possible.
    pub(super) fn word<T: Copy>(&self, words: &[(&'static str, T)], later: &[&str]) -> Option<T> {
        let typed = self.string()?;
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == typed) {
            return Some(*meaning);
        }
        let allowed: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        if later.contains(&typed) {
            self.not_yet(&format!("`{} = \"{typed}\"`", self.name), &instead("", &allowed));
            return None;
        }
        self.refuse(&format!("cannot be `{typed}`"), instead(typed, &allowed))
    }

    /// A path to a file or folder that is there.
    pub(super) fn existing_path(&self) -> Option<PathBuf> {
        let written = self.string()?;
        let path = self.document.path(written);
        if path.exists() {
            return Some(path);
        }
        self.refuse(&format!("names `{written}`, which does not exist"), self.document.help_for_missing(written))
    }

    /// The items of a list, each with its index in its name; none if it is no list.
    pub(super) fn items(&self) -> Vec<Self> {
        let DeValue::Array(items) = self.inner else {
            let help = "write it in brackets, such as `[\"a\", \"b\"]`";
            return self.wrong_type("a list", help).unwrap_or_default();
        };
        let one = |(index, item): (usize, &'a Spanned<DeValue<'a>>)| Self {
            document: self.document,
            name: format!("{}[{index}]", self.name),
            key_span: item.span(),
            span: item.span(),
            inner: item.get_ref(),
        };
        items.iter().enumerate().map(one).collect()
    }

    /// A table.
    pub(super) fn as_table(&self) -> Option<&'a DeTable<'a>> {
        let DeValue::Table(entries) = self.inner else {
            let help = format!("write `[{}]` on a line of its own, and its keys below", self.name);
            return self.wrong_type("a table", &help);
        };
        Some(entries)
    }

    /// The entries of a table with names of the user's, in the order of the file; none if it is no table.
    pub(super) fn entries(&self) -> Vec<(&'a str, Self)> {
        let one = |(key, value): (&'a Spanned<DeString<'a>>, &'a Spanned<DeValue<'a>>)| {
            let entry = Self {
                document: self.document,
                name: dotted(&self.name, key.get_ref()),
                key_span: key.span(),
                span: value.span(),
                inner: value.get_ref(),
            };
            (key.get_ref().as_ref(), entry)
        };
        let mut entries: Vec<_> = self.as_table().into_iter().flatten().map(one).collect();
        entries.sort_by_key(|(_, value)| value.key_span.start);
        entries
    }

    /// Notes that the value is wrong: its name, then `what`.
    pub(super) fn problem(&self, what: &str, help: impl Into<String>) {
        self.document.problem(&self.span, format!("`{}` {what}", self.name), help);
    }

    /// Notes that the value is wrong, and has nothing in its place.
    pub(super) fn refuse<T>(&self, what: &str, help: impl Into<String>) -> Option<T> {
        self.problem(what, help);
        None
    }

    /// Notes that it is of another type.
    pub(super) fn wrong_type<T>(&self, wanted: &str, help: &str) -> Option<T> {
        let found = match self.inner {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a point",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.refuse(&format!("must be {wanted}, and this is {found}"), help)
    }

    /// Notes that it is something for a later version.
    pub(super) fn not_yet(&self, what: &str, help: &str) {
        self.document.not_yet(&self.span, what, help);
    }

    fn source(&self) -> &'a str {
        self.document.source(&self.span)
    }

    /// What to write, if only the quotes are wrong.
    fn unquoted<T: FromStr>(&self) -> Option<String> {
        let text = self.inner.as_str()?;
        text.parse::<T>().ok().map(|_| format!("write it without quotes: `{text}`"))
    }

    fn in_quotes(&self) -> String {
        match self.inner {
            DeValue::Array(_) | DeValue::Table(_) => "write a string in quotes".to_owned(),
            _ => format!("put it in quotes: \"{}\"", self.source()),
        }
    }
}

/// The name of a key in a table, as TOML has it: `limits.table."Order Lines"`.
pub(super) fn dotted(table: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let key = if bare { key.to_owned() } else { format!("\"{key}\"") };
    if table.is_empty() { key } else { format!("{table}.{key}") }
}
