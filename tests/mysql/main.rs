//! What is measured and done on MySQL and MariaDB, on real servers: local binaries and containers. A server that does not
//! start is a failure.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod dumps;
mod files;
mod generate;
mod grow;
mod lab;
mod measure;
mod probes;
mod queries;
mod restore;
mod servers;
mod splitting;
