//! Reading a TOML table key by key.
//!
//! What a table may hold is what its reader asks for, so the list of allowed keys in a message cannot differ from the
//! keys that are in fact read. Tables are handed to their readers by [`Table::table`] and its kin, which refuse, after
//! the reader is through, every key that it did not ask for.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::document::Document;
use super::report::Span;
use super::suggest::{closest, instead};
use super::value::{Value, dotted};

/// A table of the file, or one that could be in it and is not.
pub(super) struct Table<'a> {
    document: &'a Document<'a>,
    /// Dotted; empty for the file as a whole.
    name: String,
    /// How it is headed: `[limits]`, `[[snapshot.table]]`.
    header: String,
    /// Where its header is, or its braces.
    span: Span,
    content: Content<'a>,
    /// The keys that it was asked for.
    allowed: Vec<&'static str>,
    /// Keys that were refused by name.
    refused: Vec<&'static str>,
    /// Keys that must be there and are not, each with a line to write.
    missing: Vec<(&'static str, &'static str)>,
}

/// What is in the place of a table.
#[derive(Clone, Copy)]
enum Content<'a> {
    /// A table.
    Entries(&'a DeTable<'a>),
    /// Nothing.
    Absent,
    /// Something else. That was said, so nothing is to be called missing.
    Mistaken,
}

impl<'a> Table<'a> {
    /// Reads the file as a whole.
    pub(super) fn root<T>(
        document: &'a Document<'a>,
        entries: &'a DeTable<'a>,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        Self::new(document, String::new(), 0..0, Content::Entries(entries)).read_whole(read)
    }

    /// The table that a value is.
    fn of(value: &Value<'a>) -> Self {
        let content = value.as_table().map_or(Content::Mistaken, Content::Entries);
        Self::new(value.document, value.name.clone(), value.span.clone(), content)
    }

    /// Reads a table that stands in the place of a value.
    pub(super) fn inline<T>(value: &Value<'a>, read: impl FnOnce(&mut Self) -> T) -> T {
        Self::of(value).read_whole(read)
    }

    fn new(document: &'a Document<'a>, name: String, span: Span, content: Content<'a>) -> Self {
        let header = format!("[{name}]");
        let (allowed, refused, missing) = (Vec::new(), Vec::new(), Vec::new());
        Self { document, name, header, span, content, allowed, refused, missing }
    }

    /// The value of a key.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Value<'a>> {
        self.allowed.push(key);
        self.value(key)
    }

    /// The value of a key that must be there; `example` is a line to write.
    pub(super) fn require(&mut self, key: &'static str, example: &'static str) -> Option<Value<'a>> {
        let value = self.take(key);
        if value.is_none() {
            self.missing(key, example);
        }
        value
    }

    /// Notes that a key is missing.
    pub(super) fn missing(&mut self, key: &'static str, example: &'static str) {
        self.missing.push((key, example));
    }

    /// Reads the table of a key. If there is none, an empty one is read in its place, for the defaults.
    pub(super) fn table<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Self) -> T) -> T {
        let table = match (self.take(key), self.content) {
            (Some(value), _) => Self::of(&value),
            (None, Content::Mistaken) => self.absent(key, Content::Mistaken),
            (None, _) => self.absent(key, Content::Absent),
        };
        table.read_whole(read)
    }

    fn absent(&self, key: &str, content: Content<'a>) -> Self {
        Self::new(self.document, dotted(&self.name, key), self.span.clone(), content)
    }

    /// Reads the table of a key if there is one.
    pub(super) fn optional<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.take(key).map(|value| Self::of(&value).read_whole(read))
    }

    /// Reads every table of an array of tables.
    pub(super) fn tables<T>(&mut self, key: &'static str, mut read: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let header = format!("[[{}]]", value.name);
        let DeValue::Array(_) = value.inner else {
            let help = format!("head each of them with `{header}`, in two brackets");
            return value.wrong_type("an array of tables", &help).unwrap_or_default();
        };
        let one = |item: Value<'a>| {
            // Headers have no index, so neither have the names under them.
            let item = Value { name: value.name.clone(), ..item };
            Self { header: header.clone(), ..Self::of(&item) }.read_whole(&mut read)
        };
        value.items().into_iter().map(one).collect()
    }

    /// Reads every table of a table of tables, whatever their names.
    pub(super) fn named<T>(&mut self, key: &'static str, mut read: impl FnMut(&mut Self) -> T) -> BTreeMap<String, T> {
        let entries = self.take(key).map(|value| value.entries()).unwrap_or_default();
        entries.iter().map(|(name, value)| ((*name).to_owned(), Self::of(value).read_whole(&mut read))).collect()
    }

    /// Refuses a key that a later version shall have; `help` says what can be done today.
    pub(super) fn not_yet(&mut self, key: &'static str, help: &str) {
        self.refused.push(key);
        if let Some(value) = self.value(key) {
            let name = match value.inner {
                DeValue::Table(_) => format!("`[{}]`", value.name),
                DeValue::Array(items) if items.iter().any(|item| item.get_ref().is_table()) => {
                    format!("`[[{}]]`", value.name)
                }
                _ => format!("`{}`", value.name),
            };
            self.document.not_yet(&value.key_span, &name, help);
        }
    }

    /// All that is in it, in the order of the file.
    pub(super) fn values(&self) -> Vec<Value<'a>> {
        let Content::Entries(entries) = self.content else { return Vec::new() };
        let mut values: Vec<_> = entries.keys().filter_map(|key| self.value(key.get_ref())).collect();
        values.sort_by_key(|value| value.key_span.start);
        values
    }

    /// Whether the file has something else in its place.
    pub(super) fn is_mistaken(&self) -> bool {
        matches!(self.content, Content::Mistaken)
    }

    /// Where its header is.
    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    /// The file it is in.
    pub(super) fn document(&self) -> &'a Document<'a> {
        self.document
    }

    fn read_whole<T>(mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let result = read(&mut self);
        let meant = self.refuse_the_rest();
        self.tell_missing(&meant);
        result
    }

    /// Refuses the keys that were not asked for, and answers what they were probably meant to be.
    fn refuse_the_rest(&self) -> Vec<&'static str> {
        let Content::Entries(entries) = self.content else { return Vec::new() };
        let known = |name: &str| self.allowed.contains(&name) || self.refused.contains(&name);
        let unknown = entries.keys().filter(|key| !known(key.get_ref()));
        unknown.filter_map(|key| self.refuse_unknown(key)).collect()
    }

    fn refuse_unknown(&self, key: &Spanned<DeString<'_>>) -> Option<&'static str> {
        let name: &str = key.get_ref();
        let place = if self.is_root() { "at the top level".to_owned() } else { format!("in `{}`", self.header) };
        self.document.problem(&key.span(), format!("unknown key `{name}` {place}"), instead(name, &self.allowed));
        closest(name, self.allowed.iter().copied())
    }

    /// A key that is there under a mistyped name was told of already.
    fn tell_missing(&self, mistyped: &[&str]) {
        if let Content::Mistaken = self.content {
            return;
        }
        let place =
            if self.is_root() { "above the first table".to_owned() } else { format!("under `{}`", self.header) };
        for (key, example) in self.missing.iter().filter(|(key, _)| !mistyped.contains(key)) {
            let message = format!("`{}` is missing", dotted(&self.name, key));
            self.document.problem(&self.span, message, format!("write `{example}` {place}"));
        }
    }

    fn value(&self, key: &str) -> Option<Value<'a>> {
        let Content::Entries(entries) = self.content else { return None };
        let (key, value) = entries.get_key_value(key)?;
        Some(Value {
            document: self.document,
            name: dotted(&self.name, key.get_ref()),
            key_span: key.span(),
            span: value.span(),
            inner: value.get_ref(),
        })
    }

    fn is_root(&self) -> bool {
        self.name.is_empty()
    }
}
