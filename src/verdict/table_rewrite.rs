//! `table-rewrite`: a table in use was given new storage, row by row.

use super::{Rule, advice, limit, table};
use crate::run::{Algorithm, Bytes, Finding, Migration, Rewrite, RewriteKind, Run, Severity, Statement};

const CODE: &str = "table-rewrite";

pub(super) const RULE: Rule = Rule {
    code: CODE,
    title: "a table was written anew, row by row",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: tests::CASES,
};

const EXPLAIN: &str = "\
A statement gave a table that held rows new storage: every row was copied and every index built
anew, mostly under a lock that nobody gets past. From limits.rewrite_rows rows on (10,000 by
default) it is an error; below, a warning, since the time grows with the table and production
may be larger. With MySQL and MariaDB it is told as copy-algorithm or rebuild, which differ in
whom they shut out; as table-rewrite only where the way it was done could not be told.

How it is measured
  By the storage file of each relation (pg_relation_filenode) before and after the statement,
  read from inside the same transaction. It finds what the text of a statement does not tell:
  varchar(20) to varchar(50) copies nothing, timestamp to timestamptz depends on the time zone.
  The new storage is that of the table with the indexes and TOAST tables that were written anew
  with it; the evidence lists them. An index alone is no table-rewrite, but makes the change
  slow. TRUNCATE also gives new storage, copies nothing, and is not counted.

Why it hurts in production
  The table is locked for as long as the copy takes, the disk holds both copies until it ends,
  and all of it goes to the write-ahead log, to every replica and every backup.

What to do instead
  A new column beside the old one, kept alike by a trigger, filled in batches, then swapped:
      ALTER TABLE orders ADD COLUMN id_new bigint;
      CREATE FUNCTION orders_id_new() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN NEW.id_new := NEW.id; RETURN NEW; END $$;
      CREATE TRIGGER orders_id_new BEFORE INSERT OR UPDATE ON orders
        FOR EACH ROW EXECUTE FUNCTION orders_id_new();
      UPDATE orders SET id_new = id WHERE id BETWEEN 1 AND 10000;      -- batch after batch
      CREATE UNIQUE INDEX CONCURRENTLY orders_id_new_key ON orders (id_new);
      -- once it is full: swap the names in one short transaction, drop the old column later
  A column with a volatile default (gen_random_uuid(), clock_timestamp()): add it without, set
  the default for new rows, fill the old ones in batches. A constant default copies nothing (11
  and later). VACUUM FULL and CLUSTER: pg_repack or pg_squeeze.
";

fn judge(run: &Run) -> Vec<Finding> {
    let mut found = Vec::new();
    for migration in &run.migrations {
        for (index, statement) in migration.statements.iter().enumerate() {
            // Told by the findings that know how it was done.
            let told = matches!(statement.algorithm, Some(Algorithm::Copy | Algorithm::InplaceRebuild));
            let rewritten = rewritten(run, statement).filter(|_| !told);
            found.extend(rewritten.map(|rewrite| finding(run, migration, index, rewrite)));
        }
    }
    found
}

/// The tables in use that a statement wrote anew.
pub(crate) fn rewritten<'a>(run: &Run, statement: &'a Statement) -> impl Iterator<Item = &'a Rewrite> {
    let rewrites = statement.rewrites.iter().flatten().filter(|_| !only_truncates(statement));
    rewrites.filter(|new| new.kind == RewriteKind::Table && table::before(run, &new.relation).in_use())
}

/// Whether a message holds nothing but `TRUNCATE`, which gives new storage without copying.
pub(super) fn only_truncates(statement: &Statement) -> bool {
    statement.command.split("; ").all(|command| command.starts_with("TRUNCATE"))
}

fn finding(run: &Run, migration: &Migration, index: usize, rewrite: &Rewrite) -> Finding {
    let statement = &migration.statements[index];
    let table = &rewrite.relation;
    let rows = table::before(run, table).rows;
    let limit = limit::of_table(run, table).rewrite_rows;
    let severity = if rows.is_some_and(|rows| rows < limit) { Severity::Warning } else { Severity::Error };
    let of_rows = table::of_rows(run, table, rows);
    let (parts, bytes) = (parts(statement, table), new_storage(statement, table));
    let size = bytes.map(|bytes| format!(", {} of new storage", Bytes(bytes))).unwrap_or_default();
    let message =
        format!("{} wrote all of {table}{of_rows} anew in {}{size}", statement.command, statement.duration_ms);
    Finding::new(CODE, severity, message)
        .in_migration(migration, Some(index))
        .on_table(table)
        .evidence("rows", rows)
        .evidence("limit_rows", limit)
        .evidence("bytes", bytes)
        .evidence("parts", parts)
        .evidence("duration_ms", statement.duration_ms)
        .evidence("wal_bytes", statement.counters.wal_bytes.flatten())
        .advice(advice::instead(run, migration, index, table))
}

/// The table, its indexes and its TOAST table, as far as a statement wrote them anew.
fn parts<'a>(statement: &'a Statement, table: &str) -> Vec<&'a Rewrite> {
    let rewrites = statement.rewrites.iter().flatten();
    rewrites.filter(|new| new.table.as_deref().unwrap_or(&new.relation) == table).collect()
}

/// Bytes of the new storage that a statement gave a table with all that belongs to it; `None` if a part's size is not
/// known.
pub(crate) fn new_storage(statement: &Statement, table: &str) -> Option<u64> {
    parts(statement, table).into_iter().map(|part| part.bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Engine;
    use crate::verdict::testing::{Cases, Facts, facts, facts_on, migration, statement};

    pub(super) const CASES: Cases = Cases {
        shown: &[
            ("an ALTER TYPE copied 5 million rows", || rewriting("ALTER TABLE orders ALTER id TYPE bigint").run()),
            ("the table is small", || rewriting("VACUUM FULL orders").with(|run| rows(run, Some(3))).run()),
            ("nobody knows how MySQL did it", || by_mysql(None)),
            ("nobody knows how many rows there are", || {
                rewriting("VACUUM FULL orders").with(|run| rows(run, None)).run()
            }),
        ],
        silent: &[
            ("the table is empty", || rewriting("VACUUM FULL orders").with(|run| rows(run, Some(0))).run()),
            ("TRUNCATE copies nothing", || rewriting("TRUNCATE orders").run()),
            ("the table was made by the migrations", || {
                rewriting("VACUUM FULL orders").with(|run| snapshot(run).clear()).run()
            }),
            ("only an index was built anew", || {
                let reindex = statement(1, "REINDEX INDEX orders_pkey", 900);
                let reindex = reindex.rebuild("public.orders_pkey", "public.orders", 9_000_000);
                facts().table("public.orders", 5_000_000).migration(migration("0004").statement(reindex)).run()
            }),
            ("it was copied by MySQL, which copy-algorithm tells", || by_mysql(Some(Algorithm::Copy))),
            ("the catalogs could not be read", || {
                rewriting("VACUUM FULL orders").with(|run| run.migrations[0].statements[0].rewrites = None).run()
            }),
        ],
    };

    fn rewriting(sql: &str) -> Facts {
        let rewrite = statement(2, sql, 2_310).rewrite("public.orders", 251_658_240).rebuild(
            "public.orders_pkey",
            "public.orders",
            9_000_000,
        );
        facts().table("public.orders", 5_000_000).migration(migration("0004").statement(rewrite))
    }

    fn by_mysql(algorithm: Option<Algorithm>) -> Run {
        let alter = statement(2, "ALTER TABLE orders FORCE", 2_310).rewrite("orders", 9_000_000);
        let alter = alter.with(|statement| statement.algorithm = algorithm);
        facts_on(Engine::Mysql).table("orders", 5_000_000).migration(migration("0004").statement(alter)).run()
    }

    fn snapshot(run: &mut Run) -> &mut Vec<crate::run::TableFacts> {
        &mut run.snapshot.as_mut().expect("there").tables
    }

    fn rows(run: &mut Run, rows: Option<u64>) {
        snapshot(run)[0].rows = rows;
    }

    #[test]
    fn the_limit_of_rows_divides_errors_from_warnings_and_unknown_is_no_excuse() {
        for (known, severity) in
            [(Some(9_999), Severity::Warning), (Some(10_000), Severity::Error), (None, Severity::Error)]
        {
            let found = judge(&rewriting("VACUUM FULL orders").with(|run| rows(run, known)).run());
            assert_eq!(found[0].severity, severity, "{known:?}");
        }
    }

    #[test]
    fn indexes_that_were_built_anew_with_it_are_new_storage_too() {
        let found = judge(&rewriting("ALTER TABLE orders ALTER id TYPE bigint").run());
        let [finding] = &found[..] else { panic!("one finding, not {found:?}") };
        assert_eq!(
            finding.message,
            "ALTER TABLE wrote all of public.orders (5,000,000 rows) anew in 2.31 s, 249 MB of new storage"
        );
        assert_eq!(finding.evidence["bytes"], 260_658_240);
        let parts = finding.evidence["parts"].as_array().expect("a list");
        let parts: Vec<_> = parts.iter().map(|part| &part["relation"]).collect();
        assert_eq!(parts, ["public.orders", "public.orders_pkey"]);
    }

    #[test]
    fn storage_of_which_a_part_is_not_known_is_not_known() {
        let unknown = |run: &mut Run| {
            run.migrations[0].statements[0].rewrites.as_mut().expect("there")[1].bytes = None;
        };
        let found = judge(&rewriting("VACUUM FULL orders").with(unknown).run());
        assert!(found[0].message.ends_with("anew in 2.31 s"), "{}", found[0].message);
    }
}
