//! Secondary indexes that are dropped before a load and made again after it, all in one ALTER TABLE: the load is then
//! faster, and the indexes are as dense as those of a table that was built so (seen on 9.7.4: with two indexes half the time).
//!
//! Those that a foreign key or AUTO_INCREMENT needs stay, as do unique, FULLTEXT and SPATIAL ones. Limit: an index that was made again
//! comes behind those that stayed in the list of the table's indexes.

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::ask;
use super::error::GrowError;
use super::name::quoted_names;
use super::table::Table;

/// Drops the indexes that nothing depends on, and gives their definitions.
pub(crate) async fn drop(conn: &mut Conn, table: &Table) -> Result<Vec<String>, GrowError> {
    let what = format!("the indexes of {}", table.relation.shown());
    let needed = format!(
        "SELECT referenced_column_name FROM information_schema.key_column_usage WHERE {}",
        table.relation.filter().replacen("table_schema", "referenced_table_schema", 1).replacen(
            " AND table_name",
            " AND referenced_table_name",
            1
        )
    );
    let needed = ask::rows(conn, &what, &needed).await?;
    let mut needed: Vec<String> = needed.iter().filter_map(|row| ask::text(row, 0)).collect();
    needed.extend(table.foreign.iter().flat_map(|key| key.columns.clone()));
    needed.extend(table.columns.iter().filter(|column| column.auto_increment).map(|column| column.name.clone()));
    let created = ask::rows(conn, &what, &format!("SHOW CREATE TABLE {}", table.relation.sql())).await?;
    let created = created.first().and_then(|row| ask::text(row, 1)).unwrap_or_default();
    let definitions: Vec<&str> = plain(&created).filter(|definition| !leads_with(definition, &needed)).collect();
    let names = definitions.iter().filter_map(|definition| quoted_names(definition).into_iter().next());
    let drops: Vec<String> =
        names.map(|name| format!("DROP INDEX {}", crate::sql::mysql::name::quote(&name))).collect();
    if !drops.is_empty() {
        alter(conn, table, &drops).await?;
    }
    Ok(definitions.into_iter().map(str::to_owned).collect())
}

/// Makes the indexes of these definitions.
pub(crate) async fn create(conn: &mut Conn, table: &Table, definitions: &[String]) -> Result<(), GrowError> {
    if definitions.is_empty() {
        return Ok(());
    }
    let adds: Vec<String> = definitions.iter().map(|definition| format!("ADD {definition}")).collect();
    alter(conn, table, &adds).await
}

async fn alter(conn: &mut Conn, table: &Table, parts: &[String]) -> Result<(), GrowError> {
    let failed = GrowError::reading(&format!("what the server says to the indexes of {}", table.relation.shown()));
    conn.query_drop(format!("ALTER TABLE {} {}", table.relation.sql(), parts.join(", "))).await.map_err(failed)
}

/// The definitions of plain indexes in what SHOW CREATE TABLE gives, which has each on a line of its own.
fn plain(created: &str) -> impl Iterator<Item = &str> {
    created.lines().map(|line| line.trim().trim_end_matches(',')).filter(|line| line.starts_with("KEY `"))
}

/// Whether the first column of an index is one of these. The first name of a definition is the index's own.
fn leads_with(definition: &str, columns: &[String]) -> bool {
    quoted_names(definition)
        .get(1)
        .is_some_and(|first| columns.iter().any(|column| column.to_lowercase() == first.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATED: &str = "CREATE TABLE `t` (
  `id` int NOT NULL AUTO_INCREMENT,
  `a` varchar(20) DEFAULT 'KEY `x`',
  PRIMARY KEY (`id`),
  UNIQUE KEY `u` (`a`),
  KEY `a``b` (`a`(3) DESC,`id`) USING BTREE COMMENT 'first, second,' /*!80000 INVISIBLE */,
  KEY `lower` ((lower(`a`))),
  KEY `a` (`a`),
  FULLTEXT KEY `f` (`a`),
  CONSTRAINT `c` FOREIGN KEY (`a`) REFERENCES `p` (`KEY`)
) ENGINE=InnoDB";

    #[test]
    fn plain_indexes_are_found_with_all_that_they_say() {
        let found: Vec<&str> = plain(CREATED).collect();
        assert_eq!(
            found,
            [
                "KEY `a``b` (`a`(3) DESC,`id`) USING BTREE COMMENT 'first, second,' /*!80000 INVISIBLE */",
                "KEY `lower` ((lower(`a`)))",
                "KEY `a` (`a`)",
            ]
        );
    }

    #[test]
    fn an_index_that_leads_with_a_needed_column_stays() {
        let leads: Vec<bool> = plain(CREATED).map(|definition| leads_with(definition, &["A".into()])).collect();
        assert_eq!(leads, [true, true, true]);
        assert!(plain(CREATED).all(|definition| !leads_with(definition, &["id".into()])));
    }
}
