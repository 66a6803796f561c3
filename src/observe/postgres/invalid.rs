//! Indexes that are not valid: what `CREATE INDEX CONCURRENTLY` leaves when it fails, and `REINDEX CONCURRENTLY` as
//! `…_ccnew` or `…_ccold`.

use std::collections::BTreeMap;

use super::ask::{Ask, AskError};
use super::catalog::Oid;
use crate::run::InvalidIndex;

/// Those of the database, by OID.
pub(super) type Invalid = BTreeMap<Oid, InvalidIndex>;

/// Reads them. Indexes of partitioned tables are left out: one made `ON ONLY` is invalid until all its parts are attached.
pub(super) async fn read(session: &mut impl Ask) -> Result<Invalid, AskError> {
    let sql = "SELECT c.oid, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), \
               pg_catalog.quote_ident(m.nspname) || '.' || pg_catalog.quote_ident(t.relname) \
               FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
               JOIN pg_catalog.pg_class t ON t.oid = i.indrelid \
               JOIN pg_catalog.pg_namespace m ON m.oid = t.relnamespace \
               WHERE NOT i.indisvalid AND c.relkind = 'i' AND t.relkind IN ('r', 'm') AND c.oid >= 16384";
    let rows = session.ask(sql).await?;
    let invalid = rows.into_iter().filter_map(|row| {
        let [Some(oid), Some(index), Some(table)] = <[Option<String>; 3]>::try_from(row).ok()? else { return None };
        Some((oid.parse().ok()?, InvalidIndex { index, table }))
    });
    Ok(invalid.collect())
}

/// Those that are not valid in `after` and were not there, or were valid, before.
pub(super) fn left(before: &Invalid, after: Invalid) -> Vec<InvalidIndex> {
    after.into_iter().filter(|(oid, _)| !before.contains_key(oid)).map(|(_, index)| index).collect()
}
