//! What the statistics of a production database say of its tables: a file that a person can read before it leaves production,
//! and from which tables of the same shape are made elsewhere.
//!
//! [`postgres`] and [`mysql`] read it from a server, [`production`] finds the server. The file is TOML, and has a version of its own.
//! Nothing in it comes from the rows themselves: only catalogs and the planner's statistics are read.
//!
//! Limits: statistics are samples; what a server has not analysed is not known, and how columns depend on one another is not
//! looked at.

mod hashed;
pub mod mysql;
pub mod postgres;
pub mod production;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::scenario::Engine;

/// The form of the file that this version writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

/// The first lines of the file.
const HEAD: &str = "\
# What the statistics of a database say of its tables, written by `rehearsal profile`.
# Look through it before it leaves production: what was kept of values stands under `values` and `bounds`, and the
# schema at the end may have values in its defaults, CHECK constraints and comments.
";

/// A profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The form of the file: [`FORMAT`].
    pub format: u32,
    /// The engine.
    pub engine: Engine,
    /// The server's own full version number.
    pub version: String,
    /// When it was taken, in UTC.
    pub taken_at: String,
    /// What was done with values.
    pub keep: Keep,
    /// What could not be read, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Statements that make the tables, without rows.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub schema: String,
    /// The tables, in order of name.
    #[serde(default, rename = "table", skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<TableProfile>,
}

/// What is done with values that statistics hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// Numbers, dates and times, booleans and the labels of enumerated types are kept; everything else (text, JSON, UUIDs,
    /// addresses) is left out.
    #[default]
    Numbers,
    /// No value is kept.
    None,
    /// As `numbers`, and in the place of text stands a salted hash of the same length.
    Hashed,
    /// Every value is kept.
    Kept,
}

/// One table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableProfile {
    /// Its name as SQL has it, with its schema.
    pub name: String,
    /// Rows, as the planner reckons them; `None` if the table was never analysed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Rows that the statistics were taken from, where they are a sample (300 for each unit of the statistics target).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampled: Option<u64>,
    /// Bytes of the rows themselves, without indexes and TOAST; of MySQL those of leaf pages, where they are known.
    pub bytes: u64,
    /// Bytes of its TOAST table, without the index of that.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub toast_bytes: u64,
    /// Per cent to which pages are filled, where it was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fillfactor: Option<u32>,
    /// Its columns, in their order.
    #[serde(default, rename = "column", skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ColumnProfile>,
    /// Its indexes, in order of name.
    #[serde(default, rename = "index", skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<IndexProfile>,
    /// Its foreign keys.
    #[serde(default, rename = "reference", skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<ReferenceProfile>,
}

/// One column. What was not observed is left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnProfile {
    /// Its name.
    pub name: String,
    /// Its type, as SQL has it.
    #[serde(rename = "type")]
    pub declared: String,
    /// Share of NULLs, 0 to 1.
    pub null_fraction: f64,
    /// How many different values there are; a negative one is a share of the rows (`pg_stats.n_distinct`).
    pub distinct: f64,
    /// Bytes that a value takes on average, as it is stored.
    pub width: f64,
    /// How far the order of the rows on disk is that of the values, -1 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<f64>,
    /// Shares of the rows that have the most common values, the most common first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frequencies: Vec<f64>,
    /// The most common values (or their hashes), where they are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<String>>,
    /// Bytes of the most common values as text, where they are not kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub value_widths: Vec<u32>,
    /// Values that cut the others into parts of equal size, in order, where they are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounds: Option<Vec<String>>,
    /// How many different values are in each of those parts, where the server counts them (MySQL).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub part_distinct: Vec<u64>,
    /// Bytes of those values as text, smallest first, where they are not kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub widths: Vec<u32>,
}

/// One index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexProfile {
    /// Its name, without a schema.
    pub name: String,
    /// Its size in bytes; of MySQL that of its leaf pages.
    pub bytes: u64,
}

/// One foreign key, as far as statistics tell of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceProfile {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// The table that it refers to.
    pub parent: String,
    /// How many rows refer to one that is referred to, on average; not known for a key of several columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fan_out: Option<f64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Why a file is no profile that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// It cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is something else.
    #[error("it is no profile: {0}")]
    Parse(String),
    /// It was written by a later version.
    #[error("it has format {0}, and this version of rehearsal reads up to {FORMAT}: use a newer rehearsal")]
    Newer(u32),
    /// A figure in it cannot be.
    #[error("it is damaged: {0}")]
    Damaged(String),
}

impl Profile {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, ProfileError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ProfileError::Read { path: path.to_owned(), source })?;
        Self::parse(&text)
    }

    /// Reads the text of a file.
    pub fn parse(text: &str) -> Result<Self, ProfileError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let parse = |error: toml::de::Error| ProfileError::Parse(error.message().to_owned());
        let Format { format } = toml::from_str(text).map_err(parse)?;
        if format > FORMAT {
            return Err(ProfileError::Newer(format));
        }
        let profile: Self = toml::from_str(text).map_err(parse)?;
        profile.check()?;
        Ok(profile)
    }

    /// The text of its file.
    ///
    /// # Panics
    /// Never: a profile holds nothing that TOML cannot say.
    pub fn to_text(&self) -> String {
        format!("{HEAD}\n{}", toml::to_string(self).expect("a profile is plain data"))
    }

    /// The profile of a table, by its name as SQL has it.
    pub fn table(&self, name: &str) -> Option<&TableProfile> {
        self.tables.iter().find(|table| table.name == name)
    }

    fn check(&self) -> Result<(), ProfileError> {
        let share = |share: f64| (0.0..=1.0).contains(&share);
        for table in &self.tables {
            for column in &table.columns {
                let of = |what: &str| {
                    Err(ProfileError::Damaged(format!("{what} of column {} of {}", column.name, table.name)))
                };
                if !share(column.null_fraction) {
                    return of("`null_fraction`");
                }
                if !column.frequencies.iter().all(|frequency| share(*frequency)) {
                    return of("`frequencies`");
                }
                if !column.correlation.is_none_or(|correlation| share(correlation.abs())) {
                    return of("`correlation`");
                }
                if !(column.distinct >= -1.0 && column.width >= 0.0) {
                    return of("`distinct` or `width`");
                }
                if column.values.as_ref().is_some_and(|values| values.len() != column.frequencies.len()) {
                    return of("the number of `values`");
                }
            }
        }
        Ok(())
    }
}

impl TableProfile {
    /// The lowest and the highest whole number that its statistics have for a column.
    pub fn range_of(&self, column: &str) -> Option<(i64, i64)> {
        let bounds = self.columns.iter().find(|profile| profile.name == column)?.bounds.as_ref()?;
        Some((bounds.first()?.parse().ok()?, bounds.last()?.parse().ok()?))
    }
}

impl ColumnProfile {
    /// How many different values so many rows have.
    pub fn distinct_of(&self, rows: u64) -> u64 {
        let distinct = if self.distinct < 0.0 { -self.distinct * rows as f64 } else { self.distinct };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and a count of rows"
        )]
        let distinct = distinct.round() as u64;
        distinct.min(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> Profile {
        let column = ColumnProfile {
            name: "status".into(),
            declared: "text".into(),
            null_fraction: 0.25,
            distinct: -0.5,
            width: 7.5,
            correlation: Some(0.5),
            frequencies: vec![0.5, 0.25],
            values: Some(vec!["it's".into(), "two\nlines".into()]),
            ..ColumnProfile::default()
        };
        Profile {
            format: FORMAT,
            engine: Engine::Postgres,
            version: "17.1".into(),
            taken_at: "2026-01-01T00:00:00Z".into(),
            keep: Keep::Kept,
            notes: vec!["a note".into()],
            schema: "CREATE TABLE public.t (\n    status text DEFAULT 'x'\n);\n".into(),
            tables: vec![TableProfile {
                name: "\"public\".\"t\"".into(),
                rows: Some(10),
                bytes: 8192,
                columns: vec![column],
                indexes: vec![IndexProfile { name: "t_pkey".into(), bytes: 16384 }],
                ..TableProfile::default()
            }],
        }
    }

    #[test]
    fn a_profile_comes_back_as_it_was_written() {
        assert_eq!(Profile::parse(&profile().to_text()).expect("a profile"), profile());
    }

    #[test]
    fn the_schema_is_written_line_by_line_for_people() {
        assert!(profile().to_text().contains("\n    status text DEFAULT 'x'\n"), "{}", profile().to_text());
    }

    #[test]
    fn what_is_no_profile_is_refused_with_the_reason() {
        let refused = |text: &str| Profile::parse(text).expect_err(text).to_string();
        assert!(refused("title = 'a scenario'").contains("missing field `format`"));
        assert!(refused("format = 99").contains("use a newer rehearsal"));
        let damaged = profile().to_text().replace("null_fraction = 0.25", "null_fraction = 2.5");
        assert_eq!(refused(&damaged), "it is damaged: `null_fraction` of column status of \"public\".\"t\"");
    }

    #[test]
    fn distinct_values_may_be_a_share_of_the_rows() {
        assert_eq!(profile().tables[0].columns[0].distinct_of(100), 50);
        assert_eq!(ColumnProfile { distinct: 7.0, ..ColumnProfile::default() }.distinct_of(5), 5);
    }
}
