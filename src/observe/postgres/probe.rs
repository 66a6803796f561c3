//! What a probe sends on PostgreSQL.

use tokio_postgres::Config;

use crate::observe::probe::{PLACES, Who};
use crate::server::session::Session;

/// A session with the statements that it sends, in turn.
#[derive(Debug)]
pub(in crate::observe) struct Client {
    session: Session,
    statements: Vec<String>,
    next: usize,
}

impl Client {
    /// Sends the next statement and waits for its answer.
    pub(in crate::observe) async fn send(&mut self) {
        let sql = &self.statements[self.next % self.statements.len()];
        self.next += 1;
        let _ = self.session.client.simple_query(sql).await;
    }
}

/// The probes of one table; `table` is its name as SQL has it. None for another relation, or one that is not there.
pub(in crate::observe) async fn clients(
    config: &Config,
    table: &str,
) -> Result<Vec<(Who, Client)>, tokio_postgres::Error> {
    let asking = Session::open(config).await?;
    let is_table =
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = to_regclass($1::text) AND relkind IN ('r', 'p'))";
    if !asking.client.query_one(is_table, &[&table]).await?.get::<_, bool>(0) {
        return Ok(Vec::new());
    }
    let rows = rows(&asking, table).await?;
    let mut clients = vec![
        (Who::Reader, client(config, vec![format!("SELECT FROM {table} LIMIT 0")]).await?),
        // Plans and opens every index as a real one does, and finds no row.
        (Who::Writer, client(config, vec![format!("DELETE FROM {table} WHERE false")]).await?),
    ];
    if !rows.is_empty() {
        clients.push((Who::Writer, client(config, rows).await?));
    }
    Ok(clients)
}

async fn client(config: &Config, statements: Vec<String>) -> Result<Client, tokio_postgres::Error> {
    let session = Session::open(config).await?;
    // Triggers of statements fire without rows, too; as a replica's, they do not. Row locks are waited for.
    let settings =
        "SET session_replication_role = replica; SET lock_timeout = 0; SET statement_timeout = 0; SET jit = off";
    session.client.batch_execute(settings).await?;
    Ok(Client { session, statements, next: 0 })
}

/// For rows at several places of the primary key's range: what locks each as an UPDATE of it does. None for a table
/// without a primary key.
async fn rows(session: &Session, table: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    let key = "SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.place) \
               FROM pg_catalog.pg_index i CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k (number, place) \
               JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number \
               WHERE i.indrelid = $1::text::regclass AND i.indisprimary";
    let row = session.client.query_one(key, &[&table]).await?;
    let Some(columns) = row.get::<_, Option<String>>(0) else { return Ok(Vec::new()) };
    let count: i64 = session.client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await?.get(0);
    let mut statements = Vec::new();
    let places = i64::from(PLACES).min(count);
    for place in 0..places {
        // The first, the last, and those between at equal distances.
        let offset = if places > 1 { (count - 1) * place / (places - 1) } else { 0 };
        let literals = columns.split(", ").map(|column| format!("quote_literal({column})")).collect::<Vec<_>>();
        let sql = format!(
            "SELECT concat_ws(', ', {}) FROM {table} ORDER BY {columns} OFFSET {offset} LIMIT 1",
            literals.join(", ")
        );
        if let Some(row) = session.client.query_opt(&sql, &[]).await? {
            let values: String = row.get(0);
            statements.push(format!("SELECT FROM {table} WHERE ({columns}) = ({values}) FOR NO KEY UPDATE"));
        }
    }
    Ok(statements)
}
