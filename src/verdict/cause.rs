//! What an error of the server is about, whatever the engine calls it, so that advice and judgement need not know numbers.
//!
//! Sources: PostgreSQL 18 manual, appendix A; MySQL 9.7 "Server Error Message Reference"; MariaDB "Error Codes". MySQL
//! gives many errors one SQLSTATE (`HY000`), and 23000 to an ambiguous column name, so its own numbers go first.

use crate::run::SqlError;

/// What an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// A row has NULL where it may not.
    Null,
    /// A row points at nothing, or is pointed at.
    ForeignKey,
    /// Two rows are equal where they may not be.
    Duplicate,
    /// A row breaks a check.
    Check,
    /// Two rows exclude each other.
    Exclusion,
    /// A value does not fit or cannot be converted.
    Value,
    /// A statement leaves out a column that has no default.
    NoDefault,
    /// What is to be made is there already.
    Exists,
    /// A table, view or schema is not there.
    NoTable,
    /// A column or index is not there.
    NoColumn,
    /// A function, procedure, trigger or type is not there.
    NoRoutine,
    /// No unique index fits `ON CONFLICT`.
    NoUniqueIndex,
    /// The role may not do this.
    Privilege,
    /// A lock was waited for too long.
    LockTimeout,
    /// It was cancelled, or a time limit of the server was reached.
    Cancelled,
    /// It cannot run in a transaction.
    InTransaction,
    /// The server can do it, but not with the `ALGORITHM` or `LOCK` that was asked for.
    Guard,
    /// The server does not understand it.
    Syntax,
    /// What was to be written could not be, mostly because the disk is full.
    Storage,
    /// Anything else.
    Other,
}

impl Cause {
    /// What an error is about.
    pub(super) fn of(error: &SqlError) -> Self {
        error.code.and_then(of_number).unwrap_or_else(|| of_sqlstate(&error.sqlstate))
    }

    /// Whether the rows are to blame: it would work on an empty database.
    pub(super) fn is_data(self) -> bool {
        matches!(self, Self::Null | Self::ForeignKey | Self::Duplicate | Self::Check | Self::Exclusion | Self::Value)
    }
}

/// By the number of MySQL or MariaDB, where the SQLSTATE does not say it.
fn of_number(code: u32) -> Option<Cause> {
    Some(match code {
        1048 | 1138 | 1263 => Cause::Null,
        1216 | 1217 | 1451 | 1452 | 1761 | 1762 => Cause::ForeignKey,
        1022 | 1062 | 1169 | 1557 | 1586 | 1859 => Cause::Duplicate,
        3819 | 4025 => Cause::Check,
        1264 | 1265 | 1292 | 1366 | 1411 | 1526 | 1690 | 1731 | 1737 | 1748 | 3751 | 3752 => Cause::Value,
        1364 => Cause::NoDefault,
        1007 | 1050 | 1060 | 1061 | 1068 | 1304 | 1359 | 1826 | 3822 => Cause::Exists,
        1049 | 1051 | 1146 => Cause::NoTable,
        1054 | 1072 | 1091 | 1176 | 3821 => Cause::NoColumn,
        1305 | 1360 => Cause::NoRoutine,
        1044 | 1142 | 1143 | 1227 | 1370 | 1419 => Cause::Privilege,
        1205 => Cause::LockTimeout,
        1317 | 1969 | 3024 => Cause::Cancelled,
        1845 | 1846 | 4092 => Cause::Guard,
        1064 => Cause::Syntax,
        // 1030 is what InnoDB's `Unknown (generic) error` comes as where there is no room for a copy (seen on MariaDB 10.11).
        3 | 14 | 20 | 1021 | 1030 | 1114 => Cause::Storage,
        // "Column 'x' is ambiguous" has the SQLSTATE of a duplicate.
        1052 => Cause::Other,
        _ => return None,
    })
}

fn of_sqlstate(sqlstate: &str) -> Cause {
    match sqlstate {
        "23502" => Cause::Null,
        "23503" => Cause::ForeignKey,
        "23505" => Cause::Duplicate,
        "23514" => Cause::Check,
        "23P01" => Cause::Exclusion,
        "42P07" | "42701" | "42710" => Cause::Exists,
        "42P01" | "3F000" => Cause::NoTable,
        "42703" => Cause::NoColumn,
        "42704" | "42883" => Cause::NoRoutine,
        "42P10" => Cause::NoUniqueIndex,
        "42501" => Cause::Privilege,
        "42601" => Cause::Syntax,
        "55P03" => Cause::LockTimeout,
        "57014" => Cause::Cancelled,
        "25001" => Cause::InTransaction,
        "53100" => Cause::Storage,
        other if matches!(other.get(..2), Some("22" | "23")) => Cause::Value,
        _ => Cause::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(code: Option<u32>, sqlstate: &str) -> Cause {
        Cause::of(&SqlError { code, sqlstate: sqlstate.to_owned(), ..SqlError::default() })
    }

    #[test]
    fn rows_are_to_blame_for_what_an_empty_table_would_not_meet() {
        for (code, sqlstate) in [
            (1062, "23000"), // duplicate entry
            (1048, "23000"), // column cannot be null
            (1138, "22004"), // invalid use of NULL value
            (1265, "01000"), // data truncated
            (1406, "22001"), // data too long
            (1264, "22003"), // out of range
            (1366, "HY000"), // incorrect integer value
            (1292, "22007"), // incorrect datetime value
            (1452, "23000"), // a foreign key constraint fails
            (1526, "HY000"), // no partition for the value
            (3819, "HY000"), // check constraint is violated
            (4025, "23000"), // the same, of MariaDB
            (3140, "22032"), // invalid JSON text
        ] {
            assert!(cause(Some(code), sqlstate).is_data(), "{code}");
        }
        for (code, sqlstate) in [
            (1052, "23000"), // column is ambiguous
            (1060, "42S21"), // duplicate column name
            (1064, "42000"), // syntax
            (1071, "42000"), // key too long
            (1091, "42000"), // cannot drop, check that it exists
            (1205, "HY000"), // lock wait timeout
            (1213, "40001"), // deadlock
            (1364, "HY000"), // no default value
            (1846, "0A000"), // algorithm is not supported
            (3780, "HY000"), // incompatible columns of a foreign key
            (4092, "HY000"), // maximum row versions
        ] {
            assert!(!cause(Some(code), sqlstate).is_data(), "{code}");
        }
    }

    #[test]
    fn both_engines_mean_the_same_by_their_own_numbers() {
        for (postgres, mysql) in [
            ("23502", 1048),
            ("23503", 1452),
            ("23505", 1062),
            ("23514", 3819),
            ("42701", 1060),
            ("42P01", 1146),
            ("42703", 1054),
            ("42883", 1305),
            ("42501", 1142),
            ("55P03", 1205),
            ("57014", 1317),
            ("42601", 1064),
        ] {
            assert_eq!(cause(None, postgres), cause(Some(mysql), "HY000"), "{postgres} and {mysql}");
        }
    }

    #[test]
    fn a_sqlstate_that_is_cut_short_is_anything_else() {
        assert_eq!(cause(None, ""), Cause::Other);
        assert_eq!(cause(None, "é"), Cause::Other);
    }
}
