//! `drops-data`: what a migration dropped or emptied held rows.

use std::collections::BTreeMap;

use super::keywords::{Keywords, deleted_from};
use super::limit::last_part;
use super::mention::mentions;
use super::{Rule, class, only_truncates, table};
use crate::run::{Finding, Migration, MigrationStatus, Removed, Rows, Run, Severity, Statement, StatementStatus};
use crate::scenario::Engine;

const CODE: &str = "drops-data";

pub(super) const RULE: Rule = Rule {
    code: CODE,
    title: "what was dropped or emptied held rows",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: tests::CASES,
};

const EXPLAIN: &str = "\
A table that was dropped or truncated had rows before the migrations, a column was dropped from
one that had, or a DELETE took rows. It is a warning whatever the size: data that is gone is gone.

How it is measured
  PostgreSQL: tables by their OID and columns by their number, before and after the migration, so
  that what only got another name is not counted, nor what a pending migration had made itself.
  MySQL and MariaDB: by name, where no statement of the migration renames anything. Rows are those
  of the snapshot. Whether a dropped column held anything but NULL is not looked at. Of a DELETE
  they are those that the server says it took, of all that the migration has for one table; those
  that went with them by ON DELETE CASCADE, and what a WITH or a block of code deletes, are not
  counted.

Why it hurts in production
  There is no way back but a restore of the whole database: rolling the application back does not
  bring a column back. And what still uses it, a report or an export that is in no query set,
  fails.

What to do instead
  Drop late, once nothing has used it for some deploys, and keep a copy if it may be wanted:
      CREATE TABLE orders_before_0042 AS SELECT * FROM orders;
  Instead of a table, drop its name first; what was forgotten fails, and the way back is short:
      ALTER TABLE orders RENAME TO orders_unused;
";

fn judge(run: &Run) -> Vec<Finding> {
    let mut found = Vec::new();
    for migration in &run.migrations {
        let mut of_statements: BTreeMap<Option<usize>, Vec<&Removed>> = BTreeMap::new();
        for gone in migration.removed.iter().filter(|gone| is_lost(run, migration, gone)) {
            of_statements.entry(dropped_by(migration, gone)).or_default().push(gone);
        }
        found.extend(of_statements.iter().map(|(index, gone)| dropped(run, migration, *index, gone)));
        if migration.status == MigrationStatus::Applied {
            found.extend(truncated(run, migration));
            found.extend(deleted(run, migration));
        }
    }
    found
}

fn is_lost(run: &Run, migration: &Migration, gone: &Removed) -> bool {
    let renames = |words: Keywords| ["RENAME", "CHANGE", "EXCHANGE"].iter().any(|word| words.has(word));
    let no_rename = || !migration.statements.iter().any(|statement| renames(Keywords::of(&statement.sql)));
    let lost = gone.data_lost.unwrap_or_else(|| run.engine() != Engine::Postgres && no_rename());
    lost && table::before(run, &gone.table).in_use()
}

/// The last statement that drops anything, and names this if one does (what goes with a `CASCADE` is not named).
fn dropped_by(migration: &Migration, gone: &Removed) -> Option<usize> {
    let name = gone.column.as_deref().unwrap_or(&gone.table);
    let dropping = || {
        let statements = migration.statements.iter().enumerate().rev();
        statements.filter(|(_, statement)| Keywords::of(&statement.sql).has("DROP"))
    };
    let naming = dropping().find(|(_, statement)| mentions(&statement.sql, name));
    naming.or_else(|| dropping().next()).map(|(index, _)| index)
}

fn rows(run: &Run, name: &str) -> String {
    table::of_rows(run, name, table::before(run, name).rows)
}

fn dropped(run: &Run, migration: &Migration, index: Option<usize>, gone: &[&Removed]) -> Finding {
    let names: Vec<String> = gone
        .iter()
        .map(|gone| {
            let column = gone.column.as_ref().map(|column| format!(".{column}")).unwrap_or_default();
            format!("{}{column}{}", gone.table, rows(run, &gone.table))
        })
        .collect();
    let by = index.map_or("the migration", |index| migration.statements[index].command.as_str());
    let table = &gone[0].table;
    let whole = gone.iter().any(|gone| gone.column.is_none());
    let verb = if gone.len() == 1 { "is" } else { "are" };
    finding(run, migration, index, table, format!("{} {verb} gone with {by}", names.join(", ")), whole)
        .evidence("gone", gone)
}

fn truncated<'a>(run: &'a Run, migration: &'a Migration) -> impl Iterator<Item = Finding> {
    let statements = migration.statements.iter().enumerate().filter(|(_, statement)| only_truncates(statement));
    statements.filter_map(|(index, statement)| {
        let emptied = class::emptied(statement).into_iter();
        let tables: Vec<&str> = emptied.filter(|name| table::before(run, name).in_use()).collect();
        let names: Vec<String> = tables.iter().map(|name| format!("{name}{}", rows(run, name))).collect();
        let verb = if tables.len() == 1 { "is" } else { "are" };
        let message = format!("{} {verb} emptied by {}", names.join(", "), statement.command);
        Some(finding(run, migration, Some(index), tables.first()?, message, true).evidence("emptied", &tables))
    })
}

/// Of the tables that statements took rows from: the first statement, how many there were, and the rows.
fn deleted(run: &Run, migration: &Migration) -> Vec<Finding> {
    let mut of_tables: BTreeMap<&str, (usize, usize, u64)> = BTreeMap::new();
    let mut named: Option<BTreeMap<String, Vec<&str>>> = None;
    for (index, statement) in migration.statements.iter().enumerate() {
        let Some((name, rows)) = taken(statement) else { continue };
        let tables = named.get_or_insert_with(|| tables_by_name(run)).get(&last_part(name).to_lowercase());
        // With its schema, or the first that is called so.
        let exact = tables.into_iter().flatten().find(|table| **table == name);
        let Some(table) = exact.or_else(|| tables?.first()) else { continue };
        let (_, statements, all) = of_tables.entry(table).or_insert((index, 0, 0));
        *statements += 1;
        *all += rows;
    }
    let findings = of_tables.into_iter().map(|(table, (index, statements, rows))| {
        let verb = if rows == 1 { "is" } else { "are" };
        let by = match statements {
            1 => "DELETE".to_owned(),
            _ => format!("{statements} DELETEs"),
        };
        let message = format!("{} of {table}{} {verb} gone with {by}", Rows(rows), of_all(run, table));
        finding(run, migration, Some(index), table, message, true).evidence("deleted_rows", rows)
    });
    findings.collect()
}

/// What a table had, where that is known.
fn of_all(run: &Run, name: &str) -> String {
    rows(run, name).replacen('(', "(of ", 1)
}

/// The table that a statement deleted rows of, as it is named there, and how many. A tool's own history is its own.
fn taken(statement: &Statement) -> Option<(&str, u64)> {
    let rows = statement.rows.filter(|rows| *rows > 0)?;
    if statement.command != "DELETE" || statement.status != StatementStatus::Ok || statement.bookkeeping {
        return None;
    }
    Some((deleted_from(&statement.sql)?, rows))
}

/// The tables in use, by their names without schema and capitals. One that was made by the migrations has no rows that anybody
/// would miss.
fn tables_by_name(run: &Run) -> BTreeMap<String, Vec<&str>> {
    let mut named: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for table in run.snapshot.iter().flat_map(|snapshot| &snapshot.tables) {
        if table::before(run, &table.name).in_use() {
            named.entry(last_part(&table.name).to_lowercase()).or_default().push(&table.name);
        }
    }
    named
}

fn finding(
    run: &Run,
    migration: &Migration,
    index: Option<usize>,
    table: &str,
    message: String,
    whole: bool,
) -> Finding {
    let kept = format!("{}_before_{}", last_part(table), migration.id);
    let quoted = |name: &str| match run.engine() {
        Engine::Postgres => format!("\"{}\"", name.replace('"', "\"\"")),
        Engine::Mysql | Engine::Mariadb => format!("`{}`", name.replace('`', "``")),
    };
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    let kept = if kept.chars().all(plain) { kept } else { quoted(&kept) };
    let first = if whole { "" } else { "drop it once no version that may come back uses it; " };
    Finding::new(CODE, Severity::Warning, message)
        .in_migration(migration, index)
        .on_table(table)
        .evidence("rows", super::table::before(run, table).rows)
        .help(format!("{first}keep a copy if it may be wanted: CREATE TABLE {kept} AS SELECT * FROM {table}; [[waive]] it if it is meant"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::testing::{Cases, Facts, MigrationFacts, facts, facts_on, migration, statement};

    pub(super) const CASES: Cases = Cases {
        shown: &[
            ("a column was dropped", || with(drop("ALTER TABLE orders DROP COLUMN note", Some("note"))).run()),
            ("a small table was dropped", || {
                facts().table("public.orders", 3).migration(drop("DROP TABLE orders", None)).run()
            }),
            ("a table was emptied", || with(truncate()).run()),
            ("rows were deleted", || with(delete("DELETE FROM orders WHERE id < 100", 99)).run()),
            ("MySQL dropped a column", || on_mysql("ALTER TABLE orders DROP COLUMN note")),
        ],
        silent: &[
            ("it was renamed", || {
                let rename = drop("ALTER TABLE orders RENAME COLUMN note TO comment", Some("note"));
                with(rename.with(|migration| migration.removed[0].data_lost = Some(false))).run()
            }),
            ("the table was empty", || {
                facts().table("public.orders", 0).migration(drop("DROP TABLE orders", None)).run()
            }),
            ("the table was made by the migrations", || facts().migration(drop("DROP TABLE orders", None)).run()),
            ("no row was deleted", || with(delete("DELETE FROM orders WHERE id < 0", 0)).run()),
            ("rows of a new table were deleted", || with(delete("DELETE FROM copies", 9)).run()),
            ("a tool deleted its own", || {
                with(delete("DELETE FROM orders", 9).with(|migration| migration.statements[0].bookkeeping = true)).run()
            }),
            ("MySQL may have renamed it", || on_mysql("ALTER TABLE orders RENAME COLUMN note TO comment")),
            ("the table that was emptied was empty", || facts().table("public.orders", 0).migration(truncate()).run()),
        ],
    };

    fn drop(sql: &str, column: Option<&str>) -> MigrationFacts {
        migration("0002").statement(statement(4, sql, 1)).removes("public.orders", column)
    }

    fn truncate() -> MigrationFacts {
        migration("0002").statement(statement(4, "TRUNCATE orders", 1).rewrite("public.orders", 0))
    }

    fn delete(sql: &str, rows: u64) -> MigrationFacts {
        let taken = statement(4, sql, 1).with(|statement| statement.rows = Some(rows));
        migration("0002").statement(taken.with(|statement| "DELETE".clone_into(&mut statement.command)))
    }

    fn with(migration: MigrationFacts) -> Facts {
        facts().table("public.orders", 5_000_000).migration(migration)
    }

    fn on_mysql(sql: &str) -> Run {
        let gone = migration("0002").statement(statement(4, sql, 1)).removes("orders", Some("note"));
        let unknown = gone.with(|migration| migration.removed[0].data_lost = None);
        facts_on(Engine::Mysql).table("orders", 5_000_000).migration(unknown).run()
    }

    #[test]
    fn what_is_gone_is_named_with_its_rows_and_where() {
        let gone = drop("ALTER TABLE orders DROP COLUMN note, DROP COLUMN n", Some("note"));
        let found = judge(&with(gone.removes("public.orders", Some("n"))).run());
        let [finding] = &found[..] else { panic!("one finding, not {found:?}") };
        assert_eq!(finding.line, Some(4));
        assert_eq!(
            finding.message,
            "public.orders.note (5,000,000 rows), public.orders.n (5,000,000 rows) are gone with ALTER TABLE"
        );
        assert!(finding.help.contains("CREATE TABLE orders_before_0002 AS SELECT * FROM public.orders"));
        let found = judge(&with(truncate()).run());
        assert_eq!(found[0].message, "public.orders (5,000,000 rows) is emptied by TRUNCATE TABLE");
    }

    #[test]
    fn the_deletes_of_a_migration_are_one_fact_for_each_table() {
        let more = statement(5, "DELETE FROM ONLY public.orders", 1).with(|statement| statement.rows = Some(1));
        let found = judge(&with(delete("delete from orders", 1_200).statement(more)).run());
        let [finding] = &found[..] else { panic!("one finding, not {found:?}") };
        assert_eq!(finding.line, Some(4));
        assert_eq!(finding.message, "1,201 rows of public.orders (of 5,000,000 rows) are gone with 2 DELETEs");
    }

    #[test]
    fn a_truncate_that_was_rolled_back_emptied_nothing() {
        let failed = truncate().statement(statement(5, "SELECT 1/0", 1).fails("22012", "division by zero"));
        assert_eq!(judge(&with(failed).run()), []);
    }
}
