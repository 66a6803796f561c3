//! The query that finds the rows which a rule that a migration adds does not hold for, with their real names (PostgreSQL).
//!
//! It rests on what the server's error names (manual, 54.8 "Error and Notice Message Fields") and on the statement, where that is
//! understood to its end. A row that the migration itself brought is not in production, so statements that change rows have none.

use super::super::cause::Cause;
use super::super::keywords::Keywords;
use super::super::limit;
use crate::run::{Migration, SqlError};
use crate::scenario::Engine;
use crate::sql::postgres::alter::{Action, Change, change};

/// `None` where it is not known for certain.
pub(super) fn query(migration: &Migration, index: usize, error: &SqlError) -> Option<String> {
    let sql = &migration.statements.get(index)?.sql;
    let place = error.place.as_deref()?;
    let table = &place.table;
    // A column of this migration is not there before it.
    let is_new = |column: &str| migration.statements[..=index].iter().any(|earlier| adds(&earlier.sql, column));
    match (Cause::of(error), change(sql)?) {
        (Cause::Null, Change::Alter { .. }) => {
            let column = place.column.as_deref().filter(|column| !is_new(column))?;
            Some(format!("SELECT count(*) FROM {table} WHERE {column} IS NULL"))
        }
        (Cause::Duplicate, change @ (Change::Alter { .. } | Change::CreateIndex { .. })) => {
            let key = key(error)?;
            if key.split(", ").any(is_new) {
                return None;
            }
            let apart = Keywords::of(sql).has("NULLS NOT DISTINCT");
            let some = (!apart).then(|| not_null(key));
            let only = match change {
                Change::CreateIndex { condition, .. } => condition.map(|condition| format!("({condition})")),
                _ => None,
            };
            let conditions = some.into_iter().chain(only).collect::<Vec<_>>().join(" AND ");
            let conditions = if conditions.is_empty() { conditions } else { format!(" WHERE {conditions}") };
            Some(format!("SELECT {key}, count(*) FROM {table}{conditions} GROUP BY {key} HAVING count(*) > 1"))
        }
        (Cause::Check, Change::Alter { parts, .. }) => {
            let mut checks = parts.iter().filter_map(|part| match part.action {
                Action::AddConstraint { kind: 'c', condition, .. } => condition,
                _ => None,
            });
            let check = checks.next().filter(|_| checks.next().is_none())?;
            Some(format!("SELECT count(*) FROM {table} WHERE NOT ({check})"))
        }
        (Cause::ForeignKey, Change::Alter { parts, .. }) => {
            let key = key(error)?;
            let columns: Vec<&str> = key.split(", ").collect();
            let mut keys = parts.iter().filter_map(|part| match &part.action {
                Action::AddConstraint { kind: 'f', columns: own, references: Some((parent, theirs)), .. } => {
                    let same = own.len() == columns.len()
                        && own.iter().zip(&columns).all(|(own, column)| is_named(own, column));
                    (same && theirs.len() == own.len()).then_some((*parent, theirs))
                }
                _ => None,
            });
            let (parent, theirs) = keys.next().filter(|_| keys.next().is_none())?;
            if columns.iter().any(|column| is_new(column)) {
                return None;
            }
            let pairs = columns.iter().zip(theirs).map(|(own, theirs)| format!("parent.{theirs} = child.{own}"));
            let pairs = pairs.collect::<Vec<_>>().join(" AND ");
            let own = columns.iter().map(|own| format!("child.{own}")).collect::<Vec<_>>().join(", ");
            Some(format!(
                "SELECT {own}, count(*) FROM {table} AS child WHERE {} AND NOT EXISTS (SELECT FROM {parent} AS parent \
                 WHERE {pairs}) GROUP BY {own}",
                not_null(&own)
            ))
        }
        _ => None,
    }
}

/// The columns or expressions of the key that a detail is about: `Key (a, b)=(1, 2) is duplicated.` Words of another language
/// say nothing.
fn key(error: &SqlError) -> Option<&str> {
    let (key, _) = error.detail.as_deref()?.strip_prefix("Key (")?.split_once(")=(")?;
    // A comma within a name or an expression is not one between two.
    let plain = !key.contains(['"', '(']) || !key.contains(',');
    plain.then_some(key)
}

/// That all of these are something.
fn not_null(columns: &str) -> String {
    if columns.contains(", ") { format!("({columns}) IS NOT NULL") } else { format!("{columns} IS NOT NULL") }
}

/// Whether a statement adds a column of this name.
fn adds(sql: &str, column: &str) -> bool {
    let Some(Change::Alter { parts, .. }) = change(sql) else { return false };
    parts.iter().any(|part| matches!(part.action, Action::AddColumn { name, .. } if is_named(name, column)))
}

fn is_named(written: &str, name: &str) -> bool {
    limit::is_named(Engine::Postgres, written, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Place;
    use crate::verdict::testing::{facts, migration, statement};

    fn found(before: &[&str], sql: &str, sqlstate: &str, detail: Option<&str>, column: Option<&str>) -> Option<String> {
        let place = Place { table: "public.orders".to_owned(), column: column.map(str::to_owned) };
        let error = SqlError {
            sqlstate: sqlstate.to_owned(),
            detail: detail.map(str::to_owned),
            place: Some(Box::new(place)),
            ..SqlError::default()
        };
        let mut failed = migration("1");
        for earlier in before {
            failed = failed.statement(statement(1, earlier, 1));
        }
        let run = facts().migration(failed.statement(statement(2, sql, 1))).run();
        query(&run.migrations[0], before.len(), &error)
    }

    #[test]
    fn the_rows_are_found_by_what_the_statement_and_the_server_name() {
        let duplicate = Some("Key (number)=(5) is duplicated.");
        for (sql, sqlstate, detail, column, expected) in [
            (
                "CREATE UNIQUE INDEX i ON orders (number)",
                "23505",
                duplicate,
                None,
                "SELECT number, count(*) FROM public.orders WHERE number IS NOT NULL GROUP BY number HAVING count(*) > 1",
            ),
            (
                "CREATE UNIQUE INDEX CONCURRENTLY i ON orders (number) WHERE total > 5 OR note = 'x'",
                "23505",
                duplicate,
                None,
                "SELECT number, count(*) FROM public.orders WHERE number IS NOT NULL AND (total > 5 OR note = 'x') GROUP BY \
                 number HAVING count(*) > 1",
            ),
            (
                "ALTER TABLE orders ADD UNIQUE NULLS NOT DISTINCT (shop, number)",
                "23505",
                Some("Key (shop, number)=(1, null) is duplicated."),
                None,
                "SELECT shop, number, count(*) FROM public.orders GROUP BY shop, number HAVING count(*) > 1",
            ),
            (
                "ALTER TABLE orders ALTER status SET NOT NULL",
                "23502",
                None,
                Some("status"),
                "SELECT count(*) FROM public.orders WHERE status IS NULL",
            ),
            (
                "ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0 AND note <> ')') NO INHERIT",
                "23514",
                None,
                None,
                "SELECT count(*) FROM public.orders WHERE NOT (total > 0 AND note <> ')')",
            ),
            (
                "ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES shop.customers (id) ON DELETE CASCADE",
                "23503",
                Some("Key (customer_id)=(5) is not present in table \"customers\"."),
                None,
                "SELECT child.customer_id, count(*) FROM public.orders AS child WHERE child.customer_id IS NOT NULL AND NOT \
                 EXISTS (SELECT FROM shop.customers AS parent WHERE parent.id = child.customer_id) GROUP BY child.customer_id",
            ),
        ] {
            assert_eq!(found(&[], sql, sqlstate, detail, column).as_deref(), Some(expected), "{sql}");
        }
    }

    #[test]
    fn what_is_not_certain_is_not_told() {
        let key = "ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers";
        let missing = Some("Key (customer_id)=(5) is not present in table \"customers\".");
        assert_eq!(found(&[], key, "23503", missing, None), None, "its primary key is not known");
        assert_eq!(
            found(&[], "INSERT INTO orders VALUES (1)", "23502", None, Some("status")),
            None,
            "a row of its own"
        );
        let added = ["ALTER TABLE orders ADD status text"];
        let not_null = "ALTER TABLE orders ALTER status SET NOT NULL";
        assert_eq!(found(&added, not_null, "23502", None, Some("status")), None, "it is not there before");
        let odd = Some("Key (\"a, b\", c)=(1, 2) is duplicated.");
        assert_eq!(found(&[], "CREATE UNIQUE INDEX ON orders (\"a, b\", c)", "23505", odd, None), None);
        let german = Some("Schlüssel »(number)=(5)« ist doppelt vorhanden.");
        assert_eq!(found(&[], "CREATE UNIQUE INDEX ON orders (number)", "23505", german, None), None);
    }
}
