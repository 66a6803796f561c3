//! What migration tools write down about themselves: the tables in which they keep which migrations a database has.
//!
//! [`baseline`] reads such a table of restored data, so that the `sql` tool applies what the tool itself would.

pub mod baseline;
