//! Whether a statement's text names a table: what is locked and not named surprises people.
//!
//! Words in literals count as names, since they may be run as SQL (`EXECUTE 'ALTER TABLE …'`); those in comments do not.

use super::limit;

/// Whether a name stands in a statement's text, with or without its schema, and with or without quotes.
pub(super) fn mentions(sql: &str, relation: &str) -> bool {
    let name = limit::last_part(relation);
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let comment = if rest.starts_with("--") {
            rest.find('\n').or(Some(rest.len()))
        } else if rest.starts_with("/*") {
            rest.find("*/").map(|end| end + 2).or(Some(rest.len()))
        } else {
            None
        };
        if let Some(end) = comment {
            rest = &rest[end..];
            continue;
        }
        if matches!(first, '"' | '`') {
            let (quoted, length) = quoted(rest, first);
            if quoted == name {
                return true;
            }
            rest = &rest[length..];
        } else if is_letter(first) {
            let end = rest.find(|letter| !is_letter(letter)).unwrap_or(rest.len());
            if rest[..end].eq_ignore_ascii_case(&name) {
                return true;
            }
            rest = &rest[end..];
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    false
}

fn is_letter(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '_' | '$')
}

/// A quoted name at the beginning of a text, and how long it is there.
fn quoted(text: &str, quote: char) -> (String, usize) {
    let mut name = String::new();
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        if letter != quote {
            name.push(letter);
        } else if letters.next_if(|(_, next)| *next == quote).is_some() {
            name.push(quote);
        } else {
            return (name, at + quote.len_utf8());
        }
    }
    (name, text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_counts_wherever_it_may_be_run() {
        for (sql, relation, named) in [
            ("ALTER TABLE orders ADD n int", "public.orders", true),
            ("ALTER TABLE shop.Orders ADD n int", "shop.orders", true),
            ("ALTER TABLE old_orders ADD n int", "public.orders", false),
            ("ALTER TABLE \"Order \"\"Lines\"\"\" ADD n int", "public.\"Order \"\"Lines\"\"\"", true),
            ("ALTER TABLE `Order Lines` ADD n int", "`Order Lines`", true),
            ("DO $$ BEGIN EXECUTE 'ALTER TABLE orders ADD n int'; END $$", "public.orders", true),
            ("ALTER TABLE items DROP CONSTRAINT f -- of orders", "public.orders", false),
            ("ALTER TABLE items /* orders */ DROP CONSTRAINT f", "public.orders", false),
            ("ALTER TABLE \"items", "public.orders", false),
            ("ALTER TABLE größe ADD n int", "public.größe", true),
        ] {
            assert_eq!(mentions(sql, relation), named, "{sql} and {relation}");
        }
    }
}
