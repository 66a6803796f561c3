//! Metadata-lock modes of MySQL and MariaDB on tables, and whom they shut out.
//!
//! Source: the compatibility matrices in the servers' `sql/mdl.cc` ("MDL_object_lock"), of granted locks: a reader takes
//! `SHARED_READ`, a writer `SHARED_WRITE`, a schema change `SHARED_UPGRADABLE` and then `EXCLUSIVE`, which conflicts with
//! every mode. The same modes are there in MySQL 8 and later and in MariaDB 10.3 and later.

use std::fmt;

use crate::run::Blocks;

/// A metadata-lock mode, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LockMode {
    /// `SHOW CREATE TABLE` and the like.
    Shared,
    /// `INFORMATION_SCHEMA`.
    SharedHighPrio,
    /// `SELECT`.
    SharedRead,
    /// `INSERT`, `UPDATE`, `DELETE`, `SELECT … FOR UPDATE`.
    SharedWrite,
    /// The same with `LOW_PRIORITY`.
    SharedWriteLowPrio,
    /// The first part of an ALTER, and all of it that runs beside readers and writers.
    SharedUpgradable,
    /// `LOCK TABLES … READ`, and the parent while a foreign key is checked.
    SharedReadOnly,
    /// An ALTER that copies, or builds with `LOCK=SHARED`.
    SharedNoWrite,
    /// `LOCK TABLES … WRITE`.
    SharedNoReadWrite,
    /// The end of every ALTER; all of `DROP`, `TRUNCATE`, `RENAME`.
    Exclusive,
}

impl LockMode {
    /// Every mode, weakest first.
    pub const ALL: [Self; 10] = [
        Self::Shared,
        Self::SharedHighPrio,
        Self::SharedRead,
        Self::SharedWrite,
        Self::SharedWriteLowPrio,
        Self::SharedUpgradable,
        Self::SharedReadOnly,
        Self::SharedNoWrite,
        Self::SharedNoReadWrite,
        Self::Exclusive,
    ];

    /// As `performance_schema.metadata_locks.LOCK_TYPE` spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "SHARED",
            Self::SharedHighPrio => "SHARED_HIGH_PRIO",
            Self::SharedRead => "SHARED_READ",
            Self::SharedWrite => "SHARED_WRITE",
            Self::SharedWriteLowPrio => "SHARED_WRITE_LOW_PRIO",
            Self::SharedUpgradable => "SHARED_UPGRADABLE",
            Self::SharedReadOnly => "SHARED_READ_ONLY",
            Self::SharedNoWrite => "SHARED_NO_WRITE",
            Self::SharedNoReadWrite => "SHARED_NO_READ_WRITE",
            Self::Exclusive => "EXCLUSIVE",
        }
    }

    /// From that spelling, or from that of MariaDB's `METADATA_LOCK_INFO.LOCK_MODE` (`MDL_EXCLUSIVE`).
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix("MDL_").unwrap_or(text);
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }

    /// Whom this mode shuts out of the table while it is granted.
    pub fn blocks(self) -> Vec<Blocks> {
        match self {
            Self::Exclusive | Self::SharedNoReadWrite => vec![Blocks::Reads, Blocks::Writes, Blocks::Ddl],
            Self::SharedNoWrite | Self::SharedReadOnly => vec![Blocks::Writes, Blocks::Ddl],
            _ => vec![Blocks::Ddl],
        }
    }
}

impl fmt::Display for LockMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_goes_both_ways_and_has_mariadbs_prefix() {
        for mode in LockMode::ALL {
            assert_eq!(LockMode::parse(mode.as_str()), Some(mode));
            assert_eq!(LockMode::parse(&format!("MDL_{mode}")), Some(mode));
        }
        assert_eq!(LockMode::parse("INTENTION_EXCLUSIVE"), None);
    }

    #[test]
    fn readers_are_shut_out_by_two_modes_and_writers_by_four() {
        let count = |who| LockMode::ALL.iter().filter(|mode| mode.blocks().contains(&who)).count();
        assert_eq!((count(Blocks::Reads), count(Blocks::Writes), count(Blocks::Ddl)), (2, 4, 10));
    }
}
