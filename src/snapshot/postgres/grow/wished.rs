//! References that the scenario wishes for and the schema does not have: from then on they are foreign keys like others.

use tokio_postgres::Client;

use super::error::{GrowError, Place};
use super::name::{self, Relation, Unclear};
use super::table::{Foreign, Table};
use crate::scenario::TableWish;
use crate::snapshot::grow::meant;
use crate::snapshot::grow::near::{nearest, table_and_column};
use crate::sql::postgres::quote::ident;

/// Adds the references that are wished for a table to its foreign keys.
pub(crate) async fn add_references(
    client: &Client,
    table: &mut Table,
    wish: &TableWish,
    relations: &[Relation],
    place: &Place,
) -> Result<(), GrowError> {
    for (name, column) in &wish.columns {
        let Some(written) = column.references.as_ref().filter(|_| table.position(name).is_some()) else { continue };
        let refused = |why: String| GrowError::Column { place: place.clone(), column: ident(name), why };
        if table.is_foreign(name) {
            return Err(refused("it has a foreign key, which its values follow; leave `references` out".into()));
        }
        let malformed = || refused(format!("`references` is `{written}`; write `table.column`"));
        let (parent, parent_column) = table_and_column(written, '"').ok_or_else(malformed)?;
        let parent = name::resolve(parent, relations).map_err(|unclear| match unclear {
            Unclear::Malformed => malformed(),
            Unclear::Missing(near) => refused(format!("`references`: there is no table {parent}{}", meant(&near))),
            Unclear::Ambiguous(found) => {
                refused(format!("`references`: several tables are called {parent}; write one of {}", found.join(", ")))
            }
        })?;
        let columns = columns(client, parent).await?;
        let is = |fold: bool| name::parts(parent_column, fold).and_then(|parts| parts.into_iter().next());
        let found =
            [is(true), is(false)].into_iter().flatten().find_map(|name| columns.iter().find(|(c, _)| *c == name));
        let Some((parent_column, category)) = found else {
            let near = nearest(parent_column, columns.iter().map(|(name, _)| ident(name)));
            let why = format!("`references`: {} has no column {parent_column}{}", parent.shown(), meant(&near));
            return Err(refused(why));
        };
        let own = self::columns(client, &table.relation).await?;
        if own.iter().any(|(column, own)| column == name && own != category) {
            let why = format!("`references`: the values of {written} are of another kind than this column's");
            return Err(refused(why));
        }
        let only = if parent.kind == 'r' { "ONLY " } else { "" };
        table.foreign.push(Foreign {
            name: format!("`references` of {}", ident(name)),
            columns: vec![name.clone()],
            parent: parent.oid,
            parent_sql: format!("{only}{}", parent.sql()),
            parent_columns: vec![parent_column.clone()],
            cut: 1.0,
            promised: None,
            there: None,
        });
    }
    Ok(())
}

/// The columns of a relation, each with the category of its type (`pg_type.typcategory`).
async fn columns(client: &Client, relation: &Relation) -> Result<Vec<(String, String)>, GrowError> {
    let sql = "SELECT a.attname::text, t.typcategory::text FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
               WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped";
    let failed = GrowError::reading(&format!("the columns of {}", relation.sql()));
    let rows = client.query(sql, &[&relation.oid]).await.map_err(failed)?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}
