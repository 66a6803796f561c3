//! What a server answers in place of a result.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An error of the server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SqlError {
    /// The five characters of the SQLSTATE.
    pub sqlstate: String,
    /// The server's own number of the error (MySQL, MariaDB: `1062`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u32>,
    /// The server's message.
    pub message: String,
    /// The server's detail, when it gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What the server suggests, when it does (PostgreSQL).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The character of the statement that it is about, counted from 1, when the server named one (PostgreSQL).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
    /// What of the schema it is about, when the server named that (PostgreSQL).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Box<Place>>,
}

/// What of the schema an error is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// The table, with its schema.
    pub table: String,
    /// The column, when one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
}

impl SqlError {
    /// What people look an error up by: the number where the engine has one (`1062`), else the SQLSTATE (`23505`).
    pub fn number(&self) -> String {
        self.code.map_or_else(|| self.sqlstate.clone(), |code| code.to_string())
    }

    /// The line of this statement that it is about, counted from 1, when the server named a place in it.
    pub fn line_in(&self, sql: &str) -> Option<u32> {
        let before = usize::try_from(self.position?).ok()?.checked_sub(1)?;
        let lines = sql.chars().take(before).filter(|letter| *letter == '\n').count();
        u32::try_from(lines).ok().map(|lines| lines + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_one_of_characters_and_not_of_bytes() {
        let at = |position| SqlError { position, ..SqlError::default() }.line_in("SELECT 'ä😀',\n  nope,\n  more");
        assert_eq!(
            [at(None), at(Some(0)), at(Some(1)), at(Some(13)), at(Some(14)), at(Some(16)), at(Some(99))],
            [None, None, Some(1), Some(1), Some(2), Some(2), Some(3)]
        );
    }
}
