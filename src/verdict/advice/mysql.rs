//! Advice for MySQL and MariaDB, by what the statement is and how the server carried it out.
//!
//! Sources: MySQL 9.7 manual, 17.12.1 "Online DDL Operations" and 17.12.8 "Online DDL Limitations"; what was seen on 9.7.4,
//! MariaDB 10.11 and 11.8.

pub(super) mod steps;

use super::super::keywords::{Keywords, altered_table};
use crate::run::{Algorithm, Statement};

/// The last line of most advice: a bound on how long others queue behind a lock that is itself being waited for.
pub(crate) const LOCK_WAIT_TIMEOUT: &str =
    "SET SESSION lock_wait_timeout = 5 before it and retry, so that nobody queues behind it for longer";

/// Where the server cannot do better.
const BESIDE: &str = "copy it beside the traffic with gh-ost, pt-online-schema-change or spirit; and write \
                      ALGORITHM=INPLACE, LOCK=NONE into an ALTER that must not copy, so that it is refused instead";

/// How to do this without shutting others out of `table` for long.
pub(super) fn instead(statement: &Statement, table: &str) -> String {
    let words = Keywords::of(&statement.sql);
    if words.begins("ALTER") {
        alter_table(&words, statement.algorithm, altered_table(&statement.sql).unwrap_or(table))
    } else {
        other(&words, statement.algorithm, table)
    }
}

fn alter_table(words: &Keywords, algorithm: Option<Algorithm>, table: &str) -> String {
    let rewrites = matches!(algorithm, Some(Algorithm::Copy | Algorithm::InplaceRebuild));
    let adds_index = ["INDEX", "KEY", "UNIQUE", "FULLTEXT"].iter().any(|kind| words.has(&format!("ADD {kind}")));
    let adds_constraint = ["CONSTRAINT", "CHECK", "PRIMARY KEY"].iter().any(|kind| words.has(&format!("ADD {kind}")));
    let adds_column = words.has("ADD COLUMN") || words.has("ADD") && !adds_index && !adds_constraint;
    if words.has("FOREIGN KEY") && words.has("ADD") && rewrites {
        format!(
            "look for rows that point nowhere first, then SET SESSION foreign_key_checks = 0 before ALTER TABLE {table} ADD \
             CONSTRAINT … FOREIGN KEY …: nothing is copied or read, and both tables are locked for a moment only"
        )
    } else if words.has("FULLTEXT") || words.has("SPATIAL") {
        format!("writers wait for as long as this index is built: build it in a quiet hour, or {BESIDE}")
    } else if words.has("PARTITION") {
        format!("all rows go to new partitions: {BESIDE}")
    } else if !rewrites {
        LOCK_WAIT_TIMEOUT.to_owned()
    } else if adds_column && (adds_index || words.has("MODIFY") || words.has("CHANGE")) {
        format!(
            "one ALTER is carried out as the worst of its clauses needs: ALTER TABLE {table} ADD COLUMN …, ALGORITHM=INSTANT \
             by itself, and the rest in an ALTER of its own"
        )
    } else if adds_column && words.has("AUTO_INCREMENT") {
        format!("numbering the rows of {table} shuts writers out: {BESIDE}")
    } else if words.has("CONVERT TO") {
        format!(
            "ALTER TABLE {table} DEFAULT CHARACTER SET … is for new columns and copies nothing; for the old ones, {BESIDE}"
        )
    } else if words.has("STORED") || words.has("PERSISTENT") {
        format!("a VIRTUAL column is INSTANT, and an index on it keeps its values; if {table} must store it, {BESIDE}")
    } else if adds_column && words.has("DEFAULT") && algorithm == Some(Algorithm::Copy) {
        format!(
            "ALTER TABLE {table} ADD COLUMN … without the default, ALGORITHM=INSTANT; fill it in batches; then ALTER COLUMN … \
             SET DEFAULT (…)"
        )
    } else if adds_column && (words.has("AFTER") || words.has("FIRST")) {
        format!(
            "ALTER TABLE {table} ADD COLUMN …, ALGORITHM=INSTANT at the end of the table: the order is for people only"
        )
    } else if adds_column || words.has("DROP COLUMN") || words.has("DROP") && !words.has("PRIMARY KEY") {
        format!(
            "this is INSTANT unless the column has an index (drop that in an ALTER of its own first) or the row versions of \
             {table} are used up (OPTIMIZE TABLE in a quiet hour frees them); ALGORITHM=INSTANT has it refused instead"
        )
    } else if words.has("VARCHAR") && algorithm == Some(Algorithm::Copy) {
        format!(
            "a VARCHAR stays in place while its length in bytes stays below 256 (63 characters of utf8mb4), or above: choose \
             such a length, or {BESIDE}"
        )
    } else if words.has("NOT NULL") && algorithm == Some(Algorithm::InplaceRebuild) {
        "writers go on meanwhile; on replicas it runs a second time, and everything else waits there: run it in a quiet \
         hour, or with gh-ost, pt-online-schema-change or spirit"
            .to_owned()
    } else if words.has("MODIFY") || words.has("CHANGE") {
        format!(
            "add a new column to {table} (INSTANT), keep both alike, fill it in batches, swap the names; or {BESIDE}"
        )
    } else {
        BESIDE.to_owned()
    }
}

fn other(words: &Keywords, algorithm: Option<Algorithm>, table: &str) -> String {
    if words.begins("OPTIMIZE") {
        format!("{table} is rebuilt: {BESIDE}")
    } else if words.begins("CREATE FULLTEXT") || words.begins("CREATE SPATIAL") {
        format!("writers wait for as long as this index is built: build it in a quiet hour, or {BESIDE}")
    } else if words.begins("LOCK") {
        format!("lock {table} no longer than the work needs, and UNLOCK TABLES right after it")
    } else if words.begins("UPDATE") || words.begins("DELETE") || words.begins("INSERT") || words.begins("REPLACE") {
        format!("change {table} in batches along its primary key, each in a transaction of its own")
    } else if words.begins("TRUNCATE") {
        format!("{LOCK_WAIT_TIMEOUT}; or DELETE from {table} in batches if its readers must not wait")
    } else if algorithm == Some(Algorithm::Copy) {
        BESIDE.to_owned()
    } else {
        LOCK_WAIT_TIMEOUT.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::statement;
    use super::*;
    use crate::run::Algorithm::{Copy, Inplace, InplaceRebuild, Instant};

    #[test]
    fn advice_fits_the_statement_and_how_it_was_carried_out() {
        for (sql, algorithm, part) in [
            ("ALTER TABLE orders MODIFY id BIGINT NOT NULL AUTO_INCREMENT", Copy, "gh-ost"),
            ("ALTER TABLE orders ADD COLUMN n INT AUTO_INCREMENT UNIQUE FIRST", InplaceRebuild, "shuts writers out"),
            ("ALTER TABLE orders ADD CHECK (n > 0)", Copy, "gh-ost"),
            ("ALTER TABLE orders ADD PRIMARY KEY (n)", InplaceRebuild, "gh-ost"),
            ("ALTER TABLE orders MODIFY customer_id BIGINT NOT NULL", Copy, "swap the names; or copy it beside"),
            ("ALTER TABLE orders MODIFY note VARCHAR(64)", Copy, "below 256 (63 characters"),
            ("ALTER TABLE orders MODIFY note VARCHAR(60)", Inplace, "lock_wait_timeout"),
            ("ALTER TABLE orders MODIFY note INT NOT NULL", InplaceRebuild, "writers go on"),
            ("ALTER TABLE orders CONVERT TO CHARACTER SET utf8mb4", Copy, "DEFAULT CHARACTER SET"),
            ("ALTER TABLE orders ADD FOREIGN KEY (c) REFERENCES customers (id)", Copy, "foreign_key_checks = 0"),
            ("ALTER TABLE orders ADD FULLTEXT INDEX (note)", InplaceRebuild, "writers wait"),
            ("ALTER TABLE orders PARTITION BY HASH (id) PARTITIONS 4", Copy, "new partitions"),
            ("ALTER TABLE orders ADD COLUMN k INT, ADD INDEX (k)", InplaceRebuild, "the worst of its clauses"),
            ("ALTER TABLE orders ADD k INT AS (n + 1) STORED", Copy, "VIRTUAL column is INSTANT"),
            ("ALTER TABLE orders ADD COLUMN k BINARY(16) DEFAULT (uuid_to_bin(uuid()))", Copy, "without the default"),
            ("ALTER TABLE orders ADD COLUMN k INT AFTER id", Copy, "at the end of the table"),
            ("ALTER TABLE orders ADD COLUMN k INT", InplaceRebuild, "row versions of orders are used up"),
            ("ALTER TABLE orders DROP COLUMN status", InplaceRebuild, "has an index"),
            ("ALTER TABLE orders ADD COLUMN k INT", Instant, "lock_wait_timeout"),
            ("ALTER TABLE orders ENGINE = InnoDB", InplaceRebuild, "gh-ost"),
            ("CREATE FULLTEXT INDEX i ON orders (note)", Inplace, "writers wait"),
            ("CREATE INDEX i ON orders (note)", Inplace, "lock_wait_timeout"),
            ("OPTIMIZE TABLE orders", InplaceRebuild, "rebuilt"),
        ] {
            let advice = instead(&statement(1, sql, 1).by(algorithm).fact(), "orders");
            assert!(advice.contains(part), "{sql}: {advice}");
        }
        for (sql, part) in [
            ("LOCK TABLES orders WRITE", "UNLOCK TABLES"),
            ("UPDATE orders SET status = 'new'", "in batches along its primary key"),
            ("TRUNCATE TABLE orders", "DELETE from orders in batches"),
            ("RENAME TABLE orders TO old_orders", "lock_wait_timeout"),
        ] {
            let advice = instead(&statement(1, sql, 1).fact(), "orders");
            assert!(advice.contains(part), "{sql}: {advice}");
        }
    }

    #[test]
    fn the_table_that_is_to_be_altered_is_the_one_that_the_statement_names() {
        let sql = "ALTER TABLE `order items` ADD CONSTRAINT f FOREIGN KEY (p) REFERENCES products (id)";
        let advice = instead(&statement(1, sql, 1).by(Copy).fact(), "products");
        assert!(advice.contains("ALTER TABLE `order items` ADD") && !advice.contains("products"), "{advice}");
    }
}
