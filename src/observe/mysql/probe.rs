//! What a probe sends on MySQL and MariaDB.
//!
//! `SELECT … LIMIT 0` takes a SHARED_READ metadata lock and `DELETE … WHERE FALSE` a SHARED_WRITE one, with no lock of InnoDB
//! and no trigger fired (seen on 9.7.4). Rows are locked by `SELECT … FOR UPDATE` in autocommit, which lets go at once.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, Row, Value};

use crate::observe::probe::{PLACES, Who};
use crate::sql::mysql::name::quote;

/// A connection with the statements that it sends, in turn.
#[derive(Debug)]
pub(in crate::observe) struct Client {
    connection: Conn,
    statements: Vec<String>,
    next: usize,
}

impl Client {
    /// Sends the next statement and waits for its answer.
    pub(in crate::observe) async fn send(&mut self) {
        let sql = &self.statements[self.next % self.statements.len()];
        self.next += 1;
        let _ = self.connection.query_drop(sql).await;
    }
}

/// The probes of one table; `table` is its name as SQL has it. None for a view, or a table that is not there.
pub(in crate::observe) async fn clients(opts: &Opts, table: &str) -> Result<Vec<(Who, Client)>, mysql_async::Error> {
    let mut asking = Conn::new(opts.clone()).await?;
    let shown: Result<Option<Row>, _> = asking.query_first(format!("SHOW CREATE TABLE {table}")).await;
    let is_table = match shown {
        Ok(row) => row.is_some_and(|row| row.columns_ref().first().is_some_and(|column| column.name_str() == "Table")),
        // No such table; or one of a view's is gone.
        Err(mysql_async::Error::Server(_)) => false,
        Err(error) => return Err(error),
    };
    if !is_table {
        return Ok(Vec::new());
    }
    let rows = rows(&mut asking, table).await?;
    asking.disconnect().await?;
    let mut clients = vec![
        (Who::Reader, client(opts, vec![format!("SELECT 1 FROM {table} LIMIT 0")]).await?),
        (Who::Writer, client(opts, vec![format!("DELETE FROM {table} WHERE FALSE")]).await?),
    ];
    if !rows.is_empty() {
        clients.push((Who::Writer, client(opts, rows).await?));
    }
    Ok(clients)
}

async fn client(opts: &Opts, statements: Vec<String>) -> Result<Client, mysql_async::Error> {
    let mut connection = Conn::new(opts.clone()).await?;
    // A wait that is cut off would be too short.
    connection
        .query_drop("SET SESSION lock_wait_timeout = 31536000, SESSION innodb_lock_wait_timeout = 1073741824")
        .await?;
    connection.query_drop("SET SESSION autocommit = 1").await?;
    Ok(Client { connection, statements, next: 0 })
}

/// For rows at several places of the primary key's range: what locks each as an UPDATE of it does. None for a table
/// without a primary key.
async fn rows(asking: &mut Conn, table: &str) -> Result<Vec<String>, mysql_async::Error> {
    let keys: Vec<Row> = asking.query(format!("SHOW KEYS FROM {table} WHERE Key_name = 'PRIMARY'")).await?;
    let columns: Vec<String> =
        keys.iter().filter_map(|key| key.get::<String, _>("Column_name")).map(|name| quote(&name)).collect();
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let columns = columns.join(", ");
    let count: u64 = asking.query_first(format!("SELECT count(*) FROM {table}")).await?.unwrap_or(0);
    let places = u64::from(PLACES).min(count);
    let mut statements = Vec::new();
    for place in 0..places {
        // The first, the last, and those between at equal distances.
        let offset = if places > 1 { (count - 1) * place / (places - 1) } else { 0 };
        let sql = format!("SELECT {columns} FROM {table} ORDER BY {columns} LIMIT 1 OFFSET {offset}");
        if let Some(row) = asking.query_first::<Row, _>(sql).await? {
            let values: Vec<String> = row.unwrap().iter().map(literal).collect();
            statements.push(format!("SELECT 1 FROM {table} WHERE ({columns}) = ({}) FOR UPDATE", values.join(", ")));
        }
    }
    Ok(statements)
}

/// A value of a text result, whatever its type, as SQL has it.
fn literal(value: &Value) -> String {
    value.as_sql(false)
}
