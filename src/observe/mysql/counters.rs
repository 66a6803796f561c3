//! Costs that do not depend on the machine: redo log, binary log, pages.
//!
//! Seen on MySQL 9.7.4, three runs on the same data: the redo log's end repeats within 0.1 % for what copies or changes rows,
//! the binary log and pages created exactly. They are the server's and not a session's, so whoever else works on it is
//! counted in.

use super::Family;
use super::ask::{Cells, cell, number};
use crate::run::Counters;

/// Where the logs end and how many pages there have been.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Totals {
    redo: Option<u64>,
    pages: Option<u64>,
    binlog: Option<u64>,
}

/// Asks for them: two questions, or one where there is no binary log.
pub(super) fn questions(family: Family, binlog: bool) -> String {
    let status = match family {
        Family::Mysql => "performance_schema.global_status",
        Family::Mariadb => "information_schema.GLOBAL_STATUS",
    };
    let logs = if binlog { "; SHOW BINARY LOGS" } else { "" };
    format!(
        "SELECT VARIABLE_NAME, VARIABLE_VALUE FROM {status} WHERE VARIABLE_NAME IN \
         ('Innodb_redo_log_current_lsn', 'Innodb_lsn_current', 'Innodb_pages_created'){logs}"
    )
}

impl Totals {
    /// Reads the answers.
    pub(super) fn read(status: &[Cells], logs: Option<&[Cells]>) -> Self {
        let find = |names: &[&str]| {
            let named = |row: &&Cells| names.iter().any(|name| name.eq_ignore_ascii_case(cell(row, 0)));
            status.iter().find(named).and_then(|row| number(row, 1))
        };
        Self {
            redo: find(&["Innodb_redo_log_current_lsn", "Innodb_lsn_current"]),
            pages: find(&["Innodb_pages_created"]),
            binlog: logs.map(|rows| rows.iter().filter_map(|row| number(row, 1)).sum()),
        }
    }

    /// What was spent since `before`.
    pub(super) fn since(self, before: Self) -> Counters {
        let spent = |now: Option<u64>, then: Option<u64>| now?.checked_sub(then?);
        Counters {
            redo_bytes: Some(spent(self.redo, before.redo)),
            // Without a binary log there is no such figure.
            binlog_bytes: self.binlog.map(|now| spent(Some(now), before.binlog)),
            pages_created: Some(spent(self.pages, before.pages)),
            ..Counters::default()
        }
    }
}
