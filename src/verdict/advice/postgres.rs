//! Advice for PostgreSQL. An `ALTER TABLE` may lock other tables than the one that it names (a foreign key does); the named one is to be altered.
//!
//! Sources: PostgreSQL 18 manual, `ALTER TABLE` (Notes), `CREATE INDEX` (Building Indexes Concurrently) and 13.3.1, and
//! what was measured on servers 12 to 18. Longer words are in each rule's `explain`.

use super::super::keywords::{Keywords, altered_table};
use crate::run::{Lock, Statement};

/// The last line of most advice: a bound on how long others queue behind a lock that is itself being waited for.
pub(super) const LOCK_TIMEOUT: &str =
    "SET lock_timeout = '2s' before it and retry, so that nobody queues behind it for longer";

/// How to do this without shutting others out of `table` for long.
pub(super) fn instead(statement: &Statement, table: &str) -> String {
    let words = Keywords::of(&statement.sql);
    if words.begins("ALTER TABLE") {
        let table = altered_table(&statement.sql).unwrap_or(table);
        let is_new = statement.rewrites.as_ref().is_some_and(|rewrites| !rewrites.is_empty());
        // What reads the rows is the least of it then.
        let rewrite = is_new.then(|| rewriting(&words, table)).flatten();
        rewrite
            .or_else(|| scanning(&words, table))
            .or_else(|| rewriting(&words, table))
            .unwrap_or_else(|| LOCK_TIMEOUT.to_owned())
    } else {
        other(&words, table)
    }
}

/// How to change a column without building these indexes of its table anew under the lock.
pub(super) fn without_indexes(statement: &Statement, table: &str, indexes: &[&str]) -> String {
    let table = altered_table(&statement.sql).unwrap_or(table);
    format!(
        "DROP INDEX CONCURRENTLY {} outside a transaction, then this ALTER TABLE {table}, then CREATE INDEX CONCURRENTLY as \
         before; or leave the column as it is and add a CHECK NOT VALID that says the same",
        indexes.join(", ")
    )
}

/// How to lock a table only as a bystander: one that the statement is not about, and may have read all of.
pub(super) fn beside(statement: &Statement, lock: &Lock, scanned: bool) -> String {
    let words = Keywords::of(&statement.sql);
    let table = &lock.relation;
    if scanned && lock.partition {
        format!(
            "ALTER TABLE {table} ADD CONSTRAINT … CHECK (…) NOT VALID that leaves out what belongs to the new partition, then \
             VALIDATE CONSTRAINT …, before this: then {table} is not read under the lock"
        )
    } else if words.has("DROP CONSTRAINT") || words.begins("DROP TABLE") {
        format!(
            "a foreign key ties {table} to it: {LOCK_TIMEOUT}; drop the key in a transaction of its own, when {table} is quiet"
        )
    } else {
        LOCK_TIMEOUT.to_owned()
    }
}

/// An `ALTER TABLE` that reads all rows, or is cheap but for its lock.
fn scanning(words: &Keywords, table: &str) -> Option<String> {
    let advice = if (words.has("FOREIGN KEY") || words.has("REFERENCES")) && !words.has("NOT VALID") {
        format!(
            "ALTER TABLE {table} ADD CONSTRAINT … FOREIGN KEY … NOT VALID, commit, then ALTER TABLE {table} VALIDATE \
             CONSTRAINT …, which lets reads and writes go on"
        )
    } else if words.has("SET NOT NULL") {
        format!(
            "ALTER TABLE {table} ADD CONSTRAINT … CHECK (… IS NOT NULL) NOT VALID; VALIDATE CONSTRAINT … in the next \
             transaction; then SET NOT NULL reads no row, and the check can go"
        )
    } else if words.change_type() {
        return rewriting(words, table);
    } else if words.has("USING INDEX") {
        LOCK_TIMEOUT.to_owned()
    } else if words.has("UNIQUE") || words.has("PRIMARY KEY") {
        format!(
            "CREATE UNIQUE INDEX CONCURRENTLY … ON {table} (…) outside a transaction, then ALTER TABLE {table} ADD \
             CONSTRAINT … USING INDEX …"
        )
    } else if words.has("CHECK") && !words.has("NOT VALID") {
        format!(
            "ALTER TABLE {table} ADD CONSTRAINT … CHECK (…) NOT VALID, commit, then ALTER TABLE {table} VALIDATE \
             CONSTRAINT …"
        )
    } else if words.has("ATTACH PARTITION") {
        "give the new partition, and the default one, a validated CHECK that matches the bounds first: then ATTACH reads no row"
            .to_owned()
    } else if words.has("DETACH PARTITION") && !words.has("CONCURRENTLY") {
        "DETACH PARTITION … CONCURRENTLY (PostgreSQL 14 and later), outside a transaction".to_owned()
    } else {
        return None;
    };
    Some(advice)
}

/// An `ALTER TABLE` that writes all rows anew.
fn rewriting(words: &Keywords, table: &str) -> Option<String> {
    let advice = if words.change_type() {
        format!(
            "add a new column to {table} beside the old one, keep both alike with a trigger, backfill in batches, \
             and swap the names once the application uses the new one"
        )
    } else if words.has("STORED") || words.has("IDENTITY") || words.has("SERIAL") || words.has("BIGSERIAL") {
        format!("add a plain nullable column to {table}, backfill it in batches, and set its default for new rows only")
    } else if words.has("DEFAULT") && words.has("ADD") {
        format!(
            "add the column to {table} without a default, ALTER COLUMN … SET DEFAULT … for new rows, and backfill the \
             old ones in batches (a constant default needs none of this; a volatile one rewrites the table)"
        )
    } else {
        return None;
    };
    Some(advice)
}

fn other(words: &Keywords, table: &str) -> String {
    let concurrently = words.has("CONCURRENTLY");
    if (words.begins("CREATE INDEX") || words.begins("CREATE UNIQUE INDEX")) && !concurrently {
        format!("CREATE INDEX CONCURRENTLY … ON {table} (…) outside a transaction: writes go on meanwhile")
    } else if words.begins("REINDEX") && !concurrently {
        "REINDEX … CONCURRENTLY (PostgreSQL 12 and later), outside a transaction".to_owned()
    } else if words.begins("DROP INDEX") && !concurrently {
        "DROP INDEX CONCURRENTLY …, outside a transaction".to_owned()
    } else if words.begins("VACUUM") || words.begins("CLUSTER") {
        format!(
            "a plain VACUUM {table} makes the space usable again and shuts nobody out; to give it back to the disk \
             while the application runs, use pg_repack or pg_squeeze"
        )
    } else if words.begins("LOCK") {
        format!(
            "lock {table} no longer than the work needs, in the weakest mode that does (SHARE ROW EXCLUSIVE lets \
             readers pass), and {LOCK_TIMEOUT}"
        )
    } else if words.begins("REFRESH MATERIALIZED VIEW") && !concurrently {
        format!("give {table} a unique index and REFRESH MATERIALIZED VIEW CONCURRENTLY {table}: readers go on")
    } else if words.begins("TRUNCATE") {
        format!("{LOCK_TIMEOUT}; or DELETE from {table} in batches if its readers must not wait")
    } else {
        LOCK_TIMEOUT.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::statement;
    use super::*;

    #[test]
    fn advice_fits_the_statement() {
        for (sql, part) in [
            ("CREATE INDEX ON orders (status)", "CREATE INDEX CONCURRENTLY … ON public.orders"),
            ("CREATE UNIQUE INDEX u ON orders (n)", "CONCURRENTLY"),
            ("ALTER TABLE orders ADD FOREIGN KEY (c) REFERENCES customers", "FOREIGN KEY … NOT VALID"),
            ("ALTER TABLE orders ALTER status SET NOT NULL", "IS NOT NULL) NOT VALID"),
            ("ALTER TABLE orders ALTER id TYPE bigint", "backfill in batches"),
            ("ALTER TABLE orders ADD UNIQUE (n)", "USING INDEX"),
            ("ALTER TABLE orders ADD CHECK (n > 0)", "CHECK (…) NOT VALID"),
            ("ALTER TABLE orders ADD k uuid DEFAULT gen_random_uuid()", "SET DEFAULT"),
            ("ALTER TABLE orders ADD k int GENERATED ALWAYS AS (n + 1) STORED", "plain nullable column"),
            ("ALTER TABLE parts ATTACH PARTITION p FOR VALUES IN (1)", "validated CHECK"),
            ("ALTER TABLE parts DETACH PARTITION p", "DETACH PARTITION … CONCURRENTLY"),
            ("ALTER TABLE orders ADD note text", "lock_timeout"),
            ("REINDEX TABLE orders", "REINDEX … CONCURRENTLY"),
            ("DROP INDEX orders_status", "DROP INDEX CONCURRENTLY"),
            ("VACUUM (FULL) orders", "plain VACUUM"),
            ("CLUSTER orders USING orders_pkey", "pg_repack"),
            ("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE", "weakest mode"),
            ("REFRESH MATERIALIZED VIEW totals", "unique index"),
            ("TRUNCATE orders", "in batches"),
            ("DO 'BEGIN END'", "lock_timeout"),
        ] {
            let advice = instead(&statement(1, sql, 1).fact(), "public.orders");
            assert!(advice.contains(part), "{sql}: {advice}");
        }
    }

    #[test]
    fn of_a_rewrite_and_a_scan_the_rewrite_is_to_be_avoided() {
        let sql = "ALTER TABLE orders ADD CHECK (n > 0), ADD token uuid DEFAULT gen_random_uuid()";
        let both = statement(1, sql, 1);
        assert!(
            instead(&both.fact(), "public.orders").contains("NOT VALID"),
            "the default is a constant for all one knows"
        );
        let rewrote = statement(1, sql, 1).rewrite("public.orders", 8_000_000);
        let advice = instead(&rewrote.fact(), "public.orders");
        assert!(advice.contains("without a default"), "{advice}");
    }

    #[test]
    fn the_table_that_is_to_be_altered_is_the_one_that_the_statement_names() {
        let sql = "ALTER TABLE ONLY items ADD FOREIGN KEY (product_id) REFERENCES products";
        let advice = instead(&statement(1, sql, 1).fact(), "public.products");
        assert!(advice.starts_with("ALTER TABLE items ADD CONSTRAINT") && !advice.contains("products"), "{advice}");
    }

    #[test]
    fn what_is_done_already_is_not_advised_again() {
        for sql in [
            "ALTER TABLE orders ADD FOREIGN KEY (c) REFERENCES customers NOT VALID",
            "ALTER TABLE orders ADD CHECK (n > 0) NOT VALID",
            "ALTER TABLE orders ADD CONSTRAINT u UNIQUE USING INDEX u",
            "DROP INDEX CONCURRENTLY orders_status",
        ] {
            assert_eq!(instead(&statement(1, sql, 1).fact(), "public.orders"), LOCK_TIMEOUT, "{sql}");
        }
    }
}
