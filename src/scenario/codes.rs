//! The words by which findings are called.

use super::suggest::closest;
use super::value::Value;

/// All that this version knows, in the order in which they are looked for.
pub(crate) const CODES: [&str; 30] = [
    "fails-on-data",
    "migration-failed",
    "server-version",
    "half-applied",
    "invalid-index-left",
    "blocks-reads",
    "blocks-writes",
    "table-rewrite",
    "copy-algorithm",
    "rebuild",
    "index-rebuild",
    "full-scan-under-lock",
    "lock-held-past-statement",
    "slow-foreign-key-check",
    "blocks-unnamed-table",
    "parent-table-locked",
    "no-lock-timeout",
    "metadata-lock-unbounded",
    "instant-limit-near",
    "implicit-commit",
    "not-in-transaction",
    "drops-data",
    "slow-migration",
    "no-safe-order",
    "old-query-breaks",
    "new-query-fails",
    "prepared-statement-breaks",
    "old-query-changes",
    "waiver-expired",
    "waiver-unused",
];

/// The code of a finding.
pub(super) fn code(value: &Value<'_>) -> Option<String> {
    let code = value.string()?;
    if CODES.contains(&code) {
        return Some(code.to_owned());
    }
    value.refuse(&format!("names no finding: `{code}`"), meant(code))
}

/// Which finding a mistyped code may have meant, and where they all are.
pub(crate) fn meant(code: &str) -> String {
    match closest(code, CODES) {
        Some(meant) => format!("did you mean `{meant}`? `rehearsal explain` lists all findings"),
        None => "`rehearsal explain` lists all findings".to_owned(),
    }
}
