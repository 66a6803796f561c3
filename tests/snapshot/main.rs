//! The data that a rehearsal starts from, on real servers: dumps restored and tables grown.
//!
//! Servers are this machine's own and those of the images `postgres:15`, `17` and `18`; one that is missing fails.

mod checks;
mod dumps;
mod forms;
mod keys;
mod lab;
mod mistakes;
mod profile;
mod real;
mod references;
mod refused;
mod rest;
mod types;
mod versions;
