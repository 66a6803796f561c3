//! INSERT triggers, which LOAD DATA would fire and neither engine can switch off: rows that follow existing ones already have
//! what the triggers made of those. So they are dropped before a load, and made again after it as they were.

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::ask;
use super::error::GrowError;
use super::table::Table;
use crate::sql::mysql::name::quote;

/// What makes a trigger again.
#[derive(Debug, Clone)]
pub(crate) struct Trigger {
    statement: String,
    sql_mode: String,
    collation: String,
}

/// Drops the triggers that would fire, and gives what makes them again, in their order.
pub(crate) async fn drop(conn: &mut Conn, table: &Table) -> Result<Vec<Trigger>, GrowError> {
    let what = format!("the triggers of {}", table.relation.shown());
    let failed = GrowError::reading(&what);
    let database = quote(&table.relation.database);
    let list = format!(
        "SELECT trigger_name FROM information_schema.triggers
         WHERE event_object_schema = {} AND event_object_table = {} AND event_manipulation = 'INSERT'
         ORDER BY action_timing, action_order",
        ask::literal(&table.relation.database),
        ask::literal(&table.relation.name)
    );
    let mut triggers = Vec::new();
    for row in ask::rows(conn, &what, &list).await? {
        let name = format!("{database}.{}", quote(&ask::text(&row, 0).unwrap_or_default()));
        let created = ask::rows(conn, &what, &format!("SHOW CREATE TRIGGER {name}")).await?;
        let Some(created) = created.first() else { continue };
        let field = |at| ask::text(created, at).unwrap_or_default();
        triggers.push(Trigger { statement: field(2), sql_mode: field(1), collation: field(4) });
        conn.query_drop(format!("DROP TRIGGER {name}")).await.map_err(&failed)?;
    }
    Ok(triggers)
}

/// Makes them again, each under the settings that it was made under.
pub(crate) async fn create(conn: &mut Conn, table: &Table, triggers: &[Trigger]) -> Result<(), GrowError> {
    let failed = GrowError::reading(&format!("what the server says to the triggers of {}", table.relation.shown()));
    for trigger in triggers {
        let (mode, collation) = (ask::literal(&trigger.sql_mode), ask::literal(&trigger.collation));
        let settings = format!("SET SESSION collation_connection = {collation}, sql_mode = {mode}");
        conn.query_drop(settings).await.map_err(&failed)?;
        conn.query_drop(format!("USE {}", quote(&table.relation.database))).await.map_err(&failed)?;
        conn.query_drop(&trigger.statement).await.map_err(&failed)?;
        conn.query_drop("SET NAMES utf8mb4").await.map_err(&failed)?;
        conn.query_drop(super::SQL_MODE).await.map_err(&failed)?;
    }
    Ok(())
}
