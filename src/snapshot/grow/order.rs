//! In which order tables are grown: parents before the tables that refer to them.

use std::collections::BTreeMap;

/// What the order depends on, of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Node {
    /// Its number in the database.
    pub(crate) oid: u32,
    /// Whether it has rows already: those can be referred to before it grows.
    pub(crate) has_rows: bool,
    /// The tables it refers to, each with whether the reference may be left NULL.
    pub(crate) parents: Vec<(u32, bool)>,
}

/// A table's turn to be grown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Its place among the nodes.
    pub(crate) at: usize,
    /// The places of tables that it refers to and that have no rows yet, though neither of the two can do without: their keys
    /// must be known before they are there.
    pub(crate) promised: Vec<usize>,
}

/// The order in which the nodes are to be grown.
pub(crate) fn order(nodes: &[Node]) -> Vec<Turn> {
    let places: BTreeMap<u32, usize> = nodes.iter().enumerate().map(|(at, node)| (node.oid, at)).collect();
    let mut turns: Vec<Turn> = Vec::new();
    let mut left: Vec<usize> = (0..nodes.len()).collect();
    while !left.is_empty() {
        let waits_for = |at: usize, strictly: bool| -> Vec<usize> {
            let parents = nodes[at].parents.iter().filter_map(|(parent, nullable)| {
                let parent = *places.get(parent)?;
                // A table that has rows, on either side of the reference, can begin with those.
                let can_do_without = *nullable || nodes[parent].has_rows || nodes[at].has_rows;
                (parent != at && left.contains(&parent) && (strictly || !can_do_without)).then_some(parent)
            });
            let mut parents: Vec<usize> = parents.collect();
            parents.sort_unstable();
            parents.dedup();
            parents
        };
        let waits_for_none = |strictly| left.iter().copied().find(|at| waits_for(*at, strictly).is_empty());
        let turn = if let Some(at) = waits_for_none(true).or_else(|| waits_for_none(false)) {
            Turn { at, promised: Vec::new() }
        } else {
            let circle = left.iter().copied().filter(|at| is_in_circle(*at, |at| waits_for(at, false)));
            let at = circle.min_by_key(|at| waits_for(*at, false).len()).unwrap_or(left[0]);
            Turn { at, promised: waits_for(at, false) }
        };
        left.retain(|at| *at != turn.at);
        turns.push(turn);
    }
    turns
}

/// Whether a way leads from a node back to itself.
fn is_in_circle(start: usize, next: impl Fn(usize) -> Vec<usize>) -> bool {
    let (mut seen, mut open) = (Vec::new(), next(start));
    while let Some(at) = open.pop() {
        if at == start {
            return true;
        }
        if !seen.contains(&at) {
            seen.push(at);
            open.extend(next(at));
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(oid: u32, has_rows: bool, parents: &[(u32, bool)]) -> Node {
        Node { oid, has_rows, parents: parents.to_vec() }
    }

    fn places(nodes: &[Node]) -> Vec<usize> {
        order(nodes).iter().map(|turn| turn.at).collect()
    }

    #[test]
    fn parents_grow_first_and_the_rest_keeps_the_users_order() {
        let nodes = [
            node(3, false, &[(2, false)]),
            node(4, false, &[]),
            node(2, false, &[(1, false), (7, false)]),
            node(1, true, &[]),
        ];
        assert_eq!(places(&nodes), [1, 3, 2, 0]);
    }

    #[test]
    fn a_table_that_refers_to_itself_waits_for_nobody() {
        assert_eq!(places(&[node(1, false, &[(1, false)])]), [0]);
    }

    #[test]
    fn a_circle_begins_where_it_can() {
        let circle = |nullable, has_rows| [node(1, false, &[(2, false)]), node(2, has_rows, &[(1, nullable)])];
        assert_eq!(places(&circle(true, false)), [1, 0]);
        assert_eq!(places(&circle(false, true)), [0, 1]);
    }

    #[test]
    fn a_circle_that_nothing_opens_begins_with_promised_keys() {
        // What refers to the circle waits for it, and what a table of the circle refers to beside it grows before.
        let nodes = [
            node(1, false, &[(3, false)]),
            node(2, false, &[(3, false), (4, false), (5, false)]),
            node(3, false, &[(2, false)]),
            node(4, false, &[]),
            node(5, false, &[(5, false), (2, true)]),
        ];
        let turn = |at: usize, promised: &[usize]| Turn { at, promised: promised.to_vec() };
        assert_eq!(order(&nodes), [turn(3, &[]), turn(4, &[]), turn(1, &[2]), turn(2, &[]), turn(0, &[])]);
        let three = [node(1, false, &[(2, false)]), node(2, false, &[(3, false)]), node(3, false, &[(1, false)])];
        assert_eq!(order(&three), [turn(0, &[1]), turn(2, &[]), turn(1, &[])]);
    }
}
