//! What is measured and done on MySQL and MariaDB, on real servers: local binaries and containers. A server that does not
//! start is a failure.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]
// Tests are handed to the lab as they are written.
#![allow(clippy::needless_pass_by_value)]

mod advice;
mod checks;
mod dumps;
mod external;
mod faults;
mod files;
mod grow;
mod histories;
#[path = "../measure/history_cases.rs"]
mod history_cases;
mod lab;
mod measure;
mod probes;
mod profile;
mod queries;
mod real;
mod references;
mod restore;
mod servers;
mod splitting;
mod tools;

// What the tests of the program share, of which each binary uses a part.
#[path = "../cli/docker.rs"]
#[allow(dead_code)]
mod docker;
#[path = "../cli/process.rs"]
#[allow(dead_code)]
mod process;
#[path = "../cli/sandbox.rs"]
#[allow(dead_code)]
mod sandbox;
