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

/// The places of the nodes in the order in which they are to be grown.
///
/// # Errors
/// The places of tables that refer to each other and have neither rows nor NULLs to begin with.
pub(crate) fn order(nodes: &[Node]) -> Result<Vec<usize>, Vec<usize>> {
    let places: BTreeMap<u32, usize> = nodes.iter().enumerate().map(|(at, node)| (node.oid, at)).collect();
    let mut done: Vec<usize> = Vec::new();
    while done.len() < nodes.len() {
        let waits = |at: &usize, strictly: bool| {
            nodes[*at].parents.iter().any(|(parent, nullable)| {
                places.get(parent).is_some_and(|parent| {
                    // A table that has rows, on either side of the reference, can begin with those.
                    let can_do_without = *nullable || nodes[*parent].has_rows || nodes[*at].has_rows;
                    parent != at && !done.contains(parent) && (strictly || !can_do_without)
                })
            })
        };
        let left: Vec<usize> = (0..nodes.len()).filter(|at| !done.contains(at)).collect();
        let next = left.iter().find(|at| !waits(at, true)).or_else(|| left.iter().find(|at| !waits(at, false)));
        let Some(next) = next.copied() else { return Err(left) };
        done.push(next);
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(oid: u32, has_rows: bool, parents: &[(u32, bool)]) -> Node {
        Node { oid, has_rows, parents: parents.to_vec() }
    }

    #[test]
    fn parents_grow_first_and_the_rest_keeps_the_users_order() {
        let nodes = [
            node(3, false, &[(2, false)]),
            node(4, false, &[]),
            node(2, false, &[(1, false), (7, false)]),
            node(1, true, &[]),
        ];
        assert_eq!(order(&nodes), Ok(vec![1, 3, 2, 0]));
    }

    #[test]
    fn a_table_that_refers_to_itself_waits_for_nobody() {
        assert_eq!(order(&[node(1, false, &[(1, false)])]), Ok(vec![0]));
    }

    #[test]
    fn a_circle_begins_where_it_can() {
        let circle = |nullable, has_rows| [node(1, false, &[(2, false)]), node(2, has_rows, &[(1, nullable)])];
        assert_eq!(order(&circle(true, false)), Ok(vec![1, 0]));
        assert_eq!(order(&circle(false, true)), Ok(vec![0, 1]));
        assert_eq!(order(&circle(false, false)), Err(vec![0, 1]));
    }
}
