//! What is measured and done on MySQL and MariaDB, on real servers: local binaries and containers. A server that does not
//! start is a failure.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod generate;
mod grow;
mod lab;
mod measure;
mod probes;
#[allow(dead_code, reason = "shared with the tests of the command line, which use all of it")]
#[path = "../cli/process.rs"]
mod process;
mod queries;
mod restore;
#[allow(dead_code, reason = "shared with the tests of the command line, which use all of it")]
#[path = "../cli/sandbox.rs"]
mod sandbox;
mod servers;
mod tools;
