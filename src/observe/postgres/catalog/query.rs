//! The questions that the catalogs are asked.

use super::{Ask, Oid};

/// Which statistics a snapshot shall hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::observe::postgres) enum Statistics {
    /// What the asked session has counted in its open transaction.
    Transaction,
    /// What all sessions have reported since the server began.
    Reported,
}

impl Statistics {
    fn prefix(self) -> &'static str {
        match self {
            Self::Transaction => "pg_catalog.pg_stat_get_xact_",
            Self::Reported => "pg_catalog.pg_stat_get_",
        }
    }
}

/// A query for the relations that `join` leaves, with all that [`super::Relation`] holds, as text. It takes no lock that anybody
/// could hold against it: the functions in it look up caches and counters by OID.
pub(super) fn query(statistics: Statistics, with: &str, join: &str) -> String {
    format!(
        "{with}SELECT c.oid::text, (pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname))::text, \
         c.relkind::text, pg_catalog.pg_relation_filenode(c.oid)::text, COALESCE(i.indrelid, t.oid)::text, \
         c.reltuples::bigint::text, c.relispartition::text, {} \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid {join} \
         WHERE c.relkind IN ('r', 'p', 'm', 'v', 'i', 'I', 't', 'S', 'f') AND c.oid >= 16384",
        counters(statistics, "c.oid")
    )
}

/// A query for these relations, the tables that they are parts of, and all parts of those.
pub(super) fn around(statistics: Statistics, oids: &[Oid]) -> String {
    let wanted = format!(
        "WITH known AS (SELECT pg_catalog.unnest('{{{}}}'::pg_catalog.oid[]) AS oid), \
         tables AS (SELECT oid FROM known UNION \
         SELECT x.indrelid FROM pg_catalog.pg_index x JOIN known k ON x.indexrelid = k.oid), \
         stored AS (SELECT oid FROM tables UNION \
         SELECT r.reltoastrelid FROM pg_catalog.pg_class r JOIN tables k ON r.oid = k.oid), \
         wanted AS (SELECT oid FROM stored UNION \
         SELECT x.indexrelid FROM pg_catalog.pg_index x JOIN stored k ON x.indrelid = k.oid) ",
        list(oids)
    );
    let toast = "JOIN wanted w ON w.oid = c.oid \
                 LEFT JOIN (SELECT r.oid, r.reltoastrelid FROM pg_catalog.pg_class r JOIN tables k ON r.oid = k.oid) t \
                 ON c.relkind = 't' AND t.reltoastrelid = c.oid";
    query(statistics, &wanted, toast)
}

/// A list of OIDs, as the body of an array.
pub(super) fn list(oids: &[Oid]) -> String {
    oids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// The counters of a relation, as text and in the order of [`super::counts`].
pub(super) fn counters(statistics: Statistics, oid: &str) -> String {
    let prefix = statistics.prefix();
    format!(
        "{prefix}numscans({oid})::text, {prefix}tuples_returned({oid})::text, \
         {prefix}blocks_fetched({oid})::text, {prefix}blocks_hit({oid})::text, \
         ({prefix}tuples_inserted({oid}) + {prefix}tuples_updated({oid}) + {prefix}tuples_deleted({oid}))::text"
    )
}

/// The sizes of relations, in their order. `None` where one cannot be had at once, because it is locked or gone:
/// `pg_relation_size` opens the relation.
pub(in crate::observe::postgres) async fn sizes(session: &mut impl Ask, oids: &[Oid]) -> Vec<Option<u64>> {
    let sql = format!(
        "SELECT pg_catalog.pg_relation_size(oid) FROM pg_catalog.unnest('{{{}}}'::pg_catalog.oid[]) \
         WITH ORDINALITY AS r(oid, place) ORDER BY place",
        list(oids)
    );
    match session.ask(&sql).await {
        Ok(rows) => rows.iter().map(|row| row.first()?.as_deref()?.parse().ok()).collect(),
        Err(_) => vec![None; oids.len()],
    }
}
