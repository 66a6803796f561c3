//! Rows kept without knowing their types: existing rows are sampled and parents' keys are read in the form in which the
//! server takes them, and they go back into the load as they came.

use bytes::BufMut;

/// Rows of fields, each field with its length before it (-1 for NULL).
#[derive(Debug, Clone, Default)]
pub(crate) struct Tuples {
    width: usize,
    data: Vec<u8>,
    starts: Vec<usize>,
}

impl Tuples {
    /// No rows yet, of so many fields each.
    pub(crate) fn new(width: usize) -> Self {
        Self { width, ..Self::default() }
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.starts.len().checked_div(self.width).unwrap_or(0)
    }

    /// How many fields a row has.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// A field with its length before it.
    pub(crate) fn raw(&self, row: usize, column: usize) -> &[u8] {
        let at = row * self.width + column;
        let end = self.starts.get(at + 1).copied().unwrap_or(self.data.len());
        &self.data[self.starts[at]..end]
    }

    /// A field's value; `None` is NULL.
    pub(crate) fn value(&self, row: usize, column: usize) -> Option<&[u8]> {
        value(self.raw(row, column))
    }

    /// The rows but for some, and which they were.
    pub(crate) fn without(&self, some: &[u64]) -> (Self, Vec<usize>) {
        let some: std::collections::BTreeSet<usize> =
            some.iter().filter_map(|row| usize::try_from(*row).ok()).collect();
        let rows: Vec<usize> = (0..self.len()).filter(|row| !some.contains(row)).collect();
        let mut others = Self::new(self.width);
        for row in &rows {
            (0..self.width).for_each(|column| others.push_raw(self.raw(*row, column)));
        }
        (others, rows)
    }

    /// Adds a field that has its length before it.
    pub(crate) fn push_raw(&mut self, raw: &[u8]) {
        self.starts.push(self.data.len());
        self.data.extend_from_slice(raw);
    }

    /// Adds a field. Rows are complete once each of their fields is added, in order.
    pub(crate) fn push(&mut self, value: Option<&[u8]>) {
        self.starts.push(self.data.len());
        put_field(&mut self.data, value);
    }
}

/// The length that stands for NULL.
pub(crate) const NULL: [u8; 4] = (-1_i32).to_be_bytes();

/// Writes a field with its length before it.
///
/// # Panics
/// Never for what a server can hold: a field is below 1 GB.
pub(crate) fn put_field(out: &mut impl BufMut, value: Option<&[u8]>) {
    match value {
        None => out.put_slice(&NULL),
        Some(bytes) => {
            out.put_i32(i32::try_from(bytes.len()).expect("a field is below 1 GB"));
            out.put_slice(bytes);
        }
    }
}

/// The value of a field that has its length before it; `None` is NULL.
pub(crate) fn value(raw: &[u8]) -> Option<&[u8]> {
    (raw[..4] != NULL).then_some(&raw[4..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_comes_back_as_it_was_put_and_null_is_not_empty() {
        let mut tuples = Tuples::new(2);
        for field in [Some(&b"one"[..]), None, Some(b""), Some(b"x")] {
            tuples.push(field);
        }
        assert_eq!(tuples.len(), 2);
        assert_eq!([tuples.value(0, 0), tuples.value(0, 1)], [Some(&b"one"[..]), None]);
        assert_eq!([tuples.value(1, 0), tuples.value(1, 1)], [Some(&b""[..]), Some(&b"x"[..])]);
        assert_eq!(tuples.raw(0, 1), NULL);
    }
}
