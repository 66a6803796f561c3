//! What the schema of a dump needs of the server that is no part of a database.

use std::collections::BTreeSet;

use super::extensions::Extensions;
use crate::sql::Statement;
use crate::sql::postgres::names;
use crate::sql::postgres::scanner::{Item, Scanner};

/// Roles, tablespaces and extensions.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// Owners, those with grants, those that policies are for.
    pub(super) roles: BTreeSet<String>,
    pub(super) tablespaces: BTreeSet<String>,
    pub(super) extensions: Extensions,
    /// How many indexes and constraints are made once the rows are there.
    pub(super) indexes: u64,
}

impl Needs {
    /// Of a script of `pg_restore`. One that cannot be read needs nothing: restoring will say why.
    pub(super) fn of(script: &[u8]) -> Self {
        let mut scanner = Scanner::new(script);
        let mut needs = Self::default();
        while let Ok(Some(item)) = scanner.next_item() {
            if let Item::Statement(statement) = item {
                needs.take(&statement);
            }
        }
        needs
    }

    fn take(&mut self, statement: &Statement) {
        self.extensions.take(statement);
        match statement.command.as_str() {
            "SET" => {
                let value = statement.text.strip_prefix("SET default_tablespace = ");
                let name = value.map(|value| value.trim_matches(['"', '\'', ';']).replace("\"\"", "\""));
                self.tablespaces.extend(name.filter(|name| !name.is_empty()));
            }
            "CREATE INDEX" => self.indexes += 1,
            "ALTER TABLE" if statement.text.contains(" ADD CONSTRAINT ") => self.indexes += 1,
            _ => {}
        }
        // Functions and views, which may be long, name none.
        if !statement.command.starts_with("CREATE")
            || matches!(statement.command.as_str(), "CREATE POLICY" | "CREATE USER MAPPING")
        {
            self.roles.extend(names::roles(&statement.text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_and_tablespaces_are_found() {
        let script =
            b"SET default_tablespace = '';\nSET default_tablespace = fast;\nSET default_tablespace = \"My Disk\";\n\
                       ALTER TABLE public.t OWNER TO boss;\nGRANT SELECT ON TABLE public.t TO clerk;\n\
                       CREATE INDEX i ON public.t USING btree (a);\n\
                       ALTER TABLE ONLY public.t\n    ADD CONSTRAINT t_pkey PRIMARY KEY (a);\n";
        let needs = Needs::of(script);
        assert_eq!(needs.tablespaces.iter().collect::<Vec<_>>(), ["My Disk", "fast"]);
        assert_eq!(needs.roles.iter().collect::<Vec<_>>(), ["boss", "clerk"]);
        assert_eq!(needs.indexes, 2);
    }
}
