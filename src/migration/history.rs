//! What migration tools write down about themselves: the tables in which they keep which migrations a database has.
//!
//! [`baseline`] reads such a table of restored data, so that the `sql` tool applies what the tool itself would. [`versions`] tells
//! by what a command wrote into one which of its statements belong to which of its versions.

pub mod baseline;
pub mod versions;
