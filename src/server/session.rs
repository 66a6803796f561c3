//! A connection of our own to the scratch server, with its driver task.

use std::error::Error as _;
use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, NoTls};

/// A client and the task that moves its bytes. Dropping it closes the connection.
#[derive(Debug)]
pub struct Session {
    /// The client, which several tasks may use at once.
    pub client: Arc<Client>,
    task: JoinHandle<()>,
}

impl Session {
    /// Connects.
    pub async fn open(config: &Config) -> Result<Self, tokio_postgres::Error> {
        let (client, connection) = config.connect(NoTls).await?;
        let task = tokio::spawn(async move {
            // Every failure of the connection reaches the client's next call, which is where it is reported.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the scratch server ended");
            }
        });
        Ok(Self { client: Arc::new(client), task })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An error of the server in a sentence: its message, detail and SQLSTATE, and not only "db error".
pub fn message(error: &tokio_postgres::Error) -> String {
    if let Some(db) = error.as_db_error() {
        let detail = db.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
        return format!("{}{detail} [{}]", db.message(), db.code().code());
    }
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
