//! How new rows keep a table's unique keys: which column is varied, or which combinations are gone through.
//!
//! A key holds for certain once one of its columns never repeats, or once the combinations of some of them never do. One
//! such decision is made for each key, from the catalogs alone; what comes out is data, so that it can be tested without a server.

use super::kind::Kind;
use super::table::{Table, Unique};
use crate::scenario::TableWish;

/// With so many random bytes no two of all rows are the same: that of 1e9 rows any two are has a chance of 1e-11.
pub(crate) const ENOUGH_BYTES: usize = 12;

/// How the unique keys of a table are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Keeping {
    /// Columns that never repeat, by their place in the table.
    pub(crate) varied: Vec<(usize, Vary)>,
    /// Columns of which the combinations never repeat.
    pub(crate) combined: Option<Combined>,
}

/// How a column never repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Vary {
    /// A sequence's or another number goes on.
    Number,
    /// A random UUID.
    Uuid,
    /// A moment is moved a little.
    Moment,
    /// A number is put to a text.
    Text,
    /// Random bytes.
    Bytes,
}

/// A key whose columns are combined.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Combined {
    /// Its name, for messages.
    pub(crate) key: String,
    /// Foreign keys, by their place in the table.
    pub(crate) foreign: Vec<usize>,
    /// Columns with a few possible values, by their place.
    pub(crate) finite: Vec<usize>,
    /// A number or date that grows with each lap through the others.
    pub(crate) counter: Option<usize>,
}

/// A key that cannot be kept, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CannotKeep {
    pub(crate) key: String,
    pub(crate) why: String,
}

/// Decides how each unique key of a table is kept.
pub(crate) fn keep(table: &Table, wish: &TableWish) -> Result<Keeping, CannotKeep> {
    let mut keeping = Keeping::default();
    // An AUTO_INCREMENT column counts on even where no key demands it, as it would in the application.
    for (at, column) in table.columns.iter().enumerate() {
        if column.auto_increment && is_free(table, wish, &column.name) && vary(&column.kind) == Some(Vary::Number) {
            keeping.varied.push((at, Vary::Number));
        }
    }
    for key in &table.uniques {
        if !is_kept(&keeping, table, key) {
            decide(&mut keeping, table, wish, key)?;
        }
    }
    Ok(keeping)
}

/// Whether what was decided so far keeps a key.
fn is_kept(keeping: &Keeping, table: &Table, key: &Unique) -> bool {
    let within = |at: usize| key.columns.contains(&table.columns[at].name);
    if key.columns.is_empty() || keeping.varied.iter().any(|(at, _)| within(*at)) {
        return true;
    }
    keeping.combined.as_ref().is_some_and(|combined| {
        combined.finite.iter().chain(&combined.counter).all(|at| within(*at))
            && combined
                .foreign
                .iter()
                .all(|at| table.foreign[*at].columns.iter().all(|name| key.columns.contains(name)))
    })
}

fn decide(keeping: &mut Keeping, table: &Table, wish: &TableWish, key: &Unique) -> Result<(), CannotKeep> {
    let best = best_to_vary(table, wish, key);
    let combined = combine(table, wish, key, best);
    let counts_within = combined.counter.is_some() && !(combined.foreign.is_empty() && combined.finite.is_empty());
    match best {
        Some(best) if !counts_within => keeping.varied.push(best),
        _ if combined.foreign.is_empty() && combined.finite.is_empty() => return Err(cannot_vary(key, wish)),
        _ if keeping.combined.is_some() => {
            return Err(CannotKeep {
                key: key.name.clone(),
                why: "two unique keys of this table are made of foreign keys alone, and only one can be kept; \
                      grow the table in the dump instead"
                    .into(),
            });
        }
        _ => keeping.combined = Some(combined),
    }
    Ok(())
}

/// The column of a key that is best made to never repeat.
fn best_to_vary(table: &Table, wish: &TableWish, key: &Unique) -> Option<(usize, Vary)> {
    let candidates = key.columns.iter().filter(|name| is_free(table, wish, name)).filter_map(|name| {
        let at = table.position(name)?;
        let column = &table.columns[at];
        vary(&column.kind).map(|how| (rank(&column.kind, column.partition_key), at, how))
    });
    candidates.min().map(|(_, at, how)| (at, how))
}

/// The columns of a key that can be combined, with the number among them that grows with each lap.
fn combine(table: &Table, wish: &TableWish, key: &Unique, best: Option<(usize, Vary)>) -> Combined {
    let within = |names: &[String]| names.iter().all(|name| key.columns.contains(name));
    let mut covered: Vec<&String> = Vec::new();
    let mut combined = Combined { key: key.name.clone(), ..Combined::default() };
    for (at, foreign) in table.foreign.iter().enumerate() {
        let free = foreign.columns.iter().all(|name| is_drawable(wish, name) && !covered.contains(&name));
        if within(&foreign.columns) && free {
            combined.foreign.push(at);
            covered.extend(&foreign.columns);
        }
    }
    for name in key.columns.iter().filter(|name| !table.is_foreign(name)) {
        let Some(at) = table.position(name) else { continue };
        let has_values = wish.columns.get(name).is_some_and(|column| column.values.is_some());
        if has_values || (matches!(table.columns[at].kind, Kind::Bool | Kind::Enum(_)) && is_free(table, wish, name)) {
            combined.finite.push(at);
        }
    }
    if let Some((at, Vary::Number)) = best {
        combined.counter = Some(at);
    }
    combined
}

/// Whether a column may be given any value: it refers to nothing, and the scenario says nothing of its values.
fn is_free(table: &Table, wish: &TableWish, name: &str) -> bool {
    !table.is_foreign(name) && is_drawable(wish, name) && wish.columns.get(name).is_none_or(|c| c.distinct.is_none())
}

/// Whether the scenario leaves it open which values a column has.
fn is_drawable(wish: &TableWish, name: &str) -> bool {
    wish.columns.get(name).is_none_or(|column| column.values.is_none() && column.range.is_none())
}

fn cannot_vary(key: &Unique, wish: &TableWish) -> CannotKeep {
    let columns = key.columns.join(", ");
    let said = key.columns.iter().any(|name| wish.columns.contains_key(name));
    let why = if said {
        format!("{columns} must be unique, which the values that the scenario gives for it do not allow; take them out")
    } else {
        format!("no value of {columns} can be made different from all others; fill the table in the dump instead")
    };
    CannotKeep { key: key.name.clone(), why }
}

fn vary(kind: &Kind) -> Option<Vary> {
    match kind {
        Kind::Int { .. } | Kind::Bit { .. } | Kind::Decimal { .. } | Kind::Float { .. } | Kind::Date | Kind::Year => {
            Some(Vary::Number)
        }
        Kind::Uuid => Some(Vary::Uuid),
        Kind::Moment { .. } => Some(Vary::Moment),
        Kind::Text { .. } => Some(Vary::Text),
        Kind::Bytes { limit, .. } if *limit >= ENOUGH_BYTES => Some(Vary::Bytes),
        _ => None,
    }
}

/// Lower is better. What decides on a partition comes last: a new value of it may have none.
fn rank(kind: &Kind, partition_key: bool) -> u8 {
    let rank = match kind {
        Kind::Uuid => 0,
        Kind::Int { greatest, .. } if *greatest > i128::from(u32::MAX) => 1,
        Kind::Int { greatest, .. } if *greatest > 1 << 23 => 2,
        Kind::Text { limit } if *limit > 24 => 3,
        Kind::Bytes { .. } => 4,
        Kind::Text { .. } => 5,
        Kind::Decimal { .. } => 6,
        Kind::Moment { .. } => 7,
        Kind::Int { .. } => 8,
        Kind::Date => 9,
        _ => 10,
    };
    if partition_key { rank + 100 } else { rank }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::name::Relation;
    use super::super::table::{Column, Foreign};
    use super::*;
    use crate::scenario::ColumnWish;

    /// A table of these columns; a name that ends in `_fk` refers to a parent, one that ends in `_auto` is AUTO_INCREMENT.
    fn table(columns: &[(&str, Kind)], rows: u64, keys: &[&[&str]]) -> Table {
        let column = |(name, kind): &(&str, Kind)| Column {
            name: (*name).into(),
            declared: "whatever".into(),
            kind: kind.clone(),
            not_null: true,
            has_default: false,
            auto_increment: name.ends_with("_auto"),
            partition_key: false,
            via_text: false,
        };
        let foreign = columns.iter().filter(|(name, _)| name.ends_with("_fk")).map(|(name, _)| Foreign {
            name: format!("to_{name}"),
            columns: vec![(*name).into()],
            parent: 9,
            parent_sql: "parent".into(),
            parent_shown: "parent".into(),
            parent_columns: vec!["id".into()],
            cut: 1.0,
            promised: None,
            there: None,
        });
        let uniques = keys.iter().map(|columns| Unique {
            name: "key".into(),
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            prefixes: BTreeMap::new(),
        });
        let relation =
            Relation { number: 1, database: "d".into(), name: "t".into(), home: true, kind: "BASE TABLE".into() };
        Table {
            relation,
            rows,
            columns: columns.iter().map(column).collect(),
            uniques: uniques.collect(),
            foreign: foreign.collect(),
            checks: vec![],
            next: None,
        }
    }

    fn wish(column: Option<&str>) -> TableWish {
        let values = ColumnWish { values: Some(vec![("1".into(), 1.0)]), ..ColumnWish::default() };
        let columns = column.map(|name| (name.to_owned(), values)).into_iter().collect();
        TableWish { name: "t".into(), rows: 10, columns, file: "s.toml".into(), line: 1 }
    }

    fn int(bits: u32) -> Kind {
        Kind::Int { least: 0, greatest: (1 << bits) - 1 }
    }

    #[test]
    fn a_column_that_can_take_any_value_is_varied() {
        let text = || Kind::Text { limit: 40 };
        let moment = Kind::Moment { digits: 0, timestamp: false };
        for (columns, key, expected) in [
            (vec![("id", int(32))], vec!["id"], (0, Vary::Number)),
            (vec![("a_fk", int(32)), ("email", text())], vec!["a_fk", "email"], (1, Vary::Text)),
            (vec![("n", int(16)), ("at", moment)], vec!["n", "at"], (1, Vary::Moment)),
            (vec![("x", Kind::Other), ("u", Kind::Uuid)], vec!["x", "u"], (1, Vary::Uuid)),
        ] {
            let keeping = keep(&table(&columns, 5, &[&key]), &wish(None)).expect("can be kept");
            assert_eq!(keeping.varied, [expected]);
            assert_eq!(keeping.combined, None);
        }
    }

    #[test]
    fn a_column_that_was_varied_for_one_key_keeps_every_key_it_is_in() {
        let columns = [("id_auto", int(32)), ("a_fk", int(32)), ("b_fk", int(32))];
        let keys: [&[&str]; 2] = [&["id_auto"], &["a_fk", "id_auto"]];
        let keeping = keep(&table(&columns, 0, &keys), &wish(None)).expect("can be kept");
        assert_eq!(keeping, Keeping { varied: vec![(0, Vary::Number)], ..Keeping::default() });
    }

    #[test]
    fn foreign_keys_are_combined_and_numbers_count_within_them() {
        let columns = [("a_fk", int(32)), ("b_fk", int(32)), ("line", int(16)), ("on", Kind::Bool)];
        for (key, foreign, finite, counter) in [
            (vec!["a_fk", "b_fk"], vec![0, 1], vec![], None),
            (vec!["a_fk"], vec![0], vec![], None),
            (vec!["a_fk", "line"], vec![0], vec![], Some(2)),
            (vec!["a_fk", "on"], vec![0], vec![3], None),
        ] {
            let keeping = keep(&table(&columns, 5, &[&key]), &wish(None)).expect("can be kept");
            let combined = Combined { key: "key".into(), foreign, finite, counter };
            assert_eq!(keeping, Keeping { combined: Some(combined), ..Keeping::default() }, "{key:?}");
        }
    }

    #[test]
    fn a_key_that_nothing_can_keep_is_refused() {
        let of_shapes = table(&[("x", Kind::Other)], 5, &[&["x"]]);
        assert!(keep(&of_shapes, &wish(None)).expect_err("no value can be made").why.contains("in the dump"));
        let columns = [("a_fk", int(32)), ("b_fk", int(32))];
        assert!(keep(&table(&columns, 5, &[&["a_fk"], &["b_fk"]]), &wish(None)).is_err());
    }

    #[test]
    fn values_of_the_scenario_are_combined_and_never_varied() {
        let keeping = keep(&table(&[("id", int(32))], 5, &[&["id"]]), &wish(Some("id")));
        assert_eq!(keeping.expect("few rows may fit").combined.map(|combined| combined.finite), Some(vec![0]));
    }
}
