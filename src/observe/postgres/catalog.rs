//! The relations of the database as one session sees them: names, storage and statistics, and what changed in them.
//!
//! A relation that was rewritten has another `pg_relation_filenode` than before (PostgreSQL manual, 73.1: "certain
//! operations, like TRUNCATE, REINDEX, CLUSTER and some forms of ALTER TABLE, can change the table's filenode while
//! preserving its OID"). `ALTER COLUMN … TYPE` drops and re-creates index rows, and a rewrite of a table makes a new TOAST
//! table, so these are followed by their table and name; a file that is found again under a new OID was reused, not
//! rewritten (seen on 15 to 18).

mod query;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::ask::{Ask, AskError, Row};
use crate::run::{Rewrite, RewriteKind, Scan};
pub(super) use query::sizes;
use query::{Statistics, around, counters, list, query};

/// The OID of a relation.
pub(crate) type Oid = u32;

/// Relations of the database that are not the system's: every one, or those that were asked for.
#[derive(Debug, Default, Clone)]
pub(super) struct Catalog {
    relations: HashMap<Oid, Arc<Relation>>,
}

/// A relation.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    /// Schema and name, quoted where SQL would need it.
    pub(super) name: String,
    /// `pg_class.relkind`.
    pub(super) kind: char,
    /// The number in its file's name; `None` for what has no file.
    filenode: Option<u32>,
    /// The table that it is an index or the TOAST table of.
    pub(super) parent: Option<Oid>,
    /// Whether it is a partition.
    pub(super) partition: bool,
    /// Rows by the planner's statistics; `None` if never analysed.
    pub(super) rows: Option<u64>,
    counts: Counts,
}

/// What `pg_stat_get_[xact_]…` count.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    scans: u64,
    rows_read: u64,
    rows_changed: u64,
    blocks_fetched: u64,
    blocks_hit: u64,
}

/// What one statement read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reads {
    pub(super) scans: Vec<Scan>,
    /// Rows that were inserted, updated or deleted, whatever command did it.
    pub(super) rows_changed: u64,
    /// Pages not found and found in shared buffers; `None` where parallel workers read some that are not counted.
    pub(super) blocks: Option<Blocks>,
}

/// Nothing was read, and that is known.
impl Default for Reads {
    fn default() -> Self {
        Self { scans: Vec::new(), rows_changed: 0, blocks: Some(Blocks::default()) }
    }
}

/// Pages not found, and found, in shared buffers.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Blocks {
    pub(super) read: u64,
    pub(super) hit: u64,
}

/// Bytes of a page; recorded builds of PostgreSQL with another `block_size` do not occur in practice.
const PAGE: u64 = 8192;

impl Catalog {
    /// A query for every relation. It takes no lock that anybody could hold against it, and so never waits for a migration:
    /// the functions in it look up caches and counters by OID.
    pub(super) fn all() -> String {
        let toast = "LEFT JOIN pg_catalog.pg_class t ON c.relkind = 't' AND t.reltoastrelid = c.oid";
        query(Statistics::Reported, "", toast)
    }

    /// A query, for a transaction's own backend, for these relations, the tables that they are parts of, and all parts of those.
    pub(super) fn around(oids: &[Oid]) -> String {
        around(Statistics::Transaction, oids)
    }

    /// Reads these relations as everybody sees them, with the tables that they are parts of, and all parts of those. That
    /// takes the same time in a database of thousands of tables.
    pub(super) async fn read_around(session: &mut impl Ask, oids: &[Oid]) -> Result<Self, AskError> {
        Ok(Self::of(&session.ask(&around(Statistics::Reported, oids)).await?))
    }

    /// From the rows of such a query.
    pub(super) fn of(rows: &[Row]) -> Self {
        Self { relations: rows.iter().filter_map(relation).collect() }
    }

    /// A query, for a transaction's own backend, for the counters of its relations.
    pub(super) fn counters(&self) -> String {
        let oids: Vec<Oid> = self.oids().collect();
        let counters = counters(Statistics::Transaction, "oid");
        format!("SELECT oid, {counters} FROM pg_catalog.unnest('{{{}}}'::pg_catalog.oid[]) AS r(oid)", list(&oids))
    }

    /// The same relations with the counters of such a query's rows.
    pub(super) fn counted(&self, rows: &[Row]) -> Self {
        let counted = |row: &Row| {
            let oid = row.first()?.as_deref()?.parse().ok()?;
            let relation = Relation { counts: counts(row, 1), ..Relation::clone(self.get(oid)?) };
            Some((oid, Arc::new(relation)))
        };
        Self { relations: rows.iter().filter_map(counted).collect() }
    }

    /// Of its relations, the tables that these are or are parts of, with all their parts; `None` if it does not know one.
    pub(super) fn tables_of(&self, oids: &[Oid]) -> Option<Self> {
        if oids.is_empty() {
            return Some(Self::default());
        }
        let tables: HashSet<Oid> = oids.iter().map(|oid| self.table_of(*oid)).collect::<Option<_>>()?;
        Some(self.only(self.oids().filter(|oid| self.table_of(*oid).is_some_and(|table| tables.contains(&table)))))
    }

    /// How many relations it has.
    pub(super) fn len(&self) -> usize {
        self.relations.len()
    }

    /// The relations that it has.
    pub(super) fn oids(&self) -> impl Iterator<Item = Oid> {
        self.relations.keys().copied()
    }

    /// Takes a relation from where it is known; as a transaction counts that has not read it.
    pub(super) fn add_uncounted(&mut self, oid: Oid, from: &Self) {
        if let Some(relation) = from.relations.get(&oid) {
            let fresh = Relation { counts: Counts::default(), ..Relation::clone(relation) };
            self.relations.insert(oid, Arc::new(fresh));
        }
    }

    /// Replaces what it knows of `asked` by what was found.
    pub(super) fn replace(&mut self, asked: &[Oid], found: &Self) {
        for oid in asked {
            self.relations.remove(oid);
        }
        self.relations.extend(found.relations.iter().map(|(oid, relation)| (*oid, Arc::clone(relation))));
    }

    /// Those of its relations that are in the list.
    pub(super) fn only(&self, oids: impl Iterator<Item = Oid>) -> Self {
        let known = |oid| Some((oid, Arc::clone(self.relations.get(&oid)?)));
        Self { relations: oids.filter_map(known).collect() }
    }

    /// Those of these relations that it has; the names are sorted.
    pub(super) fn oids_of(&self, names: &[&str]) -> Vec<Oid> {
        let is_named = |relation: &Relation| names.binary_search(&relation.name.as_str()).is_ok();
        self.relations.iter().filter(|(_, relation)| is_named(relation)).map(|(oid, _)| *oid).collect()
    }

    pub(super) fn get(&self, oid: Oid) -> Option<&Relation> {
        self.relations.get(&oid).map(Arc::as_ref)
    }

    pub(super) fn contains(&self, oid: Oid) -> bool {
        self.relations.contains_key(&oid)
    }

    /// The table that a relation is part of: itself, or the one that it is an index or TOAST table of.
    pub(super) fn table_of(&self, oid: Oid) -> Option<Oid> {
        let mut oid = oid;
        // An index of a TOAST table is two steps away from its table.
        for _ in 0..2 {
            match self.get(oid)?.parent {
                Some(parent) => oid = parent,
                None => break,
            }
        }
        Some(oid)
    }

    /// Relations that have new storage here and existed in `before`, without their sizes, tables first.
    pub(super) fn rewrites_since(&self, before: &Self) -> Vec<(Oid, Rewrite)> {
        let old_files: HashSet<u32> = before.relations.values().filter_map(|relation| relation.filenode).collect();
        let old_parts: HashSet<(Option<Oid>, &str)> =
            before.relations.iter().map(|(oid, part)| (before.table_of(*oid), part.name.as_str())).collect();
        let mut rewrites: Vec<(Oid, Rewrite)> = self
            .relations
            .iter()
            .filter_map(|(oid, relation)| {
                let kind = match relation.kind {
                    'r' | 'm' => RewriteKind::Table,
                    'i' => RewriteKind::Index,
                    't' => RewriteKind::Toast,
                    _ => return None,
                };
                let file = relation.filenode?;
                let existed = match before.get(*oid) {
                    Some(same) => same.filenode.is_some(),
                    None => kind != RewriteKind::Table && old_parts.contains(&(self.table_of(*oid), &relation.name)),
                };
                let table = self.table_of(*oid).filter(|table| table != oid);
                let rewrite = Rewrite {
                    relation: relation.name.clone(),
                    table: table.and_then(|table| self.get(table)).map(|table| table.name.clone()),
                    kind,
                    bytes: None,
                };
                (existed && !old_files.contains(&file)).then_some((*oid, rewrite))
            })
            .collect();
        rewrites.sort_by(|(_, a), (_, b)| (a.kind as u8, &a.relation).cmp(&(b.kind as u8, &b.relation)));
        rewrites
    }

    /// What was read between `before` and here. `parallel` says that workers may have read rows that are not counted.
    pub(super) fn reads_since(&self, before: &Self, parallel: bool) -> Reads {
        let (mut reads, mut blocks) = (Reads::default(), Blocks::default());
        for (oid, relation) in &self.relations {
            let earlier = before.get(*oid).map_or_else(Counts::default, |same| same.counts);
            let spent = relation.counts.since(earlier);
            blocks.read += spent.blocks_fetched.saturating_sub(spent.blocks_hit);
            blocks.hit += spent.blocks_hit.min(spent.blocks_fetched);
            if matches!(relation.kind, 'r' | 'm') {
                reads.rows_changed += spent.rows_changed;
            }
            if spent.scans > 0 && matches!(relation.kind, 'r' | 'm') {
                let all = relation.rows.unwrap_or(0);
                let complete = !parallel || spent.rows_read >= all * spent.scans;
                reads.scans.push(Scan {
                    relation: relation.name.clone(),
                    scans: spent.scans,
                    rows: complete.then_some(spent.rows_read),
                    bytes: complete.then_some(spent.blocks_fetched * PAGE),
                });
            }
        }
        reads.blocks = reads.scans.iter().all(|scan| scan.rows.is_some()).then_some(blocks);
        reads.scans.sort_by(|a, b| a.relation.cmp(&b.relation));
        reads
    }
}

impl Counts {
    /// What was counted after `earlier`. Counters that went down were begun anew in between.
    fn since(self, earlier: Self) -> Self {
        let since = |now: u64, then: u64| if now >= then { now - then } else { now };
        Self {
            scans: since(self.scans, earlier.scans),
            rows_read: since(self.rows_read, earlier.rows_read),
            rows_changed: since(self.rows_changed, earlier.rows_changed),
            blocks_fetched: since(self.blocks_fetched, earlier.blocks_fetched),
            blocks_hit: since(self.blocks_hit, earlier.blocks_hit),
        }
    }
}

/// The counters that begin at a field of the row.
fn counts(row: &Row, first: usize) -> Counts {
    let number = |index: usize| row.get(first + index).and_then(|text| text.as_deref()?.parse().ok()).unwrap_or(0);
    Counts {
        scans: number(0),
        rows_read: number(1),
        blocks_fetched: number(2),
        blocks_hit: number(3),
        rows_changed: number(4),
    }
}

fn relation(row: &Row) -> Option<(Oid, Arc<Relation>)> {
    let field = |index: usize| row.get(index).and_then(Option::as_deref);
    let oid = field(0)?.parse().ok()?;
    let relation = Relation {
        name: field(1)?.to_owned(),
        kind: field(2)?.chars().next()?,
        filenode: field(3).and_then(|text| text.parse().ok()),
        parent: field(4).and_then(|text| text.parse().ok()),
        // -1 is "never analysed" (since 14).
        rows: field(5).and_then(|text| text.parse().ok()),
        partition: field(6) == Some("true"),
        counts: counts(row, 7),
    };
    Some((oid, Arc::new(relation)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(rows: &[(Oid, &str, char, u32, Option<Oid>)]) -> Catalog {
        let relations = rows.iter().map(|(oid, name, kind, file, parent)| {
            let relation = Relation {
                name: (*name).to_owned(),
                kind: *kind,
                filenode: Some(*file),
                parent: *parent,
                partition: false,
                rows: Some(100),
                counts: Counts::default(),
            };
            (*oid, Arc::new(relation))
        });
        Catalog { relations: relations.collect() }
    }

    fn rewritten(before: &Catalog, after: &Catalog) -> Vec<String> {
        after.rewrites_since(before).into_iter().map(|(_, rewrite)| rewrite.relation).collect()
    }

    #[test]
    fn another_file_under_the_same_oid_is_a_rewrite() {
        let before = catalog(&[(1, "public.t", 'r', 100, None), (2, "pg_toast.x", 't', 101, Some(1))]);
        let after = catalog(&[(1, "public.t", 'r', 200, None), (2, "pg_toast.x", 't', 101, Some(1))]);
        assert_eq!(rewritten(&before, &after), ["public.t"]);
    }

    #[test]
    fn an_index_that_was_made_again_is_a_rewrite_unless_its_file_was_reused() {
        let before = catalog(&[
            (1, "public.t", 'r', 100, None),
            (2, "public.a", 'i', 101, Some(1)),
            (3, "public.b", 'i', 102, Some(1)),
        ]);
        let after = catalog(&[
            (1, "public.t", 'r', 100, None),
            (4, "public.a", 'i', 101, Some(1)),
            (5, "public.b", 'i', 202, Some(1)),
        ]);
        assert_eq!(rewritten(&before, &after), ["public.b"]);
    }

    #[test]
    fn a_toast_table_that_was_made_again_is_a_rewrite_and_so_is_its_index() {
        let before = catalog(&[
            (1, "public.t", 'r', 100, None),
            (2, "pg_toast.x", 't', 101, Some(1)),
            (3, "pg_toast.x_index", 'i', 102, Some(2)),
        ]);
        let after = catalog(&[
            (1, "public.t", 'r', 200, None),
            (5, "pg_toast.x", 't', 201, Some(1)),
            (6, "pg_toast.x_index", 'i', 202, Some(5)),
        ]);
        assert_eq!(rewritten(&before, &after), ["public.t", "pg_toast.x_index", "pg_toast.x"]);
    }

    #[test]
    fn what_is_new_was_not_rewritten() {
        let before = catalog(&[(1, "public.t", 'r', 100, None)]);
        let after = catalog(&[
            (1, "public.t", 'r', 100, None),
            (2, "public.new", 'i', 101, Some(1)),
            (3, "public.u", 'r', 102, None),
        ]);
        assert_eq!(rewritten(&before, &after), Vec::<String>::new());
    }

    #[test]
    fn the_index_of_a_toast_table_belongs_to_the_table() {
        let catalog = catalog(&[
            (1, "public.t", 'r', 100, None),
            (2, "pg_toast.x", 't', 101, Some(1)),
            (3, "pg_toast.x_index", 'i', 102, Some(2)),
        ]);
        assert_eq!(catalog.table_of(3), Some(1));
    }

    #[test]
    fn rows_that_workers_may_have_read_are_not_called_a_count() {
        let mut before = catalog(&[(1, "public.t", 'r', 100, None)]);
        let mut after = before.clone();
        for (catalog, scans, rows_read) in [(&mut before, 3, 300), (&mut after, 4, 340)] {
            let relation = Arc::make_mut(catalog.relations.get_mut(&1).expect("t"));
            relation.counts = Counts { scans, rows_read, ..Counts::default() };
        }
        assert_eq!(after.reads_since(&before, true).scans[0].rows, None);
        assert_eq!(after.reads_since(&before, false).scans[0].rows, Some(40));
    }
}
