//! PostgreSQL's table-level lock modes and which of them conflict.
//!
//! Source: PostgreSQL 18 manual, 13.3.1 "Table-Level Locks", table 13.2; the same in every version since 8.

use std::fmt;

use crate::run::Blocks;

/// A table-level lock mode, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LockMode {
    /// `SELECT`.
    AccessShare,
    /// `SELECT … FOR UPDATE` and its kin.
    RowShare,
    /// `INSERT`, `UPDATE`, `DELETE`, `MERGE`.
    RowExclusive,
    /// `VACUUM`, `ANALYZE`, `CREATE INDEX CONCURRENTLY`, `VALIDATE CONSTRAINT`.
    ShareUpdateExclusive,
    /// `CREATE INDEX`.
    Share,
    /// `CREATE TRIGGER`, `ADD FOREIGN KEY`.
    ShareRowExclusive,
    /// `REFRESH MATERIALIZED VIEW CONCURRENTLY`.
    Exclusive,
    /// Most of `ALTER TABLE`, `DROP`, `TRUNCATE`, `VACUUM FULL`.
    AccessExclusive,
}

impl LockMode {
    /// Every mode, weakest first.
    pub const ALL: [Self; 8] = [
        Self::AccessShare,
        Self::RowShare,
        Self::RowExclusive,
        Self::ShareUpdateExclusive,
        Self::Share,
        Self::ShareRowExclusive,
        Self::Exclusive,
        Self::AccessExclusive,
    ];

    /// As `pg_locks.mode` spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessShare => "AccessShareLock",
            Self::RowShare => "RowShareLock",
            Self::RowExclusive => "RowExclusiveLock",
            Self::ShareUpdateExclusive => "ShareUpdateExclusiveLock",
            Self::Share => "ShareLock",
            Self::ShareRowExclusive => "ShareRowExclusiveLock",
            Self::Exclusive => "ExclusiveLock",
            Self::AccessExclusive => "AccessExclusiveLock",
        }
    }

    /// From the spelling of `pg_locks.mode`. `None` for modes that relations do not have (`SIReadLock`).
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }

    /// Whether two sessions cannot hold these modes on one relation at the same time.
    ///
    /// ```
    /// use rehearsal::observe::postgres::lock_mode::LockMode;
    ///
    /// // CREATE INDEX shuts out writers and lets readers pass.
    /// assert!(LockMode::Share.conflicts_with(LockMode::RowExclusive));
    /// assert!(!LockMode::Share.conflicts_with(LockMode::AccessShare));
    /// ```
    pub fn conflicts_with(self, other: Self) -> bool {
        use LockMode::{
            AccessExclusive, AccessShare, Exclusive, RowExclusive, RowShare, Share, ShareRowExclusive,
            ShareUpdateExclusive,
        };
        let (weak, strong) = if self <= other { (self, other) } else { (other, self) };
        match weak {
            AccessShare => strong == AccessExclusive,
            RowShare => strong >= Exclusive,
            RowExclusive => strong >= Share,
            // SHARE is the one strong mode that several sessions may hold at once.
            Share => strong != Share,
            ShareUpdateExclusive | ShareRowExclusive | Exclusive | AccessExclusive => true,
        }
    }

    /// Whom this mode shuts out: readers take `AccessShareLock`, writers `RowExclusiveLock`, and most other schema
    /// changes, `VACUUM` and `ANALYZE` at least `ShareUpdateExclusiveLock`.
    pub fn blocks(self) -> Vec<Blocks> {
        [
            (Self::AccessShare, Blocks::Reads),
            (Self::RowExclusive, Blocks::Writes),
            (Self::ShareUpdateExclusive, Blocks::Ddl),
        ]
        .into_iter()
        .filter(|(theirs, _)| self.conflicts_with(*theirs))
        .map(|(_, who)| who)
        .collect()
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

    /// Table 13.2 of the manual, row by row: `X` where the requested mode conflicts with the existing one.
    const MANUAL: [&str; 8] =
        [".......X", "......XX", "....XXXX", "...XXXXX", "..XX.XXX", "..XXXXXX", ".XXXXXXX", "XXXXXXXX"];

    #[test]
    fn conflicts_are_those_of_the_manual() {
        for (row, existing) in MANUAL.iter().zip(LockMode::ALL) {
            for (mark, requested) in row.chars().zip(LockMode::ALL) {
                assert_eq!(existing.conflicts_with(requested), mark == 'X', "{existing} and {requested}");
            }
        }
    }

    #[test]
    fn only_access_exclusive_blocks_reads() {
        for mode in LockMode::ALL {
            assert_eq!(mode.blocks().contains(&Blocks::Reads), mode == LockMode::AccessExclusive, "{mode}");
            assert_eq!(mode.blocks().contains(&Blocks::Writes), mode >= LockMode::Share, "{mode}");
        }
    }

    #[test]
    fn spelling_goes_both_ways() {
        for mode in LockMode::ALL {
            assert_eq!(LockMode::parse(mode.as_str()), Some(mode));
        }
        assert_eq!(LockMode::parse("SIReadLock"), None);
    }
}
