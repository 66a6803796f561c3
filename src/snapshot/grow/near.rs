//! Names that are like one that was written, for messages.

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
