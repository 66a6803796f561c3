//! What is pending, and how it is run, by tool.
//!
//! For the `sql` tool, [`files`] finds the versioned files of a folder, [`plan`] says how the statements of one are
//! grouped into transactions, and [`sql`] sends them. [`command`] runs any program. Both go through the tap. [`half_applied`]
//! says what a failure left behind where it could not be rolled back. [`history`] knows the tables in which migration tools keep
//! what a database has.

pub mod command;
pub mod files;
pub mod half_applied;
pub mod history;
pub mod plan;
pub mod sql;
mod version;
