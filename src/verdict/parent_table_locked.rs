//! `parent-table-locked`: a statement locked a table in use that it is not about, mostly over a foreign key.

use std::collections::BTreeSet;

use super::keywords::{Keywords, altered_table};
use super::{Rule, advice, table};
use crate::run::{Blocks, Finding, Lock, Migration, Run, Severity, Statement};
use crate::scenario::Engine;

const CODE: &str = "parent-table-locked";

pub(super) const RULE: Rule = Rule {
    code: CODE,
    title: "the other table of a foreign key was locked (MySQL, MariaDB)",
    explain: EXPLAIN,
    judge,
    #[cfg(test)]
    cases: tests::CASES,
};

const EXPLAIN: &str = "\
An ALTER TABLE locked another table in use beside the one that it alters: the one that a foreign
key points to, or comes from. It is a warning if writers of that table were shut out while work
was done (the key was checked), and a remark, once for each table, if it was locked for a moment
only: MySQL does that to the child with every ALTER of the parent.

How it is measured
  By the metadata locks of the statement's own session: SHARED_READ_ONLY on the parent while the
  rows are copied and checked, EXCLUSIVE on both tables at the end. If that took longer than the
  limit, blocks-writes or blocks-reads says so as well, with the figure.

Why it hurts in production
  Nobody looks at the parent when the child is altered. It is often the busier one: while order
  lines are checked, no customer can be changed, and a transaction that holds the parent makes
  the ALTER wait, with all queries of both tables behind it.

What to do instead
  Look for rows that point nowhere, then add the key without its check, which locks both tables
  for a moment and copies nothing:
      SELECT c.id FROM order_items c LEFT JOIN products p ON p.id = c.product_id
        WHERE c.product_id IS NOT NULL AND p.id IS NULL;
      SET SESSION lock_wait_timeout = 5, SESSION foreign_key_checks = 0;
      ALTER TABLE order_items ADD CONSTRAINT f FOREIGN KEY (product_id) REFERENCES products (id),
        ALGORITHM=INPLACE, LOCK=NONE;
  Rows that come in between the look and the key are never checked: look once more afterwards.
  gh-ost refuses tables with foreign keys; pt-online-schema-change has an option for them,
  --alter-foreign-keys-method.
";

fn judge(run: &Run) -> Vec<Finding> {
    if run.engine() == Engine::Postgres {
        return Vec::new();
    }
    let mut found = Vec::new();
    for migration in &run.migrations {
        for (index, statement) in migration.statements.iter().enumerate() {
            found.extend(others(run, statement).into_iter().map(|other| finding(run, migration, index, other)));
        }
    }
    once_for_a_moment(found)
}

/// Every warning, and of the remarks on a table the first, unless a warning says more of it.
fn once_for_a_moment(mut found: Vec<Finding>) -> Vec<Finding> {
    let warned: BTreeSet<Option<String>> =
        found.iter().filter(|one| one.severity > Severity::Info).map(|one| one.table.clone()).collect();
    let mut told = BTreeSet::new();
    let tells =
        |one: &Finding| one.severity > Severity::Info || !warned.contains(&one.table) && told.insert(one.table.clone());
    found.retain(tells);
    found
}

/// Tables in use that were locked against somebody beside the one that the statement is about.
fn others<'a>(run: &Run, statement: &'a Statement) -> Vec<&'a str> {
    // A partition is exchanged with a table that is meant to be locked.
    let about = altered_table(&statement.sql).filter(|_| !Keywords::of(&statement.sql).has("EXCHANGE PARTITION"));
    let Some(about) = about else { return Vec::new() };
    let about = about.replace('`', "");
    let is_other = |lock: &&Lock| {
        let relation = lock.relation.replace('`', "");
        let own = relation == about || about.ends_with(&format!(".{relation}"));
        !own && shuts_out(lock) && table::before(run, &lock.relation).in_use()
    };
    let mut others: Vec<&str> =
        statement.locks.iter().flatten().filter(is_other).map(|lock| lock.relation.as_str()).collect();
    others.sort_unstable();
    others.dedup();
    others
}

fn shuts_out(lock: &Lock) -> bool {
    lock.blocks.contains(&Blocks::Reads) || lock.blocks.contains(&Blocks::Writes)
}

fn finding(run: &Run, migration: &Migration, index: usize, other: &str) -> Finding {
    let statement = &migration.statements[index];
    let locks = || statement.locks.iter().flatten().filter(|lock| lock.relation == other && shuts_out(lock));
    let while_working = locks().find(|lock| !lock.blocks.contains(&Blocks::Reads));
    let about = altered_table(&statement.sql).unwrap_or_default();
    let command = &statement.command;
    let (severity, message) = match while_working {
        Some(lock) => {
            let held = lock.held_ms.map(|held| format!(" for {held}")).unwrap_or_default();
            let message = format!("{command} of {about} shut writers of {other} out{held} as well ({})", lock.mode);
            (Severity::Warning, message)
        }
        None => (Severity::Info, format!("{command} of {about} locked {other} for a moment as well")),
    };
    let modes: Vec<&str> = locks().map(|lock| lock.mode.as_str()).collect();
    Finding::new(CODE, severity, message)
        .in_migration(migration, Some(index))
        .on_table(other)
        .evidence("altered", about)
        .evidence("locks", modes)
        .evidence("held_ms", locks().filter_map(|lock| lock.held_ms).max())
        .advice(match while_working {
            Some(_) => advice::instead(run, migration, index, about),
            None => advice::bounded(run, migration, index),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Algorithm;
    use crate::verdict::testing::{
        Cases, Facts, MigrationFacts, StatementFacts, facts, facts_on, migration, statement,
    };

    pub(super) const CASES: Cases = Cases {
        shown: &[
            ("a foreign key was checked", || with(checked()).run()),
            ("it was added without a check", || with(unchecked()).run()),
        ],
        silent: &[
            ("only the table itself was locked", || {
                with(alter("ALTER TABLE `items` ADD n INT").metadata_lock("items", "EXCLUSIVE", 9)).run()
            }),
            ("the table itself is in another database", || {
                let sql = "ALTER TABLE rehearsal.items ADD n INT";
                with(alter(sql).metadata_lock("items", "EXCLUSIVE", 9)).run()
            }),
            ("nobody is shut out of the other one", || {
                with(alter("ALTER TABLE items ADD n INT").metadata_lock("products", "SHARED_UPGRADABLE", 9)).run()
            }),
            ("the other one is exchanged for a partition", || {
                let sql = "ALTER TABLE items EXCHANGE PARTITION p WITH TABLE products";
                with(alter(sql).metadata_lock("products", "EXCLUSIVE", 9)).run()
            }),
            ("the other one is empty", || {
                with(alter("ALTER TABLE items ADD n INT").metadata_lock("drafts", "EXCLUSIVE", 9)).run()
            }),
            ("it is PostgreSQL, where blocks-writes tells it", || {
                let locked = alter("ALTER TABLE items ADD n INT").metadata_lock("products", "EXCLUSIVE", 9);
                facts().table("products", 9_000).migration(migration("0002").statement(locked)).run()
            }),
        ],
    };

    fn alter(sql: &str) -> StatementFacts {
        statement(1, sql, 2_400).by(Algorithm::Copy)
    }

    fn unchecked() -> StatementFacts {
        let sql = "ALTER TABLE items ADD FOREIGN KEY (product_id) REFERENCES products (id)";
        alter(sql).metadata_lock("items", "EXCLUSIVE", 12).metadata_lock("products", "EXCLUSIVE", 12)
    }

    fn checked() -> StatementFacts {
        unchecked().metadata_lock("items", "SHARED_NO_WRITE", 2_390).metadata_lock(
            "products",
            "SHARED_READ_ONLY",
            2_390,
        )
    }

    fn with(statement: StatementFacts) -> Facts {
        let tables = facts_on(Engine::Mysql).table("items", 300_000).table("products", 9_000).table("drafts", 0);
        tables.migration(migration("0002").statement(statement))
    }

    #[test]
    fn a_moment_is_told_once_for_a_table_and_not_beside_a_warning() {
        let told = |statements: [StatementFacts; 2]| {
            let migration = statements.into_iter().fold(migration("0003"), MigrationFacts::statement);
            let found = judge(&with(unchecked()).migration(migration).run());
            found.iter().map(|finding| finding.severity).collect::<Vec<_>>()
        };
        assert_eq!(told([unchecked(), unchecked()]), [Severity::Info]);
        assert_eq!(told([unchecked(), checked()]), [Severity::Warning]);
    }

    #[test]
    fn work_under_the_lock_is_a_warning_and_a_moment_a_remark() {
        for (statement, severity, message) in [
            (
                checked(),
                Severity::Warning,
                "ALTER TABLE of items shut writers of products out for 2.39 s as well (SHARED_READ_ONLY)",
            ),
            (unchecked(), Severity::Info, "ALTER TABLE of items locked products for a moment as well"),
        ] {
            let found = judge(&with(statement).run());
            let [finding] = &found[..] else { panic!("one finding, not {found:?}") };
            assert_eq!((finding.severity, finding.message.as_str()), (severity, message));
            assert_eq!(finding.table.as_deref(), Some("products"));
        }
    }
}
