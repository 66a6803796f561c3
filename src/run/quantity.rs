//! Rows and bytes as people read them, for sentences and tables. The record itself holds plain numbers.

use std::fmt;

/// A number with commas between thousands: `5,000,000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count(pub u64);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut text = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        f.pad(&text)
    }
}

/// A number of rows with its noun: `1 row`, `5,000,000 rows`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows(pub u64);

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.0 == 1 { "row" } else { "rows" };
        f.pad(&format!("{} {noun}", Count(self.0)))
    }
}

/// The rows of a table; `about 5,010,000 rows` where they are estimated, in as many digits as an estimate has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableRows {
    /// How many.
    pub rows: u64,
    /// Whether they were not counted.
    pub estimated: bool,
}

impl fmt::Display for TableRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.estimated {
            return Rows(self.rows).fmt(f);
        }
        let unit = 10_u64.pow(self.rows.checked_ilog10().unwrap_or(0).saturating_sub(2));
        let rounded = (self.rows / unit).saturating_add(u64::from(self.rows % unit >= unit.div_ceil(2))) * unit;
        f.pad(&format!("about {}", Rows(if unit == 1 { self.rows } else { rounded })))
    }
}

/// A number of bytes in powers of 1024, with the units of PostgreSQL's `pg_size_pretty`: `512 bytes`, `8.0 kB`, `1.4 GB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1024 {
            return f.pad(&format!("{} bytes", self.0));
        }
        let (mut size, mut unit) = (self.0 as f64 / 1024.0, "kB");
        for larger in ["MB", "GB", "TB"] {
            if size >= 999.5 {
                (size, unit) = (size / 1024.0, larger);
            }
        }
        let digits = usize::from(size < 9.95);
        f.pad(&format!("{size:.digits$} {unit}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        for (number, shown) in [(0, "0"), (999, "999"), (1_000, "1,000"), (80_000_000, "80,000,000")] {
            assert_eq!(Count(number).to_string(), shown);
        }
        assert_eq!(Rows(1).to_string(), "1 row");
        assert_eq!(Rows(1_200).to_string(), "1,200 rows");
        for (rows, about) in [(0, "0 rows"), (77, "77 rows"), (999, "999 rows"), (5_012_345, "5,010,000 rows")] {
            assert_eq!(TableRows { rows, estimated: true }.to_string(), format!("about {about}"));
        }
        assert_eq!(TableRows { rows: 9_996, estimated: true }.to_string(), "about 10,000 rows");
        assert_eq!(TableRows { rows: 5_012_345, estimated: false }.to_string(), "5,012,345 rows");
    }

    #[test]
    fn bytes_take_the_unit_that_fits() {
        for (bytes, shown) in [
            (512, "512 bytes"),
            (8_192, "8.0 kB"),
            (10_240, "10 kB"),
            (1_023_999, "1.0 MB"),
            (251_658_240, "240 MB"),
            (1_503_238_554, "1.4 GB"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), shown);
        }
    }
}
