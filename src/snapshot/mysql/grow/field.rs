//! Fields as LOAD DATA reads them: tabs between fields, line feeds behind rows, a backslash before what would be taken for
//! either, `\N` for NULL (MySQL 9.7 manual, 15.2.9 "LOAD DATA Statement", "Field and Line Handling").

use bytes::{BufMut, BytesMut};

/// How a statement says so, whatever the server's defaults are.
pub(crate) const FORMAT: &str =
    "CHARACTER SET binary FIELDS TERMINATED BY '\\t' ENCLOSED BY '' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n'";

/// Writes a field.
pub(crate) fn put(out: &mut BytesMut, value: Option<&[u8]>) {
    let Some(mut rest) = value else {
        out.put_slice(b"\\N");
        return;
    };
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\\' | b'\t' | b'\n' | 0)) {
        out.put_slice(&rest[..at]);
        out.put_slice(match rest[at] {
            b'\\' => b"\\\\",
            b'\t' => b"\\t",
            b'\n' => b"\\n",
            _ => b"\\0",
        });
        rest = &rest[at + 1..];
    }
    out.put_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_field_or_a_row_is_escaped() {
        for (value, expected) in [
            (None, &b"\\N"[..]),
            (Some(&b""[..]), b""),
            (Some(b"N"), b"N"),
            (Some(b"\\N"), b"\\\\N"),
            (Some(b"a\tb\nc\\d\0e\r\xff"), b"a\\tb\\nc\\\\d\\0e\r\xff"),
        ] {
            let mut out = BytesMut::new();
            put(&mut out, value);
            assert_eq!(&out[..], expected);
        }
    }
}
