//! MySQL and MariaDB: what needs a real server of theirs.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod measure;
