//! Which limits hold for a table, whose name the user wrote as in SQL and the server in full.

use crate::run::Millis;
use crate::scenario::{Limits, TableLimits};

/// The limits of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) reads_blocked: Millis,
    pub(super) writes_blocked: Millis,
    pub(super) rewrite_rows: u64,
}

/// The limits that hold for a relation of the record: those of its own, and the general ones for what they do not say.
pub(super) fn of_table(limits: &Limits, relation: &str) -> Limit {
    let own = own(limits, relation).unwrap_or_default();
    Limit {
        reads_blocked: own.reads_blocked_ms.unwrap_or(limits.reads_blocked_ms),
        writes_blocked: own.writes_blocked_ms.unwrap_or(limits.writes_blocked_ms),
        rewrite_rows: own.rewrite_rows.unwrap_or(limits.rewrite_rows),
    }
}

/// The entry for a relation. One that names the schema goes before one that does not.
fn own(limits: &Limits, relation: &str) -> Option<TableLimits> {
    let relation = parts(relation, Case::Kept);
    let matching = limits.tables.iter().map(|(name, own)| (parts(name, Case::Folded), own));
    let matching = matching.filter(|(name, _)| relation.ends_with(name));
    matching.max_by_key(|(name, _)| name.len()).map(|(_, own)| own.clone())
}

/// What becomes of letters outside quotes: the server folds them in SQL, and has done so in the names it reports.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Folded,
    Kept,
}

/// The parts of a name that may be qualified and quoted: `shop."Order Lines"` is `shop` and `Order Lines`.
fn parts(name: &str, case: Case) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        let Some(part) = parts.last_mut() else { break };
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => part.extend(letters.next()),
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            letter if !quoted && case == Case::Folded => part.push(letter.to_ascii_lowercase()),
            letter => part.push(letter),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewrite_rows(named: &[(&str, u64)], relation: &str) -> u64 {
        let mut limits = Limits { rewrite_rows: 7, ..Limits::default() };
        for (name, rows) in named {
            let own = TableLimits { rewrite_rows: Some(*rows), ..TableLimits::default() };
            limits.tables.insert((*name).to_owned(), own);
        }
        of_table(&limits, relation).rewrite_rows
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
            assert_eq!(rewrite_rows(&[(written, 1)], relation), expected, "{written} and {relation}");
        }
    }

    #[test]
    fn a_name_with_its_schema_goes_before_one_without() {
        let named = [("orders", 1), ("shop.orders", 2)];
        assert_eq!(rewrite_rows(&named, "shop.orders"), 2);
        assert_eq!(rewrite_rows(&named, "public.orders"), 1);
    }

    #[test]
    fn what_a_table_does_not_say_is_as_for_every_table() {
        let mut limits = Limits::default();
        limits.tables.insert("orders".to_owned(), TableLimits { rewrite_rows: Some(1), ..TableLimits::default() });
        assert_eq!(of_table(&limits, "public.orders").reads_blocked, limits.reads_blocked_ms);
    }
}
