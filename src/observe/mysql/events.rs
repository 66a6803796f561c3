//! Statements of a session as the server timed them, with the stages of those that alter tables.
//!
//! Both are timed by one clock, so that a stage has a place in its statement. Waits are timed by another (seen on MySQL
//! 9.7.4: 0.4 s apart), so they are taken from the stage `Waiting for table metadata lock`.

use super::ask::{Cells, cell, number};
use crate::run::SqlError;

/// Instruments of the stages that are read (MariaDB writes some with a capital).
pub(super) const STAGES: [(&str, Step); 8] = [
    ("stage/sql/after create", Step::Created),
    ("stage/sql/preparing for alter table", Step::Prepare),
    ("stage/sql/altering table", Step::Build),
    ("stage/sql/committing alter table to storage engine", Step::Commit),
    ("stage/sql/copy to tmp table", Step::Copy),
    ("stage/sql/enabling keys", Step::Keys),
    ("stage/sql/rename result table", Step::Rename),
    ("stage/sql/waiting for table metadata lock", Step::Wait),
];

/// A step of an ALTER.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The new definition exists.
    Created,
    /// In place: preparing.
    Prepare,
    /// In place: at work.
    Build,
    /// In place: the end.
    Commit,
    /// Copying rows.
    Copy,
    /// MariaDB: after the rows; once more before the changes of others are applied to a copy made online.
    Keys,
    /// The copy takes the table's place.
    Rename,
    /// Waiting for a metadata lock.
    Wait,
}

/// When a step was. Picoseconds of the server's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stage {
    pub(super) step: Step,
    pub(super) from: u64,
    pub(super) to: u64,
}

/// A statement as the server timed it.
#[derive(Debug, Clone, Default)]
pub(super) struct Event {
    pub(super) id: u64,
    /// Picoseconds of the server's clock.
    pub(super) from: u64,
    pub(super) to: u64,
    /// The first 1,024 bytes of its text (`performance_schema_max_sql_text_length`).
    pub(super) sql: String,
    pub(super) rows_examined: u64,
    /// Whether it read a table without an index that would have helped.
    pub(super) without_index: bool,
    pub(super) error: Option<SqlError>,
    pub(super) rows_affected: Option<u64>,
    pub(super) stages: Vec<Stage>,
}

impl Event {
    pub(super) fn first(&self, step: Step) -> Option<Stage> {
        self.stages.iter().copied().find(|stage| stage.step == step)
    }

    pub(super) fn has(&self, step: Step) -> bool {
        self.first(step).is_some()
    }
}

/// Asks whether the session is still in a statement (it answers before it closes the event) and which one it ended last, for its
/// statements after event `after`, and for their stages. `many` looks further back than ten statements.
pub(super) fn questions(thread: u64, after: u64, many: bool) -> String {
    let history = if many { "events_statements_history_long" } else { "events_statements_history" };
    format!(
        "SELECT SUM(END_EVENT_ID IS NULL), MAX(IF(EVENT_ID > {after} AND NESTING_EVENT_LEVEL = 0, EVENT_ID, 0)) \
         FROM performance_schema.events_statements_current WHERE THREAD_ID = {thread}; \
         SELECT EVENT_ID, END_EVENT_ID, TIMER_START, TIMER_END, SQL_TEXT, ROWS_EXAMINED, \
         NO_INDEX_USED + SELECT_SCAN, EVENT_NAME, MYSQL_ERRNO, RETURNED_SQLSTATE, MESSAGE_TEXT, ROWS_AFFECTED FROM performance_schema.{history} \
         WHERE THREAD_ID = {thread} AND EVENT_ID > {after} AND NESTING_EVENT_LEVEL = 0 ORDER BY EVENT_ID; \
         SELECT EVENT_ID, EVENT_NAME, TIMER_START, TIMER_END FROM performance_schema.events_stages_history_long \
         WHERE THREAD_ID = {thread} AND EVENT_ID > {after} ORDER BY EVENT_ID"
    )
}

/// Reads the answers. `None` while the session is in a statement, or the last one that it ended has not come to the others: an event
/// is closed first, and then put among them.
pub(super) fn read(current: &[Cells], statements: &[Cells], stages: &[Cells]) -> Option<Vec<Event>> {
    let of_current = |at| current.first().and_then(|row| number(row, at)).unwrap_or(0);
    let (running, last) = (of_current(0), of_current(1));
    let is_told = last == 0 || statements.iter().any(|row| number(row, 0).is_some_and(|id| id >= last));
    if running > 0 || !is_told {
        return None;
    }
    // Preparing, pinging and the like is told by no unit.
    let silent =
        |name: &str| name.starts_with("statement/com/") && !name.ends_with("/Execute") && !name.ends_with("/Query");
    let mut events = Vec::new();
    for row in statements.iter().filter(|row| !silent(cell(row, 7))) {
        let (Some(id), Some(last), Some(from), Some(to)) =
            (number(row, 0), number(row, 1), number(row, 2), number(row, 3))
        else {
            continue;
        };
        let within = |row: &&Cells| number(row, 0).is_some_and(|event| event > id && event <= last);
        events.push(Event {
            id: last,
            from,
            to,
            sql: cell(row, 4).to_owned(),
            rows_examined: number(row, 5).unwrap_or(0),
            without_index: number(row, 6).is_some_and(|count| count > 0),
            error: error(row),
            rows_affected: number(row, 11),
            stages: stages.iter().filter(within).filter_map(stage).collect(),
        });
    }
    Some(events)
}

/// The error that ended a statement, its message cut after 128 characters.
fn error(row: &Cells) -> Option<SqlError> {
    let code = number(row, 8).filter(|code| *code > 0).and_then(|code| u32::try_from(code).ok())?;
    let (sqlstate, message) = (cell(row, 9).to_owned(), cell(row, 10).to_owned());
    Some(SqlError { sqlstate, code: Some(code), message, ..SqlError::default() })
}

fn stage(row: &Cells) -> Option<Stage> {
    let name = cell(row, 1).to_ascii_lowercase();
    let (_, step) = STAGES.iter().find(|(instrument, _)| *instrument == name)?;
    Some(Stage { step: *step, from: number(row, 2)?, to: number(row, 3)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Cells {
        cells.iter().map(|cell| Some((*cell).to_owned())).collect()
    }

    #[test]
    fn a_statement_is_waited_for_until_it_is_closed_and_among_the_others() {
        let statement = row(&["7", "9", "1", "2", "SELECT 1", "0", "0", "statement/sql/select", "0", "", "", "0"]);
        for (current, statements, expected) in [
            (row(&["1", "7"]), vec![statement.clone()], None),
            (row(&["0", "7"]), vec![], None),
            (row(&["0", "7"]), vec![statement], Some(1)),
            (row(&["0", "0"]), vec![], Some(0)),
        ] {
            let found = read(std::slice::from_ref(&current), &statements, &[]).map(|events| events.len());
            assert_eq!(found, expected, "{current:?}");
        }
    }
}
