//! Which limits hold for a table, whose name the user wrote as in SQL and the server in full.

use crate::run::{Millis, Run};
use crate::scenario::{Engine, Limits, TableLimits};

/// The limits of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) reads_blocked: Millis,
    pub(super) writes_blocked: Millis,
    pub(super) rewrite_rows: u64,
}

/// The limits that hold for a relation of the record: those of its own, and the general ones for what they do not say.
pub(super) fn of_table(run: &Run, relation: &str) -> Limit {
    let limits = &run.limits;
    let own = own(run.engine(), limits, relation).unwrap_or_default();
    Limit {
        reads_blocked: own.reads_blocked_ms.unwrap_or(limits.reads_blocked_ms),
        writes_blocked: own.writes_blocked_ms.unwrap_or(limits.writes_blocked_ms),
        rewrite_rows: own.rewrite_rows.unwrap_or(limits.rewrite_rows),
    }
}

/// The entry for a relation. One that names the schema goes before one that does not.
fn own(engine: Engine, limits: &Limits, relation: &str) -> Option<TableLimits> {
    let (of_user, of_server) = cases(engine);
    let relation = parts(relation, of_server);
    let matching = limits.tables.iter().map(|(name, own)| (parts(name, of_user), own));
    let matching = matching.filter(|(name, _)| relation.ends_with(name));
    matching.max_by_key(|(name, _)| name.len()).map(|(_, own)| own.clone())
}

/// What becomes of letters. PostgreSQL folds those outside quotes in SQL, and has done so in the names it reports. With
/// MySQL it depends on the server's file system (`lower_case_table_names`); tables whose names differ in nothing else
/// are not worth a setting here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Folded,
    Kept,
    Ignored,
}

/// What becomes of letters in names that the user wrote, and in those of the record.
fn cases(engine: Engine) -> (Case, Case) {
    match engine {
        Engine::Postgres => (Case::Folded, Case::Kept),
        Engine::Mysql | Engine::Mariadb => (Case::Ignored, Case::Ignored),
    }
}

/// The parts of a name that may be qualified and quoted, as either engine quotes: `shop."Order Lines"` and
/// ``shop.`Order Lines` `` are `shop` and `Order Lines`.
fn parts(name: &str, case: Case) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted: Option<char> = None;
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        let Some(part) = parts.last_mut() else { break };
        match letter {
            quote if quoted == Some(quote) && letters.peek() == Some(&quote) => part.extend(letters.next()),
            quote if quoted == Some(quote) => quoted = None,
            quote @ ('"' | '`') if quoted.is_none() => quoted = Some(quote),
            '.' if quoted.is_none() => parts.push(String::new()),
            letter if case == Case::Ignored => part.extend(letter.to_lowercase()),
            letter if quoted.is_none() && case == Case::Folded => part.push(letter.to_ascii_lowercase()),
            letter => part.push(letter),
        }
    }
    parts
}

/// Whether a name that the user wrote is that of a relation of the record.
pub(super) fn is_named(engine: Engine, written: &str, relation: &str) -> bool {
    let (of_user, of_server) = cases(engine);
    parts(relation, of_server).ends_with(&parts(written, of_user))
}

/// The last part of a relation's name on record, without its quotes.
pub(super) fn last_part(relation: &str) -> String {
    parts(relation, Case::Kept).pop().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::testing::{Facts, facts, facts_on};

    fn rewrite_rows(facts: Facts, named: &[(&str, u64)], relation: &str) -> u64 {
        let limits = |run: &mut Run| {
            run.limits.rewrite_rows = 7;
            for (name, rows) in named {
                let own = TableLimits { rewrite_rows: Some(*rows), ..TableLimits::default() };
                run.limits.tables.insert((*name).to_owned(), own);
            }
        };
        of_table(&facts.with(limits).run(), relation).rewrite_rows
    }

    #[test]
    fn names_match_as_they_would_in_sql() {
        for (written, relation, matches) in [
            ("orders", "public.orders", true),
            ("Orders", "public.orders", true),
            ("public.orders", "public.orders", true),
            ("shop.orders", "public.orders", false),
            ("orders", "public.old_orders", false),
            ("\"Orders\"", "public.orders", false),
            ("\"Orders\"", "public.\"Orders\"", true),
            ("\"Order Lines\"", "public.Order Lines", true),
            ("\"a.b\"", "public.\"a.b\"", true),
            ("b", "public.\"a.b\"", false),
            ("\"say \"\"hi\"\"\"", "public.\"say \"\"hi\"\"\"", true),
        ] {
            let expected = if matches { 1 } else { 7 };
            assert_eq!(rewrite_rows(facts(), &[(written, 1)], relation), expected, "{written} and {relation}");
        }
    }

    #[test]
    fn names_of_mysql_match_in_backticks_and_whatever_their_case() {
        for (written, relation, matches) in [
            ("orders", "orders", true),
            ("Orders", "orders", true),
            ("orders", "Orders", true),
            ("orders", "shop.orders", true),
            ("shop.orders", "orders", false),
            ("order lines", "`Order Lines`", true),
            ("`a``b`", "`a``b`", true),
            ("b", "`a.b`", false),
        ] {
            for engine in [Engine::Mysql, Engine::Mariadb] {
                let expected = if matches { 1 } else { 7 };
                let found = rewrite_rows(facts_on(engine), &[(written, 1)], relation);
                assert_eq!(found, expected, "{written} and {relation}");
            }
        }
    }

    #[test]
    fn a_name_with_its_schema_goes_before_one_without() {
        let named = [("orders", 1), ("shop.orders", 2)];
        assert_eq!(rewrite_rows(facts(), &named, "shop.orders"), 2);
        assert_eq!(rewrite_rows(facts(), &named, "public.orders"), 1);
    }

    #[test]
    fn what_a_table_does_not_say_is_as_for_every_table() {
        let own = TableLimits { rewrite_rows: Some(1), ..TableLimits::default() };
        let set = |run: &mut Run| {
            run.limits.tables.insert("orders".to_owned(), own);
        };
        let run = facts().with(set).run();
        assert_eq!(of_table(&run, "public.orders").reads_blocked, run.limits.reads_blocked_ms);
    }
}
