//! Extensions that a dump wants and the server does not have, and what of the dump needs them.
//!
//! A dump does not say what belongs to an extension. But `pg_dump` writes every name with its schema: what stands in the schema
//! of an extension, is made by no statement of the dump and comes with none of the extensions that the server does have, must
//! come with one that it has not.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Client;

use crate::snapshot::postgres::grow::quote;
use crate::sql::Statement;
use crate::sql::postgres::names;

/// So many of the things that need an extension are named.
const SHOWN: usize = 4;

/// What a dump says that bears on extensions.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    /// Those that it wants, with the schema that they are to be in, where it names one.
    wanted: BTreeMap<String, Option<String>>,
    /// Every `schema.name` that it makes.
    made: BTreeSet<(String, String)>,
    /// Every one that it uses, with what uses it.
    used: Vec<((String, String), String)>,
}

impl Extensions {
    /// Takes note of a statement.
    pub(super) fn take(&mut self, statement: &Statement) {
        let text = statement.text.as_str();
        let Some((verb, object)) = statement.command.split_once(' ') else { return };
        match (verb, object) {
            ("CREATE", "EXTENSION") => self.want(text),
            ("CREATE", "TABLE") => {
                let table = self.makes(text);
                for line in text.lines().skip(1) {
                    let mut words = names::plain(line);
                    match words.next() {
                        Some(word) if word == "constraint" => {
                            let name = words.next().unwrap_or_default();
                            self.uses(line, || format!("constraint {name} of {table}"));
                        }
                        Some(column) => self.uses(line, || format!("column {column} of {table}")),
                        None => {}
                    }
                }
            }
            ("CREATE", "INDEX" | "TRIGGER" | "POLICY" | "STATISTICS" | "RULE" | "CAST" | "OPERATOR") => {
                let mut words = names::plain(text).skip_while(|word| !word.eq_ignore_ascii_case(object));
                let name = words.nth(1).unwrap_or_default();
                self.uses(text, || format!("{} {name}", object.to_lowercase()));
            }
            ("CREATE", _) => {
                let name = self.makes(text);
                self.uses(text, || format!("{} {name}", object.to_lowercase()));
            }
            ("ALTER", "TABLE" | "FOREIGN TABLE") => {
                let mut words = names::plain(text).skip_while(|word| !matches!(word.as_str(), "constraint" | "column"));
                let (kind, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                self.uses(text, || format!("{kind} {name}"));
            }
            _ => {}
        }
    }

    /// `CREATE EXTENSION IF NOT EXISTS name WITH SCHEMA schema`
    fn want(&mut self, text: &str) {
        let words = names::plain(text).skip(2).collect::<Vec<_>>();
        let words = words.strip_prefix(&["if", "not", "exists"].map(str::to_owned)).unwrap_or(&words);
        let Some(name) = words.first() else { return };
        let schema = words.iter().position(|word| word == "schema").and_then(|at| words.get(at + 1));
        self.wanted.insert(name.clone(), schema.cloned());
    }

    /// Takes note of what a statement makes, and gives its name.
    fn makes(&mut self, text: &str) -> String {
        let Some((schema, name)) = names::qualified(text).into_iter().next() else { return String::new() };
        let shown = format!("{schema}.{name}");
        self.made.insert((schema, name));
        shown
    }

    fn uses(&mut self, text: &str, user: impl Fn() -> String) {
        for name in names::qualified(text) {
            self.used.push((name, user()));
        }
    }

    /// The ones that the server cannot make, each with what needs it, in words that follow "does not have"; `None` if it
    /// can make all of them.
    pub(super) async fn lacking(&self, client: &Client) -> Result<Option<String>, tokio_postgres::Error> {
        let names: Vec<&str> = self.wanted.keys().map(String::as_str).collect();
        let sql = "SELECT name FROM unnest($1::text[]) AS name
            WHERE name NOT IN (SELECT a.name FROM pg_available_extensions a)";
        let rows = client.query(sql, &[&names]).await?;
        let missing: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
        if missing.is_empty() {
            return Ok(None);
        }
        let others = self.there(client, &missing).await;
        let mut by_schema: BTreeMap<Option<&str>, Vec<&str>> = BTreeMap::new();
        for name in &missing {
            by_schema.entry(self.wanted[name].as_deref()).or_default().push(name);
        }
        let told = by_schema.iter().map(|(schema, names)| {
            let what = format!("the extension{} {}", if names.len() == 1 { "" } else { "s" }, names.join(" and "));
            match (schema, &others) {
                (Some(schema), Ok(others)) => what + &self.needed_by(schema, others),
                _ => what,
            }
        });
        Ok(Some(told.collect::<Vec<_>>().join(", nor ")))
    }

    /// What is in the schemas of those that are missing, and what the others would bring there.
    async fn there(
        &self,
        client: &Client,
        missing: &BTreeSet<String>,
    ) -> Result<BTreeSet<(String, String)>, tokio_postgres::Error> {
        let schemas: BTreeSet<&String> = self
            .wanted
            .iter()
            .filter(|(name, _)| missing.contains(*name))
            .filter_map(|(_, schema)| schema.as_ref())
            .collect();
        let make_schemas = self.wanted.values().flatten();
        let make_schemas = make_schemas.map(|schema| format!("CREATE SCHEMA IF NOT EXISTS {}", quote(schema)));
        let make_others = self.wanted.iter().filter(|(name, _)| !missing.contains(*name)).map(|(name, schema)| {
            let schema = schema.as_ref().map(|schema| format!(" SCHEMA {}", quote(schema))).unwrap_or_default();
            format!("CREATE EXTENSION IF NOT EXISTS {}{schema} CASCADE", quote(name))
        });
        let sql: Vec<String> = std::iter::once("BEGIN".to_owned()).chain(make_schemas).chain(make_others).collect();
        let sql = sql.join("; ");
        let made = client.batch_execute(&sql).await;
        let schemas: Vec<&str> = schemas.into_iter().map(String::as_str).collect();
        let sql = "SELECT nspname::text, name::text FROM pg_namespace JOIN (
                SELECT typnamespace AS schema, typname AS name FROM pg_type UNION ALL SELECT pronamespace, proname FROM pg_proc
                UNION ALL SELECT relnamespace, relname FROM pg_class UNION ALL SELECT opcnamespace, opcname FROM pg_opclass
                UNION ALL SELECT cfgnamespace, cfgname FROM pg_ts_config
                UNION ALL SELECT dictnamespace, dictname FROM pg_ts_dict
                UNION ALL SELECT collnamespace, collname FROM pg_collation
            ) AS made ON schema = pg_namespace.oid WHERE nspname = ANY ($1)";
        let found = match made {
            Ok(()) => client.query(sql, &[&schemas]).await,
            Err(error) => Err(error),
        };
        client.batch_execute("ROLLBACK").await?;
        Ok(found?.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// What uses something in a schema that nothing else brings, in parentheses.
    fn needed_by(&self, schema: &str, others: &BTreeSet<(String, String)>) -> String {
        let lacks = |name: &&(String, String)| name.0 == *schema && !self.made.contains(name) && !others.contains(name);
        let mut users: Vec<String> = Vec::new();
        for (name, user) in self.used.iter().filter(|(name, _)| lacks(&name)) {
            if !users.iter().any(|known| known.starts_with(&format!("{user} ("))) {
                users.push(format!("{user} ({}.{})", name.0, name.1));
            }
        }
        let more = users.len().saturating_sub(SHOWN);
        users.truncate(SHOWN);
        match (users.is_empty(), more) {
            (true, _) => String::new(),
            (_, 0) => format!(" (needed by {})", users.join(", ")),
            (_, more) => format!(" (needed by {} and {more} more)", users.join(", ")),
        }
    }
}
