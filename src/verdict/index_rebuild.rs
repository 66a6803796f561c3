//! `index-rebuild`: an ALTER built an index of a table in use anew, and not the table.

use std::collections::BTreeMap;

use super::keywords::Keywords;
use super::{Rule, advice, limit, rewritten, table};
use crate::run::{Bytes, Finding, Migration, Rewrite, RewriteKind, Run, Severity, Statement};

const CODE: &str = "index-rebuild";

pub(super) const RULE: Rule = Rule {
    code: CODE,
    title: "an ALTER built an index anew although the table stayed as it was (PostgreSQL)",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: tests::CASES,
};

const EXPLAIN: &str = "\
An ALTER left the table's rows where they were and built one of its indexes anew, from all of
them, mostly under a lock that nobody gets past. From limits.rewrite_rows rows on (10,000 by
default) it is a warning; below, a remark. Where the table was written anew as well, table-rewrite
tells it; how long anybody was shut out is told by blocks-reads. REINDEX is not counted: there it
is what was asked for.

How it is measured
  By the storage file of each index (pg_relation_filenode) before and after the statement. An index
  that was made again by another OID around the same file was reused, which costs nothing, and is
  not counted.

Why it hurts in production
  The change looks free, and is on most tables. A longer varchar writes nothing anew, and yet the
  server builds every partial index and every index of an expression on the column again: it does
  not look into conditions. So it does with any index when the collation changes, and with that of
  a timestamp that becomes a timestamptz in UTC. It takes as long as CREATE INDEX, and readers wait
  too.

What to do instead
  Take the index out of the way beside the traffic, and build it again after the change, each of
  the three outside a transaction:
      DROP INDEX CONCURRENTLY orders_open;
      ALTER TABLE orders ALTER COLUMN note TYPE varchar(200);
      CREATE INDEX CONCURRENTLY orders_open ON orders (note) WHERE note <> '';
  Often a rule is enough instead of a type, and can be changed without any of this:
      ALTER TABLE orders ADD CONSTRAINT note_length CHECK (length(note) <= 200) NOT VALID;
      ALTER TABLE orders VALIDATE CONSTRAINT note_length;
";

fn judge(run: &Run) -> Vec<Finding> {
    let mut found = Vec::new();
    for migration in &run.migrations {
        for (index, statement) in migration.statements.iter().enumerate() {
            let rebuilt = rebuilt(run, statement);
            found.extend(rebuilt.into_iter().map(|(table, indexes)| finding(run, migration, index, table, &indexes)));
        }
    }
    found
}

/// The indexes that an ALTER built anew, by their table, where that is in use and was not written anew itself.
pub(super) fn rebuilt<'a>(run: &Run, statement: &'a Statement) -> BTreeMap<&'a str, Vec<&'a Rewrite>> {
    let mut of_tables: BTreeMap<&str, Vec<&Rewrite>> = BTreeMap::new();
    if !Keywords::of(&statement.sql).begins("ALTER") {
        return of_tables;
    }
    let tables: Vec<&str> = rewritten(run, statement).map(|new| new.relation.as_str()).collect();
    for new in statement.rewrites.iter().flatten().filter(|new| new.kind == RewriteKind::Index) {
        let Some(table) = new.table.as_deref() else { continue };
        if !tables.contains(&table) && table::before(run, table).in_use() {
            of_tables.entry(table).or_default().push(new);
        }
    }
    of_tables
}

fn finding(run: &Run, migration: &Migration, index: usize, table: &str, indexes: &[&Rewrite]) -> Finding {
    let statement = &migration.statements[index];
    let rows = table::before(run, table).rows;
    let limit = limit::of_table(run, table).rewrite_rows;
    let severity = if rows.is_some_and(|rows| rows < limit) { Severity::Info } else { Severity::Warning };
    let names: Vec<&str> = indexes.iter().map(|index| index.relation.as_str()).collect();
    let bytes: Option<u64> = indexes.iter().map(|index| index.bytes).sum();
    let size = bytes.map(|bytes| format!(", {} of new storage", Bytes(bytes))).unwrap_or_default();
    let of_rows = table::of_rows(run, table, rows);
    let message = format!(
        "{} built {} anew from all of {table}{of_rows} in {}{size}; the table itself stayed as it was",
        statement.command,
        names.join(" and "),
        statement.duration_ms
    );
    Finding::new(CODE, severity, message)
        .in_migration(migration, Some(index))
        .on_table(table)
        .evidence("indexes", indexes)
        .evidence("rows", rows)
        .evidence("limit_rows", limit)
        .evidence("bytes", bytes)
        .evidence("duration_ms", statement.duration_ms)
        .advice(advice::without_indexes(run, migration, index, table, &names))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::testing::{Cases, Facts, StatementFacts, facts, migration, statement};

    pub(super) const CASES: Cases = Cases {
        shown: &[
            ("a longer varchar built a partial index anew", || with(alter(), 200_000).run()),
            ("the table is small", || with(alter(), 3).run()),
        ],
        silent: &[
            ("the table is empty", || with(alter(), 0).run()),
            ("the table was written anew, which table-rewrite tells", || {
                with(alter().rewrite("public.orders", 9_000_000), 200_000).run()
            }),
            ("it was asked for", || {
                let reindex = statement(1, "REINDEX INDEX orders_open", 90);
                with(reindex.rebuild("public.orders_open", "public.orders", 90), 200_000).run()
            }),
            ("TRUNCATE gave it new storage", || {
                let truncate = statement(1, "TRUNCATE orders", 90).rebuild("public.orders_open", "public.orders", 0);
                with(truncate, 200_000).run()
            }),
            ("the catalogs could not be read", || {
                with(alter().with(|statement| statement.rewrites = None), 200_000).run()
            }),
        ],
    };

    fn alter() -> StatementFacts {
        let sql = "ALTER TABLE orders ALTER COLUMN note TYPE varchar(200)";
        statement(2, sql, 120).rebuild("public.orders_open", "public.orders", 4_194_304)
    }

    fn with(statement: StatementFacts, rows: u64) -> Facts {
        facts().table("public.orders", rows).migration(migration("0002").statement(statement))
    }

    #[test]
    fn the_finding_names_the_index_and_its_figures() {
        let found = judge(&with(alter(), 200_000).run());
        let [finding] = &found[..] else { panic!("one finding, not {found:?}") };
        assert_eq!(finding.severity, Severity::Warning);
        assert_eq!(
            finding.message,
            "ALTER TABLE built public.orders_open anew from all of public.orders (200,000 rows) in 120 ms, 4.0 MB of \
             new storage; the table itself stayed as it was"
        );
        assert!(finding.help.contains("DROP INDEX CONCURRENTLY public.orders_open"), "{}", finding.help);
        assert_eq!(judge(&with(alter(), 9_999).run())[0].severity, Severity::Info);
    }
}
