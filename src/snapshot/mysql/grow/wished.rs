//! References that the scenario wishes for and the schema does not have: from then on they are foreign keys like others.

use mysql_async::Conn;

use super::ask;
use super::error::{GrowError, Place};
use super::name::{self, Relation, Unclear};
use super::table::{Foreign, Table};
use crate::scenario::TableWish;
use crate::snapshot::grow::meant;
use crate::snapshot::grow::near::{nearest, table_and_column};

/// Adds the references that are wished for a table to its foreign keys.
pub(crate) async fn add_references(
    conn: &mut Conn,
    table: &mut Table,
    wish: &TableWish,
    relations: &[Relation],
    place: &Place,
) -> Result<(), GrowError> {
    for (name, column) in &wish.columns {
        let Some(written) = column.references.as_ref().filter(|_| table.position(name).is_some()) else { continue };
        let refused = |why: String| GrowError::Column { place: place.clone(), column: name.clone(), why };
        if table.is_foreign(name) {
            return Err(refused("it has a foreign key, which its values follow; leave `references` out".into()));
        }
        let malformed = || refused(format!("`references` is `{written}`; write `table.column`"));
        let (parent, parent_column) = table_and_column(written, '`').ok_or_else(malformed)?;
        let parent = name::resolve(parent, relations).map_err(|unclear| match unclear {
            Unclear::Malformed => malformed(),
            Unclear::Missing(near) => refused(format!("`references`: there is no table {parent}{}", meant(&near))),
            Unclear::Ambiguous(found) => {
                refused(format!("`references`: several tables are called {parent}; write one of {}", found.join(", ")))
            }
        })?;
        let columns = columns(conn, parent).await?;
        let wanted = name::parts(parent_column).and_then(|parts| parts.into_iter().next()).ok_or_else(malformed)?;
        let Some(parent_column) = columns.iter().find(|column| column.to_lowercase() == wanted.to_lowercase()) else {
            let near = nearest(&wanted, columns.iter().cloned());
            let why = format!("`references`: {} has no column {wanted}{}", parent.shown(), meant(&near));
            return Err(refused(why));
        };
        table.foreign.push(Foreign {
            name: format!("`references` of {name}"),
            columns: vec![name.clone()],
            parent: parent.number,
            parent_sql: parent.sql(),
            parent_shown: parent.shown(),
            parent_columns: vec![parent_column.clone()],
            cut: 1.0,
            promised: None,
            there: None,
        });
    }
    Ok(())
}

async fn columns(conn: &mut Conn, relation: &Relation) -> Result<Vec<String>, GrowError> {
    let what = format!("the columns of {}", relation.shown());
    let sql = format!("SELECT column_name FROM information_schema.columns WHERE {}", relation.filter());
    Ok(ask::rows(conn, &what, &sql).await?.iter().filter_map(|row| ask::text(row, 0)).collect())
}
