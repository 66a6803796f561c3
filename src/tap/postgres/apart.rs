//! Messages of several statements, sent one by one so that each has a boundary of its own, and statements outside a transaction,
//! put into one so that they have a boundary before their locks are gone. The client is answered as if nothing had been done.
//!
//! A whole message is parsed before any of it runs, and all of it is one transaction: so it is parsed first, by a message that
//! fails before it comes to it, and what is not in a transaction is put into one. Source: PostgreSQL 18 manual, 54.2.2.1, and
//! `exec_simple_query` of 14 to 18, where the last statement is said to be complete only once its transaction is.

use std::collections::VecDeque;
use std::time::Instant;

use super::frame::{Message, query};
use super::unit::Unit;
use super::{Copy, Relay, RelayError};
use crate::observe::postgres::ask::AskError;
use crate::observe::postgres::watch::{Answer, TransactionStatus};
use crate::sql::postgres::message::{Parts, alone, parts};

/// Fails in every transaction, when all that follows it in its message has been parsed and none has run.
const PARSE: &str = "ROLLBACK TO SAVEPOINT rehearsal_has_none;\n";
/// Its error: there is no transaction block, or no such savepoint in it.
const PARSED: [&str; 2] = ["25P01", "3B001"];
const READY: [u8; 6] = [b'Z', 0, 0, 0, 5, b'I'];

/// A message that is being sent in parts.
#[derive(Debug)]
pub(super) struct Apart {
    /// What is still to be sent: a statement as it is on record, and as it is sent.
    rest: VecDeque<(String, String)>,
    /// Whether the transaction around it is the tap's.
    wrapped: bool,
    /// That the last statement is complete, until its transaction is.
    complete: Option<Message>,
}

impl Apart {
    /// Takes the word that a statement is complete. Gives it back if the client is to have it now.
    fn completes(&mut self, message: Message) -> Option<Message> {
        match self.rest.len() {
            // The tap's own COMMIT.
            0 if self.wrapped => None,
            1 if self.wrapped => {
                self.complete = Some(message);
                None
            }
            _ => Some(message),
        }
    }
}

impl Relay {
    /// Begins to send a message in parts, if it can be. The server stands still.
    pub(super) async fn takes_apart(&mut self, message: &Message) -> Result<bool, RelayError> {
        if !self.apart_wanted || message.tag() != b'Q' || self.copy == Copy::Sending || self.tracker.is_building() {
            return Ok(false);
        }
        let sql = message.body().strip_suffix(b"\0").and_then(|sql| std::str::from_utf8(sql).ok());
        let Some(sql) = sql.filter(|sql| self.conforming || !sql.contains('\\')) else { return Ok(false) };
        // One statement has a boundary of its own, but outside a transaction its locks are gone at it.
        let one = || alone(sql).filter(|_| self.status == TransactionStatus::Idle);
        let Some(Parts { statements, in_place, framed }) = parts(sql).or_else(one) else { return Ok(false) };
        let wrapped = match self.status {
            TransactionStatus::Idle => !framed,
            TransactionStatus::Open if !framed => false,
            TransactionStatus::Open | TransactionStatus::Failed => return Ok(false),
        };
        if !self.parses(sql).await? {
            return Ok(false);
        }
        if wrapped {
            self.order("BEGIN").await?;
            self.watch.passed(TransactionStatus::Open);
        }
        let mut rest: VecDeque<_> = statements.into_iter().map(|statement| statement.text).zip(in_place).collect();
        if wrapped {
            rest.push_back(("COMMIT".to_owned(), "COMMIT".to_owned()));
        }
        self.awaiting.push_back(Unit::of(sql));
        self.apart = Some(Apart { rest, wrapped, complete: None });
        self.send_part();
        Ok(true)
    }

    /// Whether the server can parse the message. (If not, it is sent whole, for the server to say so.)
    async fn parses(&mut self, sql: &str) -> Result<bool, RelayError> {
        let in_transaction = self.status == TransactionStatus::Open;
        if in_transaction {
            self.order("SAVEPOINT rehearsal").await?;
        }
        let asked = self.backend.ask(&mut self.to_client).refusal(&format!("{PARSE}{sql}")).await;
        let refusal = asked.map_err(unanswered)?;
        if in_transaction {
            self.order("ROLLBACK TO SAVEPOINT rehearsal; RELEASE SAVEPOINT rehearsal").await?;
        }
        Ok(refusal.is_some_and(|error| PARSED.contains(&error.sqlstate.as_str())))
    }

    /// Has the server do something that is the tap's own.
    async fn order(&mut self, sql: &str) -> Result<(), RelayError> {
        match self.backend.ask(&mut self.to_client).refusal(sql).await.map_err(unanswered)? {
            None => Ok(()),
            Some(error) => Err(RelayError::Refused { sql: sql.to_owned(), why: error.message }),
        }
    }

    /// Sends the next part; `false` if there is none.
    fn send_part(&mut self) -> bool {
        let Some((sql, sent)) = self.apart.as_mut().and_then(|apart| apart.rest.pop_front()) else { return false };
        self.watch.begun(&[sql], None, Instant::now());
        self.backend.to_server.extend_from_slice(&query(&sent));
        true
    }

    /// The server completed a statement. Gives the message if the client is to have it now.
    pub(super) fn completed(&mut self, message: Message) -> Option<Message> {
        match &mut self.apart {
            Some(apart) => apart.completes(message),
            None => Some(message),
        }
    }

    /// A part was answered and observed: the next one is sent, or the client is told that all is over.
    pub(super) async fn part_ended(&mut self, failed: bool, ready: &Message) -> Result<(), RelayError> {
        if !failed && self.send_part() {
            return Ok(());
        }
        self.awaiting.pop_front();
        let Some(Apart { wrapped, complete, .. }) = self.apart.take() else { return Ok(()) };
        if !failed {
            self.to_client.extend_from_slice(complete.as_ref().map_or(&[], Message::bytes));
        }
        if wrapped && self.status == TransactionStatus::Failed {
            let began = Instant::now();
            self.watch.begun(&["ROLLBACK".to_owned()], None, began);
            self.order("ROLLBACK").await?;
            let answer = Answer { tags: vec!["ROLLBACK".to_owned()], error: None };
            let mut asked = self.backend.ask(&mut self.to_client);
            self.watch.ended(answer, TransactionStatus::Idle, Instant::now(), &mut asked).await;
            self.status = TransactionStatus::Idle;
            self.to_client.extend_from_slice(&READY);
        } else {
            self.to_client.extend_from_slice(ready.bytes());
        }
        Ok(())
    }
}

fn unanswered(_: AskError) -> RelayError {
    RelayError::Unanswered
}
