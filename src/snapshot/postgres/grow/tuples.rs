//! Rows as the server's binary COPY has them, kept without knowing their types.
//!
//! Existing rows are sampled and parents' keys are read in this form, and it goes back into the load as it came: arrays,
//! domains, `tsvector` and types of extensions need no code of their own. A field is kept with its length before it.

use bytes::{BufMut, BytesMut};
use futures_util::TryStreamExt;
use tokio_postgres::Client;

use super::GrowError;
pub(crate) use crate::snapshot::grow::tuples::{NULL, Tuples, put_field};

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// Takes the rows of one COPY message into `tuples`; `None` if it is not what binary COPY looks like.
fn take_message(tuples: &mut Tuples, mut rest: &[u8]) -> Option<()> {
    if let Some(after) = rest.strip_prefix(SIGNATURE) {
        let extension = usize::try_from(u32::from_be_bytes(after.get(4..8)?.try_into().ok()?)).ok()?;
        rest = after.get(8 + extension..)?;
    }
    while !rest.is_empty() {
        let (count, after) = rest.split_first_chunk::<2>()?;
        rest = after;
        if i16::from_be_bytes(*count) == -1 {
            continue;
        }
        if usize::try_from(i16::from_be_bytes(*count)).ok()? != tuples.width() {
            return None;
        }
        for _ in 0..tuples.width() {
            let length = i32::from_be_bytes(*rest.first_chunk::<4>()?);
            let end = 4 + usize::try_from(length).unwrap_or(0);
            tuples.push_raw(rest.get(..end)?);
            rest = &rest[end..];
        }
    }
    Some(())
}

/// Writes the head of a binary COPY.
pub(crate) fn put_head(out: &mut BytesMut) {
    out.put_slice(SIGNATURE);
    out.put_u64(0);
}

/// Writes the end of a binary COPY.
pub(crate) fn put_end(out: &mut BytesMut) {
    out.put_i16(-1);
}

/// Reads what a query of `width` columns gives.
pub(crate) async fn read(client: &Client, what: &str, query: &str, width: usize) -> Result<Tuples, GrowError> {
    let failed = GrowError::reading(what);
    let copy = format!("COPY ({query}) TO STDOUT (FORMAT binary)");
    let stream = client.copy_out(&copy).await.map_err(&failed)?;
    let mut stream = std::pin::pin!(stream);
    let mut tuples = Tuples::new(width);
    while let Some(message) = stream.try_next().await.map_err(&failed)? {
        take_message(&mut tuples, &message).ok_or_else(|| GrowError::Garbled { what: what.to_owned() })?;
    }
    Ok(tuples)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(with_head: bool, rows: &[[Option<&[u8]>; 2]]) -> BytesMut {
        let mut out = BytesMut::new();
        if with_head {
            put_head(&mut out);
        }
        for row in rows {
            out.put_i16(2);
            for field in row {
                put_field(&mut out, *field);
            }
        }
        out
    }

    #[test]
    fn rows_come_back_as_they_were_sent() {
        let mut tuples = Tuples::new(2);
        let mut end = BytesMut::new();
        put_end(&mut end);
        take_message(&mut tuples, &message(true, &[[Some(b"one"), None]])).expect("a head and a row");
        take_message(&mut tuples, &message(false, &[[Some(b""), Some(b"x")]])).expect("a row");
        take_message(&mut tuples, &end).expect("the end");
        assert_eq!(tuples.len(), 2);
        assert_eq!([tuples.value(0, 0), tuples.value(0, 1)], [Some(&b"one"[..]), None]);
        assert_eq!([tuples.value(1, 0), tuples.value(1, 1)], [Some(&b""[..]), Some(&b"x"[..])]);
        assert_eq!(tuples.raw(0, 1), NULL);
    }

    #[test]
    fn a_message_that_is_no_row_is_not_read_as_one() {
        let whole = message(false, &[[Some(b"one"), Some(b"two")]]);
        for cut in 1..whole.len() {
            assert!(take_message(&mut Tuples::new(2), &whole[..cut]).is_none(), "{cut} bytes");
        }
        assert!(take_message(&mut Tuples::new(3), &whole).is_none());
    }
}
