//! Names as they were written: what is like them, for messages, and their last part.

/// Up to three names that are like the one written, the nearest first.
pub(crate) fn nearest(written: &str, names: impl Iterator<Item = String>) -> Vec<String> {
    let wanted = written.replace(['"', '`'], "").to_lowercase();
    let mut near: Vec<(usize, String)> = names
        .map(|name| (distance(&wanted, &name.replace(['"', '`'], "").to_lowercase()), name))
        .filter(|(distance, _)| *distance <= 1 + wanted.chars().count() / 3)
        .collect();
    near.sort();
    near.into_iter().take(3).map(|(_, name)| name).collect()
}

/// The name of a table and that of a column of it, from `table.column`; dots within these quotes are a name's own.
pub(crate) fn table_and_column(written: &str, quote: char) -> Option<(&str, &str)> {
    let mut within = false;
    let dots = written.char_indices().filter(|(_, letter)| {
        within ^= *letter == quote;
        *letter == '.' && !within
    });
    let (at, _) = dots.last()?;
    Some((&written[..at], &written[at + 1..]))
}

/// How many letters must be put in, taken out or changed.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_dot_outside_of_quotes_is_before_the_column() {
        for (written, expected) in [
            ("customers.id", Some(("customers", "id"))),
            ("shop.customers.id", Some(("shop.customers", "id"))),
            ("\"a.b\".\"c.d\"", Some(("\"a.b\"", "\"c.d\""))),
            ("\"a.b\"", None),
            ("id", None),
        ] {
            assert_eq!(table_and_column(written, '"'), expected, "{written}");
        }
    }
}
