//! Asking a PostgreSQL session something, whichever way it is reached: the observer's own or, through the tap, the tool's.

use tokio_postgres::{Client, SimpleQueryMessage};

/// A row's fields in text form.
pub type Row = Vec<Option<String>>;

/// A session that can be asked.
pub trait Ask {
    /// Sends one query and gives its rows.
    fn ask(&mut self, sql: &str) -> impl Future<Output = Result<Vec<Row>, AskError>> + Send;
}

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The server answered with an error.
    #[error("the server refused a question of the observer: {0}")]
    Refused(String),
    /// The connection is gone.
    #[error("the server closed the connection")]
    Gone,
    /// The connection failed.
    #[error("the connection to the server failed: {0}")]
    Io(#[from] std::io::Error),
    /// The bytes that came are not the protocol.
    #[error("the server's answer is not the PostgreSQL protocol")]
    Garbled,
    /// No answer in time.
    #[error("the server did not answer a question of the observer in time")]
    TooSlow,
}

impl AskError {
    /// Of an error of a session of the observer's own.
    pub(super) fn of(error: &tokio_postgres::Error) -> Self {
        error.as_db_error().map_or(Self::Gone, |db| Self::Refused(db.message().to_owned()))
    }
}

/// The tool's session while it has a transaction open. A question leaves nothing behind in it: it runs in a savepoint that
/// is rolled back, without the tool's `statement_timeout` and in UTF-8, and even a question that fails (or that a late
/// cancel request hits) does not end the transaction. A rolled-back setting is not reported to the client (since 14).
/// One limit: a simple query ends the unnamed prepared statement, which drivers send anew with each query.
pub(super) struct Inside<'a, A>(pub(super) &'a mut A);

impl<A: Ask + Send> Ask for Inside<'_, A> {
    async fn ask(&mut self, sql: &str) -> Result<Vec<Row>, AskError> {
        self.ask_as_set(&format!("SET LOCAL statement_timeout = 0; SET LOCAL client_encoding = 'UTF8'; {sql}")).await
    }
}

impl<A: Ask + Send> Inside<'_, A> {
    /// Asks with the session's settings as the tool has them.
    pub(super) async fn ask_as_set(&mut self, sql: &str) -> Result<Vec<Row>, AskError> {
        const BACK: &str = "ROLLBACK TO SAVEPOINT rehearsal_asks; RELEASE SAVEPOINT rehearsal_asks";
        let answer = self.0.ask(&format!("SAVEPOINT rehearsal_asks; {sql}; {BACK}")).await;
        if matches!(answer, Err(AskError::Refused(_))) {
            self.0.ask(BACK).await?;
        }
        answer
    }
}

/// The observer's own session.
pub(super) struct Outside<'a>(pub(super) &'a Client);

impl Ask for Outside<'_> {
    async fn ask(&mut self, sql: &str) -> Result<Vec<Row>, AskError> {
        let messages = self.0.simple_query(sql).await.map_err(|error| AskError::of(&error))?;
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect())
            }
            _ => None,
        });
        Ok(rows.collect())
    }
}
