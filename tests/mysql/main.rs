//! What is measured and done on MySQL and MariaDB, on real servers: local binaries and containers. A server that does not
//! start is a failure.

mod grow;
mod lab;
mod queries;
mod restore;
mod servers;
