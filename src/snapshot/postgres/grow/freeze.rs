//! Whether rows can be loaded frozen: written as old rows that all can see, which no later VACUUM has to touch.
//!
//! `COPY … FREEZE` asks for a table that was made or truncated in the same transaction (PostgreSQL manual, `COPY`). An empty
//! table can be truncated without loss, along with the tables that refer to it, where those are empty as well.

use tokio_postgres::Client;

use super::table::Table;

/// Whether truncating a table, with all that refers to it, takes no row and fires no trigger.
///
/// Partitioned tables cannot be loaded frozen. Triggers fire in spite of `session_replication_role = replica` if they are
/// enabled as `ALWAYS` or `REPLICA`; bit 32 of `tgtype` is TRUNCATE (PostgreSQL's `catalog/pg_trigger.h`).
pub(crate) async fn can_truncate(client: &Client, table: &Table) -> Result<bool, tokio_postgres::Error> {
    if table.relation.kind != 'r' || table.rows > 0 {
        return Ok(false);
    }
    let sql = "WITH RECURSIVE cut(oid) AS (
                   SELECT $1::oid
                 UNION
                   SELECT k.conrelid FROM pg_constraint k JOIN cut ON k.confrelid = cut.oid WHERE k.contype = 'f')
               SELECT format('%I.%I', n.nspname, c.relname), c.oid = $1,
                      EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgenabled IN ('A', 'R')
                                AND t.tgtype & 32 <> 0)
               FROM cut JOIN pg_class c ON c.oid = cut.oid JOIN pg_namespace n ON n.oid = c.relnamespace";
    for row in client.query(sql, &[&table.relation.oid]).await? {
        let (name, is_itself, fires): (String, bool, bool) = (row.get(0), row.get(1), row.get(2));
        // Tables that inherit from it are not truncated with it, so their rows are in nobody's way.
        let only = if is_itself { "ONLY " } else { "" };
        let filled = format!("SELECT EXISTS (SELECT FROM {only}{name})");
        if fires || client.query_one(&filled, &[]).await?.get(0) {
            return Ok(false);
        }
    }
    Ok(true)
}
