//! The safe way of one statement, in SQL (MySQL, MariaDB).
//!
//! One `ALTER TABLE` is carried out as the worst of its clauses needs; by itself each may do with less. Which those are is known
//! of a few only: columns that are `INSTANT`, indexes that are built in place with writers going on, and foreign keys, which copy
//! the table to check its rows unless the session says that they are right. Where anything else is in it there are no steps.
//!
//! Sources: MySQL 9.7 manual, 17.12.1 "Online DDL Operations"; seen so on 9.7.4, MariaDB 10.11 and 11.8. Tested by applying them.

use super::super::{Advice, worked};
use crate::run::{Algorithm, Conduct, Migration, Statement, Step};
use crate::sql::mysql::cursor::{Cursor, Token};

/// Nobody queues for longer than that behind a step that waits for its lock.
const LOCK_WAIT_TIMEOUT: &str = "SET SESSION lock_wait_timeout = 5";

/// What makes a new column more than an entry of the dictionary.
const MORE_THAN_A_COLUMN: [&str; 8] =
    ["AUTO_INCREMENT", "CHECK", "KEY", "PERSISTENT", "PRIMARY", "REFERENCES", "STORED", "UNIQUE"];

/// A clause that has a safe way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Clause {
    /// `ADD COLUMN`.
    Column,
    /// `ADD INDEX`.
    Index,
    /// `ADD FOREIGN KEY`.
    ForeignKey,
}

/// The safe way of a statement that wrote a table anew.
pub(in super::super) fn of_statement(migration: &Migration, statement: &Statement) -> Option<Advice> {
    let rewrote = matches!(statement.algorithm, Some(Algorithm::Copy | Algorithm::InplaceRebuild));
    if !rewrote || !worked(migration, statement) {
        return None;
    }
    let (alter, clauses) = clauses(&statement.sql)?;
    let clauses: Vec<(Clause, &str)> =
        clauses.into_iter().map(|text| Some((clause(text)?, text))).collect::<Option<_>>()?;
    let keys = clauses.iter().filter(|(clause, _)| *clause == Clause::ForeignKey).count();
    // A column by itself is rebuilt for a reason that its text does not tell.
    if keys == 0 && clauses.iter().all(|(clause, _)| *clause == clauses[0].0) {
        return None;
    }
    let mut steps = Vec::new();
    for (wanted, end) in [
        (Clause::Column, ", ALGORITHM=INSTANT"),
        (Clause::Index, ", ALGORITHM=INPLACE, LOCK=NONE"),
        (Clause::ForeignKey, ""),
    ] {
        let texts: Vec<&str> = clauses.iter().filter(|(clause, _)| *clause == wanted).map(|(_, text)| *text).collect();
        if !texts.is_empty() {
            let unchecked = (wanted == Clause::ForeignKey).then(|| "SET SESSION foreign_key_checks = 0".to_owned());
            let sql = format!("{alter} {}{end}", texts.join(", "));
            steps.push(step(unchecked.into_iter().chain([sql])));
        }
    }
    let help = match (keys, clauses.len()) {
        (1, 1) => {
            "look for rows that point nowhere first; then the key is added without a look at them, nothing is copied, and both \
             tables are locked for a moment only"
        }
        (0, _) => "one ALTER is carried out as the worst of its clauses needs: give each kind an ALTER of its own",
        _ => {
            "one ALTER is carried out as the worst of its clauses needs: give each kind an ALTER of its own; look for rows that \
             point nowhere before the foreign key, which is then added without a look at them"
        }
    };
    Some(Advice::new(help, steps))
}

/// The statement as it is, with a bound on the wait for its lock.
pub(in super::super) fn bounded(migration: &Migration, statement: &Statement) -> Vec<Step> {
    let one = worked(migration, statement).then(|| trimmed(&statement.sql)).flatten();
    one.map(|sql| step([sql.to_owned()])).into_iter().collect()
}

fn step(sql: impl IntoIterator<Item = String>) -> Step {
    // Schema changes commit by themselves.
    let sql = std::iter::once(LOCK_WAIT_TIMEOUT.to_owned()).chain(sql).collect();
    Step { run: Conduct::OutsideTransaction, sql }
}

/// A statement without what stands before and behind it; `None` if it has code in comments, or is several.
fn trimmed(sql: &str) -> Option<&str> {
    let all: Vec<Token<'_>> = Cursor::new(sql.as_bytes()).collect();
    let count = all.iter().rposition(|token| !token.is_symbol(b';'))? + 1;
    let all = &all[..count];
    let odd = sql.contains("/*!") || sql.contains("/*M!") || all.iter().any(|token| token.is_symbol(b';'));
    if odd { None } else { sql.get(begin(all[0])..all[count - 1].end) }
}

fn begin(token: Token<'_>) -> usize {
    token.end - token.text.len()
}

/// `ALTER TABLE name`, and its clauses as they are written. `None` where it says how it is to be carried out.
fn clauses(sql: &str) -> Option<(&str, Vec<&str>)> {
    let sql = trimmed(sql)?;
    let all: Vec<Token<'_>> = Cursor::new(sql.as_bytes()).collect();
    let [alter, table, name, ..] = all[..] else { return None };
    let says_how = ["ALGORITHM", "LOCK", "WAIT", "NOWAIT", "PARTITION", "IF"];
    if !alter.is("ALTER") || !table.is("TABLE") || says_how.iter().any(|word| name.is(word)) {
        return None;
    }
    let mut at = 3;
    while all.get(at)?.is_symbol(b'.') {
        at += 2;
    }
    let head = sql.get(..all.get(at - 1)?.end)?;
    let (mut parts, mut depth, mut from) = (Vec::new(), 0_i32, begin(*all.get(at)?));
    for token in &all[at..] {
        depth += i32::from(token.is_symbol(b'(')) - i32::from(token.is_symbol(b')'));
        if depth == 0 && token.is_symbol(b',') {
            parts.push(sql.get(from..begin(*token))?.trim());
            from = token.end;
        }
    }
    parts.push(sql.get(from..)?.trim());
    Some((head, parts))
}

/// What a clause is; `None` if it is nothing of this.
fn clause(text: &str) -> Option<Clause> {
    let all: Vec<Token<'_>> = Cursor::new(text.as_bytes()).collect();
    let [add, first, more @ ..] = &all[..] else { return None };
    if !add.is("ADD") {
        return None;
    }
    let rest = &all[1..];
    let has = |word: &str| rest.iter().any(|token| token.is(word));
    if has("FOREIGN") {
        return (first.is("FOREIGN") || first.is("CONSTRAINT")).then_some(Clause::ForeignKey);
    }
    if first.is_any(&["INDEX", "KEY", "UNIQUE"]) {
        return Some(Clause::Index);
    }
    // A default that is computed is another for each row.
    let computed = rest.windows(2).any(|two| two[0].is("DEFAULT") && two[1].is_symbol(b'('));
    let other =
        first.is_any(&["CONSTRAINT", "CHECK", "PRIMARY", "FULLTEXT", "SPATIAL", "PARTITION", "PERIOD", "SYSTEM"]);
    let several = first.is_symbol(b'(') || first.is("COLUMN") && more.first()?.is_symbol(b'(');
    let is_more = MORE_THAN_A_COLUMN.iter().any(|word| has(word));
    (!computed && !other && !several && !is_more).then_some(Clause::Column)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Engine;
    use crate::verdict::testing::{facts_on, migration, statement};

    fn steps(sql: &str) -> Option<Vec<Vec<String>>> {
        let copied = statement(1, sql, 9).by(Algorithm::Copy);
        let run = facts_on(Engine::Mysql).migration(migration("1").statement(copied)).run();
        let advice = of_statement(&run.migrations[0], &run.migrations[0].statements[0])?;
        Some(advice.steps.into_iter().map(|step| step.sql).collect())
    }

    #[test]
    fn each_kind_of_clause_gets_an_alter_of_its_own() {
        let sql = "alter table `my shop`.`or``ders` -- all\n add note varchar(20) default 'a, b' after `id`, ADD UNIQUE KEY u (a, b(10)), \
                   ADD CONSTRAINT `fk` FOREIGN KEY (a) REFERENCES t (x, y) ON DELETE SET NULL, ADD COLUMN k INT NOT NULL;";
        let alter = "alter table `my shop`.`or``ders`";
        let bound = "SET SESSION lock_wait_timeout = 5";
        let expected = [
            vec![
                bound.to_owned(),
                format!(
                    "{alter} add note varchar(20) default 'a, b' after `id`, ADD COLUMN k INT NOT NULL, ALGORITHM=INSTANT"
                ),
            ],
            vec![bound.to_owned(), format!("{alter} ADD UNIQUE KEY u (a, b(10)), ALGORITHM=INPLACE, LOCK=NONE")],
            vec![
                bound.to_owned(),
                "SET SESSION foreign_key_checks = 0".to_owned(),
                format!("{alter} ADD CONSTRAINT `fk` FOREIGN KEY (a) REFERENCES t (x, y) ON DELETE SET NULL"),
            ],
        ];
        assert_eq!(steps(sql), Some(expected.to_vec()));
    }

    #[test]
    fn what_is_not_known_to_be_safe_is_not_advised() {
        for sql in [
            "ALTER TABLE t ADD a int, MODIFY b bigint",
            "ALTER TABLE t ADD a int, ADD b int",
            "ALTER TABLE t ADD a int",
            "ALTER TABLE t ADD INDEX (a), ADD FULLTEXT INDEX (b)",
            "ALTER TABLE t ADD a int AUTO_INCREMENT UNIQUE, ADD INDEX (b)",
            "ALTER TABLE t ADD a binary(16) DEFAULT (uuid_to_bin(uuid())), ADD INDEX (b)",
            "ALTER TABLE t ADD (a int, b int), ADD INDEX (c)",
            "ALTER TABLE t ADD a int, ADD INDEX (c), ALGORITHM=COPY",
            "ALTER TABLE t ADD a int, /*!50003 ADD INDEX (c) */",
            "ALTER TABLE t ADD a int, ADD INDEX (c); DROP TABLE t",
            "ALTER TABLE t",
            "OPTIMIZE TABLE t",
        ] {
            assert_eq!(steps(sql), None, "{sql}");
        }
    }
}
