//! What is bound to the parameters of a prepared statement by which a migration tool keeps its history: the version that it
//! writes down.
//!
//! Source: MySQL source documentation, "`COM_STMT_EXECUTE`" and "Binary Protocol Value".

use bytes::Buf;
use mysql_common::io::ParseBuf;

use super::greeting::Agreed;
use crate::sql::history::{self, Piece};
use crate::sql::mysql::pieces;

/// No statement by which a tool keeps its history is longer, nor what it binds to one.
pub(super) const LONGEST_ENTRY: usize = 10_000;
/// What says in the flags that the count of parameters is sent (`PARAMETER_COUNT_AVAILABLE`).
const COUNTED: u8 = 0x08;

/// The version that the execution of this statement writes down. `bound` is what follows the statement's id.
pub(super) fn written_down(sql: &str, bound: &[u8], agreed: Agreed) -> Option<String> {
    if sql.len() > LONGEST_ENTRY || !sql.contains('?') {
        return None;
    }
    let mut pieces = pieces(sql);
    history::entry(&pieces, &[])?;
    let mut count = 0;
    for piece in &mut pieces {
        if let Piece::Parameter(number) = piece {
            count += 1;
            *number = count;
        }
    }
    history::entry(&pieces, &values(bound, count, agreed)?)?.version
}

/// The values, as texts; `None` where they are cut short, or of types that were told before. One that is null, or neither text
/// nor a whole number, is `None` itself.
fn values(mut bound: &[u8], count: usize, agreed: Agreed) -> Option<Vec<Option<String>>> {
    let flags = bound.try_get_u8().ok()?;
    let _iterations = bound.try_get_u32_le().ok()?;
    let mut rest = ParseBuf(bound);
    let named = agreed.query_attributes();
    let mut count = count;
    if named && flags & COUNTED != 0 {
        // With the query's attributes, which come behind them.
        count = usize::try_from(rest.checked_eat_lenenc_int()?).ok()?.min(LONGEST_ENTRY);
    }
    let nulls = rest.checked_eat(count.div_ceil(8))?;
    if rest.checked_eat_u8()? != 1 {
        return None;
    }
    let mut types = Vec::with_capacity(count);
    for _ in 0..count {
        types.push(rest.checked_eat(2)?[0]);
        if named {
            rest.checked_eat_lenenc_str()?;
        }
    }
    let is_null = |at: usize| nulls[at / 8] & (1 << (at % 8)) != 0;
    let read = |(at, kind): (usize, &u8)| if is_null(at) { Ok(None) } else { value(&mut rest, *kind) };
    types.iter().enumerate().map(read).collect::<Result<_, Short>>().ok()
}

/// What is bound is cut short.
struct Short;

/// A value as a text, if it is one or a whole number.
fn value(rest: &mut ParseBuf<'_>, kind: u8) -> Result<Option<String>, Short> {
    let mut take = |length: usize| rest.checked_eat(length).ok_or(Short);
    Ok(match kind {
        // A null.
        0x06 => None,
        0x01 => Some(take(1)?.get_i8().to_string()),
        0x02 | 0x0d => Some(take(2)?.get_i16_le().to_string()),
        0x03 | 0x09 => Some(take(4)?.get_i32_le().to_string()),
        0x08 => Some(take(8)?.get_i64_le().to_string()),
        // A float, a double, times.
        0x04 => take(4).map(|_| None)?,
        0x05 => take(8).map(|_| None)?,
        0x07 | 0x0a..=0x0c => {
            let length = usize::from(take(1)?.get_u8());
            take(length).map(|_| None)?
        }
        _ => String::from_utf8(rest.checked_eat_lenenc_str().ok_or(Short)?.to_vec()).ok(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAILS: &str = "INSERT INTO schema_migrations (version) VALUES (?)";
    const SQLX: &str = "INSERT INTO _sqlx_migrations ( version, description, success ) VALUES ( ?, ?, TRUE )";

    #[test]
    fn a_version_that_is_bound_is_read_as_text_and_as_number() {
        let version = |sql: &str, bound: &[u8]| written_down(sql, bound, Agreed::NOTHING);
        assert_eq!(version(RAILS, b"\0\x01\0\0\0\0\x01\xfe\0\x022a").as_deref(), Some("2a"));
        let number = b"\0\x01\0\0\0\0\x01\x08\0\xfd\0\x02\x01\0\0\0\0\0\0\x01x";
        assert_eq!(version(SQLX, number).as_deref(), Some("258"));
        assert_eq!(version("SELECT ? FROM orders", b"\0\x01\0\0\0\0\x01\xfe\0\x022a"), None);
        assert_eq!(version(RAILS, b"\0\x01\0\0\0\x01\x01\xfe\0"), None, "a null");
    }

    #[test]
    fn what_is_cut_short_anywhere_has_no_version() {
        let whole = b"\0\x01\0\0\0\0\x01\x08\0\xfd\0\x02\x01\0\0\0\0\0\0\x01x";
        for length in 0..whole.len() {
            assert_eq!(written_down(SQLX, &whole[..length], Agreed::NOTHING), None, "{length}");
        }
    }
}
