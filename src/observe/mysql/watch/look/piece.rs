//! The statements of a unit, matched with the server's events and with what the client was told.

use std::time::{Duration, Instant};

use super::super::super::catalog::TableName;
use super::super::super::events::{Event, Step};
use super::super::super::statement::{Clock, span};
use super::super::{Answer, Outcome, Running, resolve};
use crate::run::{Algorithm, Scan, SqlError};
use crate::sql::mysql::command::name_of;
use crate::sql::mysql::tables::Tables;

/// One statement of a unit, and what is known of it.
pub(super) struct Piece<'a> {
    pub(super) sql: &'a str,
    pub(super) tables: Option<&'a Tables>,
    pub(super) event: Option<&'a Event>,
    outcome: Option<&'a Outcome>,
    pub(super) targets: Vec<TableName>,
    pub(super) began: Instant,
    pub(super) ended: Instant,
}

/// Matches the statements of a unit with the server's events.
pub(super) fn match_up<'a>(
    running: &'a Running,
    answer: &'a Answer,
    events: &'a [Event],
    ended: Instant,
) -> Vec<Piece<'a>> {
    let known = &running.pending.pieces;
    // The unit's are the last: one before them may have been the end of something that is told by no unit.
    let strange = if answer.outcomes.len() <= known.len() { events.len().saturating_sub(known.len()) } else { 0 };
    let events = &events[strange..];
    let origin = events.first().map_or(0, |event| event.from);
    let clock = Clock { began: running.began, origin, ended };
    let count = events.len().max(1);
    (0..count)
        .map(|index| {
            let event = events.get(index);
            let is_last = index + 1 == count;
            let (sql, tables) = match (known.get(index), event) {
                _ if count == 1 && known.len() != 1 => (running.sql.as_str(), None),
                (Some((sql, tables)), _) if known.len() >= count => (sql.as_str(), tables.as_ref()),
                (_, Some(event)) => (event.sql.as_str(), None),
                _ => (running.sql.as_str(), None),
            };
            let aligned = answer.outcomes.len() == count;
            let outcome = if aligned { answer.outcomes.get(index) } else { answer.outcomes.last().filter(|_| is_last) };
            let targets = tables.map(|tables| resolve(tables, running.pending.database.as_deref()));
            Piece {
                sql,
                tables,
                event,
                outcome,
                targets: targets.unwrap_or_default(),
                began: if index == 0 { running.began } else { event.map_or(running.began, |e| clock.at(e.from)) },
                ended: if is_last { ended } else { event.map_or(ended, |event| clock.at(event.to)) },
            }
        })
        .collect()
}

impl Piece<'_> {
    pub(super) fn failed(&self) -> bool {
        self.error().is_some()
    }

    /// The error that the client was told, or that the server has on record.
    pub(super) fn error(&self) -> Option<SqlError> {
        match self.outcome {
            Some(Outcome::Error(error)) => Some(error.clone()),
            Some(_) => None,
            None => self.event?.error.clone(),
        }
    }

    /// Rows that it touched, as the client was told, or as the server has on record.
    pub(super) fn affected(&self) -> Option<u64> {
        match self.outcome {
            Some(Outcome::Done { affected, .. }) => Some(*affected),
            Some(_) => None,
            None => self.event?.rows_affected,
        }
    }

    /// Rows that were read, changed or copied; `None` for what has no such count.
    pub(super) fn rows(&self, algorithm: Option<Algorithm>) -> Option<u64> {
        let counts = ["INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD DATA", "CREATE TABLE AS"];
        let command = name_of(self.sql);
        if let Some(Outcome::Rows(rows)) = self.outcome {
            return (command == "SELECT" || counts.contains(&command.as_str())).then_some(*rows);
        }
        let affected = self.affected().filter(|_| !self.failed())?;
        let counted = counts.contains(&command.as_str()) || algorithm == Some(Algorithm::Copy);
        (counted || command == "CALL" && affected > 0).then_some(affected)
    }

    /// What was read from end to end, of a statement that changes no definitions: nothing, if every table was read by an
    /// index; else not known, since the server does not say which table it was.
    pub(super) fn scans(&self) -> Option<Vec<Scan>> {
        let event = self.event?;
        (self.tables.is_some() || !event.without_index || event.rows_examined == 0).then(Vec::new)
    }
}

/// For how long it waited for locks.
pub(super) fn waited(event: &Event) -> Duration {
    event.stages.iter().filter(|stage| stage.step == Step::Wait).map(|stage| span(stage.to - stage.from)).sum()
}
